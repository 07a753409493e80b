"""OpenAI's Responses API: one answer of items, streamed as events, kept for the next request to go on from."""

import time
import uuid
from collections.abc import Sequence, Set
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, cast

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from sevenb.errors import InvalidRequest
from sevenb.server.access.clients import client_of, owner_of
from sevenb.server.chat import ChatTurn, as_recommended, count_turn, open_turn
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.errors import HttpError
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai.parameters import (
    given,
    only_one,
    refuse_unsupported,
    sampling_params,
    structured_output,
    tools_and_choice,
)
from sevenb.server.openai.response_store import Item, ResponseStore, StoredResponse
from sevenb.server.openai.responses_input import check_items, messages_from
from sevenb.server.openai.responses_output import ResponseWriter
from sevenb.server.openai.responses_types import (
    DeletedResponse,
    InputTokenCount,
    ItemList,
    ResponseBody,
    ResponseContext,
    ResponseRequest,
)
from sevenb.server.recommended import left_out
from sevenb.server.streaming import EventStream, unless_client_leaves
from sevenb.structured.output_format import OutputFormat

LOGPROBS = "message.output_text.logprobs"

router = APIRouter(prefix="/v1/responses", tags=["OpenAI"], route_class=JsonRoute)


def _store(request: Request) -> ResponseStore:
    return cast(ResponseStore, request.app.state.responses)


def _owner(request: Request) -> str:
    return owner_of(request.scope)


StoreDependency = Annotated[ResponseStore, Depends(_store)]
OwnerDependency = Annotated[str, Depends(_owner)]


@router.post(
    "",
    response_model=ResponseBody,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "The response; events of it with stream: true"}
    },
)
async def create_response(
    service: ServiceDependency,
    store: StoreDependency,
    owner: OwnerDependency,
    request: Request,
    body: ResponseRequest,
) -> Response:
    """Answer with text or calls of tools."""
    refuse_unsupported(body)
    asked = _asked(body, store, owner)
    turn = _turn(body, [*asked.history, *asked.items], client_of(request, body.user))
    model = await service.model(body.model)
    turn = as_recommended(turn, model)
    generation = await open_turn(service, model, turn)

    def keep(response: ResponseBody) -> None:
        if response.store:
            store.add(StoredResponse(response, owner, asked.history, asked.items, asked.named))

    writer = ResponseWriter(_begun(body, turn, body.model or model.name), generation, keep)
    if body.stream:
        return EventStream(writer.events(), writer.failed)
    response = await unless_client_leaves(request, writer.run())
    return Response(response.model_dump_json(), media_type="application/json")


@router.post("/input_tokens")
async def count_input_tokens(
    service: ServiceDependency, store: StoreDependency, owner: OwnerDependency, body: ResponseContext
) -> InputTokenCount:
    """How many tokens the prompt of a response would have."""
    refuse_unsupported(body)
    asked = _asked(body, store, owner)
    known = {name: value for name, value in given(body).items() if name in ResponseContext.model_fields}
    request = ResponseRequest.model_validate(known)
    turn = _turn(request, [*asked.history, *asked.items], "")
    return InputTokenCount(input_tokens=await count_turn(service, await service.model(body.model), turn))


@router.get("/{response_id}")
async def retrieve_response(store: StoreDependency, owner: OwnerDependency, response_id: str) -> ResponseBody:
    """A stored response."""
    return _stored(store, response_id, owner).body


@router.get("/{response_id}/input_items")
async def list_input_items(
    store: StoreDependency, owner: OwnerDependency, response_id: str, order: Literal["asc", "desc"] = "desc"
) -> ItemList:
    """What a stored response was asked; the latest first, unless ``order`` is asc. They are always all of them."""
    items = list(_stored(store, response_id, owner).input_items)
    if order == "desc":
        items.reverse()
    ids = [str(item["id"]) for item in items]
    return ItemList(data=items, first_id=ids[0] if ids else None, last_id=ids[-1] if ids else None, has_more=False)


