"""The options of ``sevenb report``: what is measured, how much, and what is written."""

from pathlib import Path
from typing import Annotated

import typer

from sevenb.cli.lab_options import TARGET

SCOPE = "How much is measured"
PAGE = "The report"
ALREADY = "From what was measured before"

Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="MODEL", help="Models of the catalog or GGUF files, on sevenb's own server.", show_default=False
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="[NAME=]URL[#MODEL]",
        help="An OpenAI-compatible server, what tables call it, and its model (else its first); may be repeated.",
        show_default=False,
        rich_help_panel=TARGET,
    ),
]
Quick = Annotated[
    bool,
    typer.Option("--quick", help="Few items, short contexts: two small models in a quarter of an hour on two cores.",
                 rich_help_panel=SCOPE),
]  # fmt: skip
Tasks = Annotated[
    str | None,
    typer.Option(
        metavar="TASK,…",
        help="Tasks, as sevenb eval list names them.",
        show_default="humaneval,gsm8k,mmlu,ifeval; with --quick humaneval,gsm8k",
        rich_help_panel=SCOPE,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Ask so many items of each task, spread evenly over its subjects, the same for every model.",
        show_default="200; with --quick 16",
        rich_help_panel=SCOPE,
    ),
]
Contexts = Annotated[
    str | None,
    typer.Option(
        metavar="TOKENS,…",
        help="Lengths of the prompt for latency.",
        show_default="4K,8K,16K,32K; with --quick 1K,4K",
        rich_help_panel=SCOPE,
    ),
]
Clients = Annotated[
    str | None,
    typer.Option(
        metavar="N,…",
        help="Clients at once for load.",
        show_default="1,2,4,8,16; with --quick 1,2,4",
        rich_help_panel=SCOPE,
    ),
]
Steps = Annotated[
    str | None,
    typer.Option(
        metavar="STEP,…",
        help="Only these steps; the others are named in the report as not measured.",
        show_default="memory,latency,load,tasks,scenarios",
        rich_help_panel=SCOPE,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A folder that holds a folder for each task; or set SEVENB_DATA. What it lacks is downloaded.",
        show_default=False,
        rich_help_panel=SCOPE,
    ),
]
Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="NAME=VALUE",
        help="Another limit for the verdict, such as chat_ttft=5; the report names them all. May be repeated.",
        show_default=False,
        rich_help_panel=PAGE,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A folder that gets a copy of the files.",
        show_default="none; they lie in the lab's folder",
        rich_help_panel=PAGE,
    ),
]
Language = Annotated[
    str,
    typer.Option(metavar="en|zh", help="Which language the page opens in; it has both.", rich_help_panel=PAGE),
]
From = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="FILE",
        help="Write the pages of a kept report.json again, measuring nothing.",
        show_default=False,
        rich_help_panel=ALREADY,
    ),
]
Runs = Annotated[
    bool,
    typer.Option(
        "--runs",
        help="Take the names for ids of kept runs (sevenb runs lists them) instead of models, and measure nothing.",
        rich_help_panel=ALREADY,
    ),
]
