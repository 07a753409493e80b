"""How a model's makers advise to sample from it, told by its file: what a request leaves out is taken from here.

A Hugging Face folder says it in ``generation_config.json``, a GGUF file in ``general.sampling.*`` (llama.cpp's keys).
"""

from collections.abc import Mapping

# The key of each parameter, and the bounds within which a value makes sense.
_STATED: Mapping[str, tuple[str, float, float]] = {
    "temperature": ("general.sampling.temp", 0.0, 100.0),
    "top_p": ("general.sampling.top_p", 1e-6, 1.0),
    "top_k": ("general.sampling.top_k", 0.0, 1e7),
    "min_p": ("general.sampling.min_p", 0.0, 1.0),
    "repetition_penalty": ("general.sampling.penalty_repeat", 1e-6, 100.0),
}
RECOMMENDED = tuple(_STATED)
SAMPLING_KEYS = {name: key for name, (key, _, _) in _STATED.items()}


def recommended_sampling(metadata: Mapping[str, object]) -> dict[str, float]:
    """The values that a file states of the `RECOMMENDED` parameters; senseless ones do not count."""
    found: dict[str, float] = {}
    for name, (key, low, high) in _STATED.items():
        value = metadata.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            found[name] = int(value) if name == "top_k" else float(value)
    return found
