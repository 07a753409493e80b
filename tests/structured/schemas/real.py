"""Schemas like those found at work: forms, invoices, configurations, API fragments, extraction, agents."""

from typing import Any

from tests.structured.schemas.case import BOOLEAN, INTEGER, NUMBER, SHORT, STRING, Case, cases, record

_MONEY = record(
    {"amount": {"type": "number", "minimum": 0, "multipleOf": 0.01}, "currency": {"enum": ["EUR", "USD", "CNY"]}}
)
_DATE = {"type": "string", "format": "date"}
_INSTANT = {"type": "string", "format": "date-time"}
_POSTAL: dict[str, Any] = {
    "type": "object",
    "properties": {"street": SHORT, "city": SHORT, "zip": {"type": "string", "pattern": "^[0-9]{5}$"}, "note": SHORT},
    "required": ["street", "city", "zip"],
}


def _listed(item: Any, most: int = 4) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": 1, "maxItems": most}


_FORMS = [
    record(
        {"first_name": SHORT, "last_name": SHORT, "email": {"type": "string", "format": "email"}, "newsletter": BOOLEAN}
    ),
    record({"age": {"type": "integer", "minimum": 18, "maximum": 120}, "gender": {"enum": ["f", "m", "x", None]}}),
    record({"rating": {"type": "integer", "minimum": 1, "maximum": 5}, "comment": {"type": "string", "maxLength": 80}}),
    record(
        {
            "date_of_birth": _DATE,
            "insurance": {"type": "string", "pattern": "^[A-Z][0-9]{9}$"},
            "allergies": _listed(SHORT),
        }
    ),
    record(
        {
            "arrival": _DATE,
            "departure": _DATE,
            "guests": {"type": "integer", "minimum": 1, "maximum": 8},
            "breakfast": BOOLEAN,
        }
    ),
    {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://example.com/registration.json",
        "title": "Registration",
        "type": "object",
        "properties": {
            "username": {"type": "string", "pattern": "^[a-z0-9_]{3,16}$"},
            "password": {"type": "string", "format": "password", "minLength": 8, "maxLength": 30},
            "address": {"$ref": "#/definitions/address"},
            "phone": {"type": "string", "pattern": "^\\+[1-9][0-9]{6,14}$"},
        },
        "required": ["username", "password"],
        "definitions": {"address": _POSTAL},
    },
    record({"survey": _listed(record({"question": SHORT, "answer": {"anyOf": [SHORT, INTEGER, BOOLEAN]}}))}),
    record(
        {
            "slot": record(
                {
                    "start": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"},
                    "minutes": {"enum": [15, 30, 60]},
                }
            )
        }
    ),
]

