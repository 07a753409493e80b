"""String arrays: the fast search finds what a walk along the lengths finds, whatever the strings hold."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.errors import CorruptModelFile
from sevenb.model.gguf_strings import StringArray, walk_strings
from tests.model.gguf_writer import string


def read(strings: list[bytes], before: bytes = b"", after: bytes = b"") -> StringArray:
    data = np.frombuffer(before + b"".join(map(string, strings)) + after, np.uint8)
    starts = walk_strings(data, len(before), len(strings))
    assert starts[-1] - 8 == len(data) - len(after)
    return StringArray(data, starts, "test.gguf", "tokens")


def test_reads_a_vocabulary() -> None:
    rng = np.random.default_rng(0)
    words = [f"{index}·词{'x' * int(rng.integers(0, 40))}" for index in range(50_000)]

    strings = read([word.encode() for word in words], before=b"head", after=b"\0" * 100)

    assert len(strings) == 50_000
    assert list(strings) == words
    assert strings[0] == words[0]
    assert strings[-1] == words[-1]
    assert strings[40_000:40_003] == words[40_000:40_003]
    assert strings[::-10_000] == words[::-10_000]


def test_indices_out_of_range_are_index_errors() -> None:
    strings = read([b"a", b"b"])

    for index in (2, -3):
        with pytest.raises(IndexError):
            strings[index]


def test_an_empty_array_is_empty() -> None:
    assert list(read([])) == []
    assert list(read([], before=b"before", after=b"after")) == []


@pytest.mark.parametrize(
    "odd",
    [b"", b"\0", b"\0" * 8, b"\1" + b"\0" * 7 + b"a", b"x" * 255, b"x" * 256, b"x" * 65_536, b"x" * 200_000],
    ids=["empty", "nul", "nuls", "fake length", "255", "256", "64K", "200K"],
)
def test_strings_that_defeat_the_search_are_walked(odd: bytes) -> None:
    words = [b"word"] * 3000 + [odd] + [b"word"] * 3000 + [odd, odd] + [b"word"] * 2000 + [odd]

    assert [text.encode() for text in read(words)] == words


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=12), st.just(b"\0" * 9), st.just(b"\2" + b"\0" * 7 + b"ab")), max_size=60),
    st.integers(0, 600),
)
def test_finds_what_a_walk_finds(strings: list[bytes], padding: int) -> None:
    strings = [b"plain"] * padding + strings
    data = np.frombuffer(b"".join(map(string, strings)), np.uint8)

    starts = walk_strings(data, 0, len(strings))

    assert [data[start : following - 8].tobytes() for start, following in pairwise(starts.tolist())] == strings


@pytest.mark.parametrize("length", [5, 2**31, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("before", [0, 10, 1000])
def test_a_string_past_the_end_is_refused(length: int, before: int) -> None:
    data = np.frombuffer(string("word") * before + length.to_bytes(8, "little") + b"1234", np.uint8)

    with pytest.raises(ValueError, match=f"string {before} of {before + 1} runs past the end"):
        walk_strings(data, 0, before + 1)


@pytest.mark.parametrize("words", [3, 300, 2000])
def test_data_that_end_early_are_refused(words: int) -> None:
    whole = string("word") * words

    for cut in (1, 4, 5, 11, 12, 13, 25):
        with pytest.raises(ValueError, match="runs past the end"):
            walk_strings(np.frombuffer(whole[:-cut], np.uint8), 0, words)


def test_text_that_is_not_utf8_is_refused_when_it_is_read() -> None:
    strings = read([b"good", b"\xff\xfe"])

    assert strings[0] == "good"
    with pytest.raises(CorruptModelFile, match=r"^test\.gguf .* tokens holds"):
        strings[1]
    with pytest.raises(CorruptModelFile, match="UTF-8"):
        list(strings)


def test_halves_of_a_character_in_two_strings_are_no_character() -> None:
    strings = read(["ö".encode()[:1], "ö".encode()[1:]])

    with pytest.raises(CorruptModelFile, match="UTF-8"):
        list(strings)


def test_strings_with_the_separator_in_them_stay_whole() -> None:
    assert list(read([b"a\0b", b"", b"c"])) == ["a\0b", "", "c"]
