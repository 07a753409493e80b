"""What `Tokenizer` promises for the real files, and what it says of broken ones."""

import random
from pathlib import Path

import numpy as np
import pytest

from sevenb.errors import CorruptModelFile, InvalidRequest, UnsupportedModel
from sevenb.model.gguf import GGUFFile
from sevenb.model.tokenizer import RenderedPrompt, Tokenizer
from tests.model.mixed_texts import mixed_texts
from tests.model.tokenizer_metadata import sentencepiece_metadata, sentencepiece_model, single_bytes_metadata

IM_START, IM_END, TOOL_CALL = 151644, 151645, 151657


@pytest.fixture(scope="module")
def qwen(coder_05b: Path) -> Tokenizer:
    return Tokenizer.from_metadata(GGUFFile.open(coder_05b).metadata)


@pytest.fixture(scope="module")
def smol(smollm2: Path) -> Tokenizer:
    return Tokenizer.from_metadata(GGUFFile.open(smollm2).metadata)


def _bytes_vocabulary(**changes: object) -> dict[str, object]:
    return single_bytes_metadata("<|im_start|>", "<|im_end|>", "<note>", **changes)


def _pieces_vocabulary(**changes: object) -> dict[str, object]:
    """A SentencePiece vocabulary: a few letters, a few merges and the byte tokens of é."""
    scores = {"▁": -9.0, "a": -9.0, "b": -9.0, "▁a": -1.0, "ab": -2.0, "▁ab": -3.0}
    metadata = sentencepiece_metadata(sentencepiece_model(scores))
    tokens = [*metadata["tokenizer.ggml.tokens"], "<0xC3>", "<0xA9>", "<mark>"]  # type: ignore[misc]
    metadata["tokenizer.ggml.tokens"] = tokens
    metadata["tokenizer.ggml.scores"] = [*metadata["tokenizer.ggml.scores"], 0.0, 0.0, 0.0]  # type: ignore[misc]
    metadata["tokenizer.ggml.token_type"] = [*metadata["tokenizer.ggml.token_type"], 6, 6, 4]  # type: ignore[misc]
    return metadata | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}


# -- text to ids -------------------------------------------------------------------------------------------


def test_special_tokens_in_text_are_ids_only_where_they_may_be(qwen: Tokenizer) -> None:
    text = "<|im_start|>user\nhi<|im_end|>"
    assert qwen.encode(text, parse_special=True) == [IM_START, 872, 198, 6023, IM_END]
    plain = qwen.encode(text)
    assert not qwen.special_ids.intersection(plain)
    assert qwen.decode(plain) == text


def test_a_user_defined_token_is_one_token_wherever_it_is_written(qwen: Tokenizer) -> None:
    assert TOOL_CALL in qwen.encode("a<tool_call>b")
    assert TOOL_CALL not in qwen.special_ids
    assert qwen.decode(qwen.encode("a<tool_call>b")) == "a<tool_call>b"


def test_qwen_composes_characters_first(qwen: Tokenizer) -> None:
    assert qwen.encode("e\u0301") == qwen.encode("\u00e9")


def test_text_survives_the_way_there_and_back(qwen: Tokenizer, smol: Tokenizer) -> None:
    texts = [
        "你好，世界！Hello, wörld 😀",
        "def f(x):\n\treturn x**2  # I'll\n\n",
        "1234567 \u00a0\u3000 ٣",
        "",
        " ",
        "\n",
    ]
    for text in texts:
        assert qwen.decode(qwen.encode(text)) == text
        assert smol.decode(smol.encode(text)) == text


def test_lone_surrogates_become_replacement_characters(qwen: Tokenizer) -> None:
    assert qwen.decode(qwen.encode("a\ud800b\udc00")) == "a\ufffdb\ufffd"
    assert qwen.decode(qwen.encode("\ud83d\ude00")) == "😀", "a pair that JSON left apart"


