"""Two real models in one server, and its keys, as a user starts it."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Program, serving
from tests.processes import left_after

KEYS = {"Authorization": "Bearer one"}, {"x-api-key": "two"}


@pytest.fixture(scope="module")
def two_models(smollm2: Path, coder_05b: Path) -> Iterator[Program]:
    arguments = [str(coder_05b), "--max-model-len", "2048", "--memory-budget", "3", "--only", "--rate-limit", "1000"]
    with serving(smollm2, *arguments, SEVENB_API_KEY="one,two") as program:
        yield program


def client(program: Program, number: int = 0) -> httpx.Client:
    return httpx.Client(base_url=program.url, headers=KEYS[number], timeout=120)


def complete(http: httpx.Client, model: str, prompt: str, **fields: object) -> str:
    body = {"model": model, "prompt": prompt, "max_tokens": 3, "temperature": 0, **fields}
    response = http.post("/v1/completions", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["choices"][0]["text"])


def test_the_second_model_is_loaded_when_it_is_asked_for_and_both_answer(two_models: Program) -> None:
    with client(two_models) as http:
        cards = http.get("/v1/models").json()["data"]
        assert [(card["state"], card["max_model_len"]) for card in cards] == [("ready", 2048), ("installed", None)]
        small, coder = (card["id"] for card in cards)
        assert small.startswith("SmolLM2")
        alone = complete(http, small, "The capital of France is")
        texts: list[str] = []
        asking = [
            threading.Thread(target=lambda: texts.append(complete(http, coder, "1 2 3 4"))),
            threading.Thread(target=lambda: texts.append(complete(http, small, "The capital of France is"))),
        ]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert sorted(texts) == sorted([" 5 ", alone])
        assert {card["state"] for card in http.get("/v1/models").json()["data"]} == {"ready"}
        assert http.post("/v1/completions", json={"model": "qwen2.5-coder:0.5b", "prompt": "x"}).status_code == 404
        metrics = http.get("/metrics").text
        for name in (small, coder):
            assert f'sevenb_num_requests_running{{model_name="{name}"}}' in metrics
            assert f'sevenb_request_success_total{{finished_reason="length",model_name="{name}"}}' in metrics


def test_an_installed_model_is_loaded_when_it_is_asked_for(program: Program, smollm2: Path) -> None:
    def states(http: httpx.Client) -> dict[str, str]:
        return {card["id"]: card["state"] for card in http.get("/v1/models").json()["data"]}

    with program.http as http:
        assert next(iter(states(http))) == "coder"
        assert states(http)["smollm2:135m"] == "installed"
        assert complete(http, "smollm2", "The capital of France is").startswith(" Paris")
        assert states(http)["smollm2:135m"] == "ready"
        card = http.get("/v1/models/smollm2:135m").json()
        assert (card["id"], card["max_model_len"]) == ("smollm2:135m", 4096)
        assert complete(http, "qwen2.5-coder:0.5b", "1 2 3 4") == " 5 "
        assert "qwen2.5-coder:0.5b" not in states(http)  # the model itself, under the name that it was given
        assert http.get("/v1/models/qwen2.5-coder:0.5b").json()["id"] == "coder"
        http.post("/api/generate", json={"model": "smollm2:135m", "keep_alive": 0})
        program.until(lambda: states(http)["smollm2:135m"] == "installed")
        assert program.engine.is_running()  # the only one that is left


def test_either_key_opens_and_none_is_told(two_models: Program) -> None:
    for number in range(len(KEYS)):
        with client(two_models, number) as http:
            assert http.get("/v1/models").status_code == 200
    assert httpx.get(f"{two_models.url}/v1/models").status_code == 401
    assert httpx.get(f"{two_models.url}/health").status_code == 200


def test_ps_shows_both_to_who_has_a_key(two_models: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-m", "sevenb.cli.main", "ps"]

    def rows() -> list[str]:
        output = subprocess.run(command, capture_output=True, text=True, timeout=120).stdout
        return [line for line in output.splitlines() if two_models.url in line]

    assert len(rows()) == 1  # that it is there is no secret, what it does is
    monkeypatch.setenv("SEVENB_API_KEY", "one,two")
    assert len(rows()) == 2
    assert all("ready" in row and "2,048" in row for row in rows())


def test_both_engines_end_with_the_server(two_models: Program) -> None:
    engines = two_models.engines
    assert len(engines) == 2
    two_models.process.send_signal(signal.SIGTERM)
    assert two_models.process.wait(timeout=60) == 0
    assert left_after(engines) == []
    assert "Traceback" not in "".join(two_models.output)
