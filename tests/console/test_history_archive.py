"""Export and import in the sidebar: a round trip with branches, Markdown, and files that are no archives."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Download, Locator, Page, expect

from tests.console.archives import HEADERS, archive, bring, chat, empty
from tests.console.conftest import OpenPage
from tests.console.history import choose, kept, row, server, sidebar  # noqa: F401
from tests.e2e.conftest import Program


def from_menu(page: Page, action: str) -> None:
    page.get_by_role("button", name="Export and import").click()
    page.get_by_role("menuitem", name=action).click()


def read_file(page: Page, path: Path) -> Locator:
    """Choose a file for import; returns the dialog."""
    from_menu(page, "Import chats")
    dialog = page.get_by_role("dialog", name="Import chats")
    with page.expect_file_chooser() as chooser:
        dialog.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files(path)
    return dialog


def export_all(page: Page, folder: Path) -> Path:
    with page.expect_download() as download:
        from_menu(page, "Export all chats")
    return saved(download.value, folder)


def saved(download: Download, folder: Path) -> Path:
    path = folder / download.suggested_filename
    download.save_as(path)
    return path


def tree(one: dict[str, Any]) -> list[tuple[str, str | None, str]]:
    """Messages with what they follow, without ids."""
    by_id = {message["id"]: message["content"] for message in one["messages"]}
    return [(message["role"], by_id.get(message["parent_id"]), message["content"]) for message in one["messages"]]


def test_export_and_import_bring_everything_back(kept: Program, open_page: OpenPage, tmp_path: Path) -> None:  # noqa: F811
    branched = chat("Branched 分支", "Question?", "First answer.", folder="Kept", pinned=True)
    second = {**branched["messages"][1], "id": "second", "content": "Second answer."}
    after = {**branched["messages"][0], "id": "after", "parent_id": "second", "content": "And then?"}
    branched["messages"] += [second, after]
    with kept.http as http:
        bring(http, [branched, chat("Plain", days_ago=3)], ["Kept"])
        page = open_page(at=kept.url)
        expect(row(page, "Plain")).to_be_visible()
        path = export_all(page, tmp_path)
        assert path.name.startswith("sevenb-chats-")
        before = json.loads(path.read_text())
        empty(http)
    page.reload()
    expect(sidebar(page)).to_contain_text("Nothing here yet")
    dialog = read_file(page, path)
    expect(dialog).to_contain_text("holds 2 chats")
    dialog.get_by_role("button", name="Import 2 chats").click()
    expect(dialog).to_contain_text("2 chats imported.")
    dialog.get_by_role("button", name="Done").click()
    expect(row(page, "Plain")).to_be_visible()
    expect(sidebar(page).get_by_role("button", name="Kept").first).to_be_visible()
    row(page, "Branched 分支").first.click()
    expect(page.get_by_role("main")).to_contain_text("First answer.")
    again = json.loads(export_all(page, tmp_path).read_text())
    assert [folder["name"] for folder in again["folders"]] == ["Kept"]
    told = {one["title"]: one for one in again["chats"]}
    for one in before["chats"]:
        other = told[one["title"]]
        assert tree(other) == tree(one)
        kept_fields = ("title", "pinned", "created_at", "updated_at", "settings", "model")
        assert {name: other[name] for name in kept_fields} == {name: one[name] for name in kept_fields}
        assert (other["folder_id"] is None) == (one["folder_id"] is None)


def test_one_chat_is_exported_as_markdown_and_as_json(kept: Program, open_page: OpenPage, tmp_path: Path) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Notes: a/b", "What is *this*?", "A **note** with `code`."), chat("Another")])
    page = open_page(at=kept.url)
    with page.expect_download() as download:
        choose(page, "Notes: a/b", "Export as Markdown")
    path = saved(download.value, tmp_path)
    assert path.name == "Notes a b.md"
    text = path.read_text()
    assert "Notes: a/b" in text
    assert "What is *this*?" in text
    assert "A **note** with `code`." in text
    with page.expect_download() as download:
        choose(page, "Notes: a/b", "Export as JSON")
    exported = json.loads(saved(download.value, tmp_path).read_text())
    assert [one["title"] for one in exported["chats"]] == ["Notes: a/b"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("cut.json", '{"format": "sevenb-chats", "chats": [', "not a JSON file, or only a part of one"),
        ("photo.json", "\x00\x01\x02", "not a JSON file"),
        ("other.json", '{"conversations": []}', "not an export of chats"),
        ("list.json", "[1, 2]", "not an export of chats"),
        ("none.json", json.dumps(archive([])), "holds no chats"),
        ("later.json", json.dumps({**archive([chat("Later")]), "version": 9}), "newer version of sevenb"),
    ],
)
def test_a_file_that_is_no_archive_is_told_so(
    kept: Program,  # noqa: F811
    open_page: OpenPage,
    tmp_path: Path,
    name: str,
    content: str,
    told: str,
) -> None:
    path = tmp_path / name
    path.write_text(content)
    page = open_page(at=kept.url)
    dialog = read_file(page, path)
    expect(dialog.get_by_role("alert")).to_contain_text(told)
    expect(dialog.get_by_role("alert")).to_contain_text(name)
    expect(dialog.get_by_role("button", name="Choose a file")).to_be_visible()


def test_broken_chats_are_left_out_and_named(kept: Program, open_page: OpenPage, tmp_path: Path) -> None:  # noqa: F811
    orphan = chat("Orphans")
    orphan["messages"][1]["parent_id"] = "nobody"
    circle = chat("Circle")
    circle["messages"][0]["parent_id"] = circle["messages"][1]["id"]
    path = tmp_path / "partly.json"
    path.write_text(json.dumps(archive([chat("Whole"), orphan, circle, {"title": 7}])))
    page = open_page(at=kept.url)
    dialog = read_file(page, path)
    dialog.get_by_role("button", name="Import 4 chats").click()
    expect(dialog).to_contain_text("1 chat imported.")
    expect(dialog).to_contain_text("3 chats were left out:")
    expect(dialog.get_by_role("listitem").filter(has_text="Orphans")).to_be_visible()
    expect(dialog.get_by_role("listitem").filter(has_text="Circle")).to_be_visible()
    dialog.get_by_role("button", name="Done").click()
    expect(row(page, "Whole")).to_be_visible()
    expect(row(page, "Circle")).to_have_count(0)


def test_a_hostile_archive_is_shown_as_text(kept: Program, open_page: OpenPage, tmp_path: Path) -> None:  # noqa: F811
    payload = '<img src="https://evil.example/x.png" onerror="window.owned = true">'
    hostile = chat(f"{payload} title", payload, f"[click](javascript:alert(1)) {payload}", folder="Evil")
    hostile["messages"][0]["attachments"] = [{"name": f"{payload}.txt", "text": payload}]
    sent = {**archive([hostile]), "folders": [{"id": "Evil", "name": f"{payload} folder"}]}
    path = tmp_path / "hostile <b>.json"
    path.write_text(json.dumps(sent))
    page = open_page(at=kept.url)
    dialog = read_file(page, path)
    dialog.get_by_role("button", name="Import 1 chat").click()
    expect(dialog).to_contain_text("1 chat imported.")
    dialog.get_by_role("button", name="Done").click()
    sidebar(page).get_by_role("button", name=f"{payload} folder").first.click()
    row(page, f"{payload} title").click()
    expect(page.get_by_role("main")).to_contain_text("<img src=")
    assert page.evaluate("() => window.owned") is None
    assert page.evaluate("() => document.querySelectorAll('main img, nav img').length") == 0


def test_a_file_dropped_on_the_sidebar_is_imported(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    page = open_page(at=kept.url)
    data = page.evaluate_handle(
        """(text) => {
            const data = new DataTransfer();
            data.items.add(new File([text], 'dropped.json', {type: 'application/json'}));
            return data;
        }""",
        json.dumps(archive([chat("From the desk")])),
    )
    sidebar(page).dispatch_event("dragover", {"dataTransfer": data})
    expect(sidebar(page)).to_contain_text("Drop to import chats")
    sidebar(page).dispatch_event("drop", {"dataTransfer": data})
    dialog = page.get_by_role("dialog", name="Import chats")
    dialog.get_by_role("button", name="Import 1 chat").click()
    dialog.get_by_role("button", name="Done").click()
    expect(row(page, "From the desk")).to_be_visible()


def test_an_export_that_fails_leaves_no_file(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Vanishes")])
        page = open_page(at=kept.url)
        expect(row(page, "Vanishes")).to_be_visible()
        (one,) = http.get("/console/api/chats").json()["chats"]
        http.delete(f"/console/api/chats/{one['id']}", headers=HEADERS)
    downloads: list[Download] = []
    page.on("download", lambda download: downloads.append(download))
    choose(page, "Vanishes", "Export as JSON")
    expect(page.get_by_role("alert")).to_be_visible()
    assert not downloads
