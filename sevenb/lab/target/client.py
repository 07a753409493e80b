"""`Client`: asks a server and takes the times at which its answers arrive."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from sevenb.errors import TargetFailed, TargetLacks, TargetRefused
from sevenb.lab.target.address import is_on_this_machine
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.bodies import read_body
from sevenb.lab.target.events import EventReader
from sevenb.lab.target.facts import facts_of
from sevenb.lab.target.logprobs import next_token_logprobs
from sevenb.lab.target.problems import broken, not_understood, refused, silent, unreachable
from sevenb.lab.target.reading import AnswerReader, StreamedError
from sevenb.lab.target.target import Target, TargetFacts

CONNECT_SECONDS = 10.0
DRAIN_SECONDS = 2.0  # for what follows ``[DONE]``, so that the connection can be used again
LONGEST_PAUSE = 60.0  # that a Retry-After is obeyed
SIGNS_OF_LIFE = 6  # timeouts for which signs of life alone are taken instead of an answer
MAX_ERROR_BYTES = 64 << 10
MAX_BODY_BYTES = 64 << 20
TOP_LOGPROBS = 20  # as many as most servers tell at most

_clock = time.perf_counter


class Client:
    """An asynchronous context manager around the connections to one server; any number of requests at once.

    Its methods raise `TargetFailed` with a sentence that names the server; `TargetRefused` where the server says no.
    A request is sent again only where nothing had come back: after 429 and 503, as late as ``Retry-After`` says, and
    where a connection that had been kept was closed. ``timeout``: seconds of silence after which a server is given up.
    """

    def __init__(self, target: Target, timeout: float = 600, serve_options: Sequence[str] = ()) -> None:
        """``serve_options``: with which the server was started for this, to be told among its facts."""
        self.target = target
        self.timeout = timeout
        headers = {"Accept-Encoding": "identity", "User-Agent": "sevenb", "Content-Type": "application/json"}
        if target.api_key:
            headers["Authorization"] = f"Bearer {target.api_key}"
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout), pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=30),
            verify=target.url.startswith("https:"),  # reading all certificates takes longer than many a request
            trust_env=not is_on_this_machine(target.url),
        )
        self._unknown: set[str] = set()  # parameters that the server does not take
        self._facts: TargetFacts | None = None
        self._serve_options = tuple(serve_options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def chat(self, messages: Sequence[Mapping[str, Any]], **params: Any) -> Answer:
        """The answer to a chat; ``params`` are sent as they are (``temperature``, ``max_tokens``, ``ignore_eos`` …).

        It is streamed, unless ``stream=False`` is among them.
        """
        answer, _ = await self._answer("/chat/completions", {"messages": messages, **params})
        return answer

    async def complete(self, prompt: str | list[int], **params: Any) -> Answer:
        """How a text goes on; ``prompt`` is text or token ids."""
        answer, _ = await self._answer("/completions", {"prompt": prompt, **params})
        return answer

    async def choices(self, prompt: str | list[int], texts: Sequence[str]) -> list[float]:
        """The natural log-probability with which each of ``texts``, single tokens such as ``" A"``, comes next.

        ``-inf`` where a text is not among those that the server tells. Raises `TargetLacks` where it tells none.
        """
        body = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": TOP_LOGPROBS}
        _, reader = await self._answer("/completions", body)
        try:
            told = next_token_logprobs(reader.logprobs)
        except (TypeError, AttributeError, KeyError):
            raise not_understood(self.target, "log-probabilities of another form") from None
        if not told:
            raise TargetLacks(
                f"The server at {self.target.url} tells no log-probabilities; "
                "use a preset that reads the answer's text."
            )
        return [told.get(text, -math.inf) for text in texts]

    async def facts(self) -> TargetFacts:
        """What the server tells of itself; asked once."""
        if self._facts is None:
            told = await facts_of(self._http, self.target)
            self._facts = msgspec.structs.replace(told, serve_options=self._serve_options)
        return self._facts

    async def models(self) -> list[dict[str, Any]]:
        """The entries of the server's list of models."""
        patience = min(60.0, self.timeout)
        try:
            async with self._http.stream("GET", f"{self.target.url}/models", timeout=patience) as response:
                body = await read_body(response, MAX_BODY_BYTES, patience)
        except httpx.HTTPError as error:
            raise unreachable(self.target, error) from None
        if response.status_code >= 300:
            raise refused(self.target, response, body)
        try:
            return msgspec.convert(msgspec.json.decode(body)["data"] or [], list[dict[str, Any]])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise not_understood(self.target, "no list of models") from None

    # -- one request ---------------------------------------------------------------------------------

    async def _answer(self, route: str, fields: Mapping[str, Any]) -> tuple[Answer, AnswerReader]:
        streaming = {"stream": True, "stream_options": {"include_usage": True}}
        body = {"model": self.target.model, **(streaming if fields.get("stream", True) else {}), **fields}
        begun = _clock()
        pause, again = 1.0, True
        while True:
            waited = _clock() - begun
            try:
                return await self._once(route, self._known(body), 0.0 if pause == 1.0 else waited)
            except _Busy as busy:
                delay = min(pause if busy.retry_after is None else busy.retry_after, LONGEST_PAUSE)
                if waited + delay > self.timeout:
                    raise busy.refusal from None
                await asyncio.sleep(delay)
                pause = min(pause * 2, LONGEST_PAUSE)
            except TargetRefused as refusal:
                if refusal.status not in (400, 422) or not self._learn(body, refusal.reason):
                    raise
            except _Stale as stale:
                if not again:
                    raise unreachable(self.target, stale.error) from None
                again = False

    async def _once(self, route: str, body: Mapping[str, Any], waited: float) -> tuple[Answer, AnswerReader]:
        clock = _SendClock()
        request = self._http.build_request(
            "POST", f"{self.target.url}{route}", content=msgspec.json.encode(body), extensions={"trace": clock.trace}
        )
        reader = AnswerReader()
        begun = False
        async with AsyncExitStack() as stack:
            try:
                response = await self._http.send(request, stream=True)
                begun, sent = True, clock.sent
                stack.push_async_callback(response.aclose)
                if response.status_code >= 300:
                    await self._raise_refusal(response)
                if _is_whole(response):
                    body_read = await read_body(response, MAX_BODY_BYTES, SIGNS_OF_LIFE * self.timeout)
                    reader.take(body_read, _clock() - sent)
                    return reader.answer(_clock() - sent, streamed=False, waited=waited), reader
                seconds = await self._read_events(response, reader, sent)
                if not reader.ended:
                    raise unreachable(self.target, httpx.ReadError(""), begun=reader.begun)
                return reader.answer(seconds, waited=waited), reader
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.CloseError) as error:
                if not begun:
                    raise _Stale(error) from None
                raise unreachable(self.target, error, begun=reader.begun) from None
            except httpx.ReadTimeout:
                raise silent(self.target, self.timeout) from None
            except httpx.HTTPError as error:
                raise unreachable(self.target, error, begun=reader.begun) from None
            except StreamedError as error:
                raise broken(self.target, error.error) from None
            except ValueError as error:
                raise not_understood(self.target, f"{error!s:.200}") from None

    async def _read_events(self, response: httpx.Response, reader: AnswerReader, sent: float) -> float:
        """Read the stream to its end; the seconds until then, or until ``[DONE]``."""
        events = EventReader()
        now = _clock() - sent
        try:
            async with asyncio.timeout(SIGNS_OF_LIFE * self.timeout) as limit:
                async for block in _blocks(response):
                    if reader.done:
                        continue
                    now = _clock() - sent
                    for data in events.feed(block):
                        reader.take(data, now)
                        deadline = DRAIN_SECONDS if reader.done else SIGNS_OF_LIFE * self.timeout
                        limit.reschedule(asyncio.get_running_loop().time() + deadline)
                for data in events.end():
                    reader.take(data, now)
        except TimeoutError:
            if not reader.done:
                raise silent(self.target, SIGNS_OF_LIFE * self.timeout) from None
        except httpx.HTTPError:
            if not reader.done:
                raise
        return now

    async def _raise_refusal(self, response: httpx.Response) -> None:
        body = await read_body(response, MAX_ERROR_BYTES, self.timeout)
        refusal = refused(self.target, response, body)
        if response.status_code in (429, 503):
            raise _Busy(refusal, _seconds(response.headers.get("retry-after")))
        raise refusal

    # -- servers that do not know every parameter -------------------------------------------------------

    def _known(self, body: Mapping[str, Any]) -> dict[str, Any]:
        names = {"max_tokens": "max_completion_tokens"} if "max_tokens" in self._unknown else {}
        return {
            names.get(name, name): value for name, value in body.items() if name in names or name not in self._unknown
        }

    def _learn(self, body: Mapping[str, Any], reason: str) -> bool:
        """Whether a refusal was for the sake of a parameter that the request can do without; it is left out then."""
        named = {name for name in ("stream_options", "ignore_eos") if name in body and name in reason}
        if "max_tokens" in body and "max_completion_tokens" in reason:  # OpenAI's newer models
            named.add("max_tokens")
        fresh = named - self._unknown
        self._unknown |= fresh
        return bool(fresh)


class _SendClock:
    """When a request really left: what the HTTP client does before, and connecting, is none of the server's time."""

    def __init__(self) -> None:
        self.sent = _clock()

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """httpcore tells of each of its steps."""
        if event.endswith(".send_request_headers.started"):
            self.sent = _clock()


class _Busy(Exception):
    """The server asks to come back later."""

    def __init__(self, refusal: TargetFailed, retry_after: float | None) -> None:
        super().__init__()
        self.refusal = refusal
        self.retry_after = retry_after


class _Stale(Exception):
    """The connection ended before anything came back."""

    def __init__(self, error: httpx.HTTPError) -> None:
        super().__init__()
        self.error = error


def _is_whole(response: httpx.Response) -> bool:
    """Whether the answer comes in one piece, though a stream was asked for. A page of HTML fails as JSON."""
    return str(response.headers.get("content-type", "")).startswith(("application/json", "text/html"))


def _blocks(response: httpx.Response) -> AsyncIterator[bytes]:
    """Bytes as they arrive; unpacked where the server packs them unasked."""
    packed = response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
    return response.aiter_bytes() if packed else response.aiter_raw()


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header or ""))
    except ValueError:  # none, or a date
        return None
