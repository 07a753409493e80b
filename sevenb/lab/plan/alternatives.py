"""What would fit where a plan does not: the changes that cost least first, and other models."""

from collections.abc import Iterator

import msgspec

from sevenb.lab.plan.devices import Device
from sevenb.lab.plan.models import PlannedModel, of_catalog
from sevenb.lab.plan.plan import ANSWER, Plan, plan, usual_quantizations
from sevenb.model.catalog import CATALOG
from sevenb.model.memory import KVType

_SMALLER_KV: tuple[KVType, ...] = ("k16v8", "int8")
_LEAST_CONTEXT = 2048  # tokens; a model with less is no alternative
_SMALLER_MODELS = 2


class Alternative(msgspec.Struct, frozen=True):
    """A change that makes it fit, in words, and the plan that results."""

    change: str
    plan: Plan


def alternatives(model: PlannedModel, device: Device, refused: Plan, *, answer: int = ANSWER) -> list[Alternative]:
    """What fits instead of a plan that does not, each a change of one thing; at best one a kind."""

    def again(
        of: PlannedModel = model,
        *,
        quantization: str = refused.quantization,
        context: int = refused.context,
        concurrency: int = refused.concurrency,
        kv_dtype: KVType = refused.kv_dtype,
    ) -> Plan:
        length = min(context, of.shape.longest_context)
        return plan(of, device, quantization, length, concurrency, kv_dtype=kv_dtype, beam=refused.beam, answer=answer)

    def found() -> Iterator[Alternative]:
        for kind in _SMALLER_KV:
            if (smaller := again(kv_dtype=kind)).kv < refused.kv and smaller.fits:
                yield Alternative(f"keys and values in {kind}", smaller)
                break
        others = [again(quantization=name) for name in usual_quantizations(device)]
        fitting = [other for other in others if other.fits]
        if fitting:
            best = max(fitting, key=lambda other: other.weights)
            yield Alternative(f"weights in {best.quantization}", best)
        if refused.longest_context >= _LEAST_CONTEXT:
            yield Alternative(f"{refused.longest_context:,} tokens of context", again(context=refused.longest_context))
        fewer = [count for count in (64, 32, 16, 8, 4, 2, 1) if count < refused.concurrency]
        for count in fewer:
            if (less := again(concurrency=count)).fits:
                yield Alternative(f"{count} at once", less)
                break
        smaller_models = [
            again(of_catalog(entry), quantization=entry.quantization)
            for entry in sorted(CATALOG.entries, key=lambda entry: -entry.parameters)
            if entry.writes and entry.parameters < model.shape.parameters
        ]
        fitting = [other for other in smaller_models if other.fits and other.context == refused.context]
        for other in fitting[:_SMALLER_MODELS]:
            yield Alternative(f"{other.model} in {other.quantization}", other)

    return list(found())
