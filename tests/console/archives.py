"""Histories as an archive holds them, to be imported into a server that a test drives."""

import time
from collections.abc import Sequence
from typing import Any

import httpx

HEADERS = {"X-Sevenb-Console": "1"}
DAY = 86_400


def message(number: str, parent: str | None, role: str, content: str, at: float) -> dict[str, Any]:
    return {
        "id": number,
        "parent_id": parent,
        "role": role,
        "content": content,
        "attachments": [],
        "tool_calls": [],
        "tool_call_id": None,
        "model": "coder" if role == "assistant" else None,
        "status": "complete",
        "finish_reason": "stop" if role == "assistant" else None,
        "error": None,
        "figures": None,
        "valid": None,
        "created_at": at,
    }


def chat(title: str, *texts: str, days_ago: float = 0.0, pinned: bool = False, folder: str | None = None) -> Any:
    """A chat of one branch: a question, an answer, and so on."""
    at = time.time() - days_ago * DAY
    texts = texts or (f"{title}?", f"About {title}.")
    messages = []
    for number, text in enumerate(texts):
        parent = messages[-1]["id"] if messages else None
        role = "assistant" if number % 2 else "user"
        messages.append(message(f"{title}-{number}", parent, role, text, at))
    return {
        "id": f"chat-{title}",
        "title": title,
        "titled": True,
        "model": "coder",
        "pinned": pinned,
        "folder_id": folder,
        "created_at": at,
        "updated_at": at,
        "settings": {},
        "leaf_id": messages[-1]["id"],
        "messages": messages,
    }


def archive(chats: Sequence[Any], folders: Sequence[str] = ()) -> dict[str, Any]:
    """Chats, and folders whose ids are their names."""
    return {
        "format": "sevenb-chats",
        "version": 1,
        "exported_at": time.time(),
        "folders": [{"id": name, "name": name} for name in folders],
        "chats": list(chats),
    }


def bring(http: httpx.Client, chats: Sequence[Any], folders: Sequence[str] = ()) -> None:
    """Import chats."""
    response = http.post("/console/api/import", json=archive(chats, folders), headers=HEADERS)
    assert response.status_code == 200, response.text
    assert response.json() == {"imported": len(chats), "skipped": []}


def empty(http: httpx.Client) -> None:
    """Delete the history."""
    while chats := http.get("/console/api/chats", params={"limit": 200}).json()["chats"]:
        for one in chats:
            http.delete(f"/console/api/chats/{one['id']}", headers=HEADERS)
    for folder in http.get("/console/api/folders").json():
        http.delete(f"/console/api/folders/{folder['id']}", headers=HEADERS)
