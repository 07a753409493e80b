"""``sevenb serve``: start the OpenAI-compatible server."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sevenb.cli.engine_options import (
    COMPUTING,
    DEFAULT_PREFIX_CACHE_DISK,
    MEMORY,
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
from sevenb.model.catalog import DEFAULT_MODEL

if TYPE_CHECKING:
    from sevenb.engine.engine_config import EngineConfig
    from sevenb.model.store import Store
    from sevenb.server.instances import Instance
    from sevenb.server.service import Service

EPILOG = """Examples:

[dim]$[/] sevenb serve  [dim]# the small default model on http://127.0.0.1:8000[/]

[dim]$[/] sevenb serve qwen2.5-coder:1.5b --port 8080 --max-model-len 131072

[dim]$[/] sevenb serve ./model.gguf --host 0.0.0.0 --api-key SECRET  [dim]# for the whole network[/]"""


_ACCESS = "Address and access"


def serve(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Catalog name (see sevenb list --all), hub repository or path of a .gguf file."
        ),
    ] = DEFAULT_MODEL,
    host: Annotated[
        str,
        typer.Option(
            metavar="HOST", help="Address to listen on; other than loopback needs --api-key.", rich_help_panel=_ACCESS
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="Port to listen on; 0 takes any free one.", rich_help_panel=_ACCESS
        ),
    ] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            envvar="SEVENB_API_KEY",
            help="What clients must send as their API key.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    allowed_origins: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Web pages of this origin may call the server; may be repeated.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(
            metavar="LEVEL", help="debug (shows every request), info, warning or error.", rich_help_panel=_ACCESS
        ),
    ] = "warning",
    served_model_name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What clients call the model; may be repeated.", rich_help_panel=_ACCESS),
    ] = None,
    max_num_seqs: Annotated[
        int, typer.Option(metavar="N", help="Answers generated at once; more wait.", rich_help_panel=MEMORY)
    ] = 64,
    max_model_len: MaxModelLen = None,
    kv_cache_dtype: KVCacheDtype = "auto",
    memory_utilization: MemoryUtilization = 0.5,
    no_enable_prefix_caching: Annotated[
        bool,
        typer.Option("--no-enable-prefix-caching", help="Compute every prompt from its start.", rich_help_panel=MEMORY),
    ] = False,
    swap_space: SwapSpace = None,
    prefix_cache_dir: PrefixCacheDir = None,
    prefix_cache_disk: PrefixCacheDisk = DEFAULT_PREFIX_CACHE_DISK,
    no_speculation: NoSpeculation = False,
    speculative_model: SpeculativeModel = None,
    num_speculative_tokens: NumSpeculativeTokens = 16,
    backend: Backend = "native",
    threads: Threads = None,
    cpu_isa: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Force the kernels of an instruction set, e.g. portable.",
            show_default="the best here",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    max_num_batched_tokens: Annotated[
        int, typer.Option(metavar="N", help="Tokens one step computes at most.", rich_help_panel=COMPUTING)
    ] = 512,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**63 - 1,
            metavar="N",
            help="Seed of requests that bring none.",
            show_default="random",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
) -> None:
    """Start the OpenAI-compatible server.

    The model is downloaded when it is not on this machine yet. Ctrl-C (or SIGTERM) lets running answers end, a second
    one does not.
    """
    from sevenb.cli.console import download_progress, stoppable
    from sevenb.engine.engine_config import EngineConfig
    from sevenb.model.store import Store
    from sevenb.server.listener import begin_listening, check_address, listen

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    check_address(host, api_key)
    store = Store()
    name = _display_name(store, model)
    with listen(host, port) as listener:  # before anything slow: a port in use is known at once
        with stoppable("What arrived is kept; run the same command again to go on."), download_progress() as progress:
            path = store.ensure(model, progress)
            draft = draft_path(store, speculative_model, progress)
        begin_listening(listener)
        config = EngineConfig(
            model=str(path),
            served_model_name=name,
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
            **memory_fields(
                swap_space=swap_space, prefix_cache_dir=prefix_cache_dir, prefix_cache_disk=prefix_cache_disk
            ),
        )
        launch = _Launch(
            config=config,
            listener=listener,
            host=host,
            names=served_model_name or [name],
            api_key=api_key,
            allowed_origins=allowed_origins or [],
            log_level=log_level,
        )
        asyncio.run(launch.run())


def _display_name(store: "Store", model: str) -> str:
    """What clients call a model that the user gave no other name."""
    reference = store.catalog.reference(model)
    return reference.stem if isinstance(reference, Path) else reference.name


@dataclass(frozen=True)
class _Launch:
    """One server from start to end."""

    config: "EngineConfig"
    listener: socket.socket
    host: str
    names: list[str]
    api_key: str | None
    allowed_origins: list[str]
    log_level: str

    async def run(self) -> None:
        """Serve until a signal comes. Raises what kept the engine from loading, or from coming back."""
        import msgspec

        from sevenb.engine.client import EngineClient

        client = EngineClient(msgspec.json.encode(self.config))
        await client.start()
        # The engine loads from here on, beside these imports and the tokenizer.
        from sevenb.server.app import create_app
        from sevenb.server.instances import registered
        from sevenb.server.runner import Server
        from sevenb.server.service import Service, load_text

        service = Service(client, partial(load_text, Path(self.config.model)), names=self.names, root=self.config.model)
        service.start()
        app = create_app(service, api_key=self.api_key, allowed_origins=self.allowed_origins)
        server = Server(app, service, log_level=self.log_level)
        serving = asyncio.create_task(server.serve([self.listener]), name="HTTP server")
        with registered(self._instance()):
            announcing = asyncio.create_task(self._announce(service), name="announcement")
            failing = asyncio.create_task(service.wait_failed(), name="failure")
            await asyncio.wait({serving, failing}, return_when=asyncio.FIRST_COMPLETED)
            failure = failing.result() if failing.done() else None
            server.should_exit = True
            await serving
            announcing.cancel()
            failing.cancel()
        if failure is not None:
            raise failure

    async def _announce(self, service: "Service") -> None:
        """Show how the model loads, then that it is ready."""
        from sevenb.cli.console import out
        from sevenb.cli.serve_screen import loading_progress, ready_message

        with loading_progress(self.names[0]) as show:
            waiting = asyncio.create_task(service.wait_ready())
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=0.1)
                show(service.client.plan, service.client.progress)
        if waiting.exception() is None:
            with contextlib.suppress(SystemExit):  # rich's answer to a closed pipe; clients are served all the same
                out.print(ready_message(self._instance(), waiting.result().engine), soft_wrap=True)

    def _instance(self) -> "Instance":
        import psutil

        from sevenb.server.instances import Instance

        return Instance(
            pid=os.getpid(),
            process_started=psutil.Process().create_time(),
            model=self.names[0],
            host=self.host,
            port=self.listener.getsockname()[1],
            started=time.time(),
        )
