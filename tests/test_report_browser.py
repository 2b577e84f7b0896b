"""The page of a report in Chromium: filters, ways from numbers to posts and back, keyboard, print, speed."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from test_report import HOSTILE, MANIFEST, TAGS, THREAD, make_table, make_tag

from stance.records import Post, Reply
from stance.report import write_index, write_report
from stance.report.page import Choices
from stance.table import build_table

sys.path.append(str(Path(__file__).parent / "bench"))

MOST_SECONDS = 1.0
PHONE, SCREEN = {"width": 390, "height": 800}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(make_table(), tmp_path_factory.mktemp("reports") / "talk")


@pytest.fixture
def open_page(browser):
    """Open a file; at the end nothing may have been logged, nor asked for from outside the file."""
    problems, pages = [], []

    def open_file(path: Path, at="", **options):
        page = browser.new_page(**options)
        pages.append(page)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: request.url == path.as_uri() or problems.append(request.url))
        page.goto(path.as_uri() + at)
        return page

    yield open_file
    for page in pages:
        page.close()
    assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_the_window(open_page, report, width, scheme):
    page = open_page(report, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shown = page.locator("figure svg").filter(visible=True)
    assert shown.count() == 5
    for index in range(3):
        box = shown.nth(index).bounding_box()
        assert box["x"] + box["width"] <= width
    assert (
        page.locator("h1").evaluate("node => getComputedStyle(node).color")
        == {
            "light": "rgb(27, 31, 36)",
            "dark": "rgb(230, 233, 237)",
        }[scheme]
    )


def test_no_text_of_a_figure_is_cut(open_page, report):
    """Words drawn past the edge of a figure are lost: the browser's fonts are not matplotlib's."""
    for width in (390, 1280):
        page = open_page(report, viewport={"width": width, "height": 800})
        outside = page.evaluate(
            """() => [...document.querySelectorAll("svg")].filter((svg) => svg.checkVisibility()).flatMap((svg) => {
              const frame = svg.getBoundingClientRect();
              return [...svg.querySelectorAll("text")].filter((text) => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
              }).map((text) => text.textContent);
            })"""
        )
        assert outside == []


def test_filters_narrow_the_posts(open_page, report):
    page = open_page(report)
    status, shown = page.locator("#filter output"), page.locator("#posts > article").filter(visible=True)

    def check(expected):
        page.locator(f"#filter output:text-is('{len(expected)} of 5 posts')").wait_for()
        assert [shown.nth(index).get_attribute("id") for index in range(shown.count())] == expected
        page.get_by_role("button", name="Show all").click()
        page.locator("#filter output:text-is('5 of 5 posts')").wait_for()

    assert status.text_content() == "5 of 5 posts"
    page.locator("#filter").get_by_label("Stance").select_option("North: against")
    check(["p1"])
    page.locator("#filter").get_by_label("Stance").select_option("North: abstained")
    check(["p4"])
    page.locator("#filter").get_by_label("Sentiment").select_option("positive")
    check(["p0"])
    page.locator("#filter").get_by_label("Author").select_option("unknown")
    check(["p1", "p3"])
    page.locator("#filter").get_by_label("Author").select_option("Ann")
    page.locator("#filter").get_by_label("Text").fill("ZEBRA")
    check(["p4"])
    page.locator("#filter").get_by_label("Text").fill("hold the line")  # quotes are not searched
    check(["p0"])
    page.locator("#filter").get_by_label("Toxicity").select_option("toxic posts")
    check(["p1"])
    page.locator("#filter").get_by_label("Toxicity").select_option("insult")
    check([])


def test_link_to_a_hidden_post_shows_it(open_page, report):
    page = open_page(report)
    page.locator("#filter").get_by_label("Toxicity").select_option("toxic posts")
    page.locator("#p0").wait_for(state="hidden")
    page.locator("#p1 blockquote a").click()
    page.locator("#p0").wait_for(state="visible")
    assert page.url.endswith("#p0")


def test_page_without_script_shows_every_post(open_page, report):
    page = open_page(report, java_script_enabled=False)
    assert page.locator("#posts > article").filter(visible=True).count() == 5
    assert not page.locator("#filter").is_visible()


def test_hostile_page_runs_nothing(open_page, tmp_path):
    posts = (Post("0", HOSTILE, HOSTILE, HOSTILE),)
    path = write_report(build_table(replace(THREAD, title=HOSTILE, posts=posts), TAGS[:1], None, MANIFEST), tmp_path)
    page = open_page(path)
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    assert page.locator("#posts .own").text_content() == HOSTILE
    page.locator("#filter").get_by_label("Author").select_option(HOSTILE)
    page.locator("#filter output:text-is('1 of 1 posts')").wait_for()


def test_index_fits_a_phone(open_page, report):
    path = write_index([(make_table(), report.parent)], [("x" * 80, "y" * 200)], report.parent.parent)
    page = open_page(path, viewport={"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def shown_posts(page):
    return page.evaluate("[...document.querySelectorAll('#posts > article')].filter((a) => !a.hidden).map((a) => a.id)")


def wait_for_status(page, words):
    page.locator(f"#filter output:text-is('{words}')").wait_for()


def test_every_number_leads_to_as_many_posts(open_page, report):
    page = open_page(report)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    links = page.locator("a[data-show]").filter(has_text="")
    tried = 0
    for index in range(links.count()):
        link = links.nth(index)
        words = link.text_content()
        if not words.isdecimal():
            continue
        link.evaluate("(one) => one.click()")
        page.wait_for_function("() => document.activeElement.id === 'posts-title'")
        assert len(shown_posts(page)) == int(words), link.get_attribute("data-show")
        tried += 1
    assert tried > 40


def test_number_leads_to_its_posts_and_back(open_page, report):
    page = open_page(report)
    page.locator("#figure-stance summary").click()
    page.locator("#figure-stance td a").first.click()
    wait_for_status(page, "1 of 5 posts")
    assert page.url.endswith("#posts?stance=0f")
    assert shown_posts(page) == ["p0"]
    assert page.locator("#filter").get_by_label("Stance").input_value() == "0f"
    page.locator("#filter").get_by_label("Stance").select_option("North: against")
    wait_for_status(page, "1 of 5 posts")
    assert shown_posts(page) == ["p1"]
    page.go_back()
    page.wait_for_function("() => !document.getElementById('p0').hidden")
    assert shown_posts(page) == ["p0"]
    page.go_back()
    wait_for_status(page, "5 of 5 posts")
    page.go_forward()
    wait_for_status(page, "1 of 5 posts")


def test_address_opens_filtered_and_unknown_parts_hide_nothing(open_page, report):
    assert shown_posts(open_page(report, at="#posts?author=0&stance=0f")) == ["p0"]
    assert len(shown_posts(open_page(report, at="#posts?constructor=1&toString=2&nonsense="))) == 5
    page = open_page(report, at="#posts?posts=2-3")
    wait_for_status(page, "2 of 5 posts: only 2 to 3 in order")


def test_author_view_counts_posts_stance_and_replies(open_page, tmp_path):
    posts = (*THREAD.posts, Post("5", "I answer you.", "9", "Bo", replies=(Reply(0, "markup"),)))
    tags = [*TAGS, make_tag("against", "none")]
    page = open_page(write_report(make_table(replace(THREAD, posts=posts), tags), tmp_path))
    page.locator("#authors tbody th a", has_text="Bo").click()
    card = page.get_by_role("region", name="Author", exact=True)
    card.wait_for()
    assert card.locator("h3").text_content() == "Bo"
    facts = dict(zip(card.locator("dt").all_text_contents(), card.locator("dd").all_text_contents(), strict=True))
    assert facts == {"posts": "2", "North": "1 against 1 none ", "South": "2 none ", "answers": "Ann 1"}
    assert shown_posts(page) == ["p2", "p5"]
    card.get_by_text("Ann").locator("xpath=following-sibling::a").click()
    wait_for_status(page, "1 of 6 posts: only answering Ann")
    page.go_back()
    wait_for_status(page, "2 of 6 posts")
    page.locator("#authors tbody th a", has_text="Ann").click()
    wait_for_status(page, "2 of 6 posts")
    assert "is answered by" in card.text_content()


def test_without_script_numbers_lead_to_the_list(open_page, report):
    page = open_page(report, java_script_enabled=False)
    assert page.locator("a[data-show]").first.get_attribute("href") == "#posts-title"
    assert not page.get_by_role("button", name="Copy").is_visible()


def test_methods_are_copied(open_page, report):
    page = open_page(report)
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied.", exact=True).wait_for()
    text = page.evaluate("getSelection().toString()")
    assert text.startswith("Data: the discussion")
    assert "(version 0.1.0)" in text


def test_keyboard_reaches_filters_and_numbers(open_page, report):
    page = open_page(report)
    page.locator("#authors tbody th a").first.focus()
    page.keyboard.press("Enter")
    wait_for_status(page, "2 of 5 posts")
    reached = []
    for _ in range(6):  # the heading has the focus now; what follows is the form
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.type"))
    assert reached == ["stance", "sentiment", "toxic", "author", "text", "reset"]
    page.keyboard.press("Enter")
    wait_for_status(page, "5 of 5 posts")


@pytest.mark.parametrize("viewport", [PHONE, SCREEN], ids=["390", "1280"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_has_no_serious_fault_for_screen_readers(open_page, tmp_path, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = write_report(make_table(), tmp_path, choices=Choices(rank=True))
    page = open_page(path, at="#posts?author=0", viewport=viewport, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = axe.run(page).response["violations"]
    grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert grave == []


def test_long_thread_opens_and_filters_quickly(browser, tmp_path):
    """By the time that the page's own thread works: on a busy machine the clock runs on meanwhile."""
    from report import make_table as make_long_table
    from report import measure_opening

    path = write_report(make_long_table(5000, 300), tmp_path)
    assert path.stat().st_size < 8e6
    opened = measure_opening(browser, path)
    assert opened.work < MOST_SECONDS
    assert max(opened.filtered.values()) < MOST_SECONDS


