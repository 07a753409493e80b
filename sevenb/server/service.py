"""`Service`: what the routes serve: one model, its words, and the engine process that runs it."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sevenb import __version__
from sevenb.engine.client import EngineClient
from sevenb.engine.messages import EngineReady
from sevenb.errors import EngineNotReady, ModelNotFound, SevenbError
from sevenb.server.metrics import Metrics

if TYPE_CHECKING:
    from sevenb.model.chat_template import ChatTemplate
    from sevenb.model.tokenizer import Tokenizer

WAIT_SECONDS = 30.0  # how long a request waits for an engine that loads or restarts, before it gets a 503

T = TypeVar("T")


@dataclass(frozen=True)
class ModelText:
    """What turns text into token ids and back for one model."""

    tokenizer: "Tokenizer"
    chat_template: "ChatTemplate"


@dataclass(frozen=True)
class ServedModel:
    """A model behind the routes, loaded, as one name means it.

    ``name`` is what answers call it, ``root`` where it came from, ``adapter`` the LoRA adapter that the name stands
    for, if it does; requests go to ``client``, figures about them to ``metrics``.
    """

    text: ModelText
    engine: EngineReady
    client: EngineClient
    metrics: Metrics
    name: str
    root: str
    adapter: str | None = None

    @property
    def max_model_len(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self.engine.max_model_len

    @property
    def fingerprint(self) -> str:
        """OpenAI's ``system_fingerprint``: the same for as long as the same request and seed give the same text."""
        identity = f"{__version__} {self.engine.model_name} {self.engine.weight_bytes} {self.engine.device}"
        return f"sevenb-{__version__}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


class Service:
    """One served model. ``names`` are those it answers to, the first one is shown; ``root`` is where it came from.

    Takes a client that was started, and closes it.
    """

    def __init__(
        self, client: EngineClient, load_text: Callable[[], ModelText], *, names: Sequence[str], root: str
    ) -> None:
        self.client = client
        self.names = tuple(names)
        self.root = root
        self.created = int(time.time())
        self.metrics = Metrics(lambda: client.stats)
        self._load_text = load_text
        self._text: asyncio.Task[ModelText] | None = None
        # Templates and tokenizers of huge prompts run here: the event loop goes on serving the other streams. More
        # threads than cores, so that a short prompt need not wait for a few that take half a minute.
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="text")

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Build the tokenizer beside the engine process, which the client has started; returns at once."""
        self._text = asyncio.create_task(self.in_thread(self._load_text), name="load tokenizer")

    async def wait_ready(self, timeout: float | None = None) -> ServedModel:
        """The model, as soon as it can serve. Raises `EngineNotReady` after ``timeout`` seconds, or why it cannot."""
        assert self._text is not None
        engine = await self.client.wait_ready(timeout)
        try:
            text = await asyncio.wait_for(asyncio.shield(self._text), timeout)
        except TimeoutError:
            raise EngineNotReady("The tokenizer is still loading; try again in a few seconds.") from None
        return ServedModel(text, engine, self.client, self.metrics, name=self.names[0], root=self.root)

    async def wait_failed(self) -> SevenbError | None:
        """Return when this service cannot go on: why, or None because it was closed."""
        assert self._text is not None
        engine = asyncio.create_task(self.client.wait_failed())
        try:
            await asyncio.wait({self._text, engine}, return_when=asyncio.FIRST_COMPLETED)
            return self._text_failure or await engine
        finally:
            engine.cancel()

    async def close(self) -> None:
        """End open streams and the engine process."""
        await self.client.close()
        if self._text is not None:
            self._text.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- for the routes --------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether a request would be served at once."""
        has_text = self._text is not None and self._text.done() and self._text_failure is None
        return has_text and self.client.state == "ready"

    @property
    def _text_failure(self) -> SevenbError | None:
        """Why the tokenizer could not be built, if so."""
        if self._text is None or not self._text.done() or self._text.cancelled():
            return None
        error = self._text.exception()
        return error if isinstance(error, SevenbError | None) else SevenbError(f"The tokenizer failed: {error}.")

    async def model(self, name: str | None) -> ServedModel:
        """The served model, if ``name`` means it; waits a while for an engine that is on its way."""
        if name is not None and name not in self.names:
            raise ModelNotFound(
                f"The model {name!r:.200} does not exist here; this server serves {' and '.join(self.names)}."
            )
        return await self.wait_ready(WAIT_SECONDS)

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Run work that would hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)


def load_text(path: Path) -> ModelText:
    """The tokenizer and chat template of a model file. Only its header is read."""
    from sevenb.model.chat_template import ChatTemplate
    from sevenb.model.checkpoint import Checkpoint
    from sevenb.model.tokenizer import Tokenizer

    with Checkpoint.open(path) as checkpoint:
        tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
        return ModelText(tokenizer, ChatTemplate.from_metadata(checkpoint.metadata, tokenizer))
