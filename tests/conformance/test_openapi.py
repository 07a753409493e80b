"""The OpenAPI document, tried by schemathesis: no operation fails or hangs, and answers are as they are described."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.server.conftest import RunningServer, running_server

EXAMPLES = 8  # of each operation and mode
SECONDS = 60  # that one answer may take
WITHOUT_TRIAL = {"/api/pull"}  # it would ask the model hubs for each name


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(max_model_len=256) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_as_it_is_described(server: RunningServer, mode: GenerationMode) -> None:
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
            # A schema cannot tell all that makes a request impossible: other fields, the model, the context.
            case.validate_response(response, excluded_checks=[positive_data_acceptance])

        with contextlib.suppress(Unsatisfiable):  # nothing can be wrong where nothing is sent
            answers()
    assert server.complete("still here").status_code == 200
