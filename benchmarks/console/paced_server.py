"""A server that says one text at a set pace: ``python -m benchmarks.console.paced_server MODEL TOKENS_A_SECOND``.

The tokens are those of MODEL, a GGUF file. The engine is the tests' fake one: it hardly computes.
"""

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.console.material import sections
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.embedding import EmbeddingStyle
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.app import create_app
from sevenb.server.listener import listen
from sevenb.server.runner import Server
from sevenb.server.service import ModelText, Service
from sevenb.workspace import Workspace
from tests.server.fake_engine import FakeConfig
from tests.server.fake_server import FakeModel

SECTIONS = 100  # more than any answer that is measured
STEP_OVERHEAD = 0.001  # seconds that a step of the fake engine takes beside its sleep


@dataclass(frozen=True)
class PacedModel(FakeModel):
    """Whatever it is asked, it says the same `sections`."""

    vocabulary: Path = Path()

    def load_text(self) -> ModelText:
        """The tokenizer of the file, and a template that leaves nothing but the text for the engine to repeat."""
        with Checkpoint.open(self.vocabulary) as checkpoint:
            tokenizer = Tokenizer.from_metadata(checkpoint.metadata)
        template = ChatTemplate(f"{{% raw %}}{sections(SECTIONS)}{{% endraw %}}", tokenizer)
        return ModelText(tokenizer, template, EmbeddingStyle(size=8))


async def main(vocabulary: Path, tokens_a_second: float) -> None:
    """Serve on a free port, which is printed."""
    config = FakeConfig(step_seconds=1 / tokens_a_second - STEP_OVERHEAD, max_model_len=100_000)
    listener = listen("127.0.0.1", 0)
    service = Service([PacedModel(msgspec.json.encode(config), ["paced"], vocabulary=vocabulary)])
    with tempfile.TemporaryDirectory() as folder:
        await service.start()
        app = create_app(service, workspace=Workspace.open(f"sqlite:///{folder}/workspace.db"))
        print(listener.getsockname()[1], flush=True)
        await Server(app, service).serve([listener])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
