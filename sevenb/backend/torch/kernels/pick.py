"""Choosing tokens without sorting a vocabulary: look at all logits, gather the few best, draw among those.

A token's place in the order of its row (falling logits, equal ones by rising id) is an integer, its key, so that a
token is found by comparing integers alone. Probabilities are fixed-point numbers in 64 bits: their sums are exact, and
the same in whatever order a card adds them up. Top-k, top-p and min-p each keep a beginning of the order, and so each
asks how far. The best 2048 tokens or so nearly always hold the answers; where they do not, as when thousands of logits
are equal or a high temperature takes a token from the tail, the program of the row searches all of it by bisection.

Sampling without a sort is FlashInfer's idea (arXiv 2501.01005), gathering above a pivot first that of Qrita (Park et
al. 2025); both draw at random within what is kept, here the order is that of `SampleControl`.
"""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

BINS = 512  # of a histogram of logits: each power of two of 1 + |x| below 256 has 32 for either sign
DRAW_COLUMNS = 6  # of `sevenb.backend.torch.controls.Draws.table`
_BINS, _COLUMNS = tl.constexpr(BINS), tl.constexpr(DRAW_COLUMNS)


@triton.jit
def _number(x):
    """A logit without NaN, which counts as minus infinity, and with one zero."""
    x = tl.where(x == x, x, float("-inf"))
    return tl.where(x == 0.0, 0.0, x)


@triton.jit
def _key(x, token, ID_BITS: tl.constexpr):
    """A token's place, int64 above 0: larger comes first."""
    bits = x.to(tl.int32, bitcast=True)
    rising = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).to(tl.int64) + 2147483648
    return (rising << ID_BITS) | (((1 << ID_BITS) - 1) - token)


@triton.jit
def _logit(key, ID_BITS: tl.constexpr):
    """The logit of a key."""
    rising = ((key >> ID_BITS) - 2147483648).to(tl.int32)
    return (rising ^ ((rising >> 31) & 0x7FFFFFFF)).to(tl.float32, bitcast=True)


@triton.jit
def _token(key, ID_BITS: tl.constexpr):
    """The id of a key."""
    return ((1 << ID_BITS) - 1) - (key & ((1 << ID_BITS) - 1))


@triton.jit
def _bin(x):
    """A bin that never falls as x rises, which it could where a logarithm was rounded."""
    away = tl.minimum(((1.0 + tl.abs(x)).to(tl.int32, bitcast=True) - 0x3F800000) >> 18, 255)
    return tl.where(x < 0.0, 255 - away, 256 + away)


@triton.jit
def _mass(x, best, temperature, ID_BITS: tl.constexpr):
    """What a token weighs, int64: the best, as any can, 2**(62 - ID_BITS), so that all together stay below 2**62."""
    unit: tl.constexpr = 2.0 ** (62 - ID_BITS)
    return (tl.exp((x - best) / temperature) * unit).to(tl.int64)


@triton.jit
def _tile(logits_ptr, broken_ptr, vocabulary, stride, CHECK: tl.constexpr, TILE: tl.constexpr):
    """This program's row, its tokens, which of them there are, and their logits as `_number` has them.

    With CHECK it is told where one is not finite.
    """
    row = tl.program_id(0)
    token = tl.program_id(1) * TILE + tl.arange(0, TILE)
    alive = token < vocabulary
    x = tl.load(logits_ptr + row.to(tl.int64) * stride + token, mask=alive, other=0.0)
    if CHECK:  # noqa: SIM102
        if tl.sum((tl.abs(x) < float("inf")).to(tl.int32)) < TILE:  # NaN is less than nothing
            tl.store(broken_ptr, 1)
    return row, token, alive, _number(x)


