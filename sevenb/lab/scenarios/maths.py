"""The scenario "maths": four problems in English and Chinese, each with one right answer."""

import re
from collections.abc import Callable
from fractions import Fraction

from sevenb.lab.results import Check
from sevenb.lab.scenarios.final_answer import final_answer
from sevenb.lab.scenarios.plain_maths import NUMBER, number, plain
from sevenb.lab.scenarios.scenario import Ask, Scenario, Words, user

_MAX_TOKENS = 1024
_ASSIGNED = re.compile(rf"(?<![A-Za-z])x\s*(?:=|≈|is|为|等于)\s*({NUMBER})")
_WORD_OF = {
    "maximum": re.compile(r"max(?:imum|ima|imal)?\b|极\s*大|最\s*大", re.IGNORECASE),
    "minimum": re.compile(r"min(?:imum|ima|imal)?\b|极\s*小|最\s*小", re.IGNORECASE),
}
_POINT = re.compile(rf"\(\s*(?:x\s*=\s*)?({NUMBER})\s*[,，;]\s*(?:[yf](?:\([^()]*\))?\s*=\s*)?({NUMBER})\s*\)")
_VALUE_AT = re.compile(rf"[fy]\s*\(\s*(?:x\s*=\s*)?({NUMBER})\s*\)\s*=\s*({NUMBER})")


def read_roots(answer: str) -> set[Fraction]:
    """The values of x that an answer ends with: those said to be equal to x, else every number."""
    text = plain(final_answer(answer))
    assigned = _ASSIGNED.findall(text)
    if assigned:
        # "x = 2, 3" and "x = 2 or 3" go on behind the first value.
        behind = text[list(_ASSIGNED.finditer(text))[-1].end() :]
        more = re.match(rf"(?:\s*(?:,|，|、|or|and|或|和)\s*(?:{NUMBER})(?!\s*[*=^a-z]))+", behind)
        assigned += re.findall(NUMBER, more[0]) if more else []
    return _numbers(assigned or re.findall(NUMBER, _without_expressions(text)))


def read_number(answer: str) -> Fraction | None:
    """The one number that an answer ends with; where a calculation stands in it, what it comes to."""
    text = plain(final_answer(answer))
    told = [number(found) for found in re.findall(NUMBER, _without_expressions(text))]
    if len(set(told)) <= 1:
        return told[0] if told else None
    said = re.search(rf"(?:\bis|(?<!不)是|为|=)\s*({NUMBER})(?!\s*(?:[-+*/×÷^]|mod))", text)
    return number(said[1]) if said else None


def read_kilometres(answer: str) -> Fraction | None:
    """A distance in kilometres, whether it was told in them or in metres."""
    text = plain(final_answer(answer))
    told = re.findall(rf"({NUMBER})\s*(km\b|kilomet\w+|公里|千米|m\b|met(?:er|re)s?\b|米)", text, re.IGNORECASE)
    distances = {
        number(value) / (1000 if re.fullmatch(r"m|met(?:er|re)s?|米", unit, re.IGNORECASE) else 1)
        for value, unit in told
    }
    if len(distances) == 1:
        return distances.pop()
    return read_number(answer)


def read_extrema(answer: str) -> dict[str, tuple[Fraction, Fraction] | None]:
    """Where (x) and how large (y) the maximum and the minimum are that an answer ends with."""
    text = plain(final_answer(answer))
    if not all(word.search(text) for word in _WORD_OF.values()):
        text = plain("\n".join(answer.strip().splitlines()[-6:]))  # the result may be told in two lines or boxes
    return {name: _point(part) for name, part in _parts(text).items()}


def _parts(text: str) -> dict[str, str]:
    """What is said of each extremum: behind its name, or before it where figures come first."""
    places = sorted(
        (found.start(), found.end(), name) for name, word in _WORD_OF.items() for found in word.finditer(text)
    )
    if {name for _, _, name in places} != set(_WORD_OF):
        return {}
    first_figure = re.search(r"\d", text)
    behind = first_figure is None or first_figure.start() > places[0][0]
    parts: dict[str, str] = dict.fromkeys(_WORD_OF, "")
    for index, (start, end, name) in enumerate(places):
        before = places[index - 1][1] if index else 0
        after = places[index + 1][0] if index + 1 < len(places) else len(text)
        parts[name] += " ; " + (text[end:after] if behind else text[before:start])
    return parts


