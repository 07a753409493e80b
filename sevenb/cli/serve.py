"""``sevenb serve``: start the server."""

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sevenb.cli import serve_options as options
from sevenb.cli.engine_options import (
    DEFAULT_PREFIX_CACHE_DISK,
    AsyncScheduling,
    Backend,
    Device,
    Dtype,
    EnforceEager,
    KVCacheDtype,
    MaxModelLen,
    MemoryUtilization,
    NoSpeculation,
    NumSpeculativeTokens,
    PrefixCacheDir,
    PrefixCacheDisk,
    Quantization,
    SpeculativeModel,
    SwapSpace,
    TensorParallelSize,
    Threads,
    draft_path,
    memory_fields,
)
from sevenb.errors import InvalidRequest
from sevenb.model.catalog import DEFAULT_MODEL, display_name

if TYPE_CHECKING:
    from sevenb.model.store import Store

EPILOG = """Examples:

[dim]$[/] sevenb serve  [dim]# the small default model on http://127.0.0.1:8000[/]

[dim]$[/] sevenb serve qwen2.5-coder:1.5b --port 8080 --max-model-len 131072

[dim]$[/] sevenb serve qwen2.5-coder:1.5b smollm2:135m --memory-budget 4  [dim]# two models in 4 GiB[/]

[dim]$[/] sevenb serve ./model.gguf --host 0.0.0.0  [dim]# for the whole network, whose people sign in[/]"""


