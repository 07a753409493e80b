"""Latency by length of context, of our own server with a real model, and of servers that are hard to measure."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import InvalidRequest, TargetFailed
from sevenb.lab.progress import silent_progress
from sevenb.lab.results import LatencyRow, LatencySummary
from sevenb.lab.runs.store import RunStore
from sevenb.lab.speed.latency import measure_latency
from sevenb.lab.speed.latency_rows import SEVERAL
from sevenb.lab.speed.prompts import prompt_of
from sevenb.lab.target.client import Client
from sevenb.lab.target.opening import open_target
from sevenb.lab.target.target import Target
from tests.lab.speed.words import Words
from tests.lab.target.raw_server import Connection, Reply, event, raw_server

MODEL_CONTEXT = 1024


def notes_on_chunks(row: LatencyRow, answers: int) -> tuple[str, ...]:
    """What has to be said where our server had several tokens to send at once, as on a machine with other work."""
    assert row.itl is not None and row.output_tokens is not None  # noqa: PT018
    chunks = row.itl.count + answers
    each = answers * row.output_tokens / chunks
    return (f"{each:.1f} tokens came at a time: gaps between chunks are longer than a token takes.",) * (each > SEVERAL)


def test_a_real_model_at_several_lengths(smollm2: Path, tmp_path: Path) -> None:
    store = RunStore(tmp_path)

    async def measure() -> tuple[LatencySummary, list[str]]:
        options = ["--max-model-len", str(MODEL_CONTEXT)]
        async with open_target(str(smollm2), None, None, progress=silent_progress(), serve_options=options) as client:
            prompts = [(await prompt_of(client, 200, seed))[0]["content"] for seed in range(4)]
            counted = [(await client.chat(await prompt_of(client, 99, seed), max_tokens=1)) for seed in (5, 6)]
            assert [answer.prompt_tokens for answer in counted] == [99, 99]
            summary = await measure_latency(
                client, store, contexts=[128, MODEL_CONTEXT, 2048], output_tokens=8, repeats=2, warm=True,
                progress=silent_progress(),
            )  # fmt: skip
            return summary, prompts

    summary, prompts = asyncio.run(measure())
    assert len({prompt[:20] for prompt in prompts}) == 4, "each begins with its own words"
    cold, warm, full, _, refused = summary.rows
    assert (cold.prompt_tokens, cold.output_tokens, cold.warm, cold.refused) == (128, 8, False, None)
    assert (cold.cached_tokens or 0) < 64, "of the template alone"
    assert cold.notes == notes_on_chunks(cold, 2)
    assert warm.warm
    assert warm.cached_tokens is not None
    assert warm.cached_tokens >= 64
    assert warm.prefill_rate is None, "nothing was computed"
    for row in (cold, warm, full):
        assert row.ttft is not None
        assert row.tpot is not None
        assert row.itl is not None
        assert row.e2e is not None
        assert row.server_ttft is not None
        assert row.server_tpot is not None
        assert row.ttft.count == row.e2e.count == 2
        assert 0 < row.ttft.median < row.e2e.median
        # What is beside 5 % is for a machine that does other work, too: these prompts and answers are very short.
        assert row.ttft.median == pytest.approx(row.server_ttft, rel=0.05, abs=0.5)
        assert row.tpot.median == pytest.approx(row.server_tpot, rel=0.05, abs=0.1)
        assert row.e2e.median > 0.9 * (row.server_ttft + 7 * row.server_tpot)
    assert full.prompt_tokens == MODEL_CONTEXT - 8, "prompt and answer fill the context"
    length = f"The prompt had {MODEL_CONTEXT - 8:,} tokens, not {MODEL_CONTEXT:,}."
    assert full.notes == (length, *notes_on_chunks(full, 2))
    assert (refused.context, refused.ttft) == (2048, None)
    assert refused.refused is not None
    assert "2048 tokens" in refused.refused

    (record,) = store.records("latency")
    assert record.state == "done"
    samples = store.samples(record)
    assert set(samples) == {
        *(f"{context}/{mode}/{repeat}" for context in (128, 1024) for mode in ("cold", "warm") for repeat in (0, 1)),
        "2048/refused",
    }
    assert len(samples["128/cold/0"]["answer"]["chunks"]) > 1


# -- servers that are hard to measure -------------------------------------------------------------------


def latency_of(words: Reply, store: RunStore, contexts: Sequence[int] = (100, 200), **options: Any) -> LatencySummary:
    async def measure() -> LatencySummary:
        async with raw_server(words) as raw, Client(Target(raw.url, "coder", "coder"), timeout=20) as client:
            # A name that stays: to go on is a matter of the same server.
            client.target = Target(raw.url, "coder", "coder")
            settings: dict[str, Any] = {"output_tokens": 4, "repeats": 2, **options}
            return await measure_latency(client, store, contexts=contexts, progress=silent_progress(), **settings)

    return asyncio.run(measure())


def test_a_length_that_is_refused_becomes_a_row_and_the_others_go_on(tmp_path: Path) -> None:
    first, second, third = latency_of(Words(limit=150), RunStore(tmp_path), [100, 200, 120]).rows
    assert (first.refused, second.refused, third.refused) == (None, "200 are too many tokens.", None)
    assert (first.prompt_tokens, third.prompt_tokens) == (100, 120)


def test_a_server_that_shuts_down_in_the_middle_is_no_matter_of_the_length(tmp_path: Path) -> None:
    words, is_gone = Words(), False

    async def until_it_shuts_down(connection: Connection) -> None:
        nonlocal is_gone
        if is_gone:
            connection.reset()
        elif len(connection.body["messages"][0]["content"].split()) + 4 == 200:
            is_gone = True
            await connection.head()
            await connection.send(event({"error": {"message": "The server is shutting down."}}))
        else:
            await words(connection)

    store = RunStore(tmp_path)
    with pytest.raises(TargetFailed, match="closed the connection"):
        latency_of(until_it_shuts_down, store)
    assert set(store.samples(store.records("latency")[0])) == {"100/cold/0", "100/cold/1"}


def test_a_server_that_cuts_prompts_in_silence_is_found_out(tmp_path: Path) -> None:
    (row,) = latency_of(Words(limit=150, cuts=True), RunStore(tmp_path), [200]).rows
    assert row.prompt_tokens == 150
    assert row.notes == ("The prompt had 150 tokens, not 200.",)


def test_a_server_that_does_not_know_ignore_eos_is_told(tmp_path: Path) -> None:
    (row,) = latency_of(Words(ends_after=3), RunStore(tmp_path), [100]).rows
    assert row.output_tokens == 3
    assert row.notes == ("Answers ended after 3 tokens, not 4: the server does not know ignore_eos.",)


def test_a_server_that_counts_nothing_has_times_but_none_per_token(tmp_path: Path) -> None:
    (row,) = latency_of(Words(usage=False), RunStore(tmp_path), [100]).rows
    assert row.ttft is not None
    assert row.itl is not None
    assert (row.tpot, row.prompt_tokens, row.decode_rate) == (None, None, None)
    assert row.notes == ("The server counts no tokens: lengths are a guess, and there is no time per token.",)


def test_each_length_is_warmed_up_and_no_prompt_is_sent_twice(tmp_path: Path) -> None:
    words = Words()
    latency_of(words, RunStore(tmp_path))
    assert [len(prompt.split()) + 4 for prompt in words.measured[-6:]] == [100] * 3 + [200] * 3
    assert len({prompt[:12] for prompt in words.measured[-6:]}) == 6


def test_a_warm_prompt_is_sent_twice(tmp_path: Path) -> None:
    words = Words()
    rows = latency_of(words, RunStore(tmp_path), [100], warm=True).rows
    _, first, again, second, once_more = words.measured[-5:]
    assert first == again != second == once_more
    assert [row.warm for row in rows] == [False, True]
    assert rows[1].notes == ("The server does not say that anything came out of its cache.",)


def test_too_short_a_length_is_refused_with_the_least(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"has more than \d+ tokens, so 10 is too short"):
        latency_of(Words(), RunStore(tmp_path), [10])


def test_a_run_that_broke_off_is_gone_on_with(tmp_path: Path) -> None:
    store, words = RunStore(tmp_path), Words()
    words.fails_at = 5  # calibration by all words, then 100 tokens and the warm-up of 200

    async def twice() -> LatencySummary:
        async with raw_server(words) as raw, Client(Target(raw.url, "coder", "coder"), timeout=20) as client:
            settings: dict[str, Any] = {"contexts": [100, 200], "output_tokens": 4, "repeats": 2}
            with pytest.raises(TargetFailed, match="closed the connection"):
                await measure_latency(client, store, progress=silent_progress(), **settings)
            (record,) = store.records()
            assert record.state == "stopped"
            assert set(store.samples(record)) == {"100/cold/0", "100/cold/1"}
            words.fails_at, words.prompts = 10**9, []
            return await measure_latency(client, store, progress=silent_progress(), **settings)

    summary = asyncio.run(twice())
    assert {len(prompt.split()) + 4 for prompt in words.measured} == {200}, "what was measured is not measured again"
    assert [row.prompt_tokens for row in summary.rows] == [100, 200]
    (record,) = store.records()
    assert record.state == "done"
    assert json.loads((record.path / "run.json").read_text())["summary"]["rows"][1]["prompt_tokens"] == 200
