"""`LineReader`: messages typed in the terminal, with editing, history, completion, and blocks in triple quotes."""

import contextlib
import os
import readline
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

PROMPT = ">>> "
CONTINUATION = "... "
QUOTES = '"""'
HISTORY_LINES = 1000


class LineReader:
    """Reads messages while it is entered; the history goes to a file that only its owner can read."""

    def __init__(self, history: Path, words: Sequence[str] = ()) -> None:
        """``words`` are completed with the tab key at the start of a message."""
        self._history = history
        self._words = words
        self._known = 0

    def __enter__(self) -> "LineReader":
        with contextlib.suppress(OSError):
            readline.read_history_file(self._history)
        self._known = readline.get_current_history_length()
        readline.set_history_length(HISTORY_LINES)
        readline.set_completer_delims("")
        readline.set_completer(self._complete)
        libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
        readline.parse_and_bind("set enable-bracketed-paste on")  # Python has it off: what is pasted is one message
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Add the new lines to those that another chat may have written meanwhile; a full disk is no reason to fail."""
        with contextlib.suppress(OSError):
            self._history.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self._history, os.O_CREAT, 0o600))
            readline.append_history_file(readline.get_current_history_length() - self._known, self._history)

    def read(self) -> str:
        """The next message. Raises `EOFError` at Ctrl-D and `KeyboardInterrupt` at Ctrl-C.

        A line that opens triple quotes at its start, or as the value of a command, goes on until they are closed.
        """
        line = input(PROMPT)
        head, quotes, text = line.partition(QUOTES)
        if not quotes or (head.strip() and not head.startswith("/")):
            return line.strip()
        lines = [text]
        while not lines[-1].rstrip().endswith(QUOTES):
            lines.append(input(CONTINUATION))
        return head.lstrip() + "\n".join(lines).rstrip().removesuffix(QUOTES).strip("\n")

    def _complete(self, text: str, state: int) -> str | None:
        matches = [word for word in self._words if text and word.startswith(text)]
        return matches[state] if state < len(matches) else None
