"""The OpenAPI document, tried by schemathesis: nothing like what it describes gets a 500, or no answer at all."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests.server.conftest import RunningServer, running_server

EXAMPLES = 12  # of each operation and mode
SECONDS = 20  # that one answer may take
WITHOUT_TRIAL = {"/api/pull"}  # it would ask the model hubs for each name


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(max_model_len=256) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_operation_fails_or_hangs(server: RunningServer, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{server.http.base_url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    assert len(operations) > 20
    for operation in operations:
        if operation.path in WITHOUT_TRIAL:
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        def answers(case: schemathesis.Case[Any]) -> None:
            response = case.call(timeout=SECONDS)
            assert response.status_code < 500, f"{case.method} {case.path}: {response.text:.300}"

        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is sent
            answers()
    assert server.complete("still here").status_code == 200
