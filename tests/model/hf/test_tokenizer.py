"""The tokenizer of a folder: token for token that of transformers, and that of the same model's GGUF file."""

import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tokenizers

from sevenb.errors import CorruptModelFile, ModelNotFound, SevenbError, UnsupportedModel
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.fim import FimTokens
from sevenb.model.hf.metadata import folder_metadata
from sevenb.model.tokenizer import Tokenizer
from tests.model.hf.folders import FolderMaker
from tests.model.hf.tiny_folder import tokenizer as tiny_tokenizer
from tests.model.hf.tiny_folder import write_tiny_folder
from tests.model.mixed_texts import mixed_texts
from tests.model.tokenizer_metadata import mistral_file

_TEXTS = mixed_texts(400, seed=3)
_MARKED = [
    "<|im_start|>user\nhi<|im_end|>\n",
    "a <tool_call>{}</tool_call> b",
    "<|endoftext|><|fim_prefix|>x<|fim_suffix|>",
    "<s>x</s> y<unk>",
    "[INST] a [/INST] b",
]


class _Pair:
    """A model's folder, without its weights, and its GGUF file."""

    def __init__(self, folder: Path, gguf: Path) -> None:
        maker = FolderMaker(gguf, "bf16")
        for name in ("config", "generation_config", "tokenizer", "tokenizer_config"):
            (folder / f"{name}.json").write_text(json.dumps(getattr(maker, name), ensure_ascii=False))
        with Checkpoint.open(gguf) as checkpoint:
            self.gguf = checkpoint.metadata
            self.folder = folder_metadata(folder, maker.config, checkpoint.config)
        self.path = folder
        self.tokenizer = Tokenizer.from_metadata(self.folder)
        self.original = Tokenizer.from_metadata(self.gguf)


@pytest.fixture(scope="module", params=["coder_05b", "smollm2"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> _Pair:
    return _Pair(tmp_path_factory.mktemp("folder"), request.getfixturevalue(request.param))


def test_every_text_has_the_tokens_that_the_gguf_file_gives_it(pair: _Pair) -> None:
    for text in _TEXTS + _MARKED:
        for parse_special in (False, True):
            ours, theirs = (t.encode(text, parse_special=parse_special) for t in (pair.tokenizer, pair.original))
            assert ours == theirs, text


def test_every_text_has_the_tokens_that_transformers_gives_it(pair: _Pair) -> None:
    reference = tokenizers.Tokenizer.from_file(str(pair.path / "tokenizer.json"))
    assert_same(pair.tokenizer, reference)


def test_tokens_become_the_same_text_again(pair: _Pair) -> None:
    assert pair.tokenizer.vocab_size == pair.original.vocab_size
    for token_id in range(pair.original.vocab_size):
        assert pair.tokenizer.token_bytes(token_id) == pair.original.token_bytes(token_id)


def test_special_tokens_and_ends_are_the_same(pair: _Pair) -> None:
    for name in ("special_tokens", "added_tokens", "special_ids", "end_ids", "eos_id", "pad_id"):
        assert getattr(pair.tokenizer, name) == getattr(pair.original, name), name
    assert FimTokens.of(pair.tokenizer) == FimTokens.of(pair.original)


def test_a_chat_is_written_the_same_way(pair: _Pair) -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}
    for messages in (
        [{"role": "user", "content": "Hello <|im_end|> there"}],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    ):
        ours, theirs = (
            tokenizer.encode_chat(ChatTemplate.from_metadata(metadata, tokenizer).render(messages, tools=[tool]))
            for metadata, tokenizer in ((pair.folder, pair.tokenizer), (pair.gguf, pair.original))
        )
        assert ours == theirs


# -- families that no stored model has -----------------------------------------------------------------


def assert_same(tokenizer: Tokenizer, reference: tokenizers.Tokenizer) -> None:
    """The same tokens for all texts, special ones spelled out in them included."""
    for text in _TEXTS + _MARKED:
        expected = reference.encode(text, add_special_tokens=False).ids
        assert tokenizer.encode(text, parse_special=True, add_bos=False) == expected, text


def _opened(folder: Path, tokenizer: dict[str, Any], rows: int) -> Tokenizer:
    """The tokenizer of a folder that holds this one; its weights do not matter."""
    with Checkpoint.open(write_tiny_folder(folder)) as checkpoint:
        model = checkpoint.config
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "special_tokens_map.json").write_text(json.dumps({"bos_token": {"content": "<s>"}}))
    vars(model)["vocab_size"] = rows
    return Tokenizer.from_metadata(folder_metadata(folder, {}, model))


