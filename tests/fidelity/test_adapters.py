"""The real 0.5B with an adapter beside its quantised weights, and the reference with that adapter in its weights."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.divergence import DivergenceMeter
from benchmarks.texts import tokenized_texts
from sevenb.backend.native import NativeBackend
from sevenb.backend.protocol import AdapterRun
from sevenb.backend.reference import ReferenceBackend
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.lora import LoraAdapter
from sevenb.model.rope import RopeProfile
from tests.backend.tiny_model import Chunk, make_batch
from tests.model.random_adapter import RandomAdapter

pytestmark = pytest.mark.slow

LENGTH = 64


def test_an_adapter_costs_no_more_fidelity_than_the_weights_do(coder_05b: Path, tmp_path: Path) -> None:
    with Checkpoint.open(coder_05b) as base:
        adapter = RandomAdapter.of(base, rank=16, strength=0.1)
        merged = Decoder(adapter.merged_into(base), ReferenceBackend())
        native = Decoder(base, NativeBackend())
        native.add_adapter("tuned", LoraAdapter.open(adapter.write_peft(tmp_path / "adapter"), base))
        texts = [text[:LENGTH] for text in tokenized_texts(base)]
        rope = RopeProfile(base.config.rope)

    with_adapter, without = DivergenceMeter(), DivergenceMeter()
    for tokens in texts:
        batch = make_batch([Chunk(tokens, 0, [0, 1, 2])], rope)
        worn = replace(batch, adapters=(AdapterRun(0, LENGTH, "tuned"),))
        expected, actual, plain = (
            decoder.backend.to_host(decoder.forward(step, decoder.backend.allocate_kv(decoder.kv_layout(32, "f32"), 3)))
            for decoder, step in ((merged, batch), (native, worn), (native, batch))
        )
        with_adapter.add(tokens, expected, actual)
        without.add(tokens, expected, plain)
    assert with_adapter.fidelity().mean_kl < 2e-3
    assert without.fidelity().mean_kl > 0.02
