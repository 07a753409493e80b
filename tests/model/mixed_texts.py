"""Texts that tokenizers disagree about: scripts, code, odd spaces, controls and marks, mixed but reproducible."""

import random

_FRAGMENTS = [
    *[
        "the quick brown fox",
        "I'll",
        "we're",
        " DON'T",
        "'s",
        "CamelCase",
        "ALLCAPS",
        "__init__",
        "Ünïcödé",
        "_",
        "!!!",
    ],
    *["你好世界", "，。！？", "中文和 English 混排", "日本語テスト", "한국어", "русский", "العربية", "हिन्दी", "\u3000"],
    *[" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", "\r\n\r\n", "\u00a0", "\u200b", "\ufeff", "\x85", "\u2028"],
    *["12345", "3.14", "1,000,000", "½", "Ⅷ", "²", "٣", "def f(x):\n    return x**2", '<div class="a">', "\\n"],
    *["😀", "👩‍👩‍👧", "🇨🇳", "e\u0301", "\u0301\u0323", "ﬁ", "𝒳", "\U0010ffff", "\ue000", "\x00", "\x07", "\x1b[0m"],
    *[
        "</s>",
        "<s>",
        "[INST]",
        "<0x0A>",
        "▁",
        "▁▁",
        "==========",
        "-----",
        "aaaa",
        "..............",
        "#include <stdio.h>",
    ],
]
_RANGES = [(0x00, 0x7F), (0x00, 0x2FF), (0x4E00, 0x9FFF), (0x00, 0xD7FF), (0xE000, 0x10FFFF)]


def mixed_texts(count: int, seed: int = 0) -> list[str]:
    """``count`` texts of up to some hundred characters; no lone surrogates."""
    rng = random.Random(seed)
    return [_mixed_text(rng) for _ in range(count)]


def _mixed_text(rng: random.Random) -> str:
    match rng.randrange(10):
        case 0:
            return "".join(rng.choices(" \n\t=ab-", k=rng.randint(1, 120)))
        case 1:
            return "".join(chr(rng.randint(*rng.choice(_RANGES))) for _ in range(rng.randint(1, 40)))
        case 2 | 3:
            return (
                " ".join(rng.choices(_FRAGMENTS, k=rng.randint(1, 20)))
                + " " * rng.randint(0, 40)
                + rng.choice(_FRAGMENTS)
            )
        case _:
            return "".join(rng.choices(_FRAGMENTS, k=rng.randint(1, 12)))
