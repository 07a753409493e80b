"""From an `EngineConfig` to an `Engine` that is ready to step."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sevenb.backend.protocol import Backend, KVLayout
from sevenb.engine.block_store import BlockStore, MemoryTier, cache_identity, swap_bytes
from sevenb.engine.device_choice import DeviceChoice, choose_device
from sevenb.engine.disk_tier import DiskTier
from sevenb.engine.engine import Engine
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.grammars import grammars_of
from sevenb.engine.kv_sizing import KVSizing, kv_dtype, size_kv_pool
from sevenb.engine.memory_meter import MemoryMeter
from sevenb.engine.messages import EngineReady, LoadPlan, LoadProgress
from sevenb.engine.speculation.adaptive import AdaptiveSpeculator
from sevenb.engine.speculation.draft_loader import check_same_tokenizer, draft_block_bytes, load_draft, open_draft
from sevenb.engine.speculation.draft_model import DraftModel
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, kv_layout
from sevenb.model.lora import LoraAdapter
from sevenb.model.memory import activation_bytes, process_bytes
from sevenb.model.rope import RopeProfiles, rope_contexts
from sevenb.model.shape import ModelShape
from sevenb.model.store import Store

ReportLoading = Callable[[LoadPlan | LoadProgress], None]


@dataclass(frozen=True)
class _Files:
    """What is loaded: a model, its adapters by name, perhaps a draft model."""

    checkpoint: Checkpoint
    adapters: dict[str, LoraAdapter]
    draft: Checkpoint | None

    @property
    def weight_bytes(self) -> int:
        """Of all together."""
        further = 0 if self.draft is None else self.draft.total_bytes
        return self.checkpoint.total_bytes + sum(adapter.total_bytes for adapter in self.adapters.values()) + further


@dataclass(frozen=True)
class _Plan:
    """How the memory is divided."""

    layout: KVLayout
    sizing: KVSizing
    weight_bytes: int
    free_bytes: int
    swap_bytes: int
    working_bytes: int


def load_engine(config: EngineConfig, report: ReportLoading | None = None) -> tuple[Engine, EngineReady]:
    """Load the model onto its backend and give what memory is right to the KV pool; nothing is downloaded.

    ``report`` is told the plan, then the progress. Raises a `SevenbError` that says why not: before the weights are
    read, where a configuration cannot fit.
    """
    started = time.monotonic()
    report = report or (lambda _: None)
    choice = choose_device(config)
    backend = open_backend(config, choice)
    path = Store().resolve(config.model)
    with Checkpoint.open(path) as checkpoint, open_draft(config) as draft:
        model = checkpoint.config
        name = config.served_model_name or checkpoint.name
        files = _Files(checkpoint, _open_adapters(config, checkpoint), draft)
        plan = _plan(config, files, backend)
        identity = cache_identity(checkpoint, backend, plan.layout) if config.prefix_cache_dir else ""
        report(_announcement(plan, choice))
        decoder, draft_model = _load_weights(files, plan, backend, report)
    cache = backend.allocate_kv(plan.layout, plan.sizing.blocks)
    disk = None
    if config.prefix_cache_dir is not None and config.enable_prefix_caching:
        disk = DiskTier(Path(config.prefix_cache_dir).expanduser(), config.prefix_cache_disk)
    engine = Engine(
        config,
        plan.sizing,
        decoder=decoder,
        backend=backend,
        cache=cache,
        rope=RopeProfiles(model, plan.sizing.max_model_len),
        vocab_size=model.vocab_size,
        block_store=BlockStore(backend, cache, MemoryTier(plan.swap_bytes), disk),
        cache_identity=identity,
        speculator=AdaptiveSpeculator(config.num_speculative_tokens, draft_model) if config.speculation else None,
        grammars=grammars_of(path, model.vocab_size),
        # On a disk a name may come to mean another adapter.
        adapters={key: adapter.digest() if disk is not None else key for key, adapter in files.adapters.items()},
        memory=MemoryMeter(decoder.weight_bytes, plan.sizing),
    )
    ready = EngineReady(
        model_name=name,
        max_model_len=plan.sizing.max_model_len,
        kv_tokens=plan.sizing.tokens,
        kv_bytes=plan.sizing.bytes,
        kv_dtype=plan.layout.dtype,
        swap_bytes=plan.swap_bytes,
        weight_bytes=decoder.weight_bytes,
        device=backend.describe(),
        load_seconds=time.monotonic() - started,
        adapters=list(files.adapters),
        max_num_seqs=config.max_num_seqs,
    )
    return engine, ready


def _open_adapters(config: EngineConfig, base: Checkpoint) -> dict[str, LoraAdapter]:
    return {name: LoraAdapter.open(Path(path).expanduser(), base) for name, path in config.lora_modules.items()}


def _plan(config: EngineConfig, files: _Files, backend: Backend) -> _Plan:
    """Divide the memory, before anything is taken of it."""
    model = files.checkpoint.config
    layout = kv_layout(model, config.block_size, kv_dtype(config, backend))
    block_bytes = backend.kv_block_bytes(layout)
    if files.draft is not None:
        check_same_tokenizer(files.checkpoint, files.draft)
        block_bytes += draft_block_bytes(files.draft, backend, config, layout.dtype)
    free_bytes = backend.free_memory()
    if config.memory_budget is not None:
        free_bytes = min(free_bytes, max(0, config.memory_budget - (config.swap_space or 0)))
    sizing = size_kv_pool(
        config,
        context_length=model.context_length,
        longest_context=max(rope_contexts(model).values()),
        block_bytes=block_bytes,
        weight_bytes=files.weight_bytes,
        free_bytes=free_bytes,
    )
    swap = swap_bytes(config.swap_space, pool_bytes=sizing.bytes, free_bytes=free_bytes - files.weight_bytes)
    return _Plan(
        layout, sizing, files.weight_bytes, free_bytes, swap, _working_bytes(config, backend, files.checkpoint, sizing)
    )


def _working_bytes(config: EngineConfig, backend: Backend, checkpoint: Checkpoint, sizing: KVSizing) -> int:
    """The most that steps and the process take, of which only the native backend's are known."""
    if backend.name != "native":
        return 0
    shape = ModelShape.of(checkpoint.config, has_head="output.weight" in checkpoint.tensors)
    matrices = [tensor for tensor in checkpoint.tensors.values() if len(tensor.shape) > 1]
    activations = activation_bytes(
        shape,
        rows=config.max_num_seqs,
        context=sizing.max_model_len,
        tokens=config.max_num_batched_tokens,
        floats=all(tensor.quant_type.block_size == 1 for tensor in matrices),
    )
    return activations + process_bytes(shape, cached_tokens=sizing.tokens)


