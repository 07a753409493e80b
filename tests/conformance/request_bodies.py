"""Request bodies for every route: valid ones, and what becomes of them when anything may stand anywhere."""

import copy
import json
import random
from typing import Any

Body = dict[str, Any]

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer", "minimum": 0}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "look_up", "description": "Finds a city.", "parameters": CITY}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Rome"}'}}
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "hello"}]},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Rome"},
    {"role": "user", "content": "hi"},
]
SAMPLING = {
    "temperature": 0.7,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "seed": 1,
    "stop": ["\n\n"],
    "stop_token_ids": [3],
    "n": 1,
    "max_tokens": 4,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "repetition_penalty": 1.1,
    "logit_bias": {"5": 1.5},
    "stream": False,
    "min_tokens": 0,
    "priority": 0,
    "user": "somebody",
}
VALID: dict[str, list[Body]] = {
    "/v1/chat/completions": [
        {"model": "echo", "messages": MESSAGES, "logprobs": True, "top_logprobs": 2, **SAMPLING},
        {"messages": MESSAGES, "tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": True, "max_tokens": 4},
        {
            "messages": [{"role": "user", "content": "hi"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}},
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens": 4,
        },
        {
            "messages": [{"role": "user", "content": "hi"}],
            "structured_outputs": {"regex": "a{1,4}"},
            "chat_template_kwargs": {"deep": {"er": 1}},
            "add_generation_prompt": True,
            "max_tokens": 4,
        },
    ],
    "/v1/completions": [
        {"model": "echo", "prompt": "hello", "echo": True, "logprobs": 2, "suffix": None, **SAMPLING},
        {"prompt": [[1, 2, 3], [4, 5]], "max_tokens": 3, "stream": True, "stream_options": {"include_usage": True}},
        {"prompt": ["a", "b"], "best_of": 2, "n": 1, "use_beam_search": True, "max_tokens": 2},
        {
            "prompt": "def f(",
            "structured_outputs": {"choice": ["a", "b"]},
            "truncate_prompt_tokens": 3,
            "max_tokens": 2,
        },
    ],
    "/v1/responses": [
        {"model": "echo", "input": "hello", "instructions": "Be brief.", "max_output_tokens": 4, "store": True},
        {
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            "tools": [{"type": "function", "name": "look_up", "parameters": CITY, "strict": True}],
            "tool_choice": "auto",
            "text": {"format": {"type": "json_schema", "name": "city", "schema": CITY}},
            "stream": True,
            "previous_response_id": None,
            "max_output_tokens": 4,
        },
    ],
    "/v1/responses/input_tokens": [{"model": "echo", "input": "hello", "instructions": "Be brief.", "tools": []}],
    "/v1/embeddings": [
        {"model": "echo", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 8, "user": "x"}
    ],
    "/v1/rerank": [{"model": "echo", "query": "q", "documents": ["a", {"text": "b"}], "top_n": 1}],
    "/v1/messages": [
        {
            "model": "echo",
            "max_tokens": 4,
            "system": [{"type": "text", "text": "Be brief."}],
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "look_up", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "Rome"}]},
            ],
            "tools": [{"name": "look_up", "description": "Finds.", "input_schema": CITY}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": False},
            "stop_sequences": ["###"],
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 4,
            "stream": False,
            "metadata": {"user_id": "x"},
        }
    ],
    "/v1/messages/count_tokens": [{"model": "echo", "system": "x", "messages": [{"role": "user", "content": "hi"}]}],
    "/api/chat": [
        {
            "model": "echo",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": False,
            "format": CITY,
            "tools": [TOOL],
            "options": {"num_predict": 4, "temperature": 0.1, "num_ctx": 128, "stop": ["x"], "seed": 3},
            "keep_alive": "5m",
            "think": False,
        }
    ],
    "/api/generate": [
        {"model": "echo", "prompt": "hi", "raw": True, "format": CITY, "stream": True, "options": {"num_predict": 4}},
        {"model": "echo", "prompt": "hi", "system": "x", "context": [1, 2], "keep_alive": 60, "options": {"stop": "z"}},
    ],
    "/api/embed": [{"model": "echo", "input": ["a"], "truncate": True, "dimensions": 8, "keep_alive": 60}],
    "/api/embeddings": [{"model": "echo", "prompt": "a", "options": {}, "keep_alive": "5m"}],
    "/api/show": [{"model": "echo", "verbose": True}],
    "/infill": [
        {
            "input_prefix": "def f(",
            "input_suffix": "):",
            "input_extra": [{"filename": "a.py", "text": "x"}],
            "prompt": "",
            "n_predict": 4,
            "t_max_predict_ms": 100,
            "temperature": 0.1,
            "top_k": 4,
            "stream": False,
            "cache_prompt": True,
            "samplers": ["top_k"],
        }
    ],
    "/tokenize": [{"model": "echo", "prompt": "hello", "add_special_tokens": True, "return_token_strs": True}],
    "/detokenize": [{"model": "echo", "tokens": [104, 105]}],
    "/apply-template": [{"model": "echo", "messages": [{"role": "user", "content": "hi"}]}],
}

