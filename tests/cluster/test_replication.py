"""What each of several engines on one machine may take."""

import pytest

from sevenb.backend.accelerators import AcceleratorSign
from sevenb.cluster.replication import Replication, _cards
from sevenb.engine import device_choice
from sevenb.engine.engine_config import EngineConfig
from sevenb.errors import DeviceUnavailable
from sevenb.host import usable_cores


@pytest.mark.parametrize("settings", [{"device": "cpu"}, {"backend": "native"}, {}])
def test_engines_that_compute_on_the_processor_share_it_even_where_there_is_a_card(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    monkeypatch.setattr(device_choice, "signs_of_accelerators", lambda root: [AcceleratorSign("cuda", "a card")])
    monkeypatch.setattr(device_choice, "find_spec", lambda name: None)  # torch is not installed
    config = EngineConfig(model="model", memory_budget=8 * 2**30, swap_space=2**30, **settings)
    share = Replication(2)._share(config)
    assert share.swap_space == 2**29
    assert share.memory_budget == 4 * 2**30
    assert share.threads == max(1, usable_cores() // 2)


def test_each_engine_sees_cards_of_its_own_among_those_that_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_choice, "find_spec", lambda name: object())  # torch is installed
    config = EngineConfig(model="model", device="cuda", tensor_parallel_size=2)

    def seen(index: int) -> str:
        return _cards(config, index)["CUDA_VISIBLE_DEVICES"]

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [seen(0), seen(1)] == ["0,1", "2,3"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,5,3,1")
    assert [seen(0), seen(1)] == ["7,5", "3,1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,5,3")
    with pytest.raises(DeviceUnavailable, match=r"Replica 2 needs 4 cards .* shows 3"):
        seen(1)
