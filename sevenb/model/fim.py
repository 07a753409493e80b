"""Fill in the middle: how a model that was trained for it is asked for what stands between two pieces of code.

The tokens of Qwen2.5-Coder (its technical report, arXiv 2409.12186, section 3.2) and of models that write them alike
(StarCoder, CodeGemma, Granite). The layout with other files before it is Qwen's repository level.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sevenb.model.tokenizer import Tokenizer

_PREFIX = ("<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<|fim▁begin|>", "<｜fim▁begin｜>")
_SUFFIX = ("<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<|fim▁hole|>", "<｜fim▁hole｜>")
_MIDDLE = ("<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<|fim▁end|>", "<｜fim▁end｜>")
_REPOSITORY = ("<|repo_name|>", "<repo_name>", "<reponame>", "<|reponame|>")
_FILE = ("<|file_sep|>", "<|file_separator|>", "<file_sep>")

_REPOSITORY_NAME = "project"  # clients do not say
_CURRENT_FILE = "current file"


@dataclass(frozen=True)
class CodeFile:
    """A file, or a piece of one, that the model is to know of."""

    name: str
    text: str


@dataclass(frozen=True)
class FimPrompt:
    """Token ids that end where the middle begins; ``truncated`` where not all that was given had room."""

    token_ids: list[int]
    truncated: bool


@dataclass(frozen=True)
class FimTokens:
    """The special tokens that mark the parts. Those of repositories are None where a model has none."""

    prefix: int
    suffix: int
    middle: int
    repository: int | None = None
    file: int | None = None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "FimTokens | None":
        """Those of a vocabulary, by their spelling; None for a model that cannot fill in."""
        known = tokenizer.added_tokens

        def find(names: Sequence[str]) -> int | None:
            return next((known[name] for name in names if name in known), None)

        prefix, suffix, middle = find(_PREFIX), find(_SUFFIX), find(_MIDDLE)
        if prefix is None or suffix is None or middle is None:
            return None
        return cls(prefix, suffix, middle, find(_REPOSITORY), find(_FILE))

    @property
    def all(self) -> tuple[int, ...]:
        """Every one of them. None belongs into a middle: a model that writes one has come to its end."""
        tokens = (self.prefix, self.suffix, self.middle, self.repository, self.file)
        return tuple(token_id for token_id in tokens if token_id is not None)

    def prompt(
        self,
        tokenizer: Tokenizer,
        prefix: str,
        suffix: str,
        *,
        files: Sequence[CodeFile] = (),
        room: int | None = None,
    ) -> FimPrompt:
        """The prompt for what stands between ``prefix`` and ``suffix``. Special tokens in the texts are plain text.

        What exceeds ``room`` tokens is left out from where it matters least: the beginning of ``files``, then the
        beginning of the prefix and the end of the suffix, which keeps a quarter of the room if it needs as much.
        """
        before, after = _encode(tokenizer, prefix), _encode(tokenizer, suffix)
        extra = self._files(tokenizer, files)
        truncated = False
        if room is not None:
            room = max(0, room - 3)
            kept_after = min(len(after), max(room // 4, room - len(before)))
            kept_before = min(len(before), room - kept_after)
            kept_extra = min(len(extra), room - kept_after - kept_before)
            truncated = kept_after + kept_before + kept_extra < len(after) + len(before) + len(extra)
            before, after = before[len(before) - kept_before :], after[:kept_after]
            extra = extra[len(extra) - kept_extra :]
        token_ids = [*extra, self.prefix, *before, self.suffix, *after, self.middle]
        return FimPrompt(token_ids, truncated)

    def _files(self, tokenizer: Tokenizer, files: Sequence[CodeFile]) -> list[int]:
        """Other files, and the beginning of the one that is being written."""
        if not files:
            return []
        token_ids = _headed(tokenizer, self.repository, _REPOSITORY_NAME)
        for file in files:
            token_ids += _headed(tokenizer, self.file, file.name) + _encode(tokenizer, file.text)
        return token_ids + _headed(tokenizer, self.file, _CURRENT_FILE)


def _headed(tokenizer: Tokenizer, token_id: int | None, name: str) -> list[int]:
    """A marker with a name after it; for a model without the marker, an empty line."""
    return _encode(tokenizer, "\n\n") if token_id is None else [token_id, *_encode(tokenizer, f"{name}\n")]


def _encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_bos=False)
