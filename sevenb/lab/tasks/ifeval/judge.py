"""Judges answers by the 25 kinds of instructions of IFEval, strictly and loosely."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import msgspec

from sevenb.lab.tasks.ifeval import content, form

Check: TypeAlias = Callable[..., bool]

CHECKS: dict[str, Check] = {
    "keywords:existence": content.keywords_exist,
    "keywords:frequency": content.keyword_frequency,
    "keywords:forbidden_words": content.no_forbidden_words,
    "keywords:letter_frequency": content.letter_frequency,
    "language:response_language": content.response_language,
    "length_constraints:number_sentences": content.number_of_sentences,
    "length_constraints:number_paragraphs": content.number_of_paragraphs,
    "length_constraints:number_words": content.number_of_words,
    "length_constraints:nth_paragraph_first_word": content.nth_paragraph_first_word,
    "detectable_content:number_placeholders": form.placeholders,
    "detectable_content:postscript": form.postscript,
    "detectable_format:number_bullet_lists": form.bullet_list,
    "detectable_format:constrained_response": form.constrained_response,
    "detectable_format:number_highlighted_sections": form.highlighted_sections,
    "detectable_format:multiple_sections": form.multiple_sections,
    "detectable_format:json_format": form.json_format,
    "detectable_format:title": form.title,
    "combination:two_responses": form.two_responses,
    "combination:repeat_prompt": content.repeat_prompt,
    "startend:end_checker": content.end_phrase,
    "startend:quotation": content.quotation,
    "change_case:capital_word_frequency": content.capital_word_frequency,
    "change_case:english_capital": content.english_capital,
    "change_case:english_lowercase": content.english_lowercase,
    "punctuation:no_comma": content.no_comma,
}


class Verdict(msgspec.Struct, frozen=True):
    """Whether an answer keeps to one instruction; ``loose``: it, or what is left of it without its dressing."""

    kind: str
    strict: bool
    loose: bool


def judge(text: str, kinds: Sequence[str], arguments: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """The verdicts on an answer, one for each instruction. A blank answer keeps to none."""
    variants = [variant for variant in loosened(text) if variant.strip()]
    verdicts = []
    for kind, given in zip(kinds, arguments, strict=True):
        check = CHECKS[kind]
        strict = bool(text.strip()) and check(text, **given)
        verdicts.append(Verdict(kind, strict, strict or any(check(variant, **given) for variant in variants)))
    return verdicts


def loosened(text: str) -> list[str]:
    """What the paper also accepts: without emphasis, without the first line ("Sure, here is …"), without the last."""
    lines = text.split("\n")
    parts = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    plain = [part.replace("*", "") for part in (text, *parts)]
    return list(dict.fromkeys([*parts, *plain]))


def arguments_of(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of an instruction as its check takes them; those that are null are not given.

    Raises `ValueError` that says what is wrong with them.
    """
    if kind not in CHECKS:
        raise ValueError(f"the instruction {kind!r} is not one of IFEval's 25")
    named = {name: value for name, value in given.items() if value is not None}
    try:
        arguments = msgspec.convert(named, _argument_type(kind), strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"the arguments of {kind!r} are wrong ({error})") from error
    return msgspec.structs.asdict(arguments)


@cache
def _argument_type(kind: str) -> type[msgspec.Struct]:
    _, *parameters = inspect.signature(CHECKS[kind], eval_str=True).parameters.values()
    return msgspec.defstruct("Arguments", [(parameter.name, parameter.annotation) for parameter in parameters])
