"""One turn of a chat, whatever the dialect: messages, tools and an output format in; text, calls and reasons out."""

from bisect import bisect_left
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, cast

import msgspec

from sevenb.engine.completion import TokenLogprob
from sevenb.engine.output_processor import SequenceDelta
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.shape import constrained
from sevenb.errors import ContextOverflow
from sevenb.server.bodies import TimingsBody, Usage
from sevenb.server.chat_prompt import SYSTEM_ROLES, render_chat, tool_style
from sevenb.server.generation import Generation, Proof, last_tokens
from sevenb.server.recommended import with_recommended
from sevenb.server.service import ServedModel, Service
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools import reader as tool_reader
from sevenb.structured.tools.reader import ToolEvent, ToolReader
from sevenb.structured.tools.tools import Tool, ToolChoice, check_tools

ChatFinish = Literal["stop", "length", "tool_calls", "abort"]


@dataclass(frozen=True, kw_only=True)
class ChatTurn:
    """What a dialect asks for. ``messages`` are in OpenAI's form, as the model's template takes them.

    ``prompt`` are token ids that take the place of messages: nothing is rendered.
    ``parameter`` names the request's field that is blamed for a prompt that is too long. ``truncate_prompt_tokens``
    keeps that many of the prompt's last tokens (-1: as many as fit); ``drop_oldest`` leaves out the oldest turns, never
    the system's, until the rest fits and ``answer_room`` tokens are left; with ``drop_in_quarters`` some more, so that
    the prompts of the next turns begin alike and find that beginning in the cache. ``context_length`` is how many
    tokens prompt and answer may have together, where that is to be less than the model has. ``shape_begun`` is the
    answer so far, which ``output`` governs together with what follows. ``call_id_prefix`` begins the ids of calls,
    where the dialect has a habit.
    """

    messages: Sequence[Mapping[str, Any]]
    params: SamplingParams  # without a grammar: `open_turn` adds it
    left_out: frozenset[str] = frozenset()  # of `params`, what the client did not say and the model may recommend
    tools: Sequence[Tool] = ()
    tool_choice: ToolChoice = field(default_factory=ToolChoice)
    output: OutputFormat | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool = False
    template_kwargs: Mapping[str, Any] | None = None
    priority: int | None = None
    client: str = ""
    parameter: str = "messages"
    truncate_prompt_tokens: int | None = None
    drop_oldest: bool = False
    answer_room: int = 1
    drop_in_quarters: bool = False
    context_length: int | None = None
    shape_begun: str = ""
    call_id_prefix: str | None = None
    prompt: Sequence[int] | None = None

    @property
    def may_call(self) -> bool:
        """Whether the answer may hold calls."""
        return bool(self.tools) and self.tool_choice.mode != "none"


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
    return len(await service.in_thread(partial(_prompt, model, turn, turn.messages)))


def as_recommended(turn: ChatTurn, model: ServedModel) -> ChatTurn:
    """The turn with what the model's makers recommend, where the client left it open."""
    return replace(turn, params=with_recommended(turn.params, turn.left_out, model.text.sampling), left_out=frozenset())


async def open_turn(service: Service, model: ServedModel, turn: ChatTurn) -> "ChatGeneration":
    """Render the prompt and build the constraint, both in a thread.

    Raises `InvalidRequest` for messages, tools or a format that cannot be served, `ContextOverflow` for too long ones.
    """
    ready = await service.in_thread(partial(_prepare, model, as_recommended(turn, model)))
    generation = Generation(
        service,
        model,
        [ready.prompt],
        ready.params,
        parameter=turn.parameter,
        proof=ready.proof,
        priority=turn.priority,
        client=turn.client,
        truncated_tokens=ready.truncated_tokens,
    )
    return ChatGeneration(generation, ready.new_reader, must_call=turn.tool_choice.mode in ("required", "named"))


