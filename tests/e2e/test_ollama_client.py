"""The official ``ollama`` package against the real program and real models."""

import asyncio
import json
import math
from typing import Any

import ollama
import pytest
from pydantic import BaseModel

from tests.e2e.conftest import Program

COUNT = [{"role": "user", "content": "Count from 1 to 5, digits separated by spaces, nothing else."}]
GREEDY = {"temperature": 0, "num_predict": 100}


class Cat(BaseModel):
    name: str
    age: int
    indoor: bool


def add(a: int, b: int | str) -> int:
    """Add two numbers.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + int(b)


@pytest.fixture
def client(program: Program) -> Any:
    """Typed loosely: in Ollama's types everything may be None."""
    return ollama.Client(program.url)


def test_chat(client: Any) -> None:
    answer = client.chat("coder", COUNT, options=GREEDY)
    assert answer.message.content == "1 2 3 4 5"
    assert (answer.done, answer.done_reason, answer.eval_count) == (True, "stop", 10)
    assert answer.total_duration > answer.eval_duration > 1_000_000


def test_chat_streams(client: Any) -> None:
    *pieces, last = client.chat("coder", COUNT, options=GREEDY, stream=True)
    assert "".join(piece.message.content for piece in pieces) == "1 2 3 4 5"
    assert len(pieces) > 3
    assert last.done
    assert last.message.content == ""


@pytest.mark.parametrize("model", ["coder", "qwen2.5-coder:1.5b"])
def test_a_python_function_is_a_tool(client: Any, coder_15b: object, model: str) -> None:
    ask: list[Any] = [{"role": "user", "content": "What is 12 plus 30? Use the tool."}]
    answer = client.chat(model, ask, tools=[add], options=GREEDY)
    assert answer.message.tool_calls is not None
    call = answer.message.tool_calls[0].function
    assert call.name == "add"
    assert add(**call.arguments) == 42
    streamed = list(client.chat(model, ask, tools=[add], options=GREEDY, stream=True))
    calls = [call for piece in streamed for call in piece.message.tool_calls or ()]
    assert calls[0].function.arguments == call.arguments
    result = {"role": "tool", "tool_name": "add", "content": "4711"}
    history = [*ask, answer.message, result, {"role": "user", "content": "Which number did the tool give?"}]
    assert "4711" in client.chat(model, history, options=GREEDY).message.content


def test_the_shape_of_a_class(client: Any) -> None:
    messages = [{"role": "user", "content": "Make up a cat."}]
    Cat.model_validate_json(
        client.chat("coder", messages, format=Cat.model_json_schema(), options=GREEDY).message.content
    )
    streamed = client.generate("coder", "Make up a cat.", format=Cat.model_json_schema(), options=GREEDY, stream=True)
    Cat.model_validate_json("".join(piece.response for piece in streamed))


def test_any_json(client: Any) -> None:
    answer = client.generate("coder", "JSON with the key x and the value 1.", format="json", options=GREEDY)
    assert isinstance(json.loads(answer.response), dict)


def test_generate_goes_on_from_a_context(client: Any) -> None:
    first = client.generate("coder", "My name is Zoe.", system="Be brief.", options=GREEDY)
    assert len(first.context) == first.prompt_eval_count + first.eval_count
    assert "Zoe" in client.generate("coder", "What is my name?", context=first.context, options=GREEDY).response


def test_generate_raw_and_by_a_template(client: Any) -> None:
    code = "def add(a, b):\n    return"
    raw = client.generate("coder", code, raw=True, options={"temperature": 0, "num_predict": 4})
    assert raw.response.startswith(" a + b")
    bare = client.generate("coder", code, template="{{ .Prompt }}", options={"temperature": 0, "num_predict": 4})
    assert bare.response == raw.response
    chatml = "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}<|im_start|>user\n{{ .Prompt }}"
    chatml += "<|im_end|>\n<|im_start|>assistant\n{{ .Response }}<|im_end|>"
    own = client.generate("coder", COUNT[0]["content"], system="Be brief.", template=chatml, options=GREEDY)
    models = client.generate("coder", COUNT[0]["content"], system="Be brief.", options=GREEDY)
    assert (own.response, own.prompt_eval_count) == (models.response, models.prompt_eval_count)


