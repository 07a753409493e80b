"""A model without weights whose next token depends on every token before it, read back from a paged cache.

Each position of the cache holds the token that was stored there. The logits of a position are a hash of the tokens at
all positions up to it, found through the block table: so a block that is shared wrongly, freed too early, not copied or
not computed changes the text. `expected_tokens` makes the same text with no engine at all.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np

from sevenb.backend.protocol import Batch, FloatArray, IntArray, SampleControl, Sampled
from sevenb.engine.sampling_params import SamplingParams

VOCAB_SIZE = 96
EMPTY = -1


def logits_after(history: Sequence[int] | IntArray) -> FloatArray:
    """The fake model itself: [VOCAB_SIZE] for the token that follows ``history``."""
    digest = blake2b(np.asarray(history, dtype=np.int32).tobytes(), digest_size=8).digest()
    generator = np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
    return generator.standard_normal(VOCAB_SIZE).astype(np.float32) * 2


class FakeCache:
    """What lies at [block, offset]: a token id or `EMPTY`."""

    def __init__(self, blocks: int, block_size: int) -> None:
        self.tokens = np.full((blocks, block_size), EMPTY, dtype=np.int64)


class FakeRope:
    """Cosine: the position. Sine: its negative times the place of the profile, from 1, among ``contexts``."""

    def __init__(self, contexts: Mapping[str, int] | None = None) -> None:
        self.contexts = contexts or {"": 10**9}

    def choose(self, prompt_tokens: int, max_tokens: int | None) -> str:
        needed = prompt_tokens + (max_tokens or 1)
        return next((name for name, context in self.contexts.items() if context >= needed), list(self.contexts)[-1])

    def angles(self, positions: IntArray, profile: str) -> tuple[FloatArray, FloatArray]:
        angles = positions[:, None].astype(np.float32)
        return angles, -angles * (1 + list(self.contexts).index(profile))


class FakeDecoder:
    """Checks every batch, stores its tokens, and answers from what the cache holds.

    ``now`` is its clock: a step takes ``step_seconds`` and ``token_seconds`` for each token.
    """

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.now = 0.0
        self.step_seconds = 0.01
        self.token_seconds = 0.001
        self.fail_on: int | None = None  # a token id that the model cannot stand

    def forward(self, batch: Batch, cache: FakeCache) -> FloatArray:
        return self.forward_with_states(batch, cache, ())[0]

    def forward_with_states(
        self, batch: Batch, cache: FakeCache, state_rows: Sequence[int]
    ) -> tuple[FloatArray, FloatArray]:
        self.batches.append(batch)
        self.now += self.step_seconds + self.token_seconds * batch.tokens
        if self.fail_on is not None and self.fail_on in batch.token_ids:
            raise RuntimeError(f"token {self.fail_on} makes this model fail")
        for array in (batch.token_ids, batch.positions, batch.query_starts, batch.context_lengths):
            assert array.dtype == np.int32
            assert array.ndim == 1
        assert batch.block_tables.dtype == np.int32
        assert np.array_equal(batch.rope_cos[:, 0], batch.positions)
        block_size = cache.tokens.shape[1]
        written: set[tuple[int, int]] = set()
        rows: dict[int, FloatArray] = {}
        for index, context_length in enumerate(batch.context_lengths):
            start, stop = batch.query_starts[index : index + 2]
            positions = batch.positions[start:stop]
            assert stop > start
            assert np.array_equal(positions, np.arange(context_length - (stop - start), context_length))
            table = batch.block_tables[index]
            for token_id, position in zip(batch.token_ids[start:stop], positions, strict=True):
                slot = int(table[position // block_size]), int(position % block_size)
                assert slot not in written, "two sequences write the same position of a block"
                written.add(slot)
                cache.tokens[slot] = token_id
        for index, context_length in enumerate(batch.context_lengths):
            start, stop = batch.query_starts[index : index + 2]
            blocks = -(-context_length // block_size)
            history = cache.tokens[batch.block_tables[index, :blocks]].reshape(-1)[:context_length]
            assert EMPTY not in history, "a position is read that was never computed"
            for row in {*batch.logit_rows.tolist(), *state_rows}:
                if start <= row < stop:
                    rows[row] = logits_after(history[: batch.positions[row] + 1])
        wanted = [rows[row] for row in batch.logit_rows.tolist()]
        states = [rows[row] for row in state_rows]  # what a head that changes nothing would see
        empty = np.empty((0, VOCAB_SIZE), dtype=np.float32)
        return np.stack(wanted) if wanted else empty, np.stack(states) if states else empty


class FakeBackend:
    """The few ops the engine itself calls, written plainly."""

    def __init__(self) -> None:
        self.copied: list[tuple[int, int]] = []

    def copy_blocks(self, cache: FakeCache, pairs: Sequence[tuple[int, int]]) -> None:
        for source, target in pairs:
            cache.tokens[target] = cache.tokens[source]
            self.copied.append((source, target))

    def read_block(self, cache: FakeCache, block: int) -> bytes:
        assert EMPTY not in cache.tokens[block], "a block that lost its contents is read"
        contents: bytes = cache.tokens[block].tobytes()
        return contents

    def write_block(self, cache: FakeCache, block: int, contents: bytes) -> None:
        cache.tokens[block] = np.frombuffer(contents, dtype=cache.tokens.dtype)

    def sample(self, logits: FloatArray, controls: Sequence[SampleControl]) -> list[Sampled]:
        assert len(logits) == len(controls)
        return [sample_row(row, control) for row, control in zip(logits, controls, strict=True)]

    def to_host(self, tensor: FloatArray) -> FloatArray:
        return tensor.copy()

    def token_logprobs(
        self, logits: FloatArray, rows: Sequence[int], token_ids: Sequence[int], top: int
    ) -> list[Sampled]:
        return [
            Sampled(token_id, float(log_softmax(logits[row])[token_id]), best(log_softmax(logits[row]), top))
            for row, token_id in zip(rows, token_ids, strict=True)
        ]


def log_softmax(logits: FloatArray) -> FloatArray:
    wide = logits.astype(np.float64)
    result: FloatArray = wide - wide.max() - np.log(np.exp(wide - wide.max()).sum())
    return result


def best(logprobs: FloatArray, count: int) -> tuple[tuple[int, float], ...]:
    order = np.argsort(-logprobs, kind="stable")[:count]
    return tuple((int(token_id), float(logprobs[token_id])) for token_id in order)


def sample_row(row: FloatArray, control: SampleControl) -> Sampled:
    """One token, step by step as `SampleControl` tells it."""
    logprobs = log_softmax(row)
    scores = row.astype(np.float64).copy()
    if control.allowed is not None:
        for token_id in range(len(scores)):
            if not control.allowed[token_id // 32] >> (token_id % 32) & 1:
                scores[token_id] = -np.inf
    for token_id, bias in (control.logit_bias or {}).items():
        scores[token_id] += bias
    counts = control.output_counts or {}
    prompt = [] if control.prompt_tokens is None else control.prompt_tokens.tolist()
    for token_id in {*counts, *prompt} if control.repetition_penalty != 1.0 else ():
        positive = scores[token_id] > 0
        scores[token_id] *= 1 / control.repetition_penalty if positive else control.repetition_penalty
    for token_id, count in counts.items():
        scores[token_id] -= control.presence_penalty + count * control.frequency_penalty
    token_id = int(np.argmax(scores)) if control.temperature == 0 else _draw(scores, control)
    if control.logprobs is None:
        return Sampled(token_id)
    return Sampled(token_id, float(logprobs[token_id]), best(logprobs, control.logprobs))


def _draw(scores: FloatArray, control: SampleControl) -> int:
    probabilities = np.exp(log_softmax(scores / control.temperature))
    order = np.argsort(-probabilities, kind="stable")
    if control.top_k:
        order = order[: control.top_k]
    before = np.cumsum(probabilities[order]) - probabilities[order]
    order = order[before < control.top_p * probabilities[order].sum()]
    order = order[probabilities[order] >= control.min_p * probabilities[order[0]]]
    cumulative = np.cumsum(probabilities[order])
    return int(order[np.searchsorted(cumulative, control.uniform * cumulative[-1], side="right")])


def expected_tokens(
    prompt: Sequence[int],
    params: SamplingParams,
    *,
    index: int = 0,
    stop_token_ids: Sequence[int] = (),
    max_model_len: int = 10**9,
) -> list[int]:
    """What a request must generate, computed with no cache, no batch and no scheduler."""
    assert params.seed is not None or params.temperature == 0
    seeds = np.random.SeedSequence((params.seed or 0) % 2**64, spawn_key=(index,))
    generator = np.random.Generator(np.random.PCG64(seeds))
    history = list(prompt)
    output: list[int] = []
    room = min(params.max_tokens or 10**9, max_model_len - len(prompt))
    while len(output) < room:
        logits = logits_after(history)
        if len(output) < params.min_tokens:
            logits[list(stop_token_ids)] = -np.inf
        control = SampleControl(
            temperature=params.temperature,
            top_k=max(0, params.top_k),
            top_p=params.top_p,
            min_p=params.min_p,
            uniform=generator.random() if params.temperature > 0 else 0.0,
            repetition_penalty=params.repetition_penalty,
            presence_penalty=params.presence_penalty,
            frequency_penalty=params.frequency_penalty,
            prompt_tokens=np.unique(np.array(prompt, dtype=np.int32)),
            output_counts={token_id: output.count(token_id) for token_id in output},
            logit_bias=params.logit_bias,
        )
        token_id = sample_row(logits, control).token_id
        output.append(token_id)
        history.append(token_id)
        if token_id in stop_token_ids:
            break
    return output
