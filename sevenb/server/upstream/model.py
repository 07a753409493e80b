"""`UpstreamModel`: a model of another server, which answers the console as those of this machine do."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from sevenb.errors import SevenbError
from sevenb.server.bodies import PromptTokensDetails, TimingsBody, Usage
from sevenb.server.chat import ChatEvent
from sevenb.server.upstream.connection import Connection
from sevenb.server.upstream.deltas import DeltaReader
from sevenb.server.upstream.problems import broken_off

if TYPE_CHECKING:
    from sevenb.server.console.running.source import Asked
    from sevenb.structured.output_format import OutputFormat

Body = dict[str, Any]


class UpstreamModel:
    """An `AnswerSource`. ``max_model_len`` is what the server tells of its context, if it does."""

    def __init__(self, connection: Connection, id: str, max_model_len: int | None = None) -> None:
        self._connection = connection
        self._id = id
        self.max_model_len = max_model_len

    @property
    def name(self) -> str:
        """What it is called here."""
        return f"{self._connection.address.name}/{self._id}"

    @property
    def busy(self) -> bool:
        """Nobody can tell."""
        return False

    async def open(self, asked: "Asked") -> "UpstreamAnswer":
        """Begin an answer: the server is asked when its events are read."""
        return UpstreamAnswer(self._connection, self._id, _request(self._id, asked))

    async def count(self, asked: "Asked") -> None:
        """Nobody can tell: there is no such route that all servers have."""
        return None


class UpstreamAnswer:
    """An `AnswerStream`: one answer as it comes from another server."""

    def __init__(self, connection: Connection, model: str, body: Body) -> None:
        self._connection = connection
        self._model = model
        self._body = body
        self._reader = DeltaReader()

    @property
    def usage(self) -> Usage:
        """Tokens in and out as the server counts them; where it does not, each piece of text counts for one."""
        told = self._reader.usage
        prompt, completion = told.get("prompt_tokens", 0), told.get("completion_tokens", self._reader.pieces)
        return Usage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=told.get("cached_tokens", 0)),
        )

    @property
    def timings(self) -> TimingsBody | None:
        """Not told."""
        return None

    async def events(self) -> AsyncGenerator[list[ChatEvent], None]:
        """What comes, to an `AnswerEnded`. Closing the generator closes the connection, which ends the answer there."""
        body: Body | None = self._body
        while body is not None:
            try:
                async with aclosing(self._steps(body)) as steps:
                    async for events in steps:
                        yield events
                return
            except SevenbError as error:
                body = None if self._reader.begun else _other_form(body, str(error))
                if body is None:
                    raise

    async def _steps(self, body: Body) -> AsyncGenerator[list[ChatEvent], None]:
        async with aclosing(self._connection.events("/chat/completions", body, self._model)) as deltas:
            async for delta in deltas:
                if events := self._reader.take(delta):
                    yield events
        if not self._reader.ended:
            raise broken_off(self._connection.address, begun=self._reader.begun)
        yield self._reader.finish()


# -- the request -----------------------------------------------------------------------------------------


def _request(model: str, asked: "Asked") -> Body:
    body: Body = {
        "model": model,
        "messages": [_message(message) for message in asked.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    known = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "seed", "presence_penalty", "frequency_penalty")
    body |= {name: asked.sampling[name] for name in known if asked.sampling.get(name) is not None}
    if stop := asked.sampling.get("stop"):
        body["stop"] = list(stop)
    if (penalty := asked.sampling.get("repetition_penalty")) is not None:
        body |= {"repetition_penalty": penalty, "repeat_penalty": penalty}  # vLLM's name and llama.cpp's
    if asked.tools:
        body["tools"] = [tool.template_form() for tool in asked.tools]
    if asked.output is not None:
        body["response_format"] = _response_format(asked.output)
    if asked.continues:  # vLLM's way; others go on with a last message of the assistant by themselves
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


def _message(message: Mapping[str, Any]) -> Body:
    plain = dict(message)
    if calls := plain.get("tool_calls"):
        plain["tool_calls"] = [_call(call) for call in calls]
        plain.setdefault("content", None)
    return plain


def _call(call: Mapping[str, Any]) -> Body:
    function = call["function"]
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments or {}, ensure_ascii=False)
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments or "{}"},
    }


def _response_format(output: "OutputFormat") -> Body:
    if output.kind != "json_schema":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": output.value}}


def _other_form(body: Body, complaint: str) -> Body | None:
    """The request once more without what the server complained of, or said in another way; None for neither."""
    if "stream_options" in body and "stream_options" in complaint:
        return {name: value for name, value in body.items() if name != "stream_options"}
    asked = body.get("response_format", {})
    if "response_format" not in complaint or "schema" in asked:
        return None
    if asked["type"] == "json_object":  # LM Studio takes nothing but schemas
        schema = {"name": "answer", "schema": {"type": "object"}}
        return body | {"response_format": {"type": "json_schema", "json_schema": schema}}
    # Older servers over llama.cpp have a form of their own.
    return body | {"response_format": {"type": "json_object", "schema": asked["json_schema"]["schema"]}}
