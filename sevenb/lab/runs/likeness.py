"""Whether two runs can be compared like with like: what differs on purpose, and what should not differ."""

from collections.abc import Iterator
from typing import Any

from sevenb.lab.runs.record import RunRecord

_FACTS = {"device": "device", "quantization": "quantization", "parameters": "parameters", "model_sha256": "model file"}
_MACHINE = {"cpu": "processor", "cores": "cores", "memory": "memory", "gpus": "GPUs"}


def differences(first: RunRecord, second: RunRecord) -> Iterator[str]:
    """What is compared: model, engine, its device, quantization; a sentence each."""
    yield from _unequal("model", first.target.model, second.target.model)
    yield from _unequal("engine", _fact(first, "engine"), _fact(second, "engine"))
    for name, title in _FACTS.items():
        yield from _unequal(title, _fact(first, name), _fact(second, name))


def warnings(first: RunRecord, second: RunRecord) -> Iterator[str]:
    """Why the comparison may not be fair; a sentence each."""
    for name in sorted(first.settings.keys() | second.settings.keys()):
        yield from _unequal(name, first.settings.get(name), second.settings.get(name))
    yield from _unequal("data", _data(first), _data(second))
    if _same_model(first, second):
        yield from _unequal("chat template", _fact(first, "template_sha256"), _fact(second, "template_sha256"))
    for name, title in _MACHINE.items():
        yield from _unequal(title, first.machine.get(name), second.machine.get(name))
    yield from _unequal("sevenb", first.sevenb.partition(" ")[0], second.sevenb.partition(" ")[0])
    for which, record in (("first", first), ("second", second)):
        for sentence in record.warnings:
            yield f"Of the {which}: {sentence}"


def _unequal(title: str, first: Any, second: Any) -> Iterator[str]:
    if first != second:
        yield f"{title}: {_text(first)} and {_text(second)}"


def _text(value: Any) -> str:
    text = "not known" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:12]}…{text[-12:]}"


def _fact(record: RunRecord, name: str) -> Any:
    return getattr(record.facts, name, None)


def _data(record: RunRecord) -> str | None:
    """Of tasks, the hash of their items."""
    data = (record.summary or {}).get("data")
    return data.get("sha256") if isinstance(data, dict) else None


def _same_model(first: RunRecord, second: RunRecord) -> bool:
    hashes = [_fact(first, "model_sha256"), _fact(second, "model_sha256")]
    return hashes[0] == hashes[1] if None not in hashes else first.target.model == second.target.model
