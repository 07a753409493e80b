"""The document is long, always the same and holds its facts where it should; answers about it are judged fairly."""

import json

import pytest

from sevenb.lab.scenarios.document import PLANTED, document
from sevenb.lab.scenarios.long_text import EXTRACTION, FACTS, GISTS, SUMMARY, check_extraction, check_summary
from sevenb.model.gguf import GGUFFile
from sevenb.model.tokenizer import Tokenizer

GOOD_SUMMARY = """\
In 2031 the Halden Bay desalination plant delivered 38.6 million cubic metres of drinking water. The report goes
through each part of the plant, from the intake to the outfall, and tells how it ran in every month, what was
maintained and what was found. Most parts were available for more than 97 percent of the time, and the water kept to
all limits. The longest outage began on 23 May: a dip of voltage made a worn protection relay drop out, and all
trains stood still for 41 hours. Because the vessels of Train 5 are corroding, the board has decided to replace all
of them by October 2032. Other wishes, such as a seventh filter bed and a second generator, have been put off."""


def entries(**changes) -> dict:
    right = {fact.key: {"value": fact.value, "quote": fact.planted.sentence} for fact in FACTS}
    return {key: {**entry, **changes.get(key, {})} for key, entry in right.items()}


def failures(value) -> list[str]:
    answer = value if isinstance(value, str) else json.dumps(value)
    return [f"{check.name} {check.detail[:1]}" for check in check_extraction(answer) if not check.passed]


def test_the_document_is_the_same_for_its_seed_and_another_for_another():
    assert document().text == document.__wrapped__().text
    assert document(1).text != document().text


def test_each_planted_sentence_stands_once_and_in_its_section():
    text = document().text
    for planted in PLANTED:
        assert text.count(planted.sentence) == 1
        assert planted.sentence in document().sections[planted.section]
        assert text.index(f"### {planted.section} ") < text.index(planted.sentence)
    for fact in FACTS:
        assert fact.value in fact.planted.sentence
        assert document().sections[fact.planted.section].count(fact.value) == 1


def test_it_is_longer_than_twelve_thousand_tokens_and_words_are_no_more_than_tokens(coder_05b, smollm2):
    for path in (coder_05b, smollm2):
        tokens = len(Tokenizer.from_metadata(GGUFFile.open(path).metadata).encode(document().text))
        assert tokens > 12_000
        assert document().words < tokens


def test_a_good_summary_passes():
    assert all(check.passed for check in check_summary(GOOD_SUMMARY)), check_summary(GOOD_SUMMARY)


@pytest.mark.parametrize(
    ("old", "new", "failing"),
    [
        ("38.6 million", "36.8 million", ["keyword_found"]),
        ("38.6 million", "138.6 million", ["keyword_found"]),
        ("41 hours", "14 hours", ["keyword_found"]),
        ("41 hours", "141 hours", ["keyword_found"]),
        ("41 hours", "forty-one hours", []),
        ("38.6 million", "38,600,000", []),
        ("protection relay", "pump", ["keyword_found"]),
        ("Train 5", "train 4", ["keyword_found"]),
        ("October 2032", "2032", ["keyword_found"]),
        (GOOD_SUMMARY[200:], " The end.", ["length_right", *["keyword_found"] * 4]),
    ],
)
def test_a_summary_that_lacks_something_fails_for_it_alone(old, new, failing):
    found = check_summary(GOOD_SUMMARY.replace(old, new))
    assert [check.name for check in found if not check.passed] == failing, found


def test_a_summary_in_another_language_or_copied_out_fails():
    german = GOOD_SUMMARY.replace("the", "das").replace("of", "von").replace("was", "war").replace("and", "und")
    assert not check_summary(german)[0].passed
    assert not check_summary(document().text[:6000])[1].passed


def test_keywords_are_located_in_the_source():
    details = [check.detail for check in check_summary(GOOD_SUMMARY) if check.name == "keyword_found"]
    assert [detail.rpartition("(")[2] for detail in details] == [f"section {planted.section})" for planted, _ in GISTS]


def test_the_right_values_with_their_sentences_pass_in_several_shapes():
    assert failures(entries()) == []
    assert failures(f"```json\n{json.dumps(entries(), indent=1)}\n```") == []
    assert failures([{"id": key, **entry} for key, entry in entries().items()]) == []
    assert failures({"answers": entries()}) == []
    worded = {"A": "Bay 17-C of the north warehouse", "B": "98.74 percent", "D": 18.5, "F": "June 30, 2038"}
    assert failures(entries(**{key: {"value": value} for key, value in worded.items()})) == []
    trimmed = FACTS[0].planted.sentence.removesuffix(".").replace(" of pump", "\nof pump")
    assert failures(entries(A={"quote": trimmed})) == []


@pytest.mark.parametrize(
    ("changes", "failing"),
    [
        ({"A": {"value": "17-D"}}, ["value_equal A"]),
        ({"B": {"value": "198.74"}}, ["value_equal B"]),
        ({"E": {"value": "41 or 14"}}, ["value_equal E"]),
        ({"F": {"value": "2038"}}, ["value_equal F"]),
        ({"C": {"quote": "The serial number of the rotor of exchanger X-53 is RC-70958."}}, ["located C"]),
        ({"C": {"quote": "RC-70958"}}, ["located C"]),
        ({"D": {"quote": FACTS[0].planted.sentence}}, ["located D"]),
        ({"D": {"quote": ""}}, ["located D"]),
        ({"D": {"quote": None, "value": ["18.5"]}}, ["value_equal D", "located D"]),
    ],
)
def test_wrong_values_and_quotes_that_stand_elsewhere_or_nowhere_fail(changes, failing):
    assert failures(entries(**changes)) == failing


def test_values_without_quotes_are_half_of_it():
    assert failures({fact.key: fact.value for fact in FACTS}) == [f"located {fact.key}" for fact in FACTS]


def test_no_json_is_said_to_be_none():
    assert failures("I could not find it.")[0].startswith("json_read")


def test_both_scenarios_begin_with_the_same_long_text():
    (summary,), (extraction,) = (scenario.asks for scenario in (SUMMARY, EXTRACTION))
    shared = document().text
    assert summary.messages[0]["content"].index(shared) == extraction.messages[0]["content"].index(shared)
    assert SUMMARY.long_words == EXTRACTION.long_words == len(shared.split())
