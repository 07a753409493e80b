"""The official ``openai`` package against the real program and the real 0.5B model."""

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.conftest import Program

COUNT: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "Count from 1 to 5, digits separated by spaces, nothing else."}
]


def test_chat(program: Program) -> None:
    answer = program.openai.chat.completions.create(model="coder", messages=COUNT, temperature=0, max_tokens=20)
    assert answer.choices[0].message.content == "1 2 3 4 5"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_stream_gives_the_same_text_in_pieces(program: Program) -> None:
    stream = program.openai.chat.completions.create(
        model="coder", messages=COUNT, temperature=0, max_tokens=20, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(pieces) == "1 2 3 4 5"
    assert len(pieces) > 3
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens >= len(pieces)


def test_completion_continues_code(program: Program) -> None:
    answer = program.openai.completions.create(
        model="coder", prompt="def add(a, b):\n    return", temperature=0, max_tokens=4
    )
    assert answer.choices[0].text.startswith(" a + b")


def test_logprobs_are_those_of_the_greedy_choice(program: Program) -> None:
    answer = program.openai.chat.completions.create(
        model="coder", messages=COUNT, temperature=0, max_tokens=6, logprobs=True, top_logprobs=3
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert answer.choices[0].message.content == "".join(token.token for token in logprobs.content)
    for token in logprobs.content:
        assert len(token.top_logprobs) == 3
        assert token.top_logprobs[0].token == token.token  # greedy takes the best
        assert token.logprob == token.top_logprobs[0].logprob <= 0
        assert bytes(token.bytes or ()).decode() == token.token


def test_logprobs_do_not_depend_on_penalties_and_temperature(program: Program) -> None:
    def first_logprobs(**sampling: float) -> list[float]:
        answer = program.openai.completions.create(
            model="coder", prompt="The capital of France is", max_tokens=1, logprobs=5, seed=1, **sampling
        )
        logprobs = answer.choices[0].logprobs
        assert logprobs is not None
        assert logprobs.top_logprobs is not None
        return sorted(logprobs.top_logprobs[0].values(), reverse=True)[:5]

    plain = first_logprobs(temperature=0)
    assert first_logprobs(temperature=2.0, presence_penalty=2.0) == plain


def test_a_scored_prompt_is_certain_of_what_is_certain(program: Program) -> None:
    answer = program.openai.completions.create(
        model="coder", prompt="1, 2, 3, 4, 5, 6, 7, 8", max_tokens=0, echo=True, logprobs=1
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.token_logprobs is not None
    assert "".join(logprobs.tokens) == answer.choices[0].text == "1, 2, 3, 4, 5, 6, 7, 8"
    assert logprobs.token_logprobs[0] is None
    assert logprobs.token_logprobs[-1] > -0.5


def test_n_answers_differ_and_share_the_prompt(program: Program) -> None:
    answer = program.openai.chat.completions.create(
        model="coder",
        messages=[{"role": "user", "content": "Invent a name for a cat."}],
        n=3,
        temperature=1.5,
        seed=3,
        max_tokens=12,
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) > 1


def test_a_stop_string_ends_the_answer_and_is_left_out(program: Program) -> None:
    answer = program.openai.chat.completions.create(model="coder", messages=COUNT, temperature=0, stop=[" 4"])
    assert answer.choices[0].message.content == "1 2 3"
    assert answer.choices[0].finish_reason == "stop"


def test_the_same_seed_gives_the_same_text(program: Program) -> None:
    def story(seed: int) -> str | None:
        answer = program.openai.chat.completions.create(
            model="coder",
            messages=[{"role": "user", "content": "Tell a story."}],
            temperature=1.0,
            seed=seed,
            max_tokens=16,
        )
        return answer.choices[0].message.content

    assert story(1) == story(1)
    assert len({story(1), story(2), story(3)}) > 1


def test_a_logit_bias_can_forbid_and_force_a_token(program: Program) -> None:
    with program.http as http:
        (banana,) = http.post("/tokenize", json={"prompt": " banana"}).json()["tokens"][:1]
        text = http.post("/detokenize", json={"tokens": [banana]}).json()["prompt"]
    answer = program.openai.completions.create(
        model="coder", prompt="The capital of France is", temperature=0, max_tokens=1, logit_bias={str(banana): 100}
    )
    assert answer.choices[0].text == text


def test_a_second_request_finds_its_prompt_in_the_cache(program: Program) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Repeat: " + "word " * 100}]
    answers = [
        program.openai.chat.completions.create(model="coder", messages=messages, temperature=0, max_tokens=8)
        for _ in range(2)
    ]
    usages = [answer.usage.prompt_tokens_details for answer in answers if answer.usage]
    assert usages[1] is not None
    assert (usages[1].cached_tokens or 0) >= 96
    assert answers[0].choices[0].message.content == answers[1].choices[0].message.content


def test_a_prompt_over_the_context_names_both_numbers(program: Program) -> None:
    with pytest.raises(openai.BadRequestError, match="4096") as caught:
        program.openai.completions.create(model="coder", prompt="word " * 5000, max_tokens=1)
    assert "5000" in str(caught.value) or "5001" in str(caught.value)
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("stream", [False, True])
def test_what_only_the_engine_can_refuse_is_a_400_too(program: Program, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="logit_bias"):
        program.openai.completions.create(model="coder", prompt="a", logit_bias={"999999": 1}, stream=stream)


def test_a_turn_cannot_be_forged(program: Program) -> None:
    """``<|im_end|>`` typed in a message costs several tokens; in a completion prompt it is one."""
    with program.http as http:
        typed = http.post("/tokenize", json={"messages": [{"role": "user", "content": "<|im_end|>"}]}).json()["tokens"]
        empty = http.post("/tokenize", json={"messages": [{"role": "user", "content": ""}]}).json()["tokens"]
        prompt = http.post("/tokenize", json={"prompt": "<|im_end|>"}).json()["tokens"]
    assert len(prompt) == 1
    assert typed.count(prompt[0]) == empty.count(prompt[0])
    assert len(typed) > len(empty) + 1


def test_an_answer_can_be_continued(program: Program) -> None:
    answer = program.openai.chat.completions.create(
        model="coder",
        messages=[*COUNT, {"role": "assistant", "content": "1 2 3"}],
        temperature=0,
        max_tokens=8,
        extra_body={"continue_final_message": True},
    )
    assert answer.choices[0].message.content == " 4 5"
