"""Search in the history: messages and titles."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from sevenb.server.access.principal import SignedIn, WorkspaceDependency
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.dependencies import ServiceDependency

router = APIRouter(route_class=ConsoleRoute)

MAX_QUERY = 1000  # characters; more than anybody types


@router.get("/search")
async def search(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    q: str = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 30,
) -> Response:
    """What has all the words, best first; nothing for a query without any."""
    query = q.replace("\0", " ")[:MAX_QUERY]
    return reply(await service.in_thread(lambda: workspace.chats.search(user.id, query, limit)))
