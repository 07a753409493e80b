"""Whether answers can be held to a JSON Schema: what the schema editor shows as one types."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from sevenb.errors import InvalidRequest
from sevenb.server.access.principal import SignedIn
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.dependencies import ServiceDependency
from sevenb.structured.output_format import OutputFormat

router = APIRouter(route_class=ConsoleRoute)


class SchemaFields(BaseModel):
    """Body of ``POST /schema``."""

    model_config = ConfigDict(strict=True)

    json_schema: Any = Field(alias="schema")


@router.post("/schema")
async def judge(_: SignedIn, service: ServiceDependency, body: SchemaFields) -> Response:
    """``proven``: no answer can break it; ``checked``: the finished answer is looked at; ``refused``: why."""
    verdict: Literal["proven", "checked", "refused"]
    try:
        constraint = await service.in_thread(OutputFormat.from_schema(body.json_schema, "schema").constraint)
    except InvalidRequest as error:
        return reply({"verdict": "refused", "message": str(error)})
    verdict = "proven" if constraint.check is None else "checked"
    return reply({"verdict": verdict, "message": None})
