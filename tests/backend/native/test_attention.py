"""RoPE, the paged KV cache and attention: exact across instruction sets, chunks and neighbours, close to float64."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from sevenb.backend.native import _kernels
from sevenb.backend.native.kv import allocate_kv, kv_block_bytes, paged_attention, paged_batch, rope_store
from sevenb.backend.protocol import AttentionSpec, Batch, FloatArray, KVLayout
from sevenb.backend.reference.quantized_kv import CENTRE_SPAN, KEY_RANGES, rounded_keys, rounded_values, slow_part
from sevenb.errors import OutOfMemory

ISAS = _kernels.available_isas()
LAYER, LAYERS = 1, 2


@dataclass(frozen=True)
class Case:
    """Shapes of one attention problem."""

    kv_heads: int = 2
    group: int = 7
    head_dim: int = 64
    rotary_dim: int | None = None
    block_size: int = 32
    dtype: str = "f16"
    window: int | None = None
    interleaved: bool = False
    biased: bool = False  # keys share a large vector, as Qwen2.5's do

    @property
    def spec(self) -> AttentionSpec:
        return AttentionSpec(
            heads=self.kv_heads * self.group,
            kv_heads=self.kv_heads,
            head_dim=self.head_dim,
            norm_eps=1e-6,
            rope_interleaved=self.interleaved,
            window=self.window,
        )


class Sequence:
    """Random projections of one sequence, with RoPE angles of its own."""

    def __init__(self, case: Case, length: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.length = length
        self.query = _normal(random, length, case.spec.heads * case.head_dim) * 2
        self.key = _normal(random, length, case.kv_heads * case.head_dim) * 2
        self.value = _normal(random, length, case.kv_heads * case.head_dim)
        self.key_bias = _normal(random, case.kv_heads * case.head_dim) * 5
        self.key += self.key_bias * case.biased
        angles = random.uniform(-3, 3, (length, (case.rotary_dim or case.head_dim) // 2))
        self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class Attention:
    """A cache, and where in it each of some sequences lives: scattered blocks, in random order."""

    def __init__(self, case: Case, sequences: list[Sequence], isa: str = "auto", threads: int = 2) -> None:
        self.case, self.sequences, self.isa = case, sequences, isa
        self.pool = _kernels.ThreadPool(threads)
        counts = [-(-s.length // case.block_size) for s in sequences]
        layout = KVLayout(LAYERS, case.kv_heads, case.head_dim, case.block_size, case.dtype)
        self.cache = allocate_kv(layout, sum(counts) + 3)
        order = np.random.default_rng(1).permutation(self.cache.blocks)[: sum(counts)]
        self.tables = np.split(order, np.cumsum(counts)[:-1])

    def step(self, chunks: list[tuple[int, int, int]]) -> list[FloatArray]:
        """Attend ``(sequence, first, last)`` in one batch; one output a chunk."""
        batch = self.batch(chunks)
        query, key, value = (self._tokens(name, chunks) for name in ("query", "key", "value"))
        step = paged_batch(batch)
        rope_store(self.pool, query, key, value, self._key_bias(), self.case.spec, step, self.cache, LAYER)
        output = paged_attention(self.pool, self.isa, query, self.case.spec, step, self.cache, LAYER)
        return np.split(output, batch.query_starts[1:-1])

    def _key_bias(self) -> FloatArray | None:
        return self.sequences[0].key_bias if self.case.biased else None

    def batch(self, chunks: list[tuple[int, int, int]]) -> Batch:
        widest = max(len(self.tables[s]) for s, _, _ in chunks)
        positions = np.concatenate([np.arange(first, last) for _, first, last in chunks]).astype(np.int32)
        return Batch(
            token_ids=np.zeros(len(positions), np.int32),
            positions=positions,
            query_starts=np.cumsum([0] + [last - first for _, first, last in chunks]).astype(np.int32),
            context_lengths=np.array([last for _, _, last in chunks], np.int32),
            block_tables=np.array(
                [np.pad(self.tables[s], (0, widest - len(self.tables[s]))) for s, _, _ in chunks], np.int32
            ),
            logit_rows=np.zeros(0, np.int32),
            rope_cos=self._tokens("cos", chunks),
            rope_sin=self._tokens("sin", chunks),
        )

    def _tokens(self, name: str, chunks: list[tuple[int, int, int]]) -> FloatArray:
        return np.concatenate([getattr(self.sequences[s], name)[first:last] for s, first, last in chunks])


def attend(case: Case, sequence: Sequence, cuts: list[int] | None = None, **options: object) -> FloatArray:
    """All outputs of one sequence, its tokens fed in the chunks between ``cuts``."""
    attention = Attention(case, [sequence], **options)
    edges = [0, *(cuts or []), sequence.length]
    return np.concatenate([attention.step([(0, a, b)])[0] for a, b in itertools.pairwise(edges)])


def expected(case: Case, sequence: Sequence) -> npt.NDArray[np.float64]:
    """The definition in float64, on keys and values rounded to the cache's type."""
    spec, length = case.spec, sequence.length
    query = _rotate(case, sequence, sequence.query).astype(np.float64)
    key, value = (array.astype(np.float64) for array in _stored(case, sequence))
    value = value.reshape(length, spec.kv_heads, spec.head_dim)
    query = query.reshape(length, spec.kv_heads, case.group, spec.head_dim)
    scores = np.einsum("tkgd,skd->kgts", query, key.reshape(value.shape)) * spec.softmax_scale
    distance = np.arange(length)[:, None] - np.arange(length)[None, :]
    visible = (distance >= 0) & (distance < (case.window or length))
    weights = np.exp(np.where(visible, scores - scores.max(-1, keepdims=True, where=visible, initial=-1e9), -np.inf))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("kgts,skd->tkgd", weights, value).reshape(length, -1)


