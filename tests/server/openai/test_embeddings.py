"""Vectors over HTTP: OpenAI's client, every form of input, and what is refused."""

import base64
import re
from typing import Any

import numpy as np
import openai
import pytest

from tests.server.conftest import RunningServer
from tests.server.fake_engine import VECTOR_SIZE


@pytest.fixture(scope="module")
def client(server: RunningServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=str(server.http.base_url) + "/v1", api_key="unused", max_retries=0)


def expected(text: str) -> np.ndarray:
    counts = np.bincount(np.frombuffer(text.encode(), np.uint8) % VECTOR_SIZE, minlength=VECTOR_SIZE)
    return (counts / np.linalg.norm(counts)).astype(np.float32)


def embed(server: RunningServer, given: Any, **body: Any) -> list[np.ndarray]:
    answer = server.post("/v1/embeddings", input=given, **body).json()
    assert [entry["index"] for entry in answer["data"]] == list(range(len(answer["data"])))
    return [np.array(entry["embedding"], np.float32) for entry in answer["data"]]


def test_base64_which_the_client_sends_by_default_and_float_are_the_same_vectors(client: openai.OpenAI) -> None:
    texts = ["to be", "or not to be", "你好"]
    default = client.embeddings.create(model="echo", input=texts)
    plain = client.embeddings.create(model="echo", input=texts, encoding_format="float")
    raw = client.embeddings.with_raw_response.create(model="echo", input=texts)
    for entry, other, written in zip(default.data, plain.data, raw.http_response.json()["data"], strict=True):
        assert entry.embedding == other.embedding
        assert np.frombuffer(base64.b64decode(written["embedding"]), "<f4").tolist() == entry.embedding
        np.testing.assert_allclose(entry.embedding, expected(texts[entry.index]), rtol=1e-6)
    assert default.usage.prompt_tokens == default.usage.total_tokens == sum(len(text.encode()) for text in texts)
    assert default.model == "echo"


def test_vectors_have_length_one(server: RunningServer) -> None:
    for vector in embed(server, ["a", "abcdefgh" * 50]):
        assert np.linalg.norm(vector.astype(np.float64)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("hello", ["hello"]),
        (["hello", "you"], ["hello", "you"]),
        (list(b"hello"), ["hello"]),
        ([list(b"hello"), list(b"you")], ["hello", "you"]),
        (["x" * n for n in range(1, 400)], ["x" * n for n in range(1, 400)]),
    ],
)
def test_every_form_of_input(server: RunningServer, given: Any, texts: list[str]) -> None:
    vectors = embed(server, given)
    assert len(vectors) == len(texts)
    for vector, text in zip(vectors, texts, strict=True):
        np.testing.assert_allclose(vector, expected(text), rtol=1e-6)


@pytest.mark.parametrize(
    ("body", "parameter", "said"),
    [
        ({}, "input", "required"),
        ({"input": ""}, "input", "is empty"),
        ({"input": []}, "input", "send 1 to 2048"),
        ({"input": ["a", ""]}, "input", r"input\[1\] is empty"),
        ({"input": [[]]}, "input", "is empty"),
        ({"input": ["a"] * 2049}, "input", "holds 2049 inputs"),
        ({"input": [1.5]}, "input", "must be"),
        ({"input": ["a", 1]}, "input", "must be"),
        ({"input": [[999]]}, "input", "token id 999"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format", "'float' or 'base64'"),
        ({"input": "a", "dimensions": 4}, "dimensions", "was not trained"),
        ({"input": "a", "dimensions": 0}, "dimensions", "greater than or equal to 1"),
        ({"input": "x" * 4097}, "input", "4097"),
        ({"input": "a", "truncate_prompt_tokens": 0}, "truncate_prompt_tokens", "at least 1"),
    ],
)
def test_a_bad_request_names_the_field(server: RunningServer, body: dict[str, Any], parameter: str, said: str) -> None:
    response = server.post("/v1/embeddings", **body)
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["param"].startswith(parameter)
    assert re.search(said, error["message"])


def test_the_whole_context_may_be_used(server: RunningServer) -> None:
    (vector,) = embed(server, "x" * 4096)
    np.testing.assert_allclose(vector, expected("x" * 4096), rtol=1e-6)


def test_dimensions_that_a_model_has_are_no_wish(server: RunningServer) -> None:
    assert len(embed(server, "a", dimensions=VECTOR_SIZE)[0]) == VECTOR_SIZE


def test_a_long_text_is_cut_only_where_the_request_says_so(server: RunningServer) -> None:
    answer = server.post("/v1/embeddings", input=["abc" * 2000, "abc"], truncate_prompt_tokens=-1).json()
    assert answer["usage"] == {"prompt_tokens": 4099, "total_tokens": 4099, "truncated_tokens": 1904}
    (vector,) = embed(server, "abcdefgh", truncate_prompt_tokens=3)
    np.testing.assert_allclose(vector, expected("abc"), rtol=1e-6)


# -- relevance ---------------------------------------------------------------------------------------


def rerank(server: RunningServer, **body: Any) -> dict[str, Any]:
    documents = ["zzz", "a cat sat", {"text": "the cat sat on it"}]
    answer: dict[str, Any] = server.post(
        "/v1/rerank", **{"query": "the cat sat on it", "documents": documents} | body
    ).json()
    return answer


def test_documents_are_ordered_by_relevance(server: RunningServer) -> None:
    answer = rerank(server)
    scores = [result["relevance_score"] for result in answer["results"]]
    assert [result["index"] for result in answer["results"]] == [2, 1, 0]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1.0)
    assert answer["results"][0]["document"] == {"text": "the cat sat on it"}
    assert answer["model"] == "echo"
    assert answer["usage"]["total_tokens"] == 17 + 3 + 9 + 17


def test_only_the_best_are_returned_where_asked_for(server: RunningServer) -> None:
    answer = rerank(server, top_n=1, return_documents=False)
    assert [set(result) for result in answer["results"]] == [{"index", "relevance_score"}]
    assert len(rerank(server, top_n=0)["results"]) == 3


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_every_dialect_finds_its_path(server: RunningServer, path: str) -> None:
    assert server.post(path, query="a", documents=["b"]).status_code == 200


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"documents": []}, "documents"),
        ({"documents": "text"}, "documents"),
        ({"documents": [3]}, "documents"),
        ({"documents": ["a", ""]}, "documents"),
        ({"documents": ["x" * 5000]}, "documents"),
        ({"query": ""}, "query"),
        ({"query": "x" * 5000}, "query"),
        ({"top_n": -1}, "top_n"),
        ({"max_tokens_per_doc": 0}, "max_tokens_per_doc"),
    ],
)
def test_a_bad_question_names_the_field(server: RunningServer, body: dict[str, Any], parameter: str) -> None:
    assert rerank(server, **body)["error"]["param"].startswith(parameter)


def test_long_documents_are_cut_where_asked_for(server: RunningServer) -> None:
    answer = rerank(server, documents=["the cat sat on it" + "z" * 5000], max_tokens_per_doc=17)
    assert answer["results"][0]["relevance_score"] == pytest.approx(1.0)


# -- editor completion -------------------------------------------------------------------------------


def test_a_model_that_cannot_fill_in_says_so_in_llama_cpps_shape(server: RunningServer) -> None:
    response = server.post("/infill", input_prefix="a", input_suffix="b")
    assert response.status_code == 400
    assert response.json()["error"].keys() == {"code", "message", "type"}
    assert "not trained to fill in the middle" in response.json()["error"]["message"]
