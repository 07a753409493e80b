"""Reports made by hand: of one to three models, whole or with parts missing."""

import itertools
from typing import Any

from sevenb.lab.report.definitions import DEFINITIONS
from sevenb.lab.report.report import (
    Comparison,
    Gap,
    PlanRow,
    Report,
    ReportedExchange,
    ReportedScenario,
    RunNote,
    Subject,
)
from sevenb.lab.report.rules import verdicts
from sevenb.lab.report.verdict import Thresholds
from sevenb.lab.results import (
    Check,
    DataFacts,
    LatencyRow,
    LatencySummary,
    LoadRow,
    LoadSummary,
    MemoryRow,
    MemorySummary,
    Published,
    ServiceLevel,
    TaskSummary,
)
from sevenb.lab.statistics import Difference, Spread, rate
from sevenb.lab.target.target import TargetFacts

MIB = 1 << 20
MACHINE = {
    "cpu": "AMD EPYC 7763 64-Core Processor",
    "cores": 2,
    "memory": 15 << 30,
    "system": "Linux 6.8.0",
    "python": "3.12.3",
    "gpus": [],
    "load": 0.12,
}
PROMPT = [
    {"role": "system", "content": "You answer in JSON."},
    {"role": "user", "content": "Which planets have rings?\n\nName them all."},
]


def around(median: float, count: int = 3) -> Spread:
    return Spread(median, median * 1.08, median * 1.1, median * 0.95, median * 1.1, count)


def latency(ttft_of_4k: float, rate_of_4k: float) -> LatencySummary:
    rows = [
        LatencyRow(
            context=context,
            prompt_tokens=context,
            cached_tokens=0,
            output_tokens=128,
            ttft=around(ttft_of_4k * (context / 4096) ** 1.15),
            tpot=around((context / 4096) ** 0.3 / rate_of_4k),
            itl=around((context / 4096) ** 0.3 / rate_of_4k),
            e2e=around(ttft_of_4k * (context / 4096) ** 1.15 + 128 / rate_of_4k),
            decode_rate=around(rate_of_4k / (context / 4096) ** 0.3),
            prefill_rate=around(context / (ttft_of_4k * (context / 4096) ** 1.15)),
            output_rate=around(rate_of_4k / 2),
        )
        for context in (4096, 8192, 16384)
    ]
    warm = LatencyRow(context=16384, prompt_tokens=16384, cached_tokens=16000, warm=True, ttft=around(0.4))
    refused = LatencyRow(context=65536, refused="The prompt has 65536 tokens but the context holds 32768.")
    return LatencySummary((*rows, warm, refused))


def memory(weights: int) -> MemorySummary:
    rows = [
        MemoryRow(
            mode=mode,
            context=4096,
            beam=beam,
            weights=weights * MIB,
            kv_used=kv * MIB,
            kv_reserved=2048 * MIB,
            activations=90 * MIB,
            process_peak=(weights + kv + 90 + 120) * MIB,
            predicted=(weights + kv + 90 + 115) * MIB,
        )
        for mode, beam, kv in (("Q4_K_M", 1, 48), ("Q4_K_M, int8 KV", 1, 26), ("Q4_K_M, beam 4", 4, 61))
    ]
    return MemorySummary(tuple(rows))


def load(rate_of_one: float) -> LoadSummary:
    rows = [
        LoadRow(
            clients=clients,
            requests=12,
            failed=0,
            seconds=40.0,
            prompt_tokens=12 * 512,
            output_tokens=12 * 128,
            output_rate=rate_of_one * clients**0.6,
            request_rate=rate_of_one * clients**0.6 / 128,
            goodput=12 / 40 * (1.0 if clients <= 4 else 0.5),
            ttft=around(0.8 * clients, 12),
            tpot=around(clients**0.4 / rate_of_one, 12),
            e2e=around(4.0 * clients**0.4, 12),
        )
        for clients in (1, 2, 4, 8)
    ]
    return LoadSummary(ServiceLevel(10.0, 0.2), tuple(rows))


