"""``sevenb bench memory``: what a server takes, by mode."""

from typing import TYPE_CHECKING, Annotated

import typer

from sevenb.cli import lab_options as options

if TYPE_CHECKING:
    from sevenb.lab.progress import Progress
    from sevenb.lab.results import MemorySummary

_MODES = "Modes"

Contexts = Annotated[
    str, typer.Option(metavar="TOKENS,…", help="Tokens in the KV cache, answer included.", rich_help_panel=_MODES)
]
KVCacheDtypes = Annotated[
    str,
    typer.Option(
        "--kv-cache-dtypes",
        metavar="TYPE,…",
        help="Types of the KV cache: the first at every length, the others at the first length; of sevenb's own "
        "server.",
        rich_help_panel=_MODES,
    ),
]
Beam = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Width of a beam search, measured at the first length; 1: none.",
        rich_help_panel=_MODES,
    ),
]
Pid = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="With --target: the server's process on this machine, whose peak is then shown.",
        show_default=False,
        rich_help_panel=options.TARGET,
    ),
]


def memory(
    model: options.Model = None,
    contexts: Contexts = "4K,16K",
    kv_cache_dtypes: KVCacheDtypes = "k16v8,f16,int8",
    beam: Beam = 4,
    target: options.TargetUrl = None,
    pid: Pid = None,
    api_key: options.ApiKey = None,
    serve_options: options.ServeOptions = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    fresh: options.Fresh = False,
    json: options.JsonOutput = False,
) -> None:
    """Weights, KV cache used and reserved, activations and the process at its peak, beside what the plan says.

    Each mode is measured by one request that fills its context, on a server that is started for it.
    """
    from sevenb.cli.measuring import measured, print_measured
    from sevenb.cli.memory_table import memory_remarks, memory_table
    from sevenb.lab.runs.store import RunStore
    from sevenb.lab.speed.memory import measure_memory, usual_modes

    types = [part.strip() for part in kv_cache_dtypes.split(",")]
    modes = usual_modes(options.token_counts(contexts, "--contexts"), types, beam)
    arguments = options.serve_arguments(serve_options)

    async def work(progress: "Progress") -> "MemorySummary":
        return await measure_memory(
            model, target, api_key, RunStore(), modes=modes, pid=pid, serve_options=arguments, timeout=timeout,
            fresh=fresh, progress=progress,
        )  # fmt: skip

    summary = measured(work)
    print_measured(summary, memory_table(f"Memory of {model or target}", summary), memory_remarks(summary), json=json)
