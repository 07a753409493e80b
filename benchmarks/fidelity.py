"""Fidelity: how far our native backend and its peers are from the float32 reference on the same model file."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from rich.progress import track

from benchmarks import machine
from benchmarks.contenders import PeerPlaces
from benchmarks.divergence import Array, DivergenceMeter
from benchmarks.logits import TextModel
from benchmarks.peers.setting import Setting
from benchmarks.remote import Remote
from benchmarks.results import FidelityResult
from benchmarks.rows import IK, LLAMA_CPP
from benchmarks.texts import long_text, pieces, tokenized_texts
from sevenb.backend.native import NativeBackend
from sevenb.backend.reference import ReferenceBackend
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.kv_sizing import kv_dtype
from sevenb.model.checkpoint import Checkpoint

# Peers' threads spin while they wait for each other, which on a busy machine takes many times as long as sleeping.
SLEEP = {"OMP_WAIT_POLICY": "passive"}

LONG_CONTEXT, SCORED = 8192, 256  # tokens of the long text, and those at its end that count

LogitSource = Callable[[list[int]], Array]


def measure_fidelity(
    name: str, path: Path, places: PeerPlaces, threads: int, *, length: int = 512, most: int | None = None
) -> FidelityResult:
    """Compare over the texts in pieces of ``length`` tokens, each in an empty context; of each text ``most`` pieces.

    All engines go through the text side by side, so that only one piece's logits are held at a time. The weights of
    the reference take four bytes a parameter.
    """
    with ExitStack() as stack:
        checkpoint = stack.enter_context(Checkpoint.open(path))
        texts = [text for whole in tokenized_texts(checkpoint) for text in pieces([whole], length)[:most]]
        native = NativeBackend(threads)
        own = TextModel(checkpoint, native, length, kv_dtype(EngineConfig(model=name), native))
        engines: dict[str, LogitSource] = {"sevenb": own.logits}
        llama_cpp, ik = _peers(stack, path, places, threads)
        engines["llama.cpp, flash attention off"] = _remote_logits(llama_cpp, Setting(False))
        engines["llama.cpp, flash attention on"] = _remote_logits(llama_cpp, Setting(True))
        engines["ik_llama.cpp"] = _remote_logits(ik, Setting())
        engines["ik_llama.cpp, repacked"] = _remote_logits(ik, Setting(repack=True))
        reference = TextModel(checkpoint, ReferenceBackend(), length)
        return _compare(name, threads, length, texts, reference.logits, engines)


def measure_long_fidelity(name: str, path: Path, places: PeerPlaces, threads: int) -> FidelityResult:
    """Compare at the end of one long text, where the type of keys and values matters most."""
    with ExitStack() as stack:
        checkpoint = stack.enter_context(Checkpoint.open(path))
        text = long_text(checkpoint, LONG_CONTEXT)
        native = NativeBackend(threads)
        engines: dict[str, LogitSource] = {}
        for dtype in ("f16", "k16v8", "int8"):
            model = TextModel(checkpoint, native, LONG_CONTEXT, dtype, last=SCORED)
            engines[f"sevenb, KV cache of {dtype}"] = model.logits
        llama_cpp, ik = _peers(stack, path, places, threads)
        for label, peer, dtype in ((LLAMA_CPP, llama_cpp, "f16"), (IK, ik, "q8_0")):
            engines[f"{label}, KV cache of {dtype}"] = _remote_logits(peer, Setting(True, dtype), SCORED)
        reference = TextModel(checkpoint, ReferenceBackend(), LONG_CONTEXT, "f32", last=SCORED)
        return _compare(name, threads, LONG_CONTEXT, [text], reference.logits, engines, SCORED)


def _compare(
    name: str,
    threads: int,
    length: int,
    texts: list[list[int]],
    reference: LogitSource,
    engines: Mapping[str, LogitSource],
    scored: int | None = None,
) -> FidelityResult:
    meters = {engine: DivergenceMeter() for engine in engines}
    for text in track(texts, f"Fidelity of {name}, {length} tokens"):
        expected = reference(text)
        for engine, logits in engines.items():
            meters[engine].add(text[-(scored or len(text)) :], expected, logits(text))
    measured = {engine: meter.fidelity() for engine, meter in meters.items()}
    return FidelityResult(name, machine.conditions(threads), length, len(texts), measured)


def _peers(stack: ExitStack, path: Path, places: PeerPlaces, threads: int) -> tuple[Remote, Remote]:
    process = "benchmarks.peers.process"
    source = [places.ik_source] if places.ik_source else []
    return (
        stack.enter_context(Remote(places.llama_cpp, process, LLAMA_CPP, path, threads, environment=SLEEP)),
        stack.enter_context(Remote(places.ik, process, IK, path, threads, *source, environment=SLEEP)),
    )


def _remote_logits(remote: Remote, setting: Setting, last: int | None = None) -> LogitSource:
    return lambda tokens: remote.call("logits", tokens=tokens, setting=asdict(setting), last=last)
