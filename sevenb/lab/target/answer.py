"""`Answer`: what came back for one request, and when."""

from itertools import pairwise

import msgspec


class ServerTimings(msgspec.Struct, frozen=True):
    """Seconds by the server's own clock, where it tells them (sevenb and llama.cpp do)."""

    queue: float
    prefill: float
    decode: float
    drafted_tokens: int = 0  # guessed ahead by speculation
    accepted_tokens: int = 0  # of those


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer. Times are seconds since the request was sent; tokens are those of the server's ``usage``.

    ``chunks`` are the times at which content arrived, ``last`` that of the last of it or of the word that the answer
    is complete: tokens without text, such as the one that ends an answer, show by that alone. ``prompt_tokens`` and
    the like are None where the server sends no usage.
    """

    text: str
    finish_reason: str | None  # "stop", "length", "tool_calls"
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    chunks: tuple[float, ...]
    seconds: float  # until the end of the stream
    last: float | None = None
    reasoning: str = ""  # thought that the server sends apart
    streamed: bool = True  # False: it came in one piece, so that nothing is known of its tokens' times
    waited: float = 0.0  # before the request was taken, as the server had asked; in none of the other times
    server: ServerTimings | None = None

    @property
    def ttft(self) -> float | None:
        """Time to first token: until the first content. None if there was none, or all came in one piece."""
        return self.chunks[0] if self.chunks and self.streamed else None

    @property
    def tpot(self) -> float | None:
        """Time per output token: from the first content to the last token, by the tokens after the first."""
        if not self.chunks or not self.streamed or self.completion_tokens is None or self.completion_tokens < 2:
            return None
        return ((self.last or self.chunks[-1]) - self.chunks[0]) / (self.completion_tokens - 1)

    @property
    def gaps(self) -> list[float]:
        """Inter-token latencies (ITL): the time between one chunk and the next."""
        return [later - sooner for sooner, later in pairwise(self.chunks)]

    @property
    def server_ttft(self) -> float | None:
        """What the server itself says of the time to the first token."""
        return None if self.server is None else self.server.queue + self.server.prefill

    @property
    def server_tpot(self) -> float | None:
        """What the server itself says of the time per output token."""
        if self.server is None or self.completion_tokens is None or self.completion_tokens < 2:
            return None
        return self.server.decode / (self.completion_tokens - 1)