_DOCUMENTS = [
    record(
        {"number": {"type": "string", "pattern": "^INV-[0-9]{6}$"}, "date": _DATE, "total": _MONEY, "paid": BOOLEAN}
    ),
    record(
        {
            "invoice_number": SHORT,
            "seller": record(
                {"name": SHORT, "vat": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{8,12}$"}, "address": _POSTAL}
            ),
            "lines": _listed(
                record(
                    {
                        "text": SHORT,
                        "quantity": {"type": "integer", "minimum": 1},
                        "price": NUMBER,
                        "tax": {"enum": [0, 7, 19]},
                    }
                )
            ),
            "due": _DATE,
        }
    ),
    record(
        {
            "iban": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"},
            "bookings": _listed(record({"on": _DATE, "sum": NUMBER})),
        }
    ),
    record(
        {
            "merchant": SHORT,
            "items": _listed(record({"name": SHORT, "price": _MONEY})),
            "payment": {"enum": ["cash", "card"]},
        }
    ),
    record(
        {
            "title": SHORT,
            "authors": _listed(SHORT),
            "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
            "doi": {"type": ["string", "null"]},
        }
    ),
    record(
        {
            "parties": {
                "type": "array",
                "items": record({"name": SHORT, "role": {"enum": ["buyer", "seller"]}}),
                "minItems": 2,
                "maxItems": 2,
            },
            "signed": _DATE,
        }
    ),
    record(
        {
            "candidate": SHORT,
            "skills": _listed(SHORT),
            "jobs": _listed(record({"company": SHORT, "from": _DATE, "to": {"anyOf": [_DATE, {"const": "today"}]}})),
        }
    ),
    record(
        {
            "shipment": record(
                {
                    "id": {"type": "string", "format": "uuid"},
                    "weight_kg": {"type": "number", "exclusiveMinimum": 0, "maximum": 70},
                    "legs": _listed(record({"from": SHORT, "to": SHORT})),
                }
            )
        }
    ),
    record(
        {
            "patient": record({"id": SHORT, "born": _DATE}),
            "observations": _listed(
                record({"code": {"type": "string", "pattern": "^[0-9]{1,5}-[0-9]$"}, "value": NUMBER, "unit": SHORT})
            ),
        }
    ),
    record(
        {
            "recipe": SHORT,
            "servings": INTEGER,
            "ingredients": _listed(record({"what": SHORT, "grams": {"type": "number", "minimum": 0}})),
            "steps": _listed(STRING),
        }
    ),
]

_CONFIGURATIONS = [
    record(
        {
            "host": {"type": "string", "format": "hostname"},
            "port": {"type": "integer", "minimum": 1, "maximum": 65535},
            "tls": BOOLEAN,
        }
    ),
    {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z0-9-]+$", "maxLength": 30},
            "version": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
            "scripts": {"type": "object", "additionalProperties": SHORT},
            "dependencies": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[~^]?[0-9.]+$"}},
            "private": BOOLEAN,
        },
        "required": ["name", "version"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {
            "services": {
                "type": "object",
                "patternProperties": {
                    "^[a-z]{1,10}$": {
                        "type": "object",
                        "properties": {
                            "image": SHORT,
                            "ports": _listed({"type": "string", "pattern": "^[0-9]{2,5}:[0-9]{2,5}$"}),
                            "restart": {"enum": ["no", "always"]},
                        },
                        "required": ["image"],
                    }
                },
                "additionalProperties": False,
                "minProperties": 1,
            }
        },
        "required": ["services"],
    },
    record(
        {
            "level": {"enum": ["debug", "info", "warning", "error"]},
            "handlers": _listed(
                {"oneOf": [record({"file": SHORT}), record({"stream": {"enum": ["stdout", "stderr"]}})]}
            ),
        }
    ),
    record(
        {
            "apiVersion": {"const": "v1"},
            "kind": {"const": "Service"},
            "metadata": record({"name": SHORT, "labels": {"type": "object", "additionalProperties": SHORT}}),
            "spec": record({"ports": _listed(record({"port": INTEGER}))}),
        }
    ),
    record(
        {
            "on": {"anyOf": [{"enum": ["push", "pull_request"]}, _listed({"enum": ["push", "pull_request"]}, 2)]},
            "jobs": {
                "type": "object",
                "additionalProperties": record({"runs-on": SHORT, "steps": _listed(record({"run": SHORT}))}),
                "minProperties": 1,
                "maxProperties": 2,
            },
        }
    ),
    record(
        {
            "colors": {
                "type": "object",
                "propertyNames": {"pattern": "^[a-z]+$"},
                "additionalProperties": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
            }
        }
    ),
    record(
        {
            "rules": _listed(
                {
                    "type": "object",
                    "properties": {
                        "allow": {"type": "string", "format": "ipv4"},
                        "deny": {"type": "string", "format": "ipv4"},
                    },
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": False,
                }
            )
        }
    ),
    record(
        {
            "schedule": {"type": "string", "pattern": "^([0-9*]{1,2} ){4}[0-9*]{1,2}$"},
            "retry": {"type": "integer", "minimum": 0, "maximum": 10},
            "timeout": {"type": "string", "format": "duration"},
        }
    ),
    record(
        {
            "editor.tabSize": {"enum": [2, 4, 8]},
            "editor.rulers": _listed({"type": "integer", "minimum": 40, "maximum": 200}),
            "files.exclude": {"type": "object", "additionalProperties": BOOLEAN},
        }
    ),
]

