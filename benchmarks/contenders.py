"""The engines that take turns on one model file, each a process that is started when it is first needed."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.peers.setting import Setting
from benchmarks.remote import Remote
from benchmarks.rows import IK, LLAMA_CPP, Row
from benchmarks.texts import Request

OURS = "sevenb"
_DEFAULT = Setting()


class PeerDied(Exception):
    """A peer's process ended in a call; the next call starts another one."""


@dataclass(frozen=True)
class PeerPlaces:
    """Where the peers are installed."""

    llama_cpp: Path  # Python of its environment
    ik: Path
    ik_source: Path | None = None  # a tree that was built for this processor, in its folder `build`


class Contenders:
    """All engines on one model file; `close` ends their processes."""

    def __init__(self, model: Path, threads: int, places: PeerPlaces) -> None:
        self._model, self._threads, self._places = model, threads, places
        self._stack = ExitStack()
        self._remotes: dict[tuple[str, str | None], Remote] = {}

    def names(self, row: Row) -> tuple[str, ...]:
        """Who takes part in a row, ours first. llama.cpp has no build for AVX2 here; ik's, which is faster, has."""
        return (OURS, IK) if row.isa else (OURS, LLAMA_CPP, IK)

    def describe(self, name: str, row: Row) -> str:
        """Version and instruction set."""
        return str(self._remote(name, row.isa).call("describe"))

    def ours(self) -> Remote:
        """sevenb with its default configuration."""
        return self._remote(OURS, None)

    def prefill(
        self, name: str, row: Row, tokens: list[int], setting: Setting | None = None, history: Sequence[int] = ()
    ) -> float:
        """Tokens a second of one prompt behind ``history``."""
        return self._call(name, row, setting, "prefill", tokens=tokens, history=list(history))

    def decode(
        self,
        name: str,
        row: Row,
        prompts: list[list[int]],
        setting: Setting | None = None,
        history: Sequence[int] = (),
    ) -> float:
        """Tokens a second of all sequences together."""
        steps = row.steps
        return self._call(name, row, setting, "decode", prompts=prompts, steps=steps, history=list(history))

    def rewrite(self, name: str, row: Row, request: Request, setting: Setting | None = None) -> float:
        """Tokens a second of an answer; of a peer's, which guesses nothing ahead, the first tokens say it all."""
        if name == OURS:
            return self._call(name, row, setting, "answer", prompt=request.prompt, end=request.end, most=row.steps)
        return self._call(name, row, setting, "decode", prompts=[request.prompt], steps=min(row.steps, 64), history=[])

    def close(self) -> None:
        """End every process."""
        self._stack.close()
        self._remotes.clear()

    def __enter__(self) -> "Contenders":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, name: str, row: Row, setting: Setting | None, method: str, **arguments: Any) -> float:
        if name != OURS:
            arguments["setting"] = asdict(setting or _DEFAULT)
        try:
            return float(self._remote(name, row.isa).call(method, **arguments))
        except RuntimeError as error:
            if name == OURS:
                raise
            del self._remotes[name, row.isa]
            raise PeerDied(str(error)) from None

    def _remote(self, name: str, isa: str | None) -> Remote:
        key = (name, isa)
        if key not in self._remotes:
            self._remotes[key] = self._stack.enter_context(self._start(name, isa))
        return self._remotes[key]

    def _start(self, name: str, isa: str | None) -> Remote:
        arguments = [self._model, self._threads]
        match name:
            case "sevenb":
                return Remote(sys.executable, "benchmarks.sevenb_process", *arguments, *([isa] if isa else []))
            case "llama.cpp":
                return Remote(self._places.llama_cpp, "benchmarks.peers.process", LLAMA_CPP, *arguments)
        # The package's library is the one for AVX2; a tree of sources was built for this processor.
        source = [] if isa or not self._places.ik_source else [self._places.ik_source]
        return Remote(self._places.ik, "benchmarks.peers.process", IK, *arguments, *source)
