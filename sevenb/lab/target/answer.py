"""`Answer`: what came back for one request, and when."""

import msgspec


class ServerTimings(msgspec.Struct, frozen=True):
    """Seconds by the server's own clock, where it tells them (sevenb and llama.cpp do)."""

    queue: float
    prefill: float
    decode: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One streamed answer. Times are seconds since the request was sent; tokens are those of the server's ``usage``.

    ``chunks`` are the times at which content arrived; ``prompt_tokens`` and the like are None where the server
    sends no usage.
    """

    text: str
    finish_reason: str | None  # "stop", "length", "tool_calls"
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    chunks: tuple[float, ...]
    seconds: float  # until the end of the stream
    server: ServerTimings | None = None

    @property
    def ttft(self) -> float | None:
        """Time to first token: until the first content. None if there was none."""
        return self.chunks[0] if self.chunks else None

    @property
    def tpot(self) -> float | None:
        """Time per output token: from the first to the last content, by the tokens after the first."""
        if not self.chunks or self.completion_tokens is None or self.completion_tokens < 2:
            return None
        return (self.chunks[-1] - self.chunks[0]) / (self.completion_tokens - 1)

    @property
    def gaps(self) -> list[float]:
        """Inter-token latencies (ITL): the time between one chunk and the next."""
        return [later - sooner for sooner, later in zip(self.chunks, self.chunks[1:], strict=False)]
