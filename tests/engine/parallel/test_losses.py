"""What an engine in this very process says when its ranks cannot begin, or one of them ends."""

import threading
from pathlib import Path

import pytest

from sevenb.engine.parallel.devices import check_devices
from sevenb.engine.parallel.messages import Forward, Join, LoadWeights, RankCommand
from sevenb.errors import DeviceLost, DeviceUnavailable, InvalidRequest
from tests.engine.parallel.shared import open_llm, other_ranks, texts
from tests.model.tiny_gguf import TinyModel
from tests.torch_or_skip import torch  # noqa: F401


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(heads=8, kv_heads=4, head_dim=32).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.mark.parametrize(
    ("device", "cards", "said"),
    [
        ("cuda", 1, "1 card is here; choose at most 1"),
        ("cuda", 3, "3 cards are here; choose at most 3"),
        ("mps", 1, "not yet on mps"),
    ],
)
def test_too_few_cards_are_named(device: str, cards: int, said: str) -> None:
    with pytest.raises(DeviceUnavailable, match=said):
        check_devices(device, 4, cards)


def test_more_ranks_than_heads_are_refused_before_any_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = TinyModel(heads=2, kv_heads=1, head_dim=128).write(tmp_path / "narrow.gguf")
    monkeypatch.setattr("sevenb.engine.parallel.ranks._start", lambda launch: pytest.fail("a rank was started"))
    with pytest.raises(InvalidRequest, match="2 attention heads to divide; choose 1 to 2"):
        open_llm(narrow, 3)


def test_ranks_that_cannot_meet_say_so_in_a_sentence(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "nowhere0")
    with pytest.raises(DeviceUnavailable, match=r"2 ranks of a .* cannot meet over gloo \(.*nowhere0"):
        open_llm(tiny, 2)
    assert not other_ranks()


def test_a_group_that_cannot_be_left_holds_up_no_end(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sevenb.backend.torch.parallel import ProcessGroup

    others_are_back = threading.Event()
    leave = ProcessGroup.close

    def leave_late(group: ProcessGroup) -> None:
        others_are_back.wait()
        leave(group)

    monkeypatch.setattr("sevenb.engine.parallel.ranks._LEAVE_SECONDS", 0.01)
    monkeypatch.setattr(ProcessGroup, "close", leave_late)
    with open_llm(tiny, 2):
        pass
    assert not other_ranks()
    others_are_back.set()
    for thread in threading.enumerate():
        if thread.name == "leaving the ranks":
            thread.join()
    ProcessGroup.check_free()


def test_a_rank_that_is_killed_ends_the_engine_with_a_sentence(tiny: Path) -> None:
    with open_llm(tiny, 2) as llm:
        assert texts(llm, 2)
        (rank,) = other_ranks()
        rank.kill()
        for _ in range(2):
            with pytest.raises(DeviceLost, match=r"Rank 1 of 2, one of the processes that share the model, was killed"):
                texts(llm, 2)
    with open_llm(tiny, 2) as llm:
        assert texts(llm, 2)


@pytest.mark.parametrize("command", [Join, LoadWeights, Forward])
def test_a_rank_that_is_killed_in_the_midst_of_what_it_was_told_is_waited_for_no_longer(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, command: type[RankCommand]
) -> None:
    from sevenb.engine.parallel.ranks import Ranks

    tell = Ranks.tell

    def tell_and_kill(ranks: Ranks, told: RankCommand) -> None:
        if not isinstance(told, command):
            return tell(ranks, told)
        (rank,) = other_ranks()
        rank.suspend()  # it does nothing of it
        tell(ranks, told)
        threading.Thread(target=rank.kill).start()

    monkeypatch.setattr(Ranks, "tell", tell_and_kill)
    was_killed = r"Rank 1 of 2, one of the processes that share the model, was killed"
    with pytest.raises(DeviceLost, match=was_killed), open_llm(tiny, 2) as llm:
        texts(llm, 2)
    assert not other_ranks()
    if command is Join:  # a meeting that failed is not in the way of the next
        monkeypatch.undo()
        with open_llm(tiny, 2) as llm:
            assert texts(llm, 2)
