"""Every error a user can meet, each a sentence that says what happened and what to do next."""


class SevenbError(Exception):
    """Root of the family. ``str(error)`` is the whole message a user needs: what happened, what to do."""


# -- models and files --------------------------------------------------------------------------------


class ModelNotFound(SevenbError):
    """No catalog entry, local file or stored model answers to this name."""


class CorruptModelFile(SevenbError):
    """A model file is truncated, malformed or hostile; it was not loaded."""


class UnsupportedModel(SevenbError):
    """A well-formed model file needs something this engine does not have."""


class DownloadFailed(SevenbError):
    """No source could deliver the file; what did arrive is kept for resuming."""


class HashMismatch(DownloadFailed):
    """A file arrived whole but with the wrong SHA-256; it was set aside."""


class StorageFull(SevenbError):
    """The disk has no room left: what was written stays as it was, a partial download is kept for resuming."""


class StorageDenied(SevenbError):
    """The store's folder cannot be read or written by this user."""


# -- requests ----------------------------------------------------------------------------------------


class InvalidRequest(SevenbError):
    """A request carries a value that cannot be served. ``parameter`` names the field at fault."""

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class ContextOverflow(InvalidRequest):
    """The prompt (with what it asks to generate) is longer than the model's context. ``advice``: what else to do."""

    def __init__(
        self, prompt_tokens: int, context_length: int, advice: str = "raise --max-model-len if the model allows more"
    ) -> None:
        super().__init__(
            f"The prompt has {prompt_tokens} tokens but the context holds {context_length}, the answer included; "
            f"shorten the prompt, or {advice}.",
            parameter="messages",
        )
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length


# -- the workspace -----------------------------------------------------------------------------------


class NotFound(SevenbError):
    """There is no such object, or it is another user's: nobody can tell which."""


class Conflict(SevenbError):
    """What was asked for contradicts what is there: a name that is taken, the last administrator."""


class WorkspaceUnavailable(SevenbError):
    """The workspace's database cannot be used now: locked, damaged, out of reach, or of a newer sevenb."""


# -- the running engine ------------------------------------------------------------------------------


class OutOfMemory(SevenbError):
    """The weights or the smallest useful KV pool do not fit into this machine's memory."""


class DeviceUnavailable(SevenbError):
    """The device that was asked for is not here, or its driver or library is missing, too old or broken."""


class DeviceLost(SevenbError):
    """A device, or one of several that share a model, is gone: the engine cannot go on."""


class NumberOverflow(SevenbError):
    """A model's numbers grew beyond what the type they are kept in can hold."""


class EngineDied(SevenbError):
    """The engine process ended while a request was open; it is being restarted."""


class EngineNotReady(SevenbError):
    """The engine is still loading or is shutting down."""


class TooManyRequests(SevenbError):
    """A client, or all clients together, ask for more than the server was told to take. ``retry_after``: seconds."""

    def __init__(self, message: str, retry_after: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AddressInUse(SevenbError):
    """Another program already listens on the address the server was told to use."""


class UnsafeAddress(SevenbError):
    """The server was told to listen where others can reach it, with nothing to keep them out."""


# -- the lab -----------------------------------------------------------------------------------------


class TargetFailed(SevenbError):
    """The server that is measured cannot be reached, refuses, or ended midway; what was measured is kept."""


class TargetRefused(TargetFailed):
    """The server does not take this one request (too long, a parameter), or broke its answer off; it lives on.

    ``status``: of HTTP; ``reason``: in the server's own words.
    """

    def __init__(self, message: str, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class TargetLacks(TargetFailed):
    """The server works, but what a measurement needs of it, it does not offer."""


class DataUnavailable(SevenbError):
    """The items of a task are nowhere to be had, or their file is malformed."""


class SandboxUnavailable(SevenbError):
    """This system offers no way to contain a foreign program."""


class RunDamaged(SevenbError):
    """What a kept run's file says cannot be read; its samples are where they were."""
