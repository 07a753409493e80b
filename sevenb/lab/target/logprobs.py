"""The log-probabilities of the next token, in the two shapes in which text completions tell them."""

from collections.abc import Sequence
from typing import Any


def next_token_logprobs(told: Sequence[Any]) -> dict[str, float]:
    """By a token's text, the best where two tokens have the same. Empty where a server tells none.

    ``told``: the ``logprobs`` of the chunks of one choice: OpenAI's lists side by side (sevenb, vLLM), or those of
    chats (llama.cpp).
    """
    found: dict[str, float] = {}

    def add(text: Any, logprob: Any) -> None:
        if isinstance(text, str) and isinstance(logprob, int | float):
            found[text] = max(logprob, found.get(text, logprob))

    for part in told:
        if not isinstance(part, dict):
            continue
        for best in (part.get("top_logprobs") or [])[:1]:
            for text, logprob in (best or {}).items():
                add(text, logprob)
        for entry in (part.get("content") or [])[:1]:
            add(entry.get("token"), entry.get("logprob"))
            for other in entry.get("top_logprobs") or []:
                add(other.get("token"), other.get("logprob"))
        if found:
            return found
    return found
