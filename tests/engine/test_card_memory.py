"""On a card the KV pool gets what weights and measured steps leave; a processor plays the card here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenb.backend.protocol import DeviceMemory
from sevenb.engine import loader, memory_plan
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.llm import LLM
from sevenb.engine.messages import LoadPlan
from sevenb.engine.room import on_card, room_of
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.trial import trial_batch
from sevenb.errors import OutOfMemory
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.rope import RopeProfiles
from tests.torch_or_skip import torch

MIB = 2**20
CARD = 1024 * MIB
STEPS = 96 * MIB  # that steps seem to take
GRAPHS = 24 * MIB


def card(total: int = CARD) -> Any:
    """A torch backend on the processor that tells of a card's memory: weights and pools are counted, steps made up."""
    from sevenb.backend.torch import TorchBackend

    class Card(TorchBackend):
        held = 0
        stepped = False

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.recorded: list[tuple[int, int]] = []  # sequences and context of each step

        def pack(self, tensor: Any, *, precise: bool = False, head: bool = False) -> Any:
            weight = super().pack(tensor, precise=precise, head=head)
            self.held += self.weight_bytes(weight)
            return weight

        def prepare(self, batch: Any) -> Any:
            self.stepped = True
            return super().prepare(batch)

        def total_memory(self) -> int:
            return total

        def free_memory(self) -> int:
            return total - self.held

        def memory(self) -> DeviceMemory:
            return DeviceMemory(self.held, self.held + STEPS * self.stepped, self.held)

        def reset_peak(self) -> None:
            self.stepped = False

        def run(self, batch: Any, cache: Any, compute: Any) -> Any:
            self.recorded.append((len(batch.context_lengths), batch.context_lengths.tolist()[0]))
            return super().run(batch, cache, compute)

        def graph_shapes(self, max_num_seqs: int, max_model_len: int) -> list[tuple[int, int]]:
            return [(max_num_seqs, 16384), (1, 4096)]

        def graph_bytes(self) -> int:
            return GRAPHS

    return Card("cpu", "float32", threads=1)


@pytest.fixture
def on_a_card(monkeypatch: pytest.MonkeyPatch) -> Any:
    assert torch is not None
    backend = card()
    monkeypatch.setattr(loader, "open_backend", lambda *_: backend)
    return backend


def load(model: Path, **options: Any) -> tuple[LLM, list[LoadPlan]]:
    plans: list[LoadPlan] = []
    return LLM(model, announce=plans.append, max_num_seqs=4, max_num_batched_tokens=64, **options), plans


@pytest.mark.usefixtures("on_a_card")
class TestLoading:
    def test_the_pool_gets_what_weights_and_measured_steps_leave_of_the_share(self, smollm2: Path) -> None:
        llm, (planned, measured) = load(smollm2, memory_utilization=0.4, max_model_len=2048)
        with llm:
            share = int(0.4 * CARD)
            assert planned.free_bytes == measured.free_bytes == share
            assert measured.working_bytes == STEPS
            assert measured.card_bytes == CARD
            taken = measured.weight_bytes + measured.kv_bytes + STEPS + GRAPHS
            block = measured.kv_bytes * 32 // measured.kv_tokens
            assert share - block < taken <= share  # it is filled, since somebody said how much
            assert measured.taken_bytes == taken
            assert (llm.info.kv_bytes, llm.info.working_bytes) == (measured.kv_bytes, STEPS)
            assert llm.generate("def fib(n):", SamplingParams(temperature=0, max_tokens=2))[0].outputs[0].text
            memory = llm._running_engine().stats().memory
            assert (memory.activations_peak, memory.graphs, memory.card_total) == (STEPS, GRAPHS, CARD)
            assert memory.kv_used <= memory.kv_written <= memory.kv_reserved == measured.kv_bytes

    def test_graphs_are_recorded_to_measure_them_and_again_over_the_pool(self, smollm2: Path, on_a_card: Any) -> None:
        with load(smollm2, max_model_len=256)[0]:
            prompt, graphs, choosing = [(1, 256)], [(4, 256), (1, 256)], [(4, 256)]
            assert on_a_card.recorded == [*prompt, *graphs, *choosing, *graphs]

    def test_prompts_are_remembered_in_a_quarter_of_the_hosts_memory(
        self, smollm2: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory_plan, "free_memory", lambda: 64 * MIB)
        llm, (planned, _) = load(smollm2, max_model_len=2048)
        with llm:
            assert planned.kv_bytes > 64 * MIB  # of the card
            assert planned.swap_bytes == llm.info.swap_bytes == 16 * MIB

    def test_a_draft_model_is_measured_too_and_has_graphs_of_its_own(self, smollm2: Path, on_a_card: Any) -> None:
        llm, (_, measured) = load(smollm2, max_model_len=256, speculative_model=str(smollm2))
        with llm:
            assert measured.graph_bytes == 2 * GRAPHS
            assert on_a_card.recorded[-2:] == on_a_card.recorded[-4:-2] == [(4, 256), (1, 256)]

    def test_a_context_that_steps_leave_no_room_for_is_refused_with_numbers(self, smollm2: Path) -> None:
        with pytest.raises(OutOfMemory, match=r"weights and the steps leave free .* raise gpu-memory-utilization"):
            load(smollm2, memory_utilization=0.32, max_model_len=8192)

    def test_weights_that_do_not_fit_are_refused_before_they_are_read(self, smollm2: Path) -> None:
        with pytest.raises(OutOfMemory, match=r"weights take \d+ MB of memory but 54 MB of the card's 1\.1 GB may be"):
            load(smollm2, memory_utilization=0.05)


def test_everything_together_keeps_to_its_share_of_a_card() -> None:
    backend = card()
    assert torch is not None
    assert on_card(backend)
    config = EngineConfig(model="model")
    free = CARD - 256 * MIB  # what allocators lose between blocks stays free
    assert room_of(config, backend).free == free
    assert not room_of(config, backend).filled
    half = room_of(EngineConfig(model="model", memory_utilization=0.5), backend)
    assert (half.free, half.share, half.card, half.filled) == (CARD // 2, 1.0, CARD, True)
    assert room_of(EngineConfig(model="model", memory_budget=100, swap_space=99), backend).free == 100


def test_a_trial_stands_at_the_end_of_the_longest_context_in_a_few_blocks(smollm2: Path) -> None:
    with Checkpoint.open(smollm2) as checkpoint:
        model = replace(checkpoint.config, context_length=4096)
    batch = trial_batch([4096, 10], 64, 32, RopeProfiles(model))
    assert batch.query_starts.tolist() == [0, 64, 74]
    assert batch.positions[[0, 63, 64, 73]].tolist() == [4032, 4095, 0, 9]
    assert batch.block_tables.shape == (2, 128)
    assert set(np.unique(batch.block_tables)) == set(range(8))
