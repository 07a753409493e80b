"""`DeltaReader`: the chunks of another server's chat completion as the events that our own models' answers have."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sevenb.server.chat import AnswerEnded, ArgumentsPiece, CallEnded, CallStarted, ChatEvent, ChatFinish, TextPiece

_FINISHES: dict[str, ChatFinish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "abort": "abort",
}
_MAX_CALLS = 128
_MAX_COUNT = 1 << 40  # tokens; nobody has more, and no database counts without end


class DeltaReader:
    """Reads the one choice of an answer, in the dialects of vLLM, llama.cpp, Ollama and LM Studio.

    Reasoning that comes in a field of its own is put between ``<think>`` marks, as models that run here write it.
    """

    def __init__(self) -> None:
        self.usage: dict[str, int] = {}
        self.pieces = 0
        self._finish: ChatFinish | None = None
        self._thinks = False
        self._calls: list[str] = []  # their ids
        self._call_of: dict[int, int] = {}  # of the server's index, which some repeat for another call

    @property
    def begun(self) -> bool:
        """Whether anything of the answer has come."""
        return bool(self.pieces or self._calls or self._finish)

    @property
    def ended(self) -> bool:
        """Whether the server has said why the answer ended."""
        return self._finish is not None

    def take(self, chunk: Any) -> list[ChatEvent]:
        """The events of a chunk, or of a whole answer. What cannot be understood is left out."""
        if not isinstance(chunk, dict):
            return []
        self._take_usage(chunk)
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(choice, dict) or choice.get("index", 0) not in (0, None):
            return []
        delta = choice.get("delta") or choice.get("message")
        events = self._delta(delta) if isinstance(delta, dict) else []
        if reason := choice.get("finish_reason"):
            self._finish = _FINISHES.get(str(reason), "stop")
        return events

    def finish(self) -> list[ChatEvent]:
        """The events of the end."""
        events: list[ChatEvent] = self._end_thought()
        if self._calls and self._finish != "length":
            events.append(CallEnded(0, len(self._calls) - 1))
        finish = self._finish or "stop"
        # Some servers say "stop" after calls.
        events.append(AnswerEnded(0, "tool_calls" if self._calls and finish == "stop" else finish))
        return events

    def _delta(self, delta: Mapping[str, Any]) -> list[ChatEvent]:
        events: list[ChatEvent] = []
        thought = _text(delta.get("reasoning_content") or delta.get("reasoning"))
        if thought:
            events.append(self._piece(thought if self._thinks else f"<think>\n{thought}"))
            self._thinks = True
        if text := _text(delta.get("content") or delta.get("refusal")):
            events += self._end_thought()
            events.append(self._piece(text))
        calls = delta.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                events += self._end_thought()
                events += self._call(call, position)
        return events

    def _piece(self, text: str) -> TextPiece:
        self.pieces += 1
        return TextPiece(0, text)

    def _end_thought(self) -> list[ChatEvent]:
        if not self._thinks:
            return []
        self._thinks = False
        return [TextPiece(0, "\n</think>\n\n")]

    def _call(self, delta: Mapping[str, Any], position: int) -> list[ChatEvent]:
        index = delta.get("index")
        index = index if type(index) is int else position
        function = delta.get("function")
        function = function if isinstance(function, dict) else {}
        id, name = _text(delta.get("id")), _text(function.get("name"))
        known = self._call_of.get(index)
        events: list[ChatEvent] = []
        if name and (known is None or (id and id != self._calls[known])):
            if len(self._calls) >= _MAX_CALLS:
                return []
            if self._calls:
                events.append(CallEnded(0, len(self._calls) - 1))
            known = self._call_of[index] = len(self._calls)
            self._calls.append(id or f"call_{known}")
            events.append(CallStarted(0, known, self._calls[known], name))
        if known is None:
            return events
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if arguments := _text(arguments):
            self.pieces += 1
            events.append(ArgumentsPiece(0, known, arguments))
        return events

    def _take_usage(self, chunk: Mapping[str, Any]) -> None:
        usage, timings = chunk.get("usage"), chunk.get("timings")
        if isinstance(usage, dict):
            details = usage.get("prompt_tokens_details")
            facts = {**usage, **(details if isinstance(details, dict) else {})}
            self.usage |= _counts(facts, ("prompt_tokens", "completion_tokens", "cached_tokens"))
        elif isinstance(timings, dict) and not self.usage:  # llama.cpp, without usage
            found = _counts(timings, ("prompt_n", "predicted_n", "cache_n"))
            if "prompt_n" in found and "predicted_n" in found:
                cached = found.get("cache_n", 0)
                self.usage = {
                    "prompt_tokens": found["prompt_n"] + cached,
                    "completion_tokens": found["predicted_n"],
                    "cached_tokens": cached,
                }


def _counts(facts: Mapping[str, Any], names: Sequence[str]) -> dict[str, int]:
    return {name: facts[name] for name in names if type(facts.get(name)) is int and 0 <= facts[name] < _MAX_COUNT}


def _text(value: Any) -> str:
    """The text, with a sign in place of halves of characters, which JSON can hold and nothing else."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
