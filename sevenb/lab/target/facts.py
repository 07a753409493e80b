"""What a server tells of itself and of a model: sevenb, llama.cpp, vLLM, Ollama and LM Studio each in its own way."""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from sevenb.lab.target.address import root_url
from sevenb.lab.target.bodies import read_body
from sevenb.lab.target.target import Target, TargetFacts

_SECONDS = 10.0  # for each of the small questions
_BYTES = 16 << 20  # of each answer
_LONGEST = 200  # characters of a name
_INFO = re.compile(r"^sevenb_engine_info\{(.*)\} ", re.MULTILINE)
_LABEL = re.compile(r'\b(\w+)="((?:[^"\\]|\\.)*)"')
_SHA256 = re.compile(r"[0-9a-f]{64}")


async def facts_of(http: httpx.AsyncClient, target: Target) -> TargetFacts:
    """All that can be learned without a generation; a question that is not answered leaves its facts None."""
    root = root_url(target.url)
    models, props, show, tags, version, ollama, studio = await asyncio.gather(
        _json(http, "GET", f"{target.url}/models"),
        _json(http, "GET", f"{root}/props"),
        _json(http, "POST", f"{root}/api/show", {"model": target.model}),
        _json(http, "GET", f"{root}/api/tags"),
        _json(http, "GET", f"{root}/version"),
        _json(http, "GET", f"{root}/api/version"),
        _json(http, "GET", f"{root}/api/v0/models/{target.model}"),
    )
    card = _named(models.get("data"), "id", target.model)
    meta = _mapping(card.get("meta"))
    tag = _named(tags.get("models"), "name", target.model)
    details, info = _mapping(show.get("details")), _mapping(show.get("model_info"))
    engine_info = _engine_info(await _text(http, f"{root}/metrics") if "sevenb" in ollama else "", target.model)
    template = _text_of(props.get("chat_template")) or _text_of(show.get("template"))
    digest = _text_of(tag.get("digest")) or ""
    settings = _mapping(props.get("default_generation_settings"))
    return TargetFacts(
        engine=_engine(card, props, version, ollama, studio),
        device=_name_of(engine_info.get("device")),
        quantization=_name_of(details.get("quantization_level")) or _name_of(studio.get("quantization")),
        context_length=_count(
            settings.get("n_ctx"),  # llama.cpp: of one slot
            card.get("max_model_len"),  # sevenb, vLLM
            studio.get("loaded_context_length"),
            meta.get("n_ctx"),
            None if "sevenb" in ollama or not ollama else await _ollama_context(http, root, target.model),
            card.get("context_length"),
        ),
        model_sha256=digest if "sevenb" in ollama and _SHA256.fullmatch(digest) else None,
        template_sha256=hashlib.sha256(template.encode()).hexdigest() if template else None,
        parameters=_count(info.get("general.parameter_count"), meta.get("n_params")),
        max_sequences=_count(_number(engine_info.get("max_num_seqs")), props.get("total_slots")),
    )


def _engine(
    card: Mapping[str, Any],
    props: Mapping[str, Any],
    version: Mapping[str, Any],
    ollama: Mapping[str, Any],
    studio: Mapping[str, Any],
) -> str | None:
    owner = _name_of(card.get("owned_by"))
    number = _name_of(version.get("version"))
    if own := _name_of(ollama.get("sevenb")):
        return f"sevenb {own}"
    if build := _name_of(props.get("build_info")):
        return f"llama.cpp {build}"
    if owner in ("llamacpp", "llama.cpp"):
        return "llama.cpp"
    if owner in ("vllm", "sglang"):
        name = {"vllm": "vLLM", "sglang": "SGLang"}[owner]
        return f"{name} {number}" if number else name
    if release := _name_of(ollama.get("version")):
        return f"Ollama {release}"
    if studio.get("id"):
        return "LM Studio"
    return f"{owner} {number}" if owner and number else owner


async def _ollama_context(http: httpx.AsyncClient, root: str, model: str) -> Any:
    """Of a loaded model alone: what it was made for is not what Ollama gives it."""
    running = await _json(http, "GET", f"{root}/api/ps")
    return _named(running.get("models"), "name", model).get("context_length")


async def _json(http: httpx.AsyncClient, method: str, url: str, body: Any = None) -> Mapping[str, Any]:
    try:
        return _mapping(msgspec.json.decode(await _body(http, method, url, body) or b"{}"))
    except (ValueError, RecursionError):
        return {}


async def _text(http: httpx.AsyncClient, url: str) -> str:
    return (await _body(http, "GET", url)).decode(errors="replace")


async def _body(http: httpx.AsyncClient, method: str, url: str, body: Any = None) -> bytes:
    try:
        async with http.stream(method, url, timeout=_SECONDS, json=body) as response:
            return await read_body(response, _BYTES, _SECONDS) if response.status_code == 200 else b""
    except (httpx.HTTPError, httpx.InvalidURL):
        return b""


def _engine_info(metrics: str, model: str) -> dict[str, str]:
    """The labels of sevenb's ``sevenb_engine_info`` for a model, or of the only one."""
    engines = [dict(_LABEL.findall(labels)) for labels in _INFO.findall(metrics)]
    of_model = [engine for engine in engines if engine.get("model_name") == model]
    return next(iter(of_model or engines[:1]), {})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _named(entries: Any, field: str, name: str) -> Mapping[str, Any]:
    found = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    return next((entry for entry in found if entry.get(field) == name), found[0] if len(found) == 1 else {})


def _text_of(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _name_of(value: Any) -> str | None:
    """A text that may stand in a table: short, and without signs that a terminal would obey."""
    text = (_text_of(value) or "")[:_LONGEST]
    return "".join(sign for sign in text if sign.isprintable()).strip() or None


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,12}", text) else None


def _count(*values: Any) -> int | None:
    return next((value for value in values if type(value) is int and 0 < value < 1 << 60), None)
