"""The scenario "sentiment": Japanese reviews, each told to be positive, negative or neutral."""

import json
import re
from typing import Any

from sevenb.lab.results import Check
from sevenb.lab.scenarios.json_reading import read_json
from sevenb.lab.scenarios.scenario import Ask, Scenario, user

# Some hold a word of the other side, negated or outweighed, so that single words do not give them away.
REVIEWS: tuple[tuple[str, str], ...] = (
    ("軽くて持ち運びやすく、音質も期待以上でした。買って本当によかったです。", "positive"),
    ("一週間で電源が入らなくなりました。サポートに連絡しても返事がなく、がっかりです。", "negative"),
    ("最初は値段が高いと思いましたが、使ってみるとその価値は十分にあります。もう手放せません。", "positive"),
    ("写真はとても素敵だったのに、届いた品は傷だらけで使い物になりません。返品しました。", "negative"),
    ("昨日届きました。箱の中身は本体、ケーブル、説明書です。まだ使っていません。", "neutral"),
    ("悪いところが一つも見つかりません。母にも同じものを贈りました。", "positive"),
    ("おいしいと評判なので行ってみましたが、一時間待たされた上に料理は冷めていました。二度と行きません。", "negative"),
    ("営業時間は十時から十九時まで、定休日は水曜日です。駐車場は三台分あります。", "neutral"),
)

_LABELS = {
    "positive": r"positive|pos|ポジティブ|肯定的?|好意的|正面|积极",
    "negative": r"negative|neg|ネガティブ|否定的?|不満|负面|消极",
    "neutral": r"neutral|neu|ニュートラル|中立的?|中性",
}

_INSTRUCTION = (
    "次の商品や店のレビューを一つずつ読み、感情を positive、negative、neutral のいずれかに分類してください。"
    "neutral は、良いとも悪いとも言わず事実だけを述べているものです。"
    '結果は番号をキーとする JSON オブジェクトだけで答えてください。例：{"1": "positive", "2": "neutral"}\n\n'
    + "\n".join(f"{number}. {review}" for number, (review, _) in enumerate(REVIEWS, 1))
)


def check_sentiments(answer: str) -> list[Check]:
    """One check a review."""
    told = _told(answer)
    return [
        Check(
            "sentiment_right", told.get(number) == right, f"{number}: {told.get(number) or 'nothing'}; right: {right}"
        )
        for number, (_, right) in enumerate(REVIEWS, 1)
    ]


def _told(answer: str) -> dict[int, str | None]:
    """What each review was called, from JSON of any sensible shape, else from lines that begin with its number."""
    found = read_json(answer)
    pairs = list(_pairs(found.value)) if found else []
    if not pairs:
        pairs = re.findall(r"^[^\w\n]*(\d{1,9})\W+(.+)$", answer, re.MULTILINE)
    told: dict[int, str | None] = {}
    for number, words in pairs:
        label = _label(str(words))
        told[int(number)] = label if told.get(int(number), label) == label else None  # told twice, and not the same
    return told


def _pairs(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return [(str(number), item) for number, item in enumerate(value, 1)]
        return [pair for item in value for pair in _pairs(item)]
    if not isinstance(value, dict):
        return []
    numbered = [(key, item) for key, item in value.items() if re.fullmatch(r"\d{1,9}", key)]
    if numbered:
        return [(key, json.dumps(item, ensure_ascii=False)) for key, item in numbered]
    numbers = [item for item in value.values() if re.fullmatch(r"\d{1,9}", str(item))]
    labels = [item for item in value.values() if isinstance(item, str) and _label(item)]
    if len(numbers) == 1 and len(labels) == 1:
        return [(str(numbers[0]), labels[0])]
    return [pair for item in value.values() if isinstance(item, dict | list) for pair in _pairs(item)]


def _label(words: str) -> str | None:
    """The one label that is named; None if none is, or several."""
    named = {label for label, pattern in _LABELS.items()
             if re.search(rf"(?<![A-Za-z])(?:{pattern})(?![A-Za-z])", words, re.IGNORECASE)}  # fmt: skip
    return named.pop() if len(named) == 1 else None


SENTIMENT = Scenario(
    key="sentiment",
    title={"en": "Sentiment of Japanese reviews", "zh": "日语评论情感分析"},
    asks=(
        Ask(
            key="reviews",
            title={"en": "Eight reviews", "zh": "八条评论"},
            messages=(user(_INSTRUCTION),),
            check=check_sentiments,
            max_tokens=256,
        ),
    ),
)
