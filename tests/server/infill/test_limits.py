"""Where an editor's completion ends before the model ends it."""

import pytest

from sevenb.server.infill.limits import InfillLimits


def all_of(limits: InfillLimits, pieces: list[str]) -> str:
    kept = ""
    for piece in pieces:
        kept += limits.take(piece, milliseconds=0)
        if limits.reached:
            break
    return kept


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("text", "n_indent", "kept"),
    [
        ("first\n    second\n    third\n  fourth\nfifth", 4, "first\n    second\n    third\n  "),
        ("first\n    second\n    third\n  fourth\nfifth", 1, "first\n    second\n    third\n  fourth\n"),
        ("first\n    second\n    third\n  fourth\nfifth", 0, "first\n    second\n    third\n  fourth\nfifth"),
        ("one\n\ttwo\nthree", 1, "one\n\ttwo\n"),
        ("one\n    two\n\n    three", 4, "one\n    two\n"),
        ("no line", 8, "no line"),
    ],
)
def test_a_line_that_is_indented_less_ends_it_however_the_text_is_cut(
    text: str, n_indent: int, kept: str, size: int
) -> None:
    limits = InfillLimits(n_indent=n_indent)
    assert all_of(limits, [text[i : i + size] for i in range(0, len(text), size)]) == kept
    assert limits.reached == (kept != text)


def test_time_counts_once_a_line_is_whole() -> None:
    limits = InfillLimits(predict_ms=50)
    assert limits.take("one", milliseconds=80) == "one"
    assert not limits.reached
    assert limits.take(" line\nand", milliseconds=90) == " line\nand"
    assert limits.reached
    assert limits.has_new_line
