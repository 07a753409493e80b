"""``sevenb report`` as it is typed, on a server whose pace and faults are known."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sevenb.cli.main import app
from sevenb.errors import InvalidRequest, SevenbError, StorageDenied
from sevenb.lab.report.report import Report, read_report
from sevenb.lab.runs.store import RunStore
from tests.lab.report.samples import two_models
from tests.lab.report.test_rules import outcome
from tests.lab.speed.paced_server import paced_server

TASK = """
name: capitals
prompt: "The capital of {{ country }}?"
data: capitals.jsonl
score: contains
max_tokens: 12
"""
SMALL = ("--contexts", "100", "--clients", "1,2", "--limit", "2", "--quick", "--steps", "latency,load,tasks")


@pytest.fixture(autouse=True)
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEVENB_LAB", str(tmp_path / "lab"))
    return tmp_path / "lab"


@pytest.fixture
def task(tmp_path: Path) -> str:
    (tmp_path / "capitals.yaml").write_text(TASK)
    rows = [{"country": "France", "answer": "w"}, {"country": "Japan", "answer": "Tokyo"}]
    (tmp_path / "capitals.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return str(tmp_path / "capitals.yaml")


def report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


def only_report(lab: Path) -> Report:
    (file,) = (lab / "reports").glob("*/report.json")
    return read_report(file)


def test_servers_are_measured_and_put_side_by_side(lab: Path, task: str, tmp_path: Path) -> None:
    with paced_server() as fast, paced_server(ttft=0.05, tpot=0.02) as slow:
        done = report(
            "--target", f"fast={fast.url}", "--target", f"slow={slow.url}#paced", "--tasks", task, *SMALL,
            "--out", str(tmp_path / "out"),
        )  # fmt: skip
    assert done.exit_code == 0, done.output
    made = only_report(lab)
    assert [one.name for one in made.subjects] == ["fast", "slow"]
    first, second = made.subjects
    assert first.latency is not None
    assert second.latency is not None
    assert first.latency.rows[0].tpot is not None
    assert second.latency.rows[0].tpot is not None
    assert first.latency.rows[0].tpot.median < second.latency.rows[0].tpot.median
    assert first.load is not None
    assert [row.clients for row in first.load.rows] == [1, 2]
    assert [summary.task for summary in first.tasks] == ["capitals"]
    assert (first.tasks[0].strict.right, first.tasks[0].strict.of) == (1, 2)
    (pair,) = made.comparisons
    assert (pair.first, pair.second, pair.items, pair.difference.p) == ("fast", "slow", 2, 1.0)
    assert {gap.step for gap in made.gaps} == {"memory", "scenarios"}  # nobody asked for them
    assert not any(gap.reason for gap in made.gaps)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "report.html", "report.json", "report.md", "report.zh.md",
    ]  # fmt: skip
    assert "Report: " in done.stdout


def test_a_server_that_cannot_be_reached_is_a_gap_and_the_others_are_measured(lab: Path) -> None:
    with paced_server() as server:
        done = report("--target", "gone=http://127.0.0.1:9", "--target", f"here={server.url}",
                      "--quick", "--contexts", "100", "--steps", "latency")  # fmt: skip
    assert done.exit_code == 1
    gone, here = only_report(lab).subjects
    assert gone.latency is None
    assert here.latency is not None
    gap = next(gap for gap in only_report(lab).gaps if gap.subject == "gone" and gap.step == "latency")
    assert "No server answers at http://127.0.0.1:9/v1" in gap.reason
    assert gap.command.startswith("sevenb bench latency")


def test_the_same_command_goes_on_with_what_failed_and_measures_nothing_twice(lab: Path) -> None:
    with paced_server() as server:
        options = ("--target", f"x={server.url}", "--quick", "--contexts", "100", "--steps", "latency,load")
        server.dies_at = 2  # requests: those of the latency
        assert report(*options).exit_code == 1
        assert [record.kind for record in RunStore().records() if record.state == "done"] == ["latency"]
        assert {gap.step for gap in only_report(lab).gaps if gap.reason} == {"load"}
        server.dies_at = None
        assert report(*options).exit_code == 0
        assert len(RunStore().records("latency")) == 1
        made = only_report(lab)  # the same one
        assert made.subjects[0].load is not None
        assert not any(gap.reason for gap in made.gaps)
        assert report(*options).exit_code == 0  # it was complete: another begins
    assert len(list((lab / "reports").iterdir())) == 2


def test_kept_runs_make_a_report_without_a_server(lab: Path, task: str) -> None:
    with paced_server() as server:
        assert report("--target", f"x={server.url}", "--tasks", task, *SMALL).exit_code == 0
    runs = [record.id for record in RunStore().records() if record.kind != "load"]
    done = report("--runs", *runs)
    assert done.exit_code == 0, done.output
    (made,) = [one for one in map(read_report, (lab / "reports").glob("*/report.json")) if not one.subjects[0].load]
    assert made.subjects[0].latency is not None
    assert [summary.task for summary in made.subjects[0].tasks] == ["capitals"]
    assert {gap.step for gap in made.gaps} == {"memory", "load", "scenarios"}


def test_other_limits_judge_a_kept_report_anew(tmp_path: Path) -> None:
    from sevenb.lab.report.page.writing import write_report

    before = two_models()
    write_report(before, tmp_path)
    done = report("--from", str(tmp_path / "report.json"), "--threshold", "chat_ttft=5")
    assert done.exit_code == 0, done.output
    after = read_report(tmp_path / "report.json")
    assert after.thresholds.chat_ttft == 5
    assert outcome(before.subjects[0], "chat") == "yes"
    assert next(verdict for verdict in after.verdicts if verdict.use == "chat").outcome == "no"
    assert "≤ 5 s" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_report_with_figures_that_can_be_none_is_told_in_a_sentence(tmp_path: Path) -> None:
    from sevenb.lab.report.page.writing import write_report

    write_report(two_models(), tmp_path)
    kept = json.loads((tmp_path / "report.json").read_bytes())
    for row in kept["subjects"][0]["latency"]["rows"]:
        row["context"] = 0  # which has no place on an axis of doublings
    (tmp_path / "report.json").write_text(json.dumps(kept), encoding="utf-8")
    done = report("--from", str(tmp_path / "report.json"))
    assert isinstance(done.exception, InvalidRequest)
    assert "holds what no report of sevenb has" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Name a model"),
        (("x", "--tasks", "nothing"), "There is no task"),
        (("x", "--steps", "magic"), "There is no step 'magic'"),
        (("x", "--threshold", "speed=3"), "There is no limit 'speed'"),
        (("x", "--threshold", "chat_ttft=fast"), "is no number"),
        (("x", "--contexts", "many"), "--contexts takes lengths"),
        (("--target", "=http://x"), "is not [NAME=]URL[#MODEL]"),
        (("--target", "http://me:hush@127.0.0.1:1/v1"), "--target 'http://…@127.0.0.1:1/v1' is no address"),
        (("--from", "/nothing/report.json"), "cannot be read"),
        (("--runs", "ffffffff"), "There is no run"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_measured(arguments: tuple[str, ...], said: str) -> None:
    done = report(*arguments)
    assert isinstance(done.exception, SevenbError)
    assert said in str(done.exception)
    assert not isinstance(done.exception, InvalidRequest) or RunStore().records() == []


@pytest.mark.parametrize("place", ["lab", "out"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_measured(
    lab: Path, tmp_path: Path, place: str
) -> None:
    out = tmp_path / "out"
    (lab if place == "lab" else out).write_text("a file", encoding="utf-8")
    with paced_server() as server:
        done = report("--target", f"x={server.url}", "--quick", "--steps", "latency", "--out", str(out))
        assert server.bodies == []
    assert isinstance(done.exception, StorageDenied)
    assert "is no folder that files can be written to" in str(done.exception)


def test_the_key_is_never_written_down(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with paced_server() as server:
        arguments = ["report", "--target", f"x={server.url}", "--quick", "--contexts", "100", "--steps", "latency",
                     "--api-key", "very-secret"]  # fmt: skip
        monkeypatch.setattr("sys.argv", ["sevenb", *arguments])
        assert CliRunner().invoke(app, arguments).exit_code == 0
    for path in lab.rglob("*"):
        assert not path.is_file() or b"very-secret" not in path.read_bytes(), path
