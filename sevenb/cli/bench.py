"""``sevenb bench``: speed and memory, measured."""

from typing import TYPE_CHECKING, Annotated

import typer

from sevenb.cli import lab_options as options
from sevenb.cli.bench_memory import memory
from sevenb.cli.bench_serve import serve

if TYPE_CHECKING:
    from sevenb.lab.progress import Progress
    from sevenb.lab.results import LatencySummary
    from sevenb.lab.target.client import Client

EPILOG = """Examples:

[dim]$[/] sevenb bench latency qwen2.5-coder:0.5b --contexts 4K,8K --warm

[dim]$[/] sevenb bench serve qwen2.5-coder:0.5b --clients 1,4,16

[dim]$[/] sevenb bench memory qwen2.5-coder:0.5b

[dim]$[/] sevenb bench latency --target http://127.0.0.1:11434/v1  [dim]# of another server[/]

[dim]$[/] sevenb bench self-test  [dim]# whether the clock can be trusted, in five seconds[/]"""

bench = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", add_completion=False, epilog=EPILOG)


@bench.callback()
def _bench() -> None:
    """Measure speed and memory: of sevenb's own server, which is started for it, or of any other."""


_LENGTH = "Lengths and repeats"

Contexts = Annotated[
    str, typer.Option(metavar="TOKENS,…", help="Lengths of the prompt, after templating.", rich_help_panel=_LENGTH)
]
OutputTokens = Annotated[int, typer.Option(metavar="N", min=1, help="Length of each answer.", rich_help_panel=_LENGTH)]
Repeats = Annotated[int, typer.Option(metavar="N", min=1, help="Requests of each length.", rich_help_panel=_LENGTH)]
Warm = Annotated[
    bool,
    typer.Option("--warm", help="Send each prompt twice, and show what the cache gains.", rich_help_panel=_LENGTH),
]


@bench.command("latency")
def latency(
    model: options.Model = None,
    contexts: Contexts = "4K,8K,16K,32K",
    output_tokens: OutputTokens = 128,
    repeats: Repeats = 3,
    warm: Warm = False,
    target: options.TargetUrl = None,
    api_key: options.ApiKey = None,
    serve_options: options.ServeOptions = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    fresh: options.Fresh = False,
    json: options.JsonOutput = False,
) -> None:
    """Time to the first token, time per further token, gaps and the whole answer, by length of context.

    One request at a time, each with words of its own at its beginning, so that no cache flatters a cold figure.
    """
    from sevenb.cli.latency_table import latency_table, remarks
    from sevenb.cli.measuring import measured_on, print_measured
    from sevenb.lab.runs.store import RunStore
    from sevenb.lab.speed.latency import measure_latency

    lengths = options.token_counts(contexts, "--contexts")
    arguments = options.serve_arguments(serve_options)

    async def measure(client: "Client", progress: "Progress") -> "LatencySummary":
        return await measure_latency(
            client, RunStore(), contexts=lengths, output_tokens=output_tokens, repeats=repeats, warm=warm, fresh=fresh,
            progress=progress,
        )  # fmt: skip

    name, summary = measured_on(model, target, api_key, arguments, timeout, measure)
    print_measured(summary, latency_table(f"Latency of {name}", summary), remarks(summary), json=json)


@bench.command("self-test")
def self_test(json: options.JsonOutput = False) -> None:
    """Whether the measuring can be trusted: it measures a server whose delays are known. Takes some seconds."""
    from sevenb.cli.console import out, print_json
    from sevenb.cli.measuring import measured
    from sevenb.cli.self_test_table import self_test_table, verdict_text
    from sevenb.lab.speed.self_test import self_test as test

    result = measured(lambda progress: test(progress=progress))
    if json:
        print_json(result)
    else:
        out.print(self_test_table(result))
        out.print(verdict_text(result))
    if not result.passed:
        raise typer.Exit(1)


bench.command("serve")(serve)
bench.command("memory")(memory)
