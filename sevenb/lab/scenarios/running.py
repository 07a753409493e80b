"""Runs the scenarios against a server: one request after the other, each kept as it comes, then checked."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sevenb.errors import TargetRefused
from sevenb.lab.progress import Progress
from sevenb.lab.results import Check, Exchange, ScenarioRow, ScenarioSummary
from sevenb.lab.runs.store import Run, RunStore
from sevenb.lab.scenarios.catalog import SCENARIOS, fingerprint
from sevenb.lab.scenarios.scenario import Ask, Message, Scenario
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.asking import ask_again
from sevenb.lab.target.client import Client

_TOKENS_PER_WORD = 1.45  # of the long text, for tokenizers of today; only to say beforehand what is too long
_PARAMETERS = {"temperature": 0, "seed": 0}


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One request as the run keeps it; either an answer or why there is none."""

    messages: list[Message]
    answer: Answer | None = None
    failure: str | None = None


async def run_scenarios(
    client: Client,
    run_store: RunStore,
    *,
    fresh: bool = False,
    progress: Progress,
    limit_context: int | None = None,
) -> ScenarioSummary:
    """Ask everything, or what an unfinished run lacks, greedily; then check all answers.

    ``limit_context`` leaves out the scenarios with a text of more tokens than that. A request that the server refuses,
    as when its context is too short, fails its scenario and says why; raises `TargetFailed` where the server is gone.
    """
    facts = await client.facts()
    settings = {**_PARAMETERS, "limit_context": limit_context, "scenarios": fingerprint()}
    with run_store.begin("scenarios", client.target, facts, settings, fresh=fresh) as run:
        context = facts.context_length if facts else None
        chosen = [scenario for scenario in SCENARIOS if not _too_long(scenario, limit_context)]
        asks = [f"{scenario.key}/{ask.key}" for scenario in chosen for ask in scenario.asks]
        done = sum(key in run.samples for key in asks)
        with progress.stage("scenarios", len(asks), done) as stage:
            for scenario in chosen:
                before: list[Message] = []
                for ask in scenario.asks:
                    key = f"{scenario.key}/{ask.key}"
                    if key not in run.samples:
                        messages = [*(before if ask.follows else []), *ask.messages]
                        run.keep(key, msgspec.to_builtins(await _ask(client, scenario, ask, messages, context)))
                        stage.advance(1, scenario.title["en"])
                    kept = _kept(run, key)
                    before = [*kept.messages, {"role": "assistant", "content": kept.answer.text if kept.answer else ""}]
        summary = ScenarioSummary(tuple(_row(scenario, run, limit_context) for scenario in SCENARIOS))
        run.finish(summary)
    return summary


async def _ask(client: Client, scenario: Scenario, ask: Ask, messages: list[Message], context: int | None) -> _Kept:
    # A word is a token at least. What is surely too long is not sent, since some servers cut it instead of refusing.
    if context is not None and scenario.long_words + ask.max_tokens > context:
        return _Kept(
            messages=messages,
            failure=f"Its prompt has more than {scenario.long_words} tokens and its answer up to {ask.max_tokens}; "
            f"this server's context holds {context}.",
        )
    parameters: Mapping[str, Any] = {**_PARAMETERS, "max_tokens": ask.max_tokens, **ask.extras}
    try:
        answer = await ask_again(lambda: client.chat(messages, **parameters))
        return _Kept(messages=messages, answer=answer)
    except TargetRefused as error:
        return _Kept(messages=messages, failure=str(error))


def _kept(run: Run, key: str) -> _Kept:
    return msgspec.convert({name: value for name, value in run.samples[key].items() if name != "key"}, _Kept)


def _too_long(scenario: Scenario, limit_context: int | None) -> bool:
    return limit_context is not None and scenario.long_words * _TOKENS_PER_WORD > limit_context


def _row(scenario: Scenario, run: Run, limit_context: int | None) -> ScenarioRow:
    if _too_long(scenario, limit_context):
        return ScenarioRow(
            key=scenario.key, title=scenario.title, exchanges=(), passed=False,
            left_out=f"Left out: its text of {scenario.long_words} words does not fit into {limit_context} tokens.",
        )  # fmt: skip
    exchanges = tuple(_exchange(scenario, ask, _kept(run, f"{scenario.key}/{ask.key}")) for ask in scenario.asks)
    counted = [exchange for ask, exchange in zip(scenario.asks, exchanges, strict=True) if _counts(ask, exchange)]
    passed = all(not exchange.failure and all(check.passed for check in exchange.checks) for exchange in counted)
    return ScenarioRow(key=scenario.key, title=scenario.title, exchanges=exchanges, passed=passed)


def _counts(ask: Ask, exchange: Exchange) -> bool:
    """A parameter that a server does not know is no fault of the model's."""
    return not (ask.extras and exchange.failure)


def _exchange(scenario: Scenario, ask: Ask, kept: _Kept) -> Exchange:
    answer = kept.answer
    if answer is None:
        return Exchange(
            key=ask.key, title=ask.title, prompt=tuple(kept.messages), answer="", checks=(), failure=kept.failure
        )
    checks = [*_whole(scenario, answer), *ask.check(answer.text)]
    return Exchange(
        key=ask.key, title=ask.title, prompt=tuple(kept.messages), answer=answer.text, checks=tuple(checks),
        prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens,
        finish_reason=answer.finish_reason, ttft=answer.ttft, seconds=answer.seconds,
    )  # fmt: skip


def _whole(scenario: Scenario, answer: Answer) -> list[Check]:
    """Whether the server read all of a long prompt and let the model finish."""
    checks = []
    if scenario.long_words and answer.prompt_tokens is not None:
        read = answer.prompt_tokens >= scenario.long_words
        checks.append(Check("read_whole", read, f"{answer.prompt_tokens} tokens read of {scenario.long_words} words"))
    ended = answer.finish_reason != "length"
    return [*checks, Check("finished", ended, f"finish_reason: {answer.finish_reason}")]
