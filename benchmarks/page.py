"""``docs/performance.md`` and ``docs/tools.md``: prose by people, and between markers the figures of the last run."""

import re
from pathlib import Path

from benchmarks.remote import ROOT

PAGE = ROOT / "docs" / "performance.md"
TOOLS_PAGE = ROOT / "docs" / "tools.md"


def replace_section(name: str, text: str, page: Path = PAGE) -> None:
    """Put ``text`` between the markers of a section. Raises ValueError when the page has no such markers."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    content = page.read_text(encoding="utf-8")
    section = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not section.search(content):
        raise ValueError(f"{page} has no lines {begin} and {end}.")
    page.write_text(section.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", content), encoding="utf-8")
