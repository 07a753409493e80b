"""What a request leaves out of how to sample, taken from the model's makers, as vLLM and transformers do."""

from collections.abc import Collection, Mapping

import msgspec

from sevenb.engine.sampling_params import SamplingParams
from sevenb.model.recommended_sampling import RECOMMENDED


def left_out(sent: object) -> frozenset[str]:
    """The parameters that a model may recommend and that ``sent``, an object with some of them, has not or as None."""
    return frozenset(name for name in RECOMMENDED if getattr(sent, name, None) is None)


def with_recommended(params: SamplingParams, names: Collection[str], sampling: Mapping[str, float]) -> SamplingParams:
    """``params`` with the model's own values of the parameters ``names``, as far as it recommends any."""
    wanted = {name: value for name, value in sampling.items() if name in names}
    return msgspec.structs.replace(params, **wanted) if wanted else params
