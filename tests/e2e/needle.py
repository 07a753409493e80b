"""A long document made of nothing, with facts to be found again hidden in it."""

import random
from dataclasses import dataclass

from sevenb.model.tokenizer import Tokenizer

_VERBS = ("collect", "merge", "render", "filter", "schedule", "encode", "resolve", "publish", "archive", "compare")
_NOUNS = ("orders", "tickets", "samples", "routes", "invoices", "sessions", "letters", "panels", "readings", "events")
_BETWEEN = "\n\n"
_NAMES = ("AMBER_FALCON", "QUIET_HARBOR", "SILVER_MEADOW", "DISTANT_ORCHARD", "COPPER_LANTERN")


@dataclass(frozen=True)
class Needle:
    """A constant of the program, and how far into it it stands, from 0 to 1."""

    name: str
    value: str
    depth: float

    @property
    def question(self) -> str:
        """What a model of code goes on with the value after; in a chat the smallest ones mix the facts up."""
        return f"\n\nassert {self.name} == "


@dataclass(frozen=True)
class Haystack:
    """A program of many functions with a constant at each of some depths."""

    text: str
    needles: tuple[Needle, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer, tokens: int, depths: tuple[float, ...], seed: int = 0) -> "Haystack":
        """A program of just under ``tokens`` tokens; ``seed`` makes others."""
        chance = random.Random(seed)
        needles = tuple(
            Needle(name, str(chance.randrange(100_000, 1_000_000)), depth)
            for name, depth in zip(_NAMES, depths, strict=False)
        )
        functions: list[str] = []
        left = tokens - 200  # the last function, the needles and a question
        while left > 0:
            functions.append(_function(chance, len(functions)))
            left -= len(tokenizer.encode(functions[-1] + _BETWEEN, add_bos=False))
        for needle in needles:
            functions.insert(int(needle.depth * (len(functions) - 1)), f"{needle.name} = {needle.value}\n")
        return cls(_BETWEEN.join(functions), needles)


def _function(chance: random.Random, number: int) -> str:
    verb, noun, other = chance.choice(_VERBS), chance.choice(_NOUNS), chance.choice(_NOUNS)
    return (
        f"def {verb}_{noun}_{_letters(number)}({noun}, {other}_by_name):\n"
        f'    """{verb.capitalize()} the {noun} that {chance.choice(_VERBS)} their {other}."""\n'
        f"    result = []\n"
        f"    for entry in {noun}:\n"
        f"        found = {other}_by_name.get(entry.name)\n"
        f"        if found is not None and found.{chance.choice(_VERBS)}_allowed:\n"
        f"            result.append({chance.choice(_VERBS)}(entry, found))\n"
        f"    return result\n"
    )


def _letters(number: int) -> str:
    """The number without digits, so that there is no other number to be found."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))
