"""The mixed text of every measurement: Chinese, English, code and a chat, tokenised by the model's own tokenizer."""

from dataclasses import dataclass
from pathlib import Path
from pydoc_data import topics

from sevenb.model.checkpoint import Checkpoint
from sevenb.model.tokenizer import Tokenizer

_LONG_TAIL = 64  # tokens of each of our texts at the end of a long one

FOLDER = Path(__file__).parent / "fidelity_text"


def tokenized_texts(checkpoint: Checkpoint) -> list[list[int]]:
    """Token ids of each file of the folder."""
    tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
    return [
        tokenizer.encode(path.read_text(encoding="utf-8"), parse_special=True) for path in sorted(FOLDER.glob("*.txt"))
    ]


def long_text(checkpoint: Checkpoint, length: int) -> list[int]:
    """Token ids of one text of ``length`` tokens: the reference of the Python language, and our own text at its end.

    The documentation is what comes with this Python, so its wording may differ from one version to another.
    """
    ours = [token for text in tokenized_texts(checkpoint) for token in text[:_LONG_TAIL]]
    documentation = "\n\n".join(topics.topics.values())[: 8 * length]
    before = Tokenizer.from_metadata(checkpoint.metadata).encode(documentation)
    return [*before[: length - len(ours)], *ours]


def pieces(texts: list[list[int]], length: int) -> list[list[int]]:
    """The texts cut into pieces of at most ``length`` tokens."""
    return [text[start : start + length] for text in texts for start in range(0, len(text), length)]


@dataclass(frozen=True)
class Request:
    """A chat up to where the answer begins, and the token that ends the answer."""

    prompt: list[int]
    end: int


def requests(checkpoint: Checkpoint) -> dict[str, Request]:
    """Chats that ask for something to be made of a given text."""
    code = (FOLDER / "code.txt").read_text(encoding="utf-8").partition("\n// ----")[0]
    story = "\n\n".join((FOLDER / "english.txt").read_text(encoding="utf-8").split("\n\n")[:6])
    asked = {
        "edit": f"Rename the class Slot to Interval everywhere in this module and print the whole module.\n\n{code}",
        "summarise": f"Summarise this text; quote the sentences that matter most.\n\n{story}",
    }
    tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
    frame = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    (end,) = tokenizer.encode("<|im_end|>", parse_special=True)
    return {
        name: Request(tokenizer.encode(frame.format(text), parse_special=True), end) for name, text in asked.items()
    }


class PromptSource:
    """Prompts of any length; no two begin alike, so that no cache of prefixes can help."""

    def __init__(self, texts: list[list[int]]) -> None:
        self._tokens = [token for text in texts for token in text]
        self._start = 0

    def beginning(self, length: int) -> list[int]:
        """The text's first ``length`` tokens, wrapped around; what `take` gives begins elsewhere."""
        return [self._tokens[index % len(self._tokens)] for index in range(length)]

    def take(self, length: int) -> list[int]:
        """The next prompt of ``length`` tokens, which starts elsewhere in the text and wraps around at its end."""
        self._start += 37
        return [self._tokens[(self._start + index) % len(self._tokens)] for index in range(length)]
