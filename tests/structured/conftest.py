"""A real vocabulary's compiler, and the table of what became of the schemas."""

from collections import Counter
from pathlib import Path

import pytest

from sevenb.model.checkpoint import Checkpoint
from sevenb.model.tokenizer import Tokenizer
from sevenb.structured.compiler import GrammarCompiler
from tests.structured.walks import Walker, byte_compiler

OUTCOMES: Counter[tuple[str, str]] = Counter()
"""How many schemas of a feature came to which end, for the report."""


@pytest.fixture(scope="session")
def tokenizer(coder_05b: Path) -> Tokenizer:
    with Checkpoint.open(coder_05b) as checkpoint:
        return Tokenizer.from_metadata(checkpoint.metadata)


@pytest.fixture(scope="session")
def compiler(tokenizer: Tokenizer) -> GrammarCompiler:
    return GrammarCompiler(
        [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)],
        special=tokenizer.special_ids | set(tokenizer.encode("<tool_call></tool_call>")),
        end_ids=tokenizer.end_ids,
        encode=lambda text: tokenizer.encode(text, add_bos=False),
    )


@pytest.fixture(scope="session")
def walker(tokenizer: Tokenizer) -> Walker:
    tokens = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
    return Walker(tokens, tokenizer.end_ids)


@pytest.fixture(scope="session")
def bytewise() -> GrammarCompiler:
    return byte_compiler()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which schemas are proven, checked and refused, by feature."""
    if not OUTCOMES:
        return
    columns = ("proven", "checked", "refused")
    terminalreporter.section("JSON Schemas by feature")
    terminalreporter.write_line(f"{'':24}" + "".join(f"{column:>10}" for column in columns))
    for feature in dict.fromkeys(feature for feature, _ in OUTCOMES):
        counts = "".join(f"{OUTCOMES[feature, column]:10}" for column in columns)
        terminalreporter.write_line(f"{feature:24}{counts}")
    totals = "".join(f"{sum(n for (_, c), n in OUTCOMES.items() if c == column):10}" for column in columns)
    terminalreporter.write_line(f"{'all':24}{totals}")
