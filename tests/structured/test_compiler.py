"""Matchers and masks over a real vocabulary."""

import json
import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from sevenb.errors import InvalidRequest, SevenbError
from sevenb.model.tokenizer import Tokenizer
from sevenb.structured.compiler import GrammarCompiler, Matcher, fill_masks
from sevenb.structured.lark import serialise
from sevenb.structured.output_format import OutputFormat

_PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


@pytest.fixture
def person(compiler: GrammarCompiler) -> Matcher:
    return compiler.compile(OutputFormat.from_schema(_PERSON, "schema").constraint().grammar)


def _masks(tokenizer: Tokenizer, rows: int) -> NDArray[np.uint32]:
    return np.zeros((rows, (tokenizer.vocab_size + 31) // 32), np.uint32)


def _allowed(row: NDArray[np.uint32]) -> set[int]:
    return set(np.flatnonzero(np.unpackbits(row.view(np.uint8), bitorder="little")).tolist())


def test_tokens_without_a_choice_are_forced_as_the_model_would_write_them(
    person: Matcher, tokenizer: Tokenizer
) -> None:
    forced = person.forced()
    assert forced == tokenizer.encode('{"name":')
    person.accept(forced)
    person.accept(tokenizer.encode(' "Bob'))
    assert person.forced() == []
    person.accept(tokenizer.encode('",'))
    assert tokenizer.decode(person.forced()) == ' "age":'


def test_a_mask_allows_what_may_come_next_and_nothing_else(person: Matcher, tokenizer: Tokenizer) -> None:
    masks = _masks(tokenizer, 1)
    fill_masks([(person, ())], masks)
    assert _allowed(masks[0]) == {tokenizer.encode('{"')[0]}
    person.accept(tokenizer.encode('{"name": "Bob", "age": 4'))
    fill_masks([(person, ())], masks)
    digits_or_end = {tokenizer.encode(text)[0] for text in [*"0123456789", "}"]}
    assert _allowed(masks[0]) == digits_or_end


def test_masks_after_drafts_are_those_met_token_by_token(person: Matcher, tokenizer: Tokenizer) -> None:
    drafts = tokenizer.encode('{"name": "Bob", "age": 4}')
    assert person.valid(drafts) == len(drafts)
    together = _masks(tokenizer, 1 + len(drafts))
    fill_masks([(person, drafts)], together)
    alone = _masks(tokenizer, 1)
    for row, token in zip(together, [*drafts, None], strict=True):
        fill_masks([(person, ())], alone)
        assert np.array_equal(row, alone[0])
        if token is not None:
            person.accept([token])
    assert _allowed(together[-1]) == set(tokenizer.end_ids)


def test_a_batch_gives_each_matcher_its_own_masks(
    person: Matcher, compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    choice = compiler.compile(OutputFormat("choice", ["yes", "no"], "choice").constraint().grammar)
    drafts = tokenizer.encode('{"name')
    masks = _masks(tokenizer, 2 + len(drafts) + 1)
    fill_masks([(choice, ()), (person, drafts), (choice.copy(), ())], masks)
    assert np.array_equal(masks[0], masks[-1])
    assert tokenizer.encode("yes")[0] in _allowed(masks[0])
    assert tokenizer.encode('{"')[0] in _allowed(masks[1])


def test_drafts_are_cut_where_the_grammar_would_not_take_them(person: Matcher, tokenizer: Tokenizer) -> None:
    good = tokenizer.encode('{"name": "')
    assert person.valid([*good, *tokenizer.encode('", "other')]) < len(good) + 4
    assert person.valid(tokenizer.encode("Sure, here is")) == 0
    assert person.valid([]) == 0
    end = min(tokenizer.end_ids)
    assert person.valid([*good, end]) == len(good)


def test_a_token_outside_the_grammar_is_an_error_and_harms_nothing(person: Matcher, tokenizer: Tokenizer) -> None:
    with pytest.raises(SevenbError, match="left its grammar"):
        person.accept(tokenizer.encode("Sure"))
    assert person.failure is None
    person.accept(tokenizer.encode('{"name'))


def test_an_answer_may_end_only_where_it_is_whole(person: Matcher, tokenizer: Tokenizer) -> None:
    end = min(tokenizer.end_ids)
    person.accept(tokenizer.encode('{"name": "Bob", "age": 4'))
    assert not person.accepting
    with pytest.raises(SevenbError, match="ended where"):
        person.accept([end])
    person.accept(tokenizer.encode("}"))
    assert person.accepting
    assert person.finished
    person.accept([end])
    assert person.finished
    assert person.forced() == []
    assert person.valid([end]) == 0


def test_a_grammar_that_goes_on_after_an_end_token_is_to_blame(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    end = min(tokenizer.end_ids)
    matcher = compiler.compile(serialise(f'start: "a" <[{end}]> "b"'))
    matcher.accept(tokenizer.encode("a"))
    masks = _masks(tokenizer, 1)
    fill_masks([(matcher, ())], masks)
    assert _allowed(masks[0]) == {end}
    with pytest.raises(InvalidRequest, match="names a token that ends an answer"):
        matcher.accept([end])


def test_an_answer_that_could_go_on_may_also_end(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    number = compiler.compile(OutputFormat.from_schema({"type": "integer"}, "schema").constraint().grammar)
    number.accept(tokenizer.encode("4"))
    assert number.accepting
    assert not number.finished
    masks = _masks(tokenizer, 1)
    fill_masks([(number, ())], masks)
    assert tokenizer.end_ids < _allowed(masks[0])
    number.accept([max(tokenizer.end_ids)])
    assert number.finished


def test_copies_go_their_own_ways(person: Matcher, tokenizer: Tokenizer) -> None:
    other = person.copy()
    person.accept(tokenizer.encode('{"name'))
    assert other.valid(tokenizer.encode('{"name')) == 2
    assert person.valid(tokenizer.encode('{"name')) == 0


def test_special_tokens_are_named_by_id_and_never_part_of_text(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    [call] = tokenizer.encode("<tool_call>")
    masks = _masks(tokenizer, 1)
    fill_masks([(compiler.compile(serialise(f'start: <[{call}]> "\\n" /[a-z]+/')), ())], masks)
    assert _allowed(masks[0]) == {call}
    text = compiler.compile(OutputFormat.from_schema({"type": "string"}, "schema").constraint().grammar)
    text.accept(tokenizer.encode('"a'))
    fill_masks([(text, ())], masks)
    assert not _allowed(masks[0]) & (tokenizer.special_ids | {call})


def test_a_malformed_grammar_is_refused(compiler: GrammarCompiler) -> None:
    for grammar in ("", "start: (", "{}", '{"grammars": []}', serialise("start: missing")):
        with pytest.raises(InvalidRequest, match="grammar"):
            compiler.compile(grammar)


def test_a_grammar_that_comes_to_a_dead_end_fails_and_says_so(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    matcher = compiler.compile(serialise("start: /a[xy]/ NOTHING\nNOTHING: /b+/ & /c+/"))
    masks = _masks(tokenizer, 1)
    for _ in range(3):
        fill_masks([(matcher, ())], masks)
        if matcher.failure is not None:
            break
        matcher.accept([min(_allowed(masks[0]))])
    assert matcher.failure == "no token may follow"
    assert not matcher.accepting
    assert not matcher.finished
    assert matcher.valid(tokenizer.encode("ax")) == 0


def test_an_object_may_have_as_many_optional_properties_as_are_compiled(
    compiler: GrammarCompiler, tokenizer: Tokenizer
) -> None:
    properties = {f"p{i}": {"type": "integer"} for i in range(2000)}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    matcher = compiler.compile(OutputFormat.from_schema(schema, "schema").constraint().grammar)
    matcher.accept(tokenizer.encode('{"p3": 12, "p1999": 3}'))
    assert matcher.finished


def test_a_grammar_goes_on_behind_a_text_that_was_there_before(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    grammar = OutputFormat.from_schema(_PERSON, "schema").constraint().grammar
    begun = compiler.compile(grammar, '{"name": "Ann", "a')
    assert begun.valid(tokenizer.encode('ge": 7}')) == len(tokenizer.encode('ge": 7}'))
    assert begun.valid(tokenizer.encode('{"name"')) == 0
    begun.accept(tokenizer.encode('ge": 7}'))
    assert begun.finished
    assert compiler.compile(grammar, '{"name": "Ann", "age": 7}').finished


@pytest.mark.parametrize("begun", ["Sure: {", '{"age": "seven', '{"name": "Ann", "age": 7} {'])
def test_a_text_that_does_not_begin_a_grammar_is_refused(compiler: GrammarCompiler, begun: str) -> None:
    grammar = OutputFormat.from_schema(_PERSON, "schema").constraint().grammar
    with pytest.raises(InvalidRequest, match="so far does not keep"):
        compiler.compile(grammar, begun)
    assert not compiler.compile(grammar).finished  # the next answer begins at the start


def test_forcing_needs_a_tokenizer(tokenizer: Tokenizer) -> None:
    compiler = GrammarCompiler([b"a", b"b", b"ab", b"<end>"], special=[3], end_ids=[3])
    assert compiler.compile(serialise('start: "ab"')).forced() == []


def test_masks_cover_more_logits_than_tokens() -> None:
    compiler = GrammarCompiler([b"a", b"b", b"<end>"], special=[2], end_ids=[2], vocab_size=100)
    masks = np.full((1, 4), 0xFFFFFFFF, np.uint32)
    fill_masks([(compiler.compile(serialise('start: "b"')), ())], masks)
    assert _allowed(masks[0]) == {1}


def test_many_threads_compile_the_same_and_other_grammars(compiler: GrammarCompiler, tokenizer: Tokenizer) -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        for i in range(6):
            text = json.dumps({"value": (number + i) % 3})
            schema = {"type": "object", "properties": {"value": {"const": (number + i) % 3}}, "required": ["value"]}
            matcher = compiler.compile(OutputFormat.from_schema(schema, "schema").constraint().grammar)
            if matcher.valid(tokenizer.encode(text)) != len(tokenizer.encode(text)):
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_wrong_array_for_masks_is_refused(person: Matcher, tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        fill_masks([(person, tokenizer.encode('{"name'))], _masks(tokenizer, 2))
    with pytest.raises(ValueError, match="contiguous"):
        fill_masks([(person, ())], _masks(tokenizer, 1).astype(np.uint64))
