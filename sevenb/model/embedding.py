"""`EmbeddingStyle`: how a model wants to be asked for vectors and for relevance, told from its file.

Pooling types as in the GGUF specification (``{architecture}.pooling_type``); prompts as Qwen3-Embedding's and
Qwen3-Reranker's model cards and report (arXiv 2506.05176) give them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from sevenb.model.tokenizer import Tokenizer

Pooling: TypeAlias = Literal["mean", "last"]

RERANK_INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"

Purpose: TypeAlias = Literal["completion", "embedding", "rerank"]

_MEAN, _LAST, _RANK = 1, 3, 4
_POOLINGS: dict[int, Pooling] = {_MEAN: "mean", _LAST: "last"}

_JUDGE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_VERDICT = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def purpose_of(metadata: Mapping[str, object]) -> Purpose:
    """What a model was made for, told by a GGUF file's metadata, or by its name where an older converter was silent."""
    architecture = metadata.get("general.architecture")
    kind = metadata.get(f"{architecture}.pooling_type")
    name = str(metadata.get("general.name", "")).lower() if architecture == "qwen3" else ""
    if kind == _RANK or "rerank" in name:
        return "rerank"
    return "embedding" if kind in _POOLINGS or "embed" in name else "completion"


@dataclass(frozen=True)
class EmbeddingStyle:
    """What is done with the hidden states of a text, ``size`` numbers each, and what goes around the text.

    ``end_id`` is a token that the model was trained to find behind every text. ``trained`` says that the model was made
    for vectors, whose first dimensions then do alone (Matryoshka, arXiv 2205.13147). A ``reranker`` judges a query and
    a document together instead.
    """

    pooling: Pooling = "mean"
    size: int = 0
    end_id: int | None = None
    trained: bool = False
    reranker: bool = False

    @classmethod
    def from_metadata(
        cls, metadata: Mapping[str, object], tokenizer: "Tokenizer", pooling: Pooling | None = None
    ) -> "EmbeddingStyle":
        """Told by a GGUF file's metadata, and by its name where an older converter left the pooling out.

        ``pooling`` is what a person chose instead.
        """
        architecture = metadata.get("general.architecture")
        kind = metadata.get(f"{architecture}.pooling_type")
        is_qwen3 = architecture == "qwen3"
        purpose = purpose_of(metadata)
        trained, reranker = purpose == "embedding", purpose == "rerank"
        stated = _POOLINGS.get(kind) if isinstance(kind, int) else None
        end_id = tokenizer.eos_id if metadata.get("tokenizer.ggml.add_eos_token") is True else None
        if trained and is_qwen3:
            end_id = tokenizer.special_tokens.get("<|endoftext|>", end_id)
        return cls(
            pooling=pooling or stated or ("last" if is_qwen3 else "mean"),
            size=cast(int, metadata.get(f"{architecture}.embedding_length", 0)),
            end_id=end_id,
            trained=trained,
            reranker=reranker,
        )

    def ended(self, token_ids: list[int], limit: int | None = None) -> list[int]:
        """A text as the model wants it, no longer than ``limit`` tokens: its end gives way, not the end token."""
        end = [] if self.end_id is None else [self.end_id]
        if end and token_ids[-1:] == end:
            token_ids = token_ids[:-1]
        return (token_ids if limit is None else token_ids[: max(0, limit - len(end))]) + end


def query_text(style: EmbeddingStyle, query: str, instruction: str | None) -> str:
    """A query as models that were trained for vectors want it; documents stay as they are."""
    return f"Instruct: {instruction or RERANK_INSTRUCTION}\nQuery:{query}" if style.trained else query


def judge_prompt(tokenizer: "Tokenizer", query: str, document: str, instruction: str | None) -> list[int]:
    """The prompt of a reranker, which answers it by yes or no. Special tokens in the texts are plain text."""
    head, tail = (tokenizer.encode(text, parse_special=True, add_bos=False) for text in (_JUDGE, _VERDICT))
    pair = f"<Instruct>: {instruction or RERANK_INSTRUCTION}\n<Query>: {query}\n<Document>: {document}"
    return head + tokenizer.encode(pair, add_bos=False) + tail


def verdict_ids(tokenizer: "Tokenizer") -> tuple[int, int] | None:
    """The tokens of a reranker's "yes" and "no"; None for a vocabulary that has them not."""
    yes, no = (tokenizer.encode(word, add_bos=False) for word in ("yes", "no"))
    return (yes[0], no[0]) if len(yes) == len(no) == 1 else None
