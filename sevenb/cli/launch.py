"""`Launch`: one server from its start to its end, as ``sevenb serve`` was told to run it."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sevenb.cli import serve_options as options

if TYPE_CHECKING:
    from sevenb.cluster.replication import Replication
    from sevenb.engine.engine_config import EngineConfig
    from sevenb.server.access.api_keys import ApiKeys
    from sevenb.server.access.gate import Gate
    from sevenb.server.access.hosts import Hosts
    from sevenb.server.access.limits import Limits
    from sevenb.server.instances import Instance
    from sevenb.server.service import Service
    from sevenb.server.upstream.address import UpstreamAddress
    from sevenb.workspace import Workspace


@dataclass(frozen=True)
class Launch:
    """What one server is made of."""

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
    replication: "Replication"  # of the first model
    as_recommended: bool  # whether models sample as their makers recommend
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
            app = create_app(
                service,
                keys=self.keys,
                limits=self.limits,
                allowed_origins=self.allowed_origins,
                workspace=workspace,
                hosts=self.hosts,
                upstreams=self.upstreams,
            )
        except BaseException:
            await service.close()
            raise
        server = Server(app, service, log_level=self.log_level)
        serving = asyncio.create_task(server.serve([self.listener]), name="HTTP server")
        with registered(self._instance()):
            announcing = asyncio.create_task(self._announce(service, app.state.gate), name="announcement")
            failing = asyncio.create_task(service.wait_failed(), name="failure")
            await asyncio.wait({serving, failing}, return_when=asyncio.FIRST_COMPLETED)
            failure = failing.result() if failing.done() else app.state.startup_failure
            server.should_exit = True
            await serving
            announcing.cancel()
            failing.cancel()
        if self.replication.cluster is not None:
            self.replication.cluster.close()
        if failure is not None:
            raise failure

    def _workspace(self) -> "Workspace":
        from sevenb.workspace import Workspace

        return Workspace.open(self.database)

    def _service(self) -> "Service":
        from sevenb.engine.device_budget import device_budget
        from sevenb.server.fleet.model_source import LocalModel, StoreModels, further_model
        from sevenb.server.service import KEEP_ALIVE_SECONDS, Service

        first = LocalModel(
            self.config,
            self.names[0],
            self.config.lora_modules,
            self.max_queue,
            pooling=self.pooling,
            replication=self.replication,
            as_recommended=self.as_recommended,
        )
        others = [
            further_model(self.config, str(path), names, self.max_queue, as_recommended=self.as_recommended)
            for path, names in zip(self.paths[1:], self.names[1:], strict=True)
        ]
        return Service(
            [first, *others],
            installed=None if self.only else StoreModels(self.config, self.max_queue, self.as_recommended),
            keep_first=self.keep_alive[0] if self.keep_alive else None,
            keep_others=self.keep_alive[0] if self.keep_alive else KEEP_ALIVE_SECONDS,
            memory_budget=self.memory_budget,
            usual_budget=partial(device_budget, self.config),
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
