"""All scenarios against servers: what a right model passes, what is refused, cut, left out, and gone on with."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from sevenb.errors import TargetFailed
from sevenb.lab.progress import silent_progress
from sevenb.lab.results import ScenarioSummary
from sevenb.lab.runs.store import RunStore
from sevenb.lab.scenarios import running
from sevenb.lab.scenarios.catalog import SCENARIOS, fingerprint
from sevenb.lab.scenarios.long_text import SUMMARY
from sevenb.lab.scenarios.mixed import MIXED
from sevenb.lab.scenarios.sql import QUERIES
from sevenb.lab.scenarios.structured import STRUCTURED
from sevenb.lab.scenarios.words import CHECKS
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target
from tests.console.llama_cpp_server import llama_cpp_serving
from tests.e2e.conftest import serving
from tests.lab.scenarios import test_long_text, test_mixed, test_role, test_sentiment, test_structured
from tests.lab.target.raw_server import ANSWER, json_reply, raw_server_beside, stream
from tests.lab.tasks.scripted_server import Dead, Refusal, serve

# The right answer by words of the last message.
ANSWERS = {
    "following letter": json.dumps(test_structured.RIGHT),
    "Who are you": test_role.RIGHT_TURNS["greeting"],
    "480 sea miles": test_role.RIGHT_TURNS["reckoning"],
    "Forget your role": test_role.RIGHT_TURNS["temptation"],
    "Which harbour": test_role.RIGHT_TURNS["memory"],
    "x² − 5x + 6": "Answer: x = 2, x = 3",
    "除以 9 余 7": "答案：142",
    "local extrema": "Answer: maximum at (0, 2), minimum at (2, -2)",
    "甲、乙": "答案：10 千米",
    "en français": test_mixed.RIGHT[0][1],
    "请只用中文": test_mixed.RIGHT[2][1],
    "in English.": test_mixed.RIGHT[4][1],
    "city Porto": QUERIES["city"][0],
    "从未下过": QUERIES["silent"][0],
    "spent most": QUERIES["turnover"][0],
    "レビュー": json.dumps(test_sentiment.RIGHT),
    "Summarise the report": test_long_text.GOOD_SUMMARY,
    "Find the following": json.dumps(test_long_text.entries()),
}


def right(question: str) -> str:
    (answer,) = [answer for words, answer in ANSWERS.items() if words in question]
    return answer


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path)


def run(store: RunStore, url: str, model: str = "scripted", **settings) -> dict:
    async def measure() -> ScenarioSummary:
        async with Client(Target(url, model, model)) as client:
            return await running.run_scenarios(client, store, progress=silent_progress(), **settings)

    return {row.key: row for row in asyncio.run(measure()).rows}


def failing(row) -> list[str]:
    return [check.name for check in row.checks if not check.passed]


def test_right_answers_pass_unless_the_server_cut_the_prompt(store):
    with serve(right) as server:
        rows = run(store, server.url)
    assert list(rows) == [scenario.key for scenario in SCENARIOS]
    assert len(rows) == 8
    # This server says that it read seven tokens, whatever it was sent.
    for key in ("summary", "extraction"):
        assert failing(rows.pop(key)) == ["read_whole"]
    assert [failing(row) for row in rows.values()] == [[]] * 6
    assert all(row.passed for row in rows.values())
    assert {check.name for row in rows.values() for check in row.checks} < set(CHECKS)


def test_requests_are_greedy_seeded_and_limited_and_turns_carry_what_was_said(store):
    with serve(right) as server:
        rows = run(store, server.url, limit_context=4096)
    assert all(body["temperature"] == 0 and body["seed"] == 0 and body["max_tokens"] > 0 for body in server.bodies)
    (memory,) = [body for body in server.bodies if "Which harbour" in body["messages"][-1]["content"]]
    assert [message["role"] for message in memory["messages"]] == ["system", *["user", "assistant"] * 3, "user"]
    assert memory["messages"][2]["content"] == test_role.RIGHT_TURNS["greeting"]
    shown = rows["role"].exchanges[-1]
    assert list(shown.prompt) == memory["messages"]
    assert shown.answer == test_role.RIGHT_TURNS["memory"]
    assert sum("response_format" in body for body in server.bodies) == 1


def test_long_scenarios_can_be_left_out_and_are_then_neither_passed_nor_asked(store):
    with serve(right) as server:
        rows = run(store, server.url, limit_context=4096)
    assert [key for key, row in rows.items() if row.left_out] == ["summary", "extraction"]
    assert not any(words in question for question in server.asked for words in ("Summarise", "Find the following"))
    assert rows["summary"].exchanges == ()
    assert not rows["summary"].passed


def test_answers_that_were_broken_off_do_not_pass(store, monkeypatch):
    monkeypatch.setattr(running, "SCENARIOS", (MIXED,))
    with serve(right, finish_reason="length") as server:
        assert failing(run(store, server.url)["mixed"]) == ["finished"] * 3


def test_a_run_goes_on_where_its_server_died(store, monkeypatch):
    monkeypatch.setattr(running, "SCENARIOS", (MIXED, STRUCTURED))
    dead = True

    def dying(question: str) -> str:
        if dead and "in English." in question:
            raise Dead
        return right(question)

    with serve(dying) as server:
        with pytest.raises(TargetFailed):
            run(store, server.url)
        (record,) = store.records("scenarios")
        assert record.state == "stopped"
        assert set(store.samples(record)) == {"mixed/fr", "mixed/zh"}
        dead = False
        asked = len(server.bodies)
        rows = run(store, server.url)
        assert len(server.bodies) == asked + 3  # one of "mixed", two of "structured"
    assert rows["mixed"].passed
    assert rows["structured"].passed
    (record,) = store.records("scenarios")
    assert record.state == "done"
    assert record.settings["scenarios"] == fingerprint()


def test_a_refused_request_fails_its_scenario_and_the_others_go_on(store, monkeypatch):
    monkeypatch.setattr(running, "SCENARIOS", (MIXED, STRUCTURED))

    def refusing(question: str) -> str:
        if "en français" in question:
            raise Refusal("no French today")
        return right(question)

    with serve(refusing) as server:
        rows = run(store, server.url)
    assert not rows["mixed"].passed
    assert "no French today" in rows["mixed"].exchanges[0].failure
    assert rows["structured"].passed


def test_the_real_model_follows_a_schema_and_is_not_sent_what_does_not_fit(store, monkeypatch, coder_05b):
    monkeypatch.setattr(running, "SCENARIOS", (STRUCTURED, SUMMARY))
    with serving(coder_05b, "--served-model-name", "coder", "--max-model-len", "4096", "--no-console") as program:
        rows = run(store, f"{program.url}/v1", "coder")
    guided, plain = rows["structured"].exchanges
    assert rows["structured"].passed, (guided, plain)
    assert guided.prompt_tokens == plain.prompt_tokens
    (summary,) = rows["summary"].exchanges
    assert summary.failure is not None
    assert "context holds 4096" in summary.failure
    assert not rows["summary"].passed


@pytest.fixture
def llama_cpp(smollm2: Path) -> Iterator[str]:
    with llama_cpp_serving(smollm2) as address:
        yield address


def test_another_engine_is_asked_the_same(store, monkeypatch, llama_cpp):
    brief = msgspec.structs.replace(
        MIXED, asks=tuple(msgspec.structs.replace(ask, max_tokens=24) for ask in MIXED.asks)
    )
    monkeypatch.setattr(running, "SCENARIOS", (brief, SUMMARY))
    rows = run(store, f"{llama_cpp}/v1", "coder")
    assert [exchange.failure for exchange in rows["mixed"].exchanges] == [None] * 3
    assert all(exchange.answer and exchange.prompt_tokens for exchange in rows["mixed"].exchanges)
    assert "context holds" in rows["summary"].exchanges[0].failure


def test_a_server_that_fails_once_is_asked_again_and_one_that_always_does_fails_the_request(store, monkeypatch):
    monkeypatch.setattr(running, "SCENARIOS", (MIXED,))
    failing_reply = json_reply({"error": {"message": "out of memory", "code": 500}}, "500 Internal Server Error")
    answering = stream(*ANSWER)
    with raw_server_beside(failing_reply, answering) as once:
        rows = run(store, once.url, "coder")
    assert [exchange.failure for exchange in rows["mixed"].exchanges] == [None] * 3
    with raw_server_beside(failing_reply) as always:
        rows = run(store, always.url, "coder")
    assert all("out of memory" in exchange.failure for exchange in rows["mixed"].exchanges)
