"""What a verdict consists of: uses, the limits that decide, and for each rule what was found."""

from typing import Literal

import msgspec

Outcome = Literal["yes", "limits", "open", "no", "unmeasured"]
Use = Literal["chat", "coding", "documents", "users"]
Finding = Literal["met", "missed", "unsettled", "unmeasured"]

USES: tuple[Use, ...] = ("chat", "coding", "documents", "users")


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, what was measured, and what came of it."""

    rule: str  # key of the words in `sections.verdict`
    finding: Finding
    essential: bool
    better: Literal["low", "high"]
    limit: float
    figure: float | None = None
    low: float | None = None  # the figure's 95 % interval
    high: float | None = None
    count: int | None = None  # repeats, requests or items
    at: int | None = None  # tokens of context, or clients


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers that decide: all of them, and nowhere else. ``sevenb report --threshold NAME=VALUE`` changes one."""

    chat_context: int = 4096  # tokens before a chat's answer
    chat_ttft: float = 10.0  # seconds at most
    chat_rate: float = 8.0  # tokens a second at least, of one stream: somewhat faster than people read
    chat_scenarios: float = 0.6  # share of all scenarios passed
    coding_score: float = 0.5  # HumanEval pass@1
    coding_rate: float = 15.0  # tokens a second: a function of 300 tokens in 20 s
    document_context: int = 16384
    document_ttft: float = 60.0
    document_rate: float = 5.0
    users_clients: int = 4  # at once
    users_share: float = 0.9  # of requests that meet the service level
    memory_headroom: float = 0.1  # share of the device's memory left over at the peak


class Verdict(msgspec.Struct, frozen=True):
    """For one use of one subject."""

    subject: str
    use: Use
    outcome: Outcome
    reasons: tuple[Reason, ...]
