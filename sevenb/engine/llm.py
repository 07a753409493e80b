"""`LLM`: the engine in this very process, for Python programs and the terminal chat."""

import operator
import threading
import time
import uuid
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track

from sevenb.engine.completion import Completion
from sevenb.engine.device_choice import check_device
from sevenb.engine.engine import Engine, Report
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.failures import rebuild_error
from sevenb.engine.loader import ReportLoading, load_engine
from sevenb.engine.messages import (
    AddRequest,
    EngineReady,
    EngineStats,
    LoadPlan,
    LoadProgress,
    RequestFailed,
)
from sevenb.engine.output_processor import OutputProcessor, SequenceDelta, stop_token_ids
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.shape import Job, Structured, constrained, constraint_of, prove, streamable
from sevenb.errors import EngineNotReady, InvalidRequest, SevenbError
from sevenb.model.catalog import display_name
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.download_progress import showing_downloads
from sevenb.model.recommended_sampling import recommended_sampling
from sevenb.model.store import Store
from sevenb.model.tokenizer import Tokenizer

Prompt = str | Sequence[int]
Message = Mapping[str, object]


class LLM:
    """One loaded model. Calls made side by side, from streams that overlap or from several threads, share its steps.

    >>> with LLM("qwen2.5-coder:0.5b") as llm:
    ...     print(llm.generate("def fib(n):", SamplingParams(temperature=0, max_tokens=64))[0].outputs[0].text)
    """

    def __init__(
        self,
        model: str | Path,
        *,
        backend: str = "auto",
        threads: int | None = None,
        max_model_len: int | None = None,
        seed: int | None = None,
        announce: Callable[[LoadPlan], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
        **options: Any,
    ) -> None:
        """``model`` is a path, a catalog name or a repository id; it is downloaded if it is not here yet.

        ``options`` are the other fields of `EngineConfig`. ``announce`` is told what memory will be taken before it is,
        ``progress`` is called with bytes packed and in all.
        """
        store = Store()
        fields = {
            "model": str(model),
            "served_model_name": display_name(store.reference(str(model))),
            "backend": backend,
            "threads": threads,
            "max_model_len": max_model_len,
            "seed": seed,
        }
        try:
            config = msgspec.convert(fields | options, EngineConfig)
        except msgspec.ValidationError as error:
            raise InvalidRequest(f"{error}.") from None
        check_device(config)  # before a download of gigabytes
        path = _ensure(store, str(model))
        draft = config.speculative_model and str(_ensure(store, config.speculative_model))
        config = msgspec.structs.replace(config, model=str(path), speculative_model=draft)
        self._engine: Engine | None
        self.info: EngineReady
        # Packing weights and building the tokenizer take about as long in a small model, and both leave Python free.
        with ThreadPoolExecutor(1, "tokenizer") as beside:
            texts = beside.submit(_load_texts, path)
            self._engine, self.info = load_engine(config, _loading_reporter(announce, progress))
        try:
            self.tokenizer, self.chat_template, self.recommended_sampling = texts.result()
        except SevenbError:
            self._engine.close()
            raise
        self._lock = threading.RLock()  # over the engine and the inboxes
        self._inboxes: dict[str, deque[Report]] = {}  # what steps brought to requests under way, until they read it
        self._dropped: deque[str] = deque()  # requests whose stream is gone, for the next call to abandon

    # -- whole answers ---------------------------------------------------------------------------------

    def generate(
        self,
        prompts: Prompt | Iterable[Prompt],
        sampling_params: SamplingParams | Sequence[SamplingParams] | None = None,
        *,
        structured: Structured = None,
        adapter: str | Sequence[str] = "",
        progress: bool = False,
    ) -> list[Completion]:
        """Complete each prompt, all side by side; answers come in the order of the prompts.

        A prompt is text, in which special tokens count as such, or a list of token ids. One `SamplingParams` serves all
        prompts, a list has one for each; so it is with ``adapter``, a name in ``lora_modules``, "" for the model alone.
        ``progress`` shows a bar on the terminal.

        ``structured`` is the shape that every answer has unless its length cuts it short: a Pydantic model class, a
        JSON Schema or an `OutputFormat`. `InvalidRequest` says which part of a shape cannot be guaranteed. With a shape
        and without ``sampling_params`` an answer may be as long as the context allows.
        """
        listed = _as_list(prompts)
        texts = [prompt if isinstance(prompt, str) else None for prompt in listed]
        token_ids = [self._encode(prompt) for prompt in listed]
        params = sampling_params or self.default_sampling_params(16 if structured is None else None)
        return self._complete(texts, token_ids, params, structured, adapter, progress=progress)

    def chat(
        self,
        messages: Sequence[Message] | Sequence[Sequence[Message]],
        sampling_params: SamplingParams | Sequence[SamplingParams] | None = None,
        *,
        structured: Structured = None,
        adapter: str | Sequence[str] = "",
        progress: bool = False,
        **template_variables: object,
    ) -> list[Completion]:
        """Answer one conversation, or each of several, in OpenAI's form: ``[{"role": "user", "content": "…"}]``.

        Without ``sampling_params`` an answer may be as long as the context allows. For the rest see `generate`.
        """
        one = isinstance(messages, Sequence) and messages and isinstance(messages[0], Mapping)
        conversations = [messages] if one else messages
        token_ids = [self.render_chat(conversation, **template_variables) for conversation in conversations]  # type: ignore[arg-type]
        texts = [None] * len(token_ids)
        params = sampling_params or self.default_sampling_params()
        return self._complete(texts, token_ids, params, structured, adapter, progress=progress)

    # -- as it comes -----------------------------------------------------------------------------------

    def stream(
        self,
        prompt: Prompt,
        sampling_params: SamplingParams | None = None,
        *,
        structured: Structured = None,
        adapter: str = "",
    ) -> "CompletionStream":
        """Complete one prompt piece by piece.

        A shape that only a check of the whole answer can guarantee is refused with `InvalidRequest`.
        """
        params = streamable(sampling_params or self.default_sampling_params(16), structured)
        return CompletionStream(self, self._encode(prompt), params, adapter)

    def stream_chat(
        self,
        messages: Sequence[Message],
        sampling_params: SamplingParams | None = None,
        *,
        structured: Structured = None,
        adapter: str = "",
        **template_variables: object,
    ) -> "CompletionStream":
        """Answer one conversation piece by piece; see `stream`."""
        token_ids = self.render_chat(messages, **template_variables)
        params = streamable(sampling_params or self.default_sampling_params(), structured)
        return CompletionStream(self, token_ids, params, adapter)

    # -- around ----------------------------------------------------------------------------------------

    def default_sampling_params(self, max_tokens: int | None = None) -> SamplingParams:
        """What counts where no `SamplingParams` are given: what the model's makers recommend, else plain sampling."""
        return SamplingParams.from_fields({**self.recommended_sampling, "max_tokens": max_tokens})

    def render_chat(self, messages: Sequence[Message], **template_variables: object) -> list[int]:
        """Token ids of a conversation up to where the model answers. Special tokens typed in a message are text."""
        if not messages:
            raise InvalidRequest("A conversation has no messages; send at least one.", "messages")
        return self.tokenizer.encode_chat(self.chat_template.render(messages, **template_variables))  # type: ignore[arg-type]

    def stats(self) -> EngineStats:
        """What the engine has done so far and does now."""
        with self._lock:
            self._abandon_dropped()
            return self._running_engine().stats()

    def close(self) -> None:
        """Give the memory of weights and KV pool back; the object is of no use afterwards."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine = None

    def __enter__(self) -> "LLM":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- details ---------------------------------------------------------------------------------------

    def _encode(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return self.tokenizer.encode(prompt, parse_special=True)
        try:
            return [operator.index(token_id) for token_id in prompt]
        except TypeError:
            raise InvalidRequest("A prompt is neither text nor a list of token ids; send either.", "prompt") from None

    def _complete(
        self,
        texts: Sequence[str | None],
        token_ids: Sequence[list[int]],
        sampling_params: SamplingParams | Sequence[SamplingParams],
        structured: Structured,
        adapter: str | Sequence[str],
        *,
        progress: bool,
    ) -> list[Completion]:
        params = [sampling_params] * len(token_ids) if isinstance(sampling_params, SamplingParams) else sampling_params
        if not (isinstance(params, Sequence) and all(isinstance(wanted, SamplingParams) for wanted in params)):
            raise InvalidRequest("sampling_params is something else; give SamplingParams or a list.", "sampling_params")
        if len(params) != len(token_ids):
            raise InvalidRequest(
                f"There are {len(token_ids)} prompts but {len(params)} SamplingParams; give one for all or one each.",
                "sampling_params",
            )
        adapters = [adapter] * len(token_ids) if isinstance(adapter, str) else adapter
        if len(adapters) != len(token_ids):
            raise InvalidRequest(
                f"There are {len(token_ids)} prompts but {len(adapters)} adapters; give one for all or one each.",
                "adapter",
            )
        check = None
        if structured is not None:
            constraint = constraint_of(structured)
            check, params = constraint.check, [constrained(wanted, constraint) for wanted in params]
        jobs = [Job(*job) for job in zip(token_ids, params, adapters, strict=True)]
        answers = self._run(jobs, progress=progress)
        completions = [answer.completion(text) for answer, text in zip(answers, texts, strict=True)]
        if check is not None:
            prove(completions, jobs, check, lambda again: [answer.completion() for answer in self._run(again)])
        return completions

    def _run(self, jobs: Iterable[Job], *, progress: bool = False) -> list[OutputProcessor]:
        answers: dict[str, OutputProcessor] = {}
        try:
            for job in jobs:
                answers.update([self._submit(job)])
            finished = (None for _, _, done in self._serve(answers) if done)
            for _ in track(finished, "Generating", total=len(answers), disable=not progress):
                pass
        finally:
            self._abandon(answers)
        return list(answers.values())

    def _submit(self, job: Job) -> tuple[str, OutputProcessor]:
        prompt, params, adapter = job
        request = AddRequest(
            request_id=uuid.uuid4().hex,
            prompt_token_ids=prompt,
            params=params,
            stop_token_ids=stop_token_ids(self.tokenizer, params),
            arrival=time.monotonic(),
            adapter=adapter,
        )
        with self._lock:
            self._abandon_dropped()
            self._running_engine().add_request(request)
            self._inboxes[request.request_id] = deque()
        return request.request_id, OutputProcessor(self.tokenizer, prompt, params)

    def _serve(
        self, answers: Mapping[str, OutputProcessor]
    ) -> Iterator[tuple[OutputProcessor, list[SequenceDelta], bool]]:
        """Step until all of ``answers`` are finished; yields what each gains, and whether that was its last."""
        while unfinished := [request_id for request_id in answers if request_id in self._inboxes]:
            for report in self._next_reports(unfinished):
                if isinstance(report, RequestFailed):
                    raise rebuild_error(report.error, report.message, report.parameter)
                answer = answers[report.request_id]
                deltas = answer.process(report)
                if report.finished:
                    self._abandon([report.request_id])
                for index in answer.stopped:
                    self._abort(report.request_id, index)
                yield answer, deltas, report.finished

    def _next_reports(self, request_ids: Iterable[str]) -> list[Report]:
        """What steps have brought to these requests; takes one step if that is nothing."""
        with self._lock:
            self._abandon_dropped()
            inboxes = [inbox for inbox in map(self._inboxes.get, request_ids) if inbox is not None]
            if not any(inboxes):
                for report in self._running_engine().step():
                    inbox = self._inboxes.get(report.request_id)
                    if inbox is not None:  # else an abandoned one's last words
                        inbox.append(report)
            reports = [report for inbox in inboxes for report in inbox]
            for inbox in inboxes:
                inbox.clear()
            return reports

    def _abandon(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            if self._inboxes.pop(request_id, None) is not None:
                self._abort(request_id)

    def _abandon_dropped(self) -> None:
        while self._dropped:
            self._abandon([self._dropped.popleft()])

    def _abort(self, request_id: str, index: int | None = None) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.abort(request_id, index)

    def _running_engine(self) -> Engine:
        if self._engine is None:
            raise EngineNotReady("This LLM was closed; make a new one.")
        return self._engine


class CompletionStream:
    """One prompt's answer as it comes: iterate for the text. Leaving the loop early, or `close`, ends the answer.

    With ``n > 1`` the pieces of all answers come mixed; iterate `deltas` to tell them apart.
    """

    def __init__(self, llm: LLM, prompt_token_ids: list[int], params: SamplingParams, adapter: str = "") -> None:
        self._llm = llm
        self._answers = dict([llm._submit(Job(prompt_token_ids, params, adapter))])
        # A stream that nobody keeps ends, too. It can go in the midst of a step, so it only leaves word.
        weakref.finalize(self, llm._dropped.extend, list(self._answers)).atexit = False

    def __iter__(self) -> Iterator[str]:
        for delta in self.deltas():
            if delta.text:
                yield delta.text

    def deltas(self) -> Iterator[SequenceDelta]:
        """What each answer gains, with token ids, log-probabilities and finish reasons."""
        try:
            for _, deltas, _ in self._llm._serve(self._answers):
                yield from deltas
        finally:
            self.close()

    @property
    def completion(self) -> Completion:
        """All that has come so far; with ``timings`` once the stream has ended by itself."""
        (answer,) = self._answers.values()
        return answer.completion()

    def close(self) -> None:
        """End the answer now."""
        self._llm._abandon(self._answers)


def _ensure(store: Store, name: str) -> Path:
    """Where a model lies; one that is not here yet is downloaded, and people see how far that is."""
    if store.has(name):
        return store.resolve(name)
    with showing_downloads(Console(stderr=True)) as progress:
        return store.ensure(name, progress)


def _load_texts(path: Path) -> tuple[Tokenizer, ChatTemplate, dict[str, float]]:
    """What turns text into tokens and conversations into text, and how to sample, from a model's file."""
    with Checkpoint.open(path) as checkpoint:
        metadata = checkpoint.metadata
        tokenizer = Tokenizer.from_metadata(metadata)
        return tokenizer, ChatTemplate.from_metadata(metadata, tokenizer), recommended_sampling(metadata)


def _loading_reporter(
    announce: Callable[[LoadPlan], None] | None, progress: Callable[[int, int], None] | None
) -> ReportLoading:
    def report(news: LoadPlan | LoadProgress) -> None:
        if isinstance(news, LoadPlan) and announce is not None:
            announce(news)
        elif isinstance(news, LoadProgress) and progress is not None:
            progress(news.done, news.total)

    return report


def _as_list(prompts: Prompt | Iterable[Prompt]) -> list[Prompt]:
    """One prompt or several, as several."""
    if isinstance(prompts, str):
        return [prompts]
    if not isinstance(prompts, Iterable) or isinstance(prompts, bytes | Mapping):
        raise InvalidRequest(f"prompts is of the type {type(prompts).__name__}; send text or a list.", "prompts")
    listed: list[Any] = list(prompts)
    return [listed] if listed and isinstance(listed[0], Integral) else listed
