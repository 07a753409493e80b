"""`Settings`: the system prompt and sampling parameters of a chat, as people type and read them."""

import difflib
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest

UNSET = frozenset({"none", "default", "off"})  # words that bring a parameter's first value back


_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def unescape(text: str) -> str:
    r"""The text with line ends, tabs and backslashes for ``\n``, ``\t`` and ``\\``, which shells pass on as typed."""
    meanings = {escape: character for character, escape in _ESCAPES.items()}
    return re.sub(r"\\[\\nt]", lambda match: meanings[match[0]], text)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _stop_strings(text: str) -> tuple[str, ...]:
    """Words and quoted strings, with `unescape`'s escapes in either."""
    words = shlex.shlex(text, posix=True)
    words.whitespace_split, words.commenters, words.escape = True, "", ""
    return tuple(map(unescape, words))


@dataclass(frozen=True)
class Parameter:
    """One thing that can be set."""

    read: Callable[[str], object]
    kind: str  # what `read` takes, for the message when it does not
    default: object
    help: str
    absent: str = "none"  # what a value of None means


# Qwen publishes these values of temperature, top_p, top_k and repetition_penalty with its Qwen2.5 chat models
# (their generation_config.json); they suit the other families of the catalog, too.
PARAMETERS: Mapping[str, Parameter] = {
    "system": Parameter(_unquoted, "a text", None, "What the model is told to be."),
    "temperature": Parameter(float, "a number", 0.7, "0 always takes the likeliest token, more is bolder."),
    "top_p": Parameter(float, "a number", 0.8, "Choose among the likeliest tokens of this total probability."),
    "top_k": Parameter(int, "a whole number", 20, "Choose among this many of the likeliest tokens; 0 is all."),
    "min_p": Parameter(float, "a number", 0.0, "Leave out tokens less likely than this share of the best one's."),
    "repetition_penalty": Parameter(float, "a number", 1.05, "Above 1 discourages what was said already."),
    "presence_penalty": Parameter(float, "a number", 0.0, "Above 0 discourages tokens of the answer so far."),
    "frequency_penalty": Parameter(float, "a number", 0.0, "The same, more with every time."),
    "max_tokens": Parameter(int, "a whole number", None, "The longest answer.", absent="what fits"),
    "seed": Parameter(int, "a whole number", None, "Makes answers repeatable.", absent="random"),
    "stop": Parameter(_stop_strings, "strings", (), r"Strings that end the answer; \n is a line end."),
}


class Settings:
    """Present values of all `PARAMETERS`; every change is checked at once."""

    def __init__(self, **values: object) -> None:
        """Those that are not None replace the defaults. Raises `InvalidRequest` for one that cannot be."""
        self._values: dict[str, object] = {}
        self._recommended: Mapping[str, object] = {}
        for name, value in values.items():
            if value is not None:
                self._change(name, value)

    def __getitem__(self, name: str) -> object:
        return self._values.get(name, self._recommended.get(name, parameter(name).default))

    def recommend(self, values: Mapping[str, object]) -> None:
        """Take what a model's makers recommend instead of the defaults."""
        self._recommended = values

    @property
    def system(self) -> str | None:
        """The system prompt, if there is one."""
        system = self["system"]
        return None if system is None else str(system)

    @property
    def sampling_params(self) -> SamplingParams:
        """What the engine is asked for."""
        return SamplingParams.from_fields(self._fields())

    def set(self, name: str, text: str) -> None:
        """Change a parameter to what was typed; raises `InvalidRequest` when it is not known or not such a value."""
        known = parameter(name)
        if text.lower() in UNSET:
            self._values.pop(name, None)
            return
        try:
            value = known.read(text)
        except ValueError:
            raise InvalidRequest(f"{name} takes {known.kind}, not {text!r:.60}.", name) from None
        self._change(name, value)

    def text(self, name: str) -> str:
        """A present value as it would be typed."""
        value = self[name]
        if value is None or value == ():
            return parameter(name).absent
        if isinstance(value, tuple):
            return " ".join(shlex.quote(stop.translate(str.maketrans(_ESCAPES))) for stop in value)
        return str(value)

    def _change(self, name: str, value: object) -> None:
        if name != "system":
            SamplingParams.from_fields(self._fields() | {name: value})
        self._values[name] = value

    def _fields(self) -> dict[str, object]:
        return {name: self[name] for name in PARAMETERS if name != "system"}


def parameter(name: str) -> Parameter:
    """The parameter of this name; raises `InvalidRequest` with the nearest names for one that there is not."""
    if name in PARAMETERS:
        return PARAMETERS[name]
    near = difflib.get_close_matches(name, PARAMETERS, n=1)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(PARAMETERS)}."
    raise InvalidRequest(f"There is no parameter {name!r:.40}; {advice}", name)