_APIS = [
    {
        "type": "object",
        "required": ["id", "name"],
        "properties": {
            "id": {"type": "integer", "format": "int64", "example": 10},
            "name": {"type": "string", "example": "doggie"},
            "category": {"$ref": "#/components/schemas/Category"},
            "photoUrls": {"type": "array", "xml": {"wrapped": True}, "items": {"type": "string", "format": "uri"}},
            "status": {
                "type": "string",
                "description": "pet status in the store",
                "enum": ["available", "pending", "sold"],
            },
        },
        "xml": {"name": "pet"},
        "components": {
            "schemas": {
                "Category": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
            }
        },
    },
    record(
        {
            "data": _listed(
                record(
                    {
                        "id": SHORT,
                        "type": {"const": "articles"},
                        "attributes": {"type": "object", "additionalProperties": True},
                    }
                )
            ),
            "links": record({"next": {"type": ["string", "null"], "format": "uri"}}),
        }
    ),
    record(
        {
            "error": record(
                {
                    "code": {"type": "integer", "minimum": 400, "maximum": 599},
                    "message": SHORT,
                    "details": {"type": "array", "items": {}, "maxItems": 2},
                }
            )
        }
    ),
    record(
        {
            "type": {"const": "FeatureCollection"},
            "features": _listed(
                record(
                    {
                        "type": {"const": "Feature"},
                        "geometry": {
                            "oneOf": [
                                record(
                                    {
                                        "type": {"const": "Point"},
                                        "coordinates": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 3},
                                    }
                                ),
                                record(
                                    {
                                        "type": {"const": "LineString"},
                                        "coordinates": {
                                            "type": "array",
                                            "minItems": 2,
                                            "maxItems": 4,
                                            "items": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2},
                                        },
                                    }
                                ),
                            ]
                        },
                        "properties": {"type": ["object", "null"]},
                    }
                ),
                2,
            ),
        }
    ),
    record(
        {
            "jsonrpc": {"const": "2.0"},
            "method": SHORT,
            "params": {"anyOf": [{"type": "array", "maxItems": 2}, {"type": "object"}]},
            "id": {"type": ["string", "integer", "null"]},
        }
    ),
    record(
        {
            "op": {"enum": ["add", "remove", "replace"]},
            "path": {"type": "string", "format": "json-pointer"},
            "value": True,
        }
    ),
    record(
        {
            "page": {"type": "integer", "minimum": 1},
            "per_page": {"type": "integer", "maximum": 100, "minimum": 1},
            "sort": {"enum": ["asc", "desc"]},
            "filters": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
        }
    ),
    {
        "allOf": [
            {"$ref": "#/definitions/Base"},
            {"type": "object", "properties": {"seats": INTEGER}, "required": ["seats"]},
        ],
        "definitions": {"Base": record({"wheels": {"type": "integer", "minimum": 2}, "maker": SHORT})},
    },
    record(
        {
            "event": {"enum": ["created", "deleted"]},
            "at": _INSTANT,
            "actor": record(
                {
                    "id": {"type": "string", "format": "uuid"},
                    "ip": {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
                }
            ),
        }
    ),
    {
        "type": "object",
        "properties": {"nickname": {"type": "string", "nullable": True}, "tags": {"type": "array", "items": SHORT}},
        "required": ["nickname"],
        "deprecated": True,
    },
]

