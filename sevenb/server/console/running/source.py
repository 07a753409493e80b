"""`AnswerSource`: a model that answers the console, here or on another server."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sevenb.engine.sampling_params import SamplingParams
from sevenb.model.recommended_sampling import RECOMMENDED
from sevenb.server.bodies import TimingsBody, Usage
from sevenb.server.chat import ChatEvent, ChatTurn, count_turn, open_turn
from sevenb.server.generation import ROOM_FOR_ANSWER
from sevenb.server.service import ServedModel, Service
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.tools import Tool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the console asks a model, wherever that runs.

    ``messages`` are in OpenAI's form, the system prompt first. ``sampling`` has, by the names of `SamplingParams`, only
    what the user has set: the rest is for the model's server to choose. ``continues``: the last message is an answer
    that was cut off, to be gone on with. ``context_length`` bounds the tokens of prompt and answer together;
    ``drop_oldest`` leaves out the oldest turns where they would be more.
    """

    messages: Sequence[Mapping[str, Any]]
    sampling: Mapping[str, Any]
    tools: tuple[Tool, ...] = ()
    output: OutputFormat | None = None
    continues: bool = False
    context_length: int | None = None
    drop_oldest: bool = False
    client: str = ""


class AnswerStream(Protocol):
    """One answer on its way."""

    def events(self) -> AsyncGenerator[list[ChatEvent], None]:
        """What comes, step by step, never nothing, to an `AnswerEnded`. Closing the generator early aborts it."""
        ...

    @property
    def usage(self) -> Usage:
        """Tokens in and out, as far as they are known; whole when the events have ended."""
        ...

    @property
    def timings(self) -> TimingsBody | None:
        """Where the time went, if that is told, once the events have ended."""
        ...


class AnswerSource(Protocol):
    """A model that is ready to answer."""

    @property
    def name(self) -> str:
        """What answers say they are from."""
        ...

    @property
    def max_model_len(self) -> int | None:
        """Tokens that prompt and answer may have together; None where that is not known."""
        ...

    @property
    def busy(self) -> bool:
        """Whether others wait already: an answer will be queued."""
        ...

    async def open(self, asked: Asked) -> AnswerStream:
        """Begin an answer. Raises a `SevenbError` for what cannot be served."""
        ...

    async def count(self, asked: Asked) -> int | None:
        """Tokens that the prompt takes; None where nobody can tell."""
        ...


class LocalSource:
    """A model of this server."""

    def __init__(self, service: Service, model: ServedModel) -> None:
        self._service = service
        self._model = model

    @property
    def name(self) -> str:
        """What answers say they are from."""
        return self._model.name

    @property
    def max_model_len(self) -> int | None:
        """Tokens that prompt and answer may have together."""
        return self._model.max_model_len

    @property
    def busy(self) -> bool:
        """Whether others wait already."""
        stats = self._model.client.stats
        return stats is not None and stats.waiting > 0

    async def open(self, asked: Asked) -> AnswerStream:
        """Begin an answer. Raises `InvalidRequest`, and `ContextOverflow` for a prompt that is too long."""
        return await open_turn(self._service, self._model, _turn(asked))

    async def count(self, asked: Asked) -> int | None:
        """Tokens that the prompt takes, before anything is left out of it."""
        return await count_turn(self._service, self._model, _turn(asked))


def _turn(asked: Asked) -> ChatTurn:
    params = SamplingParams.from_fields({"max_tokens": None, **asked.sampling})
    return ChatTurn(
        messages=asked.messages,
        params=params,
        left_out=frozenset(RECOMMENDED) - asked.sampling.keys(),
        tools=asked.tools,
        output=asked.output,
        continue_final_message=asked.continues,
        shape_begun=asked.messages[-1]["content"] if asked.continues and asked.output is not None else "",
        client=asked.client,
        context_length=asked.context_length,
        drop_oldest=asked.drop_oldest,
        drop_in_quarters=True,
        answer_room=params.max_tokens or ROOM_FOR_ANSWER,
    )
