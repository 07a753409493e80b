"""Adding models in the page: downloads that stop and go on, files that are dropped; loading and deleting them."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.console.models.place import (
    Place,
    action,
    add,
    delete,
    drag,
    drop,
    row,
    tiny,
    transfer,
)
from tests.hub import holding

# -- downloads ---------------------------------------------------------------------------------------


def test_a_download_shows_how_far_it_is_stops_and_goes_on(
    models: Page, place: Place, screenshot: Callable[..., Path]
) -> None:
    with holding(place.hub, 500_000):
        dialog = add(models, "Download by name…")
        dialog.get_by_label("Name").fill("org/model")
        dialog.get_by_role("button", name="Download").click()
        expect(dialog).to_have_count(0)
        arriving = transfer(models, "org/model")
        expect(arriving).to_contain_text(re.compile(r"\d KB of 1.\d MB"))
        screenshot(models, "models-download")
        models.reload()  # it goes on without the page
        expect(arriving.get_by_role("progressbar")).to_be_visible()
        models.get_by_role("button", name="Stop org/model").click()
        expect(arriving).to_contain_text("Stopped; what arrived is kept")
    arriving.get_by_role("button", name="Resume").click()
    expect(arriving).to_contain_text("Downloaded and checked")
    expect(row(models, "org/model")).to_be_visible()
    arriving.get_by_role("button", name="Remove from the list").click()
    expect(arriving).to_have_count(0)
    delete(models, "org/model")


def test_a_download_that_fails_says_why_and_an_unknown_name_is_told_in_the_dialog(models: Page, place: Place) -> None:
    dialog = add(models, "Download by name…")
    dialog.get_by_label("Name").fill("qwen2.5-codr:7b")
    dialog.get_by_label("Name").press("Enter")
    expect(dialog).to_contain_text("did you mean qwen2.5-coder:7b")
    place.hub.missing = True
    dialog.get_by_label("Name").fill("org/missing")
    dialog.get_by_label("Name").press("Enter")
    expect(transfer(models, "org/missing")).to_contain_text("Not downloaded")
    expect(transfer(models, "org/missing").get_by_role("alert")).to_contain_text("Hugging Face")
    place.hub.missing = False
    transfer(models, "org/missing").get_by_role("button", name="Remove from the list").click()


# -- files -------------------------------------------------------------------------------------------


def test_a_dropped_file_becomes_a_model_that_loads_unloads_and_goes(
    models: Page, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    content = tiny(tmp_path, 2)
    drag(models, "dragenter", "x.gguf", content)
    expect(models.get_by_text("Drop a .gguf file to add it")).to_be_visible()
    dialog = drop(models, "My Model-7B-Q8_0.gguf", content)
    expect(models.get_by_text("Drop a .gguf file to add it")).to_have_count(0)
    expect(dialog.get_by_label("Name")).to_have_value("my-model-7b:q8_0")
    screenshot(models, "models-file")
    dialog.get_by_label("Name").fill("dropped")
    dialog.get_by_role("button", name="Add model").click()
    added = row(models, "dropped")
    expect(added).to_contain_text("Q8_0")
    models.get_by_role("button", name="Load dropped").click()
    expect(added).to_contain_text("Loaded")
    expect(added).to_contain_text("unloads in")
    action(models, "dropped", "Keep loaded until the server stops")
    expect(added).to_contain_text("stays loaded")
    models.get_by_role("button", name="Unload dropped").click()
    expect(models.get_by_role("button", name="Load dropped")).to_be_visible()
    delete(models, "dropped")


def test_a_chosen_file_is_judged_before_it_is_sent(models: Page, tmp_path: Path) -> None:
    dialog = add(models, "Add a .gguf file…")
    chooser = dialog.locator("input[type=file]")
    button = dialog.get_by_role("button", name="Add model")
    for name, content, told in (
        ("picture.gguf", b"\x89PNG", "is not a GGUF file"),
        ("big-00001-of-00003.gguf", b"GGUF", "one part of a model"),
    ):
        chooser.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})
        expect(dialog.get_by_role("alert")).to_contain_text(told)
        expect(button).to_be_disabled()
    chooser.set_input_files({"name": "good.gguf", "mimeType": "application/octet-stream", "buffer": tiny(tmp_path, 3)})
    expect(button).to_be_enabled()
    dialog.get_by_label("Name").fill("coder")
    expect(dialog).to_contain_text("There is a model of this name already")
    expect(button).to_be_disabled()
    dialog.get_by_label("Name").fill("a/b")
    expect(dialog).to_contain_text("Letters, digits")
    expect(button).to_be_disabled()


def test_a_damaged_file_is_told_and_nothing_of_it_stays(models: Page, tmp_path: Path, place: Place) -> None:
    dialog = drop(models, "damaged.gguf", tiny(tmp_path, 4)[:-500])
    dialog.get_by_role("button", name="Add model").click()
    expect(transfer(models, "damaged")).to_contain_text("Not added")
    expect(transfer(models, "damaged").get_by_role("alert")).to_contain_text("damaged.gguf")
    transfer(models, "damaged").get_by_role("button", name="Remove from the list").click()
    expect(transfer(models, "damaged")).to_have_count(0)
    assert not list((place.home / "partial").glob("upload-*"))


def test_a_file_can_be_stopped_on_its_way(models: Page, tmp_path: Path, place: Place) -> None:
    models.route(re.compile("/models/files"), lambda _: None)  # it never gets there
    dialog = drop(models, "endless.gguf", tiny(tmp_path, 5))
    dialog.get_by_role("button", name="Add model").click()
    models.get_by_role("button", name="Stop endless").click()
    expect(transfer(models, "endless")).to_contain_text("Stopped; nothing was kept")
    expect(row(models, "endless")).to_have_count(0)