@pytest.fixture(scope="module")
def sentencepiece_bpe() -> dict[str, Any]:
    """Mistral's SentencePiece model as transformers converts it, but for the steps before the merges."""
    source = sentencepiece.SentencePieceProcessor(
        model_file=str(mistral_file("mistral_instruct_tokenizer_240323.model.v3"))
    )
    pieces = [source.id_to_piece(token_id) for token_id in range(source.get_piece_size())]
    ids = {piece: token_id for token_id, piece in enumerate(pieces)}
    merges = [
        (source.get_score(ids[piece]), len(left), left, piece[len(left) :])
        for piece in pieces
        for left in (piece[:cut] for cut in range(1, len(piece)))
        if left in ids and piece[len(left) :] in ids
    ]
    merges.sort(key=lambda merge: (-merge[0], merge[1]))
    special = [*pieces[:3], *(piece for piece in pieces if source.is_control(ids[piece]))]
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": ids[piece], "content": piece, "special": True} | _FLAGS for piece in dict.fromkeys(special)
        ],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": None,
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": ids,
            "merges": [[left, right] for *_, left, right in merges],
        },
    }


_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
_REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
_METASPACE = {"type": "Metaspace", "replacement": "▁", "split": False}
_STEPS = {
    "as Llama 2 has them": {
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, _REPLACE]}
    },
    "as Yi has them": {"normalizer": {"type": "Sequence", "normalizers": [_REPLACE]}},
    "as Mistral v0.3 has them": {"pre_tokenizer": _METASPACE | {"prepend_scheme": "first"}},
    "for every piece": {"pre_tokenizer": _METASPACE | {"prepend_scheme": "always"}},
    "none in front": {"pre_tokenizer": _METASPACE | {"prepend_scheme": "never"}},
}


@pytest.mark.parametrize("steps", _STEPS.values(), ids=_STEPS)
def test_spaces_spelled_as_sentencepiece_does_are_put_where_transformers_puts_them(
    sentencepiece_bpe: dict[str, Any], steps: dict[str, Any], tmp_path: Path
) -> None:
    document = sentencepiece_bpe | steps
    reference = tokenizers.Tokenizer.from_str(json.dumps(document))
    tokenizer = _opened(tmp_path, document, rows=len(document["model"]["vocab"]))
    assert_same(tokenizer, reference)
    assert tokenizer.encode("x")[0] == tokenizer.special_tokens["<s>"]
    assert tokenizer.decode(tokenizer.encode("two  spaces")) == "two  spaces"


_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LAST = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
_CUTS: dict[str, dict[str, Any]] = {
    "Llama 3": {"type": "Split", "pattern": {"Regex": _LLAMA3}, "behavior": "Isolated", "invert": False},
    "DeepSeek's punctuation": {
        "type": "Split",
        "pattern": {"Regex": r"\s?[!-/:-~]+"},
        "behavior": "Isolated",
        "invert": False,
    },
    "digits": {"type": "Digits", "individual_digits": True},
    "punctuation": {"type": "Punctuation", "behavior": "Contiguous"},
}


@pytest.mark.parametrize("cut", _CUTS.values(), ids=_CUTS)
@pytest.mark.parametrize("whole_words", [False, True])
def test_a_byte_level_family_that_is_not_known_by_name_is_cut_as_its_file_says(
    smollm2: Path, tmp_path: Path, cut: dict[str, Any], whole_words: bool
) -> None:
    document = FolderMaker(smollm2, "bf16").tokenizer
    document["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [cut, _LAST]}
    document["model"]["ignore_merges"] = whole_words
    tokenizer = _opened(tmp_path, document, rows=49152)
    assert_same(tokenizer, tokenizers.Tokenizer.from_str(json.dumps(document)))


# -- what the other files say --------------------------------------------------------------------------


def test_a_template_in_a_file_of_its_own_counts_most(tmp_path: Path) -> None:
    with Checkpoint.open(write_tiny_folder(tmp_path, chat_template__jinja="{{ 'own' }}")) as checkpoint:
        assert checkpoint.metadata["tokenizer.chat_template"] == "{{ 'own' }}"


def test_of_several_templates_the_default_one_is_taken(tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "chat"}]
    write_tiny_folder(tmp_path, tokenizer_config__json={"chat_template": named})
    with Checkpoint.open(tmp_path) as checkpoint:
        assert checkpoint.metadata["tokenizer.chat_template"] == "chat"


