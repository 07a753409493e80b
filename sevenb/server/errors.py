"""What an error looks like over HTTP: one `Problem` for every exception, and the shape of each dialect."""

import logging
import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sevenb.errors import (
    Conflict,
    ContextOverflow,
    CorruptModelFile,
    DownloadFailed,
    EngineDied,
    EngineNotReady,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    OutOfMemory,
    SevenbError,
    StorageDenied,
    StorageFull,
    TooManyRequests,
    UnsupportedModel,
    WorkspaceUnavailable,
)

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2


class HttpError(SevenbError):
    """An error that only HTTP knows, with the status it has there."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Problem:
    """An error as every dialect can tell it. ``kind`` and ``code`` are OpenAI's ``type`` and ``code``."""

    status: int
    kind: str
    message: str
    code: str | None = None
    parameter: str | None = None
    retry_after: float = RETRY_AFTER_SECONDS

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that belong to the status."""
        if self.status in (429, 503):
            return {"Retry-After": str(max(1, math.ceil(self.retry_after)))}
        if self.status == 401:
            return {"WWW-Authenticate": "Bearer"}
        return {}


def problem_of(error: Exception) -> Problem:
    """Describe any exception. One that is not a `SevenbError` is our mistake: logged, and its text kept back."""
    match error:
        case HttpError(status=status, code=code):
            return Problem(status, _KINDS.get(status, "invalid_request_error"), str(error), code)
        case ContextOverflow(parameter=parameter):
            return Problem(400, "invalid_request_error", str(error), "context_length_exceeded", parameter)
        case InvalidRequest(parameter=parameter):
            return Problem(400, "invalid_request_error", str(error), None, parameter)
        case ModelNotFound():
            return Problem(404, "invalid_request_error", str(error), "model_not_found", "model")
        case NotFound():
            return Problem(404, "invalid_request_error", str(error), "not_found")
        case Conflict():
            return Problem(409, "invalid_request_error", str(error), "conflict")
        case StorageFull() | StorageDenied():
            return Problem(507, "server_error", str(error), "storage")
        case WorkspaceUnavailable():
            return Problem(503, "server_error", str(error), "workspace_unavailable")
        case DownloadFailed():
            return Problem(502, "server_error", str(error), "download_failed")
        case CorruptModelFile():
            return Problem(500, "server_error", str(error), "not_a_model")
        case UnsupportedModel():
            return Problem(400, "invalid_request_error", str(error), "model_not_supported", "model")
        case TooManyRequests(retry_after=retry_after):
            return Problem(429, "rate_limit_error", str(error), "rate_limit_exceeded", retry_after=retry_after)
        case EngineNotReady():
            return Problem(503, "server_error", str(error), "not_ready")
        case EngineDied():
            return Problem(503, "server_error", str(error), "engine_died")
        case OutOfMemory():
            return Problem(503, "server_error", str(error), "out_of_memory")
        case SevenbError():
            return Problem(500, "server_error", str(error))
        case _:
            logger.error("Unexpected error", exc_info=error)
            message = "The server met an unexpected error; its log has the details. Please report it."
            return Problem(500, "server_error", message, "internal_error")


_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    500: "server_error",
    502: "server_error",
    503: "server_error",
    507: "server_error",
}


# -- OpenAI's shape ----------------------------------------------------------------------------------


def openai_error(problem: Problem) -> dict[str, Any]:
    """``{"error": {"message", "type", "param", "code"}}``, as OpenAI's clients read it."""
    return {
        "error": {
            "message": problem.message,
            "type": problem.kind,
            "param": problem.parameter,
            "code": problem.code,
        }
    }


# -- Anthropic's shape ---------------------------------------------------------------------------------

_ANTHROPIC_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def anthropic_error(problem: Problem) -> dict[str, Any]:
    """``{"type": "error", "error": {"type", "message"}, "request_id"}``, as Anthropic's clients read it."""
    kind = _ANTHROPIC_KINDS.get(problem.status, "api_error" if problem.status > 500 else "invalid_request_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": problem.message},
        "request_id": f"req_{uuid.uuid4().hex}",
    }


# -- Ollama's shape ------------------------------------------------------------------------------------


