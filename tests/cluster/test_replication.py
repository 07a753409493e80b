"""What each of several engines on one machine may take."""

import pytest

from sevenb.backend.accelerators import AcceleratorSign
from sevenb.cluster.replication import Replication
from sevenb.engine import device_choice
from sevenb.engine.engine_config import EngineConfig
from sevenb.host import usable_cores


@pytest.mark.parametrize("settings", [{"device": "cpu"}, {"backend": "native"}, {}])
def test_engines_that_compute_on_the_processor_share_it_even_where_there_is_a_card(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    monkeypatch.setattr(device_choice, "signs_of_accelerators", lambda root: [AcceleratorSign("cuda", "a card")])
    monkeypatch.setattr(device_choice, "find_spec", lambda name: None)  # torch is not installed
    share = Replication(2)._share(EngineConfig(model="model", memory_budget=8 * 2**30, **settings))
    assert share.memory_budget == 4 * 2**30
    assert share.threads == max(1, usable_cores() // 2)
