"""Prompts for filling in the middle."""

from pathlib import Path

import pytest

from sevenb.model.checkpoint import Checkpoint
from sevenb.model.fim import CodeFile, FimTokens
from sevenb.model.tokenizer import Tokenizer

FILES = [CodeFile("a.py", "A = 1\n"), CodeFile("b.py", "B = 2\n")]


@pytest.fixture(scope="module")
def tokenizer(coder_05b: Path) -> Tokenizer:
    with Checkpoint.open(coder_05b) as checkpoint:
        return Tokenizer.from_metadata(checkpoint.metadata)


@pytest.fixture(scope="module")
def fim(tokenizer: Tokenizer) -> FimTokens:
    tokens = FimTokens.of(tokenizer)
    assert tokens is not None
    return tokens


def test_qwens_tokens_are_found_by_name(fim: FimTokens) -> None:
    assert (fim.prefix, fim.middle, fim.suffix, fim.repository, fim.file) == (151659, 151660, 151661, 151663, 151664)


def test_a_model_without_them_cannot_fill_in(smollm2: Path) -> None:
    with Checkpoint.open(smollm2) as checkpoint:
        tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
    assert FimTokens.of(tokenizer) is None


def test_one_file_is_prefix_suffix_middle(tokenizer: Tokenizer, fim: FimTokens) -> None:
    prompt = fim.prompt(tokenizer, "def f(", "\n    return x\n")
    text = tokenizer.decode(prompt.token_ids, skip_special_tokens=False)
    assert text == "<|fim_prefix|>def f(<|fim_suffix|>\n    return x\n<|fim_middle|>"
    assert not prompt.truncated


def test_other_files_stand_before_it_as_a_repository(tokenizer: Tokenizer, fim: FimTokens) -> None:
    text = tokenizer.decode(fim.prompt(tokenizer, "x", "y", files=FILES).token_ids, skip_special_tokens=False)
    assert text.startswith("<|repo_name|>")
    assert "<|file_sep|>a.py\nA = 1\n<|file_sep|>b.py\nB = 2\n<|file_sep|>" in text
    assert text.endswith("\n<|fim_prefix|>x<|fim_suffix|>y<|fim_middle|>")


def test_special_tokens_in_the_texts_are_text(tokenizer: Tokenizer, fim: FimTokens) -> None:
    ids = fim.prompt(tokenizer, "<|fim_middle|>", "<|im_end|>", files=[CodeFile("<|file_sep|>", "x")]).token_ids
    assert ids.count(fim.middle) == 1
    assert ids.count(fim.file or 0) == 2
    assert not set(ids) & (tokenizer.end_ids - {fim.file, fim.repository})


@pytest.mark.parametrize("room", [3, 10, 40, 100, 1000])
def test_what_has_no_room_gives_way_from_where_it_matters_least(
    tokenizer: Tokenizer, fim: FimTokens, room: int
) -> None:
    prefix, suffix = "start " + "p " * 60 + "here", "there " + "s " * 60 + "end"
    prompt = fim.prompt(tokenizer, prefix, suffix, files=FILES, room=room)
    text = tokenizer.decode(prompt.token_ids, skip_special_tokens=False)
    assert len(prompt.token_ids) <= room
    assert prompt.truncated == (room < 1000)
    assert text.endswith("<|fim_middle|>")
    if room >= 10:
        assert "here<|fim_suffix|>there" in text
    if room <= 100:
        assert "a.py" not in text
        assert "end<" not in text
    assert ("start" in text) == (room >= 100)
