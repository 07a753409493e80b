"""Where models come from: the file behind a name, what it needs, and how its engine is started."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from sevenb.cluster.replication import ONE_ENGINE, Replication
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.handle import EngineHandle
from sevenb.model.catalog import FIT_CONTEXT
from sevenb.model.embedding import EmbeddingStyle, Pooling
from sevenb.model.memory import memory_needed
from sevenb.model.recommended_sampling import recommended_sampling
from sevenb.model.shape import ModelShape
from sevenb.model.store import Store
from sevenb.model.stored_model import StoredModel
from sevenb.server.fleet.served_model import ModelText

T = TypeVar("T")


class InThread(Protocol):
    """Runs work that would hold up the event loop."""

    async def __call__(self, function: Callable[[], T]) -> T:
        """What ``function`` returns."""
        ...


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of a model's weights, and of weights and a KV pool of useful size together."""

    weights: int
    useful: int


class ModelSource(Protocol):
    """A model that can be loaded. The first of its ``names`` is shown; ``root`` is where it came from.

    ``adapters`` are names of LoRA adapters that it can wear, with their files. `prepare` and `load_text` block.
    """

    @property
    def names(self) -> Sequence[str]:
        """All that clients may call it."""
        ...

    @property
    def root(self) -> str:
        """Path or name of what is loaded."""
        ...

    @property
    def adapters(self) -> Mapping[str, str]:
        """Name -> path of each adapter."""
        ...

    @property
    def max_open_requests(self) -> int:
        """Requests it takes at once; more are refused."""
        ...

    def prepare(self) -> MemoryNeed:
        """See that the file is whole and say what it needs. Raises a `SevenbError` that says why not."""
        ...

    def engine(self, memory: int | None) -> EngineHandle:
        """Its engine, not started yet, which will keep to ``memory`` bytes where that is given."""
        ...

    def load_text(self) -> ModelText:
        """Its tokenizer and chat template."""
        ...


@dataclass(frozen=True)
class LocalModel:
    """A GGUF file of this machine, or a model of the store; ``config.model`` says which.

    ``fit_context``: a context that ``config`` asks for is cut to what the model can have, instead of an error.
    ``as_recommended``: requests that do not say how are sampled as the model's makers recommend.
    """

    config: EngineConfig
    names: Sequence[str]
    adapters: Mapping[str, str] = field(default_factory=dict)
    max_queue: int = 1024
    fit_context: bool = False
    pooling: Pooling | None = None  # how vectors are made; None: as the file says
    replication: Replication = ONE_ENGINE
    as_recommended: bool = True

    @property
    def root(self) -> str:
        """Path or name of what is loaded."""
        return self.config.model

    @property
    def max_open_requests(self) -> int:
        """Requests it takes at once: those that run, and those that wait."""
        return self.config.max_num_seqs + self.max_queue

    def prepare(self) -> MemoryNeed:
        """See that the file is whole, and read its header and the adapters."""
        from sevenb.model.checkpoint import Checkpoint
        from sevenb.model.lora import LoraAdapter
        from sevenb.model.rope import rope_contexts

        with Checkpoint.open(self._path) as checkpoint:
            model, weights = checkpoint.config, checkpoint.total_bytes
            shape = ModelShape.of(model, has_head="output.weight" in checkpoint.tensors)
            for path in self.config.lora_modules.values():
                weights += LoraAdapter.open(Path(path).expanduser(), checkpoint).total_bytes
        if self.config.speculative_model is not None:
            with Checkpoint.open(Store().resolve(self.config.speculative_model)) as draft:
                weights += draft.total_bytes
        context = self.config.max_model_len or min(FIT_CONTEXT, model.context_length)
        context = min(context, max(rope_contexts(model).values()))
        pool = memory_needed(shape, weights, context) - weights
        return MemoryNeed(weights, weights + int(pool / (self.config.memory_utilization or 0.5)))

    def engine(self, memory: int | None) -> EngineHandle:
        """Its engine, not started yet."""
        config = self.config
        if memory is not None:
            config = msgspec.structs.replace(config, memory_budget=memory)
        if self.fit_context and config.max_model_len is not None:
            config = msgspec.structs.replace(config, max_model_len=min(config.max_model_len, self._longest_context()))
        return self.replication.engine(config, self.max_open_requests)

    def load_text(self) -> ModelText:
        """Its tokenizer, chat template and ``pooling``. Only the header of the file is read."""
        from sevenb.model.chat_template import ChatTemplate
        from sevenb.model.checkpoint import Checkpoint
        from sevenb.model.tokenizer import Tokenizer

        with Checkpoint.open(self._path) as checkpoint:
            metadata = checkpoint.metadata
            tokenizer = Tokenizer.from_metadata(metadata)
            template = ChatTemplate.from_metadata(metadata, tokenizer)
            style = EmbeddingStyle.from_metadata(metadata, tokenizer, self.pooling)
            return ModelText(tokenizer, template, style, recommended_sampling(metadata) if self.as_recommended else {})

    @property
    def _path(self) -> Path:
        return Store().resolve(self.config.model)

    def _longest_context(self) -> int:
        from sevenb.model.checkpoint import Checkpoint
        from sevenb.model.rope import rope_contexts

        with Checkpoint.open(self._path) as checkpoint:
            return max(rope_contexts(checkpoint.config).values())


class InstalledModels(Protocol):
    """Models that may be asked for although nobody named them when the server was started. All methods block."""

    def models(self) -> list[StoredModel]:
        """All of them."""
        ...

    def source(self, model: StoredModel) -> ModelSource:
        """How one of them is loaded."""
        ...


@dataclass(frozen=True)
class StoreModels:
    """The models of the local store, loaded with the options of ``config``, as far as they are any model's."""

    config: EngineConfig
    max_queue: int = 1024
    as_recommended: bool = True
    store: Store = field(default_factory=Store)

    def models(self) -> list[StoredModel]:
        """All models whose manifests can be read."""
        return self.store.models()

    def source(self, model: StoredModel) -> LocalModel:
        """How one of them is loaded."""
        return further_model(self.config, model.name, [model.name], self.max_queue, as_recommended=self.as_recommended)


def further_model(
    first: EngineConfig, model: str, names: Sequence[str], max_queue: int, *, as_recommended: bool = True
) -> LocalModel:
    """Another model with the options of the first, but for those that belong to that one alone."""
    config = msgspec.structs.replace(
        first, model=model, served_model_name=names[0], speculative_model=None, lora_modules={}, quantization=None
    )
    return LocalModel(config, names, max_queue=max_queue, fit_context=True, as_recommended=as_recommended)
