"""What tests need beside the product: it may be missing on somebody's machine, and never on CI."""

import os
from typing import NoReturn

import pytest


def leave_out(reason: str) -> NoReturn:
    """Skip the test for this reason; on CI, which leaves nothing out, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
