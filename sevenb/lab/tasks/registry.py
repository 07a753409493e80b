"""`TASKS`: every task by its name."""

from sevenb.lab.tasks.task import TaskKind

TASKS: dict[str, TaskKind] = {}