def _stored(case: Case, sequence: Sequence) -> tuple[FloatArray, FloatArray]:
    """Keys, rotated, and values as a cache of the case's type gives them back."""
    key, value = _rotate(case, sequence, sequence.key), sequence.value
    if case.dtype == "f16":
        return key.astype(np.float16).astype(np.float32), value.astype(np.float16).astype(np.float32)
    if case.dtype == "f32":
        return key, value
    shape = (sequence.length, case.kv_heads, case.head_dim)
    bias = _rotate(case, sequence, np.tile(sequence.key_bias * case.biased, (sequence.length, 1))).reshape(shape)
    centres = slow_part(bias, 2 * sequence.cos.shape[1], case.interleaved)
    first = np.arange(sequence.length) // CENTRE_SPAN * CENTRE_SPAN
    return rounded_keys(key.reshape(shape), centres[first], KEY_RANGES[case.dtype]), rounded_values(
        value.reshape(shape)
    )


def _rotate(case: Case, sequence: Sequence, heads: FloatArray) -> FloatArray:
    split = heads.reshape(sequence.length, -1, case.head_dim)
    half = sequence.cos.shape[1]
    pairs = np.arange(2 * half).reshape(half, 2) if case.interleaved else np.arange(2 * half).reshape(2, half).T
    first, second = split[..., pairs[:, 0]], split[..., pairs[:, 1]]
    cos, sin = sequence.cos[:, None], sequence.sin[:, None]
    rotated = split.copy()
    rotated[..., pairs[:, 0]] = first * cos - second * sin
    rotated[..., pairs[:, 1]] = first * sin + second * cos
    return rotated.reshape(heads.shape)


def _normal(random: np.random.Generator, *shape: int) -> FloatArray:
    return random.standard_normal(shape, dtype=np.float32)


