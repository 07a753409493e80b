"""An answer must be in the language that was asked for, and right."""

import pytest

from sevenb.lab.scenarios.mixed import check_answer_in

RIGHT = [
    ("fr", "La capitale du Canada est Ottawa, et les deux langues officielles sont l'anglais et le français."),
    ("fr", "Le Canada a pour capitale Ottawa et deux langues officielles : l’anglais et le français."),
    ("zh", "加拿大的首都是渥太华，两种官方语言是英语和法语。"),
    ("zh", "加拿大的首都是渥太华（Ottawa），官方语言为英文与法文。"),
    ("en", "The capital of Canada is Ottawa, and the two official languages are English and French."),
    ("en", "The capital of Canada is Ottawa, not Toronto, and its official languages are English and French."),
]
WRONG = [
    ("fr", "The capital of Canada is Ottawa, and the official languages are English and French."),
    ("fr", "La capitale du Canada est Montréal, et les langues officielles sont l'anglais et le français."),
    ("fr", "La capitale du Canada est Ottawa, et les langues officielles sont anglais et espagnol."),
    ("zh", "La capitale du Canada est Ottawa."),
    ("zh", "加拿大的首都是 Montreal，以及英语和法语。渥太华是一个城市。"),
    ("zh", "加拿大的首都是渥太华，官方语言是英语和西班牙语。"),
    ("en", "The capital of Canada is Toronto, and not Ottawa; English and French are the official languages."),
    ("en", "加拿大的首都是 Ottawa，官方语言是 English 和 French。"),
    ("en", "Ottawa, English, French"),
    ("en", ""),
]


@pytest.mark.parametrize(("wanted", "answer"), RIGHT)
def test_right_answers_in_the_right_language_pass(wanted, answer):
    assert all(check.passed for check in check_answer_in(wanted)(answer)), check_answer_in(wanted)(answer)


@pytest.mark.parametrize(("wanted", "answer"), WRONG)
def test_wrong_content_or_language_fails(wanted, answer):
    assert not all(check.passed for check in check_answer_in(wanted)(answer))
