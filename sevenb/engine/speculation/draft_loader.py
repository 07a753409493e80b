"""From a configuration to a `DraftModel`: opened and checked before anything is loaded."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from sevenb.backend.protocol import Backend, FloatArray, IntArray, KVCache
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.kv_sizing import KVSizing
from sevenb.engine.model_runner import ModelRunner, RotaryAngles
from sevenb.engine.speculation.draft_model import DraftModel
from sevenb.errors import InvalidRequest
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, kv_layout
from sevenb.model.rope import RopeProfiles
from sevenb.model.store import Store
from sevenb.model.tokenizer.vocabulary import strings_of

_SPECIAL = ("tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.bos_token_id")


def open_draft(config: EngineConfig) -> AbstractContextManager[Checkpoint | None]:
    """The draft model's file, if one is wanted. Raises what `Checkpoint.open` raises."""
    if not config.speculation or config.speculative_model is None:
        return nullcontext()
    return Checkpoint.open(Store().resolve(config.speculative_model))


def check_same_tokenizer(model: Checkpoint, draft: Checkpoint) -> None:
    """Raise `InvalidRequest` unless both models mean the same by each token id; padding at the end may differ."""
    tokens, drafted = (strings_of(checkpoint.metadata, "tokenizer.ggml.tokens") for checkpoint in (model, draft))
    both = min(len(tokens), len(drafted))
    same = tokens[:both] == drafted[:both]
    if not same or any(model.metadata.get(key) != draft.metadata.get(key) for key in _SPECIAL):
        raise InvalidRequest(
            f"The draft model {draft.name} has another tokenizer than {model.name}; choose a smaller model of the same "
            "family.",
            "speculative_model",
        )


def draft_model(
    decoder: Decoder,
    backend: Backend,
    sizing: KVSizing,
    *,
    dtype: str,
    vocab_size: int,
    prepare: Callable[[KVCache, RotaryAngles], None] | None = None,
) -> DraftModel:
    """Give a loaded draft model as many blocks as the model's own pool has. Raises `OutOfMemory`.

    ``prepare`` sees these blocks before anybody uses them.
    """
    config = decoder.config
    cache = backend.allocate_kv(kv_layout(config, sizing.block_size, dtype), sizing.blocks)
    rope = _KnownProfiles(RopeProfiles(config, sizing.max_model_len))
    if prepare is not None:
        prepare(cache, rope)
    return DraftModel(
        ModelRunner(decoder, backend, cache, rope),
        backend,
        blocks=sizing.blocks,
        block_size=sizing.block_size,
        vocab_size=min(vocab_size, config.vocab_size),
    )


class _KnownProfiles:
    """Rotates by the draft model's own profile of a request's name; by the longest one where it lacks that."""

    def __init__(self, profiles: RotaryAngles) -> None:
        self.contexts: Mapping[str, int] = profiles.contexts
        self._profiles = profiles

    def choose(self, prompt_tokens: int, max_tokens: int | None) -> str:
        """As the profiles do."""
        return self._profiles.choose(prompt_tokens, max_tokens)

    def angles(self, positions: IntArray, profile: str) -> tuple[FloatArray, FloatArray]:
        """The rotation of each position."""
        known = profile if profile in self.contexts else list(self.contexts)[-1]
        return self._profiles.angles(positions, known)
