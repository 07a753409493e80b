"""The scenarios, in the order in which they are asked."""

import hashlib

import msgspec

from sevenb.lab.scenarios.long_text import EXTRACTION, SUMMARY
from sevenb.lab.scenarios.maths import MATHS
from sevenb.lab.scenarios.mixed import MIXED
from sevenb.lab.scenarios.role import ROLE
from sevenb.lab.scenarios.scenario import Scenario
from sevenb.lab.scenarios.sentiment import SENTIMENT
from sevenb.lab.scenarios.sql import SQL
from sevenb.lab.scenarios.structured import STRUCTURED

SCENARIOS: tuple[Scenario, ...] = (STRUCTURED, ROLE, MATHS, MIXED, SQL, SENTIMENT, SUMMARY, EXTRACTION)


def fingerprint() -> str:
    """Of all that is sent: answers to other prompts are no part of a run."""
    sent = [(one.key, ask.key, ask.messages, ask.max_tokens, ask.extras) for one in SCENARIOS for ask in one.asks]
    return hashlib.sha256(msgspec.json.encode(sent, order="deterministic")).hexdigest()[:16]
