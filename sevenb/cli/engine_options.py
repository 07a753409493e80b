"""Options of the engine that ``serve`` and ``run`` share, and what they mean in an `EngineConfig`."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from sevenb.engine.messages import LoadPlan
    from sevenb.model.download import Progress
    from sevenb.model.store import Store

MEMORY = "Context and memory"
SPECULATION = "Speculation"
COMPUTING = "Computing"

GIB = 2**30

MaxModelLen = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Tokens that prompt and answer may have together; Qwen2.5 goes to 131072, beyond 32768 by YaRN for the "
        "requests that need it.",
        show_default="the model's own, if it fits",
        rich_help_panel=MEMORY,
    ),
]
KVCacheDtype = Annotated[
    Literal["auto", "f16", "bf16", "k16v8", "int8", "fp8", "f32"],
    typer.Option(
        "--kv-cache-dtype",
        help="How keys and values are kept; k16v8 (processor) takes three quarters of f16, int8 and fp8 (cards that "
        "have it) half.",
        rich_help_panel=MEMORY,
    ),
]
MemoryUtilization = Annotated[
    float | None,
    typer.Option(
        "--memory-utilization",
        "--gpu-memory-utilization",
        metavar="SHARE",
        help="Share of the free memory that the KV pool may take, 0 to 1; on a card the share of all its memory that "
        "everything together may take.",
        show_default="0.5; on a card 0.9",
        rich_help_panel=MEMORY,
    ),
]
SwapSpace = Annotated[
    float | None,
    typer.Option(
        metavar="GIB",
        min=0,
        help="Memory for prompts that the KV pool has no room to remember; 0 is none.",
        show_default="as much as the pool, at most a quarter of what is left",
        rich_help_panel=MEMORY,
    ),
]
PrefixCacheDir = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Keep computed prompts there, so that a restart need not read long documents again.",
        show_default=False,
        rich_help_panel=MEMORY,
    ),
]
PrefixCacheDisk = Annotated[
    float,
    typer.Option(metavar="GIB", min=0, help="Disk that folder may take.", rich_help_panel=MEMORY),
]
NoSpeculation = Annotated[
    bool,
    typer.Option(
        "--no-speculation",
        help="Compute one token at a time, even where the text so far lets the next ones be guessed.",
        rich_help_panel=SPECULATION,
    ),
]
SpeculativeModel = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="A smaller model with the same tokenizer that guesses ahead.",
        show_default=False,
        rich_help_panel=SPECULATION,
    ),
]
NumSpeculativeTokens = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="Tokens guessed in one step at most.", rich_help_panel=SPECULATION),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps", "npu", "xpu"],
    typer.Option(
        "--device",
        metavar="NAME",
        help="Where to compute: cpu, cuda, mps, npu or xpu; auto takes the best that is here.",
        rich_help_panel=COMPUTING,
    ),
]
Backend = Annotated[
    Literal["auto", "native", "torch", "reference"],
    typer.Option(
        "--backend",
        metavar="NAME",
        help="How: native is for processors, torch for all else; reference is exact and slow.",
        rich_help_panel=COMPUTING,
    ),
]
Dtype = Annotated[
    Literal["auto", "half", "float16", "bfloat16", "float32"],
    typer.Option(
        "--dtype",
        metavar="TYPE",
        help="What torch computes in: bfloat16, float16 (half) or float32.",
        show_default="as the model, where the device has it",
        rich_help_panel=COMPUTING,
    ),
]
Quantization = Annotated[
    str | None,
    typer.Option(
        "--quantization",
        "-q",
        metavar="METHOD",
        help="What the model's files must hold: awq, gptq or gguf. It is found out without.",
        show_default=False,
        rich_help_panel=COMPUTING,
    ),
]
TensorParallelSize = Annotated[
    int,
    typer.Option(
        "--tensor-parallel-size",
        "-tp",
        metavar="N",
        min=1,
        help="Cards that share each layer.",
        rich_help_panel=COMPUTING,
    ),
]
EnforceEager = Annotated[
    bool,
    typer.Option(
        "--enforce-eager",
        help="On a card: no CUDA graphs, for a quicker start and slower answers.",
        rich_help_panel=COMPUTING,
    ),
]
AsyncScheduling = Annotated[
    bool,
    typer.Option(
        "--async-scheduling/--no-async-scheduling",
        help="On a card: launch each step before the tokens of the one before are known here.",
        rich_help_panel=COMPUTING,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Threads that compute.", show_default="the machine's cores", rich_help_panel=COMPUTING
    ),
]

DEFAULT_PREFIX_CACHE_DISK = 16.0  # GiB


def memory_fields(
    *, swap_space: float | None, prefix_cache_dir: str | None, prefix_cache_disk: float
) -> dict[str, Any]:
    """Fields of `EngineConfig`, which counts in bytes what people count in GiB."""
    return {
        "swap_space": None if swap_space is None else int(swap_space * GIB),
        "prefix_cache_dir": prefix_cache_dir,
        "prefix_cache_disk": int(prefix_cache_disk * GIB),
    }


def draft_path(store: "Store", model: str | None, progress: "Progress") -> str | None:
    """Where the draft model lies; it is downloaded if it is not here yet."""
    return None if model is None else str(store.ensure(model, progress))


def memory_text(plan: "LoadPlan") -> str:
    """What the engine is about to take, in one line."""
    from sevenb.cli.console import size_text

    swap = f", up to {size_text(plan.swap_bytes)} more to remember prompts" if plan.swap_bytes else ""
    if plan.card_bytes:
        swap = f"{swap} in the host's memory" if swap else ""
        graphs = f"; CUDA graphs {size_text(plan.graph_bytes)}" if plan.graph_bytes else ""
        beside = f"; steps up to {size_text(plan.working_bytes)}{graphs}"
        free = f"{size_text(plan.free_bytes)} of the card's {size_text(plan.card_bytes)} may be used"
    else:
        beside = f"; activations and the program up to {size_text(plan.working_bytes)}" if plan.working_bytes else ""
        free = f"{size_text(plan.free_bytes)} are free"
    return (
        f"KV cache: {plan.kv_tokens:,} tokens, {plan.kv_dtype}, {size_text(plan.kv_bytes)}{swap}; weights "
        f"{size_text(plan.weight_bytes)}{beside}; {free}"
    )
