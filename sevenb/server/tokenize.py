"""Text to token ids and back, in vLLM's shapes."""

from functools import partial

from fastapi import APIRouter

from sevenb.errors import InvalidRequest
from sevenb.server.chat_prompt import render_chat
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai_types import Detokenized, DetokenizeRequest, Tokenized, TokenizeRequest

router = APIRouter(tags=["tokens"], route_class=JsonRoute)


@router.post("/tokenize", response_model_exclude_unset=True)
async def tokenize(service: ServiceDependency, body: TokenizeRequest) -> Tokenized:
    """Token ids of a prompt (special tokens in it are special) or of messages, rendered by the model's template."""
    model = await service.model(body.model)
    tokenizer = model.text.tokenizer
    if body.messages is not None and body.prompt is None:
        token_ids = await service.in_thread(
            partial(
                render_chat,
                model.text,
                body.messages,
                add_generation_prompt=body.add_generation_prompt is not False,
                template_kwargs=body.chat_template_kwargs,
            )
        )
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
async def detokenize(service: ServiceDependency, body: DetokenizeRequest) -> Detokenized:
    """The text of token ids, special tokens spelled out."""
    model = await service.model(body.model)
    tokenizer = model.text.tokenizer
    for token_id in body.tokens:
        if token_id >= tokenizer.vocab_size:
            raise InvalidRequest(
                f"tokens holds the id {token_id}, but this model's ids go from 0 to {tokenizer.vocab_size - 1}.",
                "tokens",
            )
    text = await service.in_thread(partial(tokenizer.decode, body.tokens, skip_special_tokens=False))
    return Detokenized(prompt=text)
