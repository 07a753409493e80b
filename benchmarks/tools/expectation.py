"""What a call should be: names and arguments compared as values, with room where several are right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OneOf:
    """Any of these values is right; with ``optional`` the argument may also be left out."""

    values: tuple[Any, ...]
    optional: bool = False


@dataclass(frozen=True)
class Saying:
    """A text that contains all of these words, in any case: there is no one right wording."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    """A call of a tool."""

    name: str
    arguments: Mapping[str, Any]


def one_of(*values: Any) -> OneOf:
    return OneOf(values)


def optional(*values: Any) -> OneOf:
    return OneOf(values, optional=True)


def saying(*words: str) -> Saying:
    return Saying(words)


def same_calls(expected: Sequence[Call], actual: Sequence[Call]) -> bool:
    """Whether the calls are those that were expected, in any order."""
    left = list(actual)
    for call in expected:
        found = next((a for a in left if a.name == call.name and matches(call.arguments, a.arguments)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def same_names(expected: Sequence[Call], actual: Sequence[Call]) -> bool:
    """Whether the right tools were called, whatever the arguments."""
    return sorted(call.name for call in expected) == sorted(call.name for call in actual)


def matches(expected: Any, actual: Any) -> bool:
    """Compare by value: 1 is 1.0 but not true, texts without regard to case and outer white space."""
    match expected:
        case OneOf(values):
            return any(matches(value, actual) for value in values)
        case Saying(words):
            return isinstance(actual, str) and all(word.casefold() in actual.casefold() for word in words)
        case str():
            return isinstance(actual, str) and expected.strip().casefold() == actual.strip().casefold()
        case bool() | None:
            return actual is expected
        case int() | float():
            return isinstance(actual, int | float) and not isinstance(actual, bool) and actual == expected
        case Mapping():
            if not isinstance(actual, Mapping) or not actual.keys() <= expected.keys():
                return False
            return all(
                matches(value, actual[key]) if key in actual else isinstance(value, OneOf) and value.optional
                for key, value in expected.items()
            )
        case Sequence():
            return isinstance(actual, list) and len(actual) == len(expected) and all(map(matches, expected, actual))
    raise TypeError(f"{expected!r} is no expectation")
