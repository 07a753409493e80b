"""``sevenb bench serve``: throughput, goodput and latencies under load."""

from typing import TYPE_CHECKING, Annotated

import typer

from sevenb.cli import lab_options as options

if TYPE_CHECKING:
    from sevenb.lab.progress import Progress
    from sevenb.lab.results import LoadSummary
    from sevenb.lab.target.client import Client

_LOAD = "Load"
_LEVEL = "Service level"

Clients = Annotated[
    str | None,
    typer.Option(
        metavar="N,…",
        help="Clients at once; each asks again when it has its answer.",
        show_default="1,2,4,8,16",
        rich_help_panel=_LOAD,
    ),
]
RequestRate = Annotated[
    str | None,
    typer.Option(
        metavar="R,…",
        help="Instead of --clients: requests a second, at random times (Poisson), however many are under way.",
        show_default=False,
        rich_help_panel=_LOAD,
    ),
]
NumPrompts = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Requests of each level.", show_default="4 a client, at least 8", rich_help_panel=_LOAD
    ),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.1,
        help="Instead of --num-prompts: for how long each level begins new requests.",
        show_default=False,
        rich_help_panel=_LOAD,
    ),
]
InputTokens = Annotated[
    int, typer.Option(metavar="N", min=1, help="Length of each prompt, after templating.", rich_help_panel=_LOAD)
]
OutputTokens = Annotated[int, typer.Option(metavar="N", min=1, help="Length of each answer.", rich_help_panel=_LOAD)]
SloTtft = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, help="Longest time to the first token.", rich_help_panel=_LEVEL)
]
SloTpot = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, help="Longest time for each further token.", rich_help_panel=_LEVEL)
]


def serve(
    model: options.Model = None,
    clients: Clients = None,
    request_rate: RequestRate = None,
    num_prompts: NumPrompts = None,
    seconds: Seconds = None,
    input_tokens: InputTokens = 512,
    output_tokens: OutputTokens = 128,
    slo_ttft: SloTtft = 2.0,
    slo_tpot: SloTpot = 0.2,
    seed: options.Seed = 0,
    target: options.TargetUrl = None,
    api_key: options.ApiKey = None,
    serve_options: options.ServeOptions = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    fresh: options.Fresh = False,
    json: options.JsonOutput = False,
) -> None:
    """Throughput, goodput and latencies under load: with more and more clients, or at a rate of requests.

    Goodput counts the requests that met the whole service level. Failed requests are told apart, with their reasons.
    """
    from sevenb.cli.load_table import load_remarks, load_table
    from sevenb.cli.measuring import measured_on, print_measured
    from sevenb.lab.results import ServiceLevel
    from sevenb.lab.runs.store import RunStore
    from sevenb.lab.speed.load import CLIENTS, measure_load

    rates = options.numbers(request_rate, "--request-rate", float) if request_rate is not None else []
    counts = options.numbers(clients, "--clients", int) if clients is not None else [] if rates else list(CLIENTS)
    arguments = options.serve_arguments(serve_options)

    async def measure(client: "Client", progress: "Progress") -> "LoadSummary":
        return await measure_load(
            client, RunStore(), clients=counts, request_rates=rates, num_prompts=num_prompts, seconds=seconds,
            input_tokens=input_tokens, output_tokens=output_tokens, level=ServiceLevel(slo_ttft, slo_tpot),
            seed=seed, fresh=fresh, progress=progress,
        )  # fmt: skip

    name, summary = measured_on(model, target, api_key, arguments, timeout, measure)
    print_measured(summary, load_table(f"Load of {name}", summary), load_remarks(summary), json=json)
