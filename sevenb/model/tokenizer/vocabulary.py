"""`Vocabulary`: the token table of a GGUF file and which of its tokens are more than text."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import numpy as np

from sevenb.errors import CorruptModelFile, UnsupportedModel

_TURN_ENDS = {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|eot|>", "<|end_of_turn|>", "<end_of_turn>"}
_TEXT_ENDS = {"<|endoftext|>", "<|end_of_text|>", "</s>"}
_FILE_ENDS = {
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
}  # Qwen's repository-level completion: the next file starts
_STARTS = {"<s>", "<|begin_of_text|>", "<|im_start|>", "<|start_header_id|>", "<|end_header_id|>", "<start_of_turn>"}
_SHAPED_LIKE_CONTROL = re.compile(r"<[|｜][^<>|｜\s]+[|｜]>")


# Every token that ends an answer, from a Hugging Face folder's ``generation_config.json``.
END_TOKENS = "tokenizer.huggingface.eos_token_ids"


class TokenType(IntEnum):
    """What ``tokenizer.ggml.token_type`` says of a token (the values are SentencePiece's)."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Vocabulary:
    """Token spellings by id, the ids with a role of their own, and how an encoded text begins.

    ``text_ids`` are the tokens that ordinary text is made of, by spelling. ``special_ids`` mark structure (turns, ends,
    the unknown token): a user's text never becomes one. ``user_defined_ids`` are spellings such as ``<tool_call>`` that
    are one token wherever they are written. ``end_ids`` end an answer.
    """

    tokens: Sequence[str]
    text_ids: dict[str, int]
    special_ids: frozenset[int]
    user_defined_ids: frozenset[int]
    unused_ids: frozenset[int]
    byte_ids: frozenset[int]
    unknown_id: int | None
    bos_id: int | None
    eos_id: int | None
    pad_id: int | None
    end_ids: frozenset[int]

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, object]) -> Self:
        """Read the ``tokenizer.ggml.*`` keys; `CorruptModelFile` if they contradict each other."""
        tokens = strings_of(metadata, "tokenizer.ggml.tokens")
        if not tokens:
            raise UnsupportedModel(
                "The model file holds no vocabulary (tokenizer.ggml.tokens); choose a GGUF file that has its tokenizer."
            )
        types = numbers_of(metadata, "tokenizer.ggml.token_type") or [TokenType.NORMAL] * len(tokens)
        if len(types) != len(tokens):
            raise CorruptModelFile(
                f"The model file has {len(tokens)} tokens but {len(types)} token types; download it again."
            )
        by_type: dict[float, set[int]] = {kind: set() for kind in TokenType}
        for token_id in np.flatnonzero(np.asarray(types) != TokenType.NORMAL).tolist():
            by_type.setdefault(types[token_id], set()).add(token_id)
        ids = dict(zip(tokens, range(len(tokens)), strict=True))

        def declared(key: str) -> int | None:
            value = metadata.get(f"tokenizer.ggml.{key}_token_id")
            return value if isinstance(value, int) and 0 <= value < len(tokens) else None

        def marks_structure(token_id: int) -> bool:
            return types[token_id] != TokenType.NORMAL or bool(_SHAPED_LIKE_CONTROL.fullmatch(tokens[token_id]))

        # Many converters file turn tokens as user-defined or normal, but what marks structure must not be typed by a
        # user. A normal "</s>" on the other hand is only four characters of HTML (Qwen has one).
        ends_by_name = _TURN_ENDS | _TEXT_ENDS | _FILE_ENDS
        named = {name: ids[name] for name in ends_by_name | _STARTS if name in ids and marks_structure(ids[name])}
        misfiled = {i for i in by_type[TokenType.USER_DEFINED] if _SHAPED_LIKE_CONTROL.fullmatch(tokens[i])}
        ends = {token_id for key in ("eos", "eot", "eom") if (token_id := declared(key)) is not None}
        ends |= {token_id for name, token_id in named.items() if name in ends_by_name}
        ends |= {int(token_id) for token_id in numbers_of(metadata, END_TOKENS) if 0 <= token_id < len(tokens)}
        special = by_type[TokenType.CONTROL] | by_type[TokenType.UNKNOWN] | misfiled | set(named.values())
        bos_id = declared("bos")
        special |= {token_id for token_id in ends | {bos_id} if token_id is not None and marks_structure(token_id)}
        user_defined = by_type[TokenType.USER_DEFINED] - special
        unused = by_type[TokenType.UNUSED] - special
        for token_id in special | user_defined | unused:
            ids.pop(tokens[token_id], None)
        unknown_id = declared("unknown")
        return cls(
            tokens=tokens,
            text_ids=ids,
            special_ids=frozenset(special),
            user_defined_ids=frozenset(user_defined),
            unused_ids=frozenset(unused),
            byte_ids=frozenset(by_type[TokenType.BYTE] - special),
            unknown_id=min(by_type[TokenType.UNKNOWN], default=None) if unknown_id is None else unknown_id,
            bos_id=bos_id,
            eos_id=declared("eos"),
            pad_id=declared("padding"),
            end_ids=frozenset(ends),
        )

    def __len__(self) -> int:
        return len(self.tokens)

    def spellings(self, ids: Iterable[int]) -> dict[str, int]:
        """The given tokens by spelling, without empty ones."""
        return {self.tokens[token_id]: token_id for token_id in ids if self.tokens[token_id]}


def strings_of(metadata: Mapping[str, object], key: str) -> list[str]:
    """The strings under a key, [] where the key is absent; `CorruptModelFile` if it holds something else."""
    items = _array(metadata, key)
    if not set(map(type, items)) <= {str}:
        raise CorruptModelFile(f"{key} is not an array of strings; download the model file again.")
    return items


def numbers_of(metadata: Mapping[str, object], key: str) -> list[float]:
    """The numbers under a key, [] where the key is absent; `CorruptModelFile` if it holds something else."""
    items = _array(metadata, key)
    if not set(map(type, items)) <= {int, float, TokenType}:
        raise CorruptModelFile(f"{key} is not an array of numbers; download the model file again.")
    return items


def _array(metadata: Mapping[str, object], key: str) -> list[Any]:
    value = metadata.get(key, [])
    if isinstance(value, np.ndarray):
        return list(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(value)
    raise CorruptModelFile(f"{key} is not an array; download the model file again.")
