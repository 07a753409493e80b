"""Answers of a shape: the grammar that goes to the engine, and the check and second try where no grammar is proof."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from sevenb.engine.completion import Completion, CompletionOutput
from sevenb.engine.output_processor import SequenceDelta
from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest

if TYPE_CHECKING:
    from sevenb.structured.constraint import Constraint
    from sevenb.structured.output_format import OutputFormat

Structured: TypeAlias = "type | Mapping[str, Any] | OutputFormat | None"
SECOND_TRY_TEMPERATURE = 0.7  # a greedy answer that failed its check would only fail again

Check = Callable[[str], str | None]


class Job(NamedTuple):
    """One prompt with its parameters and the name of its adapter."""

    prompt: list[int]
    params: SamplingParams
    adapter: str


def constraint_of(structured: object) -> "Constraint":
    """The constraint of a Pydantic model class, a JSON Schema or an `OutputFormat`.

    Raises `InvalidRequest` for what is none of these, and for a shape that cannot be guaranteed.
    """
    from pydantic.errors import PydanticUserError

    from sevenb.structured.output_format import OutputFormat

    if isinstance(structured, OutputFormat):
        return structured.constraint()
    if isinstance(structured, Mapping):
        return OutputFormat.from_schema(structured, "structured").constraint()
    try:
        shape = OutputFormat.from_pydantic(structured)
    except (PydanticUserError, TypeError, NameError):
        raise InvalidRequest(
            f"structured is {structured!r:.80}; give a Pydantic model class, a JSON Schema or an OutputFormat.",
            "structured",
        ) from None
    return shape.constraint()


def constrained(params: SamplingParams, constraint: "Constraint", begun: str = "") -> SamplingParams:
    """Sampling parameters with a constraint's grammar, which governs the text ``begun`` and what follows it."""
    return msgspec.structs.replace(params, grammar=constraint.grammar, grammar_prefix=begun)


def streamable(params: SamplingParams, structured: object) -> SamplingParams:
    """Sampling parameters for an answer that is shown as it comes: `InvalidRequest` if it has to be checked first."""
    if structured is None:
        return params
    constraint = constraint_of(structured)
    if constraint.check is not None:
        raise InvalidRequest(
            "This shape needs a check of the whole answer, so it cannot be streamed; use generate or chat.",
            "structured",
        )
    return constrained(params, constraint)


def prove(
    completions: Sequence[Completion], jobs: Sequence[Job], check: Check, make: Callable[[list[Job]], list[Completion]]
) -> None:
    """Replace the answers that fail a check by another try. Raises `InvalidRequest` if one fails again.

    ``jobs`` are those that the ``completions`` came of; ``make`` serves some more.
    """
    failed = [
        (place, answer.index)
        for place, completion in enumerate(completions)
        for answer in completion.outputs
        if complaint_of(check, answer) is not None
    ]
    again = make([jobs[place]._replace(params=second_try(jobs[place].params, index)) for place, index in failed])
    for (place, index), completion in zip(failed, again, strict=True):
        (answer,) = completion.outputs
        if (complaint := complaint_of(check, answer)) is not None:
            raise InvalidRequest(
                f"The answer broke a rule that no grammar can enforce, twice: {complaint}. Simplify the schema.",
                "structured",
            )
        completions[place].outputs[index] = replace(answer, index=index)


def second_try(params: SamplingParams, index: int) -> SamplingParams:
    """How to make one answer anew; where the first try can be repeated, so can this one."""
    repeatable = params.seed is not None or params.temperature == 0 or params.beam is not None
    return msgspec.structs.replace(
        params,
        n=1,
        best_of=None,
        beam=None,
        temperature=max(params.temperature, SECOND_TRY_TEMPERATURE),
        seed=((params.seed or 0) + index + 1) % 2**63 if repeatable else None,
        prompt_logprobs=None,
    )


def complaint_of(check: Check, answer: CompletionOutput | SequenceDelta) -> str | None:
    """What is wrong with an answer; nothing, where its length or the client's own stop cut it short."""
    if answer.finish_reason != "stop" or answer.stop_reason is not None:
        return None
    return check(answer.text)
