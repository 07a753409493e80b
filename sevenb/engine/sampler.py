"""`Sampler`: from a step's logits to the tokens its sequences take."""

from dataclasses import dataclass, replace

import numpy as np

from sevenb.backend.protocol import Backend, FloatArray, SampleControl, Sampled, Tensor
from sevenb.engine.grammars import NO_MASKS, Mask, Masks
from sevenb.engine.sequence import Sequence
from sevenb.engine.step_plan import Chunk, StepPlan

_GREEDY = SampleControl(temperature=0.0)


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """What one chunk yielded: tokens for each of its samplers, and log-probabilities of prompt tokens asked for.

    A sampler gains one token, and one more for each draft that was right.
    """

    chunk: Chunk
    tokens: list[list[Sampled]]
    prompt_logprobs: list[Sampled]


class Sampler:
    """Says how each row of logits is to be used; the choosing itself is the backend's."""

    def __init__(self, backend: Backend, vocab_size: int) -> None:
        self._backend = backend
        self._vocab_size = vocab_size

    def controls(self, plan: StepPlan, masks: Masks = NO_MASKS) -> list[SampleControl]:
        """How each row of a step's logits is to be used: [R]."""
        controls: list[SampleControl] = []
        for chunk in plan.chunks:
            controls += [_GREEDY] * len(chunk.logprob_positions)
            for sequence in chunk.samplers:
                controls += [
                    self._control(sequence, chunk.drafts[:row], masks.of(sequence, row), awaited=chunk.awaited)
                    for row in range(chunk.foregone, len(chunk.drafts) + 1)
                ]
        return controls

    def sample(self, logits: Tensor, plan: StepPlan, masks: Masks = NO_MASKS) -> list[ChunkResult]:
        """Use ``logits`` [R, V], rows in the order `ModelRunner` asked for them. Draws nothing twice.

        Each row chooses its token as if it were alone. A draft is right when it is what the row before it chose, so
        drafts change nothing about the text, whether it is sampled or not. A chunk whose drafts seemed forced while
        their masks leave a choice has no result: it must be computed again without them.
        """
        controls = self.controls(plan, masks)
        sampled = self._backend.sample(logits, controls) if controls else []

        results = []
        row = 0
        for chunk in plan.chunks:
            prompt_logprobs = self._prompt_logprobs(logits, chunk, row) if chunk.logprob_positions else []
            row += len(chunk.logprob_positions)
            rows = sampled[row : row + len(chunk.drafts) - chunk.foregone + len(chunk.samplers)]
            if wanted := chunk.sequence.request.params.logprob_token_ids:
                rows = [
                    replace(choice, top_logprobs=self._logprobs_of(wanted, logits, row + offset))
                    for offset, choice in enumerate(rows)
                ]
            if chunk.sequence.request.beams is not None:
                tokens = [
                    self._candidates(sequence, choice, logits, row, masks.of(sequence, 0))
                    for sequence, choice in zip(chunk.samplers, sampled[row:], strict=False)
                ]
            elif chunk.foregone:
                tokens = [[*map(Sampled, chunk.drafts), *rows]]
            else:
                tokens = [_confirmed(rows, chunk.drafts)] if chunk.drafts else [[token] for token in rows]
            row += len(rows)
            if _are_forced(chunk, masks):
                results.append(ChunkResult(chunk, tokens, prompt_logprobs))
        return results

    def _prompt_logprobs(self, logits: Tensor, chunk: Chunk, first_row: int) -> list[Sampled]:
        positions = chunk.logprob_positions
        following = chunk.sequence.token_ids[positions.start + 1 : positions.stop + 1]
        rows = range(first_row, first_row + len(positions))
        top = chunk.sequence.request.params.prompt_logprobs or 0
        return self._backend.token_logprobs(logits, rows, following, top)

    def _candidates(
        self, sequence: Sequence, choice: Sampled, logits: Tensor, row: int, by_grammar: Mask | None
    ) -> list[Sampled]:
        """The most probable tokens that a beam may go on with, with the model's own log-probabilities."""
        beams, top = sequence.request.beams, sequence.request.params.logprobs or 0
        assert beams is not None
        allowed = self._allowed(sequence, 0, by_grammar)
        if allowed is None:
            best = choice.top_logprobs
            return [Sampled(token_id, logprob, best[:top]) for token_id, logprob in best[: beams.candidates]]
        token_ids = _best_allowed(self._backend.to_host(logits)[row], allowed, beams.candidates)
        return self._backend.token_logprobs(logits, [row] * len(token_ids), token_ids, top)

    def _logprobs_of(self, token_ids: tuple[int, ...], logits: Tensor, row: int) -> tuple[tuple[int, float], ...]:
        """The model's own log-probabilities of some tokens in one row."""
        records = self._backend.token_logprobs(logits, [row] * len(token_ids), token_ids, 0)
        return tuple((record.token_id, record.logprob) for record in records if record.logprob is not None)

    def _control(
        self, sequence: Sequence, drafts: list[int], allowed: Mask | None, *, awaited: bool = False
    ) -> SampleControl:
        """How to choose the token that comes after ``drafts``, should they be right, among those the grammar allows.

        ``awaited``: one more token comes before it, and what that is does not matter.
        """
        request = sequence.request
        params = request.params
        ahead = len(drafts) + awaited
        if request.beams is not None:
            return SampleControl(temperature=0.0, logprobs=max(request.beams.candidates, params.logprobs or 0))
        return SampleControl(
            temperature=params.temperature,
            top_k=max(params.top_k, 0),
            top_p=params.top_p,
            min_p=params.min_p,
            uniform=sequence.uniform(ahead) if params.temperature > 0 else 0.0,
            repetition_penalty=params.repetition_penalty,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            prompt_tokens=request.distinct_prompt_tokens,
            output_counts=_counts(sequence.output_counts, drafts) if request.counts_output else None,
            logit_bias=params.logit_bias or None,
            allowed=self._allowed(sequence, ahead, allowed),
            logprobs=0 if params.ranked and params.logprobs is None else params.logprobs,
        )

    def _allowed(self, sequence: Sequence, ahead: int, by_grammar: Mask | None) -> Mask | None:
        """Which tokens may come after so many drafts."""
        request = sequence.request
        if sequence.output_length + ahead >= request.params.min_tokens:
            return by_grammar
        return self._without_end(request.stop_token_ids, by_grammar)

    def _without_end(self, stop_token_ids: frozenset[int], allowed: Mask | None) -> Mask:
        """A mask that also forbids what ends a sequence before its ``min_tokens``, unless nothing else may come."""
        mask = np.full(-(-self._vocab_size // 32), 0xFFFFFFFF, dtype=np.uint32) if allowed is None else allowed.copy()
        for token_id in stop_token_ids:
            if 0 <= token_id < self._vocab_size:
                mask[token_id // 32] &= np.uint32(~(1 << token_id % 32) & 0xFFFFFFFF)
        return mask if allowed is None or mask.any() else allowed


def _best_allowed(logits: FloatArray, allowed: Mask, count: int) -> list[int]:
    """The tokens with the largest of the logits [V] that a mask allows, largest first, ties by lower id."""
    bits = np.unpackbits(allowed.view(np.uint8), bitorder="little", count=len(logits))
    token_ids = np.flatnonzero(bits)
    values = np.nan_to_num(logits[token_ids], nan=-np.inf)
    if len(values) > count:
        bound = np.partition(values, len(values) - count)[len(values) - count]
        token_ids, values = token_ids[values >= bound], values[values >= bound]
    best: list[int] = token_ids[np.argsort(-values, kind="stable")][:count].tolist()
    return best


def _counts(output_counts: dict[int, int], drafts: list[int]) -> dict[int, int]:
    if not drafts:
        return output_counts
    counts = output_counts.copy()
    for token_id in drafts:
        counts[token_id] = counts.get(token_id, 0) + 1
    return counts


def _are_forced(chunk: Chunk, masks: Masks) -> bool:
    """Whether nothing but the foregone drafts could come; else their guide is told."""
    if not chunk.foregone or masks.force(chunk.sequence, chunk.drafts):
        return True
    assert chunk.sequence.guide is not None
    chunk.sequence.guide.doubt()
    return False


def _confirmed(rows: list[Sampled], drafts: list[int]) -> list[Sampled]:
    """What the rows chose, up to the first that chose something else than the draft after it."""
    for right, (sampled, draft) in enumerate(zip(rows, drafts, strict=False)):
        if sampled.token_id != draft:
            return rows[: right + 1]
    return rows
