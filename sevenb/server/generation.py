"""`Generation`: the prompts of one HTTP request on their way through the engine, and the text that comes back."""

import time
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from sevenb.engine.completion import CompletionOutput
from sevenb.engine.messages import AddRequest, RequestOutput
from sevenb.engine.output_processor import OutputProcessor, SequenceDelta, stop_token_ids
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.shape import Check, complaint_of, second_try
from sevenb.errors import ContextOverflow, EngineDied, InvalidRequest
from sevenb.server.access.principal import current_principal
from sevenb.server.bodies import PromptTokensDetails, TimingsBody, Usage
from sevenb.server.service import ServedModel, Service

MAX_SEQUENCES = 1024  # of one HTTP request: its prompts, times the answers to each
ROOM_FOR_ANSWER = 256  # tokens, where a prompt is cut to fit and the answer's length is not told


@dataclass(frozen=True)
class Piece:
    """What one answer gained. ``choice`` counts the answers of all prompts: prompt 0's n answers, then prompt 1's, …"""

    choice: int
    prompt: int
    delta: SequenceDelta


@dataclass(frozen=True)
class Proof:
    """What a finished answer has to pass where no grammar can promise it.

    ``check`` says what is wrong with a text, None if nothing is; ``parameter`` is the field that asked for it.
    """

    check: Check
    parameter: str


@dataclass(frozen=True)
class _Job:
    """A request in the engine, its way back into text, and the numbers that its answers have among all."""

    request: AddRequest
    processor: OutputProcessor
    prompt: int
    choices: Sequence[int]