@triton.jit
def adjust_kernel(
    logits_ptr,  # [R, vocabulary] float32
    allowed_ptr,  # [R, words] int32, or anything without MASK
    out_ptr,  # [R, vocabulary] float32
    broken_ptr,  # [1] int64
    vocabulary,
    stride,
    words,
    MASK: tl.constexpr,
    CHECK: tl.constexpr,
    TILE: tl.constexpr,
):
    """A copy without NaN and without what is not allowed."""
    row, token, alive, x = _tile(logits_ptr, broken_ptr, vocabulary, stride, CHECK, TILE)
    if MASK:
        word = tl.load(allowed_ptr + row * words + token // 32, mask=alive, other=0)
        x = tl.where((word >> (token % 32)) & 1 == 1, x, float("-inf"))
    tl.store(out_ptr + row.to(tl.int64) * vocabulary + token, x, mask=alive)


@triton.jit(do_not_specialize=["count"])
def amend_kernel(
    out_ptr,  # the flattened logits, which change
    places_ptr,  # [count] int64, distinct
    numbers_ptr,  # [3, count] float32
    count,
    WIDTH: tl.constexpr,
):
    """Bias, repetition penalty, and what is taken away, of the tokens that are named."""
    index = tl.program_id(0) * WIDTH + tl.arange(0, WIDTH)
    alive = index < count
    place = tl.load(places_ptr + index, mask=alive, other=0)
    penalty = tl.load(numbers_ptr + count + index, mask=alive, other=1.0)
    x = tl.load(out_ptr + place, mask=alive, other=0.0) + tl.load(numbers_ptr + index, mask=alive, other=0.0)
    x = tl.where(x > 0.0, tl.math.div_rn(x, penalty), x * penalty)
    tl.store(out_ptr + place, x - tl.load(numbers_ptr + 2 * count + index, mask=alive, other=0.0), mask=alive)


@triton.jit
def survey_kernel(
    logits_ptr,  # [R, vocabulary] float32
    best_ptr,  # [R] int64 zeros: the best key
    histogram_ptr,  # [R, BINS] int32 zeros, or anything without COUNT
    broken_ptr,  # [1] int64
    vocabulary,
    stride,
    ID_BITS: tl.constexpr,
    COUNT: tl.constexpr,
    CHECK: tl.constexpr,
    TILE: tl.constexpr,
):
    """The best of each row, and how many logits are about how large."""
    row, token, alive, x = _tile(logits_ptr, broken_ptr, vocabulary, stride, CHECK, TILE)
    tl.atomic_max(best_ptr + row, tl.max(tl.where(alive, _key(x, token, ID_BITS), 0)), sem="relaxed")
    if COUNT:  # beyond the vocabulary lies the lowest bin, in which a token or two more make no difference
        counts = tl.histogram(tl.where(alive, _bin(x), 0), _BINS)
        tl.atomic_add(histogram_ptr + row * _BINS + tl.arange(0, _BINS), counts, mask=counts > 0, sem="relaxed")


@triton.jit
def gather_kernel(
    logits_ptr,  # [R, vocabulary] float32
    table_ptr,  # [R, DRAW_COLUMNS] float64
    best_ptr,  # [R] int64
    histogram_ptr,  # [R, BINS] int32
    count_ptr,  # [R] int64 zeros: how many candidates there are
    rest_ptr,  # [R] int64 zeros: what all others weigh
    candidates_ptr,  # [R, MOST] int64, keys in no order
    vocabulary,
    stride,
    ID_BITS: tl.constexpr,
    MOST: tl.constexpr,
    TILE: tl.constexpr,
):
    """The keys of the best tokens: as many whole bins, from the highest down, as there is room for."""
    row = tl.program_id(0)
    temperature = tl.load(table_ptr + row * _COLUMNS).to(tl.float32)
    best = _logit(tl.load(best_ptr + row), ID_BITS)
    if (temperature > 0.0) & (tl.abs(best) < float("inf")):
        bins = tl.arange(0, _BINS)
        counts = tl.load(histogram_ptr + row * _BINS + bins)
        from_here_up = tl.sum(counts) - tl.cumsum(counts) + counts
        lowest = tl.min(tl.where(from_here_up <= MOST, bins, _BINS))
        token = tl.program_id(1) * TILE + tl.arange(0, TILE)
        alive = token < vocabulary
        x = _number(tl.load(logits_ptr + row.to(tl.int64) * stride + token, mask=alive, other=float("-inf")))
        taken = alive & (_bin(x) >= lowest)
        left = tl.where(taken, 0, _mass(x, best, temperature, ID_BITS))
        tl.atomic_add(rest_ptr + row, tl.sum(left), sem="relaxed")
        places = tl.cumsum(taken.to(tl.int32))
        count = tl.sum(taken.to(tl.int32))
        if count > 0:
            first = tl.atomic_add(count_ptr + row, count.to(tl.int64), sem="relaxed")
            place = row.to(tl.int64) * MOST + first + places - 1
            tl.store(candidates_ptr + place, _key(x, token, ID_BITS), mask=taken)


@triton.jit
def pick_kernel(
    logits_ptr,  # [R, vocabulary] float32
    table_ptr,  # [R, DRAW_COLUMNS] float64, or anything without TOLD
    best_ptr,  # [R] int64
    count_ptr,  # [R] int64, or anything without DRAW
    rest_ptr,  # [R] int64, or anything without DRAW
    candidates_ptr,  # [R, MOST] int64, or anything without DRAW
    broken_ptr,  # [1] int64
    out_ptr,  # [R + 1] int64: ids, and what stands in broken
    vocabulary,
    stride,
    ID_BITS: tl.constexpr,
    TOLD: tl.constexpr,
    DRAW: tl.constexpr,
    MOST: tl.constexpr,
    TILE: tl.constexpr,
):
    """One id a row: the best, or with DRAW, where the row has a temperature, the one at its ``uniform``.

    With TOLD the table has the id where nothing is above minus infinity; else that is 0.
    """
    row = tl.program_id(0)
    key = tl.load(best_ptr + row)
    best = _logit(key, ID_BITS)
    chosen = _token(key, ID_BITS)
    if TOLD:  # noqa: SIM102
        if best == float("-inf"):
            chosen = tl.load(table_ptr + row * _COLUMNS + 5).to(tl.int64)
    if DRAW:
        line = table_ptr + row * _COLUMNS
        temperature = tl.load(line).to(tl.float32)
        if (temperature > 0.0) & (tl.abs(best) < float("inf")):
            key = _draw(
                logits_ptr + row.to(tl.int64) * stride, line, tl.load(count_ptr + row), tl.load(rest_ptr + row),
                candidates_ptr + row.to(tl.int64) * MOST, best, temperature, vocabulary, ID_BITS, MOST, TILE,
            )  # fmt: skip
            chosen = _token(key, ID_BITS)
    tl.store(out_ptr + row, chosen)
    if row == 0:
        tl.store(out_ptr + tl.num_programs(0), tl.load(broken_ptr))


@triton.jit
def _draw(
    logits_ptr, line, count, rest, candidates_ptr, best, temperature, vocabulary,
    ID_BITS: tl.constexpr, MOST: tl.constexpr, TILE: tl.constexpr,
):  # fmt: skip
    """The key of the token that is drawn."""
    top_k = tl.load(line + 1).to(tl.int32)
    top_p = tl.load(line + 2)
    least = tl.load(line + 3) * 2.0 ** (62 - ID_BITS)  # mass, by min-p
    uniform = tl.load(line + 4)
    index = tl.arange(0, MOST)
    alive = index < count
    keys = tl.sort(tl.load(candidates_ptr + index, mask=alive, other=0), descending=True)
    mass = _mass(tl.where(alive, _logit(keys, ID_BITS), float("-inf")), best, temperature, ID_BITS)
    whole = tl.sum(mass) + rest
    before = tl.cumsum(mass) - mass
    among = alive & (index < top_k)
    best_k = tl.where(top_k <= count, tl.sum(tl.where(among, mass, 0)), whole)
    stays = among & (mass.to(tl.float64) >= least)
    if top_p < 1.0:
        stays = stays & ((index == 0) | (before.to(tl.float64) < top_p * best_k.to(tl.float64)))
    # Where what is kept ends with the candidates, it may go on beyond them.
    inside = (tl.sum(stays.to(tl.int32)) < count) | (top_k <= count) | (rest == 0)
    all_kept = (top_k >= vocabulary) & (top_p >= 1.0) & (least <= 0.0)
    k_known = (top_k <= count) | (top_k >= vocabulary) | (rest == 0) | (top_p >= 1.0)
    kept = tl.sum(tl.where(stays, mass, 0))
    if not inside:
        kept = whole  # if all are kept
    target = uniform * kept.to(tl.float64)
    hit = stays & ((before + mass).to(tl.float64) > target)
    key = tl.max(tl.where(hit, keys, 0))
    if (key == 0) | ((not inside) & (not all_kept)) | (not k_known):
        key = _search(logits_ptr, top_k, top_p, least, uniform, best, temperature, vocabulary, ID_BITS, TILE)
    return key


@triton.jit
def _search(
    logits_ptr, top_k, top_p, least, uniform, best, temperature, vocabulary, ID_BITS: tl.constexpr, TILE: tl.constexpr
):
    """As `_draw`, over the whole row, which is read about 50 times for each question."""
    none = top_p * 0.0  # of float64
    steps = tl.where(top_k >= vocabulary, 0, 32 + ID_BITS)
    last, mass = _reach(
        logits_ptr, steps, top_k, none, none, best, temperature, vocabulary, tl.zeros((), tl.int64),
        ID_BITS, TILE, False,
    )  # fmt: skip
    if top_p < 1.0:
        end, mass = _reach(
            logits_ptr, 32 + ID_BITS, 1, top_p * mass.to(tl.float64), none, best, temperature, vocabulary,
            tl.zeros((), tl.int64), ID_BITS, TILE, False,
        )  # fmt: skip
        last = tl.maximum(last, end)
    _, kept = _reach(logits_ptr, 0, 0, none, least, best, temperature, vocabulary, last, ID_BITS, TILE, False)
    key, _ = _reach(
        logits_ptr, 32 + ID_BITS, 1, uniform * kept.to(tl.float64), least, best, temperature, vocabulary,
        tl.zeros((), tl.int64), ID_BITS, TILE, True,
    )  # fmt: skip
    return key


@triton.jit
def _reach(
    logits_ptr, steps, wanted, weight, least, best, temperature, vocabulary, key,
    ID_BITS: tl.constexpr, TILE: tl.constexpr, BEYOND: tl.constexpr,
):  # fmt: skip
    """The key of the first token by which there are ``wanted`` and their mass is ``weight``, or with BEYOND is more.

    Only masses of ``least`` count. Second comes what all tokens up to that key weigh; after 0 steps it is ``key``.
    """
    unit: tl.constexpr = 2.0 ** (62 - ID_BITS)
    total = tl.zeros((), tl.int64)
    for step in range(steps + 1):  # the last time to weigh what was found
        trial = key | ((tl.full((), 1, tl.int64) << steps) >> (step + 1))
        rising = ((trial >> ID_BITS) - 2147483648).to(tl.int32)
        last_logit = (rising ^ ((rising >> 31) & 0x7FFFFFFF)).to(tl.float32, bitcast=True)
        last_logit = tl.where(trial == 0, float("-inf"), last_logit)
        last_token = ((1 << ID_BITS) - 1) - (trial & ((1 << ID_BITS) - 1))
        counts = tl.zeros((TILE,), tl.int32)
        masses = tl.zeros((TILE,), tl.int64)
        for start in tl.range(0, vocabulary, TILE):
            token = start + tl.arange(0, TILE)
            alive = token < vocabulary
            x = tl.load(logits_ptr + token, mask=alive, other=float("-inf"))
            x = tl.where(x == x, x, float("-inf"))
            here = alive & ((x > last_logit) | ((x == last_logit) & (token <= last_token)))
            mass = (tl.exp((x - best) / temperature) * unit).to(tl.int64)
            counts += here.to(tl.int32)
            masses += tl.where(here & (mass.to(tl.float64) >= least), mass, 0)
        total = tl.sum(masses)
        enough = total.to(tl.float64) > weight if BEYOND else total.to(tl.float64) >= weight
        if (tl.sum(counts) >= wanted) & enough:
            key = trial
    return key, total
