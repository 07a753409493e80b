"""Comparisons and votes, usage, audit, settings, personas."""

import pytest

from sevenb.errors import Conflict, InvalidRequest, NotFound
from sevenb.workspace import Comparison, Figures, NewComparisonEntry, NewMessage, Use, User, Workspace


@pytest.fixture
def comparison(workspace: Workspace, bob: User) -> Comparison:
    entries = [NewComparisonEntry("small", "a"), NewComparisonEntry("", "b", {"temperature": 0.1})]
    return workspace.comparisons.create(bob.id, entries, "Which?")


def answers(workspace: Workspace, user: User, comparison: Comparison) -> list[str]:
    return [
        workspace.chats.add_message(
            user.id, entry.chat_id, NewMessage("assistant", "x", figures=Figures(1, 0, 1, 0.5))
        ).id
        for entry in comparison.entries
    ]


def test_a_comparison_has_chats_that_the_history_does_not_list(
    workspace: Workspace, bob: User, comparison: Comparison
) -> None:
    assert workspace.comparisons.get(bob.id, comparison.id) == comparison
    assert workspace.comparisons.list(bob.id) == [comparison]
    chat = workspace.chats.get(bob.id, comparison.entries[1].chat_id)
    assert (chat.model, chat.settings) == ("b", {"temperature": 0.1})
    workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "needle"))
    assert workspace.chats.list(bob.id) == ([], None)
    assert workspace.chats.search(bob.id, "needle") == []
    assert workspace.comparisons.get(bob.id, comparison.id).updated_at > comparison.updated_at
    assert workspace.comparisons.update(bob.id, comparison.id, title="This one").title == "This one"
    workspace.comparisons.delete(bob.id, comparison.id)
    with pytest.raises(NotFound):
        workspace.chats.get(bob.id, chat.id)


def test_two_or_three_are_compared(workspace: Workspace, bob: User) -> None:
    for count in (0, 1, 4):
        with pytest.raises(InvalidRequest, match="two or three"):
            workspace.comparisons.create(bob.id, [NewComparisonEntry("", "m")] * count)
    with pytest.raises(InvalidRequest, match="model"):
        workspace.comparisons.create(bob.id, [NewComparisonEntry("", "m"), NewComparisonEntry("", " ")])


def test_votes_are_counted_and_outlive_their_comparison(
    workspace: Workspace, bob: User, comparison: Comparison
) -> None:
    vote = workspace.comparisons.vote(bob.id, comparison.id, "Question?", answers(workspace, bob, comparison), 0)
    assert vote.figures == [Figures(1, 0, 1, 0.5)] * 2
    tie = workspace.comparisons.vote(bob.id, comparison.id, "Again?", answers(workspace, bob, comparison), "tie")
    bad = workspace.comparisons.vote(bob.id, comparison.id, "And?", answers(workspace, bob, comparison), "none")
    workspace.comparisons.delete(bob.id, comparison.id)
    table = workspace.comparisons.votes(bob.id)
    assert [found.id for found in table.votes] == [bad.id, tie.id, vote.id]
    assert [found.winner for found in table.votes] == ["none", "tie", 0]
    assert [(found.name, found.votes, found.wins, found.ties, found.share) for found in table.standings] == [
        ("a · small", 3, 1, 1, 0.5),
        ("b", 3, 0, 1, 1 / 6),
    ]


def test_a_second_vote_on_the_same_answers_takes_the_place_of_the_first(
    workspace: Workspace, bob: User, comparison: Comparison
) -> None:
    given = answers(workspace, bob, comparison)
    workspace.comparisons.vote(bob.id, comparison.id, "Q", given, 0)
    workspace.comparisons.vote(bob.id, comparison.id, "Q", given, 1)
    (vote,) = workspace.comparisons.votes(bob.id).votes
    assert vote.winner == 1
    assert vote.answer_ids == tuple(given)


def test_votes_name_answers_of_their_comparison(
    workspace: Workspace, ada: User, bob: User, comparison: Comparison
) -> None:
    given = answers(workspace, bob, comparison)
    for wrong in ([*given, None], given[:1], [None, None]):
        with pytest.raises(InvalidRequest):
            workspace.comparisons.vote(bob.id, comparison.id, "Q", wrong, 0)
    for winner in (2, -1, True, "both", 0.5):
        with pytest.raises(InvalidRequest):
            workspace.comparisons.vote(bob.id, comparison.id, "Q", given, winner)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="cannot win"):
        workspace.comparisons.vote(bob.id, comparison.id, "Q", [given[0], None], 1)
    with pytest.raises(NotFound):
        workspace.comparisons.vote(bob.id, comparison.id, "Q", [given[1], given[0]], 0)
    for use in (
        lambda: workspace.comparisons.get(ada.id, comparison.id),
        lambda: workspace.comparisons.update(ada.id, comparison.id, title="x"),
        lambda: workspace.comparisons.delete(ada.id, comparison.id),
        lambda: workspace.comparisons.vote(ada.id, comparison.id, "Q", given, 0),
    ):
        with pytest.raises(NotFound):
            use()
    assert workspace.comparisons.votes(bob.id).votes == []


