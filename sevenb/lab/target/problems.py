"""What can go wrong with a server, each as one sentence that says what to do."""

import json
import re
import ssl
from html import unescape
from typing import Any

import httpx
import msgspec

from sevenb.errors import TargetFailed, TargetRefused
from sevenb.lab.target.target import Target

_LONGEST = 400  # characters that are quoted of a server's own words
_DEEPEST = 8  # levels of JSON around them
_SEARCHED = 8 << 10  # that are looked through for them

_NOT_TLS = {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"}  # OpenSSL's words, by version


def unreachable(target: Target, error: httpx.HTTPError, *, begun: bool = False) -> TargetFailed:
    """No connection, or one that broke; ``begun``: in the middle of an answer."""
    url = target.url
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL):
        return TargetFailed(f"{url} is no address of a server; write it as http://127.0.0.1:8000/v1.")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return TargetFailed(f"No server answers at {url}: {_why(error)}; start it, or check the address.")
    if isinstance(error, httpx.TimeoutException):
        return silent(target)
    where = "in the middle of an answer" if begun else "before it answered"
    return TargetFailed(
        f"The server at {url} closed the connection {where}; see its log for the reason, then run the same command "
        "again to go on."
    )


def silent(target: Target, seconds: float | None = None) -> TargetFailed:
    """Nothing has come for too long."""
    time = "" if seconds is None else f" for {seconds:.0f} seconds"
    return TargetFailed(
        f"The server at {target.url} has sent nothing{time}; see whether it is stuck, or give it longer with --timeout."
    )


def not_understood(target: Target, what: str) -> TargetFailed:
    """It answers, but not as OpenAI's API does."""
    return TargetFailed(
        f"The server at {target.url} sent what OpenAI's API does not have ({_plain(what)}); check that the address is "
        "that of an OpenAI-compatible server."
    )


def broken(target: Target, error: Any) -> TargetRefused:
    """It sent an error in the middle of an answer."""
    reason = _reason_of(error) or "it does not say why"
    status = error.get("code") if isinstance(error, dict) else None
    return TargetRefused(
        f"The server at {target.url} broke off an answer: {_sentence(reason)}",
        status if type(status) is int else 500,
        reason,
    )


def refused(target: Target, response: httpx.Response, body: bytes) -> TargetFailed:
    """It answered with an HTTP error: a `TargetRefused` where other requests may fare better."""
    status = response.status_code
    reason = reason_of(body) or f"HTTP {status} {response.reason_phrase}".strip()
    quoted = _sentence(reason)
    if status in (401, 403):
        what = "does not take this key; give the right one" if target.api_key else "wants a key; give it"
        message = f"The server at {target.url} {what} with --api-key or OPENAI_API_KEY. ({quoted})"
    elif 300 <= status < 400:
        place = response.headers.get("location", "elsewhere")
        message = f"The server at {target.url} sends its clients to {_plain(place):.200}; give that address."
    elif status == 404:
        message = f"The server at {target.url} has no model {target.model!r}, or is no OpenAI-compatible one: {quoted}"
    elif status in (429, 503):
        message = f"The server at {target.url} has no room for the request, also after waiting: {quoted}"
    elif status in (502, 504):
        message = f"What stands before the server at {target.url} cannot reach it (HTTP {status}): {quoted}"
    else:
        what = "does not take the request" if status < 500 else "failed at the request"
        return TargetRefused(f"The server at {target.url} {what} (HTTP {status}): {quoted}", status, reason)
    return TargetFailed(message)


def reason_of(body: bytes) -> str:
    """What an error's body says: the message of JSON, in any of the usual shapes, or the words of a page."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode(errors="replace")
        if title := re.search(r"<title[^<>]*>(.*?)</title>", text[:_SEARCHED], re.DOTALL | re.IGNORECASE):
            text = title[1]
        return _plain(unescape(re.sub(r"<[^<>]*>", " ", text[:_SEARCHED])))
    return _reason_of(found)


def _reason_of(error: Any, depth: int = 0) -> str:
    if depth > _DEEPEST:
        return ""
    if isinstance(error, dict):
        for name in ("error", "message", "detail", "msg"):
            if error.get(name):
                return _reason_of(error[name], depth + 1)
        return _written(error) if error else ""
    if isinstance(error, list):  # FastAPI's own list of complaints
        return "; ".join(filter(None, (_reason_of(entry, depth + 1) for entry in error[:3])))
    return "" if error is None else _plain(str(error))


def _written(value: Any) -> str:
    try:
        return _plain(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    except (ValueError, RecursionError):  # numbers of thousands of digits, JSON without an end
        return ""


def _plain(text: str) -> str:
    # What is no sign that can be seen, such as a terminal's escape sequences, is not passed on.
    words = " ".join("".join(sign if sign.isprintable() else " " for sign in text[:_SEARCHED]).split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 2]} …"


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _why(error: BaseException) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "nothing comes back"
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            if cause.reason in _NOT_TLS:
                return "it does not speak TLS (write http:// instead of https://)"
            return f"TLS failed ({cause.reason or cause})"
    words = " ".join(str(cause) for cause in causes)
    if "refused" in words or "All connection attempts failed" in words:
        return "connection refused"
    if re.search(r"Name or service|nodename|getaddrinfo|name resolution|No address", words):
        return "the name is unknown"
    return _plain(str(error)) or "no connection"