CASES = [
    Case(),
    Case(group=6, head_dim=128, kv_heads=1),
    Case(interleaved=True, dtype="f32"),
    Case(group=1, kv_heads=3, head_dim=80, block_size=16),
    Case(group=8, kv_heads=1, head_dim=96, rotary_dim=48, block_size=64),
    Case(group=3, head_dim=20, rotary_dim=10, interleaved=True, block_size=8),
    Case(group=4, window=50),
    Case(group=2, window=300, block_size=128, dtype="f32"),
    Case(group=5, window=1, block_size=256),
    Case(dtype="int8"),
    Case(dtype="int8", biased=True),
    Case(dtype="int8", group=6, head_dim=128, kv_heads=1, biased=True, block_size=64),
    Case(dtype="int8", group=1, kv_heads=3, head_dim=80, block_size=16, interleaved=True, biased=True),
    Case(dtype="int8", group=16, kv_heads=1, head_dim=96, rotary_dim=48, block_size=128),
    Case(dtype="int8", group=3, head_dim=20, rotary_dim=10, block_size=4, window=70, biased=True),
    Case(dtype="int8", group=2, kv_heads=1, head_dim=33, rotary_dim=32, block_size=8, window=300),
    Case(dtype="int8", group=5, window=1, block_size=256),
    Case(dtype="k16v8", biased=True),
    Case(dtype="k16v8", group=6, head_dim=128, kv_heads=1, biased=True, block_size=64),
    Case(dtype="k16v8", group=1, kv_heads=3, head_dim=80, block_size=16, interleaved=True, biased=True),
    Case(dtype="k16v8", group=3, head_dim=33, rotary_dim=32, block_size=4, window=70, biased=True),
]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_attention_is_close_to_its_definition(case: Case, isa: str) -> None:
    sequence = Sequence(case, 333, seed=2)
    # Queries and probabilities are rounded as well, and a key between two integers may fall to either.
    atol = {"int8": 2e-3, "k16v8": 2e-2}.get(case.dtype, 2e-5)
    np.testing.assert_allclose(attend(case, sequence, isa=isa), expected(case, sequence), atol=atol, rtol=0)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_instruction_sets_agree_bit_for_bit(case: Case) -> None:
    sequence = Sequence(case, 290, seed=3)
    results = [attend(case, sequence, cuts=[260, 288, 289], isa=isa) for isa in ISAS]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_split_of_a_prompt_gives_the_same_bits(case: Case) -> None:
    sequence = Sequence(case, 600, seed=4)
    whole = attend(case, sequence)
    random = np.random.default_rng(5)
    splits = [sorted(random.choice(np.arange(1, 600), n, replace=False).tolist()) for n in (1, 5, 60)]
    splits.append([255, 256, 257, 511, 512, *range(590, 600)])
    for cuts in splits:
        np.testing.assert_array_equal(attend(case, sequence, cuts), whole)


def test_one_token_at_a_time_gives_the_bits_of_one_chunk() -> None:
    sequence = Sequence(CASES[0], 300, seed=6)
    np.testing.assert_array_equal(attend(CASES[0], sequence, cuts=list(range(1, 300))), attend(CASES[0], sequence))


