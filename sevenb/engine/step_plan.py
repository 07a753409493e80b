"""`StepPlan` and `Chunk`: what one step computes, and for whom."""

from dataclasses import dataclass, field

from sevenb.backend.protocol import Choice, FloatArray
from sevenb.engine.sequence import Sequence


@dataclass(eq=False, slots=True)
class Chunk:
    """The tokens ``start : end`` of one sequence, computed in one step.

    ``samplers`` draw their next token from its last position: nobody while a prompt is unfinished, the sequence
    itself, or all ``n`` of a request whose prompt ends here. A request that wants a vector has none; the model leaves
    it the final hidden ``states`` of its ``pooled_positions``.

    A sequence that decodes may bring ``drafts``, guesses of the tokens that follow its last one; ``end`` counts them.
    It then draws a token from its last position and from that of each draft, as far as the guesses were right. They
    are ``forced`` where they are no guesses: a grammar leaves no choice. What the model thinks of those is not computed
    unless somebody wants to know.

    Of a step that is launched while the one before is being computed, the chunk's only token may be ``awaited``: row
    ``row`` of that step chooses it.
    """

    sequence: Sequence
    start: int
    end: int
    logprob_positions: range
    samplers: list[Sequence]
    drafts: list[int] = field(default_factory=list)
    forced: bool = False
    states: FloatArray | None = None  # [pooled positions, hidden size]
    row: int = 0

    @property
    def awaited(self) -> bool:
        """Whether the device alone knows its token yet."""
        return self.start >= len(self.sequence.token_ids)

    @property
    def foregone(self) -> int:
        """Drafts for which no logits are computed."""
        return len(self.drafts) if self.forced and not self.sequence.request.wants_logprobs else 0

    @property
    def pooled_positions(self) -> range:
        """Positions whose final hidden states are wanted."""
        pool = self.sequence.request.pool
        return range(0) if pool is None else pool.wanted(self.start, self.end)

    @property
    def token_ids(self) -> list[int]:
        """What goes through the model; an awaited token as `Batch` says it."""
        if self.awaited:
            return [-1 - self.row]
        return self.sequence.token_ids[self.start : self.end] + self.drafts

    @property
    def draft_room(self) -> int:
        """How many drafts it may bring, or tokens come after the one drawn, before its answer is as long as allowed."""
        before = self.end - len(self.drafts) - self.sequence.prompt_length
        return self.sequence.request.max_output - before - 1

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
    """What one step does: first the block copies, in order, then the chunks as one batch, decoding ones first."""

    chunks: list[Chunk] = field(default_factory=list)
    copies: list[tuple[int, int]] = field(default_factory=list)
    decoding: int = 0  # chunks of sequences that decode
    earlier: Choice | None = None  # of the step before, if that chooses tokens of this one
