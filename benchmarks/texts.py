"""The mixed text of every measurement: Chinese, English, code and a chat, tokenised by the model's own tokenizer."""

from pathlib import Path

from sevenb.model.checkpoint import Checkpoint
from sevenb.model.tokenizer import Tokenizer

FOLDER = Path(__file__).parent / "fidelity_text"


def tokenized_texts(checkpoint: Checkpoint) -> list[list[int]]:
    """Token ids of each file of the folder."""
    tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
    return [
        tokenizer.encode(path.read_text(encoding="utf-8"), parse_special=True) for path in sorted(FOLDER.glob("*.txt"))
    ]


def pieces(texts: list[list[int]], length: int) -> list[list[int]]:
    """The texts cut into pieces of at most ``length`` tokens."""
    return [text[start : start + length] for text in texts for start in range(0, len(text), length)]


class PromptSource:
    """Prompts of any length; no two begin alike, so that no cache of prefixes can help."""

    def __init__(self, texts: list[list[int]]) -> None:
        self._tokens = [token for text in texts for token in text]
        self._start = 0

    def take(self, length: int) -> list[int]:
        """The next prompt of ``length`` tokens, which starts elsewhere in the text and wraps around at its end."""
        self._start += 37
        return [self._tokens[(self._start + index) % len(self._tokens)] for index in range(length)]
