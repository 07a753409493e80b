"""What each of several engines on one machine may take."""

import msgspec
import pytest

from sevenb.backend.accelerators import AcceleratorSign
from sevenb.cluster import replication
from sevenb.cluster.ray_host import share_of_node
from sevenb.cluster.ray_messages import StartEngine
from sevenb.cluster.replication import Replication, _cards
from sevenb.cluster.shares import share_of_host
from sevenb.engine import device_choice
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.starting import Launch
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


@pytest.mark.parametrize(("device", "variable"), [("npu", "ASCEND_RT_VISIBLE_DEVICES"), ("xpu", "ZE_AFFINITY_MASK")])
def test_cards_of_other_makers_are_shown_by_their_own_variables(
    monkeypatch: pytest.MonkeyPatch, device: str, variable: str
) -> None:
    monkeypatch.setattr(device_choice, "find_spec", lambda name: object())
    monkeypatch.delenv(variable, raising=False)
    assert _cards(EngineConfig(model="model", device=device), 1) == {variable: "1"}
    for module in (device_choice, replication):
        monkeypatch.setattr(module, "signs_of_accelerators", lambda *_: [AcceleratorSign(device, "a card")])
    assert _cards(EngineConfig(model="model"), 2) == {variable: "2"}


def test_an_engine_in_a_cluster_has_the_part_of_a_machine_that_it_was_given_of_its_processors_or_cards() -> None:
    nodes = [
        {"NodeID": "small", "Resources": {"CPU": 8.0}},
        {"NodeID": "large", "Resources": {"CPU": 64.0, "GPU": 4.0}},
    ]
    launch = Launch("", msgspec.Raw(b"{}"))
    on_cpus = StartEngine(name="a", launch=launch, cpus=4, gpus=0)
    on_cards = StartEngine(name="b", launch=launch, cpus=1, gpus=2)
    assert share_of_node(on_cpus, nodes, "small") == 1 / 2
    assert share_of_node(on_cpus, nodes, "large") == 1 / 16
    assert share_of_node(on_cards, nodes, "large") == 1 / 2
    assert share_of_node(on_cpus, nodes, "gone") == 1
    config = EngineConfig(model="model", memory_budget=8 * 2**30, swap_space=2**30)
    shared = share_of_host(config, 1 / 4, on_card=False)
    assert (shared.memory_budget, shared.swap_space) == (2 * 2**30, 2**28)
    shared = share_of_host(config, 1 / 4, on_card=True)
    assert (shared.memory_budget, shared.swap_space) == (8 * 2**30, 2**28)
