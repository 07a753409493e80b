"""Fixtures that several packages' tests share: the real model files, pulled by the product's own `Store`."""

import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sevenb.model.store import Store

# Where the suite was begun in the background Ctrl-C is ignored, and would be by the programs that tests stop with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, and as much time for each as a busy machine takes.
settings.register_profile(
    "suite", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _data_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test touches the accounts, chats and measurements of whoever runs it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEVENB_DATA", str(tmp_path_factory.mktemp("data")))
        environment.setenv("SEVENB_LAB", str(tmp_path_factory.mktemp("lab")))
        environment.delenv("SEVENB_DATABASE", raising=False)
        yield


@pytest.fixture(scope="session")
def coder_05b() -> Path:
    """Qwen2.5-Coder-0.5B-Instruct Q4_K_M, pulled once into the user's store and kept there between runs."""
    return Store().ensure("qwen2.5-coder:0.5b")


@pytest.fixture(scope="session")
def coder_15b() -> Path:
    """Qwen2.5-Coder-1.5B-Instruct Q4_K_M."""
    return Store().ensure("qwen2.5-coder:1.5b")


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M-Instruct Q4_1, of the Llama family."""
    return Store().ensure("smollm2:135m")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were left out, lest they be forgotten."""
    left_out = [item for item in terminalreporter.stats.get("deselected", []) if item.get_closest_marker("long")]
    if left_out:
        terminalreporter.write_line(f"{len(left_out)} long tests were left out; `make test-long` runs them.")
    if missing := _missing_packages():
        terminalreporter.write_line(
            f"All tests that need {' or '.join(missing)} were left out; `make test-all` installs what they need and "
            "runs them."
        )


def pytest_configure() -> None:
    """CI leaves nothing out."""
    if os.environ.get("CI") and (missing := _missing_packages()):
        raise pytest.UsageError(f"{', '.join(missing)} must be installed on CI: `make test-all` does.")


def _missing_packages() -> list[str]:
    """What some tests need that the default install does not have; Triton is for Linux alone."""
    wanted = ["torch", *(["triton"] if sys.platform == "linux" else []), "ray"]
    return [name for name in wanted if find_spec(name) is None]
