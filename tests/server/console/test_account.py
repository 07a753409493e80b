"""What users manage alone: preferences, passwords, devices, keys, their own usage."""

import time
from collections.abc import Iterator

import pytest

from tests.server.console.team import PASSWORD, Team, running_team


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with running_team() as running:
        yield running


def test_preferences_stay_with_the_user(team: Team) -> None:
    team.ben.ok("PATCH", "/preferences", language="zh", theme="dark")
    changed = team.ben.ok("PATCH", "/preferences", theme=None, send_key="ctrl-enter")
    assert changed == {"language": "zh", "send_key": "ctrl-enter"}
    assert team.browser().sign_in("ben", PASSWORD).ok("GET", "/session")["preferences"] == changed
    assert team.anna.ok("GET", "/session")["preferences"] == {}
    refused = team.ben.error("PATCH", "/preferences", language="fr")
    assert (refused["status"], refused["param"]) == (400, "language")


def test_a_new_password_signs_all_other_devices_out(team: Team) -> None:
    cora = team.new_user("cora")
    elsewhere = team.browser().sign_in("cora", PASSWORD)
    wrong = cora.error("POST", "/password", old="wrong horse", new="battery staple")
    assert (wrong["status"], wrong["code"]) == (403, "wrong_password")
    assert cora.error("POST", "/password", old=PASSWORD, new="short")["status"] == 400
    before = dict(cora.http.cookies)
    cora.ok("POST", "/password", old=PASSWORD, new="battery staple")
    assert dict(cora.http.cookies) != before
    assert cora.ok("GET", "/session")["user"]["name"] == "cora"
    assert elsewhere.ok("GET", "/session")["user"] is None
    assert team.browser().error("POST", "/login", name="cora", password=PASSWORD)["status"] == 401
    team.browser().sign_in("cora", "battery staple")


def test_the_old_password_cannot_be_guessed_either(team: Team) -> None:
    dora = team.new_user("dora")
    answers = [dora.ask("POST", "/password", old=f"guess {n}", new="battery staple").status_code for n in range(8)]
    assert answers[:5] == [403] * 5
    assert 429 in answers


def test_devices_are_listed_and_signed_out_one_by_one_or_all(team: Team) -> None:
    here = team.new_user("emil")
    phone = team.browser()
    phone.http.headers["User-Agent"] = "Phone/1.0"
    phone.sign_in("emil", PASSWORD)
    devices = here.ok("GET", "/sessions")
    assert [device["current"] for device in devices].count(True) == 1
    (other,) = [device for device in devices if not device["current"]]
    assert (other["user_agent"], other["address"]) == ("Phone/1.0", "127.0.0.1")
    assert "token" not in str(devices)
    assert team.ben.error("DELETE", f"/sessions/{other['id']}")["status"] == 404  # not his
    here.ok("DELETE", f"/sessions/{other['id']}")
    assert phone.ok("GET", "/session")["user"] is None
    phone.sign_in("emil", PASSWORD)
    here.ok("DELETE", "/sessions")
    assert phone.ok("GET", "/session")["user"] is None
    assert len(here.ok("GET", "/sessions")) == 1


def test_a_key_is_shown_once_and_opens_the_api_until_it_is_revoked(team: Team) -> None:
    made = team.ben.ok("POST", "/keys", name="editor", expires_at=None)
    secret = made["secret"]
    assert secret.startswith("sk-sevenb-")
    assert secret.startswith(made["prefix"])
    (listed,) = team.ben.ok("GET", "/keys")
    assert "secret" not in listed
    assert secret not in team.ben.ask("GET", "/keys").text
    assert team.complete(secret) == 200
    assert team.server.http.get("/v1/models", headers={"x-api-key": secret}).status_code == 200
    assert team.complete(secret[:-1]) == 401
    assert team.ben.ok("GET", "/keys")[0]["last_used_at"] == pytest.approx(time.time(), abs=60)
    # A key is a program's: it is no way into the console.
    headers = {"Authorization": f"Bearer {secret}", "X-Sevenb-Console": "1"}
    assert team.server.http.get("/console/api/chats", headers=headers).status_code == 401
    assert team.anna.error("DELETE", f"/keys/{made['id']}")["status"] == 404  # not hers
    team.ben.ok("DELETE", f"/keys/{made['id']}")
    assert team.complete(secret) == 401
    assert team.ben.ok("GET", "/keys") == []


def key_that_opened(team: Team) -> str:
    """A key that is soon to expire, and has opened the API before."""
    for seconds in (1.0, 10.0, 60.0):  # on a busy machine the first may have expired when it is tried
        expires_at = time.time() + seconds
        made = team.ben.ask("POST", "/keys", name="guest", expires_at=expires_at)
        if made.is_success and team.complete(made.json()["secret"]) == 200:
            return str(made.json()["secret"])
        assert time.time() >= expires_at, "it did not open before it expired"
    raise AssertionError("no key lasted until it was tried")


def test_a_key_ends_when_it_expires(team: Team) -> None:
    secret = key_that_opened(team)
    team.server.until(lambda: team.complete(secret) == 401)
    assert team.ben.error("POST", "/keys", name="late", expires_at=time.time() - 1)["param"] == "expires_at"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_key_needs_a_name_that_can_be_read(team: Team, name: str) -> None:
    assert team.ben.error("POST", "/keys", name=name)["param"] == "name"


def test_only_administrators_keys_change_the_models_of_the_server(team: Team) -> None:
    keys = {
        name: console.ok("POST", "/keys", name="pulls")["secret"]
        for name, console in {"anna": team.anna, "ben": team.ben}.items()
    }

    def pull(name: str) -> int:
        headers = {"Authorization": f"Bearer {keys[name]}"}
        return team.server.http.post("/api/pull", json={"model": "./file.gguf"}, headers=headers).status_code

    assert pull("ben") == 403
    assert pull("anna") == 400  # it is a path, but she was asked in


def test_everybody_sees_their_own_usage(team: Team) -> None:
    def today() -> str:
        return time.strftime("%Y-%m-%d", time.gmtime())

    begun = today()
    frida, gustav = team.new_user("frida"), team.new_user("gustav")
    key = frida.ok("POST", "/keys", name="usage")["secret"]
    for prompt in ("a" * 10, "b" * 20):
        assert team.complete(key, prompt) == 200
    chat = frida.new_chat()
    frida.answer(chat, "hello there", model="echo")
    rows = frida.ok("GET", "/usage?days=7")
    assert {(row["user"], row["model"]) for row in rows} == {("frida", "echo")}
    assert sum(row["requests"] for row in rows) == 3
    assert sum(row["prompt_tokens"] for row in rows) == 10 + 20 + len("hello there")
    assert sum(row["completion_tokens"] for row in rows) >= 30
    assert {row["day"] for row in rows} <= {begun, today()}  # one, but around midnight
    assert gustav.ok("GET", "/usage?days=7") == []
    assert frida.error("GET", "/usage?days=0")["status"] == 400


def test_an_answer_that_is_stopped_counts_as_far_as_it_came() -> None:
    with running_team(step_seconds=0.02) as team:
        chat = team.ben.new_chat()
        answer = team.ben.begin(chat, "x" * 500, model="echo")
        with team.ben.events(chat, answer) as events:
            next(event for event in events if event["type"] == "text")
        team.ben.stop(chat, answer)

        def row() -> dict[str, int]:
            rows = team.ben.ok("GET", "/usage")
            return dict(rows[0]) if rows else {"requests": 0}

        team.server.until(lambda: row()["requests"] == 1)
        assert row()["prompt_tokens"] == 500
        assert 0 < row()["completion_tokens"] < 500
