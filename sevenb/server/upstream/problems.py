"""What other servers say when something goes wrong, as errors of ours: one clear sentence each."""

import json
import os
import re
from typing import Any

import httpx

from sevenb.errors import SevenbError
from sevenb.server.errors import HttpError
from sevenb.server.upstream.address import UpstreamAddress, key_variable

MAX_TOLD = 300  # characters of another server's own words

_TOO_LONG = re.compile(r"context[ _](length|size|window)|exceed\w* .*context|too (long|many tokens)", re.IGNORECASE)


def unreachable(address: UpstreamAddress, error: httpx.HTTPError) -> HttpError:
    """It could not be talked to at all, or not to the end."""
    return HttpError(502, f"{address.name} ({address.url}) {_failure(error)}.", "upstream_unreachable")


def broken_off(address: UpstreamAddress, *, begun: bool) -> HttpError:
    """An answer that had no end, or not even a beginning."""
    if begun:
        return HttpError(502, f"{address.name} broke off in the middle of its answer; try again.", "upstream_error")
    return HttpError(
        502,
        f"{address.name} sent no answer: the chat may be too long for it, or its log may say why.",
        "upstream_error",
    )


def not_understood(address: UpstreamAddress) -> HttpError:
    """Something that is no answer of an OpenAI-compatible server."""
    return HttpError(
        502,
        f"{address.name} ({address.url}) does not answer as an OpenAI-compatible server does; check its URL.",
        "upstream_error",
    )


def refused(address: UpstreamAddress, status: int, body: bytes, model: str | None = None) -> SevenbError:
    """An answer with an error's status, or an error in the middle of a stream."""
    told = message_of(body)
    if address.key:  # some servers repeat what they were sent
        told = told.replace(address.key, "…")
    said = f": {told}" if told else ""
    if status in (401, 403):
        return HttpError(
            502,
            f"{address.name} refuses its key (HTTP {status}); set {key_variable(address.name)} to a right one and "
            "start this server again.",
            "upstream_key",
        )
    if status < 500 and told and _TOO_LONG.search(told):
        return HttpError(400, f"The chat is longer than {address.name} can read: {told}.", "context_length_exceeded")
    if status == 404 and model is not None:
        return HttpError(404, f"{address.name} has no model {model!r:.200} now{said}.", "model_not_found")
    if status == 429:
        return HttpError(429, f"{address.name} has too much to do{said}; try again in a while.", "rate_limit_exceeded")
    if status == 503:
        return HttpError(503, f"{address.name} is not ready{said}; try again soon.", "not_ready")
    if status < 500:
        return HttpError(400, f"{address.name} does not take this request (HTTP {status}){said}.", "upstream_refused")
    return HttpError(502, f"{address.name} met an error (HTTP {status}){said}.", "upstream_error")


def message_of(body: bytes) -> str:
    """The sentence inside an error's body, whatever its dialect; "" where there is none to be shown."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        text = body.decode(errors="replace").strip()
        return "" if text.startswith("<") else _short(text)
    for _ in range(3):
        if isinstance(value, dict) and isinstance(value.get("msg"), str):  # FastAPI's account of a bad field
            where = ".".join(str(part) for part in value.get("loc", ()) if part != "body")
            return _short(f"{where}: {value['msg']}" if where else value["msg"])
        if isinstance(value, dict):
            value = next((value[key] for key in ("error", "message", "detail") if value.get(key)), "")
        elif isinstance(value, list) and value:
            value = value[0]
    return _short(value) if isinstance(value, str) else ""


def _short(text: str) -> str:
    text = " ".join(text.encode("utf-8", "replace").decode().replace("\0", " ").split())
    return (text if len(text) <= MAX_TOLD else f"{text[:MAX_TOLD]}…").rstrip(".")


def _system_error(error: BaseException) -> str:
    """What the system said, which lies below what the libraries made of it, once for each address of the host."""
    reason, cause = str(error), error
    while (below := cause.__cause__ or cause.__context__) is not None:
        cause = below.exceptions[0] if isinstance(below, BaseExceptionGroup) else below
        if isinstance(cause, OSError) and cause.errno:
            # The resolver's numbers are below 0, and have words of their own.
            reason = os.strerror(cause.errno) if cause.errno > 0 else cause.strerror or reason
    return reason


def _failure(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.PoolTimeout():
            return "does not answer; check that it runs and can be reached from here"
        case httpx.ConnectError():
            reason = re.sub(r"^\[Errno -?\d+\] ", "", _system_error(error)) or "no connection"
            return f"cannot be reached ({reason}); check that it runs"
        case httpx.TimeoutException():
            return "takes too long to answer; try again"
        case _:
            return "closed the connection; try again"
