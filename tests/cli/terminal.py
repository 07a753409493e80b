"""`Terminal`: a program in a pseudo terminal, driven as a person would: read the screen, type, press Ctrl-C."""

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from types import TracebackType

READY = r">>> $"  # the prompt of a chat that waits for input
_ESCAPE_SEQUENCE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")


class Terminal:
    """``sevenb`` with the given arguments, a controlling terminal of its own and 100 columns."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._fd, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (40, 100))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sevenb.cli.main", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(terminal)
        self._raw = b""
        self._seen = 0

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._fd)

    @property
    def screen(self) -> str:
        """All that was ever shown, without colours and cursor movements."""
        return _ESCAPE_SEQUENCE.sub("", self._raw.decode(errors="replace")).replace("\r\n", "\n")

    def type(self, text: str) -> None:
        """Press keys; ``\\x03`` is Ctrl-C and ``\\x04`` Ctrl-D."""
        os.write(self._fd, text.encode())

    def expect(self, pattern: str, seconds: float = 150.0) -> str:
        """Wait until the pattern shows after what was expected last; returns what showed up to its end."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.compile(pattern).search(self.screen, self._seen)
            if match:
                shown = self.screen[self._seen : match.end()]
                self._seen = match.end()
                return shown
            alive = time.monotonic() < deadline and self._read()
            assert alive, f"no {pattern!r} in {self.screen[self._seen :]!r}"

    def ask(self, message: str) -> str:
        """Type a line and return what showed until the next prompt, without the line itself."""
        self.type(message + "\n")
        return self.expect(READY).removesuffix(">>> ").partition("\n")[2].strip()

    def status(self) -> int:
        """Exit status of the program, which is expected to end by itself."""
        while self._read():
            pass
        return self._process.wait(150)

    def _read(self) -> bool:
        """Take in what is shown within a second; False once the program has closed the terminal."""
        ready, _, _ = select.select([self._fd], [], [], 1.0)
        if not ready:
            return True
        try:
            shown = os.read(self._fd, 65536)
        except OSError:  # Linux's way of telling the end
            return False
        self._raw += shown
        return bool(shown)
