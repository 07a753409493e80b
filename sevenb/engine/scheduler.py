"""`Scheduler`: which tokens of which sequences the next step computes, and who holds the blocks meanwhile."""

from bisect import insort
from dataclasses import dataclass, field

from sevenb.engine.block_pool import BlockPool
from sevenb.engine.prefix_cache import PrefixCache
from sevenb.engine.sequence import Sequence, SequenceStatus
from sevenb.engine.speculation.speculator import Speculator

PROMPT_LOGPROB_ROWS = 64  # rows of logits a step makes for prompt log-probabilities: a row is the whole vocabulary


@dataclass(eq=False, slots=True)
class Chunk:
    """The tokens ``start : end`` of one sequence, computed in one step.

    ``samplers`` draw their next token from its last position: nobody while a prompt is unfinished, the sequence
    itself, or all ``n`` of a request whose prompt ends here.

    A sequence that decodes may bring ``drafts``, guesses of the tokens that follow its last one; ``end`` counts them.
    It then draws a token from its last position and from that of each draft, as far as the guesses were right.
    """

    sequence: Sequence
    start: int
    end: int
    logprob_positions: range
    samplers: list[Sequence]
    drafts: list[int] = field(default_factory=list)

    @property
    def token_ids(self) -> list[int]:
        """What goes through the model."""
        return self.sequence.token_ids[self.start : self.end] + self.drafts

    def add_drafts(self, drafts: list[int]) -> None:
        """Try these tokens, too."""
        self.drafts += drafts
        self.end += len(drafts)

    def keep_drafts(self, count: int) -> None:
        """Only the first ``count`` drafts were right: what was computed for the others is void."""
        self.end -= len(self.drafts) - count
        del self.drafts[count:]


@dataclass(eq=False, slots=True)
class StepPlan:
    """What one step does: first the block copies, in order, then the chunks as one batch."""

    chunks: list[Chunk] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)


