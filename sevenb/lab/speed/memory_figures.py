"""What a server tells of its memory, and what the system tells of its process."""

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil

from sevenb.errors import InvalidRequest
from sevenb.lab.target.address import root_url
from sevenb.lab.target.client import Client

_GAUGE = re.compile(r"^sevenb_memory_(\w+)_bytes\{(.*)\} (\S+)$", re.MULTILINE)
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
_SECONDS = 10.0


async def memory_told(client: Client) -> Mapping[str, int]:
    """Bytes by what they are for, as sevenb's ``/metrics`` names them; nothing from another server."""
    key = client.target.api_key
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=_SECONDS) as http:
            response = await http.get(f"{root_url(client.target.url)}/metrics")
    except httpx.HTTPError:
        return {}
    if response.status_code != 200:
        return {}
    gauges = _GAUGE.findall(response.text)
    models = {labels for _, labels, _ in gauges}
    own = f'model_name="{client.target.model}"'
    return {name: int(float(value)) for name, labels, value in gauges if len(models) == 1 or own in labels}


async def weights_told(client: Client) -> int | None:
    """Bytes of the weights where the list of models says so, as llama.cpp's does."""
    for card in await client.models():
        meta = card.get("meta")
        size = meta.get("size") if isinstance(meta, dict) else None
        if card.get("id") == client.target.model and isinstance(size, int):
            return size
    return None


def process_of(pid: int) -> psutil.Process:
    """A process of this machine. Raises `InvalidRequest` where there is none."""
    try:
        return psutil.Process(pid)
    except psutil.Error:
        raise InvalidRequest(f"There is no process {pid} on this machine; name that of the server.", "pid") from None


def peak_of(process: psutil.Process) -> int | None:
    """The most that a process and its children have had resident so far, mapped files included; None once it is gone.

    Where the system keeps no peak, what is resident now.
    """
    try:
        return sum(_peak(one) for one in (process, *process.children(recursive=True)))
    except psutil.Error:
        return None


def _peak(process: psutil.Process) -> int:
    try:
        if found := _PEAK.search(Path(f"/proc/{process.pid}/status").read_text()):
            return 1024 * int(found[1])
    except OSError:
        pass
    return int(process.memory_info().rss)
