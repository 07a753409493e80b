"""``sevenb plan``: whether a model fits a device, with how much context and how fast at best."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from sevenb.lab.plan.devices import Device
    from sevenb.lab.plan.models import PlannedModel
    from sevenb.lab.plan.plan import Plan

EPILOG = """Examples:

[dim]$[/] sevenb plan qwen2.5:7b  [dim]# on this machine[/]

[dim]$[/] sevenb plan qwen2.5:7b --device rtx-3060-12gb --context 32K --concurrency 4

[dim]$[/] sevenb plan --device 4x4090 --quantization fp16,awq  [dim]# the whole catalog[/]

Nothing is downloaded: of a repository of Hugging Face only its config.json is read."""

_SETTINGS = "What it is planned for"


def plan(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Catalog names, GGUF files, folders, or repositories of Hugging Face; without any, the whole catalog.",
            show_default=False,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="The whole catalog, in a table.")] = False,
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="here, rtx-3060-12gb, rtx-4090, 4x4090, h100-80gb, mac-16gb, cpu-16gb, cpu-32gb …; or all.",
            rich_help_panel=_SETTINGS,
        ),
    ] = "here",
    context: Annotated[
        str,
        typer.Option(
            metavar="TOKENS,…", help="Tokens of each conversation, answer included.", rich_help_panel=_SETTINGS
        ),
    ] = "32K",
    concurrency: Annotated[
        str, typer.Option(metavar="N,…", help="Conversations at once.", rich_help_panel=_SETTINGS)
    ] = "1",
    quantization: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="fp16, bf16, Q8_0, Q6_K, Q5_K_M, Q4_K_M, AWQ, GPTQ.",
            show_default="that of the model's file; all in tables",
            rich_help_panel=_SETTINGS,
        ),
    ] = None,
    kv_cache_dtype: Annotated[
        Literal["auto", "f16", "k16v8", "int8", "f32"],
        typer.Option(help="How keys and values are kept.", rich_help_panel=_SETTINGS),
    ] = "auto",
    beam: Annotated[int, typer.Option(min=1, metavar="N", help="Beams of each answer.", rich_help_panel=_SETTINGS)] = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the arithmetic of every plan, line by line.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the plans as JSON.")] = False,
) -> None:
    """Say whether a model fits a device before it is downloaded: memory, longest context, and the most tokens a second.

    For one model the arithmetic is shown line by line, and what would fit where it does not.
    """
    from sevenb.cli.console import err, out, print_json
    from sevenb.cli.lab_options import numbers, token_counts
    from sevenb.lab.plan.devices import USUAL_DEVICES, find_device
    from sevenb.lab.plan.models import find_model
    from sevenb.lab.plan.quantization import quantization_of
    from sevenb.lab.plan.table import catalog_models, plans

    chosen = [find_model(name) for name in models or ()] if not everything else []
    chosen = chosen or catalog_models()
    names = USUAL_DEVICES if device.strip() == "all" else device.split(",")
    devices = [find_device(name) for name in names]
    contexts = token_counts(context, "--context")
    counts = numbers(concurrency, "--concurrency", int)
    forms = [quantization_of(name) for name in quantization.split(",")] if quantization else []
    one = len(chosen) == len(devices) == len(contexts) == len(counts) == 1 and len(forms) <= 1
    wanted = [chosen[0].quantization] if one and not forms else forms
    kind = None if kv_cache_dtype == "auto" else kv_cache_dtype
    made = list(plans(chosen, devices, wanted, contexts, counts, kv_dtype=kind, beam=beam))
    if json:
        print_json(made)
        return
    for model in chosen if models else ():
        if (longest := model.shape.longest_context) < max(contexts):
            err.print(
                f"{model.name} takes no more than {longest:,} tokens, so it is planned with as many.", markup=False
            )
    if one:
        _show_one(chosen[0], devices[0], made[0])
        return
    for each in devices:
        out.print(_heading(each), soft_wrap=True)
        out.print(_table([row for row in made if row.device == each.name]))
        out.print()
    if explain:
        for row in made:
            out.print(f"[bold]{row.model} {row.quantization} on {row.device}[/], {_settings(row)}", soft_wrap=True)
            out.print(_arithmetic(row))
            out.print()


def _show_one(model: "PlannedModel", device: "Device", made: "Plan") -> None:
    """The verdict, the arithmetic, and other forms of the same model; where it does not fit, what would."""
    from sevenb.cli.console import out, size_text
    from sevenb.lab.plan.alternatives import alternatives
    from sevenb.lab.plan.table import plans

    out.print(_heading(device), soft_wrap=True)
    verdict = "[bold green]fits[/]" if made.fits else "[bold red]does not fit[/]"
    each = " on each card" if device.cards > 1 else ""
    out.print(
        f"[bold]{model.name}[/] in {made.quantization} {verdict}: {_settings(made)} need {size_text(made.needed)} "
        f"of {size_text(made.usable)} that may be taken{each}. {_longest_text(made)}",
        soft_wrap=True,
    )
    out.print(_arithmetic(made))
    if not made.fits:
        others = alternatives(model, device, made)
        out.print("\n[bold]What would fit instead[/]" if others else "\nNothing of the catalog would fit instead.")
        for other in others:
            out.print(
                f"  {other.change}: {size_text(other.plan.needed)}, at most {_rate(other.plan.decode_rate)} tokens/s",
                soft_wrap=True,
            )
    out.print("\n[bold]The same model with other weights[/]")
    kind = made.kv_dtype
    rows = plans([model], [device], (), [made.context], [made.concurrency], kv_dtype=kind, beam=made.beam)
    out.print(_table(list(rows)))


def _heading(device: "Device") -> str:
    of_each = " each" if device.cards > 1 else ""
    return (
        f"[bold]{device.title}[/]: {device.memory / 2**30:.0f} GiB{of_each}, "
        f"{device.bandwidth / 1e9:,.0f} GB/s{of_each} [dim]({device.source})[/]"
    )


def _settings(made: "Plan") -> str:
    at_once = f" × {made.concurrency} at once" if made.concurrency > 1 else ""
    beams = f" with {made.beam} beams" if made.beam > 1 else ""
    return f"{made.context:,} tokens of context{at_once}{beams}"


def _longest_text(made: "Plan") -> str:
    if not made.longest_context:
        return "Not even the weights fit."
    return f"The longest context that fits is {made.longest_context:,} tokens{' each' if made.concurrency > 1 else ''}."


def _arithmetic(made: "Plan") -> "Table":
    from rich.table import Table

    from sevenb.cli.console import size_text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for line in made.lines:
        value = size_text(int(line.value)) if line.unit == "B" else f"{_rate(line.value)} {line.unit}"
        if line.name == "KV of a token":
            value = f"{line.value / 1024:.1f} KiB"
        table.add_row(line.name, value, line.arithmetic)
    return table


_CAPTION = "Tokens a second are the most that memory and arithmetic allow; engines reach less."


def _table(rows: "Sequence[Plan]") -> "Table":
    from rich.table import Table

    from sevenb.cli.console import size_text

    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", caption=_CAPTION, caption_justify="left"
    )
    table.add_column("MODEL", no_wrap=True)
    table.add_column("WEIGHTS", no_wrap=True)
    for heading in ("CONTEXT", "AT ONCE", "NEEDS", "FITS", "LONGEST CONTEXT", "TOKENS/S EACH", "ALL", "PREFILL"):
        table.add_column(heading, justify="right", no_wrap=True)
    last = ""
    for row in rows:
        table.add_row(
            "" if row.model == last else row.model,
            row.quantization,
            f"{row.context:,}",
            str(row.concurrency),
            size_text(row.needed),
            "[green]yes[/]" if row.fits else "[red]no[/]",
            f"{row.longest_context:,}" if row.longest_context else "–",
            _rate(row.decode_rate),
            _rate(row.throughput),
            "–" if row.prefill_rate is None else _rate(row.prefill_rate),
            style=None if row.fits else "dim",
        )
        last = row.model
    return table


def _rate(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
