"""Whether the server is well, what it measures, and which version it is."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from sevenb import __version__
from sevenb.server.dependencies import ServiceDependency

router = APIRouter(tags=["server"])


@router.get(
    "/health",
    responses={200: {"description": "Ready to serve"}, 503: {"description": "Loading, restarting or stopping"}},
)
async def health(service: ServiceDependency) -> Response:
    """Whether a request for the first model would be served now, or after a load. Needs no API key."""
    status = service.health
    body = b'{"status":"%s"}' % status.encode()
    if status == "ok":
        return Response(body, media_type="application/json")
    return Response(body, 503, {"Retry-After": "1"}, "application/json")


@router.get("/metrics", response_class=Response)
async def metrics(service: ServiceDependency) -> Response:
    """All metrics in Prometheus' text format."""
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/version")
async def version() -> dict[str, str]:
    """The version of sevenb."""
    return {"version": __version__}
