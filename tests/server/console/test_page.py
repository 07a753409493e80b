"""How the page is served: to browsers, with headers that keep it to itself, and cached as far as it can be."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import RunningServer, running_server

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
SCRIPT = "console.log(1)\n" * 100


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("console") / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>sevenb</title>")
    (folder / "assets" / "index-1a2b.js").write_text(SCRIPT)
    (folder / "assets" / "index-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (folder / "theme.js").write_text("1")
    (folder.parent / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def server(pages: Path) -> Iterator[RunningServer]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEVENB_PAGE", str(pages))
        with running_server("--workspace", "--bound", "0.0.0.0") as running:
            yield running


@pytest.mark.parametrize("name", ["%00", "a%00.js", "a" * 5000, "a/" * 3000])
def test_names_that_no_file_can_have_are_not_found(server: RunningServer, name: str) -> None:
    response = server.http.get(f"/console/{name}")
    assert response.status_code == 404
    assert len(response.text) < 600


def directives(response: httpx.Response) -> dict[str, str]:
    policy = response.headers["content-security-policy"].split(";")
    return {name: value for name, _, value in (directive.strip().partition(" ") for directive in policy)}


def test_a_browser_gets_the_page_and_a_program_what_ollama_says(server: RunningServer) -> None:
    page = server.http.get("/", headers=HTML)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>sevenb</title>" in page.text
    assert "Accept" in page.headers["vary"]
    assert server.http.get("/").status_code == 401  # a program, without a key


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(server: RunningServer) -> None:
    policy = directives(server.http.get("/", headers=HTML))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["font-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in str(policy)
    assert "http" not in str(policy)


def test_every_file_carries_the_headers_that_keep_it_to_itself(server: RunningServer) -> None:
    for path in ("/", "/console/theme.js", "/console/assets/index-1a2b.js"):
        headers = server.http.get(path, headers=HTML).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == "same-origin"


def test_only_files_whose_names_change_are_kept_without_asking(server: RunningServer) -> None:
    assert "immutable" in server.http.get("/console/assets/index-1a2b.js").headers["cache-control"]
    for path in ("/", "/console/theme.js"):
        first = server.http.get(path, headers=HTML)
        assert first.headers["cache-control"] == "no-cache"
        again = server.http.get(path, headers={**HTML, "If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_what_the_build_has_packed_travels_packed(server: RunningServer) -> None:
    path = "/console/assets/index-1a2b.js"
    packed = server.http.get(path, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"].startswith("text/javascript")
    assert packed.text == SCRIPT
    plain = server.http.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT
    assert packed.headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "assets/../../secret.txt",
        "..%2fsecret.txt",
        "nothing.js",
        "assets",
        "api/x",
    ],
)
def test_nothing_outside_the_page_is_served(server: RunningServer, path: str) -> None:
    response = server.http.get(f"/console/{path}")
    assert response.status_code in (401, 404)
    assert "secret" not in response.text.replace("secret.txt", "")


def test_people_find_it_under_its_name_too(server: RunningServer) -> None:
    response = server.http.get("/console", headers=HTML)
    assert (response.status_code, response.headers["location"]) == (308, "/")


def test_before_it_is_built_the_page_says_so(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEVENB_PAGE", str(tmp_path / "nothing"))
        with running_server("--workspace") as unbuilt:
            page = unbuilt.http.get("/", headers=HTML)
            assert page.status_code == 200
            assert "not been built" in page.text
            assert unbuilt.http.get("/v1/models").status_code == 200
