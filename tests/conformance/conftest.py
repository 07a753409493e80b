"""The real program on the real 0.5B model, and a quick one over the fake engine, for the points of conformance."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, serving

CONTEXT = 2048


@pytest.fixture(scope="session")
def program(coder_05b: Path) -> Iterator[Program]:
    """One server for all points; each leaves it as it was."""
    with serving(coder_05b, "--served-model-name", "coder", "--max-model-len", str(CONTEXT)) as running:
        yield running


@pytest.fixture(scope="session")
def http(program: Program) -> Iterator[httpx.Client]:
    with program.http as client:
        yield client


def events(response: httpx.Response) -> list[tuple[str | None, Any]]:
    """Server-sent events of a whole stream: name and JSON of each; the last word ``[DONE]`` is text."""
    found = []
    for block in response.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "data" in fields:
            data = fields["data"]
            found.append((fields.get("event"), data if data == "[DONE]" else json.loads(data)))
    return found


def chat(content: str, **fields: Any) -> dict[str, Any]:
    """The body of a greedy chat of one message."""
    return {"messages": [{"role": "user", "content": content}], "temperature": 0, **fields}
