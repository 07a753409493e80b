"""From chat messages to the token ids that the model reads, by the model's own template."""

from collections.abc import Mapping, Sequence
from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.model.tokenizer import RenderedPrompt
from sevenb.server.openai_types import ChatMessage
from sevenb.server.service import ModelText

_RESERVED = frozenset({"messages", "tools", "add_generation_prompt", "continue_final_message"})


def render_chat(
    text: ModelText,
    messages: Sequence[ChatMessage],
    *,
    add_generation_prompt: bool | None = None,
    continue_final_message: bool = False,
    template_kwargs: Mapping[str, Any] | None = None,
) -> list[int]:
    """Token ids of a chat. Special tokens typed inside a message are plain text, so nobody can forge a turn.

    With ``continue_final_message`` the last message is left open for the model to go on with; otherwise an answer is
    begun, unless ``add_generation_prompt`` is False. Raises `InvalidRequest` for what the template cannot take.
    """
    for name in _RESERVED & (template_kwargs or {}).keys():
        raise InvalidRequest(f"chat_template_kwargs cannot set {name}.", "chat_template_kwargs")
    if continue_final_message and add_generation_prompt:
        raise InvalidRequest(
            "continue_final_message and add_generation_prompt exclude each other; set one of them.",
            "continue_final_message",
        )
    prompt = text.chat_template.render(
        [_plain(message) for message in messages],
        add_generation_prompt=not continue_final_message and add_generation_prompt is not False,
        **(template_kwargs or {}),
    )
    if continue_final_message:
        prompt = _left_open(prompt, messages[-1])
    return text.tokenizer.encode_chat(prompt)


def _plain(message: ChatMessage) -> dict[str, Any]:
    plain = message.model_dump(exclude_unset=True)
    if message.role == "developer":  # OpenAI's newer name of the system's role, which templates do not know
        plain["role"] = "system"
    return plain


def _left_open(prompt: RenderedPrompt, message: ChatMessage) -> RenderedPrompt:
    """The prompt up to the end of its last message's own text."""
    parts = message.content if isinstance(message.content, list) else [message.content]
    content = "\n".join(part if isinstance(part, str) else part.text for part in parts if part is not None).strip()
    for position, piece in reversed(list(enumerate(prompt.pieces))):
        if content and isinstance(piece, str) and content in piece:
            end = piece.rindex(content) + len(content)
            return RenderedPrompt(
                text=prompt.text[: prompt.text.rindex(content) + len(content)],
                pieces=(*prompt.pieces[:position], piece[:end]),
            )
    raise InvalidRequest(
        "continue_final_message needs a last message with text that the model's template keeps as it is.",
        "continue_final_message",
    )