def serve(
    models: options.Models = None,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8000,
    api_key: options.ApiKey = None,
    api_key_file: options.ApiKeyFile = None,
    allowed_origins: options.AllowedOrigins = None,
    allowed_hosts: options.AllowedHosts = None,
    database: options.Database = None,
    no_console: options.NoConsole = False,
    log_level: options.LogLevel = "warning",
    served_model_name: options.ServedModelName = None,
    generation_config: options.GenerationConfig = "auto",
    upstreams: options.Upstreams = None,
    only: options.Only = False,
    keep_alive: options.KeepAlive = None,
    memory_budget: options.MemoryBudget = None,
    lora_modules: options.LoraModules = None,
    pooling: options.Pooling = None,
    rate_limit: options.RateLimit = None,
    max_concurrent: options.MaxConcurrent = None,
    max_queue: options.MaxQueue = options.DEFAULT_MAX_QUEUE,
    max_body_size: options.MaxBodySize = options.DEFAULT_MAX_BODY_SIZE,
    max_num_seqs: options.MaxNumSeqs = 64,
    max_model_len: MaxModelLen = None,
    kv_cache_dtype: KVCacheDtype = "auto",
    memory_utilization: MemoryUtilization = None,
    no_enable_prefix_caching: options.NoPrefixCaching = False,
    swap_space: SwapSpace = None,
    prefix_cache_dir: PrefixCacheDir = None,
    prefix_cache_disk: PrefixCacheDisk = DEFAULT_PREFIX_CACHE_DISK,
    no_speculation: NoSpeculation = False,
    speculative_model: SpeculativeModel = None,
    num_speculative_tokens: NumSpeculativeTokens = 16,
    device: Device = "auto",
    backend: Backend = "auto",
    dtype: Dtype = "auto",
    quantization: Quantization = None,
    tensor_parallel_size: TensorParallelSize = 1,
    enforce_eager: EnforceEager = False,
    async_scheduling: AsyncScheduling = True,
    replicas: options.Replicas = 1,
    ray: options.Ray = False,
    threads: Threads = None,
    cpu_isa: options.CpuIsa = None,
    max_num_batched_tokens: options.MaxNumBatchedTokens = None,
    seed: options.Seed = None,
) -> None:
    """Start the server: the console in the browser, and the APIs of OpenAI, Anthropic and Ollama.

    Models are downloaded when they are not on this machine yet. Any other model that is here can be asked for by its
    name, too, and is loaded then (see --only). Ctrl-C (or SIGTERM) lets running answers end, a second one does not.
    """
    import msgspec

    from sevenb.cli.console import download_progress, stoppable
    from sevenb.cli.launch import Launch
    from sevenb.cli.lora_modules import parse_lora_modules
    from sevenb.cluster.ray_engines import RayCluster
    from sevenb.cluster.replication import Replication
    from sevenb.engine.device_choice import check_device
    from sevenb.engine.engine_config import EngineConfig
    from sevenb.model.store import Store
    from sevenb.server.access.api_keys import read_api_keys
    from sevenb.server.access.hosts import Hosts
    from sevenb.server.access.limits import MEBIBYTE, Limits
    from sevenb.server.fleet.durations import parse_duration
    from sevenb.server.listener import begin_listening, check_address, listen
    from sevenb.server.upstream.address import parse_upstreams

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    keys = read_api_keys(api_key or [], api_key_file, os.environ)
    check_address(host, has_key=bool(keys), has_accounts=not no_console)
    others = parse_upstreams(upstreams or [], os.environ)
    stay = None if keep_alive is None else (parse_duration(keep_alive, "--keep-alive"),)
    store = Store()
    wanted = models or [DEFAULT_MODEL]
    names = _display_names(store, wanted)
    adapters = parse_lora_modules(lora_modules or [], taken=[*names, *(served_model_name or [])])
    config = EngineConfig(
        model=wanted[0],
        served_model_name=names[0],
        device=device,
        backend=backend,
        dtype=dtype,
        quantization=quantization,
        tensor_parallel_size=tensor_parallel_size,
        enforce_eager=enforce_eager,
        async_scheduling=async_scheduling,
        threads=threads,
        cpu_isa=cpu_isa,
        max_model_len=max_model_len,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        enable_prefix_caching=not no_enable_prefix_caching,
        kv_cache_dtype=kv_cache_dtype,
        memory_utilization=memory_utilization,
        speculation=not no_speculation,
        num_speculative_tokens=num_speculative_tokens,
        seed=seed,
        lora_modules=adapters,
        **memory_fields(swap_space=swap_space, prefix_cache_dir=prefix_cache_dir, prefix_cache_disk=prefix_cache_disk),
    )
    if not ray:  # whose machines have devices of their own
        check_device(config)  # before a download of gigabytes
    with listen(host, port) as listener:  # before anything slow: a port in use is known at once
        with stoppable("What arrived is kept; run the same command again to go on."), download_progress() as progress:
            paths = [store.ensure(model, progress) for model in wanted]
            draft = draft_path(store, speculative_model, progress)
        begin_listening(listener)
        model = str(paths[0])
        if ray:
            model = _name_elsewhere(store, wanted[0])
            draft = speculative_model and _name_elsewhere(store, speculative_model)
        config = msgspec.structs.replace(config, model=model, speculative_model=draft)
        launch = Launch(
            config=config,
            paths=paths,
            names=[served_model_name or names[:1], *([name] for name in names[1:])],
            listener=listener,
            hosts=Hosts(host, allowed_hosts or []),
            console=not no_console,
            database=database,
            upstreams=others,
            keys=keys,
            limits=Limits(rate_limit, max_concurrent, int(max_body_size * MEBIBYTE)),
            max_queue=max_queue,
            only=only,
            keep_alive=stay,
            memory_budget=options.budget_bytes(memory_budget),
            pooling=pooling,
            as_recommended=generation_config == "auto",
            replication=Replication(replicas, RayCluster() if ray else None),
            allowed_origins=allowed_origins or [],
            log_level=log_level,
        )
        asyncio.run(launch.run())


def _name_elsewhere(store: "Store", model: str) -> str:
    """What a model is called on another machine: its name, which leads into that machine's own store, or its path."""
    reference = store.reference(model)
    return str(reference.resolve()) if isinstance(reference, Path) else model


def _display_names(store: "Store", models: Sequence[str]) -> list[str]:
    """What clients call models that the user gave no other names. Raises `InvalidRequest` where two are the same."""
    names = [display_name(store.reference(model)) for model in models]
    for name in names:
        if names.count(name) > 1:
            raise InvalidRequest(f"Two models here are called {name}; name each model once, files by their own names.")
    return names
