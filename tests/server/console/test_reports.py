"""Reports of the lab: for administrators, held in by a policy of their own, and nothing beside them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.lab.report.page.writing import write_report
from tests.lab.report.samples import two_models
from tests.server.console.team import Team, running_team

ID = "20261122-102400-1a2b"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    write_report(two_models(id=ID), folder / "reports" / ID)
    (folder / "reports" / "20261122-102500-ffff").mkdir()  # one that is still being made
    (folder / "lab.db").write_text("secret")
    (folder / "reports" / "report.html").write_text("secret")
    outside = folder / "reports" / "20261122-102600-aaaa"
    outside.mkdir()
    (outside / "report.html").symlink_to(folder.parent / "elsewhere.html")
    (folder.parent / "elsewhere.html").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def team(lab: Path) -> Iterator[Team]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEVENB_LAB", str(lab))
        with running_team() as running:
            yield running


def test_an_administrator_sees_those_that_are_finished(team: Team) -> None:
    (report,) = team.anna.ok("GET", "/admin/reports")
    assert report["id"] == ID
    assert report["models"] == ["qwen2.5-coder:0.5b", "qwen2.5-coder:1.5b"]
    assert report["made"].startswith("2026-11-22")
    page = team.anna.ask("GET", f"/admin/reports/{ID}/report.html")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "Is it worth deploying" in page.text


def test_whatever_a_report_holds_runs_nothing_and_loads_nothing(team: Team) -> None:
    headers = team.anna.ask("GET", f"/admin/reports/{ID}/report.html").headers
    policy = {part.strip().partition(" ")[0]: part for part in headers["content-security-policy"].split(";")}
    assert "sandbox" in policy
    assert "allow" not in headers["content-security-policy"]
    assert "script-src" not in policy
    assert policy["default-src"].endswith("'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


def test_the_other_files_are_to_keep(team: Team) -> None:
    for name, kind in (("report.json", "application/json"), ("report.zh.md", "text/markdown; charset=utf-8")):
        response = team.anna.ask("GET", f"/admin/reports/{ID}/{name}")
        assert response.headers["content-type"] == kind
        assert response.headers["content-disposition"].startswith("attachment")


def test_users_and_strangers_see_none(team: Team) -> None:
    assert team.ben.error("GET", "/admin/reports")["status"] == 403
    assert team.ben.error("GET", f"/admin/reports/{ID}/report.html")["status"] == 403
    assert team.browser().error("GET", f"/admin/reports/{ID}/report.html")["status"] == 401


@pytest.mark.parametrize(
    "path",
    [
        "../report.html",
        "%2e%2e/lab.db",
        "..%2f..%2flab.db/report.html",
        f"{ID}/..%2freport.html",
        f"{ID}/draft.json",
        f"{ID}/%2e%2e%2f%2e%2e%2flab.db",
        f"{ID}%00/report.html",
        f"{ID}/report.html%00",
        "20261122-102500-ffff/report.html",
        "20261122-102600-aaaa/report.html",
        f"{'a' * 5000}/report.html",
        "./report.html",
    ],
)
def test_nothing_beside_reports_is_served(team: Team, path: str) -> None:
    response = team.anna.ask("GET", f"/admin/reports/{path}")
    assert response.status_code in (404, 405)
    assert "secret" not in response.text
