"""`UsageMeter`: counts the tokens of each request for whoever sent it, and writes them down in batches."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sevenb.errors import SevenbError
from sevenb.server.access.principal import Principal
from sevenb.workspace.records import Use

logger = logging.getLogger(__name__)

WRITE_SECONDS = 2.0  # between two batches
MAX_PENDING = 100_000  # requests that wait for a database which does not answer; older ones are forgotten


class UsageMeter:
    """What was used since the last batch was written.

    ``write`` keeps a batch and blocks, so it runs by ``in_thread``. A database that fails keeps no answer back: the
    batch waits for the next try.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Use]], None],
        in_thread: Callable[[Callable[[], Any]], Awaitable[Any]],
    ) -> None:
        self._write = write
        self._in_thread = in_thread
        self._pending: list[Use] = []
        self._writing = asyncio.Lock()
        self._failing = False

    def count(
        self, principal: Principal, model: str, prompt_tokens: int, cached_tokens: int, completion_tokens: int
    ) -> None:
        """Add one request."""
        user_id = None if principal.user is None else principal.user.id
        use = Use(model, prompt_tokens, cached_tokens, completion_tokens, user_id, principal.key_id, time.time())
        self._pending.append(use)
        del self._pending[:-MAX_PENDING]

    async def flush(self) -> None:
        """Write down what is pending, so that it can be read."""
        async with self._writing:
            batch, self._pending = self._pending, []
            if not batch:
                return
            try:
                await self._in_thread(lambda: self._write(batch))
                self._failing = False
            except BaseException as error:
                self._pending = batch + self._pending
                if not isinstance(error, SevenbError):
                    raise
                if not self._failing:
                    logger.warning("Usage is not being recorded: %s", error)
                self._failing = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write batches until the end of the block, then the last one."""
        task = asyncio.create_task(self._write_now_and_then(), name="usage")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await self.flush()

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.flush()
