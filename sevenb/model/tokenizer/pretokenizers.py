"""How byte-level families cut text into words before their merges apply, by the name a GGUF file gives it.

Each pattern is the one the family was trained with, as published in its tokenizer files (Qwen2.5, Llama 3, SmolLM2,
GPT-2) and, for Tekken, in the `mistral-common` package. The names are those of llama.cpp's ``tokenizer.ggml.pre``.
A Hugging Face folder says it all itself.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

from sevenb.errors import UnsupportedModel

# What a Hugging Face folder says in ``tokenizer.json``: the steps as JSON (no normaliser is ""), and `whole_words`.
NORMALIZER = "tokenizer.huggingface.normalizer"
PRE_TOKENIZER = "tokenizer.huggingface.pre_tokenizer"
IGNORE_MERGES = "tokenizer.huggingface.ignore_merges"

_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@dataclass(frozen=True)
class Steps:
    """What comes before the merges. ``adds_bos`` and ``whole_words`` as in `PreTokenizer`."""

    normalizer: normalizers.Normalizer | None
    splitter: pre_tokenizers.PreTokenizer
    whole_words: bool
    adds_bos: bool = False


@dataclass(frozen=True)
class PreTokenizer:
    """The steps before the merges.

    ``patterns`` cut one after the other: what matches, and what lies between matches, are parts of their own. ``nfc``
    composes characters first. ``whole_words``: a word that is itself a token is taken as it is, without looking at the
    merges. ``adds_bos`` is what holds when the file does not say.
    """

    patterns: tuple[str, ...]
    nfc: bool = False
    whole_words: bool = False
    adds_bos: bool = False

    def normalizer(self) -> normalizers.Normalizer | None:
        """The character normalisation, or None."""
        return normalizers.NFC() if self.nfc else None

    def splitter(self) -> pre_tokenizers.PreTokenizer:
        """Cuts by ``patterns`` and spells bytes as GPT-2 does."""
        splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in self.patterns]
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        return pre_tokenizers.Sequence([*splits, byte_level])


_QWEN2_FAMILY = PreTokenizer((_QWEN2,), nfc=True)
_LLAMA3_FAMILY = PreTokenizer((_LLAMA3,), whole_words=True, adds_bos=True)
_TEKKEN_FAMILY = PreTokenizer((_TEKKEN,), whole_words=True, adds_bos=True)
_STARCODER_FAMILY = PreTokenizer((r"\p{N}", _GPT2))
_GPT2_FAMILY = PreTokenizer((_GPT2,))

_BY_NAME = {
    "qwen2": _QWEN2_FAMILY,
    "deepseek-r1-qwen": _QWEN2_FAMILY,
    "llama-bpe": _LLAMA3_FAMILY,
    "llama3": _LLAMA3_FAMILY,
    "llama-v3": _LLAMA3_FAMILY,
    "tekken": _TEKKEN_FAMILY,
    "smollm": _STARCODER_FAMILY,
    "starcoder": _STARCODER_FAMILY,
    "refact": _STARCODER_FAMILY,
    "gpt-2": _GPT2_FAMILY,
    "gpt2": _GPT2_FAMILY,
    "default": _GPT2_FAMILY,
}


def pre_tokenizer(name: str) -> PreTokenizer:
    """The pre-tokeniser a GGUF file asks for; `UnsupportedModel` for one that is not known."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnsupportedModel(
            f"The model file asks for the pre-tokeniser {name!r:.60}, which sevenb does not have; "
            f"choose a model with one of: {', '.join(_BY_NAME)}."
        ) from None


def steps_of(metadata: Mapping[str, object]) -> Steps:
    """The steps of a model, spelled out or by the family's name. Raises `UnsupportedModel`."""
    stated = metadata.get(PRE_TOKENIZER)
    if stated is None:
        family = pre_tokenizer(str(metadata.get("tokenizer.ggml.pre", "default")))
        return Steps(family.normalizer(), family.splitter(), family.whole_words, family.adds_bos)
    empty = {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {}, "merges": []}}
    try:
        normalizer = json.loads(str(metadata.get(NORMALIZER)) or "null")
        stated = json.loads(str(stated))
        read = tokenizers.Tokenizer.from_str(json.dumps(empty | {"normalizer": normalizer, "pre_tokenizer": stated}))
        read.pre_tokenizer.pre_tokenize_str("a 1")  # some settings fail at the first text only
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare Exceptions, and where it panics not even those
        raise UnsupportedModel(
            f"The model's tokenizer.json has steps before its merges that cannot be used ({error!s:.200}); choose "
            "another build of the model."
        ) from None
    return Steps(read.normalizer, read.pre_tokenizer, metadata.get(IGNORE_MERGES) is True)
