"""The decoder: the Qwen · Llama · Mistral · Yi family in one forward pass over a backend's fused ops."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sevenb.backend.protocol import (
    AdaptedRows,
    AdapterRun,
    AttentionSpec,
    AttentionWeights,
    Backend,
    Batch,
    FloatArray,
    KVCache,
    KVLayout,
    LayerAdapter,
    LayeredBackend,
    LayerWeights,
    LowRank,
    MLPWeights,
    Step,
    Tensor,
    Weight,
)
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.config import ModelConfig
from sevenb.model.key_balance import after_head_norm, key_balance
from sevenb.model.lora import LoraAdapter

ProgressCallback = Callable[[int, int], None]


class Decoder:
    """A model's weights on one backend, and how a batch of tokens walks through them."""

    def __init__(self, checkpoint: Checkpoint, backend: Backend, progress: ProgressCallback | None = None) -> None:
        """Pack every weight. ``progress`` is called with (bytes done, bytes in all). Raises `OutOfMemory`."""
        self.config = config = checkpoint.config
        self.backend = backend
        self.spec = AttentionSpec(
            heads=config.heads,
            kv_heads=config.kv_heads,
            head_dim=config.head_dim,
            norm_eps=config.norm_eps,
            rope_interleaved=config.rope.interleaved,
            window=config.sliding_window,
        )
        weights = _Loader(checkpoint, backend, progress)
        self.embedding = weights.matrix("token_embd")
        # The two largest come first, while there is little else in memory.
        self.head = weights.matrix("output") if weights.has("output.weight") else self.embedding
        self.norm = weights.vector("output_norm.weight")
        self.layers = [_load_layer(weights, f"blk.{index}.") for index in range(config.layers)]
        self._layered = backend if isinstance(backend, LayeredBackend) else None
        self._bound_layers = self._layered and self._layered.bind_layers(self.layers, self.spec)
        self.weight_bytes = weights.packed_bytes
        self._adapters: dict[str, list[LayerAdapter]] = {}

    def add_adapter(self, name: str, adapter: LoraAdapter) -> None:
        """Pack an adapter, which batches then may name. Raises `OutOfMemory`."""

        def packed(tensor: RawTensor) -> Weight:
            weight = self.backend.pack(tensor)
            self.weight_bytes += self.backend.weight_bytes(weight)
            return weight

        self._adapters[name] = [
            LayerAdapter(
                **{part: LowRank(packed(pair.shrink), packed(pair.expand), pair.scale) for part, pair in layer.items()}
            )
            for layer in adapter.layers
        ]

    def kv_layout(self, block_size: int, dtype: str = "f16") -> KVLayout:
        """The KV cache this model needs."""
        return kv_layout(self.config, block_size, dtype)

    def forward(self, batch: Batch, cache: KVCache) -> Tensor:
        """Compute the batch, store its keys and values in ``cache``; logits [R, vocab] of ``batch.logit_rows``."""
        return self.forward_with_states(batch, cache, ())[0]

    def forward_with_states(self, batch: Batch, cache: KVCache, rows: Sequence[int]) -> tuple[Tensor, FloatArray]:
        """`forward`, and the final hidden states of the tokens ``rows`` as the head would see them: [len(rows), H]."""
        if not rows and not batch.adapters:
            return self.backend.run(batch, cache, self._compute), np.empty((0, self.config.hidden_size), np.float32)
        step = self.backend.prepare(batch)
        hidden = self._hidden(step, cache, batch.adapters)
        states = self.backend.normed(hidden, self.norm, self.config.norm_eps, rows)
        return self.backend.logits(hidden, self.norm, self.config.norm_eps, self.head, step), states

    def _compute(self, step: Step, cache: KVCache) -> Tensor:
        """Logits of a step without adapters."""
        return self.backend.logits(self._hidden(step, cache, ()), self.norm, self.config.norm_eps, self.head, step)

    def _hidden(self, step: Step, cache: KVCache, adapter_runs: Sequence[AdapterRun]) -> Tensor:
        """What comes out of the last layer: [T, H]."""
        backend, spec, eps = self.backend, self.spec, self.config.norm_eps
        hidden = backend.embed(self.embedding, step)
        # An adapter that these weights lack changes nothing: a draft model guesses without.
        runs = [(run, self._adapters[run.adapter]) for run in adapter_runs if run.adapter in self._adapters]
        if self._layered is not None and self._bound_layers is not None and not runs:
            return self._layered.run_layers(self._bound_layers, hidden, step, cache)
        for index, layer in enumerate(self.layers):
            adapted = [AdaptedRows(run.start, run.end, adapters[index]) for run, adapters in runs]
            query = backend.norm_qkv_rope_store(hidden, layer.attention, spec, step, cache, index, adapted)
            attended = backend.paged_attention(query, spec, step, cache, index)
            hidden = backend.project_add(hidden, attended, layer.output, adapted)
            hidden = backend.gated_mlp_add(hidden, layer.mlp, eps, adapted)
        return hidden