class ChatGeneration:
    """The answers to one turn, as they grow. Read `events` to the end or `run`, then the figures."""

    def __init__(self, generation: Generation, new_reader: Callable[[], ToolReader | None], *, must_call: bool) -> None:
        self._generation = generation
        self._answers = [_Answer(choice, new_reader(), must_call) for choice in range(generation.choices)]

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return self._generation.choices

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt, known from the start."""
        return len(self._generation.prompts[0])

    @property
    def token_ids(self) -> list[int]:
        """Tokens of the prompt and of the first answer, as far as it has come, its end token included."""
        return [*self._generation.prompts[0], *self._generation.outputs[0].token_ids]

    @property
    def usage(self) -> Usage:
        """Tokens in and out."""
        return self._generation.usage

    @property
    def timings(self) -> TimingsBody:
        """Where the time went."""
        return self._generation.timings

    async def events(self, *, at_once: bool = False) -> AsyncGenerator[list[ChatEvent], None]:
        """What each step brought, never nothing. Closing the generator early aborts what still runs.

        ``at_once`` as in `Generation.pieces`. The engine's own account follows the last event: usage and timings are
        whole when the generator has ended.
        """
        async with aclosing(self._generation.pieces(at_once=at_once)) as steps:
            async for pieces in steps:
                events = [event for piece in pieces for event in self._answers[piece.choice].take(piece.delta)]
                if events:
                    yield events

    async def run(self) -> list[ChatAnswer]:
        """Read all events, for those who want whole answers only."""
        async with aclosing(self.events(at_once=True)) as steps:
            async for _ in steps:
                pass
        return [answer.whole() for answer in self._answers]


class _Answer:
    """One answer as it grows: its text read as text and calls."""

    def __init__(self, choice: int, reader: ToolReader | None, must_call: bool) -> None:
        self._choice = choice
        self._reader = reader
        self._must_call = must_call
        self._texts: list[str] = []
        self._calls: list[tuple[str, str, list[str]]] = []  # id, name, arguments in pieces
        self._open_calls = 0
        self._logprobs: list[TokenLogprob] | None = None
        self._end: AnswerEnded | None = None

    def take(self, delta: SequenceDelta) -> list[ChatEvent]:
        """The events of one step."""
        if self._reader is None:
            parts: list[ToolEvent] = [tool_reader.TextPart(delta.text)] if delta.text else []
        else:
            parts = self._reader.feed(delta.text)
            if delta.finish_reason is not None:
                # The beginning of a call is no text where only calls may stand.
                rest = self._reader.finish()
                parts += (part for part in rest if not (self._must_call and isinstance(part, tool_reader.TextPart)))
        events = [self._event(part) for part in parts]
        if delta.logprobs is not None:
            self._logprobs = self._logprobs or []
            self._logprobs += delta.logprobs
            if delta.logprobs:
                _attach(delta.logprobs, events, self._choice)
        if delta.finish_reason is not None:
            self._end = AnswerEnded(self._choice, self._finish_reason(delta.finish_reason), delta.stop_reason)
            events.append(self._end)
        return events

    def whole(self) -> ChatAnswer:
        """All of it, once it has ended."""
        end = self._end or AnswerEnded(self._choice, "abort")
        return ChatAnswer(
            choice=self._choice,
            text="".join(self._texts),
            calls=[ToolCall(id, name, "".join(arguments)) for id, name, arguments in self._calls],
            logprobs=self._logprobs,
            finish_reason=end.finish_reason,
            stop_reason=end.stop_reason,
        )

    def _event(self, part: ToolEvent) -> ChatEvent:
        match part:
            case tool_reader.TextPart(text):
                self._texts.append(text)
                return TextPiece(self._choice, text)
            case tool_reader.CallStarted(call, id, name):
                self._open_calls += 1
                self._calls.append((id, name, []))
                return CallStarted(self._choice, call, id, name)
            case tool_reader.ArgumentsPart(call, text):
                self._calls[call][2].append(text)
                return ArgumentsPiece(self._choice, call, text)
            case tool_reader.CallEnded(call):
                self._open_calls -= 1
                return CallEnded(self._choice, call)

    def _finish_reason(self, reason: str) -> ChatFinish:
        if reason == "stop" and self._calls and not self._open_calls:
            return "tool_calls"
        return cast(ChatFinish, reason)


def _attach(logprobs: list[TokenLogprob], events: list[ChatEvent], choice: int) -> None:
    """Give a step's log-probabilities to its first text, or to an empty one where it does not begin with text."""
    if events and isinstance(events[0], TextPiece):
        events[0] = replace(events[0], logprobs=logprobs)
    else:
        events.insert(0, TextPiece(choice, "", logprobs))


