"""`TASKS`: every task by its name, and `find_task`, which knows one's own as well."""

from pathlib import Path

from sevenb.errors import InvalidRequest
from sevenb.lab.tasks.choice import benchmarks as choice
from sevenb.lab.tasks.code import humaneval
from sevenb.lab.tasks.ifeval import task as ifeval
from sevenb.lab.tasks.maths import cmath, gsm8k, math_task
from sevenb.lab.tasks.own import load_own_task
from sevenb.lab.tasks.task import Task, TaskKind

_KINDS: tuple[TaskKind, ...] = (
    humaneval.KIND,
    gsm8k.KIND,
    math_task.KIND,
    math_task.KIND_500,
    choice.MMLU,
    choice.CMMLU,
    choice.CEVAL,
    cmath.KIND,
    ifeval.KIND,
)

TASKS: dict[str, TaskKind] = {kind.name: kind for kind in _KINDS}


def find_task(name: str, preset: str | None = None) -> Task:
    """The task of this name, or the one that a YAML file describes. Raises `InvalidRequest` where there is none."""
    if name in TASKS:
        return TASKS[name](preset)
    if name.endswith((".yaml", ".yml")):
        return load_own_task(Path(name), TASKS)
    raise InvalidRequest(f"There is no task {name!r}; there are {', '.join(TASKS)}, scenarios, or a YAML file.", "task")
