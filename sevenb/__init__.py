"""sevenb: run Qwen2.5-class language models on your own hardware, privately.

>>> from sevenb import LLM, SamplingParams
>>> llm = LLM("qwen2.5-coder:0.5b")
>>> llm.generate(["def fib(n):"], SamplingParams(temperature=0, max_tokens=64))[0].outputs[0].text
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["LLM", "SamplingParams", "__version__"]

if TYPE_CHECKING:
    from sevenb.engine.llm import LLM
    from sevenb.engine.sampling_params import SamplingParams


def __getattr__(name: str) -> Any:
    # Lazy, so that `sevenb --help` does not pay for loading the engine.
    if name == "LLM":
        from sevenb.engine.llm import LLM

        return LLM
    if name == "SamplingParams":
        from sevenb.engine.sampling_params import SamplingParams

        return SamplingParams
    raise AttributeError(f"module 'sevenb' has no attribute {name!r}")
