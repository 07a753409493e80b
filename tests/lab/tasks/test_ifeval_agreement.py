"""Our verdicts on IFEval's instructions are those of lm-evaluation-harness, on everything that it can judge offline.

It counts sentences by a model that has to be downloaded; what it then says is compared by hand.
"""

import importlib
import itertools
from collections.abc import Iterator
from typing import Any

import langdetect
import nltk
import pytest

from sevenb.lab.tasks.ifeval.judge import judge
from tests.lab.tasks.test_ifeval import CASES

TEXTS = [
    "Sure! Here is what you asked for:\n\n# My trip, day by day\n\n* **Monday**: [time]\n* Tuesday: the sea\n\nBye.",
    "<<A title>>\nFirst paragraph.\n***\nSecond paragraph; no more.\nP.S. I forgot the [name].\nP.P.S. And the [date].",
    "MY WHOLE ANSWER IS IN CAPITALS AND I'M SURE THAT NASA WON'T MIND IT AT ALL.",
    "everything here is small. we can't do more; it's what you wanted from us today.",
    '"My answer is yes. Is there anything else I can help with?"',
    '```json\n{"tea": ["green", "black"], "milk": null}\n```',
    "One answer about tea and milk.\n******\nAnother answer about zebras in the zoo.",
    "Aujourd'hui nous allons parler du thé, du lait et de la pluie qui tombe sur la ville.",
    "今天我们谈谈茶和牛奶，还有下雨的城市。",
    "PART 1\nTea tea tea!\nPART 2\nMilk - and honey: *sweet*.\n\nsecond, the *end*",
    "- a\n- b\n  * c\n\n\n\nSecond.\n\n1. one\n2. two (e.g. U.S.A., 3.14, $5,000)",
    "Say it. Dr. O'Neil's co-workers cannot; they're gonna leave at 5 P.M. -- or not...",
    "***\n\n[]\n<<>>\n** **",
]


@pytest.fixture(scope="module")
def harness() -> Iterator[Any]:
    """lm-eval's module, with the Penn Treebank's words taken from the text as a whole."""
    words = importlib.import_module("nltk.tokenize.destructive").NLTKWordTokenizer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nltk, "download", lambda *_, **__: False)
        patch.setattr(nltk, "word_tokenize", words.tokenize)
        patch.setattr(langdetect.DetectorFactory, "seed", 0)
        yield importlib.import_module("lm_eval.tasks.ifeval.utils")


def mutations(text: str) -> Iterator[str]:
    yield from (text, text.upper(), text.lower(), f'"{text}"', text.replace(",", ""), text[: len(text) // 2])
    yield from (f"Sure:\n{text}", f"{text}\nThat is all.", text.replace("\n", "\n\n"), text.replace("\n", "\n***\n"))


def test_verdicts_agree_with_lm_eval(harness: Any) -> None:
    # Where lm-eval takes a random letter instead of a sign there is nothing to compare.
    cases = [case for case in CASES if "number_sentences" not in case[0] and case[1].get("letter") != "!"]
    by_language = [case for case in cases if "language" in case[0] or "english" in case[0]]  # slow: on fewer texts
    by_form = [case for case in cases if case not in by_language]
    texts = [*itertools.chain(*map(mutations, TEXTS)), *(text for case in CASES for text in case[2:])]
    assert len(texts) > 150
    assert not [difference for text in texts for difference in differences(harness, text, by_form)]
    assert not [difference for text in TEXTS for difference in differences(harness, text, by_language)]


def differences(harness: Any, text: str, cases: list[Any]) -> list[Any]:
    kinds, arguments = [case[0] for case in cases], [case[1] for case in cases]
    item = {"key": 0, "instruction_id_list": kinds, "prompt": "Say it.", "kwargs": arguments}
    theirs = harness.process_results(item, [text])
    pairs = zip(theirs["inst_level_strict_acc"], theirs["inst_level_loose_acc"], strict=True)
    return [
        (text, verdict, pair)
        for verdict, pair in zip(judge(text, kinds, arguments), pairs, strict=True)
        if (verdict.strict, verdict.loose) != pair
    ]
