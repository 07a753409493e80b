"""Answers that follow a grammar: always, however fast, in whatever company, and as if each token were masked alone."""

import random
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.engine.guide import Guide
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.sequence import Sequence
from sevenb.errors import InvalidRequest
from sevenb.structured.compiler import GrammarCompiler, Matcher
from tests.engine import fake_model
from tests.engine.fake_grammar import END_TOKENS, decode, encode, expected_tokens, fake_compiler, lark, regex
from tests.engine.harness import Harness
from tests.engine.test_engine import prompt_of
from tests.engine.test_speculation import Oracle

FORM = r"\{\"name\": \"[a-z]{1,8}\", \"age\": [0-9]{1,3}, \"member\": (true|false)\}"
LIST = r"\[[0-9](, [0-9]){0,5}\]"
WORDS = r"([a-f]{1,4} )*"
CALL = r"<(add|sub)\([0-9]{1,2}\)>"


def form(**more: Any) -> SamplingParams:
    fields: dict[str, Any] = {"temperature": 0, "max_tokens": 80, "grammar": regex(FORM)}
    return SamplingParams(**fields | more)


def calling(**more: Any) -> SamplingParams:
    """Free text in which a call begins now and then."""
    fields: dict[str, Any] = {
        "temperature": 1.0,
        "seed": 5,
        "max_tokens": 60,
        "logit_bias": {encode("<")[0]: 4.0, 0: -9.0, 1: -9.0},
        "grammar": regex(f"([^<]|{CALL})*"),
    }
    return SamplingParams(**fields | more)


PARAMS = {
    "greedy": form(),
    "sampled": form(temperature=1.0, seed=3),
    "top-p": form(temperature=1.3, top_p=0.7, seed=4),
    "penalties": form(temperature=0.7, seed=5, presence_penalty=0.4, frequency_penalty=1.6),
    "bias": form(temperature=1.0, seed=6, logit_bias={encode("z")[0]: 8.0}),
    "least length": form(temperature=1.0, seed=7, min_tokens=70, grammar=regex(WORDS)),
    "longer than there is to say": form(min_tokens=70, grammar=regex("(yes|no)")),
    "cut short": form(max_tokens=20),
    "no drafts": form(speculation=False),
    "calls": calling(),
    "greedy calls": calling(temperature=0),
}


class Prophet(Oracle):
    """Knows what comes under a grammar, and says it with mistakes."""

    def __init__(self, *, mistakes: float) -> None:
        super().__init__(mistakes=mistakes)
        self._texts: dict[tuple[str, int], list[int]] = {}

    def _guess(self, sequence: Sequence) -> list[int]:
        request = sequence.request
        key = request.request_id, sequence.index
        if key not in self._texts:
            stops = sorted(request.stop_token_ids)
            self._texts[key] = expected_tokens(
                request.prompt_token_ids, request.params, index=sequence.index, stop_token_ids=stops
            )
        output = self._texts[key]
        guesses = output[sequence.output_length :] + [5] * 3
        return [
            self._chance.randrange(fake_model.VOCAB_SIZE) if self._chance.random() < self._mistakes else token
            for token in guesses
        ]


