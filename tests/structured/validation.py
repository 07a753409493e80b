"""jsonschema's own judgement of an answer."""

import json
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

import jsonschema


def schema_error(schema: Any, text: str) -> str | None:
    """What jsonschema has against a text, with decimal fractions read exactly as JSON writes them."""
    exact = json.loads(json.dumps(schema), parse_float=_exact)
    newest = jsonschema.Draft202012Validator
    if '"dependencies"' in json.dumps(schema) or '"additionalItems"' in json.dumps(schema):
        newest = jsonschema.Draft7Validator
    kind = jsonschema.validators.validator_for(exact, default=newest)
    validator = kind(exact, format_checker=kind.FORMAT_CHECKER)
    try:
        with localcontext(prec=1000):
            error = next(validator.iter_errors(json.loads(text, parse_float=_exact)), None)
    except ArithmeticError:  # a remainder of a number with thousands of digits
        return None
    return None if error is None else f"{error.message} in {text}"


def _exact(number: str) -> Decimal | float:
    try:
        return Decimal(number)
    except InvalidOperation:  # an exponent that no machine holds
        return float(number)
