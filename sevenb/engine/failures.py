"""How failures are told: errors cross the socket as class name and sentence, the end of a process is a sentence."""

import signal

import sevenb.errors
from sevenb.engine.messages import RequestFailed
from sevenb.errors import InvalidRequest, OutOfMemory, SevenbError


def request_failed(request_id: str, error: BaseException) -> RequestFailed:
    """What to tell the client of a request that was refused, or failed on the way."""
    name, message = _explain(error)
    parameter = error.parameter if isinstance(error, InvalidRequest) else None
    return RequestFailed(request_id=request_id, error=name, message=message, parameter=parameter)


def rebuild_error(name: str, message: str, parameter: str | None) -> SevenbError:
    """The exception that the engine met, by its class name; the message is already whole."""
    kind = getattr(sevenb.errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, SevenbError)):
        return SevenbError(message)
    error = kind.__new__(kind)  # without its constructor, which may build another message
    Exception.__init__(error, message)
    if isinstance(error, InvalidRequest):
        error.parameter = parameter
    return error


def describe_exit(what: str, exit_code: int) -> str:
    """That a process, ``what``, ended before its time, and what to do."""
    if exit_code == -signal.SIGKILL:
        return (
            f"{what} was killed; if nobody did it by hand, the system ran out of memory: choose a smaller model or "
            "give it a smaller share of the memory."
        )
    return f"{what} ended unexpectedly (exit code {exit_code}); the log above says more."


def _explain(error: BaseException) -> tuple[str, str]:
    """Class name and sentence."""
    if isinstance(error, SevenbError):
        return type(error).__name__, str(error)
    if isinstance(error, MemoryError):
        return (
            OutOfMemory.__name__,
            "The engine ran out of memory during this request; send fewer or shorter ones at once.",
        )
    return (
        SevenbError.__name__,
        f"The engine failed during this request ({type(error).__name__}: {error}); please report it.",
    )
