"""Comparisons over the console's API: columns that answer, votes that are kept, and who may see them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.console.client import LONG, Console, until_text
from tests.server.console.team import Team, running_team

ENTRIES = [
    {"label": "cold", "model": "echo", "settings": {"temperature": 0.0}},
    {"label": "warm", "model": "echo", "settings": {"temperature": 1.5}},
]


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with running_team(step_seconds=0.005) as running:
        yield running


@pytest.fixture(scope="module")
def ben(team: Team) -> Console:
    return team.ben


@pytest.fixture
def comparison(ben: Console) -> dict[str, Any]:
    return dict(ben.ok("POST", "/comparisons", entries=ENTRIES))


def ask(ben: Console, comparison: dict[str, Any], text: str) -> list[str]:
    """Ask all columns; the ids of their answers."""
    return [ben.answer(entry["chat_id"], text)["id"] for entry in comparison["entries"]]


def test_a_comparison_has_a_chat_for_each_entry(ben: Console, comparison: dict[str, Any]) -> None:
    assert [entry["label"] for entry in comparison["entries"]] == ["cold", "warm"]
    for entry in comparison["entries"]:
        chat = ben.chat(entry["chat_id"])
        assert (chat["model"], chat["settings"]) == (entry["model"], entry["settings"])
    assert ben.ok("GET", f"/comparisons/{comparison['id']}") == comparison
    assert ben.ok("GET", "/comparisons")[0] == comparison


def test_its_chats_are_not_in_the_history(ben: Console, comparison: dict[str, Any]) -> None:
    ask(ben, comparison, "hidden words")
    listed = {chat["id"] for chat in ben.ok("GET", "/chats")["chats"]}
    assert not listed & {entry["chat_id"] for entry in comparison["entries"]}
    assert ben.ok("GET", "/search?q=hidden") == []


def test_a_vote_is_kept_with_its_figures_and_can_be_changed(team: Team) -> None:
    carla = team.new_user("carla")
    comparison = carla.ok("POST", "/comparisons", entries=ENTRIES)
    answers = ask(carla, comparison, "which one?")
    path = f"/comparisons/{comparison['id']}/votes"
    vote = carla.ok("POST", path, message="which one?", answer_ids=answers, winner=1)
    assert (vote["winner"], vote["answer_ids"], vote["models"]) == (1, answers, ["echo", "echo"])
    assert all(figures["completion_tokens"] > 0 for figures in vote["figures"])
    carla.ok("POST", path, message="which one?", answer_ids=answers, winner="tie")
    table = carla.ok("GET", "/votes")
    assert [vote["winner"] for vote in table["votes"]] == ["tie"]
    assert [(one["votes"], one["wins"], one["ties"], one["share"]) for one in table["standings"]] == [
        (1, 0, 1, 0.5),
        (1, 0, 1, 0.5),
    ]


def test_votes_outlive_their_comparison(team: Team) -> None:
    dora = team.new_user("dora")
    comparison = dora.ok("POST", "/comparisons", entries=ENTRIES)
    answers = ask(dora, comparison, "hello")
    dora.ok("POST", f"/comparisons/{comparison['id']}/votes", message="hello", answer_ids=answers, winner="none")
    dora.ok("DELETE", f"/comparisons/{comparison['id']}")
    assert dora.error("GET", f"/comparisons/{comparison['id']}")["status"] == 404
    assert dora.error("GET", f"/chats/{comparison['entries'][0]['chat_id']}")["status"] == 404
    assert [vote["winner"] for vote in dora.ok("GET", "/votes")["votes"]] == ["none"]


def test_deleting_ends_what_is_being_written(ben: Console, comparison: dict[str, Any], team: Team) -> None:
    entry = comparison["entries"][0]
    answer = ben.begin(entry["chat_id"], LONG)
    until_text(ben, entry["chat_id"], answer)
    key = ben.ok("POST", "/keys", name="metrics")["secret"]

    def running(count: int) -> bool:
        metrics = team.server.http.get("/metrics", headers={"Authorization": f"Bearer {key}"}).text
        return f'sevenb_num_requests_running{{model_name="echo"}} {count}.0' in metrics

    team.server.until(lambda: running(1))
    ben.ok("DELETE", f"/comparisons/{comparison['id']}")
    team.server.until(lambda: running(0))


def test_it_is_renamed(ben: Console, comparison: dict[str, Any]) -> None:
    renamed = ben.ok("PATCH", f"/comparisons/{comparison['id']}", title="  Cold or warm 冷热 ")
    assert renamed["title"] == "Cold or warm 冷热"
    assert ben.ok("GET", f"/comparisons/{comparison['id']}")["title"] == "Cold or warm 冷热"


def test_others_do_not_find_it(team: Team, comparison: dict[str, Any]) -> None:
    path = f"/comparisons/{comparison['id']}"
    for stranger in (team.anna, team.new_user("eve")):
        for method, where, body in (
            ("GET", path, {}),
            ("PATCH", path, {"title": "mine"}),
            ("DELETE", path, {}),
            ("POST", f"{path}/votes", {"message": "x", "answer_ids": [None, None], "winner": 0}),
        ):
            assert stranger.error(method, where, **body)["status"] == 404
        assert comparison["id"] not in [one["id"] for one in stranger.ok("GET", "/comparisons")]
    assert team.browser().error("GET", path)["status"] == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"entries": ENTRIES[:1]}, "entries"),
        ({"entries": ENTRIES * 2}, "entries"),
        ({"entries": [{**ENTRIES[0], "label": ""}, ENTRIES[1]]}, "entries[0].label"),
        ({"entries": [{**ENTRIES[0], "model": 7}, ENTRIES[1]]}, "entries[0].model"),
        ({"entries": [{**ENTRIES[0], "settings": {"temperature": "hot"}}, ENTRIES[1]]}, "entries[0].settings"),
        ({"entries": ENTRIES, "title": "x" * 201}, "title"),
    ],
)
def test_a_mistake_is_told_with_its_field(ben: Console, body: dict[str, Any], field: str) -> None:
    error = ben.error("POST", "/comparisons", **body)
    assert error["status"] == 400
    assert error["param"].startswith(field)


@pytest.mark.parametrize(
    "vote",
    [
        {"message": "x", "answer_ids": [None, None], "winner": 2},
        {"message": "x", "answer_ids": [None, None], "winner": "A"},
        {"message": "x", "answer_ids": [None, None], "winner": -1},
        {"message": "x", "answer_ids": ["nobody", None], "winner": 0},
        {"message": "x", "answer_ids": [None, None, None], "winner": 0},
    ],
)
def test_a_vote_on_nothing_is_refused(ben: Console, comparison: dict[str, Any], vote: dict[str, Any]) -> None:
    assert ben.error("POST", f"/comparisons/{comparison['id']}/votes", **vote)["status"] in (400, 404)
