"""Token for token the same as the tokenizers that the models' makers publish."""

import base64
import json
import random
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import regex
import sentencepiece
import tiktoken

from sevenb.model.gguf import GGUFFile
from sevenb.model.tokenizer import Tokenizer
from sevenb.model.tokenizer.vocabulary import TokenType, numbers_of, strings_of
from tests.model.mixed_texts import mixed_texts
from tests.model.tokenizer_metadata import (
    byte_level_metadata,
    mistral_file,
    sentencepiece_metadata,
    sentencepiece_model,
    spelled,
)

_TEXTS = mixed_texts(1500)
_LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN_PATTERN = _LLAMA3_PATTERN.replace("{1,3}", "")
_GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def assert_same(tokenizer: Tokenizer, reference: Callable[[str], list[int]], texts: list[str] = _TEXTS) -> None:
    different = [text for text in texts if tokenizer.encode(text, add_bos=False) != reference(text)]
    assert different == []


@pytest.mark.parametrize("name", ["tokenizer.model.v1", "mistral_instruct_tokenizer_240323.model.v3"])
def test_mistral_is_encoded_and_decoded_as_by_sentencepiece(name: str) -> None:
    reference = sentencepiece.SentencePieceProcessor(model_file=str(mistral_file(name)))
    tokenizer = Tokenizer.from_metadata(sentencepiece_metadata(reference))
    assert_same(tokenizer, reference.encode)
    assert [tokenizer.decode(reference.encode(text)) for text in _TEXTS] == [
        reference.decode(reference.encode(text)) for text in _TEXTS
    ]


@pytest.mark.parametrize("dummy_prefix", [True, False])
def test_a_fresh_sentencepiece_model_is_encoded_as_by_sentencepiece(tmp_path: Path, dummy_prefix: bool) -> None:
    """Without a space in front it is Yi's kind; the vocabulary is trained on texts like those that are compared."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text for text in mixed_texts(600, seed=1) if "\0" not in text),
        model_prefix=str(tmp_path / "model"),
        model_type="bpe",
        vocab_size=1600,
        character_coverage=0.99,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=dummy_prefix,
        allow_whitespace_only_pieces=True,
        minloglevel=2,
    )
    reference = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "model.model"))
    metadata = sentencepiece_metadata(reference) | {"tokenizer.ggml.add_space_prefix": dummy_prefix}
    assert_same(Tokenizer.from_metadata(metadata), reference.encode)


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_merges_is_that_of_sentencepiece_for_any_scores(seed: int) -> None:
    rng = random.Random(seed)
    words = {"".join(rng.choices("ab", k=rng.randint(2, 6))) for _ in range(rng.randint(1, 30))}
    runs = {"a" * length: -1e9 for length in rng.sample(range(2, 17), 8)}
    scores = (
        runs if seed % 2 else {word: -float(rank) for rank, word in enumerate(rng.sample(sorted(words), len(words)))}
    )
    reference = sentencepiece_model(scores | {"a": -1e9, "b": -1e9, "▁": -1e9})
    tokenizer = Tokenizer.from_metadata(sentencepiece_metadata(reference) | {"tokenizer.ggml.add_space_prefix": False})
    texts = ["".join(rng.choices("aaab" if seed % 2 else "ab", k=rng.randint(1, 60))) for _ in range(100)]
    assert_same(tokenizer, reference.encode, texts)


def test_tekken_is_encoded_as_by_tiktoken() -> None:
    data = json.loads(mistral_file("tekken_240911.json").read_text())
    special = data["config"]["default_num_special_tokens"]
    size = data["config"]["default_vocab_size"] - special
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in data["vocab"][:size]}
    encoding = tiktoken.Encoding("tekken", pat_str=data["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})
    metadata = byte_level_metadata("tekken", ranks, before=[f"<SPECIAL_{i}>" for i in range(special)])
    assert_same(Tokenizer.from_metadata(metadata), lambda text: [special + i for i in encoding.encode_ordinary(text)])


def test_llama_3_is_encoded_as_by_tiktoken(llama3_ranks: dict[bytes, int]) -> None:
    encoding = tiktoken.Encoding("l3", pat_str=_LLAMA3_PATTERN, mergeable_ranks=llama3_ranks, special_tokens={})
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]
    tokenizer = Tokenizer.from_metadata(
        byte_level_metadata("llama-bpe", llama3_ranks, after=special) | {"tokenizer.ggml.bos_token_id": 128000}
    )
    assert_same(tokenizer, encoding.encode_ordinary)
    assert tokenizer.encode("hi") == [128000, *encoding.encode_ordinary("hi")]
    assert tokenizer.end_ids == {128001, 128002}


def test_qwen_is_encoded_as_by_tiktoken(coder_05b: Path) -> None:
    metadata = GGUFFile.open(coder_05b).metadata
    ranks = {bytes(map(_byte_of.__getitem__, token)): i for i, token in enumerate(_normal_tokens(metadata))}
    encoding = tiktoken.Encoding("qwen", pat_str=_QWEN_PATTERN, mergeable_ranks=ranks, special_tokens={})
    assert_same(
        Tokenizer.from_metadata(metadata), lambda text: encoding.encode_ordinary(unicodedata.normalize("NFC", text))
    )


def test_smollm2_is_encoded_by_its_merges_word_by_word(smollm2: Path) -> None:
    metadata = GGUFFile.open(smollm2).metadata
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(strings_of(metadata, "tokenizer.ggml.merges"))}
    ids = {token: i for i, token in enumerate(strings_of(metadata, "tokenizer.ggml.tokens"))}

    def encode_word(word: str) -> list[int]:
        parts = [stand_in for stand_in in spelled(word.encode()) if stand_in in ids]  # a few bytes have no token
        while pairs := [(ranks[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in ranks]:
            _, i = min(pairs)
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return [ids[part] for part in parts]

    def encode(text: str) -> list[int]:
        pieces = [piece for piece in regex.split(r"(\p{N})", text) if piece]
        return [i for piece in pieces for word in regex.findall(_GPT2_PATTERN, piece) for i in encode_word(word)]

    assert_same(Tokenizer.from_metadata(metadata), encode, _TEXTS[:500])


@pytest.fixture(scope="module")
def llama3_ranks(request: pytest.FixtureRequest) -> dict[bytes, int]:
    """Llama 3's own vocabulary, read out of Meta's package; the wheel is kept in pytest's cache."""
    assert request.config.cache is not None
    folder = request.config.cache.mkdir("llama-models")
    if not list(folder.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", str(folder), "llama-models==0.3.0"], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        lines = wheel.read("llama_models/llama3/tokenizer.model").splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}


_byte_of = {spelled(bytes([byte])): byte for byte in range(256)}


def _normal_tokens(metadata: Mapping[str, object]) -> list[str]:
    types = numbers_of(metadata, "tokenizer.ggml.token_type")
    tokens = strings_of(metadata, "tokenizer.ggml.tokens")
    return [token for token, kind in zip(tokens, types, strict=True) if kind == TokenType.NORMAL]
