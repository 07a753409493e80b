"""What a route asks FastAPI for."""

from typing import Annotated, cast

from fastapi import Depends, Request

from sevenb.server.access.gate import Gate
from sevenb.server.service import Service


async def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def _gate(request: Request) -> Gate:
    return cast(Gate, request.app.state.gate)


ServiceDependency = Annotated[Service, Depends(_service)]
GateDependency = Annotated[Gate, Depends(_gate)]
