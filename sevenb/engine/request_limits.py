"""`RequestLimits`: which requests an engine can never serve."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sevenb.engine.messages import AddRequest
from sevenb.errors import ContextOverflow, InvalidRequest


@dataclass(frozen=True)
class RequestLimits:
    """What an engine has to offer: token ids below ``vocab_size``, ``adapters`` by name, and perhaps ``grammars``."""

    max_model_len: int
    vocab_size: int
    adapters: Collection[str]
    grammars: bool

    def check(self, message: AddRequest) -> None:
        """Raise `InvalidRequest` or `ContextOverflow` for a request that is beyond that."""
        prompt, params = message.prompt_token_ids, message.params
        if not prompt:
            raise InvalidRequest("The prompt has no tokens; send at least one.", "prompt")
        if message.adapter and message.adapter not in self.adapters:
            known = ", ".join(self.adapters) or "none"
            raise InvalidRequest(
                f"There is no adapter {message.adapter!r:.100} for this model; it has {known}.", "adapter"
            )
        self._check_token_ids(prompt, "prompt")
        self._check_token_ids(params.logit_bias, "logit_bias")
        if params.grammar is not None and not self.grammars:
            raise InvalidRequest("This engine knows no grammars; leave grammar out.", "grammar")
        self._check_token_ids(params.logprob_token_ids, "logprob_token_ids")
        # At least one token is to be generated, unless the prompt is all that is wanted.
        if len(prompt) >= self.max_model_len + (message.pooling is not None):
            raise ContextOverflow(len(prompt), self.max_model_len)

    def _check_token_ids(self, token_ids: Iterable[int], parameter: str) -> None:
        for token_id in token_ids:
            if not 0 <= token_id < self.vocab_size:
                raise InvalidRequest(
                    f"{parameter} holds the token id {token_id}; this model's go from 0 to {self.vocab_size - 1}.",
                    parameter,
                )
