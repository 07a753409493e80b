"""The scenario "structured": a letter turned into JSON by a schema, once with the server's help and once without."""

import json
from typing import Any

import jsonschema

from sevenb.lab.results import Check
from sevenb.lab.scenarios.json_reading import read_json
from sevenb.lab.scenarios.scenario import Ask, Scenario, user

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "order_number": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{5}$"},
        "ordered_on": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "priority": {"type": "string", "enum": ["low", "normal", "urgent"]},
        "reachable_by_phone": {"type": "boolean"},
        "items": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "product": {"type": "string"},
                    "quantity": {"type": "integer", "minimum": 1},
                    "unit_price": {"type": "number", "minimum": 0},
                },
                "required": ["product", "quantity", "unit_price"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["customer", "order_number", "ordered_on", "priority", "reachable_by_phone", "items"],
    "additionalProperties": False,
}

_LETTER = """\
Hello,

my name is Marta Oliveira. On 3 March 2026 I ordered two desk lamps at 39.90 euros each and five packs of printer paper
at 6.25 euros a pack; the order number is KX-20417. One of the lamps came without its bulb and our office opens
tomorrow morning, so this is urgent. Please answer by e-mail only: I have no telephone at the moment.

Kind regards
Marta Oliveira"""

_INSTRUCTION = f"""\
Turn the following letter into JSON that is valid by the JSON Schema below. Answer with the JSON object alone: no \
explanation before or after it. Write products in the singular, as "desk lamp".

JSON Schema:
{json.dumps(SCHEMA, indent=1)}

Letter:
{_LETTER}"""

_RIGHT: dict[str, Any] = {
    "customer": "marta oliveira",
    "order_number": "kx-20417",
    "ordered_on": "2026-03-03",
    "priority": "urgent",
    "reachable_by_phone": False,
}
_ITEMS = {"lamp": (2, 39.9), "paper": (5, 6.25)}  # told by a word that each product's name must hold


def check_letter(answer: str) -> list[Check]:
    """Readable, nothing else said, valid, and what the letter says."""
    found = read_json(answer)
    if found is None:
        return [Check("json_read", False, "the answer holds no JSON")]
    problem = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(SCHEMA).iter_errors(found.value))
    checks = [
        Check("json_read", True, type(found.value).__name__),
        Check("json_only", found.alone, "nothing else" if found.alone else "there is text around the JSON"),
        Check("schema_valid", problem is None, f"{problem.json_path}: {problem.message}" if problem else "valid"),
    ]
    value = found.value if isinstance(found.value, dict) else {}
    for name, right in _RIGHT.items():
        told = value.get(name)
        same = (told.strip().lower() if isinstance(told, str) else told) == right and type(told) is type(right)
        checks.append(Check("value_equal", same, f"{name}: {_shown(told)}"))
    return [*checks, *_item_checks(value.get("items"))]


def _item_checks(items: Any) -> list[Check]:
    listed = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    checks = [Check("value_equal", len(listed) == len(_ITEMS), f"items: {len(listed)} of {len(_ITEMS)}")]
    for word, right in _ITEMS.items():
        named = [item for item in listed if word in str(item.get("product")).lower()]
        told = (named[0].get("quantity"), named[0].get("unit_price")) if len(named) == 1 else None
        checks.append(Check("value_equal", told == right, f"{word}: {_shown(told)}"))
    return checks


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]


STRUCTURED = Scenario(
    key="structured",
    title={"en": "JSON by a schema", "zh": "按 Schema 输出 JSON"},
    asks=(
        Ask(
            key="guided",
            title={"en": "With response_format", "zh": "使用 response_format"},
            messages=(user(_INSTRUCTION),),
            check=check_letter,
            max_tokens=512,
            extras={
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "letter", "schema": SCHEMA, "strict": True},
                }
            },
        ),
        Ask(
            key="plain",
            title={"en": "By the instruction alone", "zh": "仅凭指令"},
            messages=(user(_INSTRUCTION),),
            check=check_letter,
            max_tokens=512,
        ),
    ),
)
