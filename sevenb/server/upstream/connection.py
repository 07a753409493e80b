"""`Connection`: HTTP to another server: its list of models, and streams of server-sent events."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from sevenb.server.upstream.address import UpstreamAddress
from sevenb.server.upstream.problems import not_understood, refused, unreachable

CONNECT_SECONDS = 4.0
LIST_SECONDS = 3.0  # for a list of models: the page waits for it
SILENCE_SECONDS = 600.0  # a model may be loaded first, and a long prompt read
MAX_LIST_BYTES = 8 << 20
MAX_ERROR_BYTES = 64 << 10
MAX_LINE = 8 << 20  # characters of one event
MAX_MODELS = 1000


@dataclass(frozen=True)
class ListedModel:
    """A model as another server lists it; ``name`` is what it is called here."""

    name: str
    upstream: str
    id: str
    context_length: int | None = None
    parameters: int | None = None
    size: int | None = None
    writes: bool = True


class Connection:
    """Talks to one server. All methods raise `SevenbError` with a sentence that names the server."""

    def __init__(self, address: UpstreamAddress) -> None:
        self.address = address
        headers = {"User-Agent": "sevenb", "Accept-Encoding": "identity"}
        if address.key:
            headers["Authorization"] = f"Bearer {address.key}"
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            # A redirect would send chats and the key where nobody told us to.
            follow_redirects=False,
            trust_env=not _on_this_machine(address.url),
        )

    async def close(self) -> None:
        """End all that is open."""
        await self._client.aclose()

    async def models(self) -> list[ListedModel]:
        """The models that the server lists."""
        timeout = httpx.Timeout(LIST_SECONDS)
        try:
            # The timeout is one of silence: a server that sends a byte a second would keep the page for hours.
            async with (
                asyncio.timeout(2 * LIST_SECONDS),
                self._client.stream("GET", f"{self.address.url}/models", timeout=timeout) as response,
            ):
                body = await _read(response, MAX_LIST_BYTES)
        except TimeoutError:
            raise unreachable(self.address, httpx.ReadTimeout("the list did not end")) from None
        except httpx.HTTPError as error:
            raise unreachable(self.address, error) from None
        if response.status_code >= 400:
            raise refused(self.address, response.status_code, body)
        try:
            entries = json.loads(body)["data"]
            found = [self._listed(entry) for entry in entries[:MAX_MODELS]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise not_understood(self.address) from None
        return [model for model in found if model is not None]

    async def events(self, path: str, body: Mapping[str, Any], model: str) -> AsyncGenerator[Any, None]:
        """POST ``body``; the JSON of each server-sent event, or of the whole answer where the server does not stream.

        Ends behind ``[DONE]`` or where the server closes. Closing the generator closes the connection.
        """
        url = f"{self.address.url}{path}"
        try:
            async with self._client.stream("POST", url, json=body) as response:
                if response.status_code >= 300:
                    raise refused(self.address, response.status_code, await _read(response, MAX_ERROR_BYTES), model)
                if not response.headers.get("content-type", "").startswith("text/event-stream"):
                    yield self._parsed((await _read(response, MAX_LINE)).decode(errors="replace"))
                    return
                async with aclosing(_lines(response)) as lines:
                    async for line in lines:
                        field, _, value = line.partition(":")
                        value = value.strip()
                        if field not in ("data", "error") or not value:
                            continue
                        if value == "[DONE]":
                            return
                        event = self._parsed(value)
                        if field == "error" or (isinstance(event, dict) and event.get("error")):
                            raise refused(self.address, _status_of(event), value.encode(), model)
                        yield event
        except httpx.HTTPError as error:
            raise unreachable(self.address, error) from None

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise not_understood(self.address) from None

    def _listed(self, entry: Mapping[str, Any]) -> ListedModel | None:
        id = entry["id"]
        if not isinstance(id, str) or not 0 < len(id) <= 200 or not id.isprintable():
            return None
        meta = entry.get("meta")
        facts = {**entry, **(meta if isinstance(meta, dict) else {})}
        return ListedModel(
            name=f"{self.address.name}/{id}",
            upstream=self.address.name,
            id=id,
            # vLLM, sevenb; LM Studio; llama.cpp, what it has and what the model was made for; routers of models
            context_length=_number(
                facts, "max_model_len", "loaded_context_length", "n_ctx", "context_length", "n_ctx_train"
            ),
            parameters=_number(facts, "n_params"),
            size=_number(facts, "size"),
            writes=not any(word in id.lower() for word in ("embed", "rerank")),
        )


def _number(facts: Mapping[str, Any], *names: str) -> int | None:
    values = (facts.get(name) for name in names)
    return next((value for value in values if type(value) is int and value > 0), None)


def _status_of(event: Any) -> int:
    """The HTTP status that an error inside a stream states, in one of several ways."""
    error = event.get("error", event) if isinstance(event, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and "context" in code:
        return 400
    return code if type(code) is int and 400 <= code < 600 else 500


def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """What is sent, as it is sent: packed though nobody asked for that, a few bytes could become gigabytes."""
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise httpx.DecodingError("packed, though nobody asked for that")
    return response.aiter_raw()


async def _read(response: httpx.Response, limit: int) -> bytes:
    body = bytearray()
    async for chunk in _chunks(response):
        body += chunk
        if len(body) > limit:
            break
    return bytes(body[:limit])


async def _lines(response: httpx.Response) -> AsyncGenerator[str, None]:
    """Lines as server-sent events have them. httpx's own also cut at characters that JSON may hold as they are."""
    rest = bytearray()
    async for chunk in _chunks(response):
        rest += chunk
        if b"\n" in chunk:
            *lines, last = rest.split(b"\n")
            rest = bytearray(last)
            for line in lines:
                yield line.decode(errors="replace").rstrip("\r")
        elif len(rest) > MAX_LINE:
            raise httpx.DecodingError("a line without an end")
    if rest:
        yield rest.decode(errors="replace").rstrip("\r")


def _on_this_machine(url: str) -> bool:
    """Whether a proxy could only be in the way."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
