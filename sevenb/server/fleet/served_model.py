"""`ServedModel`: a loaded model as one name means it, which is what a route works with."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sevenb import __version__
from sevenb.engine.handle import EngineHandle
from sevenb.engine.messages import EngineReady
from sevenb.model.embedding import EmbeddingStyle
from sevenb.server.metrics import ModelMetrics

if TYPE_CHECKING:
    from sevenb.model.chat_template import ChatTemplate
    from sevenb.model.tokenizer import Tokenizer


@dataclass(frozen=True)
class ModelText:
    """What turns text into token ids and back for one model, and how it makes vectors of them.

    ``sampling`` is what its makers recommend, for what requests leave out.
    """

    tokenizer: "Tokenizer"
    chat_template: "ChatTemplate"
    embedding: EmbeddingStyle = field(default_factory=EmbeddingStyle)
    sampling: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ServedModel:
    """A model behind the routes, loaded, as one name means it.

    ``name`` is what answers call it, ``root`` where it came from, ``adapter`` the LoRA adapter that the name stands
    for, if it does; requests go to ``client``, figures about them to ``metrics``.
    """

    text: ModelText
    engine: EngineReady
    client: EngineHandle
    metrics: ModelMetrics
    name: str
    root: str
    adapter: str | None = None

    @property
    def max_model_len(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self.engine.max_model_len

    @property
    def fingerprint(self) -> str:
        """OpenAI's ``system_fingerprint``: the same for as long as the same request and seed give the same text."""
        identity = f"{__version__} {self.engine.model_name} {self.engine.weight_bytes} {self.engine.device}"
        if self.adapter is not None:
            identity += f" {self.adapter}"
        return f"sevenb-{__version__}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
