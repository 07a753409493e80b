"""Shapes and tools through the packages that people use, on the real 0.5B: openai and langchain-openai."""

import json
import re
from typing import Any, Literal

import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field, SecretStr

from tests.e2e.conftest import Program


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    job: Literal["cook", "pilot"]
    hobbies: list[str] = Field(max_length=3)


ADA: Any = [{"role": "user", "content": "Ada is a 36 year old pilot who likes chess and maths."}]
WEATHER: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
    "required": ["city", "unit"],
    "additionalProperties": False,
}
GET_WEATHER = {"name": "get_weather", "description": "The weather of a city.", "parameters": PARAMETERS}
GET_TIME = {"name": "get_time", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS: Any = [{"type": "function", "function": function} for function in (GET_WEATHER, GET_TIME)]
ONE_CALL: Any = {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False}


def chat(program: Program, messages: Any, **parameters: Any) -> Any:
    parameters = {"temperature": 0, "max_tokens": 100, **parameters}
    return program.openai.chat.completions.create(model="coder", messages=messages, **parameters)


# -- openai: chat completions ----------------------------------------------------------------------------


def test_a_pydantic_model_comes_back_filled_in(program: Program) -> None:
    answer = program.openai.chat.completions.parse(
        model="coder", messages=ADA, response_format=Person, temperature=0, max_tokens=100
    )
    person = answer.choices[0].message.parsed
    assert person is not None
    assert (person.name, person.age, person.job) == ("Ada", 36, "pilot")


@pytest.mark.parametrize(
    ("shape", "pattern"),
    [
        ({"choice": ["rouge", "vert"]}, "rouge|vert"),
        ({"regex": "[0-9]{3}-[a-z]{2}"}, "[0-9]{3}-[a-z]{2}"),
        ({"grammar": 'root ::= "yes" | "no"'}, "yes|no"),
        ({"json": {"type": "integer"}}, "-?[0-9]+"),
    ],
)
def test_every_kind_of_shape_holds_for_each_of_several_answers(
    program: Program, shape: dict[str, Any], pattern: str
) -> None:
    answer = chat(program, ADA, n=3, temperature=1.5, logprobs=True, extra_body={"structured_outputs": shape})
    for choice in answer.choices:
        assert re.fullmatch(pattern, choice.message.content)
        assert choice.finish_reason == "stop"
        said = b"".join(bytes(record.bytes) for record in choice.logprobs.content)
        assert said.decode().startswith(choice.message.content)


def test_json_that_is_cut_off_says_so(program: Program) -> None:
    (choice,) = chat(program, ADA, response_format={"type": "json_object"}, max_tokens=3).choices
    assert choice.finish_reason == "length"
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(choice.message.content)


def test_tool_choice_is_enforced(program: Program) -> None:
    (required,) = chat(program, ADA, **ONE_CALL).choices
    assert required.finish_reason == "tool_calls"
    assert required.message.content is None
    (call,) = required.message.tool_calls
    assert call.function.name in ("get_weather", "get_time")
    json.loads(call.function.arguments)

    named_choice = {"type": "function", "function": {"name": "get_time"}}
    (named,) = chat(program, WEATHER, tools=TOOLS, tool_choice=named_choice).choices
    assert [call.function.name for call in named.message.tool_calls] == ["get_time"]

    (none,) = chat(program, WEATHER, tools=TOOLS, tool_choice="none", max_tokens=20).choices
    assert none.message.tool_calls is None
    assert none.message.content


def test_a_streamed_call_is_the_one_that_comes_whole(program: Program) -> None:
    whole = chat(program, WEATHER, **ONE_CALL).choices[0].message.tool_calls[0].function
    with program.openai.chat.completions.stream(
        model="coder", messages=WEATHER, temperature=0, max_tokens=100, **ONE_CALL
    ) as stream:
        kinds = [event.type for event in stream]
        (choice,) = stream.get_final_completion().choices
    assert choice.message.tool_calls is not None
    streamed = choice.message.tool_calls[0].function
    assert (streamed.name, streamed.arguments) == (whole.name, whole.arguments)
    assert streamed.name == "get_weather"
    assert json.loads(streamed.arguments)["unit"] in ("C", "F")
    assert kinds.count("tool_calls.function.arguments.delta") > 3
    assert choice.finish_reason == "tool_calls"


def test_tools_and_a_shape_mean_a_call_or_the_shape(program: Program) -> None:
    answer = chat(
        program,
        WEATHER,
        tools=TOOLS,
        parallel_tool_calls=False,
        n=4,
        temperature=1,
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": Person.model_json_schema()}},
    )
    for choice in answer.choices:
        if choice.message.tool_calls:
            assert choice.message.content is None
            json.loads(choice.message.tool_calls[0].function.arguments)
        elif choice.finish_reason == "stop":
            Person.model_validate_json(choice.message.content)


def test_an_image_is_refused_in_plain_words(program: Program) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(openai.BadRequestError, match="text only") as caught:
        chat(program, [{"role": "user", "content": [picture]}])
    assert caught.value.param == "messages[0].content[0].type"


# -- openai: completions ---------------------------------------------------------------------------------


def test_the_middle_is_filled_in(program: Program) -> None:
    answer = program.openai.completions.create(
        model="coder",
        prompt="def add(a, b):\n    return ",
        suffix="\n\n\nprint(add(1, 2))\n",
        temperature=0,
        max_tokens=6,
    )
    assert answer.choices[0].text.lstrip().startswith("a + b")


@pytest.mark.parametrize("parameters", [{"best_of": 4}, {"extra_body": {"use_beam_search": True, "best_of": 4}}])
def test_the_best_of_several_come_back(program: Program, parameters: dict[str, Any]) -> None:
    answer = program.openai.completions.create(
        model="coder", prompt="The sky is", n=2, max_tokens=8, logprobs=0, **parameters
    )
    scores = []
    for choice in answer.choices:
        assert choice.logprobs is not None
        assert choice.logprobs.token_logprobs is not None
        scores.append(sum(choice.logprobs.token_logprobs))
    assert len(scores) == 2
    assert scores == sorted(scores, reverse=True)


def test_a_completion_keeps_to_a_shape(program: Program) -> None:
    shape: Any = {"guided_choice": ["1", "2"]}
    answer = program.openai.completions.create(model="coder", prompt="One or two? ", extra_body=shape)
    assert answer.choices[0].text in ("1", "2")


# -- openai: responses -----------------------------------------------------------------------------------


def test_a_response_is_parsed_into_a_pydantic_model(program: Program) -> None:
    response = program.openai.responses.parse(
        model="coder", input="Ada is a 36 year old pilot.", text_format=Person, temperature=0, max_output_tokens=100
    )
    assert response.output_parsed is not None
    assert response.output_parsed.job == "pilot"


def test_a_response_streams_with_its_events(program: Program) -> None:
    with program.openai.responses.stream(
        model="coder", input="Count from 1 to 5.", temperature=0, max_output_tokens=20
    ) as stream:
        kinds = [event.type for event in stream]
        text = stream.get_final_response().output_text
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-1] == "response.completed"
    assert "3" in text


