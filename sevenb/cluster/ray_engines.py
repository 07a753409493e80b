"""`RayEngines`: begins engines on the machines of a Ray cluster, through a process that speaks to Ray."""

import asyncio
import contextlib
import logging
import subprocess
import sys
from dataclasses import dataclass, field

import msgspec

from sevenb.cluster.ray_messages import (
    ClusterFailed,
    ClusterReady,
    EngineEnded,
    EngineStarted,
    KillEngine,
    RayCommand,
    RayReport,
    StartEngine,
)
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.failures import describe_exit
from sevenb.engine.starting import EngineProcess, Launch
from sevenb.errors import EngineDied, EngineNotReady

logger = logging.getLogger(__name__)

_COMMAND = (sys.executable, "-m", "sevenb.cluster.ray_host")
_ANY_INTERFACE = "0.0.0.0"
CONNECT_SECONDS = 180.0
HINT_SECONDS = 20.0  # without a place, before people are told what is waited for
PLACE_SECONDS = 300.0  # a cluster that grows by demand needs minutes for a new machine


class RayCluster:
    """The connection to Ray that all engines of a server share; made when the first of them is begun."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._connecting: asyncio.Task[ClusterReady] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._engines: dict[str, _RayEngine] = {}
        self._begun = 0

    async def connect(self) -> ClusterReady:
        """What the cluster has. Raises `EngineDied` where there is none."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        connecting = self._connecting
        try:
            return await asyncio.shield(connecting)
        except (EngineDied, OSError):
            if self._connecting is connecting:  # nobody has tried again yet, who may find a cluster
                self._connecting = None
            raise

    async def start(self, launch: Launch, cpus: float, gpus: float) -> EngineProcess:
        """Begin an engine wherever there is room. Raises `EngineDied`, or `EngineNotReady` where there is none."""
        cluster = await self.connect()
        address = launch.address.replace(_ANY_INTERFACE, cluster.address)
        launch = msgspec.structs.replace(launch, address=address)
        self._begun += 1
        engine = _RayEngine(self, f"actor {self._begun}")
        self._engines[engine.name] = engine
        self._send(StartEngine(name=engine.name, launch=launch, cpus=cpus, gpus=gpus))
        wanted = f"{cpus:g} CPUs and {gpus:g} GPUs"
        try:
            async with asyncio.timeout(PLACE_SECONDS):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(engine.settled.wait(), HINT_SECONDS)
                if not engine.settled.is_set():
                    logger.warning("Waiting for a machine of the Ray cluster with %s to spare", wanted)
                await engine.settled.wait()
        except TimeoutError:
            engine.kill()
            raise EngineNotReady(
                f"No machine of the Ray cluster has {wanted} to spare; lower --replicas, end other programs there, or "
                "add machines."
            ) from None
        except asyncio.CancelledError:
            engine.kill()
            raise
        return engine

    def close(self) -> None:
        """End the connection, and with it all engines."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def kill(self, name: str) -> None:
        """End one engine by force."""
        self._send(KillEngine(name=name))

    async def _connect(self) -> ClusterReady:
        self._process = await asyncio.create_subprocess_exec(
            *_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            self._process.kill()
            raise EngineDied(f"Ray did not answer within {CONNECT_SECONDS:g} s; look at `ray status`.") from None
        report = msgspec.json.decode(line, type=RayReport) if line else ClusterFailed(message="Ray could not be begun.")
        if not isinstance(report, ClusterReady):
            raise EngineDied(report.message if isinstance(report, ClusterFailed) else "Ray answered out of order.")
        logger.info("Ray: %d machines, %g CPUs, %g GPUs", report.machines, report.cpus, report.gpus)
        self._reading = asyncio.create_task(self._read(self._process, self._process.stdout))
        return report

    async def _read(self, process: asyncio.subprocess.Process, reports: asyncio.StreamReader) -> None:
        decoder = msgspec.json.Decoder(RayReport)
        while line := await reports.readline():
            report = decoder.decode(line)
            if isinstance(report, EngineStarted) and (engine := self._engines.get(report.name)) is not None:
                logger.info("%s runs on %s as process %d", report.name, report.machine, report.pid)
                engine.begin(report.pid)
            elif isinstance(report, EngineEnded) and (engine := self._engines.pop(report.name, None)) is not None:
                if report.reason:
                    logger.warning("%s ended: %s", report.name, report.reason)
                engine.end(report.exit_code)
        if self._engines:
            ended = describe_exit("The process that speaks to Ray", await process.wait())
            logger.error("%s Its engines end with it.", ended)
        self._connecting = None  # whoever needs an engine now connects anew
        for engine in self._engines.values():
            engine.end(1)
        self._engines.clear()

    def _send(self, command: RayCommand) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._process.stdin.write(msgspec.json.encode(command) + b"\n")


class _RayEngine:
    """An engine somewhere in the cluster."""

    def __init__(self, cluster: RayCluster, name: str) -> None:
        self.name = name
        self.settled = asyncio.Event()
        self._cluster = cluster
        self._pid: int | None = None
        self._exit_code: int | None = None
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """On the machine it runs on."""
        return self._pid

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        await self._ended.wait()
        assert self._exit_code is not None
        return self._exit_code

    def hang_up(self) -> None:
        """Nobody needs it: it is ended."""
        self.kill()

    def kill(self) -> None:
        """End it by force."""
        self._cluster.kill(self.name)

    def begin(self, pid: int) -> None:
        """It has a process."""
        self._pid = pid
        self.settled.set()

    def end(self, exit_code: int) -> None:
        """It is gone."""
        self._exit_code = exit_code
        self._ended.set()
        self.settled.set()


@dataclass(frozen=True)
class RayStarter:
    """Begins ``replicas`` engines of one model in a cluster, and divides its processors and cards among them."""

    cluster: RayCluster
    replicas: int
    over_network: bool = field(default=True, init=False)

    async def start(self, launch: Launch) -> EngineProcess:
        """Begin one. Its model is what its configuration names: a name, or a path that all machines have."""
        found = await self.cluster.connect()
        config = msgspec.json.decode(launch.config, type=EngineConfig)
        on_cards = config.backend in ("auto", "torch") and (
            config.device == "cuda" or (config.device == "auto" and found.gpus >= 1)
        )
        if on_cards:
            cpus, gpus = 1, config.tensor_parallel_size
        else:
            cpus, gpus = max(1, int(found.cpus) // self.replicas), 0
            config = msgspec.structs.replace(config, threads=config.threads or cpus)
        launch = msgspec.structs.replace(launch, config=msgspec.Raw(msgspec.json.encode(config)))
        return await self.cluster.start(launch, cpus, gpus)