def task(name: str, title: str, right: int, of: int, published: float | None) -> TaskSummary:
    return TaskSummary(
        task=name,
        title=title,
        preset="qwen",
        metric="pass@1" if name == "humaneval" else "exact match",
        shots=0,
        template="chat: Please provide a self-contained Python script …",
        extraction="the first fenced block",
        data=DataFacts(name, f"package {name} 1.0.3", "ab" * 32, "MIT", 164),
        of=164,
        strict=rate(right, of),
        flexible=rate(right + 2, of),
        truncated=1,
        unparsed=0,
        failed=0,
        output_tokens=39_413,
        seconds=633.0,
        settings={"max_tokens": 512, "temperature": 0.0, "concurrency": 8, "seed": 0},
        groups={"algebra": rate(right // 2, of // 2), "geometry": rate(right // 3, of // 2)} if name == "math" else {},
        published=Published(published, "Qwen2.5-Coder technical report", "bf16, greedy") if published else None,
    )


def scenario(key: str, title: str, chinese: str, passed: bool, answer: str = '{"planets": ["Saturn"]}') -> Any:
    checks = (Check("json_valid", True, ""), Check("answer_equal", passed, "Saturn, Jupiter, Uranus, Neptune"))
    exchange = ReportedExchange(
        key="only",
        title={"en": title, "zh": chinese},
        prompt="p1",
        answer=answer,
        checks=checks,
        prompt_tokens=31,
        completion_tokens=12,
        finish_reason="stop",
        ttft=0.31,
        seconds=1.2,
    )
    return ReportedScenario(key=key, title={"en": title, "zh": chinese}, exchanges=(exchange,), passed=passed)


def subject(name: str, size: int = 0, **changed: Any) -> Subject:
    """``size`` 0, 1, 2: small and fast, or larger and slower."""
    fields: dict[str, Any] = {
        "name": name,
        "model": name,
        "url": None,
        "facts": TargetFacts(
            engine="sevenb 0.1.0",
            device="native (AVX2)",
            quantization="Q4_K_M",
            context_length=32768,
            model_sha256="0123456789abcdef" * 4,
            template_sha256="fedcba9876543210" * 4,
            parameters=494_000_000 * (1 + 2 * size),
            max_sequences=64,
        ),
        "runs": (
            RunNote(
                kind="latency",
                id="1a2b3c4d",
                started="2026-11-22T10:24:00+00:00",
                state="done",
                sevenb="0.1.0",
                settings={"contexts": [4096, 8192, 16384], "repeats": 3},
                machine=MACHINE,
            ),
        ),
        "latency": latency((7.5, 24.0, 90.0)[size], (38.0, 16.0, 4.5)[size]),
        "memory": memory((380, 940, 4360)[size]),
        "load": load((36.0, 15.0, 4.4)[size]),
        "tasks": (
            task("humaneval", "HumanEval", (88, 117, 139)[size], 164, (61.6, 70.7, 88.4)[size]),
            task("gsm8k", "GSM8K", (22, 35, 45)[size], 50, None),
            task("math", "MATH", (12, 20, 30)[size], 50, None),
        ),
        "scenarios": (
            scenario("json", "JSON instruction", "JSON 指令", True),
            scenario("summary", "Summary of a long text", "长文摘要", size > 0),
            scenario("extraction", "Extraction from a long text", "长文信息提取", True),
            ReportedScenario(
                key="role", title={"en": "Role", "zh": "角色"}, exchanges=(), passed=False, left_out="No room: 4,096."
            ),
        ),
    }
    return Subject(**{**fields, **changed})


def report(*subjects: Subject, **changed: Any) -> Report:
    """A whole report; the verdict is made as it always is."""
    limits = changed.get("thresholds", Thresholds())
    names = [one.name for one in subjects]
    fields: dict[str, Any] = {
        "id": "20261122-102400-1a2b",
        "made": "2026-11-22T11:24:00+00:00",
        "sevenb": "0.1.0 (0e2ed9b)",
        "command": f"sevenb report {' '.join(names)}",
        "machine": MACHINE,
        "sandbox": "namespaces + seccomp",
        "subjects": subjects,
        "prompts": {"p1": PROMPT},
        "checks": {"json_valid": {"en": "valid JSON", "zh": "JSON 有效"}},
        "verdicts": verdicts(subjects, MACHINE["memory"], limits),  # type: ignore[arg-type]
        "comparisons": tuple(
            Comparison(
                task="humaneval",
                title="HumanEval",
                first=first,
                second=second,
                items=164,
                first_rate=rate(88, 164),
                second_rate=rate(117, 164),
                difference=Difference(12, 41, 0.00008),
            )
            for first, second in itertools.pairwise(names)
        ),
        "plan": tuple(
            PlanRow(
                model=name,
                quantization="Q4_K_M",
                device=device,
                memory=size << 30,
                context=32768,
                concurrency=4,
                weights=400 * MIB,
                kv=1536 * MIB,
                activations=100 * MIB,
                other=120 * MIB,
                fits=size > 8,
                longest_context=32768 if size > 8 else None,
                decode_ceiling=180.0,
            )
            for name in names
            for device, size in (("RTX 3060 12 GB", 12), ("CPU 16 GB", 16), ("CPU 4 GB", 4))
        ),
        "definitions": DEFINITIONS,
    }
    return Report(**{**fields, **changed})


def two_models(**changed: Any) -> Report:
    return report(subject("qwen2.5-coder:0.5b"), subject("qwen2.5-coder:1.5b", 1), **changed)


def bare(name: str = "qwen2.5-coder:0.5b") -> Report:
    """A server that answered nothing: everything is missing."""
    empty = subject(name, latency=None, memory=None, load=None, tasks=(), scenarios=(), runs=(), facts=TargetFacts())
    gaps = tuple(
        Gap(name, step, "No server answers at http://127.0.0.1:9/v1: connection refused.", f"sevenb bench {step}")
        for step in ("latency", "memory", "load", "eval:humaneval", "scenarios")
    )
    return report(empty, gaps=gaps, comparisons=(), plan=())