def kv_layout(config: ModelConfig, block_size: int, dtype: str = "f16") -> KVLayout:
    """The KV cache that a model needs, known before its weights are loaded."""
    return KVLayout(config.layers, config.kv_heads, config.head_dim, block_size, dtype)


def is_head(tensor: RawTensor, tensors: Mapping[str, RawTensor]) -> bool:
    """Whether a matrix is the output head; an embedding may be that, too."""
    return tensor.name == ("output.weight" if "output.weight" in tensors else "token_embd.weight")


def is_precise(tensor: RawTensor, tensors: Mapping[str, RawTensor]) -> bool:
    """Whether a matrix of a model meets activations of more than 8 bits.

    Rounding before the head lands on the logits themselves, and before K and V on every later token; together these
    three are over half of the KL that 8-bit activations cost, and a few per cent of the arithmetic.
    """
    return is_head(tensor, tensors) or tensor.name.endswith((".attn_k.weight", ".attn_v.weight"))


class _Loader:
    """Packs tensors by name, lets go of each one's bytes in the file, and counts how many those were."""

    def __init__(self, checkpoint: Checkpoint, backend: Backend, progress: ProgressCallback | None) -> None:
        self._checkpoint = checkpoint
        self._tensors = checkpoint.tensors
        self._backend = backend
        self._progress = progress
        self._total = checkpoint.total_bytes
        self._done = 0
        self.packed_bytes = 0
        checkpoint.read_ahead()

    def has(self, name: str) -> bool:
        return name in self._tensors

    def matrix(self, stem: str) -> Weight:
        tensor = self._tensors[f"{stem}.weight"]
        weight = self._backend.pack(
            tensor, precise=is_precise(tensor, self._tensors), head=is_head(tensor, self._tensors)
        )
        self.packed_bytes += self._backend.weight_bytes(weight)
        self._finish(tensor)
        return weight

    def vector(self, name: str) -> Tensor:
        tensor = self._tensors[name]
        vector = self._backend.vector(tensor)
        self._finish(tensor)
        return vector

    def optional_vector(self, name: str) -> Tensor | None:
        return self.vector(name) if self.has(name) else None

    def key_balance(self, attention: AttentionWeights) -> Tensor:
        backend = self._backend
        query_norms = backend.row_norms(attention.query, attention.norm)
        key_norms = backend.row_norms(attention.key, attention.norm)
        if attention.query_norm is not None and attention.key_norm is not None:
            query_norms = after_head_norm(query_norms, backend.to_host(attention.query_norm))
            key_norms = after_head_norm(key_norms, backend.to_host(attention.key_norm))
        biases = [
            np.zeros_like(norms) if bias is None else backend.to_host(bias)
            for norms, bias in ((query_norms, attention.query_bias), (key_norms, attention.key_bias))
        ]
        balance = key_balance(self._checkpoint.config, query_norms, key_norms, *biases)
        return backend.vector(RawTensor("key_balance", QuantType.F32, balance.shape, balance.view(np.uint8)))

    def _finish(self, tensor: RawTensor) -> None:
        self._checkpoint.release(tensor)
        self._done += tensor.nbytes
        if self._progress:
            self._progress(self._done, self._total)


def _load_layer(weights: _Loader, prefix: str) -> LayerWeights:
    attention = AttentionWeights(
        norm=weights.vector(prefix + "attn_norm.weight"),
        query=weights.matrix(prefix + "attn_q"),
        key=weights.matrix(prefix + "attn_k"),
        value=weights.matrix(prefix + "attn_v"),
        query_bias=weights.optional_vector(prefix + "attn_q.bias"),
        key_bias=weights.optional_vector(prefix + "attn_k.bias"),
        value_bias=weights.optional_vector(prefix + "attn_v.bias"),
        query_norm=weights.optional_vector(prefix + "attn_q_norm.weight"),
        key_norm=weights.optional_vector(prefix + "attn_k_norm.weight"),
    )
    return LayerWeights(
        attention=replace(attention, key_balance=weights.key_balance(attention)),
        output=weights.matrix(prefix + "attn_output"),
        mlp=MLPWeights(
            norm=weights.vector(prefix + "ffn_norm.weight"),
            gate=weights.matrix(prefix + "ffn_gate"),
            up=weights.matrix(prefix + "ffn_up"),
            down=weights.matrix(prefix + "ffn_down"),
        ),
    )