_CHINESE = [
    record(
        {
            "姓名": SHORT,
            "年龄": {"type": "integer", "minimum": 0, "maximum": 150},
            "城市": {"enum": ["北京", "上海", "广州"]},
        }
    ),
    record(
        {
            "订单号": {"type": "string", "pattern": "^[0-9]{10}$"},
            "商品": _listed(record({"名称": SHORT, "价格": {"type": "number", "minimum": 0}, "数量": INTEGER})),
        }
    ),
    record(
        {
            "标题": {"type": "string", "pattern": "^[\\u4e00-\\u9fa5]{2,10}$"},
            "关键词": _listed(SHORT, 3),
            "情感": {"enum": ["正面", "负面", "中性"]},
        }
    ),
    {
        "type": "object",
        "properties": {"发票": {"$ref": "#/$defs/发票"}},
        "required": ["发票"],
        "$defs": {
            "发票": record({"税号": {"type": "string", "pattern": "^[0-9A-Z]{18}$"}, "金额": NUMBER, "日期": _DATE})
        },
    },
    record(
        {
            "身份证": {"type": "string", "pattern": "^[1-9][0-9]{16}[0-9X]$"},
            "手机": {"type": "string", "pattern": "^1[3-9][0-9]{9}$"},
            "地址": record({"省": SHORT, "市": SHORT}),
        }
    ),
]

_MODELS_WORK = [
    record({"reasoning": STRING, "answer": {"enum": ["A", "B", "C", "D"]}}),
    record(
        {
            "sentiment": {"enum": ["positive", "negative", "neutral"]},
            "score": {"type": "number", "minimum": -1, "maximum": 1},
        }
    ),
    record(
        {
            "entities": _listed(
                record(
                    {
                        "text": SHORT,
                        "label": {"enum": ["PER", "ORG", "LOC"]},
                        "start": {"type": "integer", "minimum": 0},
                    }
                )
            )
        }
    ),
    record({"triples": _listed({"type": "array", "prefixItems": [SHORT, SHORT, SHORT], "minItems": 3, "maxItems": 3})}),
    record(
        {
            "name": {"const": "get_weather"},
            "arguments": record({"city": SHORT, "days": {"type": "integer", "minimum": 1, "maximum": 7}}),
        }
    ),
    {
        "anyOf": [
            record({"name": {"const": "search"}, "arguments": record({"query": SHORT})}),
            record({"name": {"const": "finish"}, "arguments": record({"answer": STRING})}),
        ]
    },
    record(
        {
            "thought": STRING,
            "action": {
                "oneOf": [
                    record({"tool": {"const": "browse"}, "url": {"type": "string", "format": "uri"}}),
                    record({"tool": {"const": "stop"}}),
                ]
            },
        }
    ),
    record({"sql": STRING, "tables": _listed(SHORT), "safe": BOOLEAN}),
    record(
        {
            "diff": _listed(
                record(
                    {
                        "file": {"type": "string", "format": "uri-reference"},
                        "line": {"type": "integer", "minimum": 1},
                        "text": STRING,
                    }
                )
            )
        }
    ),
    record(
        {
            "board": {
                "type": "array",
                "minItems": 3,
                "maxItems": 3,
                "items": {"type": "array", "minItems": 3, "maxItems": 3, "items": {"enum": ["X", "O", ""]}},
            }
        }
    ),
    record(
        {
            "questions": _listed(
                record(
                    {
                        "text": STRING,
                        "options": {"type": "array", "items": SHORT, "minItems": 4, "maxItems": 4},
                        "correct": {"type": "integer", "minimum": 0, "maximum": 3},
                    }
                ),
                2,
            )
        }
    ),
    record({"translation": record({"en": STRING, "de": STRING, "zh": STRING})}),
    record({"plan": {"$ref": "#/$defs/task"}})
    | {
        "$defs": {
            "task": {
                "type": "object",
                "properties": {
                    "do": SHORT,
                    "parts": {"type": "array", "items": {"$ref": "#/$defs/task"}, "maxItems": 2},
                },
                "required": ["do"],
            }
        }
    },
]

REAL: list[Case] = [
    *cases("forms", _FORMS),
    *cases("documents", _DOCUMENTS),
    *cases("configurations", _CONFIGURATIONS),
    *cases("APIs", _APIS),
    *cases("Chinese", _CHINESE),
    *cases("models' work", _MODELS_WORK),
]
