"""What a start that fails tells."""

import asyncio

from starlette.datastructures import State
from starlette.types import Message, Receive, Scope, Send

from sevenb.errors import WorkspaceUnavailable
from sevenb.server.startup import QuietStartMiddleware


def told(failure: Exception | None) -> list[Message]:
    """What the middleware lets pass of a failed start."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "lifespan.startup.failed", "message": "Traceback (most recent call last): ..."})

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(QuietStartMiddleware(app, State({"startup_failure": failure}))({"type": "lifespan"}, receive, send))
    return sent


def test_a_start_that_fails_for_a_known_reason_shows_no_traceback() -> None:
    assert told(WorkspaceUnavailable("The database is gone."))[0]["message"] == ""
    assert "Traceback" in told(None)[0]["message"]  # a mistake of ours: its log has the details
