"""What administrators may do, that nobody else may, and that it is noted."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute

from sevenb.server.access import principal
from sevenb.server.console import admin, routes
from tests.server.console.team import PASSWORD, Team, running_team


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with running_team("--api-key", "of-the-server") as running:
        yield running


def admin_routes() -> list[APIRoute]:
    found = [route for route in admin.router.routes if isinstance(route, APIRoute)]
    assert len(found) >= 8
    return found


@pytest.mark.parametrize("route", admin_routes(), ids=lambda route: f"{min(route.methods)} {route.path}")
def test_every_route_of_administrators_is_closed_to_others(team: Team, route: APIRoute) -> None:
    dependencies = {dependency.call for dependency in route.dependant.dependencies}
    assert principal._administrator in dependencies
    path = route.path.replace("{user_id}", team.id_of("ben"))
    for method in route.methods or ():
        body: dict[str, Any] = {"name": "eve", "password": PASSWORD} if method in ("POST", "PATCH") else {}
        assert team.ben.error(method, path, **body)["status"] == 403
        assert team.browser().error(method, path, **body)["status"] == 401


def test_every_route_of_the_console_asks_who_is_there(team: Team) -> None:
    open_routes = {"/session", "/login", "/logout", "/setup"}
    seen = 0
    for module in routes.MODULES:
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            if route.path in open_routes:
                continue
            path = route.path.replace("{", "").replace("}", "")
            for method in route.methods or ():
                assert team.browser().error(method, path)["status"] == 401, path
                seen += 1
    assert seen > 20


def test_an_account_is_made_changed_and_deleted(team: Team) -> None:
    made = team.anna.ok("POST", "/admin/users", name="cora", password=PASSWORD)
    assert (made["name"], made["role"], made["disabled"]) == ("cora", "user", False)
    assert "password" not in str(made)
    assert team.anna.error("POST", "/admin/users", name="CORA", password=PASSWORD)["status"] == 409
    assert team.anna.error("POST", "/admin/users", name="dora", password="short")["status"] == 400
    path = f"/admin/users/{made['id']}"
    assert team.anna.ok("PATCH", path, name="cornelia", role="admin")["name"] == "cornelia"
    cornelia = team.browser().sign_in("cornelia", PASSWORD)
    assert cornelia.ok("GET", "/admin/users")
    team.anna.ok("PATCH", path, role="user")
    assert cornelia.error("GET", "/admin/users")["status"] == 403  # at once, in the same session
    team.anna.ok("DELETE", path)
    assert cornelia.error("GET", "/chats")["status"] == 401
    assert team.anna.error("PATCH", path, name="x")["status"] == 404


def test_who_is_disabled_loses_access_at_once_and_gets_it_back(team: Team) -> None:
    emil = team.new_user("emil")
    key = emil.ok("POST", "/keys", name="program")["secret"]
    chat = emil.new_chat(title="kept")
    path = f"/admin/users/{team.id_of('emil')}"
    team.anna.ok("PATCH", path, disabled=True)
    assert emil.error("GET", "/chats")["status"] == 401
    assert team.complete(key) == 401
    refused = team.browser().error("POST", "/login", name="emil", password=PASSWORD)
    assert refused["code"] == "wrong_login"  # it does not tell more than to anybody
    team.anna.ok("PATCH", path, disabled=False)
    assert team.browser().sign_in("emil", PASSWORD).chat(chat)["title"] == "kept"
    assert team.complete(key) == 200


def test_the_answer_of_a_user_who_is_disabled_ends() -> None:
    with running_team(step_seconds=0.02) as team:
        chat = team.ben.new_chat()
        answer = team.ben.begin(chat, "x" * 900, model="echo")
        path = f"/admin/users/{team.id_of('ben')}"
        with team.ben.events(chat, answer) as events:
            next(event for event in events if event["type"] == "text")
            team.anna.ok("PATCH", path, disabled=True)
            last = list(events)[-1]
        assert last["message"]["status"] != "complete"
        team.server.until(lambda: _running(team) == 0)
        team.anna.ok("PATCH", path, disabled=False)
        kept = team.browser().sign_in("ben", PASSWORD).message(chat, answer)
        assert 0 < len(kept["content"]) < 900


def _running(team: Team) -> float:
    headers = {"Authorization": f"Bearer {team.anna.ok('POST', '/keys', name='metrics')['secret']}"}
    for line in team.server.http.get("/metrics", headers=headers).text.splitlines():
        if line.startswith("sevenb_num_requests_running"):
            return float(line.split()[-1])
    raise AssertionError


def test_a_password_that_was_set_anew_ends_the_sessions_of_the_old_one(team: Team) -> None:
    frida = team.new_user("frida")
    team.anna.ok("PATCH", f"/admin/users/{team.id_of('frida')}", password="battery staple")
    assert frida.error("GET", "/chats")["status"] == 401
    team.browser().sign_in("frida", "battery staple")


def test_administrators_cannot_lock_themselves_out(team: Team) -> None:
    path = f"/admin/users/{team.id_of('anna')}"
    for change in ({"role": "user"}, {"disabled": True}, {"password": "battery staple"}):
        assert team.anna.error("PATCH", path, **change)["status"] == 409
    assert team.anna.error("DELETE", path)["status"] == 409
    assert team.anna.ok("GET", "/admin/users")


def test_usage_is_told_by_user_and_the_servers_own_keys_apart(team: Team) -> None:
    gustav = team.new_user("gustav")
    key = gustav.ok("POST", "/keys", name="program")["secret"]
    assert [team.complete(key, "a" * 7), team.complete("of-the-server", "b" * 9)] == [200, 200]
    vectors = team.server.http.post("/v1/embeddings", json={"input": "c" * 5}, headers={"x-api-key": key})
    assert vectors.status_code == 200
    rows = {row["user"]: row for row in team.anna.ok("GET", "/admin/usage")}
    assert (rows["gustav"]["requests"], rows[None]["requests"]) == (2, 1)
    assert rows[None]["prompt_tokens"] == 9
    assert rows["gustav"]["prompt_tokens"] >= 7 + 5


def test_what_administrators_do_is_noted_without_secrets(team: Team) -> None:
    hanna = team.anna.ok("POST", "/admin/users", name="hanna", password="hannas first password")
    team.anna.ok("PATCH", f"/admin/users/{hanna['id']}", password="hannas second password", role="admin")
    key = team.anna.ok("POST", "/keys", name="audited")
    team.anna.ok("DELETE", f"/keys/{key['id']}")
    team.anna.ok("PATCH", "/admin/server", default_model="echo")
    team.anna.ok("DELETE", f"/admin/users/{hanna['id']}")
    entries = team.anna.ok("GET", "/admin/audit?limit=6")
    assert [(entry["action"], entry["target"]) for entry in entries] == [
        ("user.delete", "hanna"),
        ("settings.update", "default_model"),
        ("key.revoke", "audited"),
        ("key.create", "audited"),
        ("user.update", "hanna"),
        ("user.create", "hanna"),
    ]
    assert {entry["actor"] for entry in entries} == {"anna"}
    assert entries[4]["details"] == {"role": "admin", "password": "changed"}
    assert "first password" not in str(entries)
    assert "second password" not in str(entries)
    assert key["secret"] not in str(entries)
    older = team.anna.ok("GET", f"/admin/audit?limit=2&before={entries[1]['id']}")
    assert [entry["id"] for entry in older] == [entries[2]["id"], entries[3]["id"]]


def test_the_server_tells_its_settings(team: Team) -> None:
    assert team.anna.ok("PATCH", "/admin/server", default_model=None)["default_model"] is None
    settings = team.anna.ok("PATCH", "/admin/server", default_model="echo")
    assert settings["default_model"] == "echo"
    assert settings["database"].endswith("workspace.db")
    assert settings["upstreams"] == []
    assert team.anna.ok("GET", "/admin/server") == settings
