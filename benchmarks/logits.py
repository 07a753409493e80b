"""Logits of whole texts from the decoder on one of our backends."""

import numpy as np
import numpy.typing as npt

from sevenb.backend.protocol import Backend, Batch
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile

_BLOCK_SIZE = 32
_CHUNK = 512  # tokens computed at once, so that a long text's activations take little memory


class TextModel:
    """A checkpoint on a backend, with a KV cache for one text of at most ``length`` tokens."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        backend: Backend,
        length: int,
        kv_dtype: str = "f16",
        last: int | None = None,
    ) -> None:
        """``last`` is how many tokens at a text's end have their logits computed; without it all of them."""
        self._backend = backend
        self._decoder = Decoder(checkpoint, backend)
        self._rope = RopeProfile(checkpoint.config.rope)
        self._blocks = -(-length // _BLOCK_SIZE)
        self._cache = backend.allocate_kv(self._decoder.kv_layout(_BLOCK_SIZE, kv_dtype), self._blocks)
        self._last = last

    def logits(self, tokens: list[int]) -> npt.NDArray[np.float32]:
        """Logits [last or T, V] of a text computed in an empty context."""
        first = len(tokens) - (self._last or len(tokens))
        return np.concatenate([self._step(tokens, start, first) for start in range(0, len(tokens), _CHUNK)])

    def _step(self, tokens: list[int], start: int, first: int) -> npt.NDArray[np.float32]:
        """Compute one chunk from ``start``; logits of those of its tokens that stand at ``first`` or later."""
        stop = min(start + _CHUNK, len(tokens))
        positions = np.arange(start, stop, dtype=np.int32)
        cos, sin = self._rope.angles(positions)
        batch = Batch(
            token_ids=np.array(tokens[start:stop], np.int32),
            positions=positions,
            query_starts=np.array([0, stop - start], np.int32),
            context_lengths=np.array([stop], np.int32),
            block_tables=np.arange(self._blocks, dtype=np.int32)[None],
            logit_rows=np.flatnonzero(positions >= first).astype(np.int32),
            rope_cos=cos,
            rope_sin=sin,
        )
        return self._backend.to_host(self._decoder.forward(batch, self._cache))
