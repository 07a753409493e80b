"""Export and import of chats: JSON for this server and others, Markdown for people."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request, Response

from sevenb.server.access.principal import SignedIn, WorkspaceDependency
from sevenb.server.console.markdown import chat_as_markdown
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.json_body import read_json

router = APIRouter(route_class=ConsoleRoute)

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u2028-\u202e\u2066-\u2069]+')


@router.get("/chats/{chat_id}/export")
async def export_chat(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    chat_id: str,
    format: Literal["json", "markdown"] = "json",
) -> Response:
    """One chat as a file: with all branches as JSON, the branch that is shown as Markdown."""
    chat = await service.in_thread(lambda: workspace.chats.get(user.id, chat_id))
    if format == "markdown":
        text = await service.in_thread(lambda: chat_as_markdown(chat))
        return _file(text.encode(errors="replace"), "text/markdown; charset=utf-8", chat.title or "chat", "md")
    archive = await service.in_thread(lambda: workspace.chats.export(user.id, [chat_id]))
    return await _json_file(service, archive, chat.title or "chat")


@router.get("/export")
async def export_all(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """The whole history as a file."""
    archive = await service.in_thread(lambda: workspace.chats.export(user.id))
    return await _json_file(service, archive, f"sevenb-chats-{datetime.now(UTC):%Y-%m-%d}")


@router.post("/import")
async def import_chats(
    request: Request, user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency
) -> Response:
    """Add the chats of an archive to the history."""
    archive = await read_json(request)
    return reply(await service.in_thread(lambda: workspace.chats.import_(user.id, archive)))


async def _json_file(service: Any, archive: Mapping[str, Any], name: str) -> Response:
    content = await service.in_thread(lambda: msgspec.json.format(msgspec.json.encode(archive), indent=1))
    return _file(content, "application/json", name, "json")


def _file(content: bytes, media_type: str, name: str, ending: str) -> Response:
    """A response that a browser saves, under a name that every system takes."""
    name = " ".join(_NOT_IN_NAMES.sub(" ", name).split())[:80].strip(" .") or "chat"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{plain}.{ending}\"; filename*=UTF-8''{quote(f'{name}.{ending}', safe='')}"
    return Response(content, media_type=media_type, headers={"Content-Disposition": disposition})
