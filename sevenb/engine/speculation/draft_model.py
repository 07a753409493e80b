"""`DraftModel`: a smaller model that writes ahead of the large one, greedily, for several sequences at a time.

As in Leviathan, Kalman and Matias, "Fast inference from transformers via speculative decoding" (2023, arXiv
2211.17192), but for the check, which here is exact equality with what the large model draws.
"""

import math
from collections.abc import Sequence as Listed
from dataclasses import dataclass, field

from sevenb.backend.protocol import Backend, SampleControl
from sevenb.engine.block_pool import BlockPool
from sevenb.engine.model_runner import ModelRunner
from sevenb.engine.prefix_cache import PrefixCache
from sevenb.engine.request import Request
from sevenb.engine.sequence import Sequence
from sevenb.engine.step_plan import Chunk, StepPlan

_GREEDY = SampleControl(temperature=0.0, logprobs=0)
_BACKLOG = 64  # tokens that one sequence may have to catch up with before it writes


@dataclass(eq=False, slots=True)
class Writing:
    """What the draft model wrote for one sequence, and how sure it was of each token, from 0 to 1."""

    tokens: list[int] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class _Shadow:
    """A sequence as the draft model has it: the ``verified`` tokens of the real one, then guesses of its own."""

    sequence: Sequence
    verified: int


class DraftModel:
    """A decoder with a KV cache, a pool and a prefix cache of its own.

    When its pool is full, there are no guesses: nothing depends on them.
    """

    def __init__(self, runner: ModelRunner, backend: Backend, *, blocks: int, block_size: int, vocab_size: int) -> None:
        """``vocab_size`` is the smaller one of both models, should one be padded."""
        self._runner = runner
        self._backend = backend
        self._pool = BlockPool(blocks, block_size)
        self._prefix_cache = PrefixCache(self._pool)
        self._vocab_size = vocab_size
        self._shadows: dict[Sequence, _Shadow] = {}

    def read(self, sequence: Sequence, tokens: int) -> bool:
        """Compute up to so many tokens that the draft model lacks; True when only the last one is missing now."""
        shadow = self._shadow_of(sequence)
        known = shadow.sequence
        end = min(len(known.token_ids) - 1, known.computed + tokens)
        if end > known.computed:
            if not self._reserve(known, end):
                return False
            self._runner.run(StepPlan([Chunk(known, known.computed, end, range(0), [])]))
            self._commit(known, end)
        return known.computed == len(known.token_ids) - 1

    def write(self, sequences: Listed[Sequence], most: Listed[int], worth: float) -> list[Writing]:
        """Guesses for each sequence, at most so many.

        A sequence goes on while all it wrote is true with a probability of more than ``worth``.
        """
        writings = [Writing() for _ in sequences]
        active: list[tuple[Sequence, Writing, int]] = []
        for sequence, writing, room in zip(sequences, writings, most, strict=True):
            known = self._shadow_of(sequence).sequence
            ready = len(known.token_ids) - known.computed <= _BACKLOG or self.read(sequence, _BACKLOG)
            if room > 0 and ready and self._reserve(known, len(known.token_ids) + room - 1):
                active.append((known, writing, room))
        while active:
            chunks = [Chunk(known, known.computed, len(known.token_ids), range(0), [known]) for known, _, _ in active]
            sampled = self._backend.sample(self._runner.run(StepPlan(chunks)), [_GREEDY] * len(chunks))
            for (known, writing, _), token in zip(active, sampled, strict=True):
                if writing.tokens:
                    known.computed = len(known.token_ids)
                else:
                    self._commit(known, len(known.token_ids))
                if token.token_id < self._vocab_size:
                    writing.tokens.append(token.token_id)
                    writing.confidences.append(math.exp(token.logprob or 0.0))
                    known.token_ids.append(token.token_id)
            active = [
                (known, writing, room)
                for known, writing, room in active
                if known.uncomputed == 1 and len(writing.tokens) < room and math.prod(writing.confidences) > worth
            ]
        return writings

    def forget(self, request: Request) -> None:
        """A request is over: its blocks stay readable for a next one that begins alike."""
        for sequence in [sequence for sequence in self._shadows if sequence.request is request]:
            self._pool.release(reversed(self._shadows.pop(sequence).sequence.block_table))

    def _shadow_of(self, sequence: Sequence) -> _Shadow:
        """What is known of a sequence, brought up to its last token; guesses that were right stay computed."""
        shadow = self._shadows.get(sequence)
        if shadow is None:
            shadow = self._shadows[sequence] = self._first_shadow(sequence)
        known, verified = shadow.sequence, shadow.verified
        both = min(len(known.token_ids), len(sequence.token_ids))
        while verified < both and known.token_ids[verified] == sequence.token_ids[verified]:
            verified += 1
        known.token_ids[verified:] = self._understood(sequence.token_ids[verified:])
        known.computed = min(known.computed, verified, len(known.token_ids) - 1)
        shadow.verified = len(known.token_ids)
        return shadow

    def _first_shadow(self, sequence: Sequence) -> _Shadow:
        length = len(sequence.token_ids)
        known = Sequence(sequence.request, sequence.index, self._understood(sequence.token_ids), sequence.prompt_length)
        blocks = (length - 1) // self._pool.block_size
        self._prefix_cache.extend(known.links, known.token_ids, blocks, sequence.request.rope_profile)
        cached = self._prefix_cache.match(known.links)
        self._pool.share(cached)
        known.block_table.extend(cached)
        known.computed = len(cached) * self._pool.block_size
        return _Shadow(known, length)

    def _understood(self, token_ids: Listed[int]) -> list[int]:
        """Tokens with another in place of those that only the larger vocabulary has."""
        return [token_id if token_id < self._vocab_size else 0 for token_id in token_ids]

    def _reserve(self, known: Sequence, tokens: int) -> bool:
        missing = self._pool.blocks_for(tokens) - len(known.block_table)
        if missing > self._pool.free:
            return False
        known.block_table.extend(self._pool.allocate() for _ in range(missing))
        return True

    def _commit(self, known: Sequence, end: int) -> None:
        """Note that verified tokens are computed, and let others find the blocks that they filled."""
        first, filled = known.computed // self._pool.block_size, end // self._pool.block_size
        known.computed = end
        self._prefix_cache.extend(known.links, known.token_ids, filled, known.request.rope_profile)
        for place in range(first, filled):
            self._prefix_cache.insert(known.links[place], known.block_table[place])
