"""``/docs``: the OpenAPI document as one plain page that loads nothing from anywhere, so that it works offline."""

from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #888; --accent: #2a7ae2; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; } summary b { display: inline-block; min-width: 3.5rem; color: var(--accent); }
summary span { color: var(--quiet); margin-left: .6rem; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 .8rem; }
td { border-top: 1px solid var(--line); padding: .2rem .6rem .2rem 0; vertical-align: top; }
td:first-child { white-space: nowrap; } code { font-size: .92em; } h3 { margin: .6rem 0 0; font-size: 1em; }
"""


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Every route with what it takes and gives."""
    page = "".join(_page(request.app.openapi()))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return Response(page, headers={"Content-Security-Policy": policy}, media_type="text/html; charset=utf-8")


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])} API</title>"
    yield f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
    yield f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    yield "".join(f"<p>{escape(part)}</p>" for part in info["description"].split("\n\n"))
    yield "<p>The same for programs: <a href=openapi.json>openapi.json</a></p>"
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["other"])[0]
            by_tag.setdefault(tag, []).append("".join(_operation(document, method, path, operation)))
    for tag, operations in by_tag.items():
        yield f"<h2>{escape(tag)}</h2>" + "".join(operations)
    yield "</html>"


def _operation(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    text = operation.get("description", "")
    yield f"<details><summary><b>{method.upper()}</b><code>{escape(path)}</code><span>{escape(text)}</span></summary>"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        yield "<h3>Request</h3>" + "".join(_fields(_resolved(document, body)))
    for status, response in operation["responses"].items():
        yield f"<h3>{status}</h3><p>{escape(response['description'])}</p>"
        schema = response.get("content", {}).get("application/json", {}).get("schema")
        if schema and status == "200":
            yield "".join(_fields(_resolved(document, schema)))
    yield "</details>"


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    required = schema.get("required", [])
    yield "<table>"
    for name, field in schema.get("properties", {}).items():
        mark = " *" if name in required else ""
        text = escape(field.get("description", ""))
        yield f"<tr><td><code>{escape(name)}</code>{mark}<td><code>{escape(_type(field))}</code><td>{text}"
    yield "</table>"


def _type(field: dict[str, Any]) -> str:
    """A field's type as a person writes it; that null stands for the default goes without saying."""
    if "anyOf" in field:
        return " | ".join(kind for member in field["anyOf"] if (kind := _type(member)) != "null")
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "enum" in field or "const" in field:
        return " | ".join(f'"{value}"' for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"[{_type(field.get('items', {}))}]"
    return str(field.get("type", "any"))


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, where this one only points to it."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: dict[str, Any] = document["components"]["schemas"][name] if name else schema
    return found
