"""The service behind the routes, where a route cannot show it."""

import asyncio
import sys

from sevenb.engine.client import EngineClient
from sevenb.errors import UnsupportedModel
from sevenb.server.service import ModelText, Service
from tests.server import fake_engine


def test_a_tokenizer_that_cannot_be_built_is_a_failure_of_the_service() -> None:
    def load_text() -> ModelText:
        raise UnsupportedModel("This tokenizer is of another kind; choose another model.")

    async def test() -> None:
        client = EngineClient(b"{}", command=(sys.executable, fake_engine.__file__))
        await client.start()
        service = Service(client, load_text, names=["echo"], root="echo")
        service.start()
        assert isinstance(await asyncio.wait_for(service.wait_failed(), 20), UnsupportedModel)
        await client.wait_ready(20)
        assert not service.ready
        await service.close()

    asyncio.run(test())
