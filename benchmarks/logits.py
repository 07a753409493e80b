"""Logits of whole texts from the decoder on one of our backends."""

import numpy as np
import numpy.typing as npt

from sevenb.backend.protocol import Backend, Batch
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile

_BLOCK_SIZE = 32


class TextModel:
    """A checkpoint on a backend, with a KV cache for one text of at most ``length`` tokens."""

    def __init__(self, checkpoint: Checkpoint, backend: Backend, length: int) -> None:
        self._backend = backend
        self._decoder = Decoder(checkpoint, backend)
        self._rope = RopeProfile(checkpoint.config.rope)
        self._blocks = -(-length // _BLOCK_SIZE)
        self._cache = backend.allocate_kv(self._decoder.kv_layout(_BLOCK_SIZE), self._blocks)

    def logits(self, tokens: list[int]) -> npt.NDArray[np.float32]:
        """Logits [T, V] after every token of a text, computed in an empty context and one step."""
        positions = np.arange(len(tokens), dtype=np.int32)
        cos, sin = self._rope.angles(positions)
        batch = Batch(
            token_ids=np.array(tokens, np.int32),
            positions=positions,
            query_starts=np.array([0, len(tokens)], np.int32),
            context_lengths=np.array([len(tokens)], np.int32),
            block_tables=np.arange(self._blocks, dtype=np.int32)[None],
            logit_rows=positions,
            rope_cos=cos,
            rope_sin=sin,
        )
        return self._backend.to_host(self._decoder.forward(batch, self._cache))
