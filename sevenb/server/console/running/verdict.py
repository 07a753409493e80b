"""Whether a finished answer keeps to the JSON that was asked for: by reading it, not by trusting what made it."""

import json

from sevenb.errors import InvalidRequest
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.schema.check import schema_check


def keeps_to(output: OutputFormat, text: str) -> bool:
    """Whether ``text`` is one JSON value of the shape. Takes long for long texts: call it off the event loop."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    if output.kind == "json_object":
        return isinstance(value, dict)
    try:
        check = schema_check(output.value, ("schema",), output.parameter)
    except InvalidRequest:
        return True  # a schema that only the grammar can say: it has
    return check(text) is None


def _refuse(constant: str) -> None:
    raise ValueError(constant)
