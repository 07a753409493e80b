"""`Generation`: the prompts of one HTTP request on their way through the engine, and the text that comes back."""

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from sevenb.engine.messages import AddRequest, RequestOutput
from sevenb.engine.output_processor import OutputProcessor, SequenceDelta
from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import ContextOverflow
from sevenb.server.openai_types import PromptTokensDetails, TimingsBody, Usage
from sevenb.server.service import ServedModel, Service


@dataclass(frozen=True)
class Piece:
    """What one answer gained. ``choice`` counts the answers of all prompts: prompt 0's n answers, then prompt 1's, …"""

    choice: int
    prompt: int
    delta: SequenceDelta


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
        priority: int | None = None,
        client: str = "",
    ) -> None:
        """Raises `ContextOverflow`, which blames ``parameter``, for a prompt that leaves no room for an answer."""
        for prompt in prompts:
            if len(prompt) >= model.max_model_len:
                error = ContextOverflow(len(prompt), model.max_model_len)
                error.parameter = parameter
                raise error
        tokenizer = model.text.tokenizer
        end_ids = frozenset[int]() if params.ignore_eos else tokenizer.end_ids
        stop_token_ids = sorted(end_ids | set(params.stop_token_ids))
        self.processors = [OutputProcessor(tokenizer, prompt, params) for prompt in prompts]
        self.prompts = prompts
        self._model = model
        self._n = params.n
        self._arrival = time.monotonic()
        self._last_token: dict[int, float] = {}  # choice -> when its newest token came
        self._requests = [
            AddRequest(
                request_id=uuid.uuid4().hex,
                prompt_token_ids=prompt,
                params=params,
                stop_token_ids=stop_token_ids,
                arrival=self._arrival,
                priority=priority or 0,
                client=client,
            )
            for prompt in prompts
        ]

    async def pieces(self) -> AsyncGenerator[list[Piece], None]:
        """What each step of the engine brought. Closing the generator early aborts what still runs."""
        numbers = {request.request_id: number for number, request in enumerate(self._requests)}
        async with self._model.client.submit(*self._requests) as stream:
            async for output in stream:
                number = numbers[output.request_id]
                pieces = [
                    Piece(self.choice(number, delta.index), number, delta)
                    for delta in self.processors[number].process(output)
                ]
                for piece in pieces:
                    if piece.delta.stop_string_found:
                        stream.abort_sequence(output.request_id, piece.delta.index)
                self._measure(output, pieces)
                yield pieces

    async def run(self) -> None:
        """Read all pieces, for those who want the whole answer only."""
        async for _ in self.pieces():
            pass

    @property
    def choices(self) -> int:
        """How many answers there will be."""
        return len(self.prompts) * self._n

    def choice(self, prompt: int, index: int) -> int:
        """The number of a prompt's answer among all."""
        return prompt * self._n + index

    # -- afterwards ------------------------------------------------------------------------------------

    @property
    def usage(self) -> Usage:
        """Tokens in and out, over all prompts."""
        prompt_tokens = sum(processor.prompt_tokens for processor in self.processors)
        completion_tokens = sum(processor.completion_tokens for processor in self.processors)
        return Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
            prompt_tokens_details=PromptTokensDetails(
                cached_tokens=sum(processor.cached_tokens for processor in self.processors)
            ),
        )

    @property
    def timings(self) -> TimingsBody:
        """Where the time went: the longest of each part, as prompts run side by side, and the tokens of all."""
        timings = [processor.timings for processor in self.processors if processor.timings is not None]
        return TimingsBody(
            queue=max((t.queue for t in timings), default=0.0),
            prefill=max((t.prefill for t in timings), default=0.0),
            decode=max((t.decode for t in timings), default=0.0),
            prompt_tokens=sum(t.prompt_tokens for t in timings),
            cached_tokens=sum(t.cached_tokens for t in timings),
            completion_tokens=sum(t.completion_tokens for t in timings),
        )

    def _measure(self, output: RequestOutput, pieces: Sequence[Piece]) -> None:
        metrics, now = self._model.metrics, time.monotonic()
        if not self._last_token:
            metrics.time_to_first_token.observe(now - self._arrival)
        for piece in pieces:
            if (last := self._last_token.get(piece.choice)) is not None:
                metrics.inter_token_latency.observe(now - last)
            self._last_token[piece.choice] = now
            if piece.delta.finish_reason is not None:
                metrics.request_success.labels(piece.delta.finish_reason).inc()
        if output.timings is not None:
            metrics.observe_timings(output.timings)