# -- what the engine needs -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ready:
    """A turn as the engine takes it, and how its answers are read."""

    prompt: list[int]
    params: SamplingParams
    proof: Proof | None
    truncated_tokens: int
    new_reader: Callable[[], ToolReader | None]


def _prepare(model: ServedModel, turn: ChatTurn) -> _Ready:
    check_tools(turn.tools, turn.tool_choice)
    prompt, truncated_tokens = _fitting_prompt(model, turn)
    params = turn.params
    if turn.context_length is not None and turn.context_length < model.max_model_len:
        room = turn.context_length - len(prompt)
        if room < 1:
            error = ContextOverflow(len(prompt), turn.context_length, "raise the context length that was asked for")
            error.parameter = turn.parameter
            raise error
        params = msgspec.structs.replace(params, max_tokens=min(params.max_tokens or room, room))
    constraint = turn.output.constraint() if turn.output is not None else None
    new_reader: Callable[[], ToolReader | None] = _no_reader
    if turn.tools:
        style = tool_style(model.text)
        constraint = style.constraint(turn.tools, turn.tool_choice, constraint)  # "none" is enforced, too
    if turn.may_call:
        new_id = None if turn.call_id_prefix is None else partial(style.new_id, turn.call_id_prefix)
        new_reader = partial(style.reader, turn.tools, turn.tool_choice, new_id)
        # The marks of a call are special tokens in some families; the reader wants to see them.
        params = msgspec.structs.replace(params, skip_special_tokens=False)
    proof = None
    if constraint is not None:
        params = constrained(params, constraint, turn.shape_begun)
        if (check := constraint.check) is not None:
            parameter = turn.output.parameter if turn.output is not None else "tools"
            proof = Proof(lambda text: check(turn.shape_begun + text), parameter)
    return _Ready(prompt, params, proof, truncated_tokens, new_reader)


def _no_reader() -> None:
    return None


def _fitting_prompt(model: ServedModel, turn: ChatTurn) -> tuple[list[int], int]:
    """The prompt, shortened as the turn asks, and how many tokens that took."""
    prompt = _prompt(model, turn, turn.messages)
    whole = len(prompt)
    if turn.drop_oldest and whole > _prompt_room(model, turn):
        prompt = _without_oldest(model, turn, whole)
    prompt = last_tokens(prompt, turn.truncate_prompt_tokens, model, turn.params)
    return prompt, whole - len(prompt)


def _context_length(model: ServedModel, turn: ChatTurn) -> int:
    return min(model.max_model_len, turn.context_length or model.max_model_len)


def _prompt_room(model: ServedModel, turn: ChatTurn) -> int:
    """Tokens of the longest prompt that leaves room for an answer; half the context in any case."""
    whole = _context_length(model, turn)
    return whole - min(turn.answer_room, max(1, whole // 2))


def _without_oldest(model: ServedModel, turn: ChatTurn, whole: int) -> list[int]:
    """The prompt of the system's turns and as many of the latest others as fit, the last one in any case.

    What is left begins with a user's turn, so that no answer or tool result stands without what it answers. ``whole``
    is how many tokens there are with all of them.
    """
    others = [i for i, message in enumerate(turn.messages) if message["role"] not in SYSTEM_ROLES]
    starts = [i for i in others if turn.messages[i]["role"] == "user"] or others[-1:]

    def prompt_from(start: int) -> list[int]:
        kept = [m for i, m in enumerate(turn.messages) if i >= start or m["role"] in SYSTEM_ROLES]
        return _prompt(model, turn, kept)

    room = _prompt_room(model, turn)
    if turn.drop_in_quarters:
        quarter = max(1, _context_length(model, turn) // 4)
        room = whole - -(-(whole - room) // quarter) * quarter
    if not starts:
        return _prompt(model, turn, turn.messages)
    first = bisect_left(starts[:-1], True, key=lambda start: len(prompt_from(start)) <= room)
    return prompt_from(starts[first])


def _prompt(model: ServedModel, turn: ChatTurn, messages: Sequence[Mapping[str, Any]]) -> list[int]:
    if turn.prompt is not None:
        return list(turn.prompt)
    # A model that may not call is not shown the tools: it would only be tempted.
    return render_chat(
        model.text,
        messages,
        tools=turn.tools if turn.may_call else (),
        add_generation_prompt=turn.add_generation_prompt,
        continue_final_message=turn.continue_final_message,
        template_kwargs=turn.template_kwargs,
    )
