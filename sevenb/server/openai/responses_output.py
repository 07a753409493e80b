"""A response as it grows: the model's answer as output items, and the events that tell of them, each with a number."""

import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Any

import msgspec
from pydantic import BaseModel

from sevenb.engine.completion import TokenLogprob
from sevenb.server.chat import (
    AnswerEnded,
    ArgumentsPiece,
    CallEnded,
    CallStarted,
    ChatEvent,
    ChatGeneration,
    TextPiece,
)
from sevenb.server.errors import Problem
from sevenb.server.openai.chat import chat_logprobs
from sevenb.server.openai.chat_types import ChatTokenLogprob
from sevenb.server.openai.responses_types import (
    FunctionCallItem,
    IncompleteDetails,
    InputTokensDetails,
    ItemStatus,
    MessageItem,
    OutputText,
    OutputTokensDetails,
    ResponseBody,
    ResponseError,
    ResponseUsage,
)

Event = dict[str, Any]


class ResponseWriter:
    """Fills a response from the answer to a turn; ``body`` is what it is so far. ``keep`` takes it once it is whole."""

    def __init__(self, body: ResponseBody, generation: ChatGeneration, keep: Callable[[ResponseBody], None]) -> None:
        self.body = body
        self._generation = generation
        self._keep = keep
        self._numbers = 0
        self._open = False  # whether the last item is not finished yet

    async def run(self) -> ResponseBody:
        """The finished response."""
        async with aclosing(self.events(at_once=True)) as events:
            async for _ in events:
                pass
        return self.body

    async def events(self, *, at_once: bool = False) -> AsyncGenerator[bytes, None]:
        """The response as it grows, in server-sent events. The first ones come with the engine's first step.

        ``at_once`` as in `Generation.pieces`.
        """
        end: AnswerEnded | None = None
        async with aclosing(self._generation.events(at_once=at_once)) as steps:
            async for step in steps:
                for event in self._begin():
                    yield event
                for news in step:
                    if isinstance(news, AnswerEnded):
                        end = news
                    for event in self._take(news):
                        yield event
        yield self._finish(end)

    def failed(self, problem: Problem) -> bytes:
        """The last event of a stream that failed, after the first ones where none was told yet."""
        beginning = b"".join(self._begin())
        self.body.status = "failed"
        code = problem.code or ("server_error" if problem.status >= 500 else "invalid_prompt")
        self.body.error = ResponseError(code=code, message=problem.message)
        return beginning + self._event("response.failed", response=self.body)

    def _begin(self) -> Iterator[bytes]:
        if not self._numbers:
            yield self._event("response.created", response=self.body)
            yield self._event("response.in_progress", response=self.body)

    # -- items -----------------------------------------------------------------------------------------

    def _take(self, news: ChatEvent) -> Iterator[bytes]:
        match news:
            case TextPiece(_, text, logprobs):
                # Those of a call's tokens have no place in a response.
                if text or (logprobs and self._open_message() is not None):
                    yield from self._add_text(text, logprobs)
            case CallStarted(_, _, call_id, name):
                yield from self._close("completed")
                item = FunctionCallItem(id=_new_id("fc"), call_id=call_id, name=name, arguments="")
                yield from self._add_item(item)
            case ArgumentsPiece(_, _, text):
                call = self.body.output[-1]
                assert isinstance(call, FunctionCallItem)
                call.arguments += text
                yield self._event("response.function_call_arguments.delta", **self._place(call), delta=text)
            case CallEnded():
                yield from self._close("completed")
            case AnswerEnded(_, finish_reason, _):
                if not self.body.output:  # an empty answer is a message, too
                    yield from self._add_text("", None)
                yield from self._close("completed" if finish_reason in ("stop", "tool_calls") else "incomplete")

    def _open_message(self) -> MessageItem | None:
        last = self.body.output[-1] if self._open else None
        return last if isinstance(last, MessageItem) else None

    def _add_item(self, item: MessageItem | FunctionCallItem) -> Iterator[bytes]:
        self.body.output.append(item)
        self._open = True
        shown = item.model_copy(update={"content": []}) if isinstance(item, MessageItem) else item
        yield self._event("response.output_item.added", output_index=len(self.body.output) - 1, item=shown)

    def _add_text(self, text: str, logprobs: Sequence[TokenLogprob] | None) -> Iterator[bytes]:
        message = self._open_message()
        if message is None:
            yield from self._close("completed")
            message = MessageItem(id=_new_id("msg"), content=[OutputText(text="")])
            yield from self._add_item(message)
            place = self._place(message)
            yield self._event("response.content_part.added", **place, content_index=0, part=message.content[0])
        part, records = message.content[0], _records(logprobs)
        part.text += text
        part.logprobs += records
        if text:
            place = self._place(message)
            yield self._event("response.output_text.delta", **place, content_index=0, delta=text, logprobs=records)

    def _close(self, status: ItemStatus) -> Iterator[bytes]:
        """Finish the item that is open, if one is."""
        if not self._open:
            return
        self._open = False
        item = self.body.output[-1]
        item.status = status
        place = self._place(item)
        if isinstance(item, FunctionCallItem):
            done: Event = {"name": item.name, "arguments": item.arguments}
            yield self._event("response.function_call_arguments.done", **place, **done)
        else:
            part = item.content[0]
            done = {"text": part.text, "logprobs": part.logprobs}
            yield self._event("response.output_text.done", **place, content_index=0, **done)
            yield self._event("response.content_part.done", **place, content_index=0, part=part)
        yield self._event("response.output_item.done", output_index=place["output_index"], item=item)

    # -- the end ---------------------------------------------------------------------------------------

    def _finish(self, end: AnswerEnded | None) -> bytes:
        body, usage = self.body, self._generation.usage
        details = usage.prompt_tokens_details
        body.usage = ResponseUsage(
            input_tokens=usage.prompt_tokens,
            input_tokens_details=InputTokensDetails(
                cached_tokens=details.cached_tokens, truncated_tokens=details.truncated_tokens or 0
            ),
            output_tokens=usage.completion_tokens,
            output_tokens_details=OutputTokensDetails(),
            total_tokens=usage.total_tokens,
        )
        body.timings = self._generation.timings
        match end.finish_reason if end is not None else "abort":
            case "length":
                body.status, body.incomplete_details = "incomplete", IncompleteDetails(reason="max_output_tokens")
            case "abort":
                body.status = "cancelled"
            case _:
                body.status, body.completed_at = "completed", int(time.time())
        self._keep(body)
        kind = "response.completed" if body.status == "completed" else "response.incomplete"
        return self._event(kind, response=body)

    # -- events ----------------------------------------------------------------------------------------

    def _place(self, item: MessageItem | FunctionCallItem) -> Event:
        return {"item_id": item.id, "output_index": len(self.body.output) - 1}

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._numbers, **fields}
        self._numbers += 1
        return f"event: {kind}\ndata: ".encode() + msgspec.json.encode(event, enc_hook=_dumped) + b"\n\n"


def _dumped(value: Any) -> Any:
    assert isinstance(value, BaseModel)
    return value.model_dump(mode="json")


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


def _records(tokens: Sequence[TokenLogprob] | None) -> list[ChatTokenLogprob]:
    logprobs = chat_logprobs(tokens)
    return [] if logprobs is None else logprobs.content
