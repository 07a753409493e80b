"""What a guaranteed shape costs and gains: masks a step, and tokens a second of filled-in forms beside free text."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks import machine
from benchmarks.results import FormFigures, StructuredResult
from sevenb import LLM, SamplingParams
from sevenb.engine.guide import Guide

STEPS = 40  # of each kind that masks are timed in, a round


def _form(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


TEXT, YES_NO = {"type": "string"}, {"type": "boolean"}
AMOUNT = {"type": "number"}

FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "contact": (
        "Fill in the contact form as JSON: Jane Miller, 34, teaches mathematics in Boston, is a member since 2019 and "
        "can be reached at jane.miller@example.com.",
        _form(
            first_name=TEXT,
            last_name=TEXT,
            age={"type": "integer"},
            occupation={"enum": ["engineer", "teacher", "doctor", "other"]},
            email_address=TEXT,
            is_member=YES_NO,
            home_city=TEXT,
        ),
    ),
    "order": (
        "Write this order as JSON: Tom Baker of 12 High Street, Leeds, orders two lamps at 39.90 and one desk at 249, "
        "to be delivered by express.",
        _form(
            customer_name=TEXT,
            shipping_address=_form(street=TEXT, city=TEXT),
            items={
                "type": "array",
                "minItems": 2,
                "maxItems": 2,
                "items": _form(product_name=TEXT, quantity={"type": "integer"}, unit_price=AMOUNT),
            },
            shipping_method={"enum": ["standard", "express", "pickup"]},
            gift_wrapping=YES_NO,
        ),
    ),
    "ticket": (
        "请把下面的报修信息整理成JSON：三号楼502室的王芳反映空调从昨天晚上开始不制冷，希望今天下午上门维修，电话13800000000。",
        _form(
            reporter_name=TEXT,
            phone_number=TEXT,
            location=_form(building=TEXT, room_number=TEXT),
            problem_category={"enum": ["water", "electricity", "air_conditioning", "other"]},
            problem_description=TEXT,
            is_urgent=YES_NO,
        ),
    ),
}


def measure_structured(
    name: str, path: Path, threads: int, rounds: int, advance: Callable[[], None] = lambda: None
) -> StructuredResult:
    """Each form and free text of as many tokens in turn, ``rounds`` times after one that does not count."""
    load = machine.load()
    forms = []
    costs: list[float] = []
    with LLM(path, threads=threads) as llm:
        for title, (request, schema) in FORMS.items():
            tokens, steps = _answer(llm, request, schema)
            ours, free = [], []
            for _ in range(rounds):
                ours.append(_rate(llm, request, tokens, schema))
                free.append(_rate(llm, request, tokens))
                costs.append(_mask_cost(llm, request, schema))
                advance()
            forms.append(FormFigures(title, tokens, steps, ours, free))
    return StructuredResult(name, machine.conditions(threads), load, forms, costs)


def _answer(llm: LLM, request: str, schema: dict[str, Any]) -> tuple[int, int]:
    """How many tokens a form has once it is filled in, and in how many steps they come."""
    deltas = list(_stream(llm, request, SamplingParams(temperature=0, max_tokens=400), schema))
    return sum(tokens for tokens, _ in deltas), len(deltas)


def _rate(llm: LLM, request: str, tokens: int, schema: dict[str, Any] | None = None) -> float:
    """Tokens a second after the first step: of a form, or of free text that is as long."""
    params = SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=schema is None)
    steps = list(_stream(llm, request, params, schema))
    return sum(tokens for tokens, _ in steps[1:]) / sum(seconds for _, seconds in steps[1:])


def _mask_cost(llm: LLM, request: str, schema: dict[str, Any]) -> float:
    """How much longer a step takes by its mask, as a share; nothing is forced or guessed ahead."""
    params = SamplingParams(temperature=0, max_tokens=STEPS, speculation=False, ignore_eos=True)
    with patch.object(Guide, "forced", lambda _: []):
        masked = [seconds for _, seconds in _stream(llm, request, params, schema)][1:]
    free = [seconds for _, seconds in _stream(llm, request, params)][1:]
    return median(masked) / median(free) - 1


def _stream(
    llm: LLM, request: str, params: SamplingParams, schema: dict[str, Any] | None = None
) -> Iterator[tuple[int, float]]:
    """Tokens and seconds of each step."""
    stream = llm.stream_chat([{"role": "user", "content": request}], params, structured=schema)
    before = time.perf_counter()
    for delta in stream.deltas():
        now = time.perf_counter()
        yield len(delta.token_ids), now - before
        before = now
