"""How long to keep something, as Ollama's users write it: ``5m``, ``1h30m``, ``300`` seconds, ``-1`` for ever."""

import math
import re

from sevenb.errors import InvalidRequest

_LONGEST = 2**63 / 1e9  # seconds: what Go counts its nanoseconds up to, and Ollama takes for ever

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"([+-]?)((?:{_PART.pattern})+)")
_NUMBER = re.compile(r"[+-]?(\d{1,18}(\.\d{0,18})?|\.\d{1,18})")


def parse_duration(value: object, parameter: str = "keep_alive") -> float | None:
    """Seconds, or None for ever, which any negative duration means, and any of centuries.

    Takes numbers of seconds, the same as text, and text as Go's ``time.ParseDuration`` (one or more numbers with a
    unit each). Raises `InvalidRequest`, which blames ``parameter``.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _invalid(value, parameter)
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            seconds = float(text)
        elif match := _WHOLE.fullmatch(text):
            seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(match[2]))
            seconds = -seconds if match[1] == "-" else seconds
        else:
            raise _invalid(value, parameter)
    else:
        seconds = float(min(max(value, -1), 10**12))
    if math.isnan(seconds):
        raise _invalid(value, parameter)
    return None if seconds < 0 or seconds >= _LONGEST else seconds


def _invalid(value: object, parameter: str) -> InvalidRequest:
    return InvalidRequest(
        f"{parameter} is {value!r:.60}; write a duration such as 5m, 1h30m or a number of seconds, -1 for ever, "
        "0 for not at all.",
        parameter,
    )
