"""What several engines say of themselves, told as if they were one: sums of what adds up, the least of limits."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from sevenb.engine.messages import EngineReady, EngineStats, LoadPlan, LoadProgress

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def merged_plan(plans: Sequence[LoadPlan | None]) -> LoadPlan | None:
    """None until all have said."""
    told = [plan for plan in plans if plan is not None]
    if not told or len(told) < len(plans):
        return None
    return _summed(
        told,
        max_model_len=min(plan.max_model_len for plan in told),
        # Of one of them: they may be on one machine or on many.
        free_bytes=max(plan.free_bytes for plan in told),
        card_bytes=max(plan.card_bytes for plan in told),
    )


def merged_progress(progress: Sequence[LoadProgress | None]) -> LoadProgress | None:
    """None until one has begun; those that have not are taken to have as much before them."""
    told = [one for one in progress if one is not None]
    if not told:
        return None
    missing = (len(progress) - len(told)) * told[0].total
    return LoadProgress(done=sum(one.done for one in told), total=sum(one.total for one in told) + missing)


def merged_info(infos: Sequence[EngineReady | None]) -> EngineReady | None:
    """Of those that have told; None if none has."""
    told = [info for info in infos if info is not None]
    if not told:
        return None
    devices = Counter(info.device for info in told)
    return _summed(
        told,
        max_model_len=min(info.max_model_len for info in told),
        load_seconds=max(info.load_seconds for info in told),
        device="; ".join(f"{count} × {device}" for device, count in devices.items()),
    )


def merged_stats(stats: Sequence[EngineStats | None]) -> EngineStats | None:
    """Sums over those that have told; None if none has."""
    told = [one for one in stats if one is not None]
    return _summed(told, memory=_summed([one.memory for one in told])) if told else None


def _summed(structs: Sequence[_Struct], **otherwise: Any) -> _Struct:
    """The first of some structs with the sums of all numbers in them, but for some fields."""
    first = structs[0]
    numbers = [name for name in first.__struct_fields__ if isinstance(getattr(first, name), int | float)]
    sums = {name: sum(getattr(one, name) for one in structs) for name in numbers}
    merged: _Struct = msgspec.structs.replace(first, **{**sums, **otherwise})
    return merged
