"""`Server`: uvicorn with our manners: quiet, and a shutdown that lets running streams end first."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from types import FrameType

import uvicorn
from fastapi import FastAPI

from sevenb.errors import EngineNotReady
from sevenb.server.service import Service

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 30.0  # what running streams get to end by themselves after the first signal
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Serves one application. The first SIGTERM or SIGINT drains, the second one ends the open streams at once.

    Answers of the console, which are kept as they are, end with the first one.
    """

    def __init__(self, app: FastAPI, service: Service, *, log_level: str = "warning") -> None:
        config = uvicorn.Config(
            app,
            log_level=log_level,
            log_config=None,
            access_log=log_level == "debug",
            server_header=False,
            # Streams are told to end before this; it is the last resort.
            timeout_graceful_shutdown=int(DRAIN_SECONDS) + 5,
        )
        super().__init__(config)
        self._app = app
        self._service = service

    def stop(self) -> None:
        """Stop accepting and let open requests end; called again, end them now."""
        if self.should_exit:
            self._end_streams()
        else:
            self.should_exit = True
            # Whoever reads these goes on with them later; clients of the API cannot.
            if (answers := getattr(self._app.state, "answers", None)) is not None:
                answers.interrupt_all()
            if open_requests := self._service.open_requests:
                logger.warning("Shutting down once %d open requests have ended", open_requests)
            asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._end_streams)

    def _end_streams(self) -> None:
        self._service.fail_open_requests(EngineNotReady("The server is shutting down; send the request later."))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while serving, without raising them again afterwards: draining and leaving is our exit."""
        loop = asyncio.get_running_loop()

        def handle(_signal: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.stop)

        previous = {number: signal.signal(number, handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
