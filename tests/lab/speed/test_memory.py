"""What a server takes of memory is what was predicted, and a foreign server is measured as far as it can be."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import InvalidRequest
from sevenb.lab.progress import silent_progress
from sevenb.lab.results import MemorySummary
from sevenb.lab.runs.store import RunStore
from sevenb.lab.speed.memory import MemoryMode, measure_memory, usual_modes
from sevenb.lab.speed.memory_servers import OwnServers
from tests.e2e.conftest import serving


def measured(
    folder: Path, modes: list[MemoryMode], model: str | None, url: str | None = None, **more: Any
) -> MemorySummary:
    return asyncio.run(
        measure_memory(model, url, None, RunStore(folder), modes=modes, progress=silent_progress(), **more)
    )


def test_the_real_model_takes_what_was_predicted(coder_05b: Path, tmp_path: Path) -> None:
    modes = [MemoryMode(1024, "f16"), MemoryMode(256, "int8", beam=4)]
    summary = measured(tmp_path, modes, str(coder_05b))
    for row in summary.rows:
        assert None not in (row.weights, row.kv_used, row.kv_reserved, row.activations, row.process_peak, row.predicted)
        assert row.weights is not None
        assert row.process_peak is not None
        assert row.predicted == pytest.approx(row.process_peak, rel=0.05)
        assert row.weights < row.process_peak
    plain, beams = summary.rows
    assert plain.kv_used == 1024 * 24 * 2 * 64 * 2 * 2  # layers, KV heads, head size, K and V, float16
    assert beams.kv_used is not None
    assert beams.kv_used < plain.kv_used
    assert [row.mode for row in summary.rows] == ["Q4_K_M, f16 KV", "Q4_K_M, int8 KV, beam 4"]


def test_rows_that_are_kept_are_not_measured_again(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = [MemoryMode(256, "int8"), MemoryMode(512, "int8")]
    lengths: list[int] = []

    measure = OwnServers.measure

    async def stopping(self: OwnServers, mode: MemoryMode) -> Any:
        lengths.append(mode.context)
        if lengths == [256, 512]:
            raise KeyboardInterrupt
        return await measure(self, mode)

    monkeypatch.setattr(OwnServers, "measure", stopping)
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, modes, str(smollm2))
    summary = measured(tmp_path, modes, str(smollm2))
    assert lengths == [256, 512, 512]
    assert [row.context for row in summary.rows] == [256, 512]


def test_another_server_is_measured_by_what_it_tells_and_by_its_process(coder_05b: Path, tmp_path: Path) -> None:
    with serving(coder_05b, "--max-model-len", "1024") as program:
        (row,) = measured(tmp_path, [MemoryMode(512, "int8")], None, program.url, pid=program.engine.pid).rows
        assert row.mode == "Q4_K_M"
        assert row.predicted is None
        assert row.weights is not None
        assert row.process_peak is not None
        assert row.process_peak > row.weights


def test_modes_are_each_context_and_each_type_and_beams_once() -> None:
    modes = usual_modes([4096, 8192], ["k16v8", "int8"], beam=4)
    assert [(mode.context, mode.kv_dtype, mode.beam) for mode in modes] == [
        (4096, "k16v8", 1), (8192, "k16v8", 1), (4096, "int8", 1), (4096, "k16v8", 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("modes", "more"),
    [
        ([MemoryMode(10)], {}),
        ([MemoryMode(10**6)], {}),
        ([MemoryMode(512)], {"pid": 2**22 + 1, "url": "http://127.0.0.1:9"}),
    ],
)
def test_what_cannot_be_measured_is_refused(modes: list[MemoryMode], more: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        measured(tmp_path, modes, "qwen2.5-coder:0.5b", **more)


def test_an_unknown_type_of_keys_and_values_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="fp4"):
        usual_modes([4096], ["fp4"])
