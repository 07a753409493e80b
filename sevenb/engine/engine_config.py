"""`EngineConfig`: all that a person may set about an engine; it travels to the engine process as JSON."""

import msgspec

from sevenb.errors import InvalidRequest

DEVICES = ("auto", "cpu", "cuda", "mps", "npu", "xpu")
BACKENDS = ("auto", "native", "torch", "reference")
DTYPES = ("auto", "half", "float16", "bfloat16", "float32")
KV_CACHE_DTYPES = ("auto", "f16", "bf16", "k16v8", "int8", "fp8", "f32")

PROCESSOR_STEP = 512  # tokens
CARD_STEP = 2048  # fewer leave the multipliers of a large card idle

_CHOICES = {"device": DEVICES, "backend": BACKENDS, "dtype": DTYPES, "kv_cache_dtype": KV_CACHE_DTYPES}
_POSITIVE = (
    "threads",
    "max_model_len",
    "max_num_seqs",
    "block_size",
    "kv_cache_memory",
    "num_speculative_tokens",
    "tensor_parallel_size",
    "max_num_batched_tokens",
)
_NOT_NEGATIVE = ("memory_budget", "seed", "swap_space", "prefix_cache_disk")


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names as in vLLM where it has one. Sizes are in tokens unless they say bytes; None means: choose for me.

    ``device`` is the one switch for where to compute, and ``backend`` how: ``auto`` takes the best device that is here,
    and for a processor the native kernels, else torch. ``dtype`` is what a card computes in, ``half`` another word for
    float16; ``quantization`` changes nothing and is held against what the files say. ``tensor_parallel_size`` cards, or
    processes, share each layer.

    ``kv_cache_memory`` fixes the KV pool in bytes. Without it, a processor's pool takes at most ``memory_utilization``
    (half) of the memory that is free once the weights are loaded; on a card everything together takes that share of the
    card's memory (nine tenths). ``memory_budget`` is what weights, pool and ``swap_space`` may take together where that
    is less than what is free. Blocks of the prefix cache that the pool evicts go to
    ``swap_space`` bytes of other memory, and to ``prefix_cache_dir`` if one is named, from where they come back.
    ``max_model_len`` beyond what the model was made for stretches its rotary embedding, for the long requests alone.
    ``lora_modules`` are LoRA adapters that requests may name, each with its file or folder.
    """

    model: str  # path, catalog name or repository id
    served_model_name: str | None = None
    device: str = "auto"  # "auto" | "cpu" | "cuda" | "mps" | "npu" | "xpu"
    backend: str = "auto"  # "auto" | "native" | "torch" | "reference"
    dtype: str = "auto"  # "auto" | "half" | "float16" | "bfloat16" | "float32"
    quantization: str | None = None  # what the files must hold: "awq", "gptq", "gguf"
    tensor_parallel_size: int = 1
    enforce_eager: bool = False  # no CUDA graphs: a quicker start, slower steps
    async_scheduling: bool = True  # on a card: launch a step while the one before is being computed
    threads: int | None = None
    cpu_isa: str | None = None  # force an instruction set of the native backend, e.g. "portable"
    max_model_len: int | None = None
    max_num_seqs: int = 64
    max_num_batched_tokens: int | None = None  # tokens of one step; see `batched_tokens`
    block_size: int = 32
    enable_prefix_caching: bool = True
    kv_cache_dtype: str = "auto"  # of `KV_CACHE_DTYPES`; "k16v8": keys of 16 bits, values of 8
    kv_cache_memory: int | None = None  # bytes
    memory_utilization: float | None = None
    memory_budget: int | None = None  # bytes
    swap_space: int | None = None  # bytes
    prefix_cache_dir: str | None = None  # the prefix cache outlives a restart there
    prefix_cache_disk: int = 16 * 2**30  # bytes it may take in that folder
    speculation: bool = True  # tokens found again in the context are tried several at a time
    speculative_model: str | None = None  # a smaller model with the same tokenizer that drafts tokens
    num_speculative_tokens: int = 16  # drafted at most in one step
    lora_modules: dict[str, str] = {}  # name -> path
    seed: int | None = None  # of requests that bring none of their own

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidRequest(f"{name} is {value}; it must be at least 1.", name)
        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            if value is not None and value < 0:
                raise InvalidRequest(f"{name} is {value}; it must not be negative.", name)
        for name, choices in _CHOICES.items():
            if (chosen := getattr(self, name)) not in choices:
                raise InvalidRequest(f"{name} is {chosen!r:.40}; choose {', '.join(choices)}.", name)
        if self.batched_tokens < self.max_num_seqs:
            raise InvalidRequest(
                f"max_num_batched_tokens is {self.batched_tokens}, but a step must have room for a token of "
                f"each of the {self.max_num_seqs} sequences of max_num_seqs.",
                "max_num_batched_tokens",
            )
        if self.memory_utilization is not None and not 0.0 < self.memory_utilization <= 1.0:
            raise InvalidRequest(
                f"memory_utilization is {self.memory_utilization}; it must lie in (0, 1].", "memory_utilization"
            )

    @property
    def batched_tokens(self) -> int:
        """Tokens that one step computes at most; `for_card` makes them more."""
        return self.max_num_batched_tokens or max(PROCESSOR_STEP, self.max_num_seqs)

    def for_card(self) -> "EngineConfig":
        """The same with what suits a card where nothing was asked for."""
        tokens = self.max_num_batched_tokens or max(CARD_STEP, self.max_num_seqs)
        return msgspec.structs.replace(self, max_num_batched_tokens=tokens)
