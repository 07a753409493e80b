"""Memory by mode: what a server takes with keys and values of each type, by length of context and with beams."""

from collections.abc import Sequence

import msgspec

from sevenb.errors import InvalidRequest
from sevenb.lab.plan.models import find_model
from sevenb.lab.progress import Progress
from sevenb.lab.results import MemoryRow, MemorySummary
from sevenb.lab.runs.store import Run, RunStore
from sevenb.lab.speed.memory_servers import ANSWER_TOKENS, ForeignServer, MemoryMode, OwnServers
from sevenb.model.memory import KV_TYPES, KVType

__all__ = ["MemoryMode", "measure_memory", "usual_modes"]

CONTEXTS = (4096, 16384)
BEAM = 4
_START_COST = 2048  # tokens of a prompt that take about as long as a server's start


def usual_modes(
    contexts: Sequence[int] = CONTEXTS, kv_dtypes: Sequence[str] = ("k16v8", "f16", "int8"), beam: int = BEAM
) -> list[MemoryMode]:
    """Every context in the first type; the other types, and ``beam`` beams (1: none), at the first context.

    Raises `InvalidRequest` for an unknown type.
    """
    types = [_kv_type(name) for name in kv_dtypes]
    modes = [MemoryMode(context, types[0]) for context in contexts]
    modes += [MemoryMode(contexts[0], kind) for kind in types[1:]]
    return modes + ([MemoryMode(contexts[0], types[0], beam)] if beam > 1 else [])


def _kv_type(name: str) -> KVType:
    for kind in KV_TYPES:
        if kind == name:
            return kind
    raise InvalidRequest(f"There is no KV cache type {name!r:.40}; choose {', '.join(KV_TYPES)}.", "kv_cache_dtype")


async def measure_memory(
    model: str | None,
    url: str | None,
    api_key: str | None,
    run_store: RunStore,
    *,
    modes: Sequence[MemoryMode],
    pid: int | None = None,
    serve_options: Sequence[str] = (),
    timeout: float = 600,
    fresh: bool = False,
    progress: Progress,
) -> MemorySummary:
    """Measure each mode with one request that fills its context, on a server of our own that is started for it.

    With ``url`` that server is measured as it is: contexts and beams alone differ, and what it does not tell of itself
    is None; ``pid`` is its process on this machine, whose peak then counts. Rows are kept at once. Raises
    `TargetFailed` where a server is gone, `InvalidRequest` for a mode that the model cannot have.
    """
    if url is None:
        if model is None:
            raise InvalidRequest("Name a model, such as qwen2.5-coder:0.5b, or a server with --target URL.", "model")
        measuring: OwnServers | ForeignServer = OwnServers(model, find_model(model), serve_options, timeout, progress)
    else:
        modes = [MemoryMode(context, None, beam) for context, beam in dict.fromkeys((m.context, m.beam) for m in modes)]
        measuring = ForeignServer(model, url, api_key, pid, timeout, progress)
    settings = {
        "modes": [msgspec.structs.asdict(mode) for mode in modes],
        "answer_tokens": ANSWER_TOKENS,
        "serve_options": list(serve_options),
    }
    async with measuring.first(modes) as client:
        run = run_store.begin("memory", client.target, await client.facts(), settings, fresh=fresh)
        title = f"Memory of {client.target.name}"
    with run:
        done = sum(_cost(mode) for mode in modes if mode.key in run.samples)
        with progress.stage(title, sum(map(_cost, modes)), done) as stage:
            for mode in modes:
                if mode.key not in run.samples:
                    stage.advance(0, f"{mode.context:,} tokens{f', {mode.kv_dtype}' if mode.kv_dtype else ''}")
                    run.keep(mode.key, msgspec.structs.asdict(await measuring.measure(mode)))
                    stage.advance(_cost(mode))
        summary = MemorySummary(tuple(_row(run, mode) for mode in modes))
        run.finish(summary)
    return summary


def _cost(mode: MemoryMode) -> int:
    return mode.context + _START_COST


def _row(run: Run, mode: MemoryMode) -> MemoryRow:
    return msgspec.convert(run.samples[mode.key], MemoryRow)
