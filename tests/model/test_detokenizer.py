"""Streaming text: whole characters only, and stop strings that never leak, however the text arrives."""

import random
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.model.detokenizer import IncrementalDetokenizer, StopStrings
from sevenb.model.gguf import GGUFFile
from sevenb.model.tokenizer import Tokenizer
from tests.model.mixed_texts import mixed_texts


@pytest.fixture(scope="module")
def qwen(coder_05b: Path) -> Tokenizer:
    return Tokenizer.from_metadata(GGUFFile.open(coder_05b).metadata)


# -- characters --------------------------------------------------------------------------------------------


def test_a_character_is_shown_once_it_is_whole(qwen: Tokenizer) -> None:
    ids = qwen.encode("𝒳!")
    detokenizer = IncrementalDetokenizer(qwen)
    shown = [detokenizer.add(token_id) for token_id in ids]
    assert len(ids) > 2
    assert [text for text in shown if text] == ["𝒳", "!"]


def test_a_character_that_never_comes_is_a_replacement_character(qwen: Tokenizer) -> None:
    detokenizer = IncrementalDetokenizer(qwen)
    assert detokenizer.add(qwen.encode("𝒳")[0]) == ""
    assert detokenizer.add(qwen.encode("!")[0]) == "\ufffd!"


def test_the_pieces_joined_are_the_decoded_text(qwen: Tokenizer) -> None:
    rng = random.Random(2)
    streams = [qwen.encode(text) for text in mixed_texts(300, seed=2)]
    streams += [[rng.randrange(qwen.vocab_size) for _ in range(100)] for _ in range(30)]
    for ids in streams:
        whole = [*ids, *qwen.encode("!")]
        detokenizer = IncrementalDetokenizer(qwen)
        assert "".join(detokenizer.add(token_id) for token_id in whole) == qwen.decode(whole)


def test_special_tokens_are_hidden_or_shown(qwen: Tokenizer) -> None:
    end = qwen.special_tokens["<|im_end|>"]
    assert IncrementalDetokenizer(qwen).add(end) == ""
    assert IncrementalDetokenizer(qwen, skip_special_tokens=False).add(end) == "<|im_end|>"


# -- stop strings ------------------------------------------------------------------------------------------


def _run(stops: list[str], pieces: list[str], *, include: bool = False) -> tuple[str, str | None]:
    watcher = StopStrings(stops, include)
    return "".join(map(watcher.add, pieces)) + watcher.finish(), watcher.found


def test_a_stop_string_split_over_pieces_is_found_and_not_shown() -> None:
    watcher = StopStrings(["</end>"])
    assert [watcher.add(piece) for piece in ["Hello <", "/en", "d> more", "x"]] == ["Hello ", "", "", ""]
    assert watcher.found == "</end>"
    assert watcher.finish() == ""


def test_text_that_turns_out_to_be_no_stop_string_is_shown() -> None:
    watcher = StopStrings(["STOP"])
    assert [watcher.add(piece) for piece in ["a ST", "O", "NE ST"]] == ["a ", "", "STONE "]
    assert watcher.finish() == "ST"
    assert watcher.found is None


def test_the_stop_string_can_be_part_of_the_text() -> None:
    assert _run(["\n\n"], ["a\n", "\nb"], include=True) == ("a\n\n", "\n\n")


def test_the_stop_string_that_is_complete_first_wins() -> None:
    assert _run(["abcd", "bc"], ["xabcd"]) == ("xa", "bc")
    assert _run(["b", "ab"], ["xab"]) == ("x", "ab")


def test_without_stop_strings_everything_is_shown_at_once() -> None:
    watcher = StopStrings([])
    assert watcher.add("text") == "text"


def test_a_long_stop_string_that_nearly_matches_all_the_time_costs_no_more() -> None:
    watcher = StopStrings(["a" * 100_000 + "b"])
    assert len(watcher.add("a" * 300_000)) == 200_000


def _oracle(text: str, stops: list[str]) -> tuple[str, str | None]:
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            longest = max(complete, key=len)
            return text[: end - len(longest)], longest
    return text, None


@pytest.mark.parametrize("stops", [["aab"], ["ab", "ba"], ["abab", "bb", "aaa"], ["aba", "abb", "b"], ["abcabd", "ca"]])
@pytest.mark.parametrize("text", ["aababab", "abcabcabd", "bbaaab", "cacbaab"])
def test_every_way_to_split_the_text_gives_the_same(stops: list[str], text: str) -> None:
    expected = _oracle(text, stops)
    for count in range(len(text)):
        for cuts in combinations(range(1, len(text)), count):
            pieces = [text[a:b] for a, b in zip((0, *cuts), (*cuts, len(text)), strict=True)]
            assert _run(stops, pieces) == expected


@given(
    stops=st.lists(st.text("ab\n", min_size=1, max_size=5), max_size=4),
    pieces=st.lists(st.text("ab\n", max_size=6), max_size=12),
)
def test_nothing_shown_could_still_become_a_stop_string(stops: list[str], pieces: list[str]) -> None:
    watcher = StopStrings(stops)
    text = shown = ""
    for piece in pieces:
        text += piece
        shown += watcher.add(piece)
        if watcher.found is not None:
            break
        assert text.startswith(shown)
        held = text[len(shown) :]
        beginnings = {stop[:n] for stop in stops for n in range(1, len(stop))}
        longest = max((len(part) for part in beginnings if text.endswith(part)), default=0)
        assert len(held) == longest, "as much is held back as could go on, and no more"
    assert (shown + watcher.finish(), watcher.found) == _oracle(text, stops)
