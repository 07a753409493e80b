"""``sevenb bench serve`` as it is typed: its table, its options, and how it ends with Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sevenb.lab.runs.store import RunStore
from tests.lab.speed.paced_server import PacedServer, paced_server


def bench_serve(server: PacedServer, lab: Path, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "sevenb.cli.main", "bench", "serve", "--target", server.url]
    return subprocess.Popen(
        [*command, "--input-tokens", "96", "--output-tokens", "16", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "SEVENB_LAB": str(lab)},
    )  # fmt: skip


def test_the_table_has_a_row_a_level_and_failures_stand_below(tmp_path: Path) -> None:
    with paced_server(refuse=lambda number: (500, "out of blocks") if number == 3 else None) as server:
        process = bench_serve(server, tmp_path, "--clients", "1,2", "--num-prompts", "4", "--slo-ttft", "60")
        told, problems = process.communicate()
    assert process.returncode == 0, problems
    for part in ("1 client ", "2 clients", "TTFT within 60 s", "96 tokens in, 16 out"):
        assert part in told
    assert "1 client: 1 failed: " in problems
    assert "out of blocks" in problems


def test_a_rate_takes_the_place_of_clients(tmp_path: Path) -> None:
    with paced_server() as server:
        process = bench_serve(server, tmp_path, "--request-rate", "50", "--num-prompts", "4", "--json")
        told, problems = process.communicate()
    assert process.returncode == 0, problems
    (row,) = json.loads(told)["rows"]
    assert (row["offered_rate"], row["requests"]) == (50.0, 4)


def test_ctrl_c_keeps_the_levels_that_were_measured(tmp_path: Path) -> None:
    with paced_server(slots=1) as server:
        process = bench_serve(server, tmp_path, "--clients", "1,2", "--num-prompts", "3")
        while len(server.bodies) < 4 and process.poll() is None:  # the second level has begun
            server.begun.wait(1)
            server.begun.clear()
        server.tpot = 60.0
        process.send_signal(signal.SIGINT)
        _, problems = process.communicate()
        assert process.returncode == 130, problems
        assert "run the same command again" in problems
        (stopped,) = RunStore(tmp_path).records("load")
        assert stopped.state == "stopped"
        assert "clients 1" in RunStore(tmp_path).samples(stopped)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--clients", "1,many"), "--clients takes numbers such as 1,2,4, not 'many'"),
        (("--request-rate", "0"), "--request-rate takes numbers such as 1,2,4, not '0'"),
        (("--num-prompts", "4", "--seconds", "3"), "give one of them"),
        (("--target", "http://127.0.0.1:9/v1"), "No server answers"),
    ],
)
def test_nonsense_is_told_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    with paced_server() as server:
        process = bench_serve(server, tmp_path, *arguments)
        told, problems = process.communicate()
    assert process.returncode == 1
    assert not told
    assert message in problems
    assert "Traceback" not in problems
