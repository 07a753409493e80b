"""Measures all that a report wants, model by model: a step that fails becomes a gap, the others go on."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from sevenb.errors import SevenbError, TargetFailed, TargetRefused
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import Progress
from sevenb.lab.report.compiling import Measured, with_names_apart
from sevenb.lab.report.measuring.draft import Draft
from sevenb.lab.report.measuring.overall import OverallProgress
from sevenb.lab.report.measuring.scope import Scope, seconds_of
from sevenb.lab.report.measuring.steps import Measure, measure_memory_of, measures
from sevenb.lab.runs.record import EVAL
from sevenb.lab.runs.store import Run, RunRecord, RunStore
from sevenb.lab.target.client import Client
from sevenb.lab.target.opening import open_target
from sevenb.lab.target.target import Target, TargetFacts
from sevenb.lab.tasks.registry import find_task


class Wanted(msgspec.Struct, frozen=True):
    """A subject as the command names it: a model of ours, or a server of others with the model that it calls so."""

    model: str | None
    url: str | None = None
    name: str | None = None

    @property
    def title(self) -> str:
        """What it is called as long as its server was not asked."""
        return self.name or self.model or self.url or ""


async def measure_all(
    wanted: Sequence[Wanted],
    scope: Scope,
    draft: Draft,
    store: RunStore,
    *,
    data: DataFinder,
    api_key: str | None,
    serve_options: Sequence[str],
    timeout: float,
    fresh: bool,
    weights: Mapping[int, float],
    progress: Progress,
) -> list[Measured]:
    """Measure what ``draft`` lacks. ``weights``: how much longer a subject takes than a model of 0.5 B, by its place.

    Nothing but Ctrl-C stops it: what fails is told with the subject.
    """
    tasks = {f"{EVAL}{task.name}": task for task in (find_task(name) for name in scope.tasks)}
    steps = measures(scope, tasks, data, fresh)
    names = steps_of(scope)
    total = sum(seconds_of(step, scope) * weights.get(index, 1.0) for index in range(len(wanted)) for step in names)
    measured: list[Measured] = []
    with progress.stage("Report", total) as overall:
        shown = OverallProgress(progress, overall)
        for index, one in enumerate(wanted):
            runs = draft.runs(index, store)
            about = _known(one, list(runs.values()))
            about.runs = runs
            session = _Session(one, about, index, draft, store, shown, weights.get(index, 1.0), scope)
            await session.run(names, steps, api_key, serve_options, timeout, fresh)
            measured.append(about)
    return with_names_apart(measured)


def steps_of(scope: Scope) -> tuple[str, ...]:
    """The names of all steps, those of tasks as ``eval:<task>``. Raises `InvalidRequest` for an unknown task."""
    tasks = tuple(f"{EVAL}{find_task(name).name}" for name in scope.tasks)
    return tuple(step for name in scope.steps for step in (tasks if name == "tasks" else (name,)))


def _known(wanted: Wanted, runs: Sequence[RunRecord]) -> Measured:
    """A subject before its server was asked: as earlier runs have it."""
    about = Measured(name=wanted.title, model=wanted.model or "", url=wanted.url)
    for run in runs:
        about.name = wanted.name or run.target.name
        about.model = wanted.model or run.target.model
        about.facts = run.facts or about.facts
    return about


class _Session:
    """The steps of one subject."""

    def __init__(
        self,
        wanted: Wanted,
        about: Measured,
        index: int,
        draft: Draft,
        store: RunStore,
        progress: OverallProgress,
        weight: float,
        scope: Scope,
    ) -> None:
        self._wanted, self._about, self._index = wanted, about, index
        self._draft, self._store, self._progress = draft, store, progress
        self._weight, self._scope = weight, scope

    async def run(
        self,
        names: Sequence[str],
        steps: Mapping[str, Measure],
        api_key: str | None,
        serve_options: Sequence[str],
        timeout: float,
        fresh: bool,
    ) -> None:
        """All steps, on as few servers as it goes: where one dies, the next step gets another."""
        for step in names:
            if step in self._about.runs:
                with self._step(step):
                    pass
        left = [step for step in names if step not in self._about.runs]
        if "memory" in left:  # which starts servers of its own
            left.remove("memory")
            try:
                await self._try(
                    "memory",
                    lambda store: measure_memory_of(
                        self._wanted.model, self._wanted.url, api_key, store, scope=self._scope,
                        serve_options=serve_options, timeout=timeout, fresh=fresh, progress=self._progress,
                    ),
                )  # fmt: skip
            except TargetFailed as error:
                self._fail("memory", error)
        while left:
            begun = None
            try:
                async with open_target(
                    self._wanted.model, self._wanted.url, api_key, progress=self._progress,
                    serve_options=serve_options, name=self._wanted.name, timeout=timeout,
                ) as client:  # fmt: skip
                    await self._describe(client)
                    while left:
                        begun = left.pop(0)
                        await self._try(begun, partial(self._on, client, steps[begun]))
            except (SevenbError, OSError) as error:
                if begun is None:  # it did not even open
                    for step in left:
                        self._fail(step, error)
                    return
                if isinstance(error, TargetFailed):
                    self._fail(begun, error)

    async def _on(self, client: Client, measure: Measure, store: RunStore) -> None:
        await measure(client, store, self._progress)

    async def _describe(self, client: Client) -> None:
        facts = await client.facts()
        self._about.facts = facts
        self._about.name = self._wanted.name or client.target.name
        self._about.model = self._wanted.model or client.target.model

    async def _try(self, step: str, measure: Callable[[RunStore], Awaitable[Any]]) -> None:
        """Do a step. Raises `TargetFailed` where the server may not be asked further."""
        store = _NotingStore(self._store.folder)
        with self._step(step):
            try:
                await measure(store)
            except Exception as error:  # a step's fault must not take the others' figures with it
                if isinstance(error, TargetFailed) and not isinstance(error, TargetRefused):
                    raise  # to where its server ends, which may know why
                self._fail(step, error)
                return
        for run in store.begun:
            self._about.runs[step] = self._store.find(run.record.id)
            self._draft.note(self._index, step, run.record.id)

    def _step(self, step: str) -> AbstractContextManager[None]:
        note = f"{self._about.name}: {step.removeprefix(EVAL)}"
        return self._progress.step(seconds_of(step, self._scope) * self._weight, note)

    def _fail(self, step: str, error: Exception) -> None:
        if os.environ.get("SEVENB_DEBUG") and not isinstance(error, SevenbError):
            raise error
        told = str(error) if isinstance(error, SevenbError) else f"It failed ({type(error).__name__}: {error})."
        self._about.failures[step] = told
        self._progress.say(f"{self._about.name}: {step.removeprefix(EVAL)} is left out. {told}")


class _NotingStore(RunStore):
    """Knows which runs were begun through it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.begun: list[Run] = []

    def begin(
        self,
        kind: str,
        target: Target,
        facts: TargetFacts | None,
        settings: Mapping[str, Any],
        *,
        fresh: bool = False,
    ) -> Run:
        """As `RunStore.begin`."""
        run = super().begin(kind, target, facts, settings, fresh=fresh)
        self.begun.append(run)
        return run
