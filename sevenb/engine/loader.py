"""From an `EngineConfig` to an `Engine` that is ready to step."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sevenb.backend.protocol import Backend, KVCache
from sevenb.engine.block_store import BlockStore, MemoryTier, cache_identity
from sevenb.engine.device_choice import DeviceChoice, choose_device
from sevenb.engine.disk_tier import DiskTier
from sevenb.engine.engine import Engine
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.grammars import grammars_of
from sevenb.engine.memory_meter import CardMeter, MemoryMeter
from sevenb.engine.memory_plan import EngineFiles, MemoryPlan, Taken, plan_memory, replan
from sevenb.engine.messages import EngineReady, LoadPlan, LoadProgress
from sevenb.engine.model_runner import RotaryAngles
from sevenb.engine.parallel import leadership
from sevenb.engine.parallel.leadership import OnLoss, alone, load_decoder, own_part
from sevenb.engine.room import on_card
from sevenb.engine.speculation.adaptive import AdaptiveSpeculator
from sevenb.engine.speculation.draft_loader import check_same_tokenizer, draft_model, open_draft
from sevenb.engine.trial import record_steps, try_steps
from sevenb.errors import DeviceLost
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, kv_layout
from sevenb.model.hf.quantization_config import check_quantization
from sevenb.model.lora import LoraAdapter
from sevenb.model.rope import RopeProfiles
from sevenb.model.store import Store

ReportLoading = Callable[[LoadPlan | LoadProgress], None]


def load_engine(
    config: EngineConfig,
    report: ReportLoading | None = None,
    on_loss: OnLoss | None = None,
) -> tuple[Engine, EngineReady]:
    """Load the model onto its backend and give what memory is right to the KV pool; nothing is downloaded.

    ``report`` is told the plan, then the progress; ``on_loss``, from another thread and also while this loads, why a
    process which shares the model has ended, so that the engine cannot go on. Raises a `SevenbError` that says why not:
    before the weights are read, where a configuration cannot fit.
    """
    started = time.monotonic()
    choice = choose_device(config)
    backend = open_backend(config, choice, on_loss)
    try:
        engine, ready = _load_onto(backend, config, choice, report or (lambda _: None))
    except DeviceLost as error:
        cause = leadership.cause(backend, error)
        leadership.close(backend)
        raise cause from None
    except BaseException:
        leadership.close(backend)
        raise
    return engine, msgspec.structs.replace(ready, load_seconds=time.monotonic() - started)


def _load_onto(
    backend: Backend, config: EngineConfig, choice: DeviceChoice, report: ReportLoading
) -> tuple[Engine, EngineReady]:
    if on_card(backend):
        config = config.for_card()
    path = Store().resolve(config.model)
    with Checkpoint.open(path) as checkpoint, open_draft(config) as draft:
        model = checkpoint.config
        if config.quantization is not None:
            check_quantization(model, config.quantization)
        name = config.served_model_name or checkpoint.name
        if draft is not None:
            check_same_tokenizer(checkpoint, draft)
        part, adapters = own_part(checkpoint, _open_adapters(config, checkpoint), backend)
        files = EngineFiles(part, adapters, draft)
        plan = plan_memory(config, files, backend)
        identity = cache_identity(checkpoint, backend, plan.layout) if config.prefix_cache_dir else ""
        identity += f" {config.tensor_parallel_size}"  # a block holds the parts of so many ranks
        report(plan.message(choice.notes))
        loaded = _load_weights(files, backend, report)
    decoder, rope = loaded.decoder, RopeProfiles(model, plan.sizing.max_model_len)
    if on_card(backend):
        taken = try_steps(config, plan.sizing, decoder=decoder, backend=backend, layout=plan.layout, rope=rope)
        if loaded.draft is not None:
            taken = taken.beside(_try_draft(config, plan, loaded.draft))
        plan = replan(config, files, backend, plan, taken)
        report(plan.message(choice.notes))
        rope = RopeProfiles(model, plan.sizing.max_model_len)
    cache = backend.allocate_kv(plan.layout, plan.sizing.blocks)
    if on_card(backend):
        record_steps(config, plan.sizing, decoder=decoder, backend=backend, cache=cache, rope=rope)
    disk = None
    if config.prefix_cache_dir is not None and config.enable_prefix_caching:
        disk = DiskTier(Path(config.prefix_cache_dir).expanduser(), config.prefix_cache_disk)
    engine = Engine(
        config,
        plan.sizing,
        decoder=decoder,
        backend=backend,
        cache=cache,
        rope=rope,
        vocab_size=model.vocab_size,
        block_store=BlockStore(backend, cache, MemoryTier(plan.swap_bytes), disk),
        cache_identity=identity,
        speculator=_speculator(config, plan, loaded) if config.speculation else None,
        grammars=grammars_of(path, model.vocab_size),
        # On a disk a name may come to mean another adapter.
        adapters={key: adapter.digest() if disk is not None else key for key, adapter in files.adapters.items()},
        memory=_meter(plan, decoder, backend),
        on_close=lambda: leadership.close(backend),
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
        load_seconds=0.0,  # known to who opened the backend
        adapters=list(files.adapters),
        max_num_seqs=config.max_num_seqs,
        working_bytes=plan.working_bytes if plan.room.card else 0,
        graph_bytes=plan.graph_bytes,
        card_bytes=plan.room.card,
    )
    return engine, ready


@dataclass(frozen=True)
class _Loaded:
    """What was made of the files."""

    decoder: Decoder
    draft: Decoder | None


def _open_adapters(config: EngineConfig, base: Checkpoint) -> dict[str, LoraAdapter]:
    return {name: LoraAdapter.open(Path(path).expanduser(), base) for name, path in config.lora_modules.items()}


def _load_weights(files: EngineFiles, backend: Backend, report: ReportLoading) -> _Loaded:
    """Pack the model, then its adapters, then the draft model, and tell how far that is."""

    def report_progress(done: int) -> None:
        report(LoadProgress(done=done, total=files.weight_bytes))

    decoder = load_decoder(files.checkpoint, backend, lambda done, _: report_progress(done))
    packed = files.checkpoint.total_bytes
    for name, adapter in files.adapters.items():
        decoder.add_adapter(name, adapter)
        packed += adapter.total_bytes
        report_progress(packed)
    if files.draft is None:
        return _Loaded(decoder, None)
    return _Loaded(decoder, Decoder(files.draft, alone(backend), lambda done, _: report_progress(packed + done)))


def _try_draft(config: EngineConfig, plan: MemoryPlan, draft: Decoder) -> Taken:
    assert on_card(draft.backend)
    layout = kv_layout(draft.config, plan.layout.block_size, plan.layout.dtype)
    rope = RopeProfiles(draft.config, plan.sizing.max_model_len)
    return try_steps(config, plan.sizing, decoder=draft, backend=draft.backend, layout=layout, rope=rope)


def _speculator(config: EngineConfig, plan: MemoryPlan, loaded: _Loaded) -> AdaptiveSpeculator:
    """What guesses ahead, with the draft model if there is one."""
    if loaded.draft is None:
        return AdaptiveSpeculator(config.num_speculative_tokens, None)
    draft, backend = loaded.draft, loaded.draft.backend

    def record(cache: KVCache, rope: RotaryAngles) -> None:
        if on_card(backend):
            record_steps(config, plan.sizing, decoder=draft, backend=backend, cache=cache, rope=rope)

    vocabulary, dtype = loaded.decoder.config.vocab_size, plan.layout.dtype
    model = draft_model(draft, backend, plan.sizing, dtype=dtype, vocab_size=vocabulary, prepare=record)
    return AdaptiveSpeculator(config.num_speculative_tokens, model)


def _meter(plan: MemoryPlan, decoder: Decoder, backend: Backend) -> MemoryMeter:
    if on_card(backend):
        return CardMeter(decoder.weight_bytes, plan.sizing, backend, plan.graph_bytes)
    return MemoryMeter(decoder.weight_bytes, plan.sizing)


def open_backend(config: EngineConfig, choice: DeviceChoice | None = None, on_loss: OnLoss | None = None) -> Backend:
    """The device that a configuration names, or that ``choice`` made of it; ``on_loss`` as in `load_engine`.

    Raises `DeviceUnavailable`, and where several processes share the model `InvalidRequest` and `DeviceLost`.
    """
    choice = choice or choose_device(config)
    match choice.backend:
        case "torch":
            if config.tensor_parallel_size > 1:
                return leadership.open_leading(config, choice, on_loss)
            from sevenb.backend.torch import TorchBackend

            threads = config.threads if choice.device == "cpu" else None
            return TorchBackend(choice.device, config.dtype, eager=config.enforce_eager, threads=threads)
        case "reference":
            from sevenb.backend.reference import ReferenceBackend

            return ReferenceBackend()
        case _:
            from sevenb.backend.native import NativeBackend

            return NativeBackend(config.threads, config.cpu_isa or "auto")
