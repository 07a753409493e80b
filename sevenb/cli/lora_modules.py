"""What ``--lora-modules`` names: LoRA adapters that are served as models of their own."""

import json
from collections.abc import Container, Iterable
from pathlib import Path

from sevenb.errors import InvalidRequest


def parse_lora_modules(values: Iterable[str], taken: Container[str] = ()) -> dict[str, str]:
    """Adapters by name, each with its file or folder; no name may be ``taken`` by a model.

    Forms as in vLLM: ``NAME=PATH``, or a JSON object with ``name`` and ``path``. Raises `InvalidRequest`.
    """
    modules: dict[str, str] = {}
    for value in values:
        name, path = _from_json(value) if value.lstrip().startswith("{") else _from_pair(value)
        if name in modules or name in taken:
            raise InvalidRequest(
                f"--lora-modules calls an adapter {name!r:.100}, and so is another; give each its own name.",
                "lora_modules",
            )
        if not Path(path).expanduser().exists():
            raise InvalidRequest(
                f"--lora-modules {name!r:.100} is to be {path}, and there is no such file or folder; check the path.",
                "lora_modules",
            )
        modules[name] = path
    return modules


def _from_pair(value: str) -> tuple[str, str]:
    name, equals, path = value.partition("=")
    if not (name.strip() and equals and path.strip()):
        raise _malformed(value)
    return name.strip(), path.strip()


def _from_json(value: str) -> tuple[str, str]:
    try:
        fields = json.loads(value)
    except ValueError:
        raise _malformed(value) from None
    name, path = fields.get("name"), fields.get("path")
    if not (isinstance(name, str) and name and isinstance(path, str) and path):
        raise _malformed(value)
    return name, path


def _malformed(value: str) -> InvalidRequest:
    return InvalidRequest(f"--lora-modules has {value!r:.100}; give an adapter as NAME=PATH.", "lora_modules")
