"""`Request`: what one client asked of the engine, and the sequences that answer it."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sevenb.backend.protocol import IntArray
from sevenb.engine.beams import Beams
from sevenb.engine.messages import AddRequest, Timings, TokenOutput
from sevenb.engine.pooling import Pool
from sevenb.engine.sampling_params import SamplingParams

if TYPE_CHECKING:
    from sevenb.engine.sequence import Sequence


@dataclass(eq=False, slots=True)
class Request:
    """One prompt with ``params.candidates`` answers, or one of ``beams``.

    The prompt is computed once, by the first of ``sequences``; those of ``unforked`` join when it is done. Ended
    sequences leave ``sequences``, so an empty list with nothing unforked means the request is done.
    """

    request_id: str
    prompt_token_ids: list[int]
    params: SamplingParams
    stop_token_ids: frozenset[int]
    max_output: int  # tokens each sequence may generate: ``max_tokens``, or what the context has room for
    entropy: int  # seeds the generators of all sequences
    counts_output: bool  # whether a penalty looks at what was generated
    distinct_prompt_tokens: IntArray | None  # only where the repetition penalty looks at them
    priority: int
    client: str
    order: int  # of arrival at this engine
    arrival: float
    ready: bool = True  # False while its grammar is being compiled
    rope_profile: str = ""  # how its positions are rotated, for life; "" is the model's own way
    adapter: str = ""  # the LoRA adapter that the model wears for it; "" is none
    adapter_identity: str = ""  # names that adapter's contents
    beams: Beams | None = None
    pool: Pool | None = None  # what its prompt becomes, instead of being answered
    sequences: "list[Sequence]" = field(default_factory=list)
    unforked: list[int] = field(default_factory=list)  # indices of sequences that wait for the prompt
    prompt_logprobs: list[TokenOutput] = field(default_factory=list)
    wants_prompt_logprobs: bool = False  # until they are published
    cached_tokens: int = 0
    completion_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    forced_tokens: int = 0
    first_scheduled: float | None = None
    first_token: float | None = None

    @classmethod
    def of(
        cls,
        message: AddRequest,
        *,
        order: int,
        max_model_len: int,
        entropy: int,
        rope_profile: str = "",
        adapter_identity: str = "",
    ) -> "Request":
        """The engine's view of a checked message.

        ``max_model_len`` is what ``rope_profile`` reaches; ``entropy`` serves where the client gave no seed.
        """
        params = message.params
        room = max_model_len - len(message.prompt_token_ids)
        return cls(
            request_id=message.request_id,
            prompt_token_ids=message.prompt_token_ids,
            params=params,
            stop_token_ids=frozenset(message.stop_token_ids),
            max_output=room if params.max_tokens is None else min(params.max_tokens, room),
            entropy=entropy if params.seed is None else params.seed % 2**64,
            counts_output=(params.presence_penalty, params.frequency_penalty, params.repetition_penalty)
            != (0.0, 0.0, 1.0),
            distinct_prompt_tokens=(
                np.unique(np.array(message.prompt_token_ids, dtype=np.int32))
                if params.repetition_penalty != 1.0
                else None
            ),
            priority=message.priority,
            client=message.client,
            order=order,
            arrival=message.arrival,
            ready=params.grammar is None,
            rope_profile=rope_profile,
            adapter=message.adapter,
            adapter_identity=adapter_identity,
            pool=None if message.pooling is None else Pool(message.pooling, len(message.prompt_token_ids)),
            unforked=list(range(1, params.candidates)) if params.beam is None else [],
            beams=None if params.beam is None else Beams(params.beam, params.n),
            wants_prompt_logprobs=params.prompt_logprobs is not None,
        )

    @property
    def cache_profile(self) -> str:
        """What its keys and values depend on beside its tokens and the model."""
        return f"{self.rope_profile}\n{self.adapter_identity}" if self.adapter else self.rope_profile

    @property
    def finished(self) -> bool:
        """Whether every sequence has ended."""
        return not self.sequences and not self.unforked

    @property
    def logprob_position(self) -> int | None:
        """Position of the first prompt token whose logits are still wanted; None when no more are."""
        done = len(self.prompt_logprobs)
        if self.params.prompt_logprobs is None or done >= len(self.prompt_token_ids) - 1:
            return None
        return done

    @property
    def wants_logprobs(self) -> bool:
        """Whether the log-probability of each token is asked for."""
        params = self.params
        return params.logprobs is not None or bool(params.logprob_token_ids) or params.ranked

    @property
    def first_wanted(self) -> int | None:
        """The first position that must be computed, even where its keys and values are at hand; None: any may do."""
        return self.logprob_position if self.pool is None else self.pool.next

    def timings(self) -> Timings:
        """Where the time went, measured now; parts never reached are 0."""
        now = time.monotonic()
        scheduled = now if self.first_scheduled is None else self.first_scheduled
        token = now if self.first_token is None else self.first_token
        return Timings(
            queue=max(0.0, scheduled - self.arrival),
            prefill=token - scheduled,
            decode=now - token,
            prompt_tokens=len(self.prompt_token_ids),
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
            drafted_tokens=self.drafted_tokens,
            accepted_tokens=self.accepted_tokens,
            forced_tokens=self.forced_tokens,
            beam_kv_blocks=0 if self.beams is None else self.beams.kv_blocks,
            beam_kv_blocks_unshared=0 if self.beams is None else self.beams.kv_blocks_unshared,
        )
