"""The words of a text as IFEval counts them: all of them, and those in capital letters."""

import re

_CUTS = re.compile(
    r"[\s;@#$%&?!*\[\](){}<>\"“”«»„‘’`‒–—―]+|\.{2,}|--+|[:,](?!\d)|'(?!\w)|(?<!\w)'(?!(?:re|ve|ll|[mtsdn])\b)"
)
_CLITIC = re.compile(r"(?<=[^'])('[smd]|'ll|'re|'ve|n't)$", re.IGNORECASE)
_DOUBLE = frozenset({"CANNOT", "GIMME", "GONNA", "GOTTA", "LEMME", "WANNA"})


def count_words(text: str) -> int:
    """Runs of letters, digits and underscores: "don't" counts as two."""
    return len(re.findall(r"\w+", text))


def count_capital_words(text: str) -> int:
    """Words in capital letters as the Penn Treebank parts them: "COVID-19" is one, "I'M" and "CAN'T" are two each."""
    return sum(_capitals_in(word) for word in _CUTS.split(text) if word)


def _capitals_in(word: str) -> int:
    bare = word.rstrip(".")
    if bare in _DOUBLE:
        return 2
    clitic = _CLITIC.search(bare)
    parts = (bare[: clitic.start()], clitic[0]) if clitic else (bare,)
    return sum(part.isupper() for part in parts)
