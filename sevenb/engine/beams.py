"""`Beams`: the search of one request for its most probable answers, whose sequences share their blocks."""

from collections.abc import Sequence as Listed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from sevenb.backend.protocol import Sampled
from sevenb.engine.messages import SequenceOutput, TokenOutput
from sevenb.engine.sampling_params import BeamSearch
from sevenb.errors import InvalidRequest

if TYPE_CHECKING:
    from sevenb.engine.request import Request
    from sevenb.engine.scheduler import Scheduler
    from sevenb.engine.sequence import Sequence


@dataclass(slots=True)
class Beam:
    """One beginning: its tokens with their log-probabilities, and what may come next, once that is computed."""

    logprob: float = 0.0
    tokens: list[TokenOutput] = field(default_factory=list)
    candidates: list[Sampled] = field(default_factory=list)  # most probable first

    def copy(self) -> "Beam":
        """For another beam that begins alike."""
        return Beam(self.logprob, list(self.tokens), list(self.candidates))

    def offer(self, candidates: list[Sampled]) -> None:
        """Let it wait with these to choose from. Raises `InvalidRequest` where there are none: it would for ever."""
        if not candidates:
            raise InvalidRequest("The answer cannot go on in its grammar (no token may follow); simplify it.")
        self.candidates = candidates

    def take(self, token: Sampled) -> None:
        """Go on with one of the candidates."""
        self.candidates = []
        self.logprob += _logprob(token)
        self.tokens.append(token_output(token))


class _Answer(NamedTuple):
    """A beam that has come to its end."""

    score: float
    beam: Beam
    finish_reason: str
    stop_token_id: int | None


class _Step(NamedTuple):
    """A candidate of one of the beams."""

    logprob: float  # of all tokens
    sequence: "Sequence"
    token: Sampled


class Beams:
    """Beam search as in the `transformers` library: of all beams' candidates the best ``width`` that go on survive.

    A candidate that ends an answer counts if it is among the best ``width`` itself. Each beam is a sequence that waits,
    its next token undecided, until all of its request have their candidates. Those who go on from the same beginning
    share its blocks; each copies no more than the one that it writes.
    """

    def __init__(self, search: BeamSearch, n: int) -> None:
        self._search = search
        self._n = n
        self._answers: list[_Answer] = []  # best first
        self._forks = 0
        self.kv_blocks = 0  # the most that all beams held at once
        self.kv_blocks_unshared = 0  # what that would have been, had each had its own

    @property
    def candidates(self) -> int:
        """How many tokens each beam needs to choose from, so that enough go on even if all others end."""
        return 2 * self._search.width

    def advance(self, request: "Request", scheduler: "Scheduler") -> list[SequenceOutput]:
        """Choose who goes on, if every beam has its candidates; returns the answers once the search is over.

        The sequences of a search that is over leave the scheduler and the request.
        """
        if not all(sequence.beam is not None and sequence.beam.candidates for sequence in request.sequences):
            return []
        self._note_blocks(request.sequences)
        heirs = self._select(request)
        for sequence in tuple(request.sequences):
            tokens = heirs.get(sequence, [])
            if not tokens:
                _drop(sequence, scheduler)
            siblings = [scheduler.fork(sequence, self._next_index()) for _ in tokens[1:]]
            for heir, token in zip([sequence, *siblings], tokens, strict=False):
                self._go_on(heir, token, scheduler)
        if not self._is_over(request.sequences):
            return []
        for sequence in tuple(request.sequences):
            _drop(sequence, scheduler)
        answers = [self._answers[place % len(self._answers)] for place in range(self._n)]  # a grammar may allow few
        request.completion_tokens = sum(len(answer.beam.tokens) for answer in answers)
        return [
            SequenceOutput(
                index=index,
                tokens=answer.beam.tokens,
                finish_reason=answer.finish_reason,
                stop_token_id=answer.stop_token_id,
            )
            for index, answer in enumerate(answers)
        ]

    # -- details ---------------------------------------------------------------------------------------

    def _select(self, request: "Request") -> "dict[Sequence, list[Sampled]]":
        """The tokens with which each beam goes on, at most ``width`` in all; answers that end are taken out."""
        steps = [
            _Step(beam.logprob + _logprob(token), sequence, token)
            for sequence in request.sequences
            if (beam := sequence.beam) is not None
            for token in beam.candidates
        ]
        steps.sort(key=lambda step: -step.logprob)
        heirs: dict[Sequence, list[Sampled]] = {}
        survivors = 0
        for rank, step in enumerate(steps):
            if step.token.token_id in request.stop_token_ids:
                if rank < self._search.width and step.sequence.beam is not None:
                    beam = step.sequence.beam.copy()
                    beam.take(step.token)
                    self._finish(beam, "stop", step.token.token_id)
            elif survivors < self._search.width:
                heirs.setdefault(step.sequence, []).append(step.token)
                survivors += 1
        return heirs

    def _go_on(self, sequence: "Sequence", token: Sampled, scheduler: "Scheduler") -> None:
        beam, request = sequence.beam, sequence.request
        assert beam is not None
        beam.take(token)
        sequence.append(token.token_id)
        complete = sequence.guide is not None and sequence.guide.ended
        if complete or sequence.output_length >= request.max_output:
            self._finish(beam, "stop" if complete else "length", None)
            _drop(sequence, scheduler)

    def _finish(self, beam: Beam, finish_reason: str, stop_token_id: int | None) -> None:
        score = self._score(beam.logprob, len(beam.tokens) - (stop_token_id is not None))
        self._answers.append(_Answer(score, beam, finish_reason, stop_token_id))
        self._answers.sort(key=lambda answer: -answer.score)
        del self._answers[self._search.width :]

    def _is_over(self, sequences: "Listed[Sequence]") -> bool:
        """Whether there are enough answers, and no beam is better now than the last of them."""
        width = self._search.width
        if not sequences or len(self._answers) < width:
            return not sequences
        best = max(self._score(beam.logprob, len(beam.tokens)) for s in sequences if (beam := s.beam) is not None)
        return self._search.early_stopping or best <= self._answers[width - 1].score

    def _score(self, logprob: float, tokens: int) -> float:
        return float(logprob / max(1, tokens) ** self._search.length_penalty)

    def _note_blocks(self, sequences: "Listed[Sequence]") -> None:
        tables = [sequence.block_table for sequence in sequences]
        self.kv_blocks = max(self.kv_blocks, len({block for table in tables for block in table}))
        self.kv_blocks_unshared = max(self.kv_blocks_unshared, sum(map(len, tables)))

    def _next_index(self) -> int:
        self._forks += 1
        return self._forks


def token_output(sampled: Sampled) -> TokenOutput:
    """A chosen token as it is reported."""
    return TokenOutput(token_id=sampled.token_id, logprob=sampled.logprob, top_logprobs=list(sampled.top_logprobs))


def _logprob(token: Sampled) -> float:
    assert token.logprob is not None
    return token.logprob


def _drop(sequence: "Sequence", scheduler: "Scheduler") -> None:
    scheduler.remove(sequence)
    sequence.request.sequences.remove(sequence)