@pytest.mark.parametrize("group", range(1, 9))
def test_neighbours_in_the_batch_change_nothing(group: int) -> None:
    case = Case(group=group, window=200 if group % 2 else None)
    lengths = [700, 1, 33, 257, 410, 64]
    sequences = [Sequence(case, n, seed=n) for n in lengths]
    together = Attention(case, sequences)
    together.step([(i, 0, n // 2) for i, n in enumerate(lengths) if n > 1])
    mixed = together.step([(i, n // 2, n if i % 2 == 0 else n // 2 + 1) for i, n in enumerate(lengths)])
    for sequence, output in zip(sequences, mixed, strict=True):
        first = sequence.length // 2
        np.testing.assert_array_equal(output, attend(case, sequence)[first : first + len(output)])


def test_threads_change_nothing() -> None:
    case, cuts = CASES[0], [1000, 1005, 1290, 1291]
    sequence = Sequence(case, 1300, seed=7)
    one = attend(case, sequence, cuts, threads=1)
    for threads in (2, 5):
        np.testing.assert_array_equal(attend(case, sequence, cuts, threads=threads), one)


@pytest.mark.parametrize("isa", ISAS)
def test_what_lies_past_the_context_is_never_read(isa: str) -> None:
    sequence = Sequence(Case(), 100, seed=8)
    clean = Attention(Case(), [sequence], isa=isa)
    dirty = Attention(Case(), [sequence], isa=isa)
    garbage = Sequence(Case(), 100, seed=9)
    garbage.key[:], garbage.value[:] = np.nan, np.inf
    dirty.sequences = [garbage]
    dirty.step([(0, 0, 100)])
    dirty.sequences = [sequence]
    np.testing.assert_array_equal(dirty.step([(0, 0, 70)])[0], clean.step([(0, 0, 70)])[0])


@pytest.mark.parametrize("scale", [1e-6, 1.0, 40.0])
def test_sharp_and_flat_scores_are_both_exact(scale: float) -> None:
    case = Case(dtype="f32")
    sequence = Sequence(case, 400, seed=10)
    sequence.query *= np.float32(scale)
    np.testing.assert_allclose(attend(case, sequence), expected(case, sequence), atol=2e-4 * max(scale, 0.1), rtol=1e-4)


def _stored_values(values: FloatArray) -> FloatArray:
    """Values as the f16 cache gives them back: a sequence of one token attends to nothing but its own value."""
    case = Case(kv_heads=1, group=1, head_dim=len(values))
    sequence = Sequence(case, 1, seed=11)
    sequence.value[0] = values
    return attend(case, sequence)[0]


def test_values_are_rounded_to_the_nearest_half() -> None:
    random = np.random.default_rng(12)
    for exponent in range(-26, 17):
        values = (random.uniform(-1, 1, 512) * 2.0**exponent).astype(np.float32)
        expected_values = np.clip(values, -65504, 65504).astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(_stored_values(values), expected_values)
    ties = (np.arange(1024, 1536) + 0.5).astype(np.float32)
    np.testing.assert_array_equal(_stored_values(ties), ties.astype(np.float16).astype(np.float32))


def test_large_values_saturate_and_stay_finite() -> None:
    values = np.array([65504, 65519, 65520, 1e6, -1e30, 3e38, 1, -1] * 2, np.float32)
    np.testing.assert_array_equal(_stored_values(values), np.clip(values, -65504, 65504))


def test_copied_blocks_carry_every_layer() -> None:
    case = Case()
    sequence = Sequence(case, 32, seed=13)
    attention = Attention(case, [sequence])
    (whole,) = attention.step([(0, 0, 32)])
    source = int(attention.tables[0][0])
    target = (source + 1) % attention.cache.blocks
    attention.cache.copy_blocks([(source, target)])
    attention.tables = [np.array([target])]
    query = sequence.query.copy()
    step = paged_batch(attention.batch([(0, 0, 32)]))
    scratch = attention.cache.layout
    rope_store(
        attention.pool, query, sequence.key, sequence.value, None, case.spec, step, allocate_kv(scratch, 40), LAYER
    )
    again = paged_attention(attention.pool, "auto", query, case.spec, step, attention.cache, LAYER)
    np.testing.assert_array_equal(again, whole)


def test_a_cache_beyond_memory_is_a_clear_error() -> None:
    with pytest.raises(OutOfMemory, match=r"GiB does not fit.*--max-model-len"):
        allocate_kv(KVLayout(layers=64, kv_heads=8, head_dim=128), 1 << 40)


def test_block_bytes_count_keys_and_values_of_all_layers() -> None:
    assert kv_block_bytes(KVLayout(layers=24, kv_heads=2, head_dim=64)) == 24 * 2 * 64 * 32 * 2 * 2
    assert kv_block_bytes(KVLayout(layers=1, kv_heads=1, head_dim=64, dtype="f32")) == 64 * 32 * 2 * 4


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("block_tables", np.array([[0, 99, 1]], np.int32), "block 99"),
        ("block_tables", np.array([[0, -1, 1]], np.int32), "block -1"),
        ("block_tables", np.array([[0]], np.int32), "shorter than its context"),
        ("context_lengths", np.array([3], np.int32), "shorter than its new tokens"),
        ("positions", np.zeros(70, np.int32), "positions"),
        ("query_starts", np.array([0, 71], np.int32), "query_starts"),
        ("rope_cos", np.zeros((70, 31), np.float32), "RoPE"),
    ],
)
def test_a_batch_that_does_not_fit_together_is_refused(field: str, value: object, reason: str) -> None:
    sequence = Sequence(Case(), 70, seed=14)
    attention = Attention(Case(), [sequence])
    batch = replace(attention.batch([(0, 0, 70)]), **{field: value})
    with pytest.raises(ValueError, match=reason):
        paged_attention(attention.pool, "auto", sequence.query, Case().spec, paged_batch(batch), attention.cache, LAYER)


@pytest.mark.parametrize("block_size", [0, 3, 24, 512])
def test_block_sizes_no_kernel_serves_are_refused(block_size: int) -> None:
    with pytest.raises(ValueError, match="power of two from 4 to 256"):
        allocate_kv(KVLayout(layers=1, kv_heads=1, head_dim=64, block_size=block_size), 4)
