"""The lab's reports for administrators: they tell of the machine and of other servers' addresses."""

from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, Response

from sevenb.errors import NotFound
from sevenb.lab.report.places import HTML, kept_reports, report_file
from sevenb.server.access.principal import Administrator
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.dependencies import ServiceDependency

router = APIRouter(prefix="/admin/reports", route_class=ConsoleRoute)

# A report holds what models wrote. It carries a policy of its own; this one holds whatever the file says: it is of no
# origin, runs nothing and loads nothing.
_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@router.get("")
async def reports(_: Administrator, service: ServiceDependency) -> Response:
    """All finished reports of this machine's lab, newest first."""
    return reply(await service.in_thread(_listed))


@router.get("/{report_id}/{name}")
async def report(_: Administrator, service: ServiceDependency, report_id: str, name: str) -> Response:
    """A file of a report: the page to look at, the others to keep."""
    file = await service.in_thread(lambda: report_file(report_id, name))
    if file is None:
        raise NotFound("There is no such report; it may have been deleted.")
    if name == HTML:
        return FileResponse(file, media_type="text/html", headers=_HEADERS)
    media_type = "application/json" if name.endswith(".json") else "text/markdown"
    return FileResponse(file, media_type=media_type, filename=f"{report_id}-{name}", headers=_HEADERS)


def _listed() -> list[dict[str, Any]]:
    return [
        {"id": one.id, "made": one.made, "models": [subject.name for subject in one.subjects], "quick": one.quick}
        for one in kept_reports()
    ]
