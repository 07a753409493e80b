"""SentencePiece BPE: whole texts merged by score, unknown characters as bytes (Kudo & Richardson 2018)."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import tokenizers
from tokenizers.models import BPE

from sevenb.errors import CorruptModelFile, UnsupportedModel
from sevenb.model.tokenizer.vocabulary import Vocabulary, numbers_of, strings_of

# How a folder's tokenizer.json puts a space in front: of "each" piece between added tokens, as a normaliser does; or by
# Metaspace, of all of them ("always") or of the "first" one, unless it begins with a space.
SPACE_PREFIX = "tokenizer.huggingface.space_prefix"
StartsAfter: TypeAlias = Literal["special", "any", "none"]

_SPACE = "▁"  # U+2581, how the vocabulary spells a space


class SentencePieceCodec:
    """Text to ids and tokens to bytes, for files with ``tokenizer.ggml.model = llama``."""

    adds_bos = True
    starts_after: StartsAfter

    def __init__(self, vocabulary: Vocabulary, metadata: Mapping[str, object]) -> None:
        self.starts_with_space = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
        prefix = metadata.get(SPACE_PREFIX)
        self.starts_after = "special" if prefix is None else "none" if prefix == "first" else "any"
        self._spares_spaces = prefix in ("always", "first")
        if vocabulary.unknown_id is None:
            raise UnsupportedModel("The model file names no unknown token; choose a GGUF file made with its tokenizer.")
        unknown = vocabulary.tokens[vocabulary.unknown_id]
        bytes_of = {vocabulary.tokens[token_id] for token_id in vocabulary.byte_ids}
        try:
            model = BPE(
                {**vocabulary.text_ids, unknown: vocabulary.unknown_id},
                _merges(vocabulary, metadata, bytes_of),
                unk_token=unknown,
                byte_fallback=bool(bytes_of),
                fuse_unk=True,
            )
        except CorruptModelFile:
            raise
        except Exception as error:  # the library raises bare Exceptions
            raise CorruptModelFile(
                f"The model file's merges do not fit its vocabulary ({error}); download it again."
            ) from None
        self._tokenizer = tokenizers.Tokenizer(model)
        self._bytes = {token: _byte_of(token) for token in bytes_of}

    def encode(self, text: str, *, at_start: bool) -> list[int]:
        """Ids of plain text; ``at_start``: a space is put in front if the model was trained so."""
        if not text:
            return []
        text = text.replace(" ", _SPACE)
        if at_start and self.starts_with_space and not (self._spares_spaces and text[0] == _SPACE):
            text = _SPACE + text
        (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        ids: list[int] = encoding.ids
        return ids

    def token_bytes(self, token: str) -> bytes:
        """The bytes that a token of ordinary text stands for."""
        known = self._bytes.get(token)
        return token.replace(_SPACE, " ").encode() if known is None else known


def _merges(vocabulary: Vocabulary, metadata: Mapping[str, object], bytes_of: set[str]) -> list[tuple[str, str]]:
    """The ranked merges: those that are stated, or those that follow from the scores."""
    scores = numbers_of(metadata, "tokenizer.ggml.scores")
    if not scores and (stated := strings_of(metadata, "tokenizer.ggml.merges")):
        pairs = (merge.partition(" ") for merge in stated)
        others = vocabulary.spellings(vocabulary.special_ids | vocabulary.user_defined_ids)
        # A special token is found before any merge, and those that would make one are of no use.
        return [(left, right) for left, _, right in pairs if others.keys().isdisjoint((left, right, left + right))]
    if len(scores) != len(vocabulary):
        raise CorruptModelFile(
            f"The model file has {len(vocabulary)} tokens but {len(scores)} scores; download it again."
        )
    pieces = {token: token_id for token, token_id in vocabulary.text_ids.items() if token not in bytes_of}
    return merges_by_score(pieces, scores)


def merges_by_score(pieces: Mapping[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """The ranked merges that make rank-driven BPE do what SentencePiece does with scores.

    SentencePiece joins the neighbours whose union has the best score, leftmost first. So every way to halve a piece
    into two pieces is a merge, in the order of the whole's score. Of pieces with equal scores, such as runs of spaces,
    the longer goes first: leftmost first means that a piece grows as far as it can before its neighbour begins.
    """
    ranked = [
        (-scores[token_id], -len(piece), token_id, -cut, piece[:cut], piece[cut:])
        for piece, token_id in pieces.items()
        for cut in range(1, len(piece))
        if piece[:cut] in pieces and piece[cut:] in pieces
    ]
    ranked.sort()
    return [(left, right) for *_, left, right in ranked]


def _byte_of(token: str) -> bytes:
    """``<0x0A>`` as the byte 10."""
    try:
        return bytes([int(token.removeprefix("<0x").removesuffix(">"), 16)])
    except ValueError:
        raise CorruptModelFile(f"{token!r:.60} is not the name of a byte; download the model file again.") from None
