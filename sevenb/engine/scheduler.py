"""`Scheduler`: which tokens of which sequences the next step computes, and who holds the blocks meanwhile."""

import logging
import time
from bisect import insort
from collections import Counter
from collections.abc import Callable

from sevenb.engine.block_pool import BlockPool
from sevenb.engine.fairness import fair_order, share_tokens, standings
from sevenb.engine.pace import LONGEST_STEP, Pace
from sevenb.engine.prefix_cache import PrefixCache
from sevenb.engine.request import Request
from sevenb.engine.sequence import Sequence, SequenceStatus
from sevenb.engine.speculation.speculator import Speculator
from sevenb.engine.step_plan import Chunk, StepPlan

logger = logging.getLogger(__name__)

MOST_FORCED = 64  # tokens that a sequence takes at once where its grammar leaves no choice
PROMPT_LOGPROB_ROWS = 64  # rows of logits a step makes for prompt log-probabilities: a row is the whole vocabulary


class Scheduler:
    """Continuous batching over one `BlockPool`, first come first served within a priority and a client.

    Decoding sequences always take part; prompts get as much of ``max_num_batched_tokens`` as `Pace` allows. A sequence
    is admitted with all the blocks of its prompt and gets one more whenever it grows into it; when none is free, the
    last in `fair_order` is preempted: it gives up its blocks and later gets them back or computes its tokens anew. A
    newcomer that stands before a running sequence takes its place in the same way. Drafts of the ``speculator`` get
    what is left of the step's tokens and of the blocks.
    """

    def __init__(
        self,
        pool: BlockPool,
        prefix_cache: PrefixCache | None,
        *,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        speculator: Speculator | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.waiting: list[Sequence] = []  # both lists by rank
        self.running: list[Sequence] = []
        self.preemptions = 0
        self._newcomer: Sequence | None = None  # being admitted
        self._turned_away: Sequence | None = None  # whoever there was no room for, as long as none has become free
        self._pool = pool
        self._prefix_cache = prefix_cache
        self._speculator = speculator
        self._max_num_seqs = max_num_seqs
        self._max_num_batched_tokens = max_num_batched_tokens
        self._pace = Pace(max_num_batched_tokens)
        self._clock = clock

    def add(self, sequence: Sequence) -> None:
        """Queue a new sequence."""
        insort(self.waiting, sequence, key=_rank)

    def remove(self, sequence: Sequence) -> None:
        """Forget a sequence that has ended, and take its blocks back."""
        (self.running if sequence.status is SequenceStatus.RUNNING else self.waiting).remove(sequence)
        self._release(sequence)
        self._turned_away = None
        sequence.status = SequenceStatus.FINISHED

    def fork(self, sequence: Sequence, index: int) -> Sequence:
        """Another sequence that begins as this one, on the same blocks."""
        sibling = sequence.fork(index)
        self._pool.share(sibling.block_table)
        insort(self.running if sibling.status is SequenceStatus.RUNNING else self.waiting, sibling, key=_rank)
        return sibling

    # -- planning --------------------------------------------------------------------------------------

    def schedule(self) -> StepPlan:
        """Plan one step; blocks are taken and restored ones filled, nothing is computed yet."""
        plan = StepPlan()
        while len(self.running) > self._max_num_seqs:  # a prompt that ended has forked into more than the seats
            self._preempt_last()
        self._admit_waiting()
        self._newcomer = None
        for sequence in fair_order(self.running):
            if sequence.uncomputed == 1 and self._grow(sequence, plan):
                samplers = _samplers(sequence, sequence.computed + 1)
                plan.chunks.append(Chunk(sequence, sequence.computed, sequence.computed + 1, range(0), samplers))
        plan.decoding = len(plan.chunks)
        self._plan_prompts(plan)
        for chunk in plan.chunks:
            self._fork(chunk)
        self._look_ahead(plan)
        self._announce_writes(plan)
        return plan

    def follow(self, plan: StepPlan) -> StepPlan | None:
        """The step after one that draws a token at most for each chunk, before those are known; None if they must be.

        They must where a prompt goes on, somebody can come in, has to leave, or has guesses to try. Those whose answers
        are then as long as they may get do not take part. Whoever ends in another way has a token computed in vain, at
        a position that nobody else reads.
        """
        if not self._goes_on_alike(plan):
            return None
        following = StepPlan()
        for row, chunk in enumerate(plan.chunks):
            sequence = chunk.sequence
            if sequence.status is not SequenceStatus.RUNNING or chunk.draft_room < 1:
                continue
            if not self._has_own_block(sequence, chunk.end):
                return None
            following.chunks.append(Chunk(sequence, chunk.end, chunk.end + 1, range(0), [sequence], row=row))
        following.decoding = len(following.chunks)
        if not following.chunks or self._would_draft(following):
            return None
        self._announce_writes(following)
        return following

    def _goes_on_alike(self, plan: StepPlan) -> bool:
        """Whether the sequences of a step are all that run, all with their next token, and nobody could join them."""
        going_on = sum(
            chunk.sequence.status is SequenceStatus.RUNNING and bool(chunk.samplers) for chunk in plan.chunks
        )
        return going_on == len(self.running) and (not self.waiting or self._next_waiting() is self._turned_away)

    def _has_own_block(self, sequence: Sequence, position: int) -> bool:
        """See that a position has a block that nobody else uses, if that costs nobody a block."""
        table, place = sequence.block_table, position // self._pool.block_size
        if place < len(table):
            return self._pool.references(table[place]) == 1
        if self._pool.free:
            table.append(self._pool.allocate())
            return True
        return False

    def _would_draft(self, plan: StepPlan) -> bool:
        """Whether the speculator has guesses to try; those need a step whose tokens are known."""
        if self._speculator is None:
            return False
        sequences = [chunk.sequence for chunk in plan.chunks]
        rooms = [chunk.draft_room for chunk in plan.chunks]
        try:
            return self._speculator.would_draft(
                sequences, rooms, budget=self._max_num_batched_tokens - len(plan.chunks)
            )
        except Exception:
            logger.exception("A step goes without drafts")
            return False

    def in_planning(self) -> set[Request]:
        """Whom a failed `schedule` leaves in doubt: the newcomer, or whoever has blocks, as the plan spans them all."""
        if self._newcomer is not None:
            return {self._newcomer.request}
        return {sequence.request for sequence in self.running or self.waiting}

    def _plan_prompts(self, plan: StepPlan) -> None:
        """Share what the step has for prompts among those that must be computed."""
        prompts = self._reuse_blocks(plan)
        if not prompts:
            return
        budget = self._pace.prompt_tokens(plan.decoding, prompts[0].computed)
        for sequence, tokens in share_tokens(prompts, budget):
            self._plan_prompt(sequence, plan, tokens)

    def _plan_prompt(self, sequence: Sequence, plan: StepPlan, tokens: int) -> None:
        """Plan the next chunk of a prompt, of up to so many tokens."""
        start = sequence.computed
        end = start + tokens
        wanted = range(0)
        first = sequence.request.logprob_position
        if first is not None:
            rows = PROMPT_LOGPROB_ROWS - sum(len(chunk.logprob_positions) for chunk in plan.chunks)
            end = min(end, max(first, start) + rows)
            wanted = range(max(first, start), min(end, sequence.prompt_length - 1))
        if end > start:
            plan.chunks.append(Chunk(sequence, start, end, wanted, _samplers(sequence, end)))

    # -- seats and blocks ------------------------------------------------------------------------------

    def _admit_waiting(self) -> None:
        """Let in whoever there is room for. Beams that only wait for one outside give up theirs."""
        while True:
            while (newcomer := self._next_waiting()) is not None and self._admit(newcomer):
                pass
            if not self.running or not all(sequence.settled for sequence in self.running):
                self._turned_away = newcomer
                return
            self._preempt_last()

    def _next_waiting(self) -> Sequence | None:
        """Whose turn it is: within a priority, that of the client with the fewest sequences running."""
        running = Counter(_group(sequence) for sequence in self.running)
        return min(
            (sequence for sequence in self.waiting if sequence.request.ready and not sequence.settled),
            key=lambda sequence: (sequence.request.priority, running[_group(sequence)], sequence.rank),
            default=None,
        )

    def _admit(self, sequence: Sequence) -> bool:
        """Give a waiting sequence a seat and the blocks of all its tokens, those of the pool's cache first, or nothing.

        A block for each running sequence stays free, so that a newcomer is not preempted at once.
        """
        self._newcomer = sequence
        cached = self._cached_blocks(sequence)
        self._pool.share(cached)
        sequence.block_table.extend(cached)
        missing = self._pool.blocks_for(len(sequence.token_ids)) - len(cached)
        if not self._make_room(sequence, missing):
            self._release(sequence)
            return False
        sequence.block_table.extend(self._pool.allocate() for _ in range(missing))
        sequence.computed = len(cached) * self._pool.block_size
        sequence.status = SequenceStatus.RUNNING
        self.waiting.remove(sequence)
        insort(self.running, sequence, key=_rank)
        return True

    def _make_room(self, newcomer: Sequence, blocks: int) -> bool:
        """See that a seat and so many blocks are free; preempt for it whoever stands behind, if that is enough.

        Among equals nobody makes room for more than a client's share of the pool.
        """
        clients = {sequence.request.client for sequence in (*self.running, newcomer)}
        modest = blocks * len(clients) <= self._pool.blocks
        ahead = sum(_group(sequence) == _group(newcomer) for sequence in self.running) if modest else len(self.running)
        standing = newcomer.request.priority, ahead
        victims: list[Sequence] = []
        remaining, free = len(self.running), self._pool.free
        behind = iter(reversed(standings(self.running)))
        while remaining >= self._max_num_seqs or free - blocks < remaining:
            their_standing, victim = next(behind, (standing, newcomer))
            if their_standing <= standing:
                return False
            victims.append(victim)
            remaining -= 1
            free += sum(self._pool.references(block) == 1 for block in victim.block_table)
        for victim in victims:
            self._preempt(victim)
        return True

    def _preempt_last(self) -> None:
        self._preempt(fair_order(self.running)[-1])

    def _preempt(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._release(sequence)
        sequence.status = SequenceStatus.WAITING
        self.add(sequence)
        self.preemptions += 1

    def _release(self, sequence: Sequence) -> None:
        self._pool.release(reversed(sequence.block_table))
        del sequence.block_table[:]
        sequence.computed = 0

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

    def _fork(self, chunk: Chunk) -> None:
        """Where a prompt ends, let the other sequences of its request begin: on the same blocks."""
        if chunk.samplers and chunk.sequence.request.unforked:
            for index in chunk.sequence.request.unforked:
                chunk.samplers.append(self.fork(chunk.sequence, index))
            chunk.sequence.request.unforked.clear()

    # -- tokens ahead ----------------------------------------------------------------------------------

    def _look_ahead(self, plan: StepPlan) -> None:
        """Let sequences try more than one token. Nobody loses a place in the step or a block by that.

        The text is the same without, so what fails here costs time and nothing else.
        """
        step_tokens = sum(chunk.end - chunk.start for chunk in plan.chunks)
        try:
            for chunk in plan.chunks:
                step_tokens += self._force(chunk, self._max_num_batched_tokens - step_tokens)
            self._speculate(plan, step_tokens)
        except Exception:
            logger.exception("A step goes without some of its drafts")

    def _force(self, chunk: Chunk, budget: int) -> int:
        """Take what must come next by a sequence's grammar into the step; returns how many tokens that are."""
        guide = chunk.sequence.guide
        if guide is None or len(chunk.samplers) != 1 or chunk.sequence.beam is not None:
            return 0
        forced = guide.forced()[: min(chunk.draft_room, budget, MOST_FORCED)]
        chunk.add_drafts(forced[: self._room(chunk, len(forced))])
        chunk.forced = bool(chunk.drafts)
        return len(chunk.drafts)

    def _speculate(self, plan: StepPlan, step_tokens: int) -> None:
        """Let the sequences that decode, and have a choice, try guesses."""
        chunks = [
            chunk
            for chunk in plan.chunks
            if chunk.end - chunk.start == 1 and len(chunk.samplers) == 1 and chunk.sequence.beam is None
        ]
        if self._speculator is None or not chunks:
            return
        drafts = self._speculator.draft(
            [chunk.sequence for chunk in chunks],
            [chunk.draft_room for chunk in chunks],
            step_tokens=step_tokens,
            budget=self._max_num_batched_tokens - step_tokens,
        )
        for chunk, guesses in zip(chunks, drafts, strict=True):
            if guesses and chunk.sequence.guide is not None:
                guesses = chunk.sequence.guide.possible(guesses)
            chunk.add_drafts(guesses[: self._room(chunk, len(guesses))])

    def _room(self, chunk: Chunk, wanted: int) -> int:
        """How many positions after a chunk have blocks; those of up to ``wanted`` get them while plenty are free."""
        table, size = chunk.sequence.block_table, self._pool.block_size
        while len(table) * size < chunk.end + wanted and self._pool.free > len(self.running):
            table.append(self._pool.allocate())
        return len(table) * size - chunk.end

    # -- blocks that need not be computed --------------------------------------------------------------

    def _cached_blocks(self, sequence: Sequence) -> list[int]:
        """Blocks of the pool that hold the beginning of a sequence."""
        if self._prefix_cache is None:
            return []
        return self._prefix_cache.match(sequence.links[: self._extend_links(sequence)])

    def _extend_links(self, sequence: Sequence) -> int:
        """How many blocks of a prompt may come from a cache; the chain is made as long."""
        assert self._prefix_cache is not None
        usable = len(sequence.token_ids) - 1  # at least one token is computed: its logits are needed
        first = sequence.request.first_wanted
        if first is not None:
            usable = min(usable, first)
        blocks = usable // self._pool.block_size
        self._prefix_cache.extend(sequence.links, sequence.token_ids, blocks, sequence.request.cache_profile)
        return blocks

    def _reuse_blocks(self, plan: StepPlan) -> list[Sequence]:
        """Fill blocks of prompts from the cache and its store; returns the prompts that have to compute now.

        Left out are those whose restoring goes on in the next step, lest this one take too long, and those whose next
        block another prompt computes at this moment.
        """
        prompts = [sequence for sequence in self.running if sequence.uncomputed > 1]
        if self._prefix_cache is None:
            return prompts
        deadline = self._clock() + (self._pace.slack if plan.decoding else LONGEST_STEP)
        computing: list[Sequence] = []
        next_keys: set[bytes] = set()
        for sequence in prompts:
            reusable = self._extend_links(sequence)
            if not self._reuse(sequence, reusable, deadline):
                continue
            place, inside = divmod(sequence.computed, self._pool.block_size)
            if place < len(sequence.links):
                key = sequence.links[place].key
                if key in next_keys and not inside and place < reusable:
                    continue
                next_keys.add(key)
            computing.append(sequence)
        return computing

    def _reuse(self, sequence: Sequence, reusable: int, deadline: float) -> bool:
        """Fill the next blocks of a prompt as far as their contents are known; False when time is up before that."""
        assert self._prefix_cache is not None
        size, table = self._pool.block_size, sequence.block_table
        while sequence.computed % size == 0 and (place := sequence.computed // size) < reusable:
            link = sequence.links[place]
            if (block := self._prefix_cache.find(link)) is not None:
                self._pool.share([block])
                self._pool.release([table[place]])
                table[place] = block
            elif not self._prefix_cache.restore(link, table[place]):
                return True
            elif self._clock() >= deadline:
                sequence.computed += size
                return False
            sequence.computed += size
        return True

    def _announce_writes(self, plan: StepPlan) -> None:
        """Let the cache move what is still kept in the blocks that this step writes."""
        if self._prefix_cache is not None:
            size = self._pool.block_size
            for chunk in plan.chunks:
                self._prefix_cache.overwrite(chunk.sequence.block_table[chunk.start // size : -(-chunk.end // size)])
            self._prefix_cache.overwrite(target for _, target in plan.copies)

    # -- afterwards ------------------------------------------------------------------------------------

    def note_duration(self, plan: StepPlan, seconds: float) -> None:
        """Learn how long a step took."""
        prompts = plan.chunks[plan.decoding :]
        self._pace.note(
            seconds,
            decoding=plan.decoding,
            prompt_tokens=sum(chunk.end - chunk.start for chunk in prompts),
            depth=prompts[0].start if prompts else 0,
            guessed=any(chunk.drafts for chunk in plan.chunks),
        )

    def close(self) -> None:
        """Let the prefix cache be saved."""
        if self._prefix_cache is not None:
            self._prefix_cache.close()

    def commit(self, chunk: Chunk) -> None:
        """Note that a chunk is computed, and let others find the blocks that it filled."""
        for sequence in chunk.samplers or [chunk.sequence]:
            sequence.computed = chunk.end
        if self._prefix_cache is not None:
            size = self._pool.block_size
            first, filled = chunk.start // size, chunk.end // size
            if filled > first:
                sequence = chunk.sequence
                self._prefix_cache.extend(sequence.links, sequence.token_ids, filled, sequence.request.cache_profile)
                for place in range(first, filled):
                    self._prefix_cache.insert(sequence.links[place], sequence.block_table[place])


def _samplers(sequence: Sequence, end: int) -> list[Sequence]:
    """Who draws a token from a chunk of a sequence that ends here."""
    return [sequence] if end == len(sequence.token_ids) and sequence.request.pool is None else []


def _rank(sequence: Sequence) -> tuple[int, int, int]:
    return sequence.rank


def _group(sequence: Sequence) -> tuple[int, str]:
    """Those among whom a client's sequences are counted."""
    return sequence.request.priority, sequence.request.client
