"""The console before another engine: llama.cpp's real server with the real 0.5B model."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.console.chatting import LONG, ask, open_parameters, send, set_longest_answer, set_parameter, writing
from tests.console.conftest import OpenPage
from tests.console.llama_cpp_server import CONTEXT, llama_cpp_serving
from tests.e2e.conftest import Program
from tests.server.conftest import RunningServer
from tests.server.console.client import Console

MODEL = "llama/coder"
COLOURS = {
    "type": "object",
    "properties": {"colours": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}},
    "required": ["colours"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def llama_cpp(coder_05b: Path) -> Iterator[str]:
    """The address of llama.cpp's server."""
    with llama_cpp_serving(coder_05b) as address:
        yield address


@pytest.fixture(scope="module")
def program(
    llama_cpp: str, smollm2: Path, start_console: Callable[..., AbstractContextManager[Program]]
) -> Iterator[Program]:
    """A server whose own model, a small one, is asked nothing here."""
    upstreams = ("--upstream", f"llama={llama_cpp}", "--upstream", "gone=http://127.0.0.1:9")
    with start_console(*upstreams, model=smollm2) as running:
        yield running


@pytest.fixture
def api(program: Program) -> Console:
    return Console(cast(RunningServer, program))


@pytest.fixture
def page(program: Program, open_page: OpenPage) -> Page:
    return open_page(f"/#/chat?model={MODEL}", at=program.url)


def idle(address: str) -> bool:
    """Whether none of llama.cpp's slots is at work."""
    return not any(slot["is_processing"] for slot in httpx.get(f"{address}/slots").json())


def test_a_chat_with_its_model_streams_and_is_kept(page: Page, api: Console) -> None:
    set_parameter(page, "Temperature", 0)
    answer = ask(page, "What is the capital of France? One word.")
    expect(answer).to_contain_text("Paris")
    expect(answer).to_contain_text(MODEL)
    expect(answer).to_contain_text("tokens/s")
    (row,) = [row for row in api.ok("GET", "/usage?days=1") if row["model"] == MODEL]
    assert row["completion_tokens"] > 0


def test_stop_frees_its_slot(page: Page, llama_cpp: str) -> None:
    send(page, LONG)
    writing(page)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("article.assistant")).to_contain_text("Stopped")
    deadline = time.monotonic() + 60
    while not idle(llama_cpp):
        assert time.monotonic() < deadline, "llama.cpp went on"
        time.sleep(0.1)


def test_a_schema_holds_its_answers(api: Console) -> None:
    settings = {"json_mode": "schema", "json_schema": COLOURS, "temperature": 0}
    chat = api.new_chat(model=MODEL, settings=settings)
    answer = api.answer(chat, "Name two colours.")
    assert (answer["status"], answer["valid"]) == ("complete", True)


def test_parameters_reach_it(page: Page, api: Console) -> None:
    open_parameters(page)
    set_longest_answer(page, 5)
    answer = ask(page, "Count from one to a hundred.")
    expect(answer.get_by_role("button", name="Continue")).to_be_visible()


def test_a_prompt_beyond_its_context_is_told_in_a_sentence(api: Console) -> None:
    chat = api.new_chat(model=MODEL)
    answer = api.answer(chat, "word " * CONTEXT)
    assert answer["status"] == "failed"
    assert answer["error"]["code"] == "context_length_exceeded"


def test_a_server_that_is_gone_is_shown_with_the_reason(program: Program, open_page: OpenPage) -> None:
    page = open_page("/#/models", at=program.url)
    expect(page.get_by_role("main")).to_contain_text("127.0.0.1:9")
    expect(page.get_by_text("No answer.")).to_have_count(1)
