"""Fidelity: how far our native backend and llama.cpp are from the float32 reference on the same model file."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from benchmarks.divergence import Array, DivergenceMeter, Fidelity
from benchmarks.logits import TextModel
from benchmarks.remote import Remote
from benchmarks.texts import pieces, tokenized_texts
from sevenb.backend.native import NativeBackend
from sevenb.backend.reference import ReferenceBackend
from sevenb.model.checkpoint import Checkpoint

# llama.cpp's threads spin while they wait for each other, which on a busy machine takes many times as long as sleeping.
SLEEP = {"OMP_WAIT_POLICY": "passive"}

LogitSource = Callable[[list[int]], Array]


@dataclass(frozen=True)
class ModelFidelity:
    """One model file: each engine's measure, ours first."""

    model: str
    pieces: int
    engines: dict[str, Fidelity]


def measure_fidelity(
    name: str, path: Path, peer_python: Path, threads: int, *, length: int = 512, most: int | None = None
) -> ModelFidelity:
    """Compare over the texts in pieces of ``length`` tokens, each in an empty context; of each text ``most`` pieces.

    All engines go through the text side by side, so that only one piece's logits are held at a time. The weights of
    the reference take four bytes a parameter.
    """
    with ExitStack() as stack:
        checkpoint = stack.enter_context(Checkpoint.open(path))
        texts = [text for whole in tokenized_texts(checkpoint) for text in pieces([whole], length)[:most]]
        engines: dict[str, LogitSource] = {
            "sevenb": TextModel(checkpoint, NativeBackend(threads), length).logits,
        }
        for flash in ("off", "on"):
            process = "benchmarks.llama_cpp_process"
            peer = stack.enter_context(Remote(peer_python, process, path, threads, flash, environment=SLEEP))
            engines[f"llama.cpp, flash attention {flash}"] = _remote_logits(peer)
        reference = TextModel(checkpoint, ReferenceBackend(), length)
        meters = {engine: DivergenceMeter() for engine in engines}
        for text in track(texts, f"Fidelity of {name}"):
            expected = reference.logits(text)
            for engine, logits in engines.items():
                meters[engine].add(text, expected, logits(text))
    return ModelFidelity(name, len(texts), {engine: meter.fidelity() for engine, meter in meters.items()})


def fidelity_table(results: list[ModelFidelity]) -> str:
    """Markdown."""
    lines = [
        "| | mean KL | mean KL in context | 99.9 % KL | perplexity | difference | same top token |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        any_engine = next(iter(result.engines.values()))
        lines.append(
            f"| **{result.model}**: float32 reference | 0 | 0 | 0 | {any_engine.reference_perplexity:.3f} | | |"
        )
        lines += [
            f"| {engine} | {fidelity.mean_kl:.1e} | {fidelity.mean_kl_in_context:.1e} | {fidelity.kl_999:.1e} "
            f"| {fidelity.perplexity:.3f} | {100 * fidelity.perplexity_change:+.2f} % "
            f"| {100 * fidelity.top1_agreement:.2f} % |"
            for engine, fidelity in result.engines.items()
        ]
    return "\n".join(lines)


def _remote_logits(remote: Remote) -> LogitSource:
    return lambda tokens: remote.call("logits", tokens=tokens)