def _point(part: str) -> tuple[Fraction, Fraction] | None:
    pairs = {(number(x), number(y)) for x, y in _POINT.findall(part) + _VALUE_AT.findall(part)}
    if len(pairs) == 1:
        return pairs.pop()
    places = _numbers(re.findall(rf"x\s*=\s*({NUMBER})", part))
    values = _numbers(re.findall(NUMBER, re.sub(rf"x\s*=\s*{NUMBER}|x\s*\^\s*\d|\dx", " ", part)))
    if pairs or len(places) != 1 or len(values) != 1:
        return None
    return places.pop(), values.pop()


def _without_expressions(text: str) -> str:
    """The text without what is being calculated: "45*3+7=142" leaves 142, and so does "142 = 9*15+7"."""
    operation = rf"{NUMBER}(?:\s*(?:[-+*/×÷·^]|mod\b|times\b|div\b|cdot\b)\s*{NUMBER})+"
    shorter = re.sub(rf"{operation}\s*=|=\s*{operation}", " ", text)
    return re.sub(operation, " ", shorter)


def _numbers(found: list[str]) -> set[Fraction]:
    return {number(each) for each in found}


def _check(read: Callable[[str], object], right: object) -> Callable[[str], list[Check]]:
    def check(answer: str) -> list[Check]:
        try:
            found = read(answer)
        except ValueError as error:
            return [Check("answer_equal", False, str(error))]
        return [Check("answer_equal", found == right, f"read: {_shown(found)}; right: {_shown(right)}")]

    return check


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items()) or "nothing"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    if isinstance(value, set):
        return ", ".join(str(each) for each in sorted(value)) or "nothing"
    return "nothing" if value is None else str(value)


ROOTS = {Fraction(2), Fraction(3)}
REMAINDERS = Fraction(142)
EXTREMA = {"maximum": (Fraction(0), Fraction(2)), "minimum": (Fraction(2), Fraction(-2))}
DISTANCE = Fraction(10)

check_roots = _check(read_roots, ROOTS)
check_remainders = _check(read_number, REMAINDERS)
check_extrema = _check(read_extrema, EXTREMA)
check_distance = _check(read_kilometres, DISTANCE)


def _problem(key: str, title: Words, text: str, check: Callable[[str], list[Check]]) -> Ask:
    return Ask(key=key, title=title, messages=(user(text),), check=check, max_tokens=_MAX_TOKENS)


MATHS = Scenario(
    key="maths",
    title={"en": "Four maths problems", "zh": "四道数学题"},
    asks=(
        _problem(
            "roots",
            {"en": "Roots of a quadratic", "zh": "一元二次方程的根"},
            "Solve the equation x² − 5x + 6 = 0. Reason step by step, then end with one line of the form\n"
            "Answer: x = …, x = …",
            check_roots,
        ),
        _problem(
            "remainders",
            {"en": "Two remainders", "zh": "同余问题"},
            "求最小的三位数，它除以 9 余 7，除以 5 余 2。请逐步推理，最后单独用一行写出结果，格式为\n答案：<一个数>",
            check_remainders,
        ),
        _problem(
            "extrema",
            {"en": "Extrema of a cubic", "zh": "三次函数的极值"},
            "Find the local extrema of f(x) = x³ − 3x² + 2. Reason step by step, then end with one line of the form\n"
            "Answer: maximum at (x, f(x)), minimum at (x, f(x))",
            check_extrema,
        ),
        _problem(
            "walkers",
            {"en": "Two walkers", "zh": "两人行程问题"},
            "甲、乙两人同时从 A 地出发，沿同一条路步行前往 B 地。甲每小时走 6 千米，乙每小时走 4 千米。甲到达 B 地后"
            "立即沿原路返回，在离 B 地 2 千米处与仍在前往 B 地途中的乙相遇。A、B 两地相距多少千米？请逐步推理，"
            "最后单独用一行写出结果，格式为\n答案：<一个数> 千米",
            check_distance,
        ),
    ),
)
