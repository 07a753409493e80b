"""`ChatTemplate`: a conversation as the one text that the model was trained to go on with."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Self

from jinja2 import TemplateError

from sevenb.errors import InvalidRequest, UnsupportedModel
from sevenb.model.prompt_guard import PromptGuard
from sevenb.model.template_sandbox import TemplateComplaint, TemplateSandbox
from sevenb.model.tokenizer import RenderedPrompt, Tokenizer

# Never marked: templates such as Phi's spell special tokens with the role. Which roles exist is the server's to check.
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function", "ipython"})

_CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_LLAMA3 = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
_MISTRAL = (
    "{{ bos_token }}{% set system = namespace(text='') %}{% for message in messages %}"
    "{% if message.role == 'system' %}{% set system.text = message.content + '\n\n' %}"
    "{% elif message.role == 'user' %}{{ '[INST] ' + system.text + message.content + '[/INST]' }}"
    "{% set system.text = '' %}"
    "{% elif message.role == 'assistant' %}{{ ' ' + message.content + eos_token }}"
    "{% else %}{{ raise_exception('only the roles system, user and assistant are known to it') }}"
    "{% endif %}{% endfor %}"
)
# The published formats of ChatML, Llama 3 and Mistral (v3), for files without a template but with their tokens.
_BY_TOKENS = {
    ("<|im_start|>", "<|im_end|>"): _CHATML,
    ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"): _LLAMA3,
    ("[INST]", "[/INST]"): _MISTRAL,
}


class ChatTemplate:
    """A model's chat template, compiled once; rendering never lets a message forge a special token."""

    def __init__(self, source: str | None, tokenizer: Tokenizer) -> None:
        """``source`` is Jinja; None for a model that cannot chat. `UnsupportedModel` if it cannot be read."""
        self.source = source
        self._sandbox = TemplateSandbox()
        try:
            self._template, words = self._sandbox.load(source or "")
        except (TemplateError, RecursionError) as error:
            raise UnsupportedModel(
                f"The model file's chat template cannot be read: {error}; choose another build of the model."
            ) from None
        self._guard = PromptGuard(tokenizer, words)
        ids = {"bos_token": tokenizer.bos_id, "eos_token": tokenizer.eos_id, "pad_token": tokenizer.pad_id}
        self._tokens = {name: "" if i is None else tokenizer.token_text(i) for name, i in ids.items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, object], tokenizer: Tokenizer) -> Self:
        """The file's template, or where it has none the usual one for its special tokens, if there is one."""
        source = metadata.get("tokenizer.chat_template")
        if not isinstance(source, str) or not source.strip():
            known = tokenizer.special_tokens
            source = next((text for tokens, text in _BY_TOKENS.items() if all(t in known for t in tokens)), None)
        return cls(source, tokenizer)

    def render(
        self,
        messages: Sequence[Mapping[str, object]],
        /,
        *,
        tools: Sequence[Mapping[str, object]] | None = None,
        add_generation_prompt: bool = True,
        **variables: object,
    ) -> RenderedPrompt:
        """The prompt for a conversation in OpenAI's form, up to where the model answers.

        ``content`` may be a list of text parts. ``variables`` are further names the template may use. Raises
        `InvalidRequest` with the template's own words where it does not accept the conversation, or where the model has
        no template.
        """
        if self.source is None:
            raise InvalidRequest("This model has no chat template; send a prompt to /v1/completions.", "messages")
        try:
            given = {
                **{name: _plain(value, name) for name, value in variables.items()},
                "messages": [_plain_message(message, f"messages[{i}]") for i, message in enumerate(messages)],
                "tools": _plain(list(tools), "tools") if tools else None,
            }
            mark, protect = self._guard.marker(chain(_strings(given), [self.source], self._tokens.values()))
            values = {name: _map_strings(value, protect) for name, value in given.items()}
            values |= self._tokens | {"add_generation_prompt": add_generation_prompt}
            text = self._sandbox.render(self._template, values, mark=mark)
        except TemplateComplaint as complaint:
            raise InvalidRequest(f"The model's chat template says: {complaint}", "messages") from None
        except InvalidRequest:
            raise
        except Exception as error:  # whatever a stranger's program may run into
            reason = str(error).rstrip(".") or type(error).__name__
            raise InvalidRequest(
                f"The model's chat template cannot render these messages: {reason}. "
                "Change them, or send a prompt to /v1/completions.",
                "messages",
            ) from None
        return self._guard.read(text, mark)


def _plain_message(message: object, path: str) -> dict[str, Any]:
    """One message as templates expect it: text content, no keys that say nothing, tool arguments as objects."""
    if not isinstance(message, Mapping):
        raise InvalidRequest(f"{path} is not an object; write a role and a content.", "messages")
    plain = {key: value for key, value in _plain(message, path).items() if value is not None}
    plain["content"] = _text_of(plain.get("content"), f"{path}.content")
    for call in plain.get("tool_calls", ()):
        function = call.get("function", call) if isinstance(call, dict) else {}
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            function["arguments"] = _parsed_arguments(function["arguments"])
    return plain


def _text_of(content: object, path: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRequest(f"{path} is neither a string nor a list of parts; send one of them.", "messages")
    texts = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text":
            raise InvalidRequest(
                f"{path}[{i}] is of type {kind!r:.40}, but this model reads only text; send parts of type 'text'.",
                "messages",
            )
        if not isinstance(part.get("text"), str):
            raise InvalidRequest(f"{path}[{i}].text is not a string; put the text there.", "messages")
        texts.append(part["text"])
    return "\n".join(texts)


def _parsed_arguments(arguments: str) -> object:
    """OpenAI's clients send a call's arguments as JSON text; templates write the object."""
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return arguments
    return parsed if isinstance(parsed, dict) else arguments


def _plain(value: object, path: str) -> Any:
    """A copy made of dicts, lists, strings, numbers, booleans and None only: nothing a template could call."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(item, f"{path}[{i}]") for i, item in enumerate(value)]
    raise InvalidRequest(
        f"{path} is not a JSON value; send text, numbers, lists or objects.", re.split(r"[.\[]", path)[0]
    )


def _strings(value: object) -> Iterator[str]:
    """Every string in plain data, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(_strings, chain(value.keys(), value.values())))
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_strings, value))


def _map_strings(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """Plain data with every string changed, keys included; known roles stay."""
    if isinstance(value, str):
        return value if key == "role" and value in _ROLES else change(value)
    if isinstance(value, dict):
        return {change(name): _map_strings(item, change, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_map_strings(item, change) for item in value]
    return value
