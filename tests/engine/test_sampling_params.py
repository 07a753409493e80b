"""What a caller may ask of the sampler, and what is refused with the field's name."""

from typing import Any

import pytest

from sevenb import SamplingParams
from sevenb.errors import InvalidRequest


def test_one_stop_string_may_stand_alone() -> None:
    fields: dict[str, Any] = {"stop": "\n\n"}
    assert SamplingParams(**fields).stop == ("\n\n",)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 1.5),
        ("n", "2"),
        ("temperature", "hot"),
        ("temperature", float("nan")),
        ("top_k", 1.5),
        ("max_tokens", 2.5),
        ("seed", "lucky"),
        ("logprobs", True),
        ("stop", ""),
        ("stop", [1]),
        ("stop", None),
        ("stop_token_ids", 3),
        ("stop_token_ids", ["a"]),
        ("logit_bias", [1]),
        ("logit_bias", {"1": 5.0}),
        ("logit_bias", {1: "much"}),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{field}\b"):
        SamplingParams(**{field: value})
