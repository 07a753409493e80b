"""`AnswerReader`: the chunks of a chat or text completion, in the dialects of many servers, as one `Answer`."""

from typing import Any

import msgspec

from sevenb.lab.target.answer import Answer, ServerTimings


class _Delta(msgspec.Struct, frozen=True):
    content: Any = None
    reasoning_content: Any = None  # vLLM, llama.cpp, LM Studio
    reasoning: Any = None  # Ollama, newer vLLM
    refusal: Any = None
    tool_calls: Any = None


class _Choice(msgspec.Struct, frozen=True):
    index: int | None = 0
    delta: _Delta | None = None
    message: _Delta | None = None  # of an answer in one piece
    text: str | None = None  # of a text completion
    finish_reason: str | None = None
    logprobs: Any = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    timings: dict[str, Any] | None = None
    error: Any = None


MAX_ANSWER_BYTES = 128 << 20  # of all events of one answer
MAX_EVENT_LINES = 1000
_MOST_TOKENS = 1 << 40
_LONGEST_TIME = 1e9  # seconds or milliseconds

_decoder = msgspec.json.Decoder(_Chunk)


class StreamedError(Exception):
    """The server put an error where the answer should go on; ``error`` is what it sent."""

    def __init__(self, error: Any) -> None:
        super().__init__()
        self.error = error


class AnswerReader:
    """Takes events with the times of their arrival. Of several choices the first counts."""

    def __init__(self) -> None:
        self.done = False  # ``[DONE]`` has come
        self.logprobs: list[Any] = []
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._chunks: list[float] = []
        self._last: float | None = None
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] = {}
        self._timings: dict[str, Any] = {}
        self._pending = b""
        self._pending_lines = 0
        self._bytes = 0

    @property
    def ended(self) -> bool:
        """Whether the server has said that the answer is complete."""
        return self.done or self._finish_reason is not None

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self._chunks) or self.ended

    def take(self, data: bytes, now: float) -> None:
        """One event, or a whole answer. Raises `ValueError` for what is no JSON of the API, and `StreamedError`."""
        if data == b"[DONE]":
            self.done = True
            return
        self._pending += data
        self._pending_lines += 1
        self._bytes += len(data)
        if self._bytes > MAX_ANSWER_BYTES or self._pending_lines > MAX_EVENT_LINES:
            raise ValueError("an answer without an end")
        try:
            chunk = _decoder.decode(self._pending)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # an event may take several lines
            return
        except RecursionError:
            raise ValueError("JSON that is nested without an end") from None
        self._pending, self._pending_lines = b"", 0
        if chunk.error:
            raise StreamedError(chunk.error)
        self._usage = chunk.usage or self._usage
        self._timings = chunk.timings or self._timings
        for choice in chunk.choices or ():
            if not choice.index:
                self._take_choice(choice, now)

    def answer(self, seconds: float, *, streamed: bool = True, waited: float = 0.0) -> Answer:
        """All that came. Raises `ValueError` where the end of it is no JSON."""
        if self._pending:
            raise ValueError(self._pending[:200].decode(errors="replace"))
        usage, timings = self._usage, self._timings
        details = usage.get("prompt_tokens_details")
        cached = _count(details, "cached_tokens") if isinstance(details, dict) else None
        prompt = _count(usage, "prompt_tokens")
        if "prompt_n" in timings:  # llama.cpp: those that it computed, and those that it had
            cached = _count(timings, "cache_n") if cached is None else cached
            computed = _count(timings, "prompt_n")
            prompt = computed + (cached or 0) if prompt is None and computed is not None else prompt
        completion = _count(usage, "completion_tokens")
        return Answer(
            text="".join(self._texts),
            reasoning="".join(self._thoughts),
            finish_reason=self._finish_reason,
            prompt_tokens=prompt,
            cached_tokens=cached,
            completion_tokens=_count(timings, "predicted_n") if completion is None else completion,
            chunks=tuple(self._chunks),
            last=self._last,
            seconds=seconds,
            streamed=streamed,
            waited=waited,
            server=_server_timings(timings),
        )

    def _take_choice(self, choice: _Choice, now: float) -> None:
        delta = choice.delta or choice.message or _Delta()
        text = choice.text if choice.text is not None else delta.content or delta.refusal
        thought = delta.reasoning_content or delta.reasoning
        if isinstance(text, str) and text:
            self._texts.append(text)
        if isinstance(thought, str) and thought:
            self._thoughts.append(thought)
        if text or thought or delta.tool_calls:
            self._chunks.append(now)
            self._last = now
        if choice.finish_reason is not None:
            self._finish_reason, self._last = choice.finish_reason, now
        if choice.logprobs is not None:
            self.logprobs.append(choice.logprobs)


def _count(counts: dict[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _server_timings(timings: dict[str, Any]) -> ServerTimings | None:
    def number(name: str) -> float | None:
        value = timings.get(name)
        return float(value) if isinstance(value, int | float) and 0 <= value <= _LONGEST_TIME else None

    if (prefill := number("prefill")) is not None and (decode := number("decode")) is not None:
        drafted, accepted = (_count(timings, name) or 0 for name in ("drafted_tokens", "accepted_tokens"))
        return ServerTimings(number("queue") or 0.0, prefill, decode, drafted, accepted)
    if (prefill := number("prompt_ms")) is not None and (decode := number("predicted_ms")) is not None:
        drafted, accepted = (_count(timings, name) or 0 for name in ("draft_n", "draft_n_accepted"))
        return ServerTimings(0.0, prefill / 1000, decode / 1000, drafted, accepted)
    return None
