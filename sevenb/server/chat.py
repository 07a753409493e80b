"""One turn of a chat, whatever the dialect: messages, tools and an output format in; text, calls and reasons out."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sevenb.engine.completion import TokenLogprob
from sevenb.engine.sampling_params import SamplingParams
from sevenb.server.generation import Generation
from sevenb.server.openai_types import TimingsBody, Usage
from sevenb.server.service import ServedModel, Service
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools import Tool, ToolChoice

ChatFinish = Literal["stop", "length", "tool_calls", "abort"]


@dataclass(frozen=True, kw_only=True)
class ChatTurn:
    """What a dialect asks for. ``messages`` are in OpenAI's form, as the model's template takes them.

    ``parameter`` names the request's field that is blamed for a prompt that is too long; ``call_id_prefix`` begins the
    ids of the calls that the model makes.
    """

    messages: Sequence[Mapping[str, Any]]
    params: SamplingParams  # without a grammar: `open_turn` adds it
    tools: Sequence[Tool] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    output: OutputFormat | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool = False
    template_kwargs: Mapping[str, Any] | None = None
    priority: int | None = None
    client: str = ""
    parameter: str = "messages"
    call_id_prefix: str = "call_"


# -- what an answer brings, piece by piece ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text of an answer. ``logprobs`` are those of all tokens of the step: ``text`` is empty where they made a call."""

    choice: int
    text: str
    logprobs: list[TokenLogprob] | None = None


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The model calls a tool; its arguments follow. ``call`` counts an answer's calls from 0."""

    choice: int
    call: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsPiece:
    """Some more of a call's arguments, which are JSON."""

    choice: int
    call: int
    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is whole. One that ``max_tokens`` cut off has no end."""

    choice: int
    call: int


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """An answer is whole. ``stop_reason`` is the stop string or stop token id that the client had named, if it was."""

    choice: int
    finish_reason: ChatFinish
    stop_reason: str | int | None = None


ChatEvent = TextPiece | CallStarted | ArgumentsPiece | CallEnded | AnswerEnded


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool; ``arguments`` is JSON, cut off only where the answer's finish_reason is "length"."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """One of the n answers."""

    choice: int
    text: str
    calls: list[ToolCall]
    logprobs: list[TokenLogprob] | None
    finish_reason: ChatFinish
    stop_reason: str | int | None


# -- the turn --------------------------------------------------------------------------------------------


async def count_turn(service: Service, model: ServedModel, turn: ChatTurn) -> int:
    """Tokens of the prompt, system prompt and tools included."""
    raise NotImplementedError


async def open_turn(service: Service, model: ServedModel, turn: ChatTurn) -> "ChatGeneration":
    """Render the prompt and build the constraint, both in a thread.

    Raises `InvalidRequest` for messages, tools or a format that cannot be served, `ContextOverflow` for too long ones.
    """
    raise NotImplementedError


class ChatGeneration:
    """The answers to one turn, as they grow. Read `events` to the end or `run`, then the figures."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return self._generation.choices

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, known from the start."""
        return len(self._generation.prompts[0])

    @property
    def usage(self) -> Usage:
        """Tokens in and out."""
        return self._generation.usage

    @property
    def timings(self) -> TimingsBody:
        """Where the time went."""
        return self._generation.timings

    async def events(self) -> AsyncGenerator[list[ChatEvent], None]:
        """What each step brought, never nothing. Closing the generator early aborts what still runs."""
        raise NotImplementedError
        yield []

    async def run(self) -> list[ChatAnswer]:
        """Read all events, for those who want whole answers only."""
        raise NotImplementedError
