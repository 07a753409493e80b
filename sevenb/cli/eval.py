"""``sevenb eval``: quality, measured by the tasks of the field, one's own, and scenarios."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sevenb.cli import lab_options as options
from sevenb.model.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from sevenb.lab.progress import Progress
    from sevenb.lab.results import ScenarioSummary
    from sevenb.lab.target.client import Client
    from sevenb.lab.tasks.task import Task

SCENARIOS = "scenarios"
LIST = "list"

EPILOG = """Examples:

[dim]$[/] sevenb eval list  [dim]# the tasks, their presets, and where their data comes from[/]

[dim]$[/] sevenb eval humaneval gsm8k --limit 60

[dim]$[/] sevenb eval humaneval -m qwen2.5-coder:1.5b --preset qwen2.5-coder

[dim]$[/] sevenb eval scenarios ./support.yaml --target http://127.0.0.1:8080/v1

A run that was stopped goes on where it was: run the same command again."""

_ANSWERS = "Answers"

Tasks = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK",
        help="Tasks, such as humaneval gsm8k; scenarios; a YAML file with a task of your own; or list.",
        show_default=False,
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        help=f"A model of the catalog (else {DEFAULT_MODEL}) or a GGUF file; with --target, what the server calls it "
        "(else its first one).",
        show_default=False,
        rich_help_panel=options.TARGET,
    ),
]
Presets = Annotated[
    list[str] | None,
    typer.Option(
        "--preset",
        metavar="[TASK=]NAME",
        help="How the prompt is put and the answer read, after a published report; sevenb eval list has them. "
        "May be repeated, for several tasks.",
        show_default="each task's first",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="A folder that holds a folder for each task; or set SEVENB_DATA. What it lacks is downloaded.",
        show_default=False,
    ),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Longest answer.", show_default="the preset's", rich_help_panel=_ANSWERS),
]
Temperature = Annotated[
    float | None,
    typer.Option(metavar="T", min=0, help="0: greedy.", show_default="the preset's", rich_help_panel=_ANSWERS),
]
Samples = Annotated[
    int,
    typer.Option("--n-samples", metavar="N", min=1, help="Answers to each item, for pass@k.", rich_help_panel=_ANSWERS),
]
UnsafeCode = Annotated[
    bool,
    typer.Option(
        "--confirm-run-unsafe-code",
        help="Run programs that the model writes even where this machine cannot contain them.",
    ),
]


def evaluate_tasks(
    tasks: Tasks,
    model: ModelName = None,
    preset: Presets = None,
    limit: options.Limit = None,
    concurrency: options.Concurrency = None,
    seed: options.Seed = 0,
    data: Data = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    n_samples: Samples = 1,
    confirm_run_unsafe_code: UnsafeCode = False,
    target: options.TargetUrl = None,
    api_key: options.ApiKey = None,
    serve_options: options.ServeOptions = None,
    timeout: options.Timeout = options.DEFAULT_TIMEOUT,
    fresh: options.Fresh = False,
    json: options.JsonOutput = False,
) -> None:
    """Measure the quality of a model's answers: HumanEval, GSM8K, MATH, MMLU, C-Eval, CMMLU, IFEval and your own tasks.

    Of sevenb's own server, which is started for it, or of any other. Every answer is kept, and a run that was stopped
    is gone on with by the same command.
    """
    from sevenb.cli.console import out, print_json
    from sevenb.cli.eval_table import print_scenarios, print_tasks, print_what_there_is
    from sevenb.cli.measuring import measured
    from sevenb.lab.data.finder import DataFinder
    from sevenb.lab.results import EvalResults
    from sevenb.lab.runs.store import RunStore
    from sevenb.lab.target.opening import open_target
    from sevenb.lab.tasks.evaluation import evaluate

    if temperature is not None and not math.isfinite(temperature):
        raise typer.BadParameter("must be a number, 0 or greater", param_hint="--temperature")
    if LIST in tasks:
        print_what_there_is(out, DataFinder(data))
        return
    chosen = chosen_tasks([name for name in tasks if name != SCENARIOS], preset or [])
    for task in chosen:
        task.confirm_run_unsafe_code = confirm_run_unsafe_code
    arguments = options.serve_arguments(serve_options)

    async def work(progress: "Progress") -> EvalResults:
        finder = DataFinder(data, progress.say)
        for task in chosen:  # before a model is loaded: what is missing or malformed is known now
            task.require()
            task.load(finder)
        name = model or (None if target else DEFAULT_MODEL)
        async with open_target(
            name, target, api_key, progress=progress, serve_options=arguments, timeout=timeout
        ) as client:
            summaries = [
                await evaluate(
                    task, client, RunStore(), data=finder, limit=limit, concurrency=concurrency, seed=seed,
                    max_tokens=max_tokens, temperature=temperature, samples=n_samples, fresh=fresh, progress=progress,
                )
                for task in chosen
            ]  # fmt: skip
            scenarios = await _scenarios(client, progress, fresh) if SCENARIOS in tasks else None
            return EvalResults(client.target.name, tuple(summaries), scenarios)

    results = measured(work)
    if json:
        print_json(results)
        return
    if results.tasks:
        print_tasks(out, results.target, results.tasks)
    if results.scenarios:
        print_scenarios(out, results.target, results.scenarios)


def chosen_tasks(names: list[str], presets: list[str]) -> "list[Task]":
    """The tasks that are meant, in their presets. Raises `InvalidRequest` for what there is not."""
    from sevenb.errors import InvalidRequest
    from sevenb.lab.tasks.registry import find_task

    by_task = {task: name for task, _, name in (text.rpartition("=") for text in presets)}
    if strangers := sorted(task for task in by_task if task and task not in names):
        raise InvalidRequest(f"--preset names {strangers[0]}, which is not among the tasks to run.", "preset")
    return [find_task(name, by_task.get(name, by_task.get(""))) for name in dict.fromkeys(names)]


async def _scenarios(client: "Client", progress: "Progress", fresh: bool) -> "ScenarioSummary":
    from sevenb.lab.runs.store import RunStore
    from sevenb.lab.scenarios.running import run_scenarios

    return await run_scenarios(client, RunStore(), fresh=fresh, progress=progress)
