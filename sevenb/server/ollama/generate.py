"""The prompt of Ollama's ``/api/generate``: by the model's template or the client's, raw, or around a gap."""

from typing import Any

import msgspec

from sevenb.errors import InvalidRequest, UnsupportedModel
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.fim import FimTokens
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.bodies import check_token_ids
from sevenb.server.chat import ChatTurn
from sevenb.server.chat_prompt import render_chat
from sevenb.server.ollama.template import jinja_of
from sevenb.server.ollama.turn import options_left_out, sampling_params, thinking
from sevenb.server.ollama.types import GenerateRequest
from sevenb.server.service import ModelText
from sevenb.structured.output_format import OutputFormat


def generate_turn(text: ModelText, body: GenerateRequest, *, client: str = "") -> ChatTurn:
    """The turn that a generate request asks for. Takes a while for a long prompt.

    Raises `InvalidRequest`, which names the field at fault, for what does not go together and what the model cannot do.
    """
    if body.raw and (body.template or body.system or body.context or body.suffix):
        raise InvalidRequest(
            "raw is true, so the prompt is all there is; leave out template, system, context and suffix.", "raw"
        )
    params = sampling_params(body)
    if body.suffix and (tokens := FimTokens.of(text.tokenizer)) is not None:
        params = msgspec.structs.replace(params, stop_token_ids=tokens.all)
    return ChatTurn(
        messages=(),
        prompt=_prompt(text, body),
        params=params,
        left_out=options_left_out(body),
        output=OutputFormat.from_ollama(body.format),
        parameter="prompt",
        client=client,
    )


def _prompt(text: ModelText, body: GenerateRequest) -> list[int]:
    tokenizer, prompt = text.tokenizer, body.prompt or ""
    if body.raw:
        return tokenizer.encode(prompt, parse_special=True)
    if body.template:
        rendered = _by_own_template(tokenizer, body)
    elif body.suffix:
        # As with Ollama, system has no place here: code is not told how to behave.
        rendered = _around_gap(tokenizer, body.model, prompt, body.suffix)
    else:
        rendered = render_chat(text, _messages(body), template_kwargs=thinking(body.think))
    context = body.context or ()
    check_token_ids(context, tokenizer, "context")
    return [*context, *rendered]


def _messages(body: GenerateRequest) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": body.system}] if body.system else []
    return [*system, {"role": "user", "content": body.prompt or ""}]


def _by_own_template(tokenizer: Tokenizer, body: GenerateRequest) -> list[int]:
    source = jinja_of(body.template or "")
    try:
        template = ChatTemplate(source, tokenizer)
        rendered = template.render(
            _messages(body), system=body.system or "", prompt=body.prompt or "", suffix=body.suffix or ""
        )
    except (UnsupportedModel, InvalidRequest) as error:
        raise InvalidRequest(f"template cannot be used: {error}", "template") from None
    token_ids = tokenizer.encode_chat(rendered)
    if not token_ids:
        raise InvalidRequest("template makes an empty prompt of this request; write {{ .Prompt }} in it.", "template")
    return token_ids


def _around_gap(tokenizer: Tokenizer, model: str, prefix: str, suffix: str) -> list[int]:
    tokens = FimTokens.of(tokenizer)
    if tokens is None:
        raise InvalidRequest(
            f'"{model:.200}" does not support insert; leave out suffix, or ask a model that was trained to fill in.',
            "suffix",
        )
    return tokens.prompt(tokenizer, prefix, suffix).token_ids
