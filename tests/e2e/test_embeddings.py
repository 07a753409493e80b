"""Vectors and relevance by the real 0.5B, and by models that were made for them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

from tests.e2e.conftest import Program, serving
from tests.model.qwen3_models import speaking_qwen3

CAT, RUG, SORT = (
    "The cat is sleeping on the sofa.",
    "A kitten naps on a couch.",
    "def quicksort(items): return items if len(items) < 2 else merge(items)",
)


def vectors(program: Program, texts: list[str], **options: Any) -> np.ndarray:
    answer = program.openai.embeddings.create(model="coder", input=texts, **options)
    return np.array([entry.embedding for entry in answer.data])


# -- any model ---------------------------------------------------------------------------------------


def test_texts_that_mean_the_same_point_the_same_way(program: Program) -> None:
    cat, rug, sort = vectors(program, [CAT, RUG, SORT])
    assert cat @ rug > cat @ sort
    assert cat @ rug > rug @ sort


def test_base64_and_float_are_the_same_vectors(program: Program) -> None:
    np.testing.assert_array_equal(vectors(program, [CAT, SORT]), vectors(program, [CAT, SORT], encoding_format="float"))


def test_answers_beside_it_change_no_bit_of_a_vector(program: Program) -> None:
    texts = [CAT, RUG, SORT, "x" * 900]
    alone = [vectors(program, [text])[0] for text in texts]
    client = program.openai
    stream = client.completions.create(
        model="coder", prompt="Count: 1, 2, 3,", max_tokens=200, stream=True, extra_body={"ignore_eos": True}
    )
    with stream:
        next(iter(stream))
        reader = threading.Thread(target=lambda: [None for _ in stream])
        reader.start()
        together = vectors(program, texts)
        again = vectors(program, texts[::-1])[::-1]
        reader.join()
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(again, alone)


def test_dimensions_are_refused_by_a_model_that_was_not_trained_for_them(program: Program) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        vectors(program, [CAT], dimensions=64)
    assert caught.value.param == "dimensions"


def test_documents_are_ordered_by_any_model(program: Program) -> None:
    with program.http as http:
        answer = http.post(
            "/v1/rerank",
            json={"query": "The dog is sleeping on the sofa.", "documents": [SORT, CAT, RUG], "top_n": 2},
        ).json()
    assert [result["index"] for result in answer["results"]] == [1, 2]
    assert len(answer["results"]) == 2


# -- the family that was made for it -----------------------------------------------------------------


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory, coder_05b: Path) -> Iterator[Program]:
    path = tmp_path_factory.mktemp("models") / "qwen3-reranker.gguf"
    with serving(speaking_qwen3(path, coder_05b, **{"qwen3.pooling_type": 4}), "--pooling", "mean") as running:
        yield running


def test_fewer_dimensions_are_the_first_ones_at_length_one(embedder: Program) -> None:
    whole, half = vectors(embedder, [CAT])[0], vectors(embedder, [CAT], dimensions=32)[0]
    np.testing.assert_allclose(half, whole[:32] / np.linalg.norm(whole[:32]), atol=1e-6)
    with pytest.raises(openai.BadRequestError, match="have 64"):
        vectors(embedder, [CAT], dimensions=65)


def test_the_end_token_is_added_once(embedder: Program) -> None:
    np.testing.assert_array_equal(*vectors(embedder, [CAT, CAT + "<|endoftext|>"]))
    answer = embedder.openai.embeddings.create(model="coder", input="one two")
    assert answer.usage.prompt_tokens == 3


def test_a_reranker_tells_the_probability_of_a_yes(reranker: Program) -> None:
    documents = [CAT, SORT, RUG]
    with reranker.http as http:
        answer = http.post("/v1/rerank", json={"query": "Who sleeps?", "documents": documents}).json()
        scores = {result["index"]: result["relevance_score"] for result in answer["results"]}
        for index, document in enumerate(documents):
            told = _yes_or_no(http, "Who sleeps?", document)
            assert scores[index] == pytest.approx(told, abs=1e-5)
    assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_only_so_much_of_each_document_is_read(reranker: Program) -> None:
    long, short = "word " * 2000, "word"
    question = {"query": "Who sleeps?", "documents": [long, short]}
    with reranker.http as http:
        refused = http.post("/v1/rerank", json=question)
        one, other = http.post("/v1/rerank", json=question | {"max_tokens_per_doc": 1}).json()["results"]
        fitted = http.post("/v1/rerank", json=question | {"max_tokens_per_doc": 100_000})
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert one["relevance_score"] == other["relevance_score"]
    assert fitted.status_code == 200


def _yes_or_no(http: Any, query: str, document: str) -> float:
    """The same by hand: the model card's prompt as a completion, and the softmax over its two words."""
    prompt = (
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
        "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
        f"<Query>: {query}\n<Document>: {document}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    )
    logprobs = []
    for token_id in (9693, 2152):  # yes, no
        answer = http.post(
            "/v1/completions",
            json={"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": 0, "logit_bias": {token_id: 100}},
        ).json()
        logprobs += answer["choices"][0]["logprobs"]["token_logprobs"]
    yes, no = np.exp(logprobs)
    return float(yes / (yes + no))


def test_another_pooling_may_be_chosen(reranker: Program, embedder: Program) -> None:
    name = reranker.openai.models.list().data[0].id
    mean = reranker.openai.embeddings.create(model=name, input=CAT).data[0].embedding
    last = embedder.openai.embeddings.create(model="coder", input=CAT).data[0].embedding
    assert len(mean) == len(last) == 64
    assert abs(np.dot(mean, last)) < 0.999
