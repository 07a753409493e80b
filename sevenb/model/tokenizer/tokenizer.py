"""`Tokenizer`: one face for both families of vocabularies."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, Self

from sevenb.errors import InvalidRequest, UnsupportedModel
from sevenb.model.tokenizer.byte_level import ByteLevelCodec
from sevenb.model.tokenizer.rendered_prompt import RenderedPrompt
from sevenb.model.tokenizer.sentencepiece import SentencePieceCodec, StartsAfter
from sevenb.model.tokenizer.vocabulary import Vocabulary


class _Codec(Protocol):
    """A family of vocabularies: ordinary text to ids, and tokens of ordinary text to bytes.

    ``starts_after``: behind which tokens, special ones or any or none, text counts as a text's start once more.
    """

    adds_bos: bool
    starts_with_space: bool

    @property
    def starts_after(self) -> StartsAfter: ...

    def __init__(self, vocabulary: Vocabulary, metadata: Mapping[str, object]) -> None: ...

    def encode(self, text: str, *, at_start: bool) -> list[int]: ...

    def token_bytes(self, token: str) -> bytes: ...


_CODECS: dict[str, type[_Codec]] = {"gpt2": ByteLevelCodec, "llama": SentencePieceCodec}


class Tokenizer:
    """Text to token ids and back, exactly as the model was trained."""

    def __init__(self, vocabulary: Vocabulary, codec: _Codec, *, add_bos: bool) -> None:
        self._vocabulary = vocabulary
        self._codec = codec
        self._add_bos = add_bos
        self._bytes: dict[int, bytes] = {}
        special = vocabulary.spellings(vocabulary.special_ids)
        user_defined = vocabulary.spellings(vocabulary.user_defined_ids)
        self._split_special = _Splitter(special)
        self._split_user_defined = _Splitter(user_defined)
        self._split_both = _Splitter(special | user_defined)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, object]) -> Self:
        """Build from a GGUF file's metadata; raises `UnsupportedModel` or `CorruptModelFile`, which say why."""
        family = str(metadata.get("tokenizer.ggml.model", "none"))
        if family not in _CODECS:
            raise UnsupportedModel(
                f"The model file has a tokenizer of the kind {family!r:.60}; sevenb reads {' and '.join(_CODECS)}."
            )
        vocabulary = Vocabulary.from_metadata(metadata)
        codec = _CODECS[family](vocabulary, metadata)
        return cls(vocabulary, codec, add_bos=bool(metadata.get("tokenizer.ggml.add_bos_token", codec.adds_bos)))

    # -- text to ids ---------------------------------------------------------------------------------

    def encode(self, text: str, *, parse_special: bool = False, add_bos: bool | None = None) -> list[int]:
        """Token ids of a text.

        With ``parse_special``, special tokens spelled out in the text become their ids, as a completion prompt expects;
        without it they are mere characters. ``add_bos=None`` puts the start token in front where the model was trained
        so, unless the text spells it already. Lone surrogates become U+FFFD.
        """
        split = self._split_both if parse_special else self._split_user_defined
        pieces = list(split(_well_formed(text)))
        if add_bos is None:
            add_bos = self._add_bos and pieces[:1] != [self.bos_id]
        start = [self.bos_id] if add_bos and self.bos_id is not None else []
        return start + self._encode_pieces(pieces)

    def encode_chat(self, prompt: RenderedPrompt) -> list[int]:
        """Token ids of a rendered chat: the template's special tokens are special, all else is plain text.

        No start token is added: templates write their own.
        """
        pieces: list[str | int] = []
        for piece in prompt.pieces:
            if isinstance(piece, int):
                pieces.append(piece)
            else:
                pieces.extend(self._split_user_defined(_well_formed(piece)))
        return self._encode_pieces(pieces)

    def encode_inside(self, text: str) -> list[int]:
        """Token ids of ordinary text amid other text: nothing is put in front, and no markup is seen in it."""
        return self._codec.encode(_well_formed(text), at_start=False)

    def split_special(self, text: str) -> Iterator[str | int]:
        """Cut a text at its special tokens: their ids, and the text between them."""
        return self._split_special(text)

    def _encode_pieces(self, pieces: Iterable[str | int]) -> list[int]:
        ids: list[int] = []
        at_start, starts_after = True, self._codec.starts_after
        for piece in pieces:
            if isinstance(piece, int):
                ids.append(piece)
                at_start = starts_after == "any" or (starts_after == "special" and piece in self.special_ids)
            else:
                ids += self._codec.encode(piece, at_start=at_start)
                at_start = False
        return ids

    # -- ids to text ---------------------------------------------------------------------------------

    def decode(self, ids: Iterable[int], *, skip_special_tokens: bool = True) -> str:
        """The text of the ids: what `encode` did is undone. Bytes that are not UTF-8 become U+FFFD."""
        kept = [i for i in ids if not (skip_special_tokens and i in self.special_ids)]
        text = b"".join(map(self.token_bytes, kept)).decode(errors="replace")
        if self._codec.starts_with_space and kept and kept[0] not in self.special_ids:
            return text.removeprefix(" ")
        return text

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one token, perhaps half a character; `InvalidRequest` for an id outside the vocabulary."""
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._spell(token_id)
        return known

    def token_text(self, token_id: int) -> str:
        """One token as text for people; an incomplete character is U+FFFD."""
        return self.token_bytes(token_id).decode(errors="replace")

    def _spell(self, token_id: int) -> bytes:
        vocabulary = self._vocabulary
        if not 0 <= token_id < len(vocabulary):
            raise InvalidRequest(f"Token {token_id} is not in the vocabulary; ids run from 0 to {len(vocabulary) - 1}.")
        if token_id in vocabulary.unused_ids:
            return b""
        token = vocabulary.tokens[token_id]
        if token_id in vocabulary.special_ids or token_id in vocabulary.user_defined_ids:
            return token.encode()
        return self._codec.token_bytes(token)

    # -- what the vocabulary says --------------------------------------------------------------------

    @property
    def vocab_size(self) -> int:
        """How many token ids there are, unused ones included."""
        return len(self._vocabulary)

    @property
    def bos_id(self) -> int | None:
        """The token a text begins with, where the file names one."""
        return self._vocabulary.bos_id

    @property
    def eos_id(self) -> int | None:
        """The token the file names as the end."""
        return self._vocabulary.eos_id

    @property
    def pad_id(self) -> int | None:
        """The token that fills unused positions, where the file names one."""
        return self._vocabulary.pad_id

    @property
    def end_ids(self) -> frozenset[int]:
        """Every token that ends an answer: those the file names and those known by their spelling."""
        return self._vocabulary.end_ids

    @property
    def special_ids(self) -> frozenset[int]:
        """Every token that marks structure and is not shown to people."""
        return self._vocabulary.special_ids

    @property
    def special_tokens(self) -> dict[str, int]:
        """The special tokens by spelling."""
        return dict(self._split_special.ids)

    @property
    def added_tokens(self) -> dict[str, int]:
        """All that is one token wherever it is spelled out: special tokens and those such as ``<tool_call>``."""
        return dict(self._split_both.ids)


class _Splitter:
    """Cuts text at given spellings, the longest first: yields their ids and the text between, never an empty string."""

    def __init__(self, ids: dict[str, int]) -> None:
        self.ids = ids
        longest_first = sorted(ids, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if ids else None

    def __call__(self, text: str) -> Iterator[str | int]:
        done = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            if match.start() > done:
                yield text[done : match.start()]
            yield self.ids[match.group()]
            done = match.end()
        if done < len(text):
            yield text[done:]


def _well_formed(text: str) -> str:
    """The text as Unicode allows it: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
