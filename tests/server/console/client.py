"""A page's side of the console's API, without the page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.server.conftest import RunningServer

LONG = "a long answer that nobody waits for. " * 60
HEADERS = {"X-Sevenb-Console": "1"}


class Console:
    """What a page can ask for. One object is one browser: it has its own cookies."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.http = httpx.Client(base_url=f"{server.http.base_url}/console/api", headers=HEADERS, timeout=120)

    def sign_in(self, name: str, password: str) -> "Console":
        self.ok("POST", "/login", name=name, password=password)
        return self

    def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        return self.http.request(method, path, json=body) if body else self.http.request(method, path)

    def ok(self, method: str, path: str, **body: Any) -> Any:
        """The body of an answer that has to be a success; None where it has none."""
        response = self.ask(method, path, **body)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def error(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """The error that is expected, with its status."""
        response = self.ask(method, path, **body)
        assert response.is_error, response.text
        return {"status": response.status_code, **response.json()["error"]}

    # -- chats -----------------------------------------------------------------------------------------

    def new_chat(self, **fields: Any) -> str:
        return str(self.ok("POST", "/chats", **({"title": ""} | fields))["id"])

    def chat(self, chat_id: str) -> dict[str, Any]:
        return dict(self.ok("GET", f"/chats/{chat_id}"))

    def message(self, chat_id: str, message_id: str) -> dict[str, Any]:
        return next(message for message in self.chat(chat_id)["messages"] if message["id"] == message_id)

    def begin(self, chat_id: str, text: str | None, parent_id: str | None = None, **fields: Any) -> str:
        """Ask something; the id of the answer, which runs."""
        messages = [] if text is None else [{"role": "user", "content": text}]
        body = {"parent_id": parent_id, "messages": messages, **fields}
        return str(self.ok("POST", f"/chats/{chat_id}/answers", **body)["messages"][-1]["id"])

    def answer(self, chat_id: str, text: str | None, parent_id: str | None = None, **fields: Any) -> dict[str, Any]:
        """Ask something, and wait for the whole answer."""
        return self.end(chat_id, self.begin(chat_id, text, parent_id, **fields))

    def end(self, chat_id: str, message_id: str) -> dict[str, Any]:
        """The message of an answer once it has ended."""
        with self.events(chat_id, message_id) as events:
            return dict(list(events)[-1]["message"])

    @contextmanager
    def events(self, chat_id: str, message_id: str, after: int | None = None) -> Iterator[Iterator[dict[str, Any]]]:
        """The events of an answer, each with its `number`."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        path = f"/chats/{chat_id}/answers/{message_id}/events"
        with self.http.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200, response.read()
            yield _parsed(response.iter_lines())

    def stop(self, chat_id: str, message_id: str) -> dict[str, Any]:
        return dict(self.ok("POST", f"/chats/{chat_id}/answers/{message_id}/stop"))


def _parsed(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    number = 0
    for line in lines:
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            yield {"number": number, **json.loads(line[6:])}


def until_text(console: Console, chat: str, answer: str) -> None:
    """Wait until some of the answer is there."""
    with console.events(chat, answer) as events:
        next(event for event in events if event["type"] == "text" or event.get("message", {}).get("content"))


def freed(console: Console) -> None:
    """Wait until no sequence runs."""
    console.server.until(lambda: console.server.gauge("sevenb_num_requests_running") == 0)