def test_usage_adds_up_by_day_user_and_model(workspace: Workspace, ada: User, bob: User) -> None:
    day = 1_795_305_600.0  # 2026-11-22, UTC
    workspace.usage.record(bob.id, None, "m", 10, 4, 5, at=day + 1)
    workspace.usage.record(bob.id, "key", "m", 1, 0, 1, at=day + 86399)
    workspace.usage.record_all(
        [Use("m", 1, 0, 1, None, None, day), Use("n", 2, 0, 2, bob.id, None, day - 1, requests=3)]
    )
    rows = [(row.day, row.user, row.model, row.requests, row.prompt_tokens, row.cached_tokens, row.completion_tokens)
            for row in workspace.usage.by_day(since_day="2026-11-21")]  # fmt: skip
    assert sorted(rows, key=str) == [
        ("2026-11-21", "Bob", "n", 3, 2, 0, 2),
        ("2026-11-22", "Bob", "m", 2, 11, 4, 6),
        ("2026-11-22", None, "m", 1, 1, 0, 1),
    ]
    assert [row.model for row in workspace.usage.by_day(user_id=bob.id, since_day="2026-11-22")] == ["m"]
    assert workspace.usage.by_day(user_id=ada.id, since_day="2000-01-01") == []
    workspace.users.delete(bob.id)
    workspace.usage.record(bob.id, None, "m", 1, 0, 1, at=day)
    assert [(row.user_id, row.user) for row in workspace.usage.by_day(since_day="2000-01-01")] == [(None, None)]


def test_the_log_tells_the_newest_first_in_pages(workspace: Workspace) -> None:
    for number in range(5):
        workspace.audit.record("Ada", "user.create", f"user {number}\n", role="user")
    first = workspace.audit.list(limit=2)
    assert [entry.target for entry in first] == ["user 4", "user 3"]
    assert first[0].details == {"role": "user"}
    rest = workspace.audit.list(before=first[-1].id)
    assert [entry.target for entry in rest] == ["user 2", "user 1", "user 0"]
    for nonsense in ("x", "-1", "", "9" * 30, "²"):
        with pytest.raises(InvalidRequest):
            workspace.audit.list(before=nonsense)


def test_settings_are_kept_until_they_are_taken_away(workspace: Workspace) -> None:
    assert workspace.settings.get("default_model") is None
    for value in ("qwen", ["a"], [], {}, 0, False, {"a": None}):
        workspace.settings.set("default_model", value)
        assert workspace.settings.get("default_model") == value
    workspace.settings.set("default_model", None)
    assert workspace.settings.get("default_model") is None


def test_personas_are_kept_by_name(workspace: Workspace, bob: User) -> None:
    pirate = workspace.personas.create(bob.id, "Pirate", "Arr.", {"temperature": 1.2})
    assert workspace.personas.list(bob.id) == [pirate]
    with pytest.raises(Conflict, match="Pirate"):
        workspace.personas.create(bob.id, "Pirate")
    changed = workspace.personas.update(bob.id, pirate.id, name="海盗", settings={})
    assert (changed.name, changed.system, changed.settings) == ("海盗", "Arr.", {})
    with pytest.raises(InvalidRequest, match="shorten"):
        workspace.personas.update(bob.id, pirate.id, system="x" * 200_001)
    workspace.personas.delete(bob.id, pirate.id)
    assert workspace.personas.list(bob.id) == []


def test_folders_have_names_of_their_own(workspace: Workspace, bob: User) -> None:
    workspace.folders.create(bob.id, "Work")
    play = workspace.folders.create(bob.id, "Play")
    with pytest.raises(Conflict):
        workspace.folders.create(bob.id, " Work ")
    with pytest.raises(Conflict):
        workspace.folders.update(bob.id, play.id, name="Work")
    for wrong in ("", "x" * 101, "a\nb"):
        with pytest.raises(InvalidRequest):
            workspace.folders.create(bob.id, wrong)
    assert [folder.name for folder in workspace.folders.list(bob.id)] == ["Play", "Work"]
