"""Many plans at once: models by quantisation, device, context and number of answers."""

from collections.abc import Iterator, Sequence
from itertools import product

from sevenb.lab.plan.devices import Device
from sevenb.lab.plan.models import PlannedModel, of_catalog
from sevenb.lab.plan.plan import DEFAULT_CONTEXT, Plan, plan, usual_quantizations
from sevenb.model.catalog import CATALOG
from sevenb.model.memory import KVType


def catalog_models() -> list[PlannedModel]:
    """Every model of the catalog that writes."""
    return [of_catalog(entry) for entry in CATALOG.entries if entry.writes]


def plans(
    models: Sequence[PlannedModel],
    devices: Sequence[Device],
    quantizations: Sequence[str] = (),
    contexts: Sequence[int] = (DEFAULT_CONTEXT,),
    concurrencies: Sequence[int] = (1,),
    *,
    kv_dtype: KVType | None = None,
    beam: int = 1,
) -> Iterator[Plan]:
    """Every combination. Contexts beyond what a model can have are cut to that; of those that then repeat, one stays.

    Without ``quantizations``: the usual ones, and that of each model's own file.
    """
    for model, device in product(models, devices):
        usual = usual_quantizations(device)
        named = quantizations or [*usual, *({model.quantization} - set(usual))]
        lengths = dict.fromkeys(min(context, model.shape.longest_context) for context in contexts)
        for name, context, concurrency in product(named, lengths, concurrencies):
            yield plan(model, device, name, context, concurrency, kv_dtype=kv_dtype, beam=beam)
