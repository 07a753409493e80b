"""The scenario "mixed": one question in Chinese, English and French at once, answered in each of the three."""

import re
from collections.abc import Callable

from sevenb.lab.results import Check
from sevenb.lab.scenarios.language import language
from sevenb.lab.scenarios.scenario import Ask, Scenario, Words, user

_QUESTION = "加拿大的首都 is which city, et quelles sont les deux langues officielles de ce pays ?"
_NAMES = {"en": "English", "zh": "Chinese", "fr": "French"}

# The capital and the two languages, as each of the three languages calls them.
_CONTENT = {
    "fr": (r"\bOttawa\b", r"\banglais\w*", r"\bfrançais\w*|\bfrancais\w*"),
    "zh": (r"渥太华|渥太華", r"英语|英文|英語", r"法语|法文|法語"),
    "en": (r"\bOttawa\b", r"\bEnglish\b", r"\bFrench\b"),
}
_OTHER_CAPITALS = r"(?:多伦多|蒙特利尔|温哥华|魁北克市|\bToronto|\bMontr[ée]al|\bVancouver|\bQu[ée]bec City)"
_NAMED_CAPITAL = re.compile(
    r"(?:首都(?:是|为)|capital(?: city)?(?: of Canada)?(?: is|,)|capitale(?: du Canada)?(?: est|,))"
    rf"\s*:?\s*{_OTHER_CAPITALS}",
    re.IGNORECASE,
)


def check_answer_in(wanted: str) -> Callable[[str], list[Check]]:
    """In the language that was asked for, with the capital and both languages; no other city called the capital."""

    def check(answer: str) -> list[Check]:
        told = language(answer)
        checks = [Check("language_right", told == wanted, _NAMES.get(told or "", told or "none, or several"))]
        capital, *languages = _CONTENT[wanted]
        wrong = _NAMED_CAPITAL.search(answer)
        checks.append(Check("answer_equal", False, wrong[0]) if wrong else _found("answer_equal", capital, answer))
        return [*checks, *(_found("keyword_found", pattern, answer) for pattern in languages)]

    return check


def _found(name: str, pattern: str, answer: str) -> Check:
    found = re.search(pattern, answer, re.IGNORECASE)
    return Check(name, bool(found), found[0] if found else f"{pattern} is missing")


def _asked(wanted: str, title: Words, request: str) -> Ask:
    messages = (user(f"{_QUESTION}\n{request}"),)
    return Ask(key=wanted, title=title, messages=messages, check=check_answer_in(wanted), max_tokens=200)


MIXED = Scenario(
    key="mixed",
    title={"en": "A question in three languages at once", "zh": "中英法混合提问"},
    asks=(
        _asked("fr", {"en": "Answer in French", "zh": "用法语回答"}, "Réponds en une phrase complète, en français."),
        _asked("zh", {"en": "Answer in Chinese", "zh": "用中文回答"}, "请只用中文，以一个完整的句子回答。"),
        _asked("en", {"en": "Answer in English", "zh": "用英语回答"}, "Answer in one full sentence, in English."),
    ),
)
