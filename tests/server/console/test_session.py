"""Getting in: the first administrator, signing in and out, and what the cookie is good for."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from sevenb.workspace import Workspace
from tests.server.conftest import RunningServer
from tests.server.console.client import HEADERS, Console
from tests.server.console.team import PASSWORD, Team, running_team, setup_token

StartServer = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with running_team() as running:
        yield running


# -- the first administrator -------------------------------------------------------------------------


def test_on_loopback_without_accounts_the_console_is_open(start_server: StartServer) -> None:
    session = Console(start_server("--workspace")).ok("GET", "/session")
    assert session["mode"] == "local"
    assert session["user"]["local"]
    assert session["user"]["role"] == "admin"


def test_a_server_that_others_reach_takes_the_token_of_its_owner_alone(start_server: StartServer) -> None:
    server = start_server("--workspace", "--bound", "0.0.0.0")
    token, console = setup_token(server), Console(server)
    session = console.ok("GET", "/session")
    assert (session["mode"], session["user"]) == ("setup", None)
    # Nothing else is open: neither to whoever comes first, nor to programs.
    assert console.error("GET", "/chats")["status"] == 401
    assert console.error("POST", "/admin/users", name="eve", password=PASSWORD, role="admin")["status"] == 401
    assert console.error("POST", "/login", name="eve", password=PASSWORD)["status"] == 409
    assert console.error("POST", "/setup", token=token[:-1], name="eve", password=PASSWORD)["code"] == "wrong_token"
    assert server.http.get("/v1/models").status_code == 401
    assert server.http.get("/health").status_code == 200

    assert console.error("POST", "/setup", token=token, name="anna", password="short")["status"] == 400
    made = console.ok("POST", "/setup", token=token, name="anna", password=PASSWORD)
    assert (made["mode"], made["user"]["name"], made["user"]["role"]) == ("accounts", "anna", "admin")
    assert console.ok("GET", "/session")["user"]["name"] == "anna"
    again = Console(server).error("POST", "/setup", token=token, name="eve", password=PASSWORD)
    assert again["status"] == 409
    assert [user["name"] for user in console.ok("GET", "/admin/users")] == ["anna"]


def test_with_a_key_programs_work_before_there_is_an_account(start_server: StartServer) -> None:
    server = start_server("--workspace", "--api-key", "secret")
    assert Console(server).ok("GET", "/session")["mode"] == "setup"
    assert server.http.get("/v1/models", headers={"x-api-key": "secret"}).status_code == 200
    assert server.http.get("/v1/models").status_code == 401


def test_the_first_account_made_in_the_open_console_inherits_its_chats(start_server: StartServer) -> None:
    console = Console(server := start_server("--workspace"))
    chat = console.new_chat(title="mine")
    assert console.error("POST", "/admin/users", name="anna", password=PASSWORD, role="user")["status"] == 409
    console.ok("POST", "/admin/users", name="anna", password=PASSWORD, role="admin")
    session = console.ok("GET", "/session")
    assert (session["mode"], session["user"]["name"]) == ("accounts", "anna")
    assert console.chat(chat)["title"] == "mine"
    # From now on others sign in, and programs need a key.
    assert Console(server).error("GET", "/chats")["status"] == 401
    assert server.http.get("/v1/models").status_code == 401


def test_an_account_that_the_command_line_made_closes_the_open_console(
    start_server: StartServer, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/workspace.db"
    server = start_server("--database", database)
    console = Console(server)
    assert console.ok("GET", "/session")["mode"] == "local"
    workspace = Workspace.open(database)
    workspace.users.create("anna", PASSWORD, "admin")
    workspace.close()
    server.until(lambda: bool(console.ok("GET", "/session")["mode"] == "accounts"))
    assert console.error("GET", "/chats")["status"] == 401
    assert server.http.get("/v1/models").status_code == 401
    console.sign_in("anna", PASSWORD)


# -- signing in and out ------------------------------------------------------------------------------


def test_who_signs_in_is_remembered_until_they_sign_out(team: Team) -> None:
    browser = team.browser()
    assert browser.ok("GET", "/session")["user"] is None
    browser.sign_in("BEN", PASSWORD)  # the case of a name does not matter
    assert browser.ok("GET", "/session")["user"]["name"] == "ben"
    token = dict(browser.http.cookies)
    browser.ok("POST", "/logout")
    assert browser.ok("GET", "/session")["user"] is None
    thief = httpx.Client(base_url=browser.http.base_url, headers=HEADERS, cookies=token)
    assert thief.get("/chats").status_code == 401  # the session itself has ended, not only its cookie


def test_a_wrong_password_and_an_unknown_name_are_told_alike(team: Team) -> None:
    wrong = team.browser().error("POST", "/login", name="ben", password="wrong horse")
    unknown = team.browser().error("POST", "/login", name="nobody", password="wrong horse")
    assert wrong == unknown
    assert (wrong["status"], wrong["code"]) == (401, "wrong_login")
    team.browser().sign_in("ben", PASSWORD)


def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_the_apis(team: Team) -> None:
    browser = team.browser()
    response = browser.ask("POST", "/login", name="ben", password=PASSWORD)
    cookie = response.headers["set-cookie"]
    for attribute in ("HttpOnly", "SameSite=strict", "Path=/console/api", "Max-Age=2592000"):
        assert attribute in cookie
    assert "Secure" not in cookie
    token = re.match(r"sevenb_session_\d+=([\w-]{43,});", cookie)
    assert token, cookie
    assert token[1] not in response.text
    headers = {"Cookie": cookie.partition(";")[0]}
    assert team.server.http.get("/v1/models", headers=headers).status_code == 401
    assert team.server.http.get("/metrics", headers=headers).status_code == 401
    assert team.server.http.get("/console/api/chats", headers=headers).status_code == 200


def test_over_https_the_cookie_stays_there(team: Team) -> None:
    browser = team.browser()
    browser.http.headers["X-Forwarded-Proto"] = "https"  # as a proxy on this machine says
    response = browser.ask("POST", "/login", name="ben", password=PASSWORD)
    assert "Secure" in response.headers["set-cookie"]


def test_a_session_that_was_planted_before_the_sign_in_is_worth_nothing_after_it(team: Team) -> None:
    victim = team.browser().sign_in("ben", PASSWORD)
    (name, planted), *_ = victim.http.cookies.items()
    victim.sign_in("ben", PASSWORD)
    fresh = dict(victim.http.cookies)[name]
    assert fresh != planted
    thief = httpx.Client(base_url=victim.http.base_url, headers=HEADERS, cookies={name: planted})
    assert thief.get("/chats").status_code == 401
    sent = {**HEADERS, "Cookie": f"{name}={'x' * 43}"}
    response = victim.http.post("/login", json={"name": "ben", "password": PASSWORD}, headers=sent)
    assert "x" * 43 not in response.headers["set-cookie"]


def test_a_cookie_that_a_page_of_the_same_host_planted_does_not_count(team: Team) -> None:
    (name, own), *_ = team.ben.http.cookies.items()
    theirs = team.new_user("mallory").http.cookies[name]
    browser = team.browser()
    browser.http.headers["Cookie"] = f"{name}={own}; {name}={theirs}"  # a browser sends the longer path first
    assert browser.ok("GET", "/session")["user"]["name"] == "ben"


def test_whoever_guesses_passwords_has_to_wait(team: Team) -> None:
    victim, thief = team.new_user("victim"), team.browser()
    answers = [thief.ask("POST", "/login", name="victim", password=f"guess {n}") for n in range(8)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert victim.ok("GET", "/session")["user"]["name"] == "victim"  # who is signed in is not disturbed
    team.browser().sign_in("ben", PASSWORD)


# -- whose page it is --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Sevenb-Console": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_what_another_page_sends_changes_nothing(team: Team, headers: dict[str, str]) -> None:
    sent = {**HEADERS, **headers}
    response = team.anna.http.post("/chats", json={"title": "forged"}, headers=sent)
    assert response.status_code == 403
    assert team.anna.http.post("/logout", headers=sent).status_code == 403
    assert team.anna.ok("GET", "/session")["user"]["name"] == "anna"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_page_reads_nothing_either(team: Team, site: str) -> None:
    assert team.anna.http.get("/chats", headers={"Sec-Fetch-Site": site}).status_code == 403


def test_its_own_page_may_do_all_this(team: Team) -> None:
    host = team.server.http.base_url.netloc.decode()
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{host}"}, {}):
        team.ben.http.headers.update(headers)
        team.ben.ok("DELETE", f"/chats/{team.ben.new_chat()}")
        for name in headers:
            del team.ben.http.headers[name]


def test_pages_that_may_call_the_api_may_not_call_the_console(start_server: StartServer) -> None:
    server = start_server("--workspace", "--allowed-origin", "https://notes.example")
    origin = {"Origin": "https://notes.example"}
    assert server.http.get("/v1/models", headers=origin).headers["access-control-allow-origin"]
    answer = server.http.get("/console/api/session", headers=origin)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    preflight = {
        **origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-sevenb-console",
    }
    assert not server.http.options("/console/api/login", headers=preflight).is_success


def test_what_the_console_answers_is_kept_by_no_cache(team: Team) -> None:
    for response in (team.anna.ask("GET", "/session"), team.browser().ask("GET", "/chats")):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
