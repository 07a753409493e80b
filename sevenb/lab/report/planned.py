"""The plan's rows of a report: each model on the usual devices, by arithmetic."""

from sevenb.errors import SevenbError
from sevenb.lab.plan.devices import USUAL_DEVICES, find_device
from sevenb.lab.plan.models import PlannedModel, find_model
from sevenb.lab.plan.plan import plan
from sevenb.lab.report.report import PlanRow

CONCURRENCY = 4


def planned_model(name: str) -> PlannedModel | None:
    """The model, or None where its sizes are not known here."""
    try:
        return find_model(name)
    except (SevenbError, OSError):
        return None


def planned_rows(model: PlannedModel) -> tuple[PlanRow, ...]:
    """A row for each usual device, for `CONCURRENCY` at once with 32K of context or as much as the model has."""
    rows = []
    for name in USUAL_DEVICES:
        device = find_device(name)
        found = plan(model, device, concurrency=CONCURRENCY)
        rows.append(
            PlanRow(
                model=model.name,
                quantization=found.quantization,
                device=device.title,
                memory=found.usable,
                context=found.context,
                concurrency=found.concurrency,
                weights=found.weights,
                kv=found.kv,
                activations=found.activations,
                other=found.process,
                fits=found.fits,
                longest_context=found.longest_context or None,
                decode_ceiling=found.decode_rate if found.fits else None,
            )
        )
    return tuple(rows)