def test_generate_fills_in(client: Any) -> None:
    options = {"temperature": 0, "num_predict": 12, "stop": ["\n"]}
    answer = client.generate("coder", "def add(a, b):\n    return", suffix="\n\nprint(add(1, 2))", options=options)
    assert answer.response.strip() == "a + b"
    with pytest.raises(ollama.ResponseError, match="insert"):
        client.generate("smollm2:135m", "a", suffix="b")


def test_embeddings(client: Any) -> None:
    answer = client.embed("coder", ["a cat sat", "a cat sat", "def f(): pass"])
    first, second, third = answer.embeddings
    assert math.isclose(sum(x * x for x in first), 1.0, rel_tol=1e-4)
    assert first == second != third
    assert answer.prompt_eval_count > 6
    assert list(client.embeddings("coder", "a cat sat").embedding) == list(first)


def test_models_are_listed_and_shown(client: Any) -> None:
    names = [model.model for model in client.list().models]
    assert "coder" in names
    shown = client.show("coder")
    assert set(shown.capabilities) == {"completion", "tools", "insert"}
    assert shown.modelinfo["general.architecture"] == "qwen2"
    assert shown.modelinfo["qwen2.context_length"] == 4096  # what it has here, not what it was trained for
    assert ".Suffix" in shown.template
    assert shown.details.quantization_level == "Q4_K_M"
    assert shown.details.parameter_size == "494.03M"
    running = {model.model: model for model in client.ps().models}
    assert running["coder"].context_length == 4096
    assert running["coder"].size > 400_000_000


def test_pull_of_what_is_here(client: Any) -> None:
    assert [line.status for line in client.pull("qwen2.5-coder:0.5b", stream=True)][-1] == "success"
    assert client.pull("qwen2.5-coder:0.5b").status == "success"


def test_a_model_is_kept_and_let_go(client: Any, smollm2: object) -> None:
    client.generate("smollm2:135m", "Hi", options={"num_predict": 1}, keep_alive="1h")
    assert "smollm2:135m" in [model.model for model in client.ps().models]
    assert client.generate("smollm2:135m", keep_alive=0).done_reason == "unload"
    assert "smollm2:135m" not in [model.model for model in client.ps().models]


def test_the_asynchronous_client(program: Program) -> None:
    async def test() -> None:
        client: Any = ollama.AsyncClient(program.url)
        answers = await asyncio.gather(*(client.chat("coder", COUNT, options=GREEDY) for _ in range(3)))
        assert {answer.message.content for answer in answers} == {"1 2 3 4 5"}
        stream = await client.chat("coder", COUNT, options=GREEDY, stream=True)
        assert "".join([piece.message.content async for piece in stream]) == "1 2 3 4 5"
        await client.close()

    asyncio.run(test())


def test_logprobs(client: Any) -> None:
    answer = client.chat("coder", COUNT, options={"temperature": 0, "num_predict": 2}, logprobs=True, top_logprobs=2)
    assert [record.token for record in answer.logprobs] == ["1", " "]
    assert answer.logprobs[0].top_logprobs[0].token == "1"


def test_a_chat_that_is_too_long_is_cut_only_where_that_is_asked_for(program: Program) -> None:
    long = {"role": "user", "content": "word " * 5000}
    chat = {"model": "coder", "messages": [long, {"role": "assistant", "content": "Yes."}, *COUNT], "stream": False}
    with program.http as http:
        assert http.post("/api/chat", json=chat).status_code == 400
        answer = http.post("/api/chat", json={**chat, "truncate": True, "options": GREEDY}).json()
        assert answer["message"]["content"] == "1 2 3 4 5"
        assert answer["prompt_truncated_count"] > 5000


@pytest.mark.parametrize("stream", [False, True])
def test_errors(client: Any, stream: bool) -> None:
    def status(**fields: Any) -> int:
        with pytest.raises(ollama.ResponseError) as caught:
            list(client.chat(**{"model": "coder", "messages": COUNT, "stream": stream, **fields}))
        return int(caught.value.status_code)

    assert status(model="nope") == 404
    assert status(options={"temperature": -1}) == 400
    assert status(format={"$ref": "#/nowhere"}) == 400
    assert status(messages=[{"role": "user", "content": "word " * 5000}]) == 400