@router.delete("/{response_id}")
async def delete_response(store: StoreDependency, owner: OwnerDependency, response_id: str) -> DeletedResponse:
    """Forget a stored response."""
    _stored(store, response_id, owner)
    store.delete(response_id, owner)
    return DeletedResponse(id=response_id)


# -- what is asked ---------------------------------------------------------------------------------------


def _stored(store: ResponseStore, response_id: str, owner: str) -> StoredResponse:
    response = store.get(response_id, owner)
    if response is None:
        raise HttpError(404, f"There is no response {response_id!r:.80} here, or no longer.", "not_found")
    return response


class _Asked(NamedTuple):
    """What was said before, what the request adds to it, and the ids of items that came without one."""

    history: list[Item]
    items: list[Item]
    named: Set[str]


def _asked(body: ResponseContext, store: ResponseStore, owner: str) -> _Asked:
    history: list[Item] = []
    if body.previous_response_id is not None:
        previous = store.get(body.previous_response_id, owner)
        if previous is None:
            raise InvalidRequest(
                f"There is no response {body.previous_response_id!r:.80} here, or no longer; send the whole "
                "conversation as input.",
                "previous_response_id",
            )
        history = previous.conversation
    if isinstance(body.input, str):
        content = [{"type": "input_text", "text": body.input}]
        message_id = _new_id("msg")
        message = {"id": message_id, "type": "message", "role": "user", "content": content}
        return _Asked(history, [message], {message_id})
    stored = cache(lambda: store.items(owner))  # a request may refer to thousands
    items = [dict(item) for item in check_items(body.input or [], lambda item_id: stored().get(item_id))]
    named = set()
    for item in items:
        if not isinstance(item.get("id"), str):
            item["id"] = _new_id("item")
            named.add(item["id"])
    if not history and not items and not body.instructions:
        raise InvalidRequest("input is missing; send a text or a list of items.", "input")
    return _Asked(history, items, named)


def _turn(body: ResponseRequest, items: Sequence[Item], client: str) -> ChatTurn:
    tools, tool_choice = tools_and_choice(body.tools, body.tool_choice, parallel=body.parallel_tool_calls)
    return ChatTurn(
        messages=messages_from(items, body.instructions),
        params=sampling_params(body, max_tokens=body.max_output_tokens, logprobs=_logprobs(body)),
        left_out=left_out(body),
        tools=tools,
        tool_choice=tool_choice,
        output=only_one([_text_format(body), structured_output(body)]),
        priority=body.priority,
        client=client,
        parameter="input",
        drop_oldest=body.truncation == "auto",
        truncate_prompt_tokens=body.truncate_prompt_tokens,
    )


def _logprobs(body: ResponseRequest) -> int | None:
    if LOGPROBS in (body.include or ()):
        return body.top_logprobs or 0
    return body.top_logprobs or None


def _text_format(body: ResponseContext) -> OutputFormat | None:
    if body.text is None or body.text.format is None:
        return None
    return OutputFormat.from_response_format(given(body.text.format), "text.format")


# -- what is answered ------------------------------------------------------------------------------------


def _begun(body: ResponseRequest, turn: ChatTurn, model: str) -> ResponseBody:
    return ResponseBody(
        id=_new_id("resp"),
        created_at=int(time.time()),
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        metadata=body.metadata or {},
        model=model,
        output=[],
        parallel_tool_calls=turn.tool_choice.parallel,
        previous_response_id=body.previous_response_id,
        store=body.store is not False,
        temperature=turn.params.temperature,
        text=given(body.text) if body.text is not None else {"format": {"type": "text"}},
        tool_choice=_echo(body.tool_choice),
        tools=[{"strict": True, **given(tool)} for tool in body.tools or ()],
        top_logprobs=body.top_logprobs or 0,
        top_p=turn.params.top_p,
        truncation=body.truncation or "disabled",
        user=body.user,
    )


def _echo(choice: Any) -> Any:
    return given(choice) if isinstance(choice, BaseModel) else choice or "auto"


def _new_id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"
