"""The servers that run on this machine, known by a small file each; `sevenb ps` reads them."""

import contextlib
import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
from prometheus_client.parser import text_string_to_metric_families

_ANY_ADDRESS = ("0.0.0.0", "::", "")


class Instance(msgspec.Struct, frozen=True):
    """One running server. ``started`` is Unix time; ``process_started`` tells it from a later process with its id."""

    pid: int
    process_started: float
    model: str
    host: str
    port: int
    started: float

    @property
    def url(self) -> str:
        """Where a program of this machine reaches it."""
        host = self.host_here
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def host_here(self) -> str:
        """The address in it."""
        return "127.0.0.1" if self.host in _ANY_ADDRESS else self.host


def folder() -> Path:
    """Where this user's server files lie (XDG Base Directory Specification)."""
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "sevenb"
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(tempfile.gettempdir()) / f"sevenb-{user}"


@contextlib.contextmanager
def registered(instance: Instance) -> Iterator[None]:
    """Let others find this server while it runs. A folder that cannot be written only means that `ps` stays blind."""
    path = folder() / f"{instance.pid}.json"
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_private(path.parent):
            path.write_bytes(msgspec.json.encode(instance))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def running() -> list[Instance]:
    """The servers that are alive, oldest first; files that dead ones left behind are removed."""
    instances: list[Instance] = []
    if not _is_private(folder()):
        return instances
    for path in folder().glob("*.json"):
        try:
            instance = msgspec.json.decode(path.read_bytes(), type=Instance)
            alive = psutil.Process(instance.pid).create_time() == instance.process_started
        except (OSError, ValueError, msgspec.DecodeError, psutil.Error):
            alive = False
        if alive:
            instances.append(instance)
        else:
            with contextlib.suppress(OSError):
                path.unlink()
    return sorted(instances, key=lambda instance: instance.started)


def _is_private(path: Path) -> bool:
    """Whether only this user can have put files there: anybody may make a folder of our name below ``/tmp``."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


# -- what a server is doing --------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelFigures:
    """One of a server's models that is not merely installed; None where a figure is not known."""

    name: str
    state: str
    max_model_len: int | None = None
    running: float | None = None
    waiting: float | None = None
    kv_usage: float | None = None


@dataclass(frozen=True)
class Figures:
    """A server's state as its own `/health` tells it, and its loaded models, which it shows to who has an API key.

    A server that has unloaded all its models is "idle".
    """

    state: str
    models: tuple[ModelFigures, ...] = ()


def read_figures(instance: Instance) -> Figures:
    """Ask a server. The first key of ``SEVENB_API_KEY`` is sent along where it is set."""
    try:
        state = json.loads(_get(instance, "/health"))["status"]
    except (OSError, ValueError, KeyError):
        return Figures("unreachable")
    if state != "ok":
        return Figures(state)
    try:
        cards = json.loads(_get(instance, "/v1/models"))["data"]
        gauges = _gauges(_get(instance, "/metrics").decode())
        loaded = {card["root"]: card for card in reversed(cards) if card["state"] != "installed" and not card["parent"]}
        models = tuple(_model_figures(card, gauges) for card in reversed(loaded.values()))
        return Figures("ready" if models else "idle", models)
    except (OSError, ValueError, KeyError):
        return Figures("ready")


def _model_figures(card: Mapping[str, Any], gauges: Mapping[tuple[str, str], float]) -> ModelFigures:
    def gauge(name: str) -> float | None:
        return gauges.get((f"sevenb_{name}", card["id"]))

    return ModelFigures(
        name=card["id"],
        state=card["state"],
        max_model_len=card["max_model_len"],
        running=gauge("num_requests_running"),
        waiting=gauge("num_requests_waiting"),
        kv_usage=gauge("kv_cache_usage_perc"),
    )


def _gauges(text: str) -> dict[tuple[str, str], float]:
    """What Prometheus' format says of each model: metric and model -> value."""
    return {
        (sample.name, sample.labels["model_name"]): sample.value
        for family in text_string_to_metric_families(text)
        if family.type == "gauge"
        for sample in family.samples
        if "model_name" in sample.labels
    }


def memory_bytes(instance: Instance) -> int:
    """Resident memory of a server and its engine processes."""
    try:
        server = psutil.Process(instance.pid)
        return sum(int(process.memory_info().rss) for process in (server, *server.children(recursive=True)))
    except psutil.Error:
        return 0


def _get(instance: Instance, path: str) -> bytes:
    request = urllib.request.Request(instance.url + path)
    if key := os.environ.get("SEVENB_API_KEY", "").partition(",")[0].strip():
        request.add_header("Authorization", f"Bearer {key}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs no proxy
    try:
        with opener.open(request, timeout=2) as response:
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        if path == "/health":
            return error.read()
        raise
