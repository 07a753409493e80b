"""The scenarios "summary" and "extraction": what a long document comes to, and what stands where in it."""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from sevenb.lab.results import Check
from sevenb.lab.scenarios import document as report
from sevenb.lab.scenarios.json_reading import read_json
from sevenb.lab.scenarios.language import language
from sevenb.lab.scenarios.scenario import Ask, Message, Scenario, Words, user

_WORDS = (80, 350)
_SHORTEST_QUOTE = 20  # characters; less could stand anywhere


class Fact(msgspec.Struct, frozen=True):
    """One planted fact: what is asked of it, its value as the document has it, and how else it may be written."""

    key: str
    planted: report.Planted
    question: str
    value: str
    forms: str  # a pattern for the whole of it, in small letters


# What any summary must say that was asked to; as a reader may put it.
GISTS: tuple[tuple[report.Planted, str], ...] = (
    (report.TOTAL, r"(?<![\d.,])(?:38[.,]6\s*(?:million|m\b)|38[,\s]?600[,\s]?000)"),
    (report.OUTAGE, r"\bK-?\s?17\b|\bprotection relay"),
    (report.OUTAGE, r"\b41[\s-]*(?:hours?|h\b)|\bforty-one[\s-]hours?"),
    (report.DECISION, r"\btrain\s*(?:no\.?\s*)?(?:5|five)\b"),
    (report.DECISION, r"\bOctober(?: of)?,?\s+2032\b"),
)

FACTS: tuple[Fact, ...] = (
    Fact("A", report.SPARE, "in which bay does the spare impeller of pump P-104 lie?", "17-C",
         r"(?:in )?(?:bay )?17-c(?:(?: of|,)? (?:the )?north warehouse)?"),
    Fact("B", report.REJECTION, "what was the lowest salt rejection of the year, in percent?", "98.74",
         r"98\.74(?: ?%| percent)?"),
    Fact("C", report.ROTOR, "what is the serial number of the rotor of exchanger X-53?", "RC-70958",
         r"(?:serial number )?rc-70958"),
    Fact("D", report.SETTING, "at how many bar does safety valve V-6621 open?", "18.5", r"18\.5(?: ?bar)?"),
    Fact("E", report.OUTAGE, "for how many hours did the longest outage stop the trains?", "41", r"41(?: ?h| hours)?"),
    Fact("F", report.PERMIT, "on which day does the discharge permit end?", "30 June 2038",
         r"30(?:th)?(?: of)? june,? 2038|june 30(?:th)?,? 2038|2038-06-30|30[./]0?6[./]2038"),
)  # fmt: skip


def check_summary(answer: str) -> list[Check]:
    """English, of the length that was asked for, with what matters; each is said where the document has it."""
    words = len(re.findall(r"[^\W_]+(?:[.,'’-][^\W_]+)*", answer))
    least, most = _WORDS
    told = language(answer)
    checks = [
        Check("language_right", told == "en", told or "none, or several"),
        Check("length_right", least <= words <= most, f"{words} words; {least} to {most} were asked for"),
    ]
    for planted, pattern in GISTS:
        found = re.search(pattern, answer, re.IGNORECASE)
        in_source = re.search(pattern, planted.sentence, re.IGNORECASE)
        said = found[0] if found else f"missing: {in_source[0] if in_source else pattern}"
        checks.append(Check("keyword_found", bool(found), f"{said} (section {planted.section})"))
    return checks


def check_extraction(answer: str) -> list[Check]:
    """For each fact, that its value is equal and that its quote stands word for word in the section that holds it."""
    found = read_json(answer)
    told = _by_key(found.value) if found else {}
    checks = [Check("json_read", found is not None, "readable" if found else "the answer holds no JSON")]
    for fact in FACTS:
        entry = told.get(fact.key, {})
        value, quote = (_plain(entry.get(name)) for name in ("value", "quote"))
        equal = bool(re.fullmatch(fact.forms, value.lower().strip(" .")))
        checks.append(Check("value_equal", equal, f"{fact.key}: {value[:80] or 'nothing'}"))
        checks.append(
            Check(
                "located",
                _located(fact, quote),
                f"{fact.key}, section {fact.planted.section}: {quote[:160] or 'no quote'}",
            )
        )
    return checks


def _located(fact: Fact, quote: str) -> bool:
    """A quote counts if it stands in the section and holds the value; a full stop at its end may be missing."""
    quote = quote.strip(" \"'").rstrip(".").removesuffix("…").strip()
    section = _plain(report.document().sections[fact.planted.section])
    return len(quote) >= _SHORTEST_QUOTE and quote in section and fact.value in quote


def _by_key(value: Any) -> dict[str, dict[str, Any]]:
    """Entries by their letters, from an object of them, or from a list of objects that name theirs."""
    if isinstance(value, dict):
        named = {str(key).strip().upper()[:1]: entry for key, entry in value.items() if len(str(key).strip(" .)")) == 1}
        if not named:
            return next((_by_key(inner) for inner in value.values() if isinstance(inner, dict | list)), {})
        return {key: entry if isinstance(entry, dict) else {"value": entry} for key, entry in named.items()}
    entries: dict[str, dict[str, Any]] = {}
    for entry in value if isinstance(value, list) else []:
        if isinstance(entry, dict):
            letters = [str(each).strip() for each in entry.values() if re.fullmatch(r"[A-Fa-f]", str(each).strip())]
            if len(letters) == 1:
                entries[letters[0].upper()] = entry
            else:
                entries |= _by_key(entry)
    return entries


def _plain(value: Any) -> str:
    """As text, with one kind of space and of quotation mark."""
    text = "" if value is None or isinstance(value, dict | list) else str(value)
    return re.sub(r"\s+", " ", text.replace("’", "'").replace("“", '"').replace("”", '"').replace("–", "-")).strip()


def _message(request: str) -> Message:
    # The document first, so that a server with a prefix cache reads it once for both scenarios.
    return user(f"Here is a technical report.\n\n{report.document().text}\n\n---\n\n{request}")


def _scenario(key: str, title: Words, request: str, check: Callable[[str], list[Check]], max_tokens: int) -> Scenario:
    ask = Ask(key=key, title=title, messages=(_message(request),), check=check, max_tokens=max_tokens)
    return Scenario(key=key, title=title, asks=(ask,), long_words=report.document().words)


SUMMARY = _scenario(
    "summary",
    {"en": "Summary of a long document", "zh": "长文档摘要"},
    "Summarise the report above in English, in 100 to 300 words of plain prose. Be sure to say how much drinking "
    "water the "
    "plant delivered over the whole year; when the longest outage of the year was, what caused it and how many "
    "hours it "
    "lasted; and what the board has decided, with the date by which it is to be done.",
    check_summary,
    700,
)

EXTRACTION = _scenario(
    "extraction",
    {"en": "Extraction from a long document", "zh": "长文档信息抽取"},
    "Find the following in the report above:\n"
    + "\n".join(f"{fact.key}. Section {fact.planted.section}: {fact.question}" for fact in FACTS)
    + "\nAnswer with one JSON object alone. Its keys are the letters; the value of each is an object with two strings: "
    '"value", the answer in as few words as possible, and "quote", the whole sentence of that section which says so, '
    'copied word for word. Example: {"A": {"value": "…", "quote": "…"}, "B": {"value": "…", "quote": "…"}}',
    check_extraction,
    900,
)
