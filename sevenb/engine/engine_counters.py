"""`EngineCounters`: what an engine has done since its start, and what of it was for which request."""

from dataclasses import dataclass

from sevenb.engine.request import Request


@dataclass(slots=True)
class EngineCounters:
    """Named as in `EngineStats`. What a request's `Timings` tell of is counted there, too."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    steps: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    forced_tokens: int = 0

    def begun(self, request: Request, *, cached: int) -> None:
        """A request is computed for the first time, from behind its ``cached`` tokens on."""
        request.cached_tokens = cached
        self.cached_tokens += cached
        self.prompt_tokens += len(request.prompt_token_ids)

    def generated(self, request: Request, tokens: int) -> None:
        """An answer of a request has grown."""
        request.completion_tokens += tokens
        self.generated_tokens += tokens

    def drafted(self, request: Request, *, drafted: int, accepted: int) -> None:
        """Guesses were tried, and so many were right."""
        request.drafted_tokens += drafted
        request.accepted_tokens += accepted
        self.drafted_tokens += drafted
        self.accepted_tokens += accepted

    def forced(self, request: Request, tokens: int) -> None:
        """A grammar left no choice."""
        request.forced_tokens += tokens
        self.forced_tokens += tokens
