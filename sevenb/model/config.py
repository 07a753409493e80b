"""`ModelConfig`: everything that tells one decoder of the Qwen · Llama · Mistral · Yi family from another."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RopeConfig:
    """Rotary position embedding and how it is stretched (RoFormer; Llama 3 and YaRN scaling).

    ``scaling`` is None, ``"linear"``, ``"llama3"`` or ``"yarn"``. A GGUF file may carry Llama 3's scaling ready-made as
    ``frequency_factors`` (tensor ``rope_freqs.weight``: inverse frequencies are divided by them).
    """

    base: float
    dim: int
    interleaved: bool
    scaling: str | None = None
    factor: float = 1.0
    original_context: int = 0
    attention_factor: float | None = None
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    low_frequency_factor: float = 1.0
    high_frequency_factor: float = 4.0
    frequency_factors: tuple[float, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ModelConfig:
    """Shapes and constants of one decoder; all sizes in elements, lengths in tokens."""

    architecture: str  # "qwen2" | "qwen3" | "llama"
    name: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    norm_eps: float
    context_length: int
    rope: RopeConfig
    sliding_window: int | None = None
    parameters: int = 0  # how many weights, for people
    quantization: str = ""  # e.g. "Q4_K_M", for people
