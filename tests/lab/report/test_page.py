"""The page in a real browser: both languages, any width, in print, and whatever a model wrote in it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from sevenb.lab.report.page.html import html_page
from sevenb.lab.report.report import Gap
from tests.console.conftest import REPOSITORY
from tests.lab.report.conftest import OpenReport
from tests.lab.report.samples import bare, report, scenario, subject, two_models

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg/onload=alert(3)>"
    "</style></title></textarea>{{7*7}} | a\n# b \x00\u202e &lt;"
)
AXE = REPOSITORY / "console" / "node_modules" / "axe-core" / "axe.min.js"


def test_the_verdict_comes_first_with_the_figures_that_decided(open_report: OpenReport) -> None:
    page = open_report(two_models())
    verdict = page.locator("#en section").first
    expect(verdict.get_by_role("heading", name="Verdict", exact=True)).to_be_visible()
    small = verdict.get_by_role("row", name=re.compile("^qwen2.5-coder:0.5b"))
    expect(small.get_by_role("cell").first).to_contain_text("Yes")
    expect(small.get_by_role("cell").first).to_contain_text("First token at 4K: 7.50 s, median of 3 (≤ 10 s)")
    expect(
        verdict.get_by_role("row", name=re.compile("^qwen2.5-coder:1.5b")).get_by_role("cell").first
    ).to_contain_text("No")


def test_the_language_is_chosen_without_a_script(open_report: OpenReport) -> None:
    page = open_report(two_models(), scripts=False)
    expect(page.locator("#en")).to_be_visible()
    expect(page.locator("#zh")).to_be_hidden()
    page.locator("#en").get_by_text("中文").click()
    expect(page.locator("#zh")).to_be_visible()
    expect(page.locator("#en")).to_be_hidden()
    page.locator("#zh nav.contents a").nth(3).click()  # an anchor within keeps the language
    expect(page.locator("#zh")).to_be_visible()
    expect(page.locator("#en")).to_be_hidden()
    page.locator("#zh").get_by_text("English").click()
    expect(page.locator("#en")).to_be_visible()


def test_a_report_that_was_made_in_chinese_opens_in_chinese(open_report: OpenReport) -> None:
    page = open_report(two_models(language="zh"))
    expect(page.locator("#zh")).to_be_visible()
    expect(page.locator("#en")).to_be_hidden()
    assert page.title().startswith("值得部署吗")
    page.goto(page.url.partition("#")[0] + "#en")
    expect(page.locator("#en")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 1024, 390])
@pytest.mark.parametrize("part", ["#en", "#zh"])
def test_nothing_is_wider_than_the_window(open_report: OpenReport, width: int, part: str) -> None:
    three = report(subject("a"), subject("b", 1), subject("c" * 200, 2))
    page = open_report(three, part, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(open_report: OpenReport, dark: bool) -> None:
    page = open_report(two_models(quick=True), dark=dark)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    serious = [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]
    assert not serious


def test_every_table_has_a_caption_and_every_plot_a_title_and_a_table_beside(open_report: OpenReport) -> None:
    page = open_report(two_models())
    assert page.locator("table").count() == page.locator("table > caption").count() > 10
    assert page.locator("thead th:not([scope]), tbody th:not([scope])").count() == 0
    plots = page.locator("#en svg.plot")
    assert plots.count() == 6
    for index in range(plots.count()):
        plot = plots.nth(index)
        title, text = (plot.get_attribute("aria-labelledby") or "").split()
        assert page.locator(f"#{title}").text_content()
        assert "table" in (page.locator(f"#{text}").text_content() or "")
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))


def test_it_prints_on_light_pages_of_a4_in_the_language_that_is_shown(open_report: OpenReport, tmp_path: Path) -> None:
    page = open_report(two_models(), "#zh", dark=True)
    content = page.pdf(prefer_css_page_size=True)
    assert content.startswith(b"%PDF")
    box = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", content)
    assert box is not None
    assert (round(float(box[1])), round(float(box[2]))) == (595, 842)
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    expect(page.locator("#zh")).to_be_visible()
    expect(page.locator("#en")).to_be_hidden()


def test_what_models_and_servers_say_stays_text(open_report: OpenReport) -> None:
    evil = subject(
        HOSTILE,
        model=HOSTILE,
        url=f"http://x/{HOSTILE}",
        scenarios=(scenario("json", HOSTILE, HOSTILE, True, answer=HOSTILE),),
    )
    page = open_report(
        report(evil, gaps=(Gap(HOSTILE, HOSTILE, HOSTILE, HOSTILE),), machine={"cpu": HOSTILE, HOSTILE: HOSTILE})
    )
    assert page.locator("script, img, iframe, object, embed, link, base, form, style ~ style").count() == 0
    assert page.evaluate("[...document.querySelectorAll('*')].flatMap((one) => [...one.attributes])"
                         ".filter((one) => one.name.startsWith('on') || one.name === 'style').length") == 0  # fmt: skip
    assert "<script>alert(1)</script>" in (page.locator("#en details pre").last.text_content() or "")
    text = page.locator("body").text_content() or ""
    assert "\u202e" not in text  # which would turn what stands behind it around
    assert "\x00" not in text


def test_its_own_policy_lets_no_script_run_even_if_one_got_in(open_report: OpenReport) -> None:
    content = html_page(two_models())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', content)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert "script-src" not in policy[1]
    assert re.search(r"""(?:src|href)=["'](?!#)""", content) is None


def test_of_a_server_that_answered_nothing_it_says_what_is_missing_and_how_to_measure_it(
    open_report: OpenReport,
) -> None:
    page = open_report(bare())
    body = page.locator("#en").inner_text()
    assert "Not measured" in body
    assert "connection refused" in body
    assert "sevenb bench latency" in body
    assert "None" not in body
    assert "nan" not in body.lower().replace("tenant", "")


def test_one_model_alone_is_compared_with_nobody(open_report: OpenReport) -> None:
    page = open_report(report(subject("only")))
    assert "Of these" not in page.locator("#en").inner_text()
    assert page.get_by_text("Pairs of models").count() == 0


def test_three_models_keep_their_colours_in_all_plots() -> None:
    content = html_page(report(subject("a"), subject("b", 1, latency=None), subject("c", 2)))
    ttft = content[content.index('aria-labelledby="en-plot-ttft-') :]
    plot = ttft[: ttft.index("</svg>")]
    assert 'class="line s0"' in plot
    assert 'class="line s1"' not in plot  # it has no latency
    assert 'class="line s2"' in plot
