"""Durations as Ollama's users write them."""

import pytest

from sevenb.errors import InvalidRequest
from sevenb.server.fleet.durations import parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("500ms", 0.5),
        ("0", 0.0),
        ("0s", 0.0),
        (0, 0.0),
        ("300", 300.0),
        (300, 300.0),
        (0.5, 0.5),
        (" 10s ", 10.0),
        ("-1", None),
        (-1, None),
        ("-1m", None),
        (10**400, None),
    ],
)
def test_what_they_mean(written: object, seconds: float | None) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written", ["", "m", "5 m", "5x", "1h-30m", "forever", True, None, [], float("nan"), "9" * 400]
)
def test_others_are_one_sentence_that_names_the_parameter(written: object) -> None:
    with pytest.raises(InvalidRequest, match=r"--keep-alive is .*5m") as caught:
        parse_duration(written, "--keep-alive")
    assert caught.value.parameter == "--keep-alive"
