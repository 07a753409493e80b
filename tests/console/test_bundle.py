"""What the page weighs, and that nothing in it points elsewhere."""

import gzip
import re
from pathlib import Path

from playwright.sync_api import Response

from tests.console.conftest import OpenPage
from tests.console.watched import idle

FIRST_LOAD = 250_000  # bytes of gzipped JavaScript

# Names of XML dialects, which nobody loads.
_NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xhtml", "http://www.w3.org/1998/Math/MathML")
_ABSOLUTE = re.compile(r"(?:https?:)?//[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+[^\s\"'`)]*")


def test_loads_little_javascript_at_first(open_page: OpenPage, built_page: Path) -> None:
    loaded: dict[str, int] = {}

    def note(response: Response) -> None:
        if response.request.resource_type == "script":
            name = response.url.partition("/console/")[2]
            loaded[name] = len(gzip.compress((built_page / name).read_bytes()))

    page = open_page("/#/settings/general")
    page.context.on("response", note)
    page.goto(page.url.partition("#")[0] + "?again#/chat")
    page.get_by_role("main").wait_for()
    idle(page)

    assert len(loaded) >= 2, "the theme and the page"
    assert sum(loaded.values()) < FIRST_LOAD, loaded


def test_holds_no_address_of_elsewhere(built_page: Path) -> None:
    files = [path for path in built_page.rglob("*") if path.suffix in (".js", ".css", ".html", ".svg", ".json")]
    assert files
    found = {
        f"{path.name}: {address}"
        for path in files
        for address in _ABSOLUTE.findall(path.read_text(encoding="utf-8"))
        if address not in _NAMESPACES
    }
    assert not found


def test_names_whose_work_it_contains(built_page: Path) -> None:
    notices = (built_page / "assets" / "third-party.txt").read_text(encoding="utf-8")
    for package in ("svelte", "marked", "highlight.js", "katex"):
        assert re.search(rf"^{re.escape(package)} \d", notices, re.MULTILINE), package
    assert "Permission is hereby granted" in notices


def test_lies_there_packed(built_page: Path) -> None:
    for path in built_page.rglob("*.js"):
        if path.stat().st_size > 1024:
            packed = path.with_name(path.name + ".gz")
            assert gzip.decompress(packed.read_bytes()) == path.read_bytes()
