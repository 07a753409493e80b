"""Programs that mean no harm run as they would anywhere."""

import pytest

from sevenb.lab.sandbox import Limits, run_program, sandbox_kind
from tests.lab.sandbox.host import Host, every_way, linux_only

pytestmark = linux_only


def test_a_program_runs_and_its_output_comes_back() -> None:
    outcome = run_program("import sys\nprint('out')\nsys.stderr.write('err')")
    assert (outcome.ended, outcome.exit_code, outcome.output) == ("ok", 0, "out\nerr")


def test_a_program_reads_its_input() -> None:
    outcome = run_program("import sys\nprint(input()[::-1], len(sys.stdin.read()))", stdin="naïve\n" + "x" * 200_000)
    assert outcome.output == "evïan 200000\n"


@pytest.mark.parametrize(
    ("source", "ended", "exit_code", "said"),
    [
        ("raise ValueError('so it is')", "error", 1, "ValueError: so it is"),
        ("import sys; sys.exit(3)", "error", 3, ""),
        ("def f(:", "error", 1, "SyntaxError"),
        ("x = '\0'", "error", 1, "null bytes"),
        ("x = '\ud800'", "error", 1, "utf-8"),
        ("", "ok", 0, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed", -11, ""),
        ("import time; time.sleep(60)", "timeout", None, ""),
        ("x = bytearray(1 << 40)", "memory", 1, "MemoryError"),
    ],
)
def test_an_end_is_told_for_what_it_was(source: str, ended: str, exit_code: int | None, said: str) -> None:
    outcome = run_program(source, Limits(seconds=2 if ended == "timeout" else 30))
    if "SIGSEGV" in source and "namespaces" in sandbox_kind():
        return  # the first process of a namespace does not hear its own signals
    assert (outcome.ended, outcome.exit_code) == (ended, exit_code)
    assert said in outcome.output


@every_way()
def test_the_standard_library_works(host: Host, layers) -> None:
    outcome = host.run(
        """
import asyncio, collections, datetime, decimal, fractions, hashlib, heapq, itertools, json, math, random, re, sqlite3
import string, threading, typing, zlib, zoneinfo, os, locale, concurrent.futures, queue, statistics, uuid, secrets
async def two(): return await asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 1))
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(sum(pool.map(abs, [-1, -2])))
print(asyncio.run(two()), len(os.urandom(3)), zoneinfo.ZoneInfo("Europe/Paris"))
print(sqlite3.connect(":memory:").total_changes)
open(os.devnull).read()
""",
        layers,
        Limits(),
    )
    assert (outcome.ended, outcome.output) == ("ok", "3\n[1, 1] 3 Europe/Paris\n0\n")


def test_scratch_is_there_in_namespaces_and_begins_empty(host: Host) -> None:
    if "namespaces" not in sandbox_kind():
        pytest.skip("no namespaces here")
    source = "import os, tempfile\nprint(os.listdir(), open('a', 'w').write('x'), os.path.exists(tempfile.mkdtemp()))"
    assert [run_program(source).output for _ in range(2)] == ["[] 1 True\n"] * 2


@every_way()
def test_the_same_program_does_the_same_each_time(host: Host, layers) -> None:
    outputs = {host.run("print(hash('a'), list({'a', 'b', 'c', 'd'}))", layers, Limits()).output for _ in range(3)}
    assert len(outputs) == 1


def test_output_is_kept_up_to_its_bound_while_the_program_goes_on() -> None:
    outcome = run_program("print('x' * 5_000_000)\nimport sys; sys.exit(4)", Limits(output_bytes=1000))
    assert (outcome.exit_code, outcome.output) == (4, "x" * 1000)