class Generation:
    """Some prompts with the same parameters, generated side by side. Read `pieces` to the end, then the figures."""

    def __init__(
        self,
        service: Service,
        model: ServedModel,
        prompts: Sequence[list[int]],
        params: SamplingParams,
        *,
        parameter: str,
        proof: Proof | None = None,
        priority: int | None = None,
        client: str = "",
        truncated_tokens: int = 0,
    ) -> None:
        """Raises `ContextOverflow`, which blames ``parameter``, for a prompt that leaves no room for an answer,
        `InvalidRequest` for more than `MAX_SEQUENCES`.

        Under a ``proof`` nothing of an answer is shown before all of it has passed; one that fails is made once more.
        ``truncated_tokens`` is how many the prompts have lost, for the account.
        """
        for prompt in prompts:
            if len(prompt) >= model.max_model_len:
                error = ContextOverflow(len(prompt), model.max_model_len)
                error.parameter = parameter
                raise error
        self.prompts = prompts
        self._service = service
        self._model = model
        self._params = params
        self._proof = proof
        self._priority = priority or 0
        self._client = client
        self._truncated_tokens = truncated_tokens
        self._principal = current_principal()
        self._arrival = time.monotonic()
        self._has_first_token = False
        self._last_token: dict[int, float] = {}  # choice -> when its newest token came
        n = params.n
        first = [self._job(number, params, range(number * n, (number + 1) * n)) for number in range(len(prompts))]
        sequences = sum(job.request.sequences for job in first)
        if sequences > MAX_SEQUENCES:
            raise InvalidRequest(
                f"{len(prompts)} prompts with {sequences // len(prompts)} answers each are {sequences:,} sequences; "
                f"one request may ask for {MAX_SEQUENCES:,} at most, so send fewer prompts at once.",
                parameter,
            )
        self._computed = False  # anything yet
        self._rounds = [first]  # the second one makes again what failed its check in the first

    async def pieces(self, *, at_once: bool = False) -> AsyncGenerator[list[Piece], None]:
        """What each step of the engine brought. Closing the generator early aborts what still runs.

        ``at_once``: where the model has several engines, all of it when the last step is done. One that dies before
        costs nothing then, if another takes its place: nobody has seen anything.
        """
        hold = at_once and len(self._model.client.states) > 1
        steps = self._held_steps() if hold else self._plain_steps()
        try:
            async with aclosing(steps):
                async for pieces in steps:
                    yield pieces
        finally:
            self._count_usage()

    async def run(self) -> list[CompletionOutput]:
        """Read all pieces, for those who want the whole answers only."""
        async with aclosing(self.pieces(at_once=True)) as steps:
            async for _ in steps:
                pass
        return self.outputs

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return len(self.prompts) * self._params.n

    # -- afterwards ------------------------------------------------------------------------------------

    @property
    def outputs(self) -> list[CompletionOutput]:
        """All answers; ``index`` is the choice."""
        outputs = {
            choice: replace(output, index=choice)
            for jobs in self._rounds
            for job in jobs
            for choice, output in zip(job.choices, job.processor.completion().outputs, strict=True)
        }
        return [outputs[choice] for choice in range(self.choices)]

    def processor(self, prompt: int) -> OutputProcessor:
        """A prompt's own record: its log-probabilities, what of it was cached."""
        return self._rounds[0][prompt].processor

    @property
    def usage(self) -> Usage:
        """Tokens in and out, over all prompts. Answers that failed their check count, too."""
        first = [job.processor for job in self._rounds[0]]
        prompt_tokens = sum(processor.prompt_tokens for processor in first)
        completion_tokens = sum(job.processor.completion_tokens for jobs in self._rounds for job in jobs)
        details = PromptTokensDetails(cached_tokens=sum(processor.cached_tokens for processor in first))
        if self._truncated_tokens:
            details.truncated_tokens = self._truncated_tokens
        return Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
            prompt_tokens_details=details,
        )

    @property
    def timings(self) -> TimingsBody:
        """Where the time went: the longest of each part, as prompts run side by side, and the tokens of all."""
        rounds = [[job.processor.timings for job in jobs if job.processor.timings] for jobs in self._rounds]
        timings = [timing for round_ in rounds for timing in round_]
        return TimingsBody(
            queue=sum(max((t.queue for t in round_), default=0.0) for round_ in rounds),
            prefill=sum(max((t.prefill for t in round_), default=0.0) for round_ in rounds),
            decode=sum(max((t.decode for t in round_), default=0.0) for round_ in rounds),
            prompt_tokens=sum(t.prompt_tokens for t in timings),
            cached_tokens=sum(t.cached_tokens for t in timings),
            completion_tokens=sum(t.completion_tokens for t in timings),
            drafted_tokens=sum(t.drafted_tokens for t in timings),
            accepted_tokens=sum(t.accepted_tokens for t in timings),
            forced_tokens=sum(t.forced_tokens for t in timings),
        )

    # -- through the engine ----------------------------------------------------------------------------

    def _job(self, prompt: int, params: SamplingParams, choices: Sequence[int]) -> _Job:
        tokenizer, token_ids = self._model.text.tokenizer, self.prompts[prompt]
        request = AddRequest(
            request_id=uuid.uuid4().hex,
            prompt_token_ids=token_ids,
            params=params,
            stop_token_ids=stop_token_ids(tokenizer, params),
            arrival=self._arrival,
            priority=self._priority,
            client=self._client,
            adapter=self._model.adapter or "",
        )
        return _Job(request, OutputProcessor(tokenizer, token_ids, params), prompt, choices)

    def _plain_steps(self) -> AsyncGenerator[list[Piece], None]:
        return self._steps(self._rounds[0]) if self._proof is None else self._proven_steps(self._proof)

    async def _held_steps(self) -> AsyncGenerator[list[Piece], None]:
        client = self._model.client
        for is_last in (False, True):  # a request that kills engines is not given to all of them
            held: list[Piece] = []
            try:
                async with aclosing(self._plain_steps()) as steps:
                    async for pieces in steps:
                        held += pieces
            except EngineDied:
                if is_last or "ready" not in client.states:
                    raise
                self._begin_again()
            else:
                yield held
                return

    def _begin_again(self) -> None:
        """As if nothing had been computed. With a seed the answers come out the same."""
        self._rounds = [[self._job(job.prompt, self._params, job.choices) for job in self._rounds[0]]]
        self._last_token.clear()

    async def _steps(self, jobs: Sequence[_Job]) -> AsyncGenerator[list[Piece], None]:
        by_id = {job.request.request_id: job for job in jobs}
        async with self._model.client.submit(*(job.request for job in jobs)) as stream:
            async for output in stream:
                self._computed = True
                job = by_id[output.request_id]
                deltas = job.processor.process(output)
                pieces = [Piece(job.choices[delta.index], job.prompt, delta) for delta in deltas]
                for index in job.processor.stopped:
                    stream.abort_sequence(output.request_id, index)
                self._measure(output, pieces)
                yield pieces

    async def _proven_steps(self, proof: Proof) -> AsyncGenerator[list[Piece], None]:
        """Each answer in one piece, once it has passed; those that fail get one more try."""
        for is_last in (False, True):
            failed: list[Piece] = []
            held: defaultdict[int, list[SequenceDelta]] = defaultdict(list)
            async with aclosing(self._steps(self._rounds[-1])) as steps:
                async for pieces in steps:
                    passed = []
                    for piece in pieces:
                        held[piece.choice].append(piece.delta)
                        if piece.delta.finish_reason is None:
                            continue
                        whole = Piece(piece.choice, piece.prompt, _joined(held.pop(piece.choice)))
                        look = partial(complaint_of, proof.check, whole.delta)
                        complaint = await self._service.in_thread(look)
                        if complaint is None:
                            passed.append(whole)
                        elif is_last:
                            raise InvalidRequest(
                                f"The model's answer broke a rule that no grammar can enforce, twice: {complaint}. "
                                f"Simplify {proof.parameter}, or send the request again.",
                                proof.parameter,
                            )
                        else:
                            failed.append(whole)
                    if passed:
                        yield passed
            if not failed:
                return
            self._rounds.append([self._second_try(piece) for piece in failed])

    def _second_try(self, failed: Piece) -> _Job:
        return self._job(failed.prompt, second_try(self._params, failed.choice), [failed.choice])

    def _count_usage(self) -> None:
        """Also of an answer that was stopped, as far as it had come."""
        if self._computed:
            usage = self.usage
            self._service.count_usage(
                self._model.name,
                prompt_tokens=usage.prompt_tokens,
                cached_tokens=usage.prompt_tokens_details.cached_tokens,
                completion_tokens=usage.completion_tokens,
                principal=self._principal,
            )

    def _measure(self, output: RequestOutput, pieces: Sequence[Piece]) -> None:
        metrics, now = self._model.metrics, time.monotonic()
        if pieces and not self._has_first_token:
            self._has_first_token = True
            metrics.time_to_first_token.observe(now - self._arrival)
        for piece in pieces:
            if (last := self._last_token.get(piece.choice)) is not None:
                metrics.inter_token_latency.observe(now - last)
            self._last_token[piece.choice] = now
            if piece.delta.finish_reason is not None:
                metrics.count_finished(piece.delta.finish_reason)
        if output.timings is not None:
            metrics.observe_timings(output.timings)


def last_tokens(prompt: list[int], count: int | None, model: ServedModel, params: SamplingParams) -> list[int]:
    """The last ``count`` tokens of a prompt; -1: as many as leave room for the answer; None: all."""
    if count == -1:
        count = model.max_model_len - min(params.max_tokens or ROOM_FOR_ANSWER, model.max_model_len // 2)
    return prompt if count is None else prompt[max(0, len(prompt) - count) :]


def _joined(deltas: Sequence[SequenceDelta]) -> SequenceDelta:
    """All that one answer gained, as if it had come in one step."""
    logprobs = [record for delta in deltas for record in delta.logprobs or ()]
    return replace(
        deltas[-1],
        text="".join(delta.text for delta in deltas),
        token_ids=[token_id for delta in deltas for token_id in delta.token_ids],
        logprobs=None if deltas[-1].logprobs is None else logprobs,
    )
