"""What the API process and the engine process say to each other: msgspec structs, tagged by type.

Only token ids cross the socket: text is made and unmade in the API process.
"""

import msgspec

from sevenb.engine.sampling_params import SamplingParams
from sevenb.model.embedding import Pooling

Logprobs = list[tuple[int, float]]


class _Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    pass


# -- API process -> engine process -------------------------------------------------------------------


class AddRequest(_Message, frozen=True):
    """Generate ``params.candidates`` sequences from one prompt. ``arrival`` is `time.monotonic()` of this machine.

    Smaller priorities run sooner. Clients share alike within a priority, however many requests each has open.
    ``adapter`` names the LoRA adapter that the model wears for this request; "" is the model alone. With ``pooling``
    nothing is generated: the prompt becomes a vector.
    """

    request_id: str
    prompt_token_ids: list[int]
    params: SamplingParams
    stop_token_ids: list[int]  # the model's end tokens (none under ignore_eos) and the client's
    arrival: float
    priority: int = 0
    client: str = ""
    adapter: str = ""
    pooling: Pooling | None = None

    @property
    def sequences(self) -> int:
        """How many sequences the engine makes of it."""
        return self.params.candidates if self.params.beam is None else self.params.beam.width


class AbortRequest(_Message, frozen=True):
    """The client left, or a stop string was found: free the request's blocks at the next step.

    ``index`` ends one of several sequences; None ends the request.
    """

    request_id: str
    index: int | None = None


class Shutdown(_Message, frozen=True):
    """Stop taking requests, finish those that run (``drain``) or drop them, and exit."""

    drain: bool = True


EngineCommand = AddRequest | AbortRequest | Shutdown


# -- engine process -> API process -------------------------------------------------------------------


class LoadPlan(_Message, frozen=True):
    """What the engine is about to take, told before it takes it."""

    max_model_len: int  # tokens one sequence may have
    kv_tokens: int  # tokens the whole pool holds
    kv_bytes: int
    kv_dtype: str
    weight_bytes: int  # of the file; packed they take about as much
    free_bytes: int
    swap_bytes: int = 0  # most that evicted blocks of the prefix cache may take beside the pool
    working_bytes: int = 0  # most that activations and the process itself will take; 0 where nobody knows
    graph_bytes: int = 0  # of captured CUDA graphs
    card_bytes: int = 0  # all memory of the card; 0 where it computes in the host's
    notes: list[str] = []  # sentences about where it computes, for whoever wonders why

    @property
    def taken_bytes(self) -> int:
        """Of the memory that models share: the card's, or the host's."""
        if self.card_bytes:
            return self.weight_bytes + self.kv_bytes + self.working_bytes + self.graph_bytes
        return self.weight_bytes + self.kv_bytes + self.swap_bytes


class LoadProgress(_Message, frozen=True):
    """Weights packed so far; both in bytes of the file."""

    done: int
    total: int


class EngineReady(_Message, frozen=True):
    """The model is loaded and the KV pool allocated."""

    model_name: str
    max_model_len: int  # tokens one sequence may have
    kv_tokens: int  # tokens the whole pool holds
    kv_bytes: int
    weight_bytes: int
    device: str
    load_seconds: float
    adapters: list[str] = []  # that requests may name
    kv_dtype: str = "f16"
    swap_bytes: int = 0
    max_num_seqs: int = 0  # sequences computed at once
    working_bytes: int = 0  # of a card: the most that steps take, as measured
    graph_bytes: int = 0
    card_bytes: int = 0  # all memory of the card; 0 where it computes in the host's


class EngineFailed(_Message, frozen=True):
    """The engine cannot start; ``message`` is the sentence for the user."""

    error: str  # class name in sevenb.errors
    message: str


class TokenOutput(_Message, frozen=True):
    """One new token of one sequence. ``logprob`` and ``top_logprobs`` only where asked for."""

    token_id: int
    logprob: float | None = None
    top_logprobs: Logprobs = []


class SequenceOutput(_Message, frozen=True):
    """What one sequence gained in a step."""

    index: int
    tokens: list[TokenOutput]
    finish_reason: str | None = None  # "stop" | "length" | "abort"
    stop_token_id: int | None = None  # the token that ended it; it is the last of ``tokens``


class Timings(_Message, frozen=True):
    """Where a finished request's time went, in seconds, with the tokens of each part."""

    queue: float
    prefill: float
    decode: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    forced_tokens: int = 0  # that a grammar left no choice about
    beam_kv_blocks: int = 0  # the most that the beams of a search held at once
    beam_kv_blocks_unshared: int = 0  # what that would have been, had each had its own


class RequestOutput(_Message, frozen=True):
    """News of a request: at most one per step and request."""

    request_id: str
    sequences: list[SequenceOutput]
    finished: bool = False
    cached_tokens: int = 0
    prompt_logprobs: list[TokenOutput] | None = None  # once, before the first token; entry 0 (no context) is left out
    timings: Timings | None = None  # with ``finished``
    embedding: bytes | None = None  # float32, with ``finished`` where the request asked for ``pooling``


class RequestFailed(_Message, frozen=True):
    """The engine refuses a request or had to drop it."""

    request_id: str
    error: str  # class name in sevenb.errors
    message: str
    parameter: str | None = None


class MemoryUse(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine takes of memory, in bytes; 0 where nobody knows.

    Pages of the KV pool take memory when they are first written, and keep it.
    """

    weights: int = 0  # as they are packed
    kv_reserved: int = 0  # the whole pool
    kv_used: int = 0  # blocks that some sequence refers to
    kv_written: int = 0  # blocks that have ever been used
    swap: int = 0  # blocks of the prefix cache that the pool evicted
    activations_peak: int = 0  # the most that steps took beside all this
    graphs: int = 0  # captured CUDA graphs
    card: int = 0  # what the engine holds of a card's memory, all together
    card_total: int = 0  # all memory of the card; 0 where it computes in the host's
    process: int = 0  # resident, all together
    process_peak: int = 0


class EngineStats(_Message, frozen=True):
    """Sent about once a second and after the last request ends; what `/metrics` shows."""

    running: int
    waiting: int
    kv_blocks_used: int
    kv_blocks_total: int
    prompt_tokens: int  # counters since the start
    cached_tokens: int
    generated_tokens: int
    preemptions: int
    steps: int
    drafted_tokens: int = 0  # by speculation
    accepted_tokens: int = 0  # of those
    forced_tokens: int = 0  # by grammars
    kv_blocks_spilled: int = 0  # copied out of the pool when it evicted them
    kv_blocks_restored: int = 0  # and back
    memory: MemoryUse = MemoryUse()


EngineReport = LoadPlan | LoadProgress | EngineReady | EngineFailed | RequestOutput | RequestFailed | EngineStats
