"""A host for hostile programs."""

from pathlib import Path

import pytest

from tests.lab.sandbox.host import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)