DEEP: Any = 1
for _ in range(200):
    DEEP = [DEEP]

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3.5, -0.0, 129, 2**31, 2**63, -(2**63) - 1, 10**30, 1e308, float("nan"),
    float("inf"), "", " ", "a", "\x00", "\ud800", "é" * 50, "<|end|>", "json", "json_object", "json_schema", "required",
    "none", "auto", "user", "tool", "assistant", "5m", "-1", "1e999", "\\", "(" * 40, "a" * 3000,
    "data:image/png;base64,AAAA", [], {}, [[]], [{}], [None], [1, "a"], ["a"] * 70, {"": ""}, {"type": "text"},
    {"type": []}, {"type": "object"}, DEEP, {"$ref": "#"}, {"type": "string", "pattern": "(a+)+$"}, {"anyOf": []},
    {"enum": []}, {"role": "user"}, TOOL, CITY,
]  # fmt: skip


def random_body(rng: random.Random, path: str) -> bytes:
    """What a careless or hostile client might send to a route: valid in parts, or not even JSON."""
    body = copy.deepcopy(rng.choice(VALID[path]))
    for _ in range(rng.choice((1, 1, 2, 3))):
        _disturb(rng, body)
    content = json.dumps(body, ensure_ascii=rng.random() < 0.9).encode(errors="surrogatepass")
    return _damage(rng, content) if rng.random() < 0.08 else content


def _disturb(rng: random.Random, body: Body) -> None:
    """Put something else in some place of a body, or leave it out, or add to it."""
    places = [(holder, key) for holder in _holders(body) for key in _keys(holder)]
    if not places or rng.random() < 0.1:
        body[rng.choice((*SAMPLING, "tools", "response_format", "format", "unheard_of"))] = _odd(rng)
        return
    holder, key = rng.choice(places)
    if rng.random() < 0.15:
        del holder[key]
    else:
        holder[key] = _odd(rng, like=holder[key])


def _odd(rng: random.Random, like: Any = None) -> Any:
    """Anything, and as often something of the same type."""
    same = [value for value in ODD if type(value) is type(like)] if rng.random() < 0.5 else []
    return copy.deepcopy(rng.choice(same or ODD))


def _holders(value: Any) -> list[Any]:
    """All objects and lists of a value."""
    if not isinstance(value, dict | list):
        return []
    parts = value.values() if isinstance(value, dict) else value
    return [value, *(holder for part in parts for holder in _holders(part))]


def _keys(holder: Any) -> list[Any]:
    return list(holder) if isinstance(holder, dict) else list(range(len(holder)))


def _damage(rng: random.Random, content: bytes) -> bytes:
    """Bytes that are no JSON any more, most of the time."""
    place = rng.randrange(len(content) + 1)
    return rng.choice(
        (
            content[:place],
            content[:place] + rng.randbytes(3) + content[place:],
            rng.randbytes(40),
            b"",
            b"[" * 100_000,
            b'{"a":' * 3000,
            b"[" + content + b"]",
            content + content,
            b"1" * 5000,
        )
    )
