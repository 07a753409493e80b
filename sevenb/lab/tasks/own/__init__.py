"""One's own tasks: a YAML file that says how to ask and how to score, and a file with the questions."""

from sevenb.lab.tasks.own.task import load_own_task

__all__ = ["load_own_task"]
