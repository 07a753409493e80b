"""The tokenizer: text to token ids and back, built from what a GGUF file says about its vocabulary."""

from sevenb.model.tokenizer.rendered_prompt import RenderedPrompt
from sevenb.model.tokenizer.tokenizer import Tokenizer

__all__ = ["RenderedPrompt", "Tokenizer"]
