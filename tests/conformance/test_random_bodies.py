"""Ten thousand random requests over all routes: each has an answer, none a 500."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.conformance.request_bodies import VALID, random_body
from tests.server.conftest import RunningServer, running_server

REQUESTS = 10_000
AT_ONCE = 16
SECONDS = 60  # that one answer may take, beside all others
WITHOUT_FUZZ = {"/api/pull"}  # it would ask the model hubs for each name


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(max_model_len=256) as running:
        yield running


def test_every_route_that_takes_a_body_is_tried(server: RunningServer) -> None:
    paths = server.http.get("/openapi.json").json()["paths"]
    posts = {path for path, methods in paths.items() if "post" in methods}
    assert posts - WITHOUT_FUZZ == VALID.keys()


@pytest.mark.slow
def test_no_random_body_gives_a_500(server: RunningServer) -> None:
    rng = random.Random(4)
    paths = list(VALID)
    bodies = [(path, random_body(rng, path)) for path in (paths[number % len(paths)] for number in range(REQUESTS))]
    failures: list[str] = []
    statuses: Counter[int] = Counter()

    async def send(client: httpx.AsyncClient, path: str, body: bytes) -> None:
        try:
            response = await client.post(path, content=body, headers={"Content-Type": "application/json"})
        except httpx.HTTPError as error:
            failures.append(f"{type(error).__name__} {path} {body[:300]!r}")
            return
        statuses[response.status_code] += 1
        if response.status_code >= 500 or "Traceback" in response.text:
            failures.append(f"{response.status_code} {path} {body[:300]!r}: {response.text[:300]}")
        elif response.status_code >= 400 and not response.json()["error"]:
            failures.append(f"an error without a word: {path} {body[:300]!r}")

    async def send_all() -> None:
        waiting = iter(bodies)
        async with httpx.AsyncClient(base_url=str(server.http.base_url), timeout=SECONDS) as client:

            async def work() -> None:
                for path, body in waiting:
                    await send(client, path, body)

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    asyncio.run(send_all())
    assert not failures, f"{len(failures)} of {REQUESTS}, statuses {dict(statuses)}\n" + "\n".join(failures[:10])
    assert statuses[200] > REQUESTS // 20
    assert statuses[400] > REQUESTS // 5
    assert server.complete("still here").status_code == 200
