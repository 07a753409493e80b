"""A small OpenAI-compatible server on this machine that answers as it is told, in the dialects of real ones."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.http_server import serving

# llama.cpp's was recorded from its server (b11434); the others were written from the servers' documentation.
LLAMA_CPP_MODELS = {
    "models": [{"name": "coder", "model": "coder", "capabilities": ["completion"]}],
    "object": "list",
    "data": [
        {
            "id": "coder",
            "object": "model",
            "owned_by": "llamacpp",
            "meta": {"vocab_type": 2, "n_vocab": 151936, "n_ctx": 2048, "n_ctx_train": 32768, "n_params": 630167424},
        }
    ],
}
VLLM_MODELS = {
    "object": "list",
    "data": [
        {"id": "Qwen/Qwen3-8B", "object": "model", "owned_by": "vllm", "root": "Qwen/Qwen3-8B", "max_model_len": 40960}
    ],
}
OLLAMA_MODELS = {
    "object": "list",
    "data": [{"id": "llama3.2:latest", "object": "model", "created": 1763000000, "owned_by": "library"}],
}
LM_STUDIO_MODELS = {
    "data": [
        {"id": "qwen2.5-7b-instruct", "object": "model", "owned_by": "organization_owner"},
        {"id": "text-embedding-nomic-embed-text-v1.5", "object": "model", "owned_by": "organization_owner"},
    ],
    "object": "list",
}


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


@dataclass
class OtherServer:
    """What it lists, and what it answers: events, each as JSON or as a line, or an error with a status."""

    models: Any = field(default_factory=lambda: OLLAMA_MODELS)
    events: list[Any] = field(default_factory=list)
    status: int = 200
    error: Any = None
    refuses: dict[str, Any] = field(default_factory=dict)  # a field of the request -> the error's body (status 400)
    done: bool = True  # ends with [DONE]
    endless: bool = False  # goes on for as long as somebody listens
    key: str = ""
    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    listings: int = 0
    left: threading.Event = field(default_factory=threading.Event)  # a client has left an endless answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running(server: OtherServer) -> Iterator[OtherServer]:
    """Run it on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.listings += 1
            if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                self._send(401, {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}})
            else:
                self._send(200 if self.path == "/v1/models" else 404, server.models)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append(body)
            refusal = next((error for name, error in server.refuses.items() if name in body), None)
            if refusal is not None:
                self._send(400, refusal)
            elif server.status != 200:
                self._send(server.status, server.error)
            else:
                self._stream()

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            for event in server.events:
                line = event if isinstance(event, str) else f"data: {json.dumps(event, ensure_ascii=False)}"
                self.wfile.write(f"{line}\n\n".encode())
            try:
                while server.endless:
                    self.wfile.write(f"data: {json.dumps(chunk(content='more '))}\n\n".encode())
                    self.wfile.flush()
            except OSError:
                server.left.set()
                return
            if server.done:
                self.wfile.write(b"data: [DONE]\n\n")

        def _send(self, status: int, document: Any) -> None:
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Handler) as server.port:
        yield server
