"""The service behind the routes, where a route cannot show it."""

import asyncio
from dataclasses import dataclass

from sevenb.errors import UnsupportedModel
from sevenb.server.service import ModelText, Service
from tests.server.fake_server import FakeModel


@dataclass(frozen=True)
class WithoutTokenizer(FakeModel):
    def load_text(self) -> ModelText:
        raise UnsupportedModel("This tokenizer is of another kind; choose another model.")


def test_a_tokenizer_that_cannot_be_built_is_a_failure_of_the_service() -> None:
    async def test() -> None:
        service = Service([WithoutTokenizer(b"{}", ["echo"])])
        await service.start()
        assert isinstance(await asyncio.wait_for(service.wait_failed(), 60), UnsupportedModel)
        assert service.health == "failed"
        await service.close()

    asyncio.run(test())
