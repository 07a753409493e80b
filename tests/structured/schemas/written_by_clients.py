"""Schemas as clients' libraries write them: Pydantic, OpenAI's strict mode, Ollama's examples, agents' tools."""

import datetime
import decimal
import enum
import ipaddress
import pathlib
import uuid
from typing import Annotated, Any, Literal

from pydantic import AnyUrl, BaseModel, ConfigDict, Field, RootModel, TypeAdapter

from tests.structured.schemas.case import Case, cases


class _Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class _Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class _Address(BaseModel):
    street: str = Field(max_length=30)
    city: str
    postcode: Annotated[str, Field(pattern=r"^\d{4} ?[A-Z]{2}$")]
    country: Literal["NL", "BE", "DE"] = "NL"


class _Person(BaseModel):
    """A person with everything optional that often is."""

    name: str = Field(description="full name", min_length=1, max_length=40)
    age: int | None = Field(default=None, ge=0, le=150)
    address: _Address | None = None
    emails: list[Annotated[str, Field(max_length=30)]] = []
    favourite: _Colour = _Colour.RED
    level: _Level | None = None


class _Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=0, le=9)


class _Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[Literal["sit", "roll", "fetch"]] = Field(max_length=3)


class _Owner(BaseModel):
    pet: Annotated[_Cat | _Dog, Field(discriminator="kind")]
    other: _Cat | _Dog | None = None


class _Node(BaseModel):
    value: int
    left: "_Node | None" = None
    right: "_Node | None" = None


class _Event(BaseModel):
    at: datetime.datetime
    day: datetime.date
    hour: datetime.time
    lasts: datetime.timedelta
    id: uuid.UUID
    link: AnyUrl
    host: ipaddress.IPv4Address
    path: pathlib.Path


class _Numbers(BaseModel):
    price: decimal.Decimal = Field(ge=0, decimal_places=2, max_digits=8)
    ratio: float = Field(gt=0, lt=1)
    step: int = Field(multiple_of=5, ge=0, le=500)
    pair: tuple[int, str]
    counts: dict[str, int]
    by_colour: dict[_Colour, int]
    either: int | str | bool | None


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: str
    confidence: float = Field(ge=0, le=1)


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    answer: Literal["yes", "no"]


class _Step(BaseModel):
    explanation: str
    output: str


class _Reasoning(BaseModel):
    steps: list[_Step]
    final_answer: str


class _Names(RootModel[list[str]]):
    pass


class _Aliased(BaseModel):
    class_: str = Field(alias="class")
    from_: int = Field(alias="from-number", title="From")


class _Sets(BaseModel):
    tags: set[Literal["a", "b", "c"]]


class _Everything(BaseModel):
    free: Any
    mapping: dict[str, Any]
    listing: list[Any] = Field(max_length=2)


_PYDANTIC = [
    _Person,
    _Address,
    _Owner,
    _Node,
    _Event,
    _Numbers,
    _Closed,
    _Open,
    _Reasoning,
    _Names,
    _Aliased,
    _Everything,
]
_ADAPTED = [
    list[_Cat],
    dict[str, _Address],
    tuple[int, ...],
    tuple[bool, str, float],
    Literal["a", 1, True],
    _Cat | _Dog,
    _Colour,
    int | None,
    list[list[float]],
    dict[Literal["x", "y"], int],
    Annotated[str, Field(min_length=2, max_length=4)],
    Annotated[list[int], Field(min_length=2, max_length=4)],
    datetime.date | Literal["unknown"],
    bytes,
]


def _strict(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As OpenAI's strict mode wants it: everything required, nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


_OPENAI = [
    _strict(
        {
            "steps": {
                "type": "array",
                "items": _strict({"explanation": {"type": "string"}, "output": {"type": "string"}}),
            },
            "final_answer": {"type": "string"},
        }
    ),
    _strict(
        {
            "type": {"type": "string", "enum": ["div", "button", "header", "section", "field", "form"]},
            "label": {"type": "string", "description": "used for buttons or form fields"},
            "children": {"type": "array", "items": {"$ref": "#"}},
            "attributes": {
                "type": "array",
                "items": _strict({"name": {"type": "string"}, "value": {"type": "string"}}),
            },
        }
    ),
    _strict(
        {
            "is_violating": {"type": "boolean"},
            "category": {"type": ["string", "null"], "enum": ["violence", "none", None]},
        }
    ),
    _strict(
        {
            "item": {
                "anyOf": [
                    _strict({"name": {"type": "string"}, "age": {"type": "number"}}),
                    _strict({"number": {"type": "string"}, "street": {"type": "string"}, "city": {"type": "string"}}),
                ]
            }
        }
    ),
    _strict(
        {"steps": {"type": "array", "items": {"$ref": "#/$defs/step"}}, "final_answer": {"type": "string"}},
        **{"$defs": {"step": _strict({"explanation": {"type": "string"}, "output": {"type": "string"}})}},
    ),
    _strict({"linked_list": {"$ref": "#/$defs/node"}})
    | {
        "$defs": {
            "node": _strict(
                {"value": {"type": "number"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}
            )
        }
    },
    _strict(
        {
            "location": {"type": "string", "description": "City and country e.g. Bogotá, Colombia"},
            "units": {"type": ["string", "null"], "enum": ["celsius", "fahrenheit", None]},
        }
    ),
    _strict(
        {
            "query": {"type": "string"},
            "options": _strict({"num_results": {"type": "number"}, "domain_filter": {"type": ["string", "null"]}}),
        }
    ),
    _strict(
        {
            "name": {"type": "string"},
            "date": {"type": "string"},
            "participants": {"type": "array", "items": {"type": "string"}},
        }
    ),
    _strict(
        {
            "title": {"type": "string"},
            "keywords": {"type": "array", "minItems": 1, "maxItems": 5, "items": {"type": "string"}},
        }
    ),
]

_OLLAMA = [
    {
        "type": "object",
        "properties": {"age": {"type": "integer"}, "available": {"type": "boolean"}},
        "required": ["age", "available"],
    },
    {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "capital": {"type": "string"},
            "languages": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["name", "capital", "languages"],
    },
    {
        "$defs": {
            "Pet": {
                "properties": {
                    "name": {"title": "Name", "type": "string"},
                    "animal": {"title": "Animal", "type": "string"},
                    "age": {"title": "Age", "type": "integer"},
                    "color": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Color"},
                },
                "required": ["name", "animal", "age", "color"],
                "title": "Pet",
                "type": "object",
            }
        },
        "properties": {"pets": {"items": {"$ref": "#/$defs/Pet"}, "title": "Pets", "type": "array"}},
        "required": ["pets"],
        "title": "PetList",
        "type": "object",
    },
    {
        "type": "object",
        "properties": {
            "summary": {"type": "string"},
            "objects": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "confidence": {"type": "number"},
                        "attributes": {"type": "string"},
                    },
                    "required": ["name", "confidence", "attributes"],
                },
            },
            "time_of_day": {"type": "string", "enum": ["Morning", "Afternoon", "Evening", "Night"]},
            "text_content": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["summary", "objects", "time_of_day"],
    },
]

CLIENTS: list[Case] = [
    *cases("Pydantic", [model.model_json_schema() for model in _PYDANTIC]),
    *cases("Pydantic", [TypeAdapter(kind).json_schema() for kind in _ADAPTED]),
    *cases("Pydantic", [_Sets.model_json_schema()], "checked"),
    *cases("OpenAI strict", _OPENAI),
    *cases("Ollama", _OLLAMA),
]