@pytest.fixture(params=["forced tokens at once", "one token at a time"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "one token at a time":
        monkeypatch.setattr(Guide, "forced", lambda _: [])


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
@pytest.mark.parametrize("mistakes", [None, 0.0, 0.4])
def test_the_text_is_the_same_however_it_is_made(params: SamplingParams, mistakes: float | None) -> None:
    harness = Harness(speculator=None if mistakes is None else Prophet(mistakes=mistakes))
    for seed in range(3):
        prompt = prompt_of(9, seed)
        expected = expected_tokens(prompt, params, stop_token_ids=END_TOKENS)
        assert harness.generate(prompt, params, stop_token_ids=END_TOKENS) == expected
    assert harness.blocks_used == 0


@pytest.mark.parametrize("pattern", [FORM, LIST, WORDS, "(yes|no)", "a{30}", "(begin (one|two|three) end){3}"])
def test_every_answer_is_in_the_language(pattern: str) -> None:
    harness = Harness(blocks=300)
    for seed in range(8):
        params = SamplingParams(temperature=1.5, seed=seed, max_tokens=200, grammar=regex(pattern))
        harness.add(prompt_of(5, seed), params, stop_token_ids=END_TOKENS)
    harness.run()
    for outcome in harness.outcomes.values():
        assert outcome.finish_reasons[0] == "stop"
        assert re.fullmatch(pattern, decode(outcome.tokens[0]))


def test_forced_tokens_save_steps() -> None:
    harness = Harness()
    tokens = harness.generate(prompt_of(5), form(), stop_token_ids=END_TOKENS)
    steps = harness.engine.stats().steps
    assert re.fullmatch(FORM, decode(tokens))
    assert steps <= len(tokens) - len('{"name": "", "age": , "member": }') + 6
    timings = harness.outcomes["request-0"].timings
    assert timings is not None
    assert timings.completion_tokens == len(tokens)
    assert timings.forced_tokens == harness.engine.stats().forced_tokens == len(tokens) - steps
    assert timings.drafted_tokens == 0


def test_an_answer_without_a_choice_left_is_complete_without_the_model() -> None:
    harness = Harness()
    request = harness.add(prompt_of(5), form(grammar=regex("(yes, of course|never)")), stop_token_ids=END_TOKENS)
    harness.step()
    while not harness.decoder.batches:  # the grammar is compiled beside
        harness.step()
    assert harness.outcomes[request].finish_reasons == {0: "stop"}
    assert decode(harness.outcomes[request].tokens[0]) in ("yes, of course", "never")
    assert len(harness.decoder.batches) == 1


def test_what_seems_forced_and_is_not_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Matcher.forced

    def forced_or_worse(matcher: Matcher) -> list[int]:
        forced = real(matcher)
        wrong = [token for token in encode("az3") if matcher.valid([*forced, token]) > len(forced)]
        return forced + wrong[:1]

    monkeypatch.setattr(Matcher, "forced", forced_or_worse)
    for logprobs in (None, 0):
        params = form(temperature=1.0, seed=4, logprobs=logprobs)
        harness = Harness()
        tokens = harness.generate(prompt_of(5), params, stop_token_ids=END_TOKENS)
        assert tokens == expected_tokens(prompt_of(5), params, stop_token_ids=END_TOKENS)


def test_no_logits_are_computed_for_forced_tokens() -> None:
    for logprobs in (None, 0):
        harness = Harness()
        tokens = harness.generate(prompt_of(5), form(logprobs=logprobs), stop_token_ids=END_TOKENS)
        rows = sum(len(batch.logit_rows) for batch in harness.decoder.batches)
        assert rows < len(tokens) - 15 if logprobs is None else rows >= len(tokens)


def test_forced_tokens_are_taken_without_speculation_too() -> None:
    harness = Harness(speculation=False)
    harness.generate(prompt_of(5), form(speculation=False), stop_token_ids=END_TOKENS)
    assert harness.engine.stats().steps < 25


def test_the_end_comes_with_the_last_token_of_the_grammar() -> None:
    harness = Harness()
    request = harness.add(prompt_of(5), form(grammar=regex("(yes|no)")), stop_token_ids=END_TOKENS)
    harness.run()
    outcome = harness.outcomes[request]
    assert decode(outcome.tokens[0]) in ("yes", "no")
    assert outcome.finish_reasons[0] == "stop"
    assert outcome.stop_token_ids[0] is None


def test_an_end_token_ends_an_open_grammar_even_if_end_tokens_are_ignored() -> None:
    for stop_token_ids in (END_TOKENS, []):
        harness = Harness()
        request = harness.add(prompt_of(5), form(grammar=regex("[ab]*")), stop_token_ids=stop_token_ids)
        harness.run()
        assert harness.outcomes[request].finish_reasons[0] == "stop"
        assert harness.outcomes[request].tokens[0][-1] in END_TOKENS


def test_log_probabilities_are_the_models_own() -> None:
    harness = Harness()
    prompt, params = prompt_of(7), form(temperature=0.9, seed=8, logprobs=2)
    request = harness.add(prompt, params, stop_token_ids=END_TOKENS)
    harness.run()
    history = list(prompt)
    for record in harness.outcomes[request].records[0]:
        logprobs = fake_model.log_softmax(fake_model.logits_after(history))
        assert record.logprob == pytest.approx(logprobs[record.token_id])
        assert record.top_logprobs == list(fake_model.best(logprobs, 2))
        history.append(record.token_id)


def test_answers_of_one_request_each_have_their_own_place() -> None:
    params = form(n=4, temperature=1.2, seed=2)
    harness = Harness(speculator=Prophet(mistakes=0.3))
    request = harness.add(prompt_of(7), params, stop_token_ids=END_TOKENS)
    harness.run()
    texts = set()
    for index in range(4):
        expected = expected_tokens(prompt_of(7), params, index=index, stop_token_ids=END_TOKENS)
        assert harness.outcomes[request].tokens[index] == expected
        texts.add(decode(expected))
    assert len(texts) == 4


def test_calls_in_free_text_are_whole() -> None:
    harness = Harness(blocks=300, speculator=Prophet(mistakes=0.2))
    texts = [decode(harness.generate(prompt_of(6, seed), calling(seed=seed))) for seed in range(12)]
    calls = [call for text in texts for call in re.findall(r"<[^<]*", text[: text.rfind("<")])]
    assert len(calls) > 15  # several in a text
    assert all(re.match(CALL, call) for call in calls)
    assert any(re.fullmatch(f"{CALL}.+", call, re.DOTALL) for call in calls)


# -- company ---------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_mixture_with_preemption_caching_and_cancellation(data: st.DataObject) -> None:
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    harness = Harness(
        blocks=data.draw(st.integers(30, 60)),
        block_size=data.draw(st.integers(2, 5)),
        max_num_seqs=5,
        max_num_batched_tokens=data.draw(st.integers(5, 40)),
        enable_prefix_caching=data.draw(st.booleans()),
    )
    asked = []
    for place in range(9):
        prompt = prompt_of(chance.randint(1, 15), chance.randrange(3))
        fields: dict[str, Any] = {"n": chance.choice([1, 1, 3]), "seed": place, "temperature": chance.choice([0, 0.9])}
        fields |= {"max_tokens": chance.randint(1, 45), "min_tokens": chance.choice([0, 0, 30])}
        fields |= {"logprobs": chance.choice([None, 1]), "prompt_logprobs": chance.choice([None, None, 0])}
        params = chance.choice([form, calling])(**fields)
        if chance.random() < 0.3:
            params = SamplingParams(**fields)
        asked.append((harness.add(prompt, params, stop_token_ids=END_TOKENS), prompt, params))
        for _ in range(chance.randint(0, 4)):
            harness.step()
        if chance.random() < 0.2:
            harness.engine.abort(asked.pop(chance.randrange(len(asked)))[0])
    harness.run(most_steps=20_000)
    assert harness.blocks_used == 0
    for request, prompt, params in asked:
        expected = fake_model.expected_tokens if params.grammar is None else expected_tokens
        for index in range(params.n):
            assert harness.outcomes[request].tokens[index] == expected(
                prompt, params, index=index, stop_token_ids=END_TOKENS
            )


def test_forced_tokens_stay_within_the_tokens_of_a_step_and_the_blocks() -> None:
    harness = Harness(blocks=40, block_size=4, max_num_seqs=6, max_num_batched_tokens=12)
    params = form(grammar=regex("a{60}[bc]a{20}"), max_tokens=100)
    for seed in range(4):
        harness.add(prompt_of(6, seed), params, stop_token_ids=END_TOKENS)
    harness.run()
    assert max(batch.tokens for batch in harness.decoder.batches) <= 12
    for seed in range(4):
        assert harness.outcomes[f"request-{seed}"].tokens[0] == expected_tokens(prompt_of(6, seed), params)


# -- compiling -------------------------------------------------------------------------------------------


class SlowCompiler:
    """Compiles nothing before it is told to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self._inner = fake_compiler()

    def compile(self, grammar: str, prefix: str = "") -> Matcher:
        assert self.go.wait(100)
        return self._inner.compile(grammar)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowCompiler]:
    compiler = SlowCompiler()
    monkeypatch.setattr("tests.engine.harness.fake_compiler", lambda: compiler)
    yield compiler
    compiler.go.set()


def test_others_go_on_while_a_grammar_is_compiled(slow: SlowCompiler) -> None:
    harness = Harness()
    constrained = harness.add(prompt_of(5), form(), stop_token_ids=END_TOKENS)
    free = harness.add(prompt_of(5), SamplingParams(temperature=0, max_tokens=20))
    while not harness.outcomes[free].finished:
        harness.step()
    assert not harness.outcomes[constrained].tokens
    assert harness.engine.has_work
    slow.go.set()
    harness.run()
    assert re.fullmatch(FORM, decode(harness.outcomes[constrained].tokens[0]))


def test_a_request_can_be_aborted_while_its_grammar_is_compiled(slow: SlowCompiler) -> None:
    harness = Harness()
    request = harness.add(prompt_of(5), form(), stop_token_ids=END_TOKENS)
    partly = harness.add(prompt_of(5), form(n=3, temperature=1.0, seed=1), stop_token_ids=END_TOKENS)
    harness.step()
    harness.engine.abort(request)
    harness.engine.abort(partly, 0)
    harness.step()
    assert harness.outcomes[request].finish_reasons[0] == "abort"
    slow.go.set()
    harness.run()
    assert harness.outcomes[partly].finish_reasons == {0: "abort", 1: "stop", 2: "stop"}


def test_a_grammar_that_cannot_be_compiled_fails_its_request_alone() -> None:
    harness = Harness()
    bad = harness.add(prompt_of(5), form(grammar=lark("start: nothing_such")), stop_token_ids=END_TOKENS)
    good = harness.add(prompt_of(5), form(), stop_token_ids=END_TOKENS)
    harness.run()
    failure = harness.outcomes[bad].failure
    assert failure is not None
    assert failure.error == "InvalidRequest"
    assert re.fullmatch(FORM, decode(harness.outcomes[good].tokens[0]))


def test_a_grammar_that_becomes_too_hard_fails_its_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = GrammarCompiler.compile

    class Stuck(Matcher):
        failure = "too complex"

    def compile(self: GrammarCompiler, grammar: str, prefix: str = "") -> Matcher:
        matcher = real(self, grammar)
        if grammar == regex("[xyz]*"):
            return Stuck(matcher._inner, matcher._end_ids, forces=False)
        return matcher

    monkeypatch.setattr(GrammarCompiler, "compile", compile)
    harness = Harness()
    bad = harness.add(prompt_of(5), form(grammar=regex("[xyz]*")), stop_token_ids=END_TOKENS)
    good = harness.add(prompt_of(5), form(), stop_token_ids=END_TOKENS)
    harness.run()
    failure = harness.outcomes[bad].failure
    assert failure is not None
    assert "too complex" in failure.message
    assert re.fullmatch(FORM, decode(harness.outcomes[good].tokens[0]))
    assert harness.blocks_used == 0


@pytest.mark.parametrize("fields", [{"grammar": ""}, {"grammar": 5}])
def test_what_is_no_grammar_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="grammar"):
        SamplingParams(**fields)
