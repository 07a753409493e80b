"""Our own server as a child process: started for a measurement, and ended with it whatever happens."""

import asyncio
import os
import re
import signal
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from sevenb.errors import TargetFailed
from sevenb.lab.progress import Progress
from sevenb.lab.target.address import KEY_VARIABLES

_READY = re.compile(r"Server is ready!\s+(http://\S+/v1)")
_END_SECONDS = 15.0
_KEPT_LINES = 20
_LONGEST_WORDS = 400  # characters of them that are quoted
_FRAME = " \t\r\n─│╭╮╰╯"
_NOT_SAID = ("Error", "Loading ", "Usage:", "Try 'sevenb", "No such option", "Invalid value")
_KILLED = 9  # SIGKILL, which not every system has
_LAST_WORDS_SECONDS = 2.0  # for a child whose connections broke to end


@asynccontextmanager
async def own_server(model: str, serve_options: Sequence[str], progress: Progress) -> AsyncIterator[str]:
    """Serve ``model`` on a free port; its address, ending in ``/v1``.

    The child sees neither accounts nor keys of this machine. Should this process be killed, the child ends by itself:
    it watches its standard input. Raises `TargetFailed` with the child's own words where it does not come up, or ends
    while it is measured.
    """
    command = [sys.executable, "-m", "sevenb.lab.target.child", "serve", model, "--port", "0", "--no-console"]
    command += ["--generation-config", "vllm"]  # scores mean sampling as the task says, without a maker's penalties
    with tempfile.TemporaryDirectory(prefix="sevenb-lab-", ignore_cleanup_errors=True) as data:
        environment = {name: value for name, value in os.environ.items() if name not in KEY_VARIABLES}
        environment |= {"SEVENB_DATA": data, "COLUMNS": "1000", "NO_COLOR": "1"}
        environment.pop("SEVENB_DATABASE", None)
        process = await asyncio.create_subprocess_exec(
            *command,
            *serve_options,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C is for this process, which ends the child in its own time
        )
        lines = _Lines(process, progress)
        try:
            with progress.stage(f"Starting {model}", 1) as stage:
                url = await lines.until_ready(model)
                stage.advance(1)
            draining = asyncio.create_task(lines.drain())
            try:
                yield url
            except TargetFailed as error:
                raise await lines.explained(error, model) from None
            finally:
                await _end(process)
                await asyncio.wait([draining], timeout=_LAST_WORDS_SECONDS)  # its engine has the same output
                draining.cancel()
        finally:
            await _end(process)


class _Lines:
    """What the child prints: shown while it starts, afterwards only the newest are kept."""

    def __init__(self, process: asyncio.subprocess.Process, progress: Progress) -> None:
        assert process.stdout is not None
        self._process = process
        self._stream = process.stdout
        self._progress = progress
        self._kept: deque[str] = deque(maxlen=_KEPT_LINES)

    async def until_ready(self, model: str) -> str:
        while line := await self._next():
            if ready := _READY.search(line):
                self._kept.clear()  # the start went well, so that none of this would tell why it ends
                return ready[1]
            if line.strip() and not line.startswith(_NOT_SAID):
                self._progress.say(line.strip())
        await self._process.wait()
        lines = list(self._kept)
        begins = max((number for number, line in enumerate(lines) if line.startswith("Error")), default=0)
        sentence = " ".join(lines[begins:]).removeprefix("Error").lstrip(": ")[-_LONGEST_WORDS:] or "it says nothing"
        raise TargetFailed(f"The server for {model} did not start: {sentence}")

    async def explained(self, error: TargetFailed, model: str) -> TargetFailed:
        """What failed; of a child that has ended, with its last words, for nobody else has seen them."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _LAST_WORDS_SECONDS)
        status = self._process.returncode
        if status is None:
            return error
        how = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        if status == -_KILLED:
            how += ", as systems do when memory runs out,"
        words = self._last_words()
        last = f" Its last words: {words}" if words else ""
        return TargetFailed(f"The server for {model} {how} midway; run the same command again to go on.{last}")

    async def drain(self) -> None:
        while await self._next():
            pass

    def _last_words(self) -> str:
        return " ".join(line.strip() for line in self._kept)[-_LONGEST_WORDS:]

    async def _next(self) -> str:
        """The next line, without the frames that are drawn around some; empty at the end."""
        line = (await self._stream.readline()).decode(errors="replace")
        words = line.strip(_FRAME)
        if words:
            self._kept.append(words)
        return f"{words}\n" if line else ""


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to end, and make it where it does not. Cancelling does not keep it from that."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.shield(asyncio.wait_for(process.wait(), _END_SECONDS))
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.kill()
        raise
