"""Reference tokenizers put into the words of a GGUF file, as llama.cpp's converter writes them."""

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
