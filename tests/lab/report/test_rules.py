"""The verdict: what decides, what does not, and what is left open."""

import msgspec
import pytest

from sevenb.lab.report.compiling import judged
from sevenb.lab.report.rules import best, verdicts
from sevenb.lab.report.verdict import Outcome, Thresholds, Use
from sevenb.lab.statistics import rate
from tests.lab.report.samples import MACHINE, latency, load, memory, subject, task, two_models


def outcome(one: object, use: Use, limits: Thresholds | None = None, device: int | None = 15 << 30) -> Outcome:
    found = verdicts([one], device, limits or Thresholds())  # type: ignore[list-item]
    return next(verdict.outcome for verdict in found if verdict.use == use)


def test_every_rule_met_is_a_yes() -> None:
    assert outcome(subject("a"), "chat") == "yes"


@pytest.mark.parametrize(("ttft", "rate_"), [(10.5, 38.0), (7.5, 7.9)])
def test_one_essential_rule_missed_is_a_no(ttft: float, rate_: float) -> None:
    assert outcome(subject("a", latency=latency(ttft, rate_)), "chat") == "no"


def test_a_further_rule_missed_is_a_limit() -> None:
    crowded = subject("a", memory=memory(14 * 1024))
    assert outcome(crowded, "chat") == "limits"
    assert outcome(crowded, "chat", device=64 << 30) == "yes"
    assert outcome(crowded, "chat", device=None) == "yes"  # nobody knows the machine: nothing is lowered


def test_a_score_whose_interval_reaches_across_the_limit_settles_nothing() -> None:
    assert rate(88, 164).low < 0.5 < rate(88, 164).high
    assert outcome(subject("a"), "coding") == "open"
    good = (task("humaneval", "HumanEval", 120, 164, None),)
    bad = (task("humaneval", "HumanEval", 40, 164, None),)
    assert outcome(subject("a", tasks=good), "coding") == "yes"
    assert outcome(subject("a", tasks=bad), "coding") == "no"


def test_a_published_score_above_the_interval_is_a_limit() -> None:
    above = (task("humaneval", "HumanEval", 120, 164, 90.0),)
    assert outcome(subject("a", tasks=above), "coding") == "limits"


def test_what_was_not_measured_is_neither_yes_nor_no() -> None:
    assert outcome(subject("a", latency=None), "chat") == "unmeasured"
    assert outcome(subject("a", tasks=()), "coding") == "open"
    assert outcome(subject("a", latency=None, tasks=()), "coding") == "unmeasured"
    assert outcome(subject("a", load=None), "users") == "unmeasured"


def test_a_length_that_the_server_refused_counts_as_not_measured() -> None:
    assert outcome(subject("a", 1), "documents", Thresholds(document_context=65536)) == "open"


def test_several_users_want_their_answers_in_time() -> None:
    assert outcome(subject("a", load=load(36.0)), "users") == "yes"
    assert outcome(subject("a", load=load(36.0)), "users", Thresholds(users_clients=8)) == "no"
    assert outcome(subject("a", load=load(36.0)), "users", Thresholds(users_clients=8, users_share=0.5)) == "yes"


def test_the_best_is_good_for_most_uses_and_alone_in_that() -> None:
    fast, slow = subject("fast"), subject("slow", 2)
    assert best(verdicts([fast, slow], 15 << 30, Thresholds())) == "fast"
    assert best(verdicts([fast], 15 << 30, Thresholds())) is None
    assert best(verdicts([subject("a"), subject("b")], 15 << 30, Thresholds())) is None


def test_other_limits_give_the_same_figures_another_verdict() -> None:
    before = two_models()
    after = judged(before, msgspec.structs.replace(before.thresholds, chat_ttft=5.0))
    assert after.subjects == before.subjects
    chat = [verdict.outcome for verdict in after.verdicts if verdict.use == "chat"]
    assert chat == ["no", "no"]
    assert MACHINE["memory"] == after.machine["memory"]
