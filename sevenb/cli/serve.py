"""``sevenb serve``: start the server."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sevenb.cli import serve_options as options
from sevenb.cli.engine_options import (
    DEFAULT_PREFIX_CACHE_DISK,
    Backend,
    KVCacheDtype,
    MaxModelLen,
    MemoryUtilization,
    NoSpeculation,
    NumSpeculativeTokens,
    PrefixCacheDir,
    PrefixCacheDisk,
    SpeculativeModel,
    SwapSpace,
    Threads,
    draft_path,
    memory_fields,
)
from sevenb.errors import InvalidRequest
from sevenb.model.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from sevenb.engine.engine_config import EngineConfig
    from sevenb.model.store import Store
    from sevenb.server.access.api_keys import ApiKeys
    from sevenb.server.access.gate import Gate
    from sevenb.server.access.hosts import Hosts
    from sevenb.server.access.limits import Limits
    from sevenb.server.instances import Instance
    from sevenb.server.service import Service
    from sevenb.server.upstream.address import UpstreamAddress
    from sevenb.workspace import Workspace

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
    memory_utilization: MemoryUtilization = 0.5,
    no_enable_prefix_caching: options.NoPrefixCaching = False,
    swap_space: SwapSpace = None,
    prefix_cache_dir: PrefixCacheDir = None,
    prefix_cache_disk: PrefixCacheDisk = DEFAULT_PREFIX_CACHE_DISK,
    no_speculation: NoSpeculation = False,
    speculative_model: SpeculativeModel = None,
    num_speculative_tokens: NumSpeculativeTokens = 16,
    backend: Backend = "native",
    threads: Threads = None,
    cpu_isa: options.CpuIsa = None,
    max_num_batched_tokens: options.MaxNumBatchedTokens = 512,
    seed: options.Seed = None,
) -> None:
    """Start the server: the console in the browser, and the APIs of OpenAI, Anthropic and Ollama.

    Models are downloaded when they are not on this machine yet. Any other model that is here can be asked for by its
    name, too, and is loaded then (see --only). Ctrl-C (or SIGTERM) lets running answers end, a second one does not.
    """
    from sevenb.cli.console import download_progress, stoppable
    from sevenb.cli.lora_modules import parse_lora_modules
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
    with listen(host, port) as listener:  # before anything slow: a port in use is known at once
        with stoppable("What arrived is kept; run the same command again to go on."), download_progress() as progress:
            paths = [store.ensure(model, progress) for model in wanted]
            draft = draft_path(store, speculative_model, progress)
        begin_listening(listener)
        config = EngineConfig(
            model=str(paths[0]),
            served_model_name=names[0],
            backend=backend,
            threads=threads,
            cpu_isa=cpu_isa,
            max_model_len=max_model_len,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            enable_prefix_caching=not no_enable_prefix_caching,
            kv_cache_dtype=kv_cache_dtype,
            memory_utilization=memory_utilization,
            speculation=not no_speculation,
            speculative_model=draft,
            num_speculative_tokens=num_speculative_tokens,
            seed=seed,
            lora_modules=adapters,
            **memory_fields(
                swap_space=swap_space, prefix_cache_dir=prefix_cache_dir, prefix_cache_disk=prefix_cache_disk
            ),
        )
        launch = _Launch(
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
            allowed_origins=allowed_origins or [],
            log_level=log_level,
        )
        asyncio.run(launch.run())


def _display_names(store: "Store", models: Sequence[str]) -> list[str]:
    """What clients call models that the user gave no other names. Raises `InvalidRequest` where two are the same."""
    references = [store.reference(model) for model in models]
    names = [reference.stem if isinstance(reference, Path) else reference.name for reference in references]
    for name in names:
        if names.count(name) > 1:
            raise InvalidRequest(f"Two models here are called {name}; name each model once, files by their own names.")
    return names


@dataclass(frozen=True)
class _Launch:
    """One server from start to end."""

    config: "EngineConfig"  # of the first model
    paths: Sequence[Path]
    names: Sequence[Sequence[str]]  # of each model
    listener: socket.socket
    hosts: "Hosts"
    console: bool
    database: str | None
    upstreams: Sequence["UpstreamAddress"]
    keys: "ApiKeys"
    limits: "Limits"
    max_queue: int
    only: bool
    keep_alive: tuple[float | None] | None  # None: as is usual
    memory_budget: int | None
    pooling: options.Pooling  # of the first model
    allowed_origins: Sequence[str]
    log_level: str

    async def run(self) -> None:
        """Serve until a signal comes. Raises what kept the engine from loading, or from coming back."""
        service = self._service()
        await service.start()
        # The first engine loads from here on, beside these imports and the tokenizer.
        from sevenb.server.app import create_app
        from sevenb.server.instances import registered
        from sevenb.server.runner import Server

        try:
            workspace = await service.in_thread(self._workspace) if self.console else None
        except BaseException:
            await service.close()
            raise
        app = create_app(
            service,
            keys=self.keys,
            limits=self.limits,
            allowed_origins=self.allowed_origins,
            workspace=workspace,
            hosts=self.hosts,
            upstreams=self.upstreams,
        )
        server = Server(app, service, log_level=self.log_level)
        serving = asyncio.create_task(server.serve([self.listener]), name="HTTP server")
        with registered(self._instance()):
            announcing = asyncio.create_task(self._announce(service, app.state.gate), name="announcement")
            failing = asyncio.create_task(service.wait_failed(), name="failure")
            await asyncio.wait({serving, failing}, return_when=asyncio.FIRST_COMPLETED)
            failure = failing.result() if failing.done() else None
            server.should_exit = True
            await serving
            announcing.cancel()
            failing.cancel()
        if failure is not None:
            raise failure

    def _workspace(self) -> "Workspace":
        from sevenb.workspace import Workspace

        return Workspace.open(self.database)

    def _service(self) -> "Service":
        from sevenb.server.fleet.model_source import LocalModel, StoreModels, further_model
        from sevenb.server.service import KEEP_ALIVE_SECONDS, Service

        first = LocalModel(self.config, self.names[0], self.config.lora_modules, self.max_queue, pooling=self.pooling)
        others = [
            further_model(self.config, str(path), names, self.max_queue)
            for path, names in zip(self.paths[1:], self.names[1:], strict=True)
        ]
        return Service(
            [first, *others],
            installed=None if self.only else StoreModels(self.config, self.max_queue),
            keep_first=self.keep_alive[0] if self.keep_alive else None,
            keep_others=self.keep_alive[0] if self.keep_alive else KEEP_ALIVE_SECONDS,
            memory_budget=self.memory_budget,
        )

    async def _announce(self, service: "Service", gate: "Gate") -> None:
        """Show how the model loads, then that it is ready."""
        from sevenb.cli.console import out
        from sevenb.cli.serve_screen import console_message, loading_progress, ready_message

        with loading_progress(self.names[0][0]) as show:
            waiting = asyncio.create_task(service.wait_ready())
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.1)
                show(service.main.plan, service.main.progress)
        if waiting.exception() is None:
            with contextlib.suppress(SystemExit):  # rich's answer to a closed pipe; clients are served all the same
                others = [names[0] for names in self.names[1:]]
                instance = self._instance()
                out.print(ready_message(instance, waiting.result().engine, others), soft_wrap=True)
                if self.console:
                    out.print(console_message(instance, gate), soft_wrap=True)

    def _instance(self) -> "Instance":
        import psutil

        from sevenb.server.instances import Instance

        return Instance(
            pid=os.getpid(),
            process_started=psutil.Process().create_time(),
            model=self.names[0][0],
            host=self.hosts.bound,
            port=self.listener.getsockname()[1],
            started=time.time(),
        )
