"""`Scope`: how much a report measures, in full and with ``--quick``, and about how long each step takes."""

import msgspec

from sevenb.lab.results import ServiceLevel
from sevenb.lab.speed.load import LEVEL


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured of each model; lengths in tokens."""

    contexts: tuple[int, ...]
    repeats: int
    output_tokens: int = 128
    clients: tuple[int, ...]
    num_prompts: int | None = None
    input_tokens: int = 512
    load_output_tokens: int = 128
    level: ServiceLevel = LEVEL
    tasks: tuple[str, ...]
    limit: int | None
    memory_contexts: tuple[int, ...]
    kv_dtypes: tuple[str, ...]
    beam: int  # of one more memory mode; 1: none
    scenario_context: int | None = None  # longest text, in tokens, that is asked about
    seed: int = 0
    steps: tuple[str, ...] = ("memory", "latency", "load", "tasks", "scenarios")


FULL = Scope(
    contexts=(4096, 8192, 16384, 32768),
    repeats=3,
    clients=(1, 2, 4, 8, 16),
    tasks=("humaneval", "gsm8k", "mmlu", "ifeval"),
    limit=200,
    memory_contexts=(4096, 32768),
    kv_dtypes=("k16v8", "f16", "int8"),
    beam=4,
)
QUICK = Scope(
    contexts=(1024, 4096),
    repeats=2,
    output_tokens=64,
    clients=(1, 2, 4),
    num_prompts=6,
    input_tokens=256,
    load_output_tokens=64,
    tasks=("humaneval", "gsm8k"),
    limit=16,
    memory_contexts=(1024,),
    kv_dtypes=("k16v8", "f16"),
    beam=4,
    scenario_context=4096,
)


def seconds_of(step: str, scope: Scope) -> float:
    """About how long a step takes with 0.5 B parameters on two cores, for the time left that is shown at first.

    Prompts by 500 tokens a second, answers by 40 of one and 150 of several.
    """
    match step:
        case "latency":
            return sum(
                (scope.repeats + 1) * context / 500 + scope.repeats * scope.output_tokens / 40
                for context in scope.contexts
            )
        case "load":
            requests = sum(scope.num_prompts or max(8, 4 * clients) for clients in scope.clients)
            return requests * (scope.input_tokens / 500 + scope.load_output_tokens / 100)
        case "memory":
            first, *others = scope.memory_contexts
            contexts = [first] * (len(scope.kv_dtypes) + (scope.beam > 1)) + others
            return sum(4 + context / 500 for context in contexts)
        case "scenarios":
            return 60 if scope.scenario_context else 120
        case _:
            return (scope.limit or 1000) * 250 / 150
