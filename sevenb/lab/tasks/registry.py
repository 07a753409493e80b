"""`TASKS`: every task by its name."""

from sevenb.lab.tasks import gsm8k, humaneval, math_task
from sevenb.lab.tasks.task import TaskKind

_KINDS: tuple[TaskKind, ...] = (
    humaneval.KIND,
    gsm8k.KIND,
    math_task.KIND,
    math_task.KIND_500,
)

TASKS: dict[str, TaskKind] = {kind.name: kind for kind in _KINDS}
