"""`OutputProcessor`: turns the token ids of one request back into text, stops, and records of log-probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

from sevenb.engine.completion import Completion, CompletionOutput, TokenLogprob
from sevenb.engine.messages import RequestOutput, SequenceOutput, Timings, TokenOutput
from sevenb.engine.sampling_params import SamplingParams
from sevenb.model.detokenizer import IncrementalDetokenizer, StopStrings
from sevenb.model.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class SequenceDelta:
    """What one answer gained. ``text`` may be empty: half a character, or the beginning of a stop string, waits."""

    index: int
    text: str
    token_ids: list[int]
    logprobs: list[TokenLogprob] | None
    finish_reason: str | None = None
    stop_reason: str | int | None = None


def stop_token_ids(tokenizer: Tokenizer, params: SamplingParams) -> list[int]:
    """The tokens that end a sequence in the engine: the model's own, unless they are ignored, and those asked for."""
    end_ids = frozenset[int]() if params.ignore_eos else tokenizer.end_ids
    # A stop string that spells a special token would never be met in the text, which does not show them.
    special_tokens = tokenizer.special_tokens
    spelled = {special_tokens[text] for text in params.stop if text in special_tokens}
    return sorted(end_ids | spelled | set(params.stop_token_ids))


class OutputProcessor:
    """One request's way back from the engine: feed it every `RequestOutput`, in order.

    Of answers to be ranked, the best are told all at once when the last one has ended.
    """

    def __init__(self, tokenizer: Tokenizer, prompt_token_ids: Sequence[int], params: SamplingParams) -> None:
        self.prompt_logprobs: list[TokenLogprob | None] | None = None
        self.cached_tokens = 0
        self.timings: Timings | None = None
        self.stopped: list[int] = []  # in the last news, by a stop string: for the caller to abort in the engine
        self._tokenizer = tokenizer
        self._prompt_token_ids = list(prompt_token_ids)
        self._params = params
        self._texts = [_SequenceText(tokenizer, params) for _ in range(params.candidates)]
        self._told = False  # of ranked answers

    def process(self, output: RequestOutput) -> list[SequenceDelta]:
        """Take the news of one step; returns what there is to tell about each sequence."""
        self.cached_tokens = output.cached_tokens
        self.timings = output.timings
        if output.prompt_logprobs is not None:
            self.prompt_logprobs = self._read_prompt_logprobs(output.prompt_logprobs)
        self.stopped = []
        deltas = []
        for news in output.sequences:
            text = self._texts[news.index]
            if not text.finished:
                deltas.append(text.take(news))
                if text.finished and news.finish_reason is None:
                    self.stopped.append(news.index)
        if not self._params.ranked:
            return deltas
        if self._told or not self.finished:
            return []
        self._told = True
        return [text.delta(index) for index, text in enumerate(self._best())]

    @property
    def finished(self) -> bool:
        """Whether every answer has ended, though the engine may not know it yet."""
        return all(text.finished for text in self._texts)

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt."""
        return len(self._prompt_token_ids)

    @property
    def completion_tokens(self) -> int:
        """Tokens of all answers, each up to the one that completed its stop."""
        return sum(len(text.token_ids) for text in self._texts)

    def completion(self, prompt: str | None = None) -> Completion:
        """All that has come so far."""
        return Completion(
            prompt=prompt,
            prompt_token_ids=self._prompt_token_ids,
            outputs=[text.output(index) for index, text in enumerate(self._best())],
            prompt_logprobs=self.prompt_logprobs,
            cached_tokens=self.cached_tokens,
            timings=self.timings,
        )

    def _best(self) -> "list[_SequenceText]":
        """The answers to return: the ``n`` most probable, if they are ranked."""
        if not self._params.ranked:
            return self._texts
        return sorted(self._texts, key=lambda text: -text.mean_logprob)[: self._params.n]

    def _read_prompt_logprobs(self, records: Sequence[TokenOutput]) -> list[TokenLogprob | None]:
        detokenizer = IncrementalDetokenizer(self._tokenizer, skip_special_tokens=False)
        offset = len(detokenizer.add(self._prompt_token_ids[0]))
        result: list[TokenLogprob | None] = [None]
        for record in records:
            result.append(_token_logprob(self._tokenizer, record, offset))
            offset += len(detokenizer.add(record.token_id))
        return result


class _SequenceText:
    """One answer as it grows."""

    def __init__(self, tokenizer: Tokenizer, params: SamplingParams) -> None:
        self.token_ids: list[int] = []
        self._tokenizer = tokenizer
        self._params = params
        self._text = ""
        self._logprob: float | None = 0.0  # of all tokens, where the engine tells it
        self._decoded = 0  # characters, those that wait included
        self._logprobs: list[TokenLogprob] | None = None if params.logprobs is None else []
        self._detokenizer = IncrementalDetokenizer(tokenizer, params.skip_special_tokens)
        self._stops = StopStrings(params.stop, include=params.include_stop_str_in_output)
        self._finish_reason: str | None = None
        self._stop_reason: str | int | None = None

    @property
    def finished(self) -> bool:
        return self._finish_reason is not None

    def take(self, news: SequenceOutput) -> SequenceDelta:
        tokens_before, text_before = len(self.token_ids), len(self._text)
        for token in news.tokens:
            self._take_token(token, ends=token.token_id == news.stop_token_id)
            if self._stops.found is not None:
                self._finish_reason, self._stop_reason = "stop", self._stops.found
                break
        if news.finish_reason is not None and not self.finished:
            self._finish(news)
        return self.delta(news.index, tokens_before, text_before)

    def delta(self, index: int, token_ids: int = 0, text: int = 0) -> SequenceDelta:
        """What was gained after so many tokens and characters."""
        return SequenceDelta(
            index=index,
            text=self._text[text:],
            token_ids=self.token_ids[token_ids:],
            logprobs=None if self._logprobs is None else self._logprobs[token_ids:],
            finish_reason=self._finish_reason,
            stop_reason=self._stop_reason,
        )

    def output(self, index: int) -> CompletionOutput:
        return CompletionOutput(
            index,
            self._text,
            self.token_ids,
            self._logprobs,
            self._finish_reason,
            self._stop_reason,
            cumulative_logprob=self._logprob,
        )

    @property
    def mean_logprob(self) -> float:
        return (self._logprob or 0.0) / max(1, len(self.token_ids))

    def _take_token(self, token: TokenOutput, *, ends: bool) -> None:
        self.token_ids.append(token.token_id)
        if self._logprob is not None:
            self._logprob = None if token.logprob is None else self._logprob + token.logprob
        if self._logprobs is not None:
            self._logprobs.append(_token_logprob(self._tokenizer, token, self._decoded))
        if not ends or self._params.include_stop_str_in_output:
            self._add_text(self._detokenizer.add(token.token_id))

    def _add_text(self, text: str) -> None:
        self._decoded += len(text)
        if len(self.token_ids) > self._params.min_tokens:
            text = self._stops.add(text)
        self._text += text

    def _finish(self, news: SequenceOutput) -> None:
        self._finish_reason = news.finish_reason
        if news.stop_token_id is not None and news.stop_token_id not in self._tokenizer.end_ids:
            self._stop_reason = news.stop_token_id
        self._text += self._stops.finish()


def _token_logprob(tokenizer: Tokenizer, token: TokenOutput, text_offset: int) -> TokenLogprob:
    def record(token_id: int, logprob: float, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        text = tokenizer.token_bytes(token_id)
        return TokenLogprob(token_id, text.decode(errors="replace"), text, logprob, text_offset, top)

    assert token.logprob is not None
    return record(token.token_id, token.logprob, tuple(record(*entry) for entry in token.top_logprobs))
