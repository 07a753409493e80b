"""Markdown in the real page: what an answer looks like, as it comes and when it is there."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.chatting import answered, send
from tests.console.conftest import OpenPage
from tests.console.threads import answer, echoing, kept_at
from tests.e2e.conftest import Program

EVERYTHING = r"""Here is what **you** asked for, with `inline code` and [a link](https://docs.python.org/3/).

## A heading

1. First, *read* the file
2. Then parse it:
   ```python
   import json

   def load(path: str) -> dict:
       with open(path) as file:  # closes it
           return json.load(file) or {"n": 42}
   ```
3. Done
   - nested

- [x] a task that is done
- [ ] one that is not

| Model | Size | Speed |
|:---|---:|:---:|
| qwen2.5-coder:0.5b | 0.5 B | **61** tokens/s |
| qwen2.5-coder:7b | 7.6 B | 9 tokens/s |

> A quote with maths $E = mc^2$ in it, that costs $5 or $10.

$$
\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2}, \qquad \pmb{x} = \fcolorbox{red}{white}{$A$}
$$

中文排版：这是**“重点”**内容，*强调*也要好看。价格为 $5，公式 \(a_1 + b^2\) 也行。

H<sub>2</sub>O, <kbd>Ctrl</kbd>+<kbd>C</kbd>.

The end.
"""


@pytest.fixture(scope="module")
def echo(built_page: Path) -> Iterator[str]:
    with echoing(built_page, step_seconds=0.01) as url:
        yield url


@pytest.mark.parametrize(("size", "theme", "language"), [("desk", "light", "en"), ("phone", "dark", "zh")])
def test_everything_that_models_write_is_shown_as_meant(
    console: Program,
    open_page: OpenPage,
    screenshot: Callable[[Page, str], Path],
    axe: Callable[..., None],
    size: str,
    theme: str,
    language: str,
) -> None:
    path = kept_at(console.url, "Show me everything.", EVERYTHING)
    page = open_page(path, size=size, theme=theme, language=language)
    text = answer(page)
    expect(text.locator("strong").first).to_have_text("you")
    expect(text.locator("h2")).to_have_text("A heading")
    expect(text.locator("ol > li")).to_have_count(3)
    expect(text.get_by_role("checkbox")).to_have_count(2)
    expect(text.locator("td.markdown-right").first).to_have_text("0.5 B")
    expect(text.locator(".katex")).to_have_count(3)
    expect(text.locator(".katex-display")).to_have_count(1)
    expect(text.locator("blockquote")).to_contain_text("that costs $5 or $10.")
    expect(text.locator("strong", has_text="“重点”")).to_have_count(1)
    expect(text.locator("sub")).to_have_text("2")
    expect(text.locator(".code-keyword").first).to_have_text("import")
    axe(page, "[role=region]")
    expect(text.locator("h2")).to_be_attached()
    page.locator("article.user").scroll_into_view_if_needed()
    screenshot(page, f"markdown-{size}-{theme}-{language}")


def test_a_page_as_wide_as_a_phone_does_not_scroll_sideways(console: Program, open_page: OpenPage) -> None:
    table = f"| {'a' * 60} | {'b' * 60} |\n|---|---|\n| 1 | 2 |"
    wide = f"{table}\n\n```\n{'x' * 400}\n```\n\n$$ {'x+' * 90}x $$\n\n{'w' * 400}\n"
    page = open_page(kept_at(console.url, "Wide?", wide), size="phone")
    expect(answer(page).locator(".katex-display")).to_have_count(1)
    assert page.evaluate(
        "() => [document.scrollingElement, document.querySelector('[role=region]')]"
        ".every((element) => element.scrollWidth <= element.clientWidth)"
    )


def test_code_is_copied_as_it_was_written(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "Code?", 'Here:\n\n```js\nconst a = "<b>";\n\tf(a);\n```\n'))
    answer(page).get_by_role("button", name="Copy").click()
    expect(answer(page).get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == 'const a = "<b>";\n\tf(a);'


def test_a_message_is_copied_as_markdown(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "Hello?", "A **bold** answer."))
    page.locator("article.assistant").get_by_role("button", name="Copy").click()
    assert page.evaluate("() => navigator.clipboard.readText()") == "A **bold** answer."


def test_formulas_that_are_none_are_shown_as_written(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "Maths?", r"So $\frac{1$ and $\href{javascript:alert(1)}{x}$ and $a^2$."))
    expect(answer(page).locator(".katex")).to_have_count(2)
    expect(answer(page)).to_contain_text(r"\frac{1")
    expect(answer(page).locator("a")).to_have_count(0)


def test_nothing_flickers_while_an_answer_comes(echo: str, open_page: OpenPage) -> None:
    """Letter by letter: an element that was there stays, and no half-received sign is ever seen."""
    page = open_page(at=echo)
    page.evaluate(
        """() => {
          window.seen = [];
          new MutationObserver(() => {
            const text = document.querySelector('article.assistant .markdown')?.textContent;
            if (text !== undefined) window.seen.push(text);
          }).observe(document.body, {subtree: true, childList: true, characterData: true});
        }"""
    )
    send(
        page,
        "Some **bold text**, `code` and *more*.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two\n\n"
        "```python\nx = 1\n```\nThe end.",
    )
    answered(page)
    expect(answer(page)).to_contain_text("The end.")
    seen = page.evaluate("() => window.seen")
    assert len(seen) > 5, "the answer did not come in pieces"
    for sign in ("**", "`", "|", "---", "*more", "- "):
        assert not [text for text in seen if sign in text]


def test_text_that_is_selected_stays_so_while_the_answer_goes_on(
    open_page: OpenPage, built_page: Path, tmp_path: Path
) -> None:
    first, go_on = "These words are selected.\n\n", tmp_path / "go_on"
    with echoing(built_page, step_seconds=0.005, gate=str(go_on), gate_after=len(first) + 10) as halting:
        page = open_page(at=halting)
        send(page, first + "And more comes behind them. " * 12)
        words = answer(page).locator("p").first
        expect(words).to_have_text("These words are selected.")
        words.evaluate("(element) => getSelection().selectAllChildren(element)")
        go_on.touch()
        answered(page)
        expect(answer(page).locator("p").last).to_contain_text("comes behind them. And more")
        assert page.evaluate("() => getSelection().toString()") == "These words are selected."