@pytest.mark.skipif(
    shutil.which("chromium") is None or shutil.which("pdftotext") is None, reason="needs chromium and pdftotext"
)
def test_print_has_pages_and_text(tmp_path):
    write_report(make_table(), tmp_path / "talk", choices=Choices(pdf=True))
    pdf = tmp_path / "talk" / "report.pdf"
    assert pdf.read_bytes().startswith(b"%PDF-")
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    assert text.count("\f") >= 2
    for words in ("A talk", "Never, you clown.", "Methods to cite", "0.250", "Opening words."):
        assert words in text
    for words in ("Show all", "Copy"):
        assert words not in text


def test_hostile_text_reaches_no_filter(open_page, tmp_path):
    posts = (Post("0", HOSTILE, HOSTILE, HOSTILE), Post("1", HOSTILE, None, "Bo", replies=(Reply(0, "markup"),)))
    table = build_table(replace(THREAD, title=HOSTILE, posts=posts), TAGS[:2], None, MANIFEST)
    page = open_page(write_report(table, tmp_path), at="#posts?author=0&text=<img src=x onerror=alert(1)>")
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    page.locator("#authors tbody th a").first.click()
    assert page.get_by_role("region", name="Author", exact=True).locator("h3").text_content() == HOSTILE
    assert shown_posts(page) == ["p0"]