class Scheduler:
    """Continuous batching over one `BlockPool`, first come first served within a priority.

    Decoding sequences always take part; prompts share what is left of ``max_num_batched_tokens``. A sequence is
    admitted with all the blocks of its prompt and gets one more whenever it grows into it; when none is free, the
    last in rank is preempted: it gives up its blocks and later computes its tokens anew. Drafts of the ``speculator``
    get what is left of the step's tokens and of the blocks.
    """

    def __init__(
        self,
        pool: BlockPool,
        prefix_cache: PrefixCache | None,
        *,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        speculator: Speculator | None = None,
    ) -> None:
        self.waiting: list[Sequence] = []  # both lists by rank
        self.running: list[Sequence] = []
        self.preemptions = 0
        self._pool = pool
        self._prefix_cache = prefix_cache
        self._speculator = speculator
        self._max_num_seqs = max_num_seqs
        self._max_num_batched_tokens = max_num_batched_tokens

    def add(self, sequence: Sequence) -> None:
        """Queue a new sequence."""
        insort(self.waiting, sequence, key=_rank)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence that has ended, and take its blocks back."""
        (self.running if sequence.status is SequenceStatus.RUNNING else self.waiting).remove(sequence)
        self._release(sequence)
        sequence.status = SequenceStatus.FINISHED

    # -- planning --------------------------------------------------------------------------------------

    def schedule(self) -> StepPlan:
        """Plan one step; blocks are taken, nothing is computed yet."""
        plan = StepPlan()
        while len(self.running) > self._max_num_seqs:  # a prompt that ended has forked into more than the seats
            self._preempt_last()

        for sequence in tuple(self.running):
            if sequence.uncomputed == 1 and self._grow(sequence, plan):
                plan.chunks.append(Chunk(sequence, sequence.computed, sequence.computed + 1, range(0), [sequence]))

        budget = self._max_num_batched_tokens - len(plan.chunks)
        if plan.chunks:  # a short step, for the sake of those who watch their streams
            budget = min(budget, max(1, self._max_num_batched_tokens // 4))
        prompts = [sequence for sequence in self.running if sequence.uncomputed > 1]
        for place, sequence in enumerate(prompts, 1):
            budget -= self._plan_prompt(sequence, plan, budget, others=place < len(prompts) or bool(self.waiting))
        while budget > 0 and self.waiting and len(self.running) < self._max_num_seqs:
            if not self._admit(self.waiting[0]):
                break
            sequence = self.waiting.pop(0)
            insort(self.running, sequence, key=_rank)
            budget -= self._plan_prompt(sequence, plan, budget, others=bool(self.waiting))
        for chunk in plan.chunks:
            self._fork(chunk)
        self._speculate(plan)
        return plan

    def _plan_prompt(self, sequence: Sequence, plan: StepPlan, budget: int, *, others: bool) -> int:
        """Plan the next chunk of a prompt and return its length. A long one leaves half of the budget to ``others``."""
        start = sequence.computed
        end = start + min(sequence.uncomputed, (budget + 1) // 2 if others else budget)
        wanted = range(0)
        first = sequence.request.logprob_position
        if first is not None:
            rows = PROMPT_LOGPROB_ROWS - sum(len(chunk.logprob_positions) for chunk in plan.chunks)
            end = min(end, max(first, start) + rows)
            wanted = range(max(first, start), min(end, sequence.prompt_length - 1))
        if end > start:
            samplers = [sequence] if end == len(sequence.token_ids) else []
            plan.chunks.append(Chunk(sequence, start, end, wanted, samplers))
        return end - start

    def _admit(self, sequence: Sequence) -> bool:
        """Give a waiting sequence the blocks of all its tokens, cached ones first, or nothing.

        A block for each running sequence stays free, so that a newcomer is not preempted at once.
        """
        cached = self._cached_blocks(sequence)
        self._pool.share(cached)
        missing = self._pool.blocks_for(len(sequence.token_ids)) - len(cached)
        if self._pool.free - missing < len(self.running):
            self._pool.release(reversed(cached))
            return False
        sequence.block_table.extend(cached)
        sequence.block_table.extend(self._pool.allocate() for _ in range(missing))
        sequence.computed = len(cached) * self._pool.block_size
        sequence.status = SequenceStatus.RUNNING
        return True

    def _cached_blocks(self, sequence: Sequence) -> list[int]:
        if self._prefix_cache is None:
            return []
        usable = len(sequence.token_ids) - 1  # at least one token is computed: its logits are needed
        first = sequence.request.logprob_position
        if first is not None:
            usable = min(usable, first)
        blocks = usable // self._pool.block_size
        self._prefix_cache.extend(sequence.links, sequence.token_ids, blocks)
        return self._prefix_cache.match(sequence.links[:blocks])

    def _grow(self, sequence: Sequence, plan: StepPlan) -> bool:
        """See that the next position has a block of the sequence's own; False when it was preempted itself."""
        while sequence.status is SequenceStatus.RUNNING:
            table = sequence.block_table
            place = sequence.computed // self._pool.block_size
            if place < len(table) and self._pool.references(table[place]) == 1:
                return True
            if self._pool.free == 0:
                self._preempt_last()
            elif place == len(table):
                table.append(self._pool.allocate())
                return True
            else:  # shared with the sequences of the same request: copy on write
                shared, table[place] = table[place], self._pool.allocate()
                plan.copies.append((shared, table[place]))
                self._pool.release([shared])
                return True
        return False

    def _preempt_last(self) -> None:
        sequence = self.running.pop()
        self._release(sequence)
        sequence.status = SequenceStatus.WAITING
        self.add(sequence)
        self.preemptions += 1

    def _release(self, sequence: Sequence) -> None:
        self._pool.release(reversed(sequence.block_table))
        del sequence.block_table[:]
        sequence.computed = 0

    def _fork(self, chunk: Chunk) -> None:
        """Where a prompt ends, let the other sequences of its request begin: on the same blocks."""
        if chunk.samplers and chunk.sequence.request.unforked:
            for index in chunk.sequence.request.unforked:
                sibling = chunk.sequence.fork(index)
                self._pool.share(sibling.block_table)
                insort(self.running, sibling, key=_rank)
                chunk.samplers.append(sibling)
            chunk.sequence.request.unforked.clear()

    def _speculate(self, plan: StepPlan) -> None:
        """Let the sequences that decode try drafts. Nobody loses a place in the step or a block by them."""
        chunks = [chunk for chunk in plan.chunks if chunk.end - chunk.start == 1 and len(chunk.samplers) == 1]
        if self._speculator is None or not chunks:
            return
        step_tokens = sum(chunk.end - chunk.start for chunk in plan.chunks)
        drafts = self._speculator.draft(
            [chunk.sequence for chunk in chunks],
            [chunk.sequence.request.max_output - chunk.sequence.output_length - 1 for chunk in chunks],
            step_tokens=step_tokens,
            budget=self._max_num_batched_tokens - step_tokens,
        )
        for chunk, guesses in zip(chunks, drafts, strict=True):
            chunk.add_drafts(guesses[: self._room(chunk, len(guesses))])

    def _room(self, chunk: Chunk, wanted: int) -> int:
        """How many positions after a chunk have blocks; those of up to ``wanted`` get them while plenty are free."""
        table, size = chunk.sequence.block_table, self._pool.block_size
        while len(table) * size < chunk.end + wanted and self._pool.free > len(self.running):
            table.append(self._pool.allocate())
        return len(table) * size - chunk.end

    # -- afterwards ------------------------------------------------------------------------------------

    def commit(self, chunk: Chunk) -> None:
        """Note that a chunk is computed, and let others find the blocks that it filled."""
        for sequence in chunk.samplers or [chunk.sequence]:
            sequence.computed = chunk.end
        if self._prefix_cache is not None:
            size = self._pool.block_size
            first, filled = chunk.start // size, chunk.end // size
            if filled > first:
                sequence = chunk.sequence
                self._prefix_cache.extend(sequence.links, sequence.token_ids, filled)
                for place in range(first, filled):
                    self._prefix_cache.insert(sequence.links[place], sequence.block_table[place])


def _rank(sequence: Sequence) -> tuple[int, int, int]:
    return sequence.rank
