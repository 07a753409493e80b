"""An OpenAI-compatible server on this machine whose answers a test writes, with the failures of real ones."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.http_server import serving


class Refusal(Exception):
    """Raised by a script: the request is answered with HTTP 400."""


class Dead(Exception):
    """Raised by a script: the connection is cut without an answer."""


@dataclass
class ScriptedServer:
    """``script`` makes the text of an answer from the last message (or the prompt) of a request."""

    script: Callable[[str], str]
    finish_reason: str = "stop"
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)  # as they came
    at_once: int = 0  # the most requests that were open together
    open_now: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> list[str]:
        return [question_of(body) for body in self.bodies]


def question_of(body: dict[str, Any]) -> str:
    return body["prompt"] if "prompt" in body else body["messages"][-1]["content"]


@contextmanager
def serve(script: Callable[[str], str], **settings: Any) -> Iterator[ScriptedServer]:
    """Run the server on a free port until the block ends."""
    scripted = ScriptedServer(script, **settings)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/v1/models":
                self._send(200, json.dumps({"object": "list", "data": [{"id": "scripted", "object": "model"}]}))
            else:
                self._send(404, "{}")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path not in ("/v1/chat/completions", "/v1/completions"):
                self._send(404, "{}")
                return
            with scripted.lock:
                scripted.bodies.append(body)
                scripted.open_now += 1
                scripted.at_once = max(scripted.at_once, scripted.open_now)
            try:
                self._send_events(scripted.script(question_of(body)), chat="messages" in body)
            except Refusal as refusal:
                self._send(400, json.dumps({"error": {"message": str(refusal), "code": 400}}))
            except Dead:
                self.close_connection = True
            finally:
                with scripted.lock:
                    scripted.open_now -= 1

        def _send_events(self, text: str, chat: bool) -> None:
            part = {"delta": {"content": text}} if chat else {"text": text}
            end = {"delta": {}} if chat else {"text": ""}
            chunks = [
                {"choices": [{"index": 0, "finish_reason": None, **part}]},
                {"choices": [{"index": 0, "finish_reason": scripted.finish_reason, **end}]},
                {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(text.split())}},
            ]
            events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
            self._send(200, events, "text/event-stream")

        def _send(self, status: int, text: str, kind: str = "application/json") -> None:
            content = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serving(Handler) as port:
        scripted.url = f"http://127.0.0.1:{port}/v1"
        yield scripted
