"""The long technical document: the yearly report of an invented plant, the same for a seed, with planted facts."""

import functools
from random import Random

import msgspec

from sevenb.lab.scenarios.plant import PARTS, Part

_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
           "December")  # fmt: skip
_SEED = 20317


class Planted(msgspec.Struct, frozen=True):
    """A sentence that stands in one section and nowhere else."""

    section: str
    sentence: str


class Document(msgspec.Struct, frozen=True):
    """The whole text, and the text of each section by its number."""

    text: str
    sections: dict[str, str]

    @property
    def words(self) -> int:
        """As many as spaces part: never more than its tokens."""
        return len(self.text.split())


TOTAL = Planted("1.2", "Over the whole year the plant delivered 38.6 million cubic metres of drinking water.")
OUTAGE = Planted(
    "8.2",
    "The longest outage of the year began on 23 May, when a dip of voltage made the worn protection relay K-17 "
    "drop out "
    "and stopped all five trains for 41 hours.",
)
DECISION = Planted(
    "12.1",
    "The board has therefore decided to replace all pressure vessels of train 5, with the work to be finished by "
    "October "
    "2032.",
)
SPARE = Planted("2.3", "The spare impeller of pump P-104 lies in bay 17-C of the north warehouse.")
REJECTION = Planted(
    "5.2", "The lowest salt rejection of the year, 98.74 percent, was found on train 5 on 14 September."
)
ROTOR = Planted(
    "6.3", "The rotor of exchanger X-53 was made by Castellan Ceramics and carries the serial number RC-70958."
)
SETTING = Planted("7.1", "Safety valve V-6621 on the carbon dioxide line opens at 18.5 bar.")
METHOD = Planted("10.4", "From the next year on, boron will be determined by the method LM-0442.")
PERMIT = Planted("11.4", "The discharge permit of the county ends on 30 June 2038.")

PLANTED = (TOTAL, OUTAGE, DECISION, SPARE, REJECTION, ROTOR, SETTING, METHOD, PERMIT)


@functools.cache
def document(seed: int = _SEED) -> Document:
    """The report: more than 12,000 tokens by the tokenizers of today, the planted sentences in their sections."""
    random = Random(seed)
    chapters = [("1", "The plant and its year", _opening())]
    for index, part in enumerate(PARTS, 2):
        chapters.append((str(index), part.name, _chapter(part, random)))
    chapters.append((str(len(PARTS) + 2), "Decisions", _closing()))
    sections: dict[str, str] = {}
    lines = ["# Halden Bay desalination plant: technical report for the year 2031"]
    for number, title, content in chapters:
        lines.append(f"## {number} {title}")
        for place, (heading, paragraphs) in enumerate(content, 1):
            name = f"{number}.{place}"
            for planted in PLANTED:
                if planted.section == name:
                    _plant(paragraphs, planted.sentence, random)
            sections[name] = "\n\n".join(paragraphs)
            lines.append(f"### {name} {heading}\n\n{sections[name]}")
    return Document("\n\n".join(lines), sections)


def _plant(paragraphs: list[str], sentence: str, random: Random) -> None:
    """Put a sentence behind the paragraph of the month that it names, or behind any."""
    places = [
        at
        for at, text in enumerate(paragraphs)
        for month in _MONTHS
        if text.startswith(f"In {month}") and month in sentence
    ]
    at = places[0] if places else random.randrange(len(paragraphs))
    paragraphs[at] = f"{paragraphs[at]} {sentence}"


_Content = list[tuple[str, list[str]]]  # sections: heading and paragraphs


def _opening() -> _Content:
    names = ", ".join(part.name.lower() for part in PARTS[:-1])
    return [
        (
            "About this report",
            [
                "This report is written by the technical staff for the board and for the county. Each chapter "
                "treats one part "
                f"of the plant, in the order in which water passes it where that makes sense: {names}, and "
                f"{PARTS[-1].name.lower()}. Every chapter tells what the part is for, how it ran month by month, "
                "what was "
                "maintained, and what was found.",
            ],
        ),
        (
            "The year in figures",
            [
                "Demand was highest in the dry weeks of July and lowest in February. The staff counted 63 people "
                "at the "
                "end of the year, four of them apprentices. No accident with lost time was recorded.",
            ],
        ),
    ]


def _closing() -> _Content:
    return [
        (
            "Train 5",
            [
                "Train 5 was the first to be built and is the only one whose vessels come from the first supplier. "
                "Their end "
                "caps have begun to corrode below the seals, three had to be renewed in this year, and the salt "
                "that passes "
                "there shows in the quality of the whole.",
            ],
        ),
        (
            "What remains open",
            [
                "A seventh filter bed, a second generator and the renewal of the western line have been discussed "
                "and "
                "put off. The staff will report on each of them again in the next year.",
            ],
        ),
    ]


def _chapter(part: Part, random: Random) -> _Content:
    return [
        ("Purpose and layout", [part.purpose]),
        ("Operation over the year", _months(part, random)),
        ("Maintenance and spares", _maintenance(part, random)),
        ("Findings", [part.finding]),
    ]


def _months(part: Part, random: Random) -> list[str]:
    paragraphs = []
    before: float | None = None
    faults = [random.choice(part.faults) for _ in range(2)] + list(part.faults)
    random.shuffle(faults)
    troubled = set(random.sample(range(12), len(faults)))
    tasks = random.sample(part.tasks, len(part.tasks)) * 2
    for index, month in enumerate(_MONTHS):
        value = round(random.uniform(part.low, part.high), part.digits)
        told = f"{value:,.{part.digits}f} {part.unit}"
        if before is None:
            sentences = [f"In {month} {part.measure} averaged {told}."]
        else:
            trend = "up from" if value > before else "down from" if value < before else "unchanged against"
            sentences = [
                f"In {month} {part.measure} averaged {told}, {trend} {before:,.{part.digits}f} in {_MONTHS[index - 1]}."
            ]
        before = value
        if index in troubled:
            fault = faults.pop()
            sentences.append(
                f"On {random.randint(2, 27)} {month} {random.choice(fault.on)} {fault.what}: {fault.cause}; "
                f"{fault.remedy}, "
                f"and it was back in service after {random.randint(2, 30)} hours."
            )
        else:
            sentences.append(f"Its own equipment gave no trouble, and the shifts found time to {tasks.pop()}.")
        sentences.append(
            f"The part was available for {random.uniform(96.1, 99.9):.1f} percent of the month, with "
            f"{random.randint(3, 29)} hours of planned standstill."
        )
        paragraphs.append(" ".join(sentences))
    return paragraphs


def _maintenance(part: Part, random: Random) -> list[str]:
    paragraphs = []
    tags = random.sample(part.tags, 4)
    for tag in tags[:3]:
        paragraphs.append(
            f"Work order {random.randint(31000, 31999)} on {tag} was closed on {random.randint(2, 27)} "
            f"{random.choice(_MONTHS)} "
            f"after {random.randint(6, 90)} hours of work by "
            f"{random.choice(('the own crew', 'the maker', 'a contractor'))}; "
            f"it had been opened to {random.choice(part.tasks)}."
        )
    others = [tag for tag in part.tags if tag != "P-104"]
    paragraphs.append(
        f"{part.spare.capitalize()} for {random.choice(others)} lies in bay "
        f"{random.randint(1, 16)}-{random.choice('ABDEF')} of the south warehouse. "
        f"Stock was counted on {random.randint(2, 27)} November and differed from the books by "
        f"{random.randint(1, 9)} pieces."
    )
    return paragraphs
