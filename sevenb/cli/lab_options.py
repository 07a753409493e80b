"""Options that the lab's verbs share: what is measured, where, how it is gone on with and what is printed."""

import shlex
from typing import Annotated, TypeVar

import typer

from sevenb.errors import InvalidRequest

Number = TypeVar("Number", int, float)

TARGET = "What is measured"
OUTPUT = "Results"

Model = Annotated[
    str | None,
    typer.Argument(
        help="A model of the catalog or a GGUF file; with --target, what the server calls it (else its first one).",
        show_default=False,
    ),
]
TargetUrl = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="URL",
        help="An OpenAI-compatible server, such as http://127.0.0.1:8000/v1; without it sevenb's own is started.",
        show_default=False,
        rich_help_panel=TARGET,
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key",
        metavar="KEY",
        help="The key that the server wants; or set SEVENB_API_KEY or OPENAI_API_KEY.",
        show_default=False,
        rich_help_panel=TARGET,
    ),
]
ServeOptions = Annotated[
    str | None,
    typer.Option(
        "--serve-options",
        metavar="TEXT",
        help='For the server that is started: options of "sevenb serve", such as "--kv-cache-dtype f16 --threads 4".',
        show_default=False,
        rich_help_panel=TARGET,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=1,
        help="How long a server may be silent before it is given up.",
        rich_help_panel=TARGET,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Begin anew instead of going on with an unfinished run.", rich_help_panel=OUTPUT),
]
JsonOutput = Annotated[
    bool, typer.Option("--json", help="Print the results as JSON instead of a table.", rich_help_panel=OUTPUT)
]
Limit = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Ask so many items of each task, spread evenly over its subjects, the same for every model.",
        show_default="all",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Requests at once.", show_default="32, or as many as the server computes at once"
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of everything that is chosen at random.")]

DEFAULT_TIMEOUT = 600.0


def serve_arguments(text: str | None) -> list[str]:
    """``--serve-options`` as the arguments that it means. Raises `InvalidRequest` for those that it may not have."""
    try:
        arguments = shlex.split(text or "")
    except ValueError as error:
        raise InvalidRequest(f"--serve-options {text!r:.200}: {error}.", "--serve-options") from None
    if any(argument.startswith("--api-key") for argument in arguments):  # they are kept and shown with what is measured
        raise InvalidRequest("The server that is started needs no key; leave it out of --serve-options.", "api_key")
    return arguments


def numbers(text: str, option: str, kind: type[Number]) -> list[Number]:
    """``1,2,4`` as numbers above 0, each once. Raises `InvalidRequest` for what is none."""
    found = []
    for part in text.split(","):
        try:
            number = kind(part.strip())
        except ValueError:
            number = kind(0)
        if not 0 < number < 100_000:
            raise InvalidRequest(f"{option} takes numbers such as 1,2,4, not {part.strip()!r:.80}.", option)
        found.append(number)
    return list(dict.fromkeys(found))


def token_counts(text: str, option: str) -> list[int]:
    """``4K,8K,1000`` as tokens; a K is 1,024. Raises `InvalidRequest` for what is no list of such numbers."""
    counts = []
    for part in text.split(","):
        written = part.strip().lower()
        digits, scale = (written[:-1], 1024) if written.endswith("k") else (written, 1)
        if not (digits.isascii() and digits.isdigit() and 0 < int(digits) * scale < 2**31):
            raise InvalidRequest(
                f"{option} takes lengths in tokens, such as 4K,8K,32K, not {part.strip()!r:.80}.", option
            )
        counts.append(int(digits) * scale)
    return list(dict.fromkeys(counts))
