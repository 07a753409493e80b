"""What ``tokenizer.json`` says, in the keys that GGUF files have for it.

The format is that of the `tokenizers` library, whose own steps before the merges serve as they are.
"""

from typing import Any

import msgspec

from sevenb.model.hf.sidecars import corrupt, shown, unsupported
from sevenb.model.tokenizer.pretokenizers import IGNORE_MERGES, NORMALIZER, PRE_TOKENIZER
from sevenb.model.tokenizer.sentencepiece import SPACE_PREFIX
from sevenb.model.tokenizer.vocabulary import TokenType

_BYTE_TOKEN_LENGTH = len("<0x00>")


class _AddedToken(msgspec.Struct):
    """A token that is found before anything else."""

    id: int
    content: str
    special: bool = False


class _BPE(msgspec.Struct):
    """Vocabulary and merges."""

    vocab: dict[str, int]
    merges: list[str | tuple[str, str]]
    type: str = "BPE"
    unk_token: str | None = None
    byte_fallback: bool = False
    ignore_merges: bool = False
    dropout: float | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None


class _Kind(msgspec.Struct):
    """Which algorithm the file is for."""

    type: str = "BPE"


class _Front(msgspec.Struct):
    model: _Kind


class TokenizerFile(msgspec.Struct):
    """The parts of ``tokenizer.json`` that count."""

    model: _BPE
    added_tokens: list[_AddedToken] = []
    normalizer: dict[str, Any] | None = None
    pre_tokenizer: dict[str, Any] | None = None
    post_processor: dict[str, Any] | None = None

    @classmethod
    def decode(cls, content: bytes, source: str) -> "TokenizerFile":
        """Raises `CorruptModelFile`, or `UnsupportedModel` for algorithms other than BPE."""
        try:
            kind = msgspec.json.decode(content, type=_Front).model.type
            if kind != "BPE":
                unsupported(source, f"has a tokenizer of the kind {shown(kind)}")
            return msgspec.json.decode(content, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            corrupt(source, f"its tokenizer.json cannot be read ({shown(str(error))[1:-1]})")

    def metadata(self, rows: int, source: str) -> dict[str, object]:
        """The ``tokenizer.*`` keys for a model with ``rows`` embeddings; places without a token are unused ones."""
        tokens, types = self._tokens(rows, source)
        model = self.model
        if model.dropout or model.continuing_subword_prefix or model.end_of_word_suffix:
            unsupported(source, "has a tokenizer with dropout, prefixes or suffixes")
        return {
            "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": types,
            "tokenizer.ggml.merges": [self._merge(merge, source) for merge in model.merges],
            **(self._byte_level(source) if _find(self.pre_tokenizer, "ByteLevel") else self._sentencepiece(source)),
        }

    def ids(self) -> dict[str, int]:
        """Every token by spelling."""
        return self.model.vocab | {token.content: token.id for token in self.added_tokens}

    def frame(self) -> tuple[bool | None, bool | None]:
        """Whether a start token is put in front of a text and an end token behind it; None where nothing says so."""
        template = _find(self.post_processor, "TemplateProcessing")
        if template is None:
            return None, None
        parts = template.get("single")
        kinds = [next(iter(part), "") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        return kinds[:1] == ["SpecialToken"], kinds[-1:] == ["SpecialToken"] and len(kinds) > 1

    # -- tokens ----------------------------------------------------------------------------------------

    def _tokens(self, rows: int, source: str) -> tuple[list[str], list[int]]:
        spellings: dict[int, str] = {token_id: token for token, token_id in self.model.vocab.items()}
        if len(spellings) != len(self.model.vocab):
            corrupt(source, "two tokens of its tokenizer.json have the same id")
        spellings |= {token.id: token.content for token in self.added_tokens}
        if spellings and not (min(spellings) >= 0 and max(spellings) < rows):
            corrupt(source, f"its tokenizer.json has the token id {max(spellings):,}, and it has {rows:,} embeddings")
        tokens = [f"[PAD{token_id}]" for token_id in range(rows)]
        types = [int(TokenType.UNUSED)] * rows
        for token_id, token in spellings.items():
            tokens[token_id], types[token_id] = token, TokenType.NORMAL
        if self.model.byte_fallback:
            for token, token_id in self.model.vocab.items():
                if token.startswith("<0x") and token.endswith(">") and len(token) == _BYTE_TOKEN_LENGTH:
                    types[token_id] = TokenType.BYTE
        for added in self.added_tokens:
            types[added.id] = TokenType.CONTROL if added.special else TokenType.USER_DEFINED
        unknown = self.model.vocab.get(self.model.unk_token or "")
        if unknown is not None and types[unknown] in (TokenType.NORMAL, TokenType.CONTROL):
            types[unknown] = TokenType.UNKNOWN
        return tokens, types

    def _merge(self, merge: str | tuple[str, str], source: str) -> str:
        text = merge if isinstance(merge, str) else " ".join(merge)
        if text.count(" ") != 1:
            unsupported(source, f"has a tokenizer with the merge {shown(text)}")
        return text

    # -- families --------------------------------------------------------------------------------------

    def _byte_level(self, source: str) -> dict[str, object]:
        byte_level = _find(self.pre_tokenizer, "ByteLevel")
        if byte_level is None or byte_level.get("add_prefix_space") is True:
            unsupported(source, "has a tokenizer that puts a space in front of texts")
        return {
            "tokenizer.ggml.model": "gpt2",
            NORMALIZER: "" if self.normalizer is None else msgspec.json.encode(self.normalizer).decode(),
            PRE_TOKENIZER: msgspec.json.encode(self.pre_tokenizer).decode(),
            IGNORE_MERGES: self.model.ignore_merges,
        }

    def _sentencepiece(self, source: str) -> dict[str, object]:
        """Spaces spelled as U+2581: by a normaliser in older files, by `Metaspace` in newer ones."""
        steps = _steps(self.normalizer, "normalizers")
        before = _steps(self.pre_tokenizer, "pretokenizers")
        kinds = [step.get("type") for step in steps]
        metaspace = before[0] if [step.get("type") for step in before] == ["Metaspace"] else None
        if metaspace is not None and not kinds and metaspace.get("split") is False:
            prefix = metaspace.get("prepend_scheme", "always")
        elif not before and kinds in (["Prepend", "Replace"], ["Replace"]) and _spells_spaces(steps):
            prefix = "each" if kinds[0] == "Prepend" else "never"
        else:
            unsupported(source, "has a tokenizer with steps before its merges that are not known")
        if prefix not in ("always", "each", "first", "never"):
            unsupported(source, f"has a tokenizer that puts spaces in front as {shown(prefix)}")
        return {"tokenizer.ggml.model": "llama", "tokenizer.ggml.add_space_prefix": prefix != "never"} | (
            {SPACE_PREFIX: prefix} if prefix != "never" else {}
        )


def _steps(step: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    """A step, or those of a sequence."""
    if step is None:
        return []
    steps = step.get(key) if step.get("type") == "Sequence" else [step]
    return [part for part in steps if isinstance(part, dict)] if isinstance(steps, list) else []


def _find(step: dict[str, Any] | None, kind: str) -> dict[str, Any] | None:
    """The last step of this kind, in a sequence or alone."""
    steps = _steps(step, "pretokenizers") + _steps(step, "processors")
    return next((part for part in reversed(steps) if part.get("type") == kind), None)


def _spells_spaces(steps: list[dict[str, Any]]) -> bool:
    replace = steps[-1]
    prepend = steps[0] if len(steps) > 1 else {"prepend": "▁"}
    return replace.get("pattern") == {"String": " "} and replace.get("content") == "▁" and prepend.get("prepend") == "▁"
