"""`ModelInfo`: what the console tells of one model, and whether it fits this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from sevenb.errors import SevenbError
from sevenb.model.catalog import CATALOG, FIT_CONTEXT, CatalogEntry
from sevenb.model.memory import context_for, memory_needed
from sevenb.model.shape import ModelShape
from sevenb.model.store import Store, size_and_time
from sevenb.server.console.route import problem_record
from sevenb.server.service import ModelStatus
from sevenb.workspace.records import Problem


@dataclass(frozen=True)
class Fit:
    """Whether a model runs in a memory: bytes with 8K of context, and the longest context that there is room for."""

    fits: bool
    memory_needed: int
    context_length: int


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A model as the page shows it; None is what nobody could find out. ``types.ts`` says what the fields mean."""

    name: str
    source: str = "local"
    upstream: str | None = None
    state: str
    family: str | None = None
    parameters: int | None = None
    quantization: str | None = None
    license: str | None = None
    size: int | None = None
    context_length: int | None = None
    max_model_len: int | None = None
    memory: int = 0
    expires_at: float | None = None
    capabilities: Sequence[str] = ()
    fit: Fit | None = None
    progress: float | None = None
    served: bool = False
    error: Problem | None = None


def installed_info(status: ModelStatus, *, name: str, budget: int, served: bool, error: Problem | None) -> ModelInfo:
    """A model of this machine by one of its names, its file's header read. ``budget``: bytes that models may take."""
    stored = status.stored
    info = ModelInfo(
        name=name,
        state=status.state,
        license=(stored.license if stored is not None else "") or None,
        size=stored.size if stored is not None else None,
        max_model_len=status.max_model_len,
        memory=status.memory,
        expires_at=status.expires_at,
        progress=status.progress,
        served=served,
        error=error,
    )
    try:
        path = Store().resolve(status.root)
        header = _read_header(path, size_and_time(path)[1])
    except (SevenbError, OSError) as problem:
        return replace(info, error=error or (problem_record(problem) if isinstance(problem, SevenbError) else None))
    return replace(
        info,
        family=header.family,
        parameters=entry.parameters if (entry := CATALOG.find(name)) else header.parameters,
        quantization=header.quantization,
        license=info.license or header.license or None,
        size=info.size or header.weight_bytes,
        context_length=header.context_length,
        capabilities=header.capabilities,
        fit=fit(header.shape, header.weight_bytes, budget),
    )


def catalog_info(entry: CatalogEntry, *, budget: int) -> ModelInfo:
    """A model of the catalog that is not on this machine."""
    search = "rerank" if "rerank" in entry.name else "embedding"
    return ModelInfo(
        name=entry.name,
        state="available",
        parameters=entry.parameters,
        quantization=entry.quantization,
        license=entry.license,
        size=entry.download_bytes,
        context_length=entry.context_length,
        capabilities=("completion", "tools") if entry.writes else (search,),
        fit=fit(entry.shape, entry.download_bytes, budget),
    )


def fit(shape: ModelShape, weight_bytes: int, budget: int) -> Fit:
    """Whether a model with 8K tokens of context goes into ``budget``, and how many tokens would."""
    needed = memory_needed(shape, weight_bytes, min(FIT_CONTEXT, shape.context_length))
    room = context_for(shape, weight_bytes, budget)
    return Fit(needed <= budget, needed, min(room, shape.context_length))


@dataclass(frozen=True)
class _Header:
    """What a model's file says of itself."""

    family: str
    parameters: int
    quantization: str
    license: str
    context_length: int
    weight_bytes: int
    shape: ModelShape
    capabilities: tuple[str, ...]


@lru_cache(256)
def _read_header(path: Path, _modified_ns: int) -> _Header:
    from sevenb.model.checkpoint import Checkpoint
    from sevenb.model.embedding import purpose_of

    with Checkpoint.open(path) as checkpoint:
        config, metadata = checkpoint.config, checkpoint.metadata
        purpose = purpose_of(metadata)
        calls = purpose == "completion" and bool(metadata.get("tokenizer.chat_template"))
        return _Header(
            family=config.architecture,
            parameters=config.parameters,
            quantization=config.quantization,
            license=str(metadata.get("general.license", "")),
            context_length=config.context_length,
            weight_bytes=checkpoint.total_bytes,
            shape=ModelShape.of(config, has_head="output.weight" in checkpoint.tensors),
            capabilities=(purpose, "tools") if calls else (purpose,),
        )
