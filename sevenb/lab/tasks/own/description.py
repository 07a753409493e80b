"""`Description`: what the YAML file of one's own task says; every mistake in it is named by file, line and key."""

import difflib
import json
import re
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from sevenb.errors import InvalidRequest

MAX_YAML_BYTES = 1 << 20
MAX_DEPTH = 100  # of lists and mappings within each other: reading more takes time that grows with its square


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of the file. ``data`` and ``examples`` are paths from its folder; ``items`` may stand for ``data``."""

    prompt: str
    score: Literal["exact", "number", "choice", "contains", "regex", "json_schema", "python"]
    name: str = ""
    title: str = ""
    system: str = ""
    data: str | None = None
    items: list[dict[str, Any]] | None = None
    answer: str = "answer"
    choices: str = "choices"
    group: str | None = None
    key: str | None = None
    json_schema: dict[str, Any] | None = None
    ignore_case: bool = False
    examples: str | None = None
    shots: int = 0
    max_tokens: int = 512
    temperature: float = 0.0


_FORMS = {
    "Expected `str`": "text",
    "Expected `int`": "a whole number",
    "Expected `float`": "a number",
    "Expected `bool`": "true or false",
    "Expected `object`": "a mapping",
    "Expected `array`": "a list",
}


class Mistakes:
    """Makes errors that name the file, the line of a key and the key."""

    def __init__(self, path: Path, lines: dict[str, int]) -> None:
        self._path = path
        self._lines = lines

    def at(self, key: str, message: str) -> InvalidRequest:
        """An error about a key."""
        line = f", line {self._lines[key]}" if key in self._lines else ""
        return InvalidRequest(f"{self._path}{line}: {message}", key)


def read_description(path: Path) -> tuple[Description, Mistakes]:
    """Read and check the file. Raises `InvalidRequest`."""
    text = _text(path)
    document, lines = _parsed(path, text)
    mistakes = Mistakes(path, lines)
    known = Description.__struct_fields__
    for key in document:
        if key not in known:
            raise mistakes.at(key, f"there is no key {key!r}{nearest(key, known)}; there are {', '.join(known)}.")
    for key in ("prompt", "score"):
        if key not in document:
            raise mistakes.at(key, f"the key {key!r} is missing.")
    try:
        description = msgspec.convert(document, Description)
    except msgspec.ValidationError as error:
        raise _wrong(error, document, mistakes) from None
    _check(description, path, mistakes)
    return description, mistakes


def nearest(name: str, known: tuple[str, ...] | list[str]) -> str:
    """The known name that was probably meant, as the end of a sentence; nothing where none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise InvalidRequest(f"{path} has more than 1 MiB; put the questions into a file of their own (data: …).")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{path} is not UTF-8 text.") from None
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read ({error.strerror}).") from None


def _parsed(path: Path, text: str) -> tuple[dict[str, Any], dict[str, int]]:
    """The document and the line of each key at its top."""
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            # Aliases make much out of little, and no task needs them.
            if isinstance(event, yaml.AliasEvent):
                raise InvalidRequest(f"{path}: anchors and aliases (& and *) are not read here; write the values out.")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise InvalidRequest(f"{path}: this is not YAML for a task (more than {MAX_DEPTH} levels).")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
        json.dumps(document, ensure_ascii=False, skipkeys=True, default=str).encode()  # "\\ud800" is no text
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InvalidRequest(f"{path}{line}: this is not YAML ({error.problem}).") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"{path}: this is not YAML ({' '.join(str(error).split())[:200]}).") from None
    if not isinstance(root, yaml.MappingNode) or not isinstance(document, dict):
        raise InvalidRequest(f"{path}: keys are expected, such as 'prompt: …' and 'score: …'.")
    lines: dict[str, int] = {}
    for node, _ in root.value:
        key = str(node.value)
        if key in lines:
            raise InvalidRequest(f"{path}, line {node.start_mark.line + 1}: the key {key!r} is there twice.")
        lines[key] = node.start_mark.line + 1
    return {str(key): value for key, value in document.items()}, lines


def _wrong(error: msgspec.ValidationError, document: dict[str, Any], mistakes: Mistakes) -> InvalidRequest:
    place = re.search(r"`\$\.(\w+)", str(error))
    key = place[1] if place else ""
    if key == "score":
        kinds = ("exact", "number", "choice", "contains", "regex", "json_schema", "python")
        given = str(document["score"])
        return mistakes.at(
            key, f"no way to score is called {given!r}{nearest(given, kinds)}; there are {', '.join(kinds)}."
        )
    form = next((words for start, words in _FORMS.items() if str(error).startswith(start)), "another kind of value")
    return mistakes.at(key, f"{key!r} must be {form}, not {document.get(key)!r:.60}.")


def _check(description: Description, path: Path, mistakes: Mistakes) -> None:
    """What types alone do not say."""
    if (description.data is None) == (description.items is None):
        raise mistakes.at(
            "data", "give the questions either as a file ('data: questions.jsonl') or as a list ('items:')."
        )
    if not re.fullmatch(r"[\w.-]*", description.name):
        raise mistakes.at("name", f"'name' may have letters, digits, '-', '_' and '.', not {description.name!r}.")
    for key, least, most in (("shots", 0, 100), ("max_tokens", 1, 1 << 20), ("temperature", 0, 10)):
        value = getattr(description, key)
        if not least <= value <= most:
            raise mistakes.at(key, f"{key!r} must be between {least} and {most}, not {value}.")
    if description.shots and not description.examples:
        raise mistakes.at("shots", "shots are taken from a file of examples; name it with 'examples: FILE.jsonl'.")
    if (description.score == "json_schema") != (description.json_schema is not None):
        raise mistakes.at("json_schema", "'score: json_schema' and the key 'json_schema' with the schema go together.")
