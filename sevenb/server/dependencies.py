"""What a route asks FastAPI for."""

from typing import Annotated, cast

from fastapi import Depends, Request

from sevenb.server.service import Service


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


ServiceDependency = Annotated[Service, Depends(_service)]
