"""Documents in the order of their relevance to a query, in the shape that Jina, Cohere and vLLM share."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from sevenb.engine.messages import RequestOutput
from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import ContextOverflow, UnsupportedModel
from sevenb.model.embedding import judge_prompt, query_text, verdict_ids
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.access.clients import client_of
from sevenb.server.bodies import RequestBody
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.embedding import MAX_INPUTS, embed, new_request, run_all
from sevenb.server.json_body import JsonRoute
from sevenb.server.service import ServedModel, Service
from sevenb.server.streaming import json_response, unless_client_leaves

router = APIRouter(tags=["rerank"], route_class=JsonRoute)


class DocumentText(RequestBody):
    """A document as an object."""

    text: str


class RerankRequest(RequestBody):
    """Body of ``POST /v1/rerank``."""

    query: str = Field(min_length=1)
    documents: list[str | DocumentText] = Field(min_length=1, max_length=MAX_INPUTS)
    model: str | None = Field(None, description="A name that /v1/models lists; the served model when left out.")
    top_n: int | None = Field(None, ge=0, lt=2**31, description="Only the best so many; all when left out or 0.")
    return_documents: bool | None = Field(None, description="False leaves the documents' texts out of the answer.")
    instruction: str | None = Field(None, description="What makes a document relevant, in a sentence.")
    max_tokens_per_doc: int | None = Field(
        None, ge=1, lt=2**31, description="Read only that many tokens of each document and query, the first ones."
    )
    priority: int | None = Field(None, ge=-(2**31), lt=2**31, description="Smaller runs sooner; 0 when left out.")
    user: str | None = None


class RankedDocument(BaseModel):
    """A document's text."""

    text: str


class RerankResult(BaseModel):
    """How relevant one document is: a reranker's probability of a yes, or the cosine of two vectors."""

    index: int
    relevance_score: float
    document: RankedDocument | None = None


class RerankUsage(BaseModel):
    """Tokens read."""

    prompt_tokens: int
    total_tokens: int


class Ranking(BaseModel):
    """The documents, the most relevant first."""

    id: str
    model: str
    results: list[RerankResult]
    usage: RerankUsage


@router.post("/v1/rerank", response_model=Ranking)
@router.post("/v2/rerank", response_model=Ranking, include_in_schema=False)
@router.post("/rerank", response_model=Ranking, include_in_schema=False)
async def rerank(service: ServiceDependency, request: Request, body: RerankRequest) -> Response:
    """Order documents by their relevance to a query."""
    model = await service.model(body.model)
    texts = [document if isinstance(document, str) else document.text for document in body.documents]
    question = Question(
        query=body.query,
        instruction=body.instruction,
        max_tokens=body.max_tokens_per_doc,
        priority=body.priority,
        client=client_of(request, body.user),
    )
    score = judged if model.text.embedding.reranker else compared
    scores = await unless_client_leaves(request, score(service, model, question, texts))
    best_first = sorted(range(len(texts)), key=lambda index: (-scores.values[index], index))
    results = []
    for index in best_first[: body.top_n or None]:
        result = RerankResult(index=index, relevance_score=scores.values[index])
        if body.return_documents is not False:
            result.document = RankedDocument(text=texts[index])
        results.append(result)
    return json_response(
        Ranking(
            id=f"rerank-{uuid.uuid4().hex}",
            model=body.model or model.name,
            results=results,
            usage=RerankUsage(prompt_tokens=scores.prompt_tokens, total_tokens=scores.prompt_tokens),
        )
    )


# -- how relevance is told ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """What documents are to be relevant to, and how much of each is read."""

    query: str
    instruction: str | None = None
    max_tokens: int | None = None
    priority: int | None = None
    client: str = ""


@dataclass(frozen=True)
class Scores:
    """The relevance of each document, and the tokens that were read for it."""

    values: list[float]
    prompt_tokens: int


async def judged(service: Service, model: ServedModel, question: Question, documents: Sequence[str]) -> Scores:
    """What a reranker says of each document: its probability of "yes" against "no"."""
    prompts = await service.in_thread(partial(_judge_prompts, model, question, documents))
    params = SamplingParams(
        max_tokens=1,
        temperature=0.0,
        logprobs=0,
        logprob_token_ids=_verdicts(model),
        speculation=False,
    )
    requests = [
        new_request(model, prompt, params, priority=question.priority, client=question.client) for prompt in prompts
    ]
    outputs = await run_all(model, requests)
    service.count_usage(model.name, prompt_tokens=sum(map(len, prompts)))
    return Scores([_probability_of_first(output) for output in outputs], sum(map(len, prompts)))


async def compared(service: Service, model: ServedModel, question: Question, documents: Sequence[str]) -> Scores:
    """The cosine between the vectors of the query and of each document, for models that are no rerankers."""
    ask = partial(
        embed,
        service,
        model,
        truncate=question.max_tokens is not None,
        max_tokens=question.max_tokens,
        priority=question.priority,
        client=question.client,
    )
    query = query_text(model.text.embedding, question.query, question.instruction)
    asked = await ask([query], parameter="query")
    found = await ask(documents, parameter="documents")
    cosines = found.vectors.astype(float) @ asked.vectors[0].astype(float)
    return Scores(cosines.tolist(), asked.prompt_tokens + found.prompt_tokens)


def _verdicts(model: ServedModel) -> tuple[int, int]:
    verdicts = verdict_ids(model.text.tokenizer)
    if verdicts is None:
        raise UnsupportedModel(f"{model.name} has no tokens for yes and no, so it cannot rerank; use another reranker.")
    return verdicts


def _judge_prompts(model: ServedModel, question: Question, documents: Sequence[str]) -> list[list[int]]:
    tokenizer, longest = model.text.tokenizer, model.max_model_len - 1  # the verdict is a token, too
    if question.max_tokens is not None:
        around = len(judge_prompt(tokenizer, question.query, "", question.instruction))
        limit = max(1, min(question.max_tokens, longest - around))
        documents = [_shortened(tokenizer, document, limit) for document in documents]
    prompts = [judge_prompt(tokenizer, question.query, document, question.instruction) for document in documents]
    for prompt in prompts:
        if len(prompt) > longest:
            error = ContextOverflow(len(prompt), model.max_model_len)
            error.parameter = "documents"
            raise error
    return prompts


def _shortened(tokenizer: Tokenizer, text: str, limit: int) -> str:
    """The first ``limit`` tokens of a text, without half a character at the end."""
    token_ids = tokenizer.encode(text, add_bos=False)
    return text if len(token_ids) <= limit else tokenizer.decode(token_ids[:limit]).rstrip("\ufffd")


def _probability_of_first(output: RequestOutput) -> float:
    """Softmax over the two log-probabilities that were asked for."""
    ((_, first), (_, second)) = output.sequences[0].tokens[0].top_logprobs
    return 1.0 / (1.0 + math.exp(min(second - first, 700.0)))
