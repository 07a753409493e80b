"""Nothing serious for axe on any page, and the keyboard alone reaches every control and is seen doing so."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage
from tests.console.watched import idle

PLACES = (
    "chat",
    "compare",
    "models",
    "settings/general",
    "settings/account",
    "settings/keys",
    "settings/usage",
    "admin/users",
    "admin/usage",
    "admin/reports",
    "admin/audit",
    "admin/server",
)

_LOOK = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect();
  const style = getComputedStyle(at);
  const rings = [at, at.parentElement, at.parentElement?.parentElement].filter(Boolean).map((one) => {
    const look = getComputedStyle(one);
    return (look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0) || look.boxShadow !== 'none';
  });
  at.dataset.walked = String(Number(at.dataset.walked ?? 0) + 1);
  return {
    name: at.outerHTML.slice(0, 120),
    visible: box.width > 0 && box.height > 0 && style.visibility !== 'hidden',
    ring: rings.some(Boolean),
    again: Number(at.dataset.walked) > 1,
  };
}"""

_LEFT_OUT = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, [tabindex="0"]')]
  .filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true }))
  .filter((one) => !one.dataset.walked && one.type !== 'radio')
  .map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: OpenPage, axe: Callable[..., None], theme: str) -> None:
    page = open_page(theme=theme)
    for place in PLACES:
        page.evaluate("(path) => { location.hash = path; }", f"#/{place}")
        axe(page)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_serious_on_a_phone(open_page: OpenPage, axe: Callable[..., None], language: str) -> None:
    page = open_page(size="phone", language=language)
    for place in PLACES:
        page.evaluate("(path) => { location.hash = path; }", f"#/{place}")
        axe(page)


def test_axe_finds_nothing_serious_above_the_page(page: Page, axe: Callable[..., None]) -> None:
    expect(page.get_by_role("main")).to_be_visible()
    page.keyboard.press("Control+k")
    axe(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Account").click()
    axe(page)
    page.get_by_role("menuitem", name="Keyboard shortcuts").click()
    axe(page)


def test_the_tab_key_reaches_every_control_and_shows_where_it_is(page: Page) -> None:
    for place in PLACES:
        page.evaluate("(path) => { location.hash = path; }", f"#/{place}")
        idle(page)
        _walk(page, place)


def _walk(page: Page, place: str) -> None:
    # From the top: the chat page puts the focus into its field.
    page.evaluate(
        """() => {
          for (const walked of document.querySelectorAll('[data-walked]')) delete walked.dataset.walked;
          document.body.tabIndex = -1;
          document.body.focus();
        }"""
    )
    for _ in range(150):
        page.keyboard.press("Tab")
        seen = page.evaluate(_LOOK)
        if seen is None or seen["again"]:
            break
        assert seen["visible"], f"{place}: the focus is on something that cannot be seen: {seen['name']}"
        assert seen["ring"], f"{place}: nothing shows that the focus is on {seen['name']}"
    assert page.evaluate(_LEFT_OUT) == [], place


def test_nothing_moves_for_whoever_asked_for_that(open_page: OpenPage) -> None:
    page = open_page(reduced_motion="reduce")
    expect(page.get_by_role("main")).to_be_visible()
    page.keyboard.press("Control+k")
    moving = page.evaluate(
        "document.getAnimations().filter((one) => (one.effect?.getComputedTiming().duration ?? 0) > 1).length"
    )
    assert moving == 0
