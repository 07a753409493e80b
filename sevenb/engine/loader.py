"""From an `EngineConfig` to an `Engine` that is ready to step."""

import time
from collections.abc import Callable
from pathlib import Path

from sevenb.backend.protocol import Backend
from sevenb.engine.block_store import BlockStore, MemoryTier, cache_identity, swap_bytes
from sevenb.engine.disk_tier import DiskTier
from sevenb.engine.engine import Engine
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.grammars import grammars_of
from sevenb.engine.kv_sizing import kv_dtype, size_kv_pool
from sevenb.engine.messages import EngineReady, LoadPlan, LoadProgress
from sevenb.engine.speculation.adaptive import AdaptiveSpeculator
from sevenb.engine.speculation.draft_loader import check_same_tokenizer, draft_block_bytes, load_draft, open_draft
from sevenb.errors import InvalidRequest
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, kv_layout
from sevenb.model.lora import LoraAdapter
from sevenb.model.rope import RopeProfiles, rope_contexts
from sevenb.model.store import Store

ReportLoading = Callable[[LoadPlan | LoadProgress], None]


def load_engine(config: EngineConfig, report: ReportLoading | None = None) -> tuple[Engine, EngineReady]:
    """Load the model onto its backend and give what memory is right to the KV pool; nothing is downloaded.

    ``report`` is told the plan, then the progress. Raises a `SevenbError` that says why not: before the weights are
    read, where a configuration cannot fit.
    """
    started = time.monotonic()
    report = report or (lambda _: None)
    backend = open_backend(config)
    path = Store().resolve(config.model)
    with Checkpoint.open(path) as checkpoint, open_draft(config) as draft:
        model = checkpoint.config
        name = config.served_model_name or checkpoint.name
        layout = kv_layout(model, config.block_size, kv_dtype(config))
        identity = cache_identity(checkpoint, backend, layout) if config.prefix_cache_dir else ""
        adapters = {
            key: LoraAdapter.open(Path(place).expanduser(), checkpoint) for key, place in config.lora_modules.items()
        }
        free_bytes = backend.free_memory()
        if config.memory_budget is not None:
            free_bytes = min(free_bytes, max(0, config.memory_budget - (config.swap_space or 0)))
        block_bytes = backend.kv_block_bytes(layout)
        weight_bytes = checkpoint.total_bytes + sum(adapter.total_bytes for adapter in adapters.values())
        if draft is not None:
            check_same_tokenizer(checkpoint, draft)
            block_bytes += draft_block_bytes(draft, backend, config, layout.dtype)
            weight_bytes += draft.total_bytes
        sizing = size_kv_pool(
            config,
            context_length=model.context_length,
            longest_context=max(rope_contexts(model).values()),
            block_bytes=block_bytes,
            weight_bytes=weight_bytes,
            free_bytes=free_bytes,
        )
        swap = swap_bytes(config.swap_space, pool_bytes=sizing.bytes, free_bytes=free_bytes - weight_bytes)
        report(
            LoadPlan(
                max_model_len=sizing.max_model_len,
                kv_tokens=sizing.tokens,
                kv_bytes=sizing.bytes,
                kv_dtype=layout.dtype,
                weight_bytes=weight_bytes,
                free_bytes=free_bytes,
                swap_bytes=swap,
            )
        )

        def report_progress(done: int) -> None:
            report(LoadProgress(done=done, total=weight_bytes))

        decoder = Decoder(checkpoint, backend, lambda done, _: report_progress(done))
        packed_bytes = checkpoint.total_bytes
        for adapter_name, adapter in adapters.items():
            decoder.add_adapter(adapter_name, adapter)
            packed_bytes += adapter.total_bytes
            report_progress(packed_bytes)
        draft_model = None
        if draft is not None:
            draft_model = load_draft(
                draft,
                backend,
                sizing,
                dtype=layout.dtype,
                vocab_size=model.vocab_size,
                progress=lambda done, _: report_progress(packed_bytes + done),
            )
    cache = backend.allocate_kv(layout, sizing.blocks)
    disk = None
    if config.prefix_cache_dir is not None and config.enable_prefix_caching:
        disk = DiskTier(Path(config.prefix_cache_dir).expanduser(), config.prefix_cache_disk)
    engine = Engine(
        config,
        sizing,
        decoder=decoder,
        backend=backend,
        cache=cache,
        rope=RopeProfiles(model, sizing.max_model_len),
        vocab_size=model.vocab_size,
        block_store=BlockStore(backend, cache, MemoryTier(swap), disk),
        cache_identity=identity,
        speculator=AdaptiveSpeculator(config.num_speculative_tokens, draft_model) if config.speculation else None,
        grammars=grammars_of(path, model.vocab_size),
        # On a disk a name may come to mean another adapter.
        adapters={key: adapter.digest() if disk is not None else key for key, adapter in adapters.items()},
    )
    ready = EngineReady(
        model_name=name,
        max_model_len=sizing.max_model_len,
        kv_tokens=sizing.tokens,
        kv_bytes=sizing.bytes,
        kv_dtype=layout.dtype,
        swap_bytes=swap,
        weight_bytes=decoder.weight_bytes,
        device=backend.describe(),
        load_seconds=time.monotonic() - started,
        adapters=list(adapters),
    )
    return engine, ready


def open_backend(config: EngineConfig) -> Backend:
    """The device that a configuration names."""
    match config.backend:
        case "native":
            from sevenb.backend.native import NativeBackend

            return NativeBackend(config.threads, config.cpu_isa or "auto")
        case "reference":
            from sevenb.backend.reference import ReferenceBackend

            return ReferenceBackend()
    raise InvalidRequest(f"There is no backend {config.backend!r}; choose native or reference.", "backend")
