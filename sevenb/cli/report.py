"""``sevenb report``: measures models and servers, and writes one page from which a team decides."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sevenb.cli import lab_options as options
from sevenb.cli import report_options as chosen

if TYPE_CHECKING:
    from sevenb.lab.report.measuring.scope import Scope
    from sevenb.lab.report.measuring.session import Wanted
    from sevenb.lab.report.report import Report
    from sevenb.lab.report.verdict import Thresholds

EPILOG = """Examples:

[dim]$[/] sevenb report qwen2.5-coder:0.5b qwen2.5-coder:1.5b --quick

[dim]$[/] sevenb report qwen2.5:7b --target vLLM=http://10.0.0.5:8000/v1#Qwen/Qwen2.5-7B-Instruct

[dim]$[/] sevenb report --from report.json --threshold chat_ttft=5

[dim]$[/] sevenb report --runs 1a2b3c4d 5e6f7a8b

The same command goes on with a report that was stopped or lacks something."""


def report(
    models: chosen.Models = None,
    target: chosen.Targets = None,
    quick: chosen.Quick = False,
    tasks: chosen.Tasks = None,
    limit: chosen.Limit = None,
    contexts: chosen.Contexts = None,
    clients: chosen.Clients = None,
    steps: chosen.Steps = None,
    data: chosen.Data = None,
    api_key: options.ApiKey = None,
    serve_options: options.ServeOptions = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    threshold: chosen.Thresholds = None,
    language: chosen.Language = "en",
    out: chosen.Out = None,
    from_: chosen.From = None,
    runs: chosen.Runs = False,
    fresh: options.Fresh = False,
) -> None:
    """Measure speed, memory and quality of models on this hardware, and write one page from which a team decides.

    Chinese and English, with plots, every definition and the rules of the verdict; as HTML, Markdown and JSON. What
    fails is named in the report, and the exit status is 1.
    """
    from sevenb.errors import InvalidRequest

    if language not in ("en", "zh"):
        raise typer.BadParameter("must be en or zh", param_hint="--language")
    limits = thresholds_of(threshold or [])
    if out is not None:
        from sevenb.lab.runs.files import require_writable

        require_writable(out)
    if from_ is not None:
        if models or target:
            raise InvalidRequest("--from measures nothing; leave out models and targets.", "from")
        _render(from_, limits, out)
        return
    if not models and not target:
        raise InvalidRequest(
            "Name a model, such as qwen2.5-coder:0.5b, or a server with --target URL; sevenb list --all shows models.",
            "model",
        )
    from sevenb.lab.report.making import make_report, report_of_runs
    from sevenb.lab.report.verdict import Thresholds

    thresholds = changed(Thresholds(), limits)
    if runs:
        made = report_of_runs(models or [], language=language, command=_command(), thresholds=thresholds)
    else:
        from sevenb.cli.measuring import measured
        from sevenb.lab.data.finder import DataFinder
        from sevenb.lab.report.measuring.session import Wanted

        wanted = [Wanted(name) for name in dict.fromkeys(models or [])] + [target_of(text) for text in target or []]
        scope = _scope(quick, tasks, limit, contexts, clients, steps)
        arguments = options.serve_arguments(serve_options)
        made = measured(
            lambda progress: make_report(
                wanted, scope, data=DataFinder(data, progress.say), api_key=api_key, serve_options=arguments,
                timeout=timeout, fresh=fresh, quick=quick, language=language, command=_command(),
                thresholds=thresholds, progress=progress,
            )
        )  # fmt: skip
    _tell(made.report, Path(made.folder), out)
    if made.failed:
        raise typer.Exit(1)


def target_of(text: str) -> "Wanted":
    """``[NAME=]URL[#MODEL]``. Raises `InvalidRequest`."""
    from sevenb.errors import InvalidRequest
    from sevenb.lab.report.measuring.session import Wanted
    from sevenb.lab.target.address import target_url

    before, sign, after = text.partition("=")
    named = bool(sign) and "/" not in before and "#" not in before
    url, _, model = (after if named else text).partition("#")
    if not url or (named and not before.strip()):
        raise InvalidRequest(f"--target {text!r:.200} is not [NAME=]URL[#MODEL].", "target")
    target_url(url)  # a wrong one, or one with a password in it, never reaches a file
    return Wanted(model or None, url, before.strip() if named else None)


def thresholds_of(texts: list[str]) -> dict[str, float]:
    """``NAME=VALUE`` for the verdict. Raises `InvalidRequest` for a name that is none, or what is no number."""
    from sevenb.errors import InvalidRequest
    from sevenb.lab.report.verdict import Thresholds

    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in Thresholds.__struct_fields__:
            raise InvalidRequest(
                f"There is no limit {name!r:.80}; there are {', '.join(Thresholds.__struct_fields__)}.", "threshold"
            )
        try:
            found[name] = float(value)
        except ValueError:
            raise InvalidRequest(f"--threshold {text!r:.120}: {value!r:.40} is no number.", "threshold") from None
        if not 0 <= found[name] < 2**31:
            raise InvalidRequest(f"--threshold {text!r:.120}: the value must be 0 or more.", "threshold")
    return found


def changed(base: "Thresholds", limits: dict[str, float]) -> "Thresholds":
    """Limits of which some are others."""
    import msgspec

    whole = ("chat_context", "document_context", "users_clients")
    return msgspec.structs.replace(
        base, **{name: int(value) if name in whole else value for name, value in limits.items()}
    )


def _scope(
    quick: bool, tasks: str | None, limit: int | None, contexts: str | None, clients: str | None, steps: str | None
) -> "Scope":
    import msgspec

    from sevenb.errors import InvalidRequest
    from sevenb.lab.report.measuring.scope import FULL, QUICK
    from sevenb.lab.report.measuring.session import steps_of

    changes: dict[str, Any] = {}
    if tasks is not None:
        changes["tasks"] = tuple(name for name in (part.strip() for part in tasks.split(",")) if name)
    if limit is not None:
        changes["limit"] = limit
    if contexts is not None:
        changes["contexts"] = tuple(options.token_counts(contexts, "--contexts"))
    if clients is not None:
        changes["clients"] = tuple(options.numbers(clients, "--clients", int))
    if steps is not None:
        chosen = tuple(part.strip() for part in steps.split(",") if part.strip())
        if strangers := [name for name in chosen if name not in FULL.steps]:
            raise InvalidRequest(f"There is no step {strangers[0]!r:.80}; there are {', '.join(FULL.steps)}.", "steps")
        changes["steps"] = tuple(name for name in FULL.steps if name in chosen)
    scope = msgspec.structs.replace(QUICK if quick else FULL, **changes)
    steps_of(scope)  # an unknown task is told before anything is measured
    return scope


def _render(file: Path, limits: dict[str, float], out: Path | None) -> None:
    from sevenb.errors import InvalidRequest
    from sevenb.lab.report.compiling import judged
    from sevenb.lab.report.page.writing import write_report
    from sevenb.lab.report.report import read_report

    report = read_report(file)
    folder = out or file.absolute().parent
    try:
        report = judged(report, changed(report.thresholds, limits))
        write_report(report, folder)
    except (ArithmeticError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise InvalidRequest(
            f"{file} holds what no report of sevenb has ({type(error).__name__}); name one as sevenb wrote it.", "from"
        ) from error
    _tell(report, folder, None)


def _tell(report: "Report", folder: Path, out: Path | None) -> None:
    """The verdict in the terminal, and where the page is; written to ``out``, too."""
    from sevenb.cli.console import out as terminal
    from sevenb.lab.report.page.blocks import Tongue
    from sevenb.lab.report.page.sections.verdict import headline
    from sevenb.lab.report.page.writing import write_report
    from sevenb.lab.report.places import HTML

    if out is not None:
        write_report(report, out)
    for sentence in headline(report, Tongue("zh" if report.language == "zh" else "en")):
        terminal.print(sentence, markup=False, highlight=False, soft_wrap=True)
    for gap in report.gaps:
        if gap.reason:
            terminal.print(f"Not measured: {gap.subject}, {gap.step}. {gap.reason}", markup=False, soft_wrap=True)
    terminal.print(f"Report: {(out or folder) / HTML}", markup=False, highlight=False, soft_wrap=True)


def _command() -> str:
    """What was typed, without the key."""
    words = ["sevenb", *sys.argv[1:]]
    for index, word in enumerate(words):
        if word == "--api-key" and index + 1 < len(words):
            words[index + 1] = "…"
        elif word.startswith("--api-key="):
            words[index] = "--api-key=…"
    return shlex.join(words)
