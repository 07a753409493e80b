"""`SCORERS`: every way to score, by the name that ``score:`` has for it."""

from sevenb.lab.tasks.own.pattern_scorer import Regex
from sevenb.lab.tasks.own.plain_scorers import Choice, Contains, Exact, Number
from sevenb.lab.tasks.own.scorer import Scorer
from sevenb.lab.tasks.own.structured_scorers import JsonSchema, PythonTests

SCORERS: dict[str, type[Scorer]] = {
    "exact": Exact,
    "number": Number,
    "choice": Choice,
    "contains": Contains,
    "regex": Regex,
    "json_schema": JsonSchema,
    "python": PythonTests,
}
