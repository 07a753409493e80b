"""The ``sevenb`` command: finds the verb, imports its module alone, and turns every error into one sentence."""

import importlib
import inspect
import io
import os
import re
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sevenb import __version__
from sevenb.errors import SevenbError

MODELS = "Models on this machine"
TALK = "Talk to a model"
CONSOLE = "The console in the browser"
LAB = "Is it worth it?"


@dataclass(frozen=True)
class Verb:
    """Where a verb lives (``module:function`` in `sevenb.cli`), its line in ``sevenb --help`` and that line's panel.

    The line stands here so that help and completion need not import any verb. A module may have an ``EPILOG``.
    """

    target: str
    help: str
    panel: str


VERBS = {
    "serve": Verb("serve:serve", "Start the OpenAI-compatible server.", TALK),
    "run": Verb("run:run", "Chat in the terminal, or answer one prompt.", TALK),
    "ps": Verb("ps:ps", "Show what the running server is doing.", TALK),
    "pull": Verb("pull:pull", "Download a model and verify it.", MODELS),
    "list": Verb("list:list_models", "List stored models, or with --all the catalog.", MODELS),
    "show": Verb("show:show", "Show what a model is and how it would run here.", MODELS),
    "rm": Verb("rm:rm", "Delete models from this machine.", MODELS),
    "report": Verb("report:report", "Measure models on this hardware, and write one page to decide by.", LAB),
    "plan": Verb("plan:plan", "Say what fits this machine or another, before any download.", LAB),
    "bench": Verb("bench:bench", "Measure speed and memory of any server: latency, load, memory.", LAB),
    "eval": Verb("eval:evaluate_tasks", "Measure quality: HumanEval, GSM8K, MMLU …, your own tasks, scenarios.", LAB),
    "compare": Verb("compare:compare", "Put two runs or two models side by side.", LAB),
    "runs": Verb("runs:runs", "List what was measured; show or delete a run.", LAB),
    "user": Verb("user:user", "Accounts and their API keys: add, list, passwd, rm, keys.", CONSOLE),
}


class VerbGroup(TyperGroup):
    """The verbs, each imported only when it is the one that runs."""

    def __init__(self, **attributes: Any) -> None:
        """Fill in stand-ins that have a verb's name and help line, all that help, completion and "did you mean" use."""
        super().__init__(**attributes)
        self.commands = {
            name: TyperCommand(name, help=verb.help, rich_help_panel=verb.panel) for name, verb in VERBS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The verb that was typed, for real."""
        if args and args[0] in VERBS:
            return args[0], _load(args[0]), args[1:]
        return super().resolve_command(ctx, args)


def _load(name: str) -> Any:
    module_name, _, function = VERBS[name].target.partition(":")
    module = importlib.import_module(f"sevenb.cli.{module_name}")
    run = getattr(module, function)
    if isinstance(run, typer.Typer):  # a verb with verbs of its own
        command = typer.main.get_command(run)
        command.name = name
        return command
    # Docstrings are folded for readers of the source; the terminal folds by its own width.
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(run.__doc__))
    verb = typer.Typer(add_completion=False, rich_markup_mode="rich")
    verb.command(name, help=text, epilog=getattr(module, "EPILOG", None))(run)
    command = typer.main.get_command(verb)
    command.name = name
    return command


app = typer.Typer(
    cls=VerbGroup,
    rich_markup_mode="rich",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="First steps:  [bold]sevenb run[/]  chats with the small default model;  "
    "[bold]sevenb serve[/]  gives it to every OpenAI client.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"sevenb {__version__}")
        raise typer.Exit


@app.callback()
def sevenb(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Run Qwen2.5-class language models on your own hardware, privately."""


def main() -> None:
    """Entry point. Exit status: 0 done, 1 an error told in one sentence, 2 wrong usage, 130 stopped with Ctrl-C.

    With ``SEVENB_DEBUG`` set, errors keep their traceback.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal of another encoding is no reason to fail
    try:
        typer.main.get_command(app)(prog_name="sevenb")
    except (SevenbError, OSError) as error:
        if os.environ.get("SEVENB_DEBUG"):
            raise
        from sevenb.cli.console import print_error

        told = str(error)
        if isinstance(error, OSError):
            told = re.sub(r"^\[Errno -?\d+\] ", "", told) + "; check the disk and its permissions."
        print_error(told)
        sys.exit(1)


if __name__ == "__main__":
    main()
