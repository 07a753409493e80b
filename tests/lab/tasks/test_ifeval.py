"""Each of IFEval's 25 kinds of instructions tells an answer that keeps to it from one that does not."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import DataUnavailable, InvalidRequest
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.target.answer import Answer
from sevenb.lab.tasks.ifeval import language
from sevenb.lab.tasks.ifeval.judge import CHECKS, judge, loosened
from sevenb.lab.tasks.ifeval.sentences import count_sentences
from sevenb.lab.tasks.ifeval.task import IFEval
from sevenb.lab.tasks.ifeval.words import count_capital_words

ENGLISH = "the weather was fine today and we went for a long walk by the river"

# Kind, arguments, an answer that keeps to it, one that does not.
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("keywords:existence", {"keywords": ["tea", "Milk"]}, "Teatime without milk.", "Tea alone."),
    ("keywords:frequency", {"keyword": "tea", "frequency": 2, "relation": "at least"}, "Tea, tea.", "Tea."),
    ("keywords:frequency", {"keyword": "tea", "frequency": 2, "relation": "less than"}, "Tea.", "Tea, tea."),
    ("keywords:forbidden_words", {"forbidden_words": ["tea"]}, "We play in teams.", "Tea, please."),
    ("keywords:letter_frequency", {"letter": "z", "let_frequency": 2, "let_relation": "at least"}, "Zigzag", "Zebra"),
    ("keywords:letter_frequency", {"letter": "!", "let_frequency": 2, "let_relation": "less than"}, "Oh!", "Oh!!"),
    ("language:response_language", {"language": "fr"}, "Il fait beau aujourd'hui et je suis content.", ENGLISH),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "less than"},
        "One. Two.",
        "A? B! So. On.",
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One.\n***\nTwo.", "One.\n\nTwo."),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        "***\nOne.\n***\nTwo.\n***",
        "One.\n***\n***\nTwo.",
    ),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "one two-three", "one two"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Second"},
        'First.\n\n"second," he said.',
        "First.\n\nThe second.",
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[name] of [town]", "[name]"),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "Bye.\nP. P. S: more", "Bye.\nP.S. more"),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* one\n- two", "* one\n* two\n* three"),
    ("detectable_format:constrained_response", {}, "My answer is maybe.", "My answer is perhaps."),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*one* and **two**", "*one* and two"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "PART", "num_sections": 2},
        "PART 1\na\nPART 2",
        "PART 1",
    ),
    ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', "a: 1"),
    ("detectable_format:title", {}, "<<On tea>>\nTea is fine.", "<< >>\nTea is fine."),
    ("combination:two_responses", {}, "One.\n******\nTwo.", "One.\n******\nOne."),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it."}, "say it. It.", "It. Say it."),
    ("startend:end_checker", {"end_phrase": "That is all."}, 'Well. "That is all."', "That is all. Bye."),
    ("startend:quotation", {}, ' "All of it." ', '"Some" of it.'),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 3, "capital_relation": "at least"},
        "NASA and COVID-19: I know.",
        "NASA and Covid-19: I know.",
    ),
    ("change_case:english_capital", {}, ENGLISH.upper(), ENGLISH.capitalize()),
    ("change_case:english_lowercase", {}, ENGLISH, ENGLISH.capitalize()),
    ("punctuation:no_comma", {}, "No; none.", "One, two."),
]


@pytest.mark.parametrize(("kind", "arguments", "right", "wrong"), CASES, ids=[case[0] for case in CASES])
def test_an_instruction_is_judged(kind: str, arguments: dict[str, Any], right: str, wrong: str) -> None:
    (kept,), (broken,) = judge(right, [kind], [arguments]), judge(wrong, [kind], [arguments])
    assert kept.strict
    assert not broken.strict


def test_every_kind_of_the_paper_is_there() -> None:
    assert len(CHECKS) == 25
    assert {case[0] for case in CASES} == set(CHECKS)


def test_a_blank_answer_keeps_to_nothing() -> None:
    (verdict,) = judge(" \n", ["punctuation:no_comma"], [{}])
    assert not verdict.strict
    assert not verdict.loose


def test_loosely_a_first_line_and_emphasis_do_not_count() -> None:
    answer = "Sure, here it is:\n*All fine.*"
    assert "All fine." in loosened(answer)
    (verdict,) = judge(answer, ["punctuation:no_comma"], [{}])
    assert not verdict.strict
    assert verdict.loose


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Smith met Mr. Jones at 5 p.m. on Monday. They spoke.", 2),
        ("It costs 3.50 in the U.S. today. Yes!", 2),
        ('He said "Stop!" Then he left (at once.) And so on', 3),
        ("1. First point\n2. Second point", 3),
        ("Wait... what? No!!!", 3),
        ("No mark at all", 1),
    ],
)
def test_sentences_are_counted_as_punkt_counts_them(text: str, count: int) -> None:
    assert count_sentences(text) == count


@pytest.mark.parametrize(
    ("text", "count"), [("I'M here", 2), ("CAN'T", 2), ("I'm", 1), ("COVID-19", 1), ("**BOLD** A/B U.S.", 3), ("x", 0)]
)
def test_capital_words_are_parted_as_the_treebank_parts_them(text: str, count: int) -> None:
    assert count_capital_words(text) == count


def _data(folder: Path, *rows: dict[str, Any]) -> DataFinder:
    (folder / "ifeval").mkdir()
    (folder / "ifeval" / "input_data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return DataFinder(folder)


def test_prompts_and_instructions_have_shares_of_their_own(tmp_path: Path) -> None:
    row = {
        "key": 7,
        "prompt": "Write one line without commas and with a title.",
        "instruction_id_list": ["punctuation:no_comma", "detectable_format:title"],
        "kwargs": [{"num_words": None}, {}],
    }
    task = IFEval()
    (item,), facts = task.load(_data(tmp_path, row))
    assert facts.items == 1
    assert task.prompt(item) == [{"role": "user", "content": row["prompt"]}]
    half = task.score(item, _answer("No comma here."))
    whole = task.score(item, _answer("<<Title>> No comma here."))
    assert (half.strict, whole.strict) == (False, True)
    groups = task.groups([(item, half), (item, whole)])
    assert groups["instruction-level strict"].value == 0.75
    assert groups["detectable_format:title"].value == 0.5


def test_arguments_that_do_not_fit_are_named(tmp_path: Path) -> None:
    row = {
        "key": 7,
        "prompt": "?",
        "instruction_id_list": ["length_constraints:number_words"],
        "kwargs": [{"num_words": "many", "relation": "at least"}],
    }
    with pytest.raises(DataUnavailable, match=r"item 7: the arguments of 'length_constraints:number_words'.*num_words"):
        IFEval().load(_data(tmp_path, row))


def test_a_missing_language_detector_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(language, "import_module", missing)
    language._detector.cache_clear()
    with pytest.raises(InvalidRequest, match=r"pip install 'sevenb\[lab\]'"):
        language.need_detector()
    monkeypatch.setattr(language, "import_module", importlib.import_module)
    assert language.detect_language("") is None


def _answer(text: str) -> Answer:
    return Answer(
        text=text, finish_reason="stop", prompt_tokens=1, cached_tokens=0, completion_tokens=1, chunks=(), seconds=1.0
    )
