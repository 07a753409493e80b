"""Reference tokenizers put into the words of a GGUF file, as llama.cpp's converter writes them."""

import struct
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import sentencepiece

from sevenb.model.tokenizer.vocabulary import TokenType


def mistral_file(name: str) -> Path:
    """A tokenizer file that the ``mistral-common`` package carries."""
    return Path(str(files("mistral_common") / "data" / name))


def sentencepiece_metadata(model: sentencepiece.SentencePieceProcessor) -> dict[str, object]:
    ids = range(model.vocab_size())

    def kind(token_id: int) -> TokenType:
        if model.is_unknown(token_id):
            return TokenType.UNKNOWN
        if model.is_control(token_id):
            return TokenType.CONTROL
        return TokenType.BYTE if model.is_byte(token_id) else TokenType.NORMAL

    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [model.id_to_piece(i) for i in ids],
        "tokenizer.ggml.scores": [model.get_score(i) for i in ids],
        "tokenizer.ggml.token_type": [int(kind(i)) for i in ids],
        "tokenizer.ggml.bos_token_id": model.bos_id(),
        "tokenizer.ggml.eos_token_id": model.eos_id(),
        "tokenizer.ggml.unknown_token_id": model.unk_id(),
    }


def sentencepiece_model(scores: Mapping[str, float]) -> sentencepiece.SentencePieceProcessor:
    """A BPE model with just these pieces, serialised by hand after ``sentencepiece_model.proto``."""

    def varint(value: int) -> bytes:
        low = value & 0x7F
        return bytes([low]) if value < 0x80 else bytes([low | 0x80]) + varint(value >> 7)

    def integer(number: int, value: int) -> bytes:
        return varint(number << 3) + varint(value)

    def message(number: int, content: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(content)) + content

    def piece(text: str, score: float, kind: TokenType) -> bytes:
        number = varint(2 << 3 | 5) + struct.pack("<f", score)
        return message(1, message(1, text.encode()) + number + integer(3, kind))

    fixed = (
        piece("<unk>", 0, TokenType.UNKNOWN) + piece("<s>", 0, TokenType.CONTROL) + piece("</s>", 0, TokenType.CONTROL)
    )
    normal = b"".join(piece(text, score, TokenType.NORMAL) for text, score in scores.items())
    trainer = message(2, integer(3, 2))  # model_type: BPE
    normalizer = message(3, message(1, b"identity") + integer(3, 0) + integer(4, 0) + integer(5, 1))  # changes nothing
    return sentencepiece.SentencePieceProcessor(model_proto=fixed + normal + trainer + normalizer)


def byte_level_metadata(
    pre: str, ranks: Mapping[bytes, int], before: Sequence[str] = (), after: Sequence[str] = ()
) -> dict[str, object]:
    """A tiktoken vocabulary (bytes by rank) with special tokens before or after it."""
    halves = {
        token: [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        for token in ranks
    }
    merges = [
        f"{spelled(left)} {spelled(right)}"
        for token in ranks
        for left, right in sorted(halves[token], key=lambda pair: (ranks[pair[0]], ranks[pair[1]]))
    ]
    normal, control = int(TokenType.NORMAL), int(TokenType.CONTROL)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [*before, *map(spelled, ranks), *after],
        "tokenizer.ggml.token_type": [control] * len(before) + [normal] * len(ranks) + [control] * len(after),
        "tokenizer.ggml.merges": merges,
    }


def single_bytes_metadata(*special: str, **changes: object) -> dict[str, object]:
    """A byte-level vocabulary without merges: the 256 bytes, then the special tokens from id 256 on."""
    metadata = byte_level_metadata("qwen2", {bytes([byte]): byte for byte in range(256)}, after=special)
    return metadata | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}


def spelled(data: bytes) -> str:
    """Bytes in GPT-2's printable stand-ins."""
    return "".join(map(_STAND_INS.__getitem__, data))


def _stand_ins() -> list[str]:
    table, others = [], 0
    for byte in range(256):
        if chr(byte).isprintable() and chr(byte) != " ":
            table.append(chr(byte))
        else:
            table.append(chr(256 + others))
            others += 1
    return table


_STAND_INS = _stand_ins()
