"""What `/metrics` shows: counters and histograms of the requests, and the engines' own gauges, in Prometheus' format.

Names and the label ``model_name`` follow vLLM's where it has the metric, with the prefix ``sevenb_``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sevenb.engine.handle import EngineState
from sevenb.engine.messages import EngineReady, EngineStats, Timings

_TTFT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640)
_ITL_BUCKETS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5)
_SECONDS_BUCKETS = (0.05, 0.1, 0.3, 0.5, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 60, 120, 240, 480, 960, 1920)
_TOKEN_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

LABEL = "model_name"


class Metrics:
    """All metrics of one server, in a registry of its own.

    ``engine_stats`` is asked at every scrape: the newest report of each loaded model's engine, by the model's name;
    ``engines`` what each of them said when it was ready, ``engine_states`` how far each engine of a model is.
    """

    def __init__(
        self,
        engine_stats: Callable[[], Mapping[str, EngineStats]],
        engines: Callable[[], Mapping[str, EngineReady]],
        engine_states: Callable[[], Mapping[str, Sequence[EngineState]]],
    ) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_EngineCollector(engine_stats, engines, engine_states))

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"sevenb_{name}", text, [LABEL], buckets=buckets, registry=self.registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"sevenb_{name}", text, labels, registry=self.registry)

        self.http_requests = counter("http_requests", "HTTP requests answered", "method", "path", "status")
        self.request_success = counter(
            "request_success", "Finished sequences by how they ended", LABEL, "finished_reason"
        )
        self.time_to_first_token = histogram(
            "time_to_first_token_seconds", "From arrival to the first token", _TTFT_BUCKETS
        )
        self.inter_token_latency = histogram(
            "inter_token_latency_seconds", "Between two tokens of a sequence", _ITL_BUCKETS
        )
        self.request_latency = histogram(
            "e2e_request_latency_seconds", "From arrival to the last token", _SECONDS_BUCKETS
        )
        self.queue_time = histogram("request_queue_time_seconds", "Waiting to be scheduled", _SECONDS_BUCKETS)
        self.prefill_time = histogram("request_prefill_time_seconds", "Computing the prompt", _SECONDS_BUCKETS)
        self.decode_time = histogram("request_decode_time_seconds", "Generating tokens", _SECONDS_BUCKETS)
        self.request_prompt_tokens = histogram("request_prompt_tokens", "Prompt tokens of a request", _TOKEN_BUCKETS)
        self.request_generation_tokens = histogram(
            "request_generation_tokens", "Generated tokens of a request", _TOKEN_BUCKETS
        )

    def render(self) -> bytes:
        """The text that a scrape gets."""
        return generate_latest(self.registry)


class ModelMetrics:
    """The metrics of one model's requests."""

    def __init__(self, metrics: Metrics, model: str) -> None:
        self.time_to_first_token = metrics.time_to_first_token.labels(model)
        self.inter_token_latency = metrics.inter_token_latency.labels(model)
        self._request_success = metrics.request_success
        self._model = model
        self._request_latency = metrics.request_latency.labels(model)
        self._queue_time = metrics.queue_time.labels(model)
        self._prefill_time = metrics.prefill_time.labels(model)
        self._decode_time = metrics.decode_time.labels(model)
        self._prompt_tokens = metrics.request_prompt_tokens.labels(model)
        self._generation_tokens = metrics.request_generation_tokens.labels(model)

    def count_finished(self, reason: str) -> None:
        """Enter a finished sequence and how it ended."""
        self._request_success.labels(self._model, reason).inc()

    def observe_timings(self, timings: Timings) -> None:
        """Enter a finished request."""
        self._queue_time.observe(timings.queue)
        self._prefill_time.observe(timings.prefill)
        self._decode_time.observe(timings.decode)
        self._request_latency.observe(timings.queue + timings.prefill + timings.decode)
        self._prompt_tokens.observe(timings.prompt_tokens)
        self._generation_tokens.observe(timings.completion_tokens)


Value = Callable[[EngineStats], float]

