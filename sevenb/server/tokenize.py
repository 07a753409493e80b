"""Text to token ids and back, in vLLM's shapes, and a chat as the prompt it becomes, in llama.cpp's."""

from functools import partial
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sevenb.errors import InvalidRequest
from sevenb.server.bodies import RequestBody, TokenId, check_token_ids
from sevenb.server.chat_prompt import render_chat
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai.chat_types import ChatMessage, FunctionTool
from sevenb.server.openai.parameters import tools_of
from sevenb.server.service import ServedModel, Service

router = APIRouter(tags=["tokens"], route_class=JsonRoute)


class TemplateRequest(RequestBody):
    """Body of ``POST /apply-template``."""

    model: str | None = None
    messages: list[ChatMessage] = Field(min_length=1)
    tools: list[FunctionTool] | None = None
    add_generation_prompt: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class TokenizeRequest(RequestBody):
    """Body of ``POST /tokenize``: a prompt or messages."""

    model: str | None = None
    prompt: str | None = None
    messages: list[ChatMessage] | None = Field(None, min_length=1)
    tools: list[FunctionTool] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    return_token_strs: bool | None = None


class DetokenizeRequest(RequestBody):
    """Body of ``POST /detokenize``."""

    model: str | None = None
    tokens: list[TokenId]


class Tokenized(BaseModel):
    """The answer of ``/tokenize``, as vLLM's."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None = None


class Prompt(BaseModel):
    """The answer of ``/detokenize``, as vLLM's, and of ``/apply-template``, as llama.cpp's."""

    prompt: str


class TokenizerInfo(BaseModel):
    """The answer of ``/tokenizer_info``, as vLLM's: what a client needs that renders and counts prompts itself."""

    tokenizer_class: str
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    chat_template: str | None


@router.get("/tokenizer_info")
async def tokenizer_info(service: ServiceDependency, model: str | None = None) -> TokenizerInfo:
    """Special tokens and chat template of a model, the first one unless named."""
    text = (await service.model(model)).text
    tokenizer = text.tokenizer

    def spelled(token_id: int | None) -> str | None:
        return None if token_id is None else tokenizer.token_text(token_id)

    return TokenizerInfo(
        tokenizer_class=type(tokenizer).__name__,
        bos_token=spelled(tokenizer.bos_id),
        eos_token=spelled(tokenizer.eos_id),
        pad_token=spelled(tokenizer.pad_id),
        chat_template=text.chat_template.source,
    )


@router.post("/tokenize", response_model_exclude_unset=True)
async def tokenize(service: ServiceDependency, body: TokenizeRequest) -> Tokenized:
    """Token ids of a prompt (special tokens in it are special) or of messages, rendered by the model's template."""
    model = await service.model(body.model)
    tokenizer = model.text.tokenizer
    if body.messages is not None and body.prompt is None:
        token_ids = await _rendered(service, model, body, body.messages)
    elif body.prompt is not None and body.messages is None:
        add_bos = False if body.add_special_tokens is False else None
        token_ids = await service.in_thread(partial(tokenizer.encode, body.prompt, parse_special=True, add_bos=add_bos))
    else:
        raise InvalidRequest("Send either prompt or messages.", "prompt")
    tokenized = Tokenized(count=len(token_ids), max_model_len=model.max_model_len, tokens=token_ids)
    if body.return_token_strs:
        tokenized.token_strs = [tokenizer.token_text(token_id) for token_id in token_ids]
    return tokenized


@router.post("/detokenize")
async def detokenize(service: ServiceDependency, body: DetokenizeRequest) -> Prompt:
    """The text of token ids, special tokens spelled out."""
    model = await service.model(body.model)
    tokenizer = model.text.tokenizer
    check_token_ids(body.tokens, tokenizer, "tokens")
    text = await service.in_thread(partial(tokenizer.decode, body.tokens, skip_special_tokens=False))
    return Prompt(prompt=text)


@router.post("/apply-template")
async def apply_template(service: ServiceDependency, body: TemplateRequest) -> Prompt:
    """The prompt that a chat becomes, as text."""
    model = await service.model(body.model)
    token_ids = await _rendered(service, model, body, body.messages)
    decode = partial(model.text.tokenizer.decode, token_ids, skip_special_tokens=False)
    return Prompt(prompt=await service.in_thread(decode))


async def _rendered(
    service: Service, model: ServedModel, body: TokenizeRequest | TemplateRequest, messages: list[ChatMessage]
) -> list[int]:
    return await service.in_thread(
        partial(
            render_chat,
            model.text,
            [message.plain() for message in messages],
            tools=tools_of(body.tools),
            add_generation_prompt=body.add_generation_prompt,
            template_kwargs=body.chat_template_kwargs,
        )
    )
