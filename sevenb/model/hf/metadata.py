"""A folder's metadata in GGUF's keys: whoever asks a checkpoint for its tokenizer or template finds it there."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sevenb.errors import ModelNotFound
from sevenb.model.config import ModelConfig
from sevenb.model.hf.sidecars import LARGEST_TOKENIZER, corrupt, read_bytes, read_object, read_text
from sevenb.model.hf.tokenizer_file import TokenizerFile
from sevenb.model.recommended_sampling import SAMPLING_KEYS
from sevenb.model.tokenizer.vocabulary import END_TOKENS

_MEAN, _LAST = 1, 3  # of {architecture}.pooling_type
_SPECIAL = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
_OTHER_TOKENIZERS = ("tokenizer.model", "vocab.json", "tekken.json", "qwen.tiktoken")
_LARGEST_SETTING = 1e9


def folder_metadata(folder: Path, config: Mapping[str, Any], model: ModelConfig) -> dict[str, object]:
    """All keys. Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`."""
    source = folder.name
    content = read_bytes(folder / "tokenizer.json", LARGEST_TOKENIZER)
    if content is None:
        other = next((name for name in _OTHER_TOKENIZERS if (folder / name).exists()), None)
        raise ModelNotFound(
            f"{source} has no tokenizer.json"
            + (f", and sevenb does not read {other}" if other else "")
            + "; take that file from the model's repository, or save it with transformers' AutoTokenizer."
        )
    tokenizer = TokenizerFile.decode(content, source)
    settings = _settings(folder)
    generation = read_object(folder / "generation_config.json") or {}
    return {
        **_general(model, config),
        **tokenizer.metadata(model.vocab_size, source),
        **dict(_special_tokens(tokenizer, settings, config, generation, source)),
        **dict(_frame(tokenizer, settings)),
        **dict(_template(folder, settings)),
        **dict(_sampling(generation)),
        **dict(_pooling(folder, model.architecture)),
    }


def _settings(folder: Path) -> dict[str, Any]:
    """``tokenizer_config.json``, and what only the older ``special_tokens_map.json`` says."""
    older = read_object(folder / "special_tokens_map.json") or {}
    return older | (read_object(folder / "tokenizer_config.json") or {})


def _general(model: ModelConfig, config: Mapping[str, Any]) -> dict[str, object]:
    prefix = model.architecture
    license = config.get("license")
    return {
        "general.architecture": model.architecture,
        "general.type": "model",
        "general.name": model.name,
        **({"general.license": license} if isinstance(license, str) else {}),
        f"{prefix}.vocab_size": model.vocab_size,
        f"{prefix}.context_length": model.context_length,
        f"{prefix}.embedding_length": model.hidden_size,
        f"{prefix}.block_count": model.layers,
        f"{prefix}.feed_forward_length": model.intermediate_size,
        f"{prefix}.attention.head_count": model.heads,
        f"{prefix}.attention.head_count_kv": model.kv_heads,
        f"{prefix}.attention.key_length": model.head_dim,
        f"{prefix}.attention.value_length": model.head_dim,
        f"{prefix}.attention.layer_norm_rms_epsilon": model.norm_eps,
        f"{prefix}.rope.freq_base": model.rope.base,
        f"{prefix}.rope.dimension_count": model.rope.dim,
    }


def _special_tokens(
    tokenizer: TokenizerFile,
    settings: Mapping[str, Any],
    config: Mapping[str, Any],
    generation: Mapping[str, Any],
    source: str,
) -> Iterator[tuple[str, object]]:
    """Ids of the start, the end, padding and the unknown token, by spelling or else by number."""
    known = tokenizer.ids()
    for key, ours in _SPECIAL.items():
        token = settings.get(key)
        spelling = token.get("content") if isinstance(token, dict) else token
        if isinstance(spelling, str) and spelling in known:
            yield f"tokenizer.ggml.{ours}_token_id", known[spelling]
        elif key in ("bos_token", "eos_token") and key not in settings and (ids := _ids(config, f"{key}_id")):
            yield f"tokenizer.ggml.{ours}_token_id", ids[0]
    # As transformers and vLLM have it: the model's configuration counts where that for generating says nothing.
    yield END_TOKENS, _ids(generation, "eos_token_id") or _ids(config, "eos_token_id")


def _ids(values: Mapping[str, Any], key: str) -> list[int]:
    value = values.get(key)
    return [item for item in (value if isinstance(value, list) else [value]) if type(item) is int and item >= 0]


def _frame(tokenizer: TokenizerFile, settings: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Whether texts begin with the start token and end with the end token."""
    for name, framed in zip(("bos", "eos"), tokenizer.frame(), strict=True):
        stated = settings.get(f"add_{name}_token")
        wanted = stated if isinstance(stated, bool) else framed
        yield f"tokenizer.ggml.add_{name}_token", wanted is True


def _template(folder: Path, settings: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """The chat template: a file of its own, or in the tokenizer's settings, perhaps among others with names."""
    template: object = read_text(folder / "chat_template.jinja")
    if template is None:
        template = (read_object(folder / "chat_template.json") or settings).get("chat_template")
    if isinstance(template, list):
        named = [entry for entry in template if isinstance(entry, dict)]
        chosen = next((entry for entry in named if entry.get("name") == "default"), named[0] if named else {})
        template = chosen.get("template")
    if isinstance(template, str) and template.strip():
        yield "tokenizer.chat_template", template
    elif template is not None and not isinstance(template, str):
        corrupt(folder.name, "its chat_template is no text")


def _sampling(generation: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """How the model's makers sample."""
    if generation.get("do_sample") is False:
        return
    for name, key in SAMPLING_KEYS.items():
        value = generation.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST_SETTING:
            yield key, value


def _pooling(folder: Path, architecture: str) -> Iterator[tuple[str, object]]:
    """How sentence-transformers makes a vector of a text, where the model was made for that."""
    pooling = read_object(folder / "1_Pooling" / "config.json")
    if pooling is None:
        pooling = read_object(folder / "pooling.json") or {}
    if pooling.get("pooling_mode_lasttoken") is True:
        yield f"{architecture}.pooling_type", _LAST
    elif pooling.get("pooling_mode_mean_tokens") is True:
        yield f"{architecture}.pooling_type", _MEAN