_GAUGES: dict[str, tuple[str, Value]] = {
    "num_requests_running": ("Requests in the running batch", lambda stats: stats.running),
    "num_requests_waiting": ("Requests that wait to be scheduled", lambda stats: stats.waiting),
    "kv_cache_usage_perc": (
        "Share of the KV pool in use, 0 to 1",
        lambda stats: stats.kv_blocks_used / stats.kv_blocks_total if stats.kv_blocks_total else 0.0,
    ),
    "kv_blocks_used": ("KV blocks in use", lambda stats: stats.kv_blocks_used),
    "kv_blocks_total": ("KV blocks of the pool", lambda stats: stats.kv_blocks_total),
    "memory_weights_bytes": ("Weights as they are packed", lambda stats: stats.memory.weights),
    "memory_kv_reserved_bytes": ("The whole KV pool", lambda stats: stats.memory.kv_reserved),
    "memory_kv_used_bytes": ("KV blocks in use", lambda stats: stats.memory.kv_used),
    "memory_kv_written_bytes": ("KV blocks that were ever in use", lambda stats: stats.memory.kv_written),
    "memory_swap_bytes": ("KV blocks kept beside the pool", lambda stats: stats.memory.swap),
    "memory_activations_peak_bytes": (
        "The most that steps took beside weights and KV blocks",
        lambda stats: stats.memory.activations_peak,
    ),
    "memory_graphs_bytes": ("Captured CUDA graphs", lambda stats: stats.memory.graphs),
    "memory_card_bytes": ("What the engine holds of the card's memory", lambda stats: stats.memory.card),
    "memory_card_total_bytes": ("All memory of the card", lambda stats: stats.memory.card_total),
    "memory_process_bytes": ("Resident memory of the engine's process", lambda stats: stats.memory.process),
    "memory_process_peak_bytes": ("The most that it was so far", lambda stats: stats.memory.process_peak),
}
_COUNTERS: dict[str, tuple[str, Value]] = {
    "prompt_tokens": ("Prompt tokens taken in", lambda stats: stats.prompt_tokens),
    "generation_tokens": ("Tokens generated", lambda stats: stats.generated_tokens),
    "prefix_cache_hits": ("Prompt tokens found in the prefix cache", lambda stats: stats.cached_tokens),
    "num_preemptions": ("Sequences preempted", lambda stats: stats.preemptions),
    "engine_steps": ("Steps computed", lambda stats: stats.steps),
    "spec_decode_num_draft_tokens": ("Tokens guessed ahead and checked", lambda stats: stats.drafted_tokens),
    "spec_decode_num_accepted_tokens": ("Of those, tokens that were right", lambda stats: stats.accepted_tokens),
    "grammar_forced_tokens": ("Tokens that a grammar left no choice about", lambda stats: stats.forced_tokens),
    "kv_blocks_spilled": (
        "KV blocks copied out of the pool when it evicted them",
        lambda stats: stats.kv_blocks_spilled,
    ),
    "kv_blocks_restored": ("KV blocks copied back into the pool", lambda stats: stats.kv_blocks_restored),
}


class _EngineCollector:
    """The engine processes' own numbers; counters start again with the engine, which Prometheus expects."""

    def __init__(
        self,
        engine_stats: Callable[[], Mapping[str, EngineStats]],
        engines: Callable[[], Mapping[str, EngineReady]],
        engine_states: Callable[[], Mapping[str, Sequence[EngineState]]],
    ) -> None:
        self._engine_stats = engine_stats
        self._engines = engines
        self._engine_states = engine_states

    def collect(self) -> Iterator[Metric]:
        """What engines do, and one metric a field of `EngineStats`; one series a loaded model that has reported."""
        states = GaugeMetricFamily("sevenb_engines", "Engines by what they are doing", labels=[LABEL, "state"])
        for model, found in self._engine_states().items():
            for state in get_args(EngineState):
                states.add_metric([model, state], found.count(state))
        yield states
        by_model = self._engine_stats()
        if not by_model:
            return
        info = InfoMetricFamily("sevenb_engine", "How an engine was started", labels=[LABEL])
        for model, ready in self._engines().items():
            info.add_metric([model], _engine_info(ready))
        yield info
        for name, (text, value) in _GAUGES.items():
            gauge = GaugeMetricFamily(f"sevenb_{name}", text, labels=[LABEL])
            for model, stats in by_model.items():
                gauge.add_metric([model], value(stats))
            yield gauge
        for name, (text, value) in _COUNTERS.items():
            counter = CounterMetricFamily(f"sevenb_{name}", text, labels=[LABEL])
            for model, stats in by_model.items():
                counter.add_metric([model], value(stats))
            yield counter


def _engine_info(ready: EngineReady) -> dict[str, str]:
    return {
        "device": ready.device,
        "kv_dtype": ready.kv_dtype,
        "max_model_len": str(ready.max_model_len),
        "max_num_seqs": str(ready.max_num_seqs),
    }


class HttpMetricsMiddleware:
    """Count every answered request by its route, not its raw path, and no invented method: the series stay few."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def count_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in _METHODS else "other"
                path = getattr(scope.get("route"), "path", "other")
                self._metrics.http_requests.labels(method, path, message["status"]).inc()
            await send(message)

        await self._app(scope, receive, count_and_send)
