"""What one client may ask for, and what it hears when that is too much."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from sevenb.errors import TooManyRequests
from sevenb.server.access import limits
from sevenb.server.access.limits import Limits, RequestCounter
from tests.server.conftest import RunningServer

StartServer = Callable[..., RunningServer]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_in_no_minute_are_there_more_requests_than_the_rate() -> None:
    clock = Clock()
    counter = RequestCounter(Limits(rate=3), clock)
    admitted: list[float] = []
    for _ in range(400):
        with contextlib.suppress(TooManyRequests):
            counter.enter("anna")
            counter.leave("anna")
            admitted.append(clock.now)
        clock.now += 0.7
    assert len(admitted) >= 3 * 4
    assert all(later - sooner >= 60 for sooner, later in zip(admitted, admitted[3:], strict=False))


def test_who_waits_as_long_as_it_was_told_is_let_in() -> None:
    clock = Clock()
    counter = RequestCounter(Limits(rate=2), clock)
    counter.enter("anna")
    clock.now += 10
    counter.enter("anna")
    counter.enter("ben")  # who has a minute of his own
    with pytest.raises(TooManyRequests, match="2 requests a minute") as caught:
        counter.enter("anna")
    assert caught.value.retry_after == 50
    clock.now += caught.value.retry_after
    counter.enter("anna")


def test_requests_at_once_are_counted_until_they_end() -> None:
    counter = RequestCounter(Limits(concurrent=1))
    counter.enter("anna")
    counter.enter("ben")
    for _ in range(3):
        with pytest.raises(TooManyRequests, match="1 request of yours at once"):
            counter.enter("anna")
    counter.leave("anna")
    counter.enter("anna")


def test_clients_that_are_gone_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CLIENTS", 10)
    counter = RequestCounter(Limits(concurrent=1))
    counter.enter("busy")
    for number in range(100):
        counter.enter(str(number))
        counter.leave(str(number))
    assert len(counter._records) <= 11
    with pytest.raises(TooManyRequests):
        counter.enter("busy")


def errors_of(response: httpx.Response) -> dict[str, Any]:
    error: dict[str, Any] = response.json()["error"]
    return error


def test_each_key_has_a_rate_of_its_own(start_server: StartServer) -> None:
    server = start_server("--api-key", "one", "--api-key", "two", "--rate-limit", "2")

    def ask(**headers: str) -> httpx.Response:
        return server.http.post("/v1/completions", json={"prompt": "a"}, headers=headers)

    one, two = {"Authorization": "Bearer one"}, {"x-api-key": "two"}
    assert [ask(**one).status_code for _ in range(3)] == [200, 200, 429]
    assert [ask(**two).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(**{"x-api-key": "one"}).status_code == 429  # the same key, sent another way
    refused = ask(**one)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert errors_of(refused)["code"] == "rate_limit_exceeded"
    assert errors_of(refused)["type"] == "rate_limit_error"
    assert server.http.get("/v1/models", headers=one).status_code == 200  # which computes nothing
    assert ask(**{"x-api-key": "three"}).status_code == 401  # and says nothing about rates


def test_each_dialect_tells_it_in_its_own_shape(start_server: StartServer) -> None:
    server = start_server("--rate-limit", "1")
    server.post("/tokenize", prompt="a")

    def refusal(path: str) -> Any:
        refused = server.post(path)
        assert refused.status_code == 429
        assert "retry-after" in refused.headers
        return refused.json()

    assert refusal("/v1/chat/completions")["error"]["type"] == "rate_limit_error"
    anthropic = refusal("/v1/messages")
    assert (anthropic["type"], anthropic["error"]["type"]) == ("error", "rate_limit_error")
    assert isinstance(refusal("/api/chat")["error"], str)


def together(server: RunningServer, gate: Path, count: int, refused: int, **body: Any) -> list[httpx.Response]:
    """What so many requests hear of which none is answered before so many were refused."""
    with ThreadPoolExecutor(count) as pool:
        asking = [pool.submit(server.complete, "x" * 10, **body) for _ in range(count)]
        try:
            server.until(lambda: sum(one.done() for one in asking) >= refused)
        finally:
            gate.touch()
        return [one.result() for one in asking]


def test_requests_at_once_are_bounded_for_each_address(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--max-concurrent", "2", gate=str(tmp_path / "gate"))
    answers = together(server, tmp_path / "gate", 4, 2)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    assert server.complete("again").status_code == 200


def test_the_queue_is_bounded(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--max-open-requests", "2", gate=str(tmp_path / "gate"))
    answers = together(server, tmp_path / "gate", 4, 2)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert "retry-after" in refused.headers
    assert server.complete(["several", "prompts", "at once"]).status_code == 200  # alone they are taken


def test_each_answer_takes_a_place_in_the_queue(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server("--max-open-requests", "4", gate=str(tmp_path / "gate"))
    answers = together(server, tmp_path / "gate", 3, 1, n=2)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429]
    assert server.complete("again", n=4).status_code == 200  # their places are free again


def test_bodies_are_bounded_announced_or_not(start_server: StartServer) -> None:
    server = start_server("--max-body-bytes", "1000")
    assert server.complete("a" * 900).status_code == 200
    assert server.complete("a" * 1000).status_code == 413

    def chunks() -> Any:
        for _ in range(100):
            yield b" " * 100

    response = server.http.post("/v1/completions", content=chunks(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413
    assert errors_of(response)["code"] == "body_too_large"
    assert server.complete("a" * 900).status_code == 200
