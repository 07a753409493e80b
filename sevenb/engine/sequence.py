"""`Sequence`: one token stream and everything the engine knows about it."""

from array import array
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

from sevenb.engine.beams import Beam
from sevenb.engine.guide import Guide
from sevenb.engine.prefix_cache import Link
from sevenb.engine.request import Request


class SequenceStatus(Enum):
    """Where a sequence stands: in the queue (new or preempted), with blocks of its own, or done."""

    WAITING = auto()
    RUNNING = auto()
    FINISHED = auto()


@dataclass(eq=False, slots=True)
class Sequence:
    """Prompt and output tokens of one answer, where their keys and values lie, and how the next token is drawn.

    A preempted sequence loses its blocks and nothing else: its tokens, counts and generator go on where they were.
    """

    request: Request
    index: int
    token_ids: list[int]  # prompt, then output
    prompt_length: int
    computed: int = 0  # positions whose keys and values lie in the blocks
    block_table: "array[int]" = field(default_factory=lambda: array("i"))
    links: list[Link] = field(default_factory=list)  # hash chain over the full blocks, made as needed
    status: SequenceStatus = SequenceStatus.WAITING
    guide: Guide | None = None  # by its grammar, if the request has one
    beam: Beam | None = None  # if the request searches
    output_counts: dict[int, int] = field(default_factory=dict)  # kept only where a penalty needs it
    _generator: np.random.Generator | None = None
    _uniforms: deque[float] = field(default_factory=deque)  # drawn for tokens still to come

    @classmethod
    def first_of(cls, request: Request) -> "Sequence":
        """The sequence that computes the prompt; it is added to the request."""
        prompt = request.prompt_token_ids
        sequence = cls(request, index=0, token_ids=list(prompt), prompt_length=len(prompt))
        sequence.beam = None if request.beams is None else Beam()
        request.sequences.append(sequence)
        return sequence

    def fork(self, index: int) -> "Sequence":
        """Another answer, or beam, with the same tokens and blocks so far. The caller counts the blocks."""
        sibling = Sequence(
            self.request,
            index,
            token_ids=list(self.token_ids),
            prompt_length=self.prompt_length,
            computed=self.computed,
            block_table=array("i", self.block_table),
            links=list(self.links),
            status=self.status,
            guide=None if self.guide is None else self.guide.copy(),
            beam=None if self.beam is None else self.beam.copy(),
        )
        self.request.sequences.append(sibling)
        return sibling

    @property
    def settled(self) -> bool:
        """Whether it waits for the other beams of its request, with nothing left to compute."""
        return self.beam is not None and bool(self.beam.candidates)

    @property
    def rank(self) -> tuple[int, int, int]:
        """Smaller runs sooner and is preempted later."""
        return self.request.priority, self.request.order, self.index

    @property
    def uncomputed(self) -> int:
        """Tokens still to go through the model: 1 while decoding, more before."""
        return len(self.token_ids) - self.computed

    @property
    def output_length(self) -> int:
        """Tokens generated so far."""
        return len(self.token_ids) - self.prompt_length

    def uniform(self, ahead: int = 0) -> float:
        """The number in [0, 1) that chooses the next token, or the one ``ahead`` of it: the same, whoever asks."""
        if self._generator is None:
            seeds = np.random.SeedSequence(self.request.entropy, spawn_key=(self.index,))
            self._generator = np.random.Generator(np.random.PCG64(seeds))
        while len(self._uniforms) <= ahead:
            self._uniforms.append(self._generator.random())
        return self._uniforms[ahead]

    def reindex(self, index: int) -> None:
        """Carry on as another answer of the request; only before the first token is drawn."""
        self.index = index

    def append(self, token_id: int) -> None:
        """Take one generated token. Raises `SevenbError` for one that the grammar forbids."""
        self.token_ids.append(token_id)
        if self._uniforms:
            self._uniforms.popleft()
        if self.request.counts_output:
            self.output_counts[token_id] = self.output_counts.get(token_id, 0) + 1
        if self.guide is not None:
            self.guide.accept(token_id)