def test_a_call_and_its_result_go_on_from_a_stored_response(program: Program) -> None:
    tools: Any = [{"type": "function", **GET_WEATHER}]
    first = program.openai.responses.create(
        model="coder",
        input="What is the weather in Paris?",
        tools=tools,
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=0,
    )
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments)["city"] == "Paris"
    second = program.openai.responses.create(
        model="coder",
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees and clear"}],
        temperature=0,
        max_output_tokens=40,
    )
    assert "21" in second.output_text


# -- what is built on them -------------------------------------------------------------------------------


def test_langchain_binds_tools_and_structures_output(program: Program) -> None:
    model = ChatOpenAI(
        model="coder", base_url=f"{program.url}/v1", api_key=SecretStr("unused"), temperature=0, timeout=120
    )

    @tool
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"It is 21 degrees in {city}."

    agent = model.bind_tools([get_weather], tool_choice="any", parallel_tool_calls=False)
    question = HumanMessage("What is the weather in Paris?")
    asked = agent.invoke([question])
    (call,) = asked.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
    told = model.invoke([question, asked, get_weather.invoke(call)], max_tokens=40)
    assert "21" in str(told.content)

    ada = str(ADA[0]["content"])
    person = model.with_structured_output(Person, method="json_schema").invoke(ada)
    assert isinstance(person, Person)
    assert person.job == "pilot"
