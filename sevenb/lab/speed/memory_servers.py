"""Where memory is measured: servers of our own, one for each mode, or a server that somebody else started."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec

from sevenb.errors import InvalidRequest, TargetRefused
from sevenb.lab.plan.devices import this_machine
from sevenb.lab.plan.models import PlannedModel
from sevenb.lab.plan.plan import Plan, plan
from sevenb.lab.progress import Progress
from sevenb.lab.results import MemoryRow
from sevenb.lab.speed.memory_figures import memory_told, peak_of, process_of, weights_told
from sevenb.lab.speed.prompts import prompt_of
from sevenb.lab.target.asking import ask_again
from sevenb.lab.target.client import Client
from sevenb.lab.target.opening import open_target
from sevenb.model.memory import KVType

ANSWER_TOKENS = 32
_FIRST_WORD, _LAST_WORD = 1000, 30_000  # token ids that are plain words, or parts of them, in every vocabulary here

_SEARCHERS = ("sevenb", "vllm", "vLLM")  # others ignore the parameters of a beam search, and nobody could tell


class MemoryMode(msgspec.Struct, frozen=True):
    """One row of the table: ``context`` tokens in the cache, the answer included; ``kv_dtype`` None: as served."""

    context: int
    kv_dtype: KVType | None = None
    beam: int = 1

    @property
    def key(self) -> str:
        """Its name among a run's samples."""
        return f"{self.context}/{self.kv_dtype}/{self.beam}"


class OwnServers:
    """Our own server, a fresh one for each mode: what an earlier request took would be counted otherwise."""

    def __init__(
        self, name: str, model: PlannedModel, serve_options: Sequence[str], timeout: float, progress: Progress
    ) -> None:
        self._name = name
        self._model = model
        self._serve_options = serve_options
        self._timeout = timeout
        self._progress = progress

    @asynccontextmanager
    async def first(self, modes: Sequence[MemoryMode]) -> AsyncIterator[Client]:
        """A server that says which model it is. Raises `InvalidRequest` for a mode that no server could have."""
        for mode in modes:
            self._plan(mode)
        async with self._open(min(modes, key=lambda mode: mode.context)) as client:
            yield client

    async def measure(self, mode: MemoryMode) -> MemoryRow:
        """One row: what was predicted, and what the server then took."""
        planned = self._plan(mode)
        row = MemoryRow(mode=_mode_name(mode, self._model.quantization), context=mode.context, beam=mode.beam,
                        predicted=planned.needed)  # fmt: skip
        if not planned.fits:
            reason = f"{planned.needed / 1e9:.1f} GB would be needed, {planned.usable / 1e9:.1f} GB may be taken"
            return msgspec.structs.replace(row, refused=reason)
        async with self._open(mode) as client:
            words = random.Random(mode.context)
            tokens = [words.randrange(_FIRST_WORD, _LAST_WORD) for _ in range(mode.context - ANSWER_TOKENS)]
            await client.complete(tokens, max_tokens=ANSWER_TOKENS, temperature=0, ignore_eos=True, **_beams(mode))
            memory = await memory_told(client)
        return _filled(row, memory)

    def _plan(self, mode: MemoryMode) -> Plan:
        if mode.context <= 2 * ANSWER_TOKENS:
            raise InvalidRequest(f"A context of {mode.context} tokens is too short to be measured.", "contexts")
        return plan(
            self._model, this_machine(), context=mode.context, kv_dtype=mode.kv_dtype, beam=mode.beam,
            answer=ANSWER_TOKENS,
        )  # fmt: skip

    @asynccontextmanager
    async def _open(self, mode: MemoryMode) -> AsyncIterator[Client]:
        options = [*self._serve_options, "--max-model-len", str(mode.context)]
        if mode.kv_dtype is not None:
            options += ["--kv-cache-dtype", mode.kv_dtype]
        async with open_target(
            self._name, None, None, progress=self._progress, serve_options=options, timeout=self._timeout
        ) as client:
            yield client


class ForeignServer:
    """A server that somebody else started, for whom nothing can be predicted."""

    def __init__(
        self, model: str | None, url: str, api_key: str | None, pid: int | None, timeout: float, progress: Progress
    ) -> None:
        self._model = model
        self._url = url
        self._api_key = api_key
        self._process = None if pid is None else process_of(pid)
        self._timeout = timeout
        self._progress = progress

    @asynccontextmanager
    async def first(self, modes: Sequence[MemoryMode]) -> AsyncIterator[Client]:
        """The server."""
        async with self._open() as client:
            yield client

    async def measure(self, mode: MemoryMode) -> MemoryRow:
        """One row, of what the server or its process tells."""
        async with self._open() as client:
            facts = await client.facts()
            name = _mode_name(mode, facts.quantization or "as served")
            row = MemoryRow(mode=name, context=mode.context, beam=mode.beam)
            if mode.beam > 1 and not (facts.engine or "").startswith(_SEARCHERS):
                return msgspec.structs.replace(row, refused="this server is not known to search with beams")
            prompt = await prompt_of(client, mode.context - ANSWER_TOKENS, seed=random.getrandbits(48))
            try:
                await ask_again(
                    lambda: client.chat(
                        prompt, max_tokens=ANSWER_TOKENS, temperature=0, ignore_eos=True, **_beams(mode)
                    )
                )
            except TargetRefused as refusal:
                return msgspec.structs.replace(row, refused=refusal.reason)
            row = _filled(row, await memory_told(client))
            weights = row.weights or await weights_told(client)
        peak = row.process_peak if self._process is None else peak_of(self._process)
        return msgspec.structs.replace(row, weights=weights, process_peak=peak)

    def _open(self) -> AbstractAsyncContextManager[Client]:
        return open_target(self._model, self._url, self._api_key, progress=self._progress, timeout=self._timeout)


def _mode_name(mode: MemoryMode, quantization: str) -> str:
    kv = f", {mode.kv_dtype} KV" if mode.kv_dtype else ""
    return f"{quantization}{kv}{f', beam {mode.beam}' if mode.beam > 1 else ''}"


def _beams(mode: MemoryMode) -> dict[str, Any]:
    """Parameters of a beam search, named as vLLM does; no server streams one."""
    return {"use_beam_search": True, "best_of": mode.beam, "n": 1, "stream": False} if mode.beam > 1 else {}


def _filled(row: MemoryRow, told: Mapping[str, int]) -> MemoryRow:
    return msgspec.structs.replace(
        row,
        weights=told.get("weights"),
        kv_used=told.get("kv_written"),
        kv_reserved=told.get("kv_reserved"),
        activations=told.get("activations_peak"),
        process_peak=told.get("process_peak"),
    )
