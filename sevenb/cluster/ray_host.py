"""The Ray process: places engines in a Ray cluster as actors, and tells when they end.

Started as ``python -m sevenb.cluster.ray_host``, so that the API process stays free of Ray's threads and signals. Its
standard input is its lifeline, also while it connects; when it ends, Ray ends the actors it had placed.
"""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

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
from sevenb.engine.starting import Launch

if TYPE_CHECKING:
    from sevenb.engine.messages import EngineReady
    from sevenb.engine.process import ReportLoading, StepEngine

KILLED = -9


class EngineActor:
    """One engine, in a process that Ray gave it."""

    def where(self) -> tuple[int, str, str]:
        """Process id, the name of the machine and Ray's id of it."""
        import ray

        return os.getpid(), os.uname().nodename, ray.get_runtime_context().get_node_id()

    def serve(self, launch: bytes, share: float, on_card: bool) -> int:
        """Load and serve until the API process has enough, with a share of the host; returns an exit code."""
        from sevenb.engine.process import serve

        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        load = partial(_load_here, share=share, on_card=on_card)
        return serve(load, msgspec.json.decode(launch, type=Launch))


def _load_here(
    config: bytes, report: "ReportLoading", *, share: float, on_card: bool
) -> "tuple[StepEngine, EngineReady]":
    """Load models by their names, which are fetched first where this machine lacks them."""
    from sevenb.cluster.shares import share_of_host
    from sevenb.engine.process import load_configured_engine
    from sevenb.model.store import Store

    named = msgspec.json.decode(config, type=EngineConfig)
    for model in (named.model, named.speculative_model):
        if model is not None:
            Store().ensure(model)
    return load_configured_engine(msgspec.json.encode(share_of_host(named, share, on_card=on_card)), report)


class RayHost:
    """Takes commands from standard input, one a line, and reports on standard output."""

    def __init__(self) -> None:
        self._output = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)  # what Ray prints must not get among the reports
        self._actors: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: asyncio.Queue[bytes] = asyncio.Queue()
        self._connected = False

    async def run(self) -> int:
        """Until the API process is gone; returns an exit code."""
        reading = threading.Thread(target=self._read, args=(asyncio.get_running_loop(),), name="commands", daemon=True)
        reading.start()
        os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # read when Ray is imported; busy machines
        try:
            import ray
        except ImportError:
            return self._fail("Ray is not installed: pip install 'sevenb[cluster]', or leave out --ray.")
        try:
            _check_reachable(os.environ.get("RAY_ADDRESS", ""))
            ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=True)
        except Exception as error:
            return self._fail(_why_unreachable(error, os.environ.get("RAY_ADDRESS", "this machine")))
        self._connected = True
        resources = ray.cluster_resources()
        self._tell(
            ClusterReady(
                address=ray.util.get_node_ip_address(),
                machines=sum(node["Alive"] for node in ray.nodes()),
                cpus=resources.get("CPU", 0.0),
                gpus=resources.get("GPU", 0.0),
            )
        )
        decoder = msgspec.json.Decoder(RayCommand)
        while line := await self._lines.get():
            command = decoder.decode(line)
            if isinstance(command, StartEngine):
                task = asyncio.create_task(self._serve(command))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif isinstance(command, KillEngine) and (actor := self._actors.pop(command.name, None)) is not None:
                ray.kill(actor)
        return 0

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Pass each line on, at last an empty one; while Ray connects, which nothing can hurry, end the process."""
        while line := sys.stdin.buffer.readline():
            loop.call_soon_threadsafe(self._lines.put_nowait, line)
        if not self._connected:
            os._exit(0)
        loop.call_soon_threadsafe(self._lines.put_nowait, b"")

    async def _serve(self, command: StartEngine) -> None:
        import ray
        from ray.exceptions import RayActorError

        options = {"num_cpus": command.cpus, "num_gpus": command.gpus, "scheduling_strategy": "SPREAD"}
        actor = ray.remote(**options)(EngineActor).remote()
        self._actors[command.name] = actor
        try:
            pid, machine, node = await actor.where.remote()
            self._tell(EngineStarted(name=command.name, pid=pid, machine=machine))
            share = share_of_node(command, await asyncio.to_thread(ray.nodes), node)
            code = await actor.serve.remote(msgspec.json.encode(command.launch), share, command.gpus > 0)
            self._tell(EngineEnded(name=command.name, exit_code=code))
        except RayActorError as error:
            self._tell(EngineEnded(name=command.name, exit_code=KILLED, reason=_one_line(error)))
        except Exception as error:  # whatever it is, the server must hear of it
            cause = getattr(error, "cause", None) or error
            self._tell(EngineEnded(name=command.name, exit_code=1, reason=_one_line(cause)))
        finally:
            if self._actors.pop(command.name, None) is not None:
                ray.kill(actor)  # it has nothing more to do, and holds its CPUs

    def _fail(self, message: str) -> int:
        self._tell(ClusterFailed(message=message))
        return 1

    def _tell(self, report: RayReport) -> None:
        with contextlib.suppress(BrokenPipeError):  # the API process is gone, and soon this one
            self._output.write(msgspec.json.encode(report) + b"\n")


def share_of_node(command: StartEngine, nodes: Sequence[Mapping[str, Any]], node_id: str) -> float:
    """The part of a machine that an engine has: as of its cards, or else of its processors, so of its memory."""
    resources: Mapping[str, float] = next((node["Resources"] for node in nodes if node["NodeID"] == node_id), {})
    kind, own = ("GPU", command.gpus) if command.gpus > 0 else ("CPU", command.cpus)
    return min(1.0, own / (resources.get(kind) or own))


def _check_reachable(address: str) -> None:
    """Raise OSError where nobody listens: Ray itself would go on trying for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _why_unreachable(error: BaseException, where: str) -> str:
    """A sentence. Ray itself shows the cause only as a part of a traceback."""
    if any(type(one).__name__ == "AuthenticationError" or "InvalidAuthToken" in str(one) for one in _causes(error)):
        return (
            f"The Ray cluster at {where} wants a token: set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to what "
            "`ray get-auth-token` says on its first machine."
        )
    return f"Ray could not be reached at {where}: {_one_line(error).rstrip('.')}."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]


def main() -> int:
    """The life of the Ray process; returns its exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    code = asyncio.run(RayHost().run())
    os._exit(code)  # Ray's own farewell may take seconds; its daemons notice all the same


if __name__ == "__main__":
    main()
