"""What each step of a report measures: the lab's own functions, with the report's scope."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import Progress
from sevenb.lab.report.measuring.scope import Scope
from sevenb.lab.runs.store import RunStore
from sevenb.lab.target.client import Client
from sevenb.lab.tasks.task import Task

Measure = Callable[[Client, RunStore, Progress], Awaitable[Any]]


def measures(scope: Scope, tasks: Mapping[str, Task], data: DataFinder, fresh: bool) -> dict[str, Measure]:
    """What is done on a server that is open, by name."""

    async def latency(client: Client, store: RunStore, progress: Progress) -> None:
        from sevenb.lab.speed.latency import measure_latency

        await measure_latency(
            client, store, contexts=scope.contexts, output_tokens=scope.output_tokens, repeats=scope.repeats,
            fresh=fresh, progress=progress,
        )  # fmt: skip

    async def load(client: Client, store: RunStore, progress: Progress) -> None:
        from sevenb.lab.speed.load import measure_load

        await measure_load(
            client, store, clients=scope.clients, num_prompts=scope.num_prompts, input_tokens=scope.input_tokens,
            output_tokens=scope.load_output_tokens, level=scope.level, seed=scope.seed, fresh=fresh, progress=progress,
        )  # fmt: skip

    async def scenarios(client: Client, store: RunStore, progress: Progress) -> None:
        from sevenb.lab.scenarios.running import run_scenarios

        await run_scenarios(client, store, fresh=fresh, progress=progress, limit_context=scope.scenario_context)

    def of_task(task: Task) -> Measure:
        async def evaluated(client: Client, store: RunStore, progress: Progress) -> None:
            from sevenb.lab.tasks.evaluation import evaluate

            await evaluate(
                task, client, store, data=data, limit=scope.limit, seed=scope.seed, fresh=fresh, progress=progress
            )

        return evaluated

    found: dict[str, Measure] = {"latency": latency, "load": load, "scenarios": scenarios}
    return found | {step: of_task(task) for step, task in tasks.items()}


async def measure_memory_of(
    model: str | None,
    url: str | None,
    api_key: str | None,
    store: RunStore,
    *,
    scope: Scope,
    serve_options: Sequence[str],
    timeout: float,
    fresh: bool,
    progress: Progress,
) -> None:
    """The memory's step: it starts servers of its own, one for each mode."""
    from sevenb.lab.speed.memory import measure_memory, usual_modes

    modes = usual_modes(scope.memory_contexts, scope.kv_dtypes, scope.beam)
    await measure_memory(
        model, url, api_key, store, modes=modes, serve_options=serve_options, timeout=timeout, fresh=fresh,
        progress=progress,
    )  # fmt: skip