def _announcement(plan: _Plan, choice: DeviceChoice) -> LoadPlan:
    return LoadPlan(
        max_model_len=plan.sizing.max_model_len,
        kv_tokens=plan.sizing.tokens,
        kv_bytes=plan.sizing.bytes,
        kv_dtype=plan.layout.dtype,
        weight_bytes=plan.weight_bytes,
        free_bytes=plan.free_bytes,
        swap_bytes=plan.swap_bytes,
        working_bytes=plan.working_bytes,
        notes=list(choice.notes),
    )


def _load_weights(
    files: _Files, plan: _Plan, backend: Backend, report: ReportLoading
) -> tuple[Decoder, DraftModel | None]:
    """Pack the model, then its adapters, then the draft model, and tell how far that is."""

    def report_progress(done: int) -> None:
        report(LoadProgress(done=done, total=plan.weight_bytes))

    decoder = Decoder(files.checkpoint, backend, lambda done, _: report_progress(done))
    packed = files.checkpoint.total_bytes
    for name, adapter in files.adapters.items():
        decoder.add_adapter(name, adapter)
        packed += adapter.total_bytes
        report_progress(packed)
    if files.draft is None:
        return decoder, None
    draft_model = load_draft(
        files.draft,
        backend,
        plan.sizing,
        dtype=plan.layout.dtype,
        vocab_size=files.checkpoint.config.vocab_size,
        progress=lambda done, _: report_progress(packed + done),
    )
    return decoder, draft_model


def open_backend(config: EngineConfig, choice: DeviceChoice | None = None) -> Backend:
    """The device that a configuration names, or that ``choice`` made of it. Raises `DeviceUnavailable`."""
    choice = choice or choose_device(config)
    match choice.backend:
        case "torch":
            from sevenb.backend.torch import TorchBackend

            return TorchBackend(choice.device, config.dtype, eager=config.enforce_eager)
        case "reference":
            from sevenb.backend.reference import ReferenceBackend

            return ReferenceBackend()
        case _:
            from sevenb.backend.native import NativeBackend

            return NativeBackend(config.threads, config.cpu_isa or "auto")