def test_every_end_that_generation_config_names_ends_an_answer(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path, generation_config__json={"eos_token_id": [65, 66, 10**9]})
    with Checkpoint.open(tmp_path) as checkpoint:
        tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
    assert {65, 66} < tokenizer.end_ids
    assert 65 not in tokenizer.special_ids


def test_without_generation_config_the_end_is_that_of_the_model(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path, tokenizer_config__json={})
    with Checkpoint.open(tmp_path) as checkpoint:
        tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
    assert tokenizer.eos_id == 258
    assert 258 in tokenizer.end_ids


def test_a_start_token_is_put_in_front_where_the_file_says_so(tmp_path: Path) -> None:
    settings = {"bos_token": {"content": "<|endoftext|>"}, "add_bos_token": True}
    write_tiny_folder(tmp_path, tokenizer_config__json=settings)
    with Checkpoint.open(tmp_path) as checkpoint:
        assert Tokenizer.from_metadata(checkpoint.metadata).encode("a") == [256, 97]


# -- files that cannot be --------------------------------------------------------------------------------


def _bpe(**changes: Any) -> dict[str, Any]:
    return tiny_tokenizer(model=tiny_tokenizer()["model"] | changes)


def _split_into(step: dict[str, Any]) -> dict[str, Any]:
    steps = [step, tiny_tokenizer()["pre_tokenizer"]]
    return tiny_tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": steps})


@pytest.mark.parametrize(
    ("document", "error", "words"),
    [
        ("", CorruptModelFile, "tokenizer.json cannot be read"),
        ("[]", CorruptModelFile, "tokenizer.json cannot be read"),
        ('{"model": ' + "[" * 100_000, CorruptModelFile, "tokenizer.json cannot be read"),
        ({"model": {"type": "Unigram", "vocab": [["a", 0.0]]}}, UnsupportedModel, "'Unigram'"),
        (_bpe(vocab={"a": -1}, merges=[]), CorruptModelFile, "token id"),
        (_bpe(vocab={"a": 10**12}, merges=[]), CorruptModelFile, "token id 1,000,000,000,000"),
        (_bpe(vocab={"a": 1, "b": 1}, merges=[]), CorruptModelFile, "same id"),
        (_bpe(merges=["a b c"]), UnsupportedModel, "merge 'a b c'"),
        (_bpe(dropout=0.1), UnsupportedModel, "dropout"),
        (tiny_tokenizer(pre_tokenizer={"type": "Whitespace"}), UnsupportedModel, "steps before its merges"),
        (tiny_tokenizer(pre_tokenizer={"type": "Sequence", "pretokenizers": 3}), UnsupportedModel, "before its merges"),
        (tiny_tokenizer(normalizer={"type": "Nonsense"}), UnsupportedModel, "cannot be used"),
        (tiny_tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": ""}), UnsupportedModel, "cannot"),
        (_split_into({"type": "FixedLength", "length": 0}), UnsupportedModel, "cannot be used"),
        (tiny_tokenizer(added_tokens=[{"id": 10**6, "content": "x"}]), CorruptModelFile, "token id"),
    ],
)
def test_a_tokenizer_that_cannot_be_used_is_refused_in_a_sentence(
    tmp_path: Path, document: object, error: type[SevenbError], words: str
) -> None:
    write_tiny_folder(tmp_path, tokenizer_json=document)
    with pytest.raises(error, match=words) as refusal, Checkpoint.open(tmp_path) as checkpoint:
        Tokenizer.from_metadata(checkpoint.metadata)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_merges_of_tokens_that_are_not_there_are_told(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path, tokenizer_json=_bpe(merges=["a b"]))
    with Checkpoint.open(tmp_path) as checkpoint, pytest.raises(CorruptModelFile, match="do not fit its vocabulary"):
        Tokenizer.from_metadata(checkpoint.metadata)


def test_a_folder_without_tokenizer_json_says_which_file_to_get(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path)
    (tmp_path / "tokenizer.json").rename(tmp_path / "tokenizer.model")
    with pytest.raises(ModelNotFound, match=r"has no tokenizer\.json, and sevenb does not read tokenizer\.model"):
        Checkpoint.open(tmp_path)