def ollama_error(problem: Problem) -> dict[str, Any]:
    """``{"error": message}``, as Ollama's clients read it."""
    return {"error": problem.message}


# -- llama.cpp's shape -----------------------------------------------------------------------------------


def llama_cpp_error(problem: Problem) -> dict[str, Any]:
    """``{"error": {"code", "message", "type"}}``, as llama.cpp's server writes it; the code is the HTTP status."""
    return {"error": {"code": problem.status, "message": problem.message, "type": problem.kind}}


# -- one HTTP response for all of them -------------------------------------------------------------------

_SHAPES: Sequence[tuple[str, Callable[[Problem], dict[str, Any]]]] = (
    ("/v1/messages", anthropic_error),
    ("/api/", ollama_error),
    ("/infill", llama_cpp_error),
)


def error_response(path: str, problem: Problem) -> Response:
    """A whole HTTP response for a problem, in the shape of the dialect that ``path`` belongs to."""
    shape = next((shape for prefix, shape in _SHAPES if path.startswith(prefix)), openai_error)
    body = shape(problem)
    headers = problem.headers
    if "request_id" in body:
        headers["request-id"] = body["request_id"]
    return Response(msgspec.json.encode(body), problem.status, headers, "application/json")


_DOCUMENTED: Mapping[int | str, str] = {
    "default": "Any error",
    400: "The request cannot be served as it is; the message names the field at fault",
    401: "No API key, or a wrong one",
    404: "No such model; the message names those that are served",
    413: "The body of the request is too large",
    429: "More requests than this client, or all together, may send; `Retry-After` tells when to try again",
    503: "The model is loading or restarting, or has no room beside others; try again",
}


def documented_errors(shape: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of errors that have the shape of one dialect."""
    return {status: {"model": shape, "description": text} for status, text in _DOCUMENTED.items()}


# -- every way a request can fail before a route sees it ---------------------------------------------


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error in the dialect's own shape, also unknown paths, wrong methods and invalid bodies."""

    async def on_error(request: Request, error: Exception) -> Response:
        return error_response(request.url.path, problem_of(error))

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = error_response(request.url.path, problem_of(_name_http_exception(request, error)))
        response.headers.update(error.headers or {})
        return response

    async def on_invalid_body(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_response(request.url.path, problem_of(invalid_request_from(error.errors())))

    app.add_exception_handler(SevenbError, on_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid_body)
    app.add_exception_handler(Exception, on_error)


def _name_http_exception(request: Request, error: HTTPException) -> HttpError:
    if error.status_code == 404:
        return HttpError(
            404, f"There is no {request.url.path} here; /docs lists the routes of this server.", "not_found"
        )
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        message = f"{request.method} does not work on {request.url.path}; use {allowed}."
        return HttpError(405, message, "method_not_allowed")
    return HttpError(error.status_code, str(error.detail))


_UNION_BRANCH = re.compile(r"[^a-z_]|^(str|int|float|bool|dict|list|tuple|none)$")


def invalid_request_from(errors: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """One sentence out of pydantic's error list, about the first field at fault."""
    paths = [_field_path(error["loc"]) for error in errors]
    # A value that fits no member of a union fails once for each: the member it went furthest into is the one that was
    # meant, and of several that failed alike all are told.
    path = max((path for path in paths if path.startswith(paths[0])), key=len)
    reasons = dict.fromkeys(_reason(error) for error, other in zip(errors, paths, strict=True) if other == path)
    sentence = " or ".join(reasons)
    if not path:
        return InvalidRequest(f"The body of the request: {sentence}.")
    return InvalidRequest(f"{path}: {sentence}.", path)


def _reason(error: Mapping[str, Any]) -> str:
    if error["type"] == "missing":
        return "this field is required"
    message = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    return message.replace("Input should be", "must be").replace("Input should have", "must have")


def _field_path(location: Sequence[str | int]) -> str:
    path = ""
    for part in location[1:]:  # the first part says "body", "path" or "query"
        if isinstance(part, int):
            path += f"[{part}]"
        elif not _UNION_BRANCH.search(part):
            path += f".{part}" if path else part
    return path
