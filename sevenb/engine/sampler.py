"""`Sampler`: from a step's logits to the tokens its sequences take."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sevenb.backend.protocol import Backend, SampleControl, Sampled, Tensor
from sevenb.engine.scheduler import Chunk, StepPlan
from sevenb.engine.sequence import Sequence

_GREEDY = SampleControl(temperature=0.0)


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What one chunk yielded: a token for each of its samplers, and log-probabilities of prompt tokens asked for."""

    chunk: Chunk
    tokens: list[Sampled]
    prompt_logprobs: list[Sampled]


class Sampler:
    """Says how each row of logits is to be used; the choosing itself is the backend's."""

    def __init__(self, backend: Backend, vocab_size: int) -> None:
        self._backend = backend
        self._vocab_size = vocab_size

    def sample(self, logits: Tensor, plan: StepPlan) -> list[ChunkResult]:
        """Use ``logits`` [R, V], rows in the order `ModelRunner` asked for them. Draws nothing twice."""
        controls: list[SampleControl] = []
        for chunk in plan.chunks:
            controls += [_GREEDY] * len(chunk.logprob_positions)
            controls += [self._control(sequence) for sequence in chunk.samplers]
        sampled = self._backend.sample(logits, controls) if controls else []

        results = []
        row = 0
        for chunk in plan.chunks:
            prompt_logprobs = self._prompt_logprobs(logits, chunk, row) if chunk.logprob_positions else []
            row += len(chunk.logprob_positions)
            results.append(ChunkResult(chunk, sampled[row : row + len(chunk.samplers)], prompt_logprobs))
            row += len(chunk.samplers)
        return results

    def _prompt_logprobs(self, logits: Tensor, chunk: Chunk, first_row: int) -> list[Sampled]:
        positions = chunk.logprob_positions
        following = chunk.sequence.token_ids[positions.start + 1 : positions.stop + 1]
        rows = range(first_row, first_row + len(positions))
        top = chunk.sequence.request.params.prompt_logprobs or 0
        return self._backend.token_logprobs(logits, rows, following, top)

    def _control(self, sequence: Sequence) -> SampleControl:
        request = sequence.request
        params = request.params
        return SampleControl(
            temperature=params.temperature,
            top_k=max(params.top_k, 0),
            top_p=params.top_p,
            min_p=params.min_p,
            uniform=sequence.uniform if params.temperature > 0 else 0.0,
            repetition_penalty=params.repetition_penalty,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            prompt_tokens=request.distinct_prompt_tokens,
            output_counts=sequence.output_counts if request.counts_output else None,
            logit_bias=params.logit_bias or None,
            allowed=self._no_end(request.stop_token_ids) if sequence.output_length < params.min_tokens else None,
            logprobs=params.logprobs,
        )

    def _no_end(self, stop_token_ids: frozenset[int]) -> npt.NDArray[np.uint32]:
        """The bitmask that forbids the tokens that would end a sequence before its ``min_tokens``."""
        mask = np.full(-(-self._vocab_size // 32), 0xFFFFFFFF, dtype=np.uint32)
        for token_id in stop_token_ids:
            if 0 <= token_id < self._vocab_size:
                mask[token_id // 32] &= np.uint32(~(1 << token_id % 32) & 0xFFFFFFFF)
        return mask
