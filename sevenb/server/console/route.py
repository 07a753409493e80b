"""`ConsoleRoute`: how the console's API reads what it is sent; `reply` and `problem_record`: how it answers."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import Request
from starlette.responses import Response

from sevenb.server.errors import problem_of
from sevenb.server.json_body import JsonRoute
from sevenb.workspace.records import Problem


class ConsoleRoute(JsonRoute):
    """A route that reads JSON strictly where JSON is sent, and lets anything else (a file, nothing) pass as it is."""

    methods_with_body = frozenset({"POST", "PATCH", "PUT"})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handlers of the classes above."""
        strict = super().get_route_handler()
        plain = super(JsonRoute, self).get_route_handler()

        async def handle(request: Request) -> Response:
            return await (strict if _is_json(request) else plain)(request)

        return handle


def reply(value: Any, status: int = 200) -> Response:
    """A data class, or a list or dict of them, as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def problem_record(error: BaseException) -> Problem:
    """An error that is told inside an answer, or kept with it."""
    problem = problem_of(error if isinstance(error, Exception) else RuntimeError(str(error)))
    return Problem(problem.message, problem.code, problem.parameter)


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
