"""Products of every weight type with random shapes, odd sizes and extreme scales: exact, and alike everywhere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.backend.quant_types import QuantType
from sevenb.backend.reference.dequantize import dequantize
from tests.backend.native.random_weights import random_tensor
from tests.backend.native.test_matmul import ALL_TYPES, BACKENDS, PLAIN, product, quantised, relative_error

# From scales that are subnormal in half precision to some that come near its largest number.
SCALES = (0.0, 1e-7, 1e-3, 1.0, 3e3)


@pytest.mark.parametrize("quant_type", ALL_TYPES, ids=lambda t: t.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_shape_and_scale_gives_exact_maths_and_the_same_bits_everywhere(
    quant_type: QuantType, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(1, 70), "rows")
    columns = max(quant_type.block_size, 32) * data.draw(st.integers(1, 5), "blocks")
    tokens = data.draw(st.integers(1, 12) | st.sampled_from([63, 64, 65, 67, 129]), "tokens")
    precise = data.draw(st.booleans(), "precise")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), "seed"))
    tensor = random_tensor(quant_type, rows, columns, rng, data.draw(st.sampled_from(SCALES), "scale"))
    exponents = rng.integers(-12, 6, (tokens, columns // 32, 1)).repeat(32, axis=2).reshape(tokens, columns)
    inputs = (rng.standard_normal((tokens, columns)) * 10.0**exponents).astype(np.float32)

    results = [
        product(backend, inputs, backend.pack(tensor, precise=precise)) for backend in reversed(BACKENDS.values())
    ]
    met = inputs.astype(np.float64) if quant_type in PLAIN else quantised(inputs, precise)
    assert relative_error(results[0], met, dequantize(tensor)) < 1e-6
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])
    alone = product(next(iter(BACKENDS.values())), inputs[-1:], BACKENDS["portable"].pack(tensor, precise=precise))
    np.testing.assert_array_equal(alone[0], results[0][-1])