@pytest.mark.parametrize("unit", [" ", "a", "\n", "\u0301", "'", "中", "\r ", "="])
def test_a_very_long_run_is_no_trouble(qwen: Tokenizer, smol: Tokenizer, unit: str) -> None:
    text = unit * (100_000 // len(unit))
    assert smol.decode(smol.encode(text)) == text
    assert len(qwen.encode(text)) <= 100_000


def test_a_long_text_is_cut_without_changing_a_token(qwen: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(mixed_texts(300, seed=3))
    whole = qwen.encode(text)
    monkeypatch.setattr("sevenb.model.tokenizer.byte_level._LONGEST_PIECE", 1000)
    assert qwen.encode(text) == whole
    run = "a" + " " * 5000 + "b"
    assert qwen.decode(qwen.encode(run)) == run, "a run without a boundary is cut where it must be"


def test_bos_is_added_where_the_file_says_so_and_never_twice() -> None:
    tokenizer = Tokenizer.from_metadata(_bytes_vocabulary(bos_token_id=256, add_bos_token=True))
    assert tokenizer.encode("a") == [256, 97]
    assert tokenizer.encode("a", add_bos=False) == [97]
    assert tokenizer.encode("<|im_start|>a", parse_special=True) == [256, 97]
    silent = Tokenizer.from_metadata(_bytes_vocabulary(bos_token_id=256, add_bos_token=False))
    assert silent.encode("a") == [97]
    assert silent.encode("a", add_bos=True) == [256, 97]


def test_a_rendered_prompt_is_encoded_piece_by_piece(qwen: Tokenizer) -> None:
    prompt = RenderedPrompt(text="", pieces=(IM_START, "user\n<|im_end|>", IM_END))
    ids = qwen.encode_chat(prompt)
    assert ids[0] == IM_START
    assert ids[-1] == IM_END
    assert ids.count(IM_END) == 1


def test_sentencepiece_puts_its_space_at_the_start_and_after_special_tokens() -> None:
    tokenizer = Tokenizer.from_metadata(_pieces_vocabulary(add_bos_token=False))
    tokens = [tokenizer.token_text(i) for i in tokenizer.encode("ab ab<mark>ab</s>ab", parse_special=True)]
    assert tokens == [" ab", " ab", "<mark>", "ab", "</s>", " ab"]
    bare = Tokenizer.from_metadata(_pieces_vocabulary(add_bos_token=False, add_space_prefix=False))
    assert [bare.token_text(i) for i in bare.encode("ab")] == ["ab"]


def test_sentencepiece_spells_unknown_characters_in_bytes() -> None:
    tokenizer = Tokenizer.from_metadata(_pieces_vocabulary())
    ids = tokenizer.encode("aé")
    assert [tokenizer.token_bytes(i) for i in ids[-2:]] == [b"\xc3", b"\xa9"]
    assert tokenizer.decode(ids) == "aé"


# -- ids to text -------------------------------------------------------------------------------------------


def test_special_tokens_are_hidden_or_shown(qwen: Tokenizer) -> None:
    ids = qwen.encode("<|im_start|>hi<|im_end|>", parse_special=True)
    assert qwen.decode(ids) == "hi"
    assert qwen.decode(ids, skip_special_tokens=False) == "<|im_start|>hi<|im_end|>"


def test_any_ids_decode_to_some_text(qwen: Tokenizer, smol: Tokenizer) -> None:
    rng = random.Random(5)
    for tokenizer in (qwen, smol):
        ids = [rng.randrange(tokenizer.vocab_size) for _ in range(2000)]
        expected = b"".join(map(tokenizer.token_bytes, ids)).decode(errors="replace")
        assert tokenizer.decode(ids, skip_special_tokens=False) == expected


def test_half_a_character_is_a_replacement_character(qwen: Tokenizer) -> None:
    (first, *_) = qwen.encode("𝒳")
    assert qwen.decode([first]) == "\ufffd"
    assert qwen.token_text(first) == "\ufffd"
    assert qwen.token_bytes(first) == "𝒳".encode()[: len(qwen.token_bytes(first))]


@pytest.mark.parametrize("token_id", [-1, 151936, 2**40])
def test_an_id_outside_the_vocabulary_is_refused(qwen: Tokenizer, token_id: int) -> None:
    with pytest.raises(InvalidRequest, match="from 0 to 151935"):
        qwen.decode([token_id])


def test_padding_of_the_vocabulary_stands_for_nothing(qwen: Tokenizer) -> None:
    assert qwen.token_bytes(151935) == b""


# -- what the vocabulary says ------------------------------------------------------------------------------


def test_the_roles_of_qwens_tokens(qwen: Tokenizer) -> None:
    assert (qwen.vocab_size, qwen.bos_id, qwen.eos_id, qwen.pad_id) == (151936, 151643, IM_END, 151643)
    assert {qwen.token_text(i) for i in qwen.end_ids} >= {"<|im_end|>", "<|endoftext|>"}
    assert IM_START in qwen.special_ids
    assert IM_START not in qwen.end_ids
    assert qwen.special_tokens["<|im_end|>"] == IM_END


def test_the_roles_of_smollm2s_tokens(smol: Tokenizer) -> None:
    assert (smol.vocab_size, smol.bos_id, smol.eos_id, smol.pad_id) == (49152, 1, 2, 2)
    assert smol.end_ids == {0, 2}


def test_a_word_that_only_looks_like_an_end_is_text(qwen: Tokenizer) -> None:
    """Qwen's vocabulary has a normal token ``</s>``."""
    assert qwen.token_text(128247) == "</s>"
    assert 128247 not in qwen.end_ids | qwen.special_ids


def test_a_turn_token_that_the_file_calls_user_defined_is_special_all_the_same() -> None:
    kinds = [1] * 256 + [4, 4, 4]
    tokenizer = Tokenizer.from_metadata(_bytes_vocabulary(token_type=np.array(kinds, dtype=np.int32)))
    assert tokenizer.special_ids == {256, 257}
    assert tokenizer.end_ids == {257}
    assert tokenizer.encode("<note>") == [258]
    assert tokenizer.encode("<|im_end|>") == list(b"<|im_end|>")


def test_ids_that_name_no_token_are_no_ids() -> None:
    tokenizer = Tokenizer.from_metadata(_bytes_vocabulary(bos_token_id=2**32 - 1, eos_token_id=-1))
    assert (tokenizer.bos_id, tokenizer.eos_id) == (None, None)
    assert tokenizer.encode("a", add_bos=True) == [97]


# -- files that cannot be served ---------------------------------------------------------------------------


def test_an_unknown_pre_tokeniser_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="'klingon'"):
        Tokenizer.from_metadata(_bytes_vocabulary(pre="klingon"))


def test_an_unknown_kind_of_tokenizer_is_named() -> None:
    with pytest.raises(UnsupportedModel, match="'bert'"):
        Tokenizer.from_metadata(_bytes_vocabulary(model="bert"))


def test_a_file_without_a_vocabulary_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="no vocabulary"):
        Tokenizer.from_metadata({"tokenizer.ggml.model": "gpt2"})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"merges": ["a zz"]}, "do not fit"),
        ({"merges": ["nonsense"]}, "do not fit"),
        ({"merges": [1, 2]}, "not an array of strings"),
        ({"merges": "a b"}, "not an array"),
        ({"tokens": 7}, "not an array"),
        ({"token_type": [1, 2, 3]}, "token types"),
        ({"token_type": ["x"] * 259}, "not an array of numbers"),
    ],
)
def test_a_broken_byte_level_vocabulary_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(CorruptModelFile, match=reason):
        Tokenizer.from_metadata(_bytes_vocabulary(**changes))


def test_a_broken_sentencepiece_vocabulary_is_refused() -> None:
    with pytest.raises(CorruptModelFile, match="scores"):
        Tokenizer.from_metadata(_pieces_vocabulary(scores=[1.0]))
    kinds = [*_pieces_vocabulary()["tokenizer.ggml.token_type"]][:-1]  # type: ignore[misc]
    with pytest.raises(CorruptModelFile, match="name of a byte"):
        Tokenizer.from_metadata(_pieces_vocabulary(token_type=[*kinds, 6]))
