"""An object that lives in another process: its methods are called with JSON, and answer with JSON or an array.

Each engine under measurement is a process of its own, so that no one's threads, memory or libraries touch another's.
This module needs nothing but NumPy, since it also runs in llama.cpp's environment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


class Remote:
    """The parent's end. The child is ``python -m MODULE ARGUMENTS``, which ends in `serve`."""

    def __init__(
        self, python: str | Path, module: str, *arguments: object, environment: Mapping[str, str] | None = None
    ) -> None:
        """``environment`` is added to ours."""
        self._process = subprocess.Popen(
            [python, "-m", module, *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._module = module

    def call(self, method: str, **arguments: object) -> Any:
        """The method's result. Raises RuntimeError when the process has died; what it said is on the terminal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"method": method, "arguments": arguments}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died; there is no answer either
        header = self._process.stdout.readline()
        if not header:
            raise RuntimeError(f"{self._module} ended with status {self._process.wait()} in the call of {method}.")
        answer = json.loads(header)
        if "shape" not in answer:
            return answer["value"]
        array = np.empty(answer["shape"], np.float32)
        unread = array.data.cast("B")
        while unread and (count := self._process.stdout.readinto(unread)):  # type: ignore[attr-defined]
            unread = unread[count:]
        return array

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.communicate()

    def __enter__(self) -> "Remote":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def serve(target: object) -> None:
    """The child's end: call methods of ``target`` as asked for on stdin, until that is closed."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    for line in sys.stdin.buffer:
        call = json.loads(line)
        result = getattr(target, call["method"])(**call["arguments"])
        if isinstance(result, np.ndarray):
            answers.write(json.dumps({"shape": result.shape}).encode() + b"\n")
            answers.write(np.ascontiguousarray(result, np.float32).data)
        else:
            answers.write(json.dumps({"value": result}).encode() + b"\n")
        answers.flush()
