"""Chats that are shown as they were kept: what tests of threads put on the page."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from playwright.sync_api import Locator, Page

from tests.console.archives import bring, chat
from tests.server import forked


def kept_at(url: str, *texts: str, **changes: Any) -> str:
    """Keep a chat of one branch on a server; where the page shows it. ``changes`` are fields of its last message."""
    one = chat(f"thread {uuid4().hex}", *texts)
    one["messages"][-1].update(changes)
    return keep(url, one)


def keep(url: str, one: Any) -> str:
    """Keep a chat on a server; where the page shows it."""
    with httpx.Client(base_url=url, timeout=120) as http:
        bring(http, [one])
        chats = http.get("/console/api/chats", params={"limit": 200}).json()["chats"]
        (chat_id,) = [summary["id"] for summary in chats if summary["title"] == one["title"]]
    return f"/#/chat/{chat_id}"


def answer(page: Page) -> Locator:
    """The text of the last answer."""
    return page.locator("article.assistant").last.locator(".markdown").first


@contextmanager
def echoing(page_folder: Path, **config: Any) -> Iterator[str]:
    """The URL of a server whose model answers with the message it gets, a byte a token."""
    process = forked.start("--workspace", json.dumps(config), SEVENB_PAGE=str(page_folder))
    try:
        port = re.match(r"\d+", process.stdout.readline())
        assert port, "the server did not start"
        url = f"http://127.0.0.1:{port[0]}"
        with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=10), timeout=120) as http:
            while http.get("/health").status_code != 200:  # it listens a moment after it has told its port
                time.sleep(0.02)
        yield url
    finally:
        process.kill()
        process.wait()
