"""Labels are read from any sensible shape, and only the right ones count."""

import json

import pytest

from sevenb.lab.scenarios.sentiment import REVIEWS, check_sentiments

RIGHT = {str(number): label for number, (_, label) in enumerate(REVIEWS, 1)}
JAPANESE = {"positive": "ポジティブ", "negative": "ネガティブ", "neutral": "中立"}


def passed(answer: str) -> int:
    return sum(check.passed for check in check_sentiments(answer))


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(RIGHT),
        f"```json\n{json.dumps(RIGHT, indent=2)}\n```",
        json.dumps({"results": RIGHT}),
        json.dumps([{"id": int(number), "sentiment": label} for number, label in RIGHT.items()]),
        json.dumps([{"review": "よい", "number": number, "sentiment": label} for number, label in RIGHT.items()]),
        json.dumps({number: {"sentiment": label} for number, label in RIGHT.items()}),
        json.dumps(list(RIGHT.values())),
        "\n".join(f"{number}. {label.capitalize()}" for number, label in RIGHT.items()),
        "\n".join(f"**{number}**：{JAPANESE[label]}" for number, label in RIGHT.items()),
    ],
)
def test_right_labels_count_in_any_shape(answer):
    assert passed(answer) == len(REVIEWS)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("", 0),
        ("positive negative neutral", 0),
        (json.dumps(dict.fromkeys(RIGHT, "positive")), 3),
        (json.dumps({**RIGHT, "3": "neutral"}), len(REVIEWS) - 1),
        (json.dumps({**RIGHT, "1": "positive or negative"}), len(REVIEWS) - 1),
        (json.dumps({number: RIGHT[number] for number in "12"}), 2),
        ("1: positive\n1: negative\n2: negative", 1),
    ],
)
def test_wrong_missing_and_hedged_labels_do_not(answer, right):
    assert passed(answer) == right
