"""Byte-level BPE: every byte has a printable stand-in, words are merged by rank (GPT-2, Radford et al. 2019)."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import tokenizers
from tokenizers.models import BPE

from sevenb.errors import CorruptModelFile
from sevenb.model.tokenizer.pretokenizers import steps_of
from sevenb.model.tokenizer.vocabulary import Vocabulary, strings_of

# The regular-expression engine gives up on a run of some ten million spaces, so longer texts are cut. No pattern
# joins a space to what stands before it, unless that is a space too: such a cut changes no token.
_LONGEST_PIECE = 1 << 20
_WORD_BOUNDARY = re.compile(r"(?<=\S) ")


class ByteLevelCodec:
    """Text to ids and tokens to bytes, for files with ``tokenizer.ggml.model = gpt2``."""

    starts_with_space = False
    starts_after: Literal["special"] = "special"

    def __init__(self, vocabulary: Vocabulary, metadata: Mapping[str, object]) -> None:
        steps = steps_of(metadata)
        self.adds_bos = steps.adds_bos
        merges = [merge.partition(" ")[::2] for merge in strings_of(metadata, "tokenizer.ggml.merges")]
        try:
            model = BPE(vocabulary.text_ids, merges, ignore_merges=steps.whole_words)
        except Exception as error:  # the library raises bare Exceptions
            raise CorruptModelFile(
                f"The model file's merges do not fit its vocabulary ({error}); download it again."
            ) from None
        self._tokenizer = tokenizers.Tokenizer(model)
        self._tokenizer.pre_tokenizer = steps.splitter
        if steps.normalizer is not None:
            self._tokenizer.normalizer = steps.normalizer

    def encode(self, text: str, *, at_start: bool) -> list[int]:
        """Ids of plain text; ``at_start`` makes no difference to this family."""
        if len(text) <= _LONGEST_PIECE:
            return self._encode_piece(text)
        return [token_id for piece in _cut(text) for token_id in self._encode_piece(piece)]

    def _encode_piece(self, piece: str) -> list[int]:
        # The "fast" call leaves out the character offsets, which nobody asks for, and takes half the time.
        (encoding,) = self._tokenizer.encode_batch_fast([piece], add_special_tokens=False)
        ids: list[int] = encoding.ids
        return ids

    def token_bytes(self, token: str) -> bytes:
        """The bytes that a token of ordinary text stands for."""
        try:
            return bytes(map(_BYTE_OF.__getitem__, token))
        except KeyError:
            return token.encode()


def _cut(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _LONGEST_PIECE:
        boundary = _WORD_BOUNDARY.search(text, start + _LONGEST_PIECE // 2, start + _LONGEST_PIECE)
        end = boundary.start() if boundary else start + _LONGEST_PIECE
        yield text[start:end]
        start = end
    yield text[start:]


def _stand_ins() -> dict[str, int]:
    """GPT-2's table: a printable Latin-1 character is its own byte, the other bytes follow from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


_BYTE_OF = _stand_ins()
