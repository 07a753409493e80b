"""Prompts whose blocks left the pool are not computed again; the text stays the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.engine.disk_tier import DiskTier
from sevenb.engine.sampling_params import SamplingParams
from tests.engine.fake_model import FakeRope, expected_tokens
from tests.engine.harness import Harness
from tests.engine.test_engine import prompt_of

GREEDY = SamplingParams(temperature=0, max_tokens=6)
ROOMY = 1_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskTier]:
    disk = DiskTier(tmp_path, ROOMY)
    yield disk
    disk.close()


def computed(harness: Harness) -> int:
    """Tokens that went through the model so far."""
    return sum(batch.tokens for batch in harness.decoder.batches)


def ask(harness: Harness, seed: int, length: int = 200) -> tuple[int, int]:
    """Ask one question alone and check the answer; returns the tokens computed and those that were cached."""
    before, prompt = computed(harness), prompt_of(length, seed)
    request = harness.add(prompt, GREEDY)
    harness.run()
    assert harness.outcomes[request].tokens[0] == expected_tokens(prompt, GREEDY)
    return computed(harness) - before, harness.outcomes[request].cached_tokens


def test_a_document_comes_back_from_memory_after_others_flushed_the_pool() -> None:
    harness = Harness(blocks=60, swap_space=ROOMY)
    assert ask(harness, 1) == (205, 0)
    for seed in range(2, 6):
        ask(harness, seed)
    assert ask(harness, 1) == (9, 196)  # 49 of 50 blocks: the last token must be computed
    stats = harness.engine.stats()
    assert stats.kv_blocks_restored >= 49
    assert stats.kv_blocks_spilled >= stats.kv_blocks_restored


def test_without_swap_space_it_is_computed_again() -> None:
    harness = Harness(blocks=60)
    ask(harness, 1)
    ask(harness, 2)
    assert ask(harness, 1)[0] > 150
    assert harness.engine.stats().kv_blocks_spilled == 0


def test_what_memory_has_no_room_for_comes_back_in_part() -> None:
    harness = Harness(blocks=60, swap_space=30 * 4 * 8)
    ask(harness, 1)
    ask(harness, 2)
    tokens, cached = ask(harness, 1)
    assert cached >= 100  # the end of the document left first
    assert tokens == 205 - cached


def test_a_restart_is_warm(tmp_path: Path, disk: DiskTier) -> None:
    harness = Harness(blocks=60, disk=disk)
    ask(harness, 1)
    ask(harness, 2)
    harness.engine.close()
    restarted = Harness(blocks=60, disk=DiskTier(tmp_path, ROOMY))
    assert ask(restarted, 1) == (9, 196)
    assert ask(restarted, 2) == (9, 196)
    restarted.engine.close()


def test_blocks_that_the_folder_lost_are_written_again_at_the_end(tmp_path: Path, disk: DiskTier) -> None:
    harness = Harness(blocks=60, disk=disk)
    ask(harness, 1)
    disk.close()
    for file in tmp_path.rglob("*.kv"):
        file.unlink()
    again = DiskTier(tmp_path, ROOMY)
    harness.engine._block_store.disk = again  # type: ignore[union-attr]
    harness.engine.close()
    assert ask(Harness(blocks=60, disk=DiskTier(tmp_path, ROOMY)), 1) == (9, 196)


def test_a_damaged_block_and_all_after_it_are_computed_again(tmp_path: Path, disk: DiskTier) -> None:
    harness = Harness(blocks=60, disk=disk)
    ask(harness, 1)
    links = harness.engine._scheduler._prefix_cache._blocks  # type: ignore[union-attr]
    (tenth,) = [link for _, link in links.values() if link.place == 10]
    harness.engine.close()
    disk._path(tenth.key).write_bytes(b"nonsense")
    restarted = Harness(blocks=60, disk=DiskTier(tmp_path, ROOMY))
    assert ask(restarted, 1) == (165, 40)
    restarted.engine.close()


def test_evicted_blocks_stay_where_they_are_until_they_are_overwritten() -> None:
    harness = Harness(blocks=60, swap_space=ROOMY, max_num_batched_tokens=64)
    ask(harness, 1)
    harness.add(prompt_of(200, 2), GREEDY)
    spilled = []
    while harness.engine.has_work:
        harness.step()
        spilled.append(harness.engine.stats().kv_blocks_spilled)
    assert spilled[0] < 16 < spilled[-1]


def test_an_aborted_newcomer_leaves_what_it_did_not_overwrite() -> None:
    harness = Harness(blocks=60, swap_space=ROOMY, max_num_batched_tokens=64)
    ask(harness, 1)
    newcomer = harness.add(prompt_of(200, 2), GREEDY)
    harness.step()
    harness.engine.abort(newcomer)
    harness.run()
    assert ask(harness, 1) == (9, 196)


def test_streams_go_on_while_a_document_is_restored() -> None:
    harness = Harness(blocks=120, swap_space=ROOMY)
    ask(harness, 1)
    ask(harness, 2)
    ask(harness, 3)
    restore = harness.backend.write_block

    def slowly(cache: object, block: int, contents: bytes) -> None:
        harness.decoder.now += 0.004
        restore(cache, block, contents)  # type: ignore[arg-type]

    harness.backend.write_block = slowly  # type: ignore[method-assign]
    stream = harness.add(prompt_of(5, 9), SamplingParams(temperature=0, max_tokens=60))
    harness.step()
    harness.step()
    document = harness.add(prompt_of(200, 1), GREEDY)
    gaps = []
    while not harness.outcomes[document].tokens:
        before, gained = harness.decoder.now, len(harness.outcomes[stream].tokens[0])
        harness.step()
        assert len(harness.outcomes[stream].tokens[0]) == gained + 1
        gaps.append(harness.decoder.now - before)
    assert len(gaps) > 5
    assert max(gaps) < 3.5 * 0.011
    assert harness.outcomes[document].cached_tokens == 196


@pytest.mark.parametrize("swap_space", [0, ROOMY])
def test_the_same_long_prompt_asked_by_many_at_once_is_computed_once(swap_space: int) -> None:
    harness = Harness(blocks=400, max_num_batched_tokens=64, swap_space=swap_space)
    prompt = prompt_of(200)
    requests = [harness.add(prompt, GREEDY) for _ in range(6)]
    harness.run()
    assert all(harness.outcomes[request].tokens[0] == expected_tokens(prompt, GREEDY) for request in requests)
    assert computed(harness) <= 200 + 6 * (4 + 6)


def test_a_preempted_sequence_gets_its_blocks_back() -> None:
    harness = Harness(blocks=24, block_size=4, swap_space=ROOMY)
    lengths = [10, 10, 10, 16]
    for seed, length in enumerate(lengths):
        harness.add(prompt_of(16, seed), SamplingParams(temperature=0, max_tokens=length))
    harness.run()
    assert harness.engine.stats().preemptions == 1
    computed_anew = computed(harness) - sum(16 + length - 1 for length in lengths)
    assert computed_anew < 4


def test_profiles_do_not_share_what_was_spilled() -> None:
    harness = Harness(blocks=60, swap_space=ROOMY, max_model_len=240, rope=FakeRope({"": 205, "stretched": 10**9}))
    prompt = prompt_of(198)
    for max_tokens in (6, 40):  # the second request is too long for the first profile
        harness.add(prompt, SamplingParams(temperature=0, max_tokens=max_tokens))
        harness.run()
    assert harness.outcomes["request-1"].cached_tokens == 0
