"""From chat messages to the token ids that the model reads, by the model's own template."""

from collections.abc import Mapping, Sequence
from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.server.openai_types import ChatMessage
from sevenb.server.service import ModelText

_RESERVED = frozenset({"messages", "add_generation_prompt", "continue_final_message"})


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
    for name in template_kwargs or {}:
        if name in _RESERVED:
            raise InvalidRequest(f"chat_template_kwargs cannot set {name}.", "chat_template_kwargs")
    if continue_final_message and add_generation_prompt:
        raise InvalidRequest(
            "continue_final_message and add_generation_prompt exclude each other; set one of them.",
            "continue_final_message",
        )
    if add_generation_prompt is None:
        add_generation_prompt = not continue_final_message
    prompt = text.chat_template.render(
        [_plain(message) for message in messages],
        add_generation_prompt=add_generation_prompt,
        **(template_kwargs or {}),
    )
    return text.tokenizer.encode_chat(prompt)


def _plain(message: ChatMessage) -> dict[str, Any]:
    """A message as templates know it: text content, and tool calls with their arguments as objects."""
    plain: dict[str, Any] = {**(message.model_extra or {}), "role": message.role, "content": _content(message)}
    if message.role == "developer":  # OpenAI's newer name of the system's role
        plain["role"] = "system"
    return plain


def _content(message: ChatMessage) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content)
    return message.content or ""
