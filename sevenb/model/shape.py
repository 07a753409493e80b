"""`ModelShape`: the numbers that say how large a model is, known before anything of it is downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sevenb.model.config import ModelConfig
from sevenb.model.rope import reachable_contexts


class Matrix(NamedTuple):
    """One weight matrix by its name in GGUF files, ``layer`` aside: ``attn_q``, ``ffn_down``, ``token_embd``."""

    role: str
    rows: int
    columns: int
    layer: int | None = None

    @property
    def tensor(self) -> str:
        """What a GGUF file calls it."""
        return f"{self.role}.weight" if self.layer is None else f"blk.{self.layer}.{self.role}.weight"


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """All that sizes weights, keys and values, and activations; sizes in elements, lengths in tokens.

    ``tied_embeddings``: the output head is the embedding. ``head_repeated``: the model's GGUF files hold it once more
    nonetheless, as the publisher's files of the small Qwen2.5 models do.
    """

    architecture: str  # "qwen2" | "qwen3" | "llama"
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context_length: int
    tied_embeddings: bool = False
    head_repeated: bool = False

    @classmethod
    def of(cls, config: ModelConfig, *, has_head: bool) -> "ModelShape":
        """The shape of an opened model; ``has_head``: its file holds an output head of its own."""
        return cls(
            architecture=config.architecture,
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            layers=config.layers,
            heads=config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            context_length=config.context_length,
            tied_embeddings=not has_head,
        )

    @property
    def longest_context(self) -> int:
        """What it was made for, or can be stretched to."""
        return max(reachable_contexts(self.architecture, self.context_length).values())

    def matrices(self) -> Iterator[Matrix]:
        """Every matrix once; the head only where it is not the embedding."""
        hidden, inner = self.hidden_size, self.intermediate_size
        query, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        yield Matrix("token_embd", self.vocab_size, hidden)
        if not self.tied_embeddings:
            yield Matrix("output", self.vocab_size, hidden)
        for layer in range(self.layers):
            yield Matrix("attn_q", query, hidden, layer)
            yield Matrix("attn_k", kv, hidden, layer)
            yield Matrix("attn_v", kv, hidden, layer)
            yield Matrix("attn_output", hidden, query, layer)
            yield Matrix("ffn_gate", inner, hidden, layer)
            yield Matrix("ffn_up", inner, hidden, layer)
            yield Matrix("ffn_down", hidden, inner, layer)

    @property
    def vector_elements(self) -> int:
        """Elements of all norms and biases."""
        query, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        biases = query + 2 * kv if self.architecture == "qwen2" else 0
        head_norms = 2 * self.head_dim if self.architecture == "qwen3" else 0
        return self.layers * (2 * self.hidden_size + biases + head_norms) + self.hidden_size

    @property
    def parameters(self) -> int:
        """How many weights it has, as publishers count them."""
        return sum(matrix.rows * matrix.columns for matrix in self.matrices()) + self.vector_elements
