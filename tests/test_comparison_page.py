"""The page of a comparison: what it says, that it is safe, small, and works by keyboard, phone and screen reader."""

import csv
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from lxml import html as lxml_html
from test_compare import make_thread_table
from typer.testing import CliRunner

from stance.cli.compare import compare
from stance.estimate.judged import labels, read_judged
from stance.records import Side, StanceError
from stance.report import write_index
from stance.report.comparison import Conduct, write_comparison
from stance.table import join_tables, read_manifest, write_table

sys.path.append(str(Path(__file__).parent / "bench"))
from comparison import QUANTITY, make_gold, make_tables

QUICK = Conduct(permutations=199)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'></script><!--${{7*7}}{% x %}javascript:alert(3)"


def read_page(path):
    return lxml_html.fromstring(path.read_text("utf-8"))


def text_of(element):
    return " ".join(element.text_content().split())


@pytest.fixture
def open_page(browser):
    """Open a file; at the end nothing may have been logged, nor asked for from outside the file."""
    problems, pages = [], []

    def open_file(path, **options):
        page = browser.new_page(**options)
        pages.append(page)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: request.url == path.as_uri() or problems.append(request.url))
        page.goto(path.as_uri())
        return page

    yield open_file
    for page in pages:
        page.close()
    assert not problems


def label_half(tables):
    """Gold of every second post, for which people agree with the tagger in nine of ten."""
    generator = np.random.default_rng(4)
    judged = [one for table in tables for one in read_judged(table)]
    truth = []
    for one in judged:
        found = labels(one, QUANTITY)
        truth.append(np.where(generator.random(len(found)) < 0.9, found, 1 - found))
    return make_gold(
        judged, truth, [generator.choice(len(one.ids), len(one.ids) // 2, replace=False) for one in judged]
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two threads with reports beside them and hand labels of one quantity."""
    folder = tmp_path_factory.mktemp("two")
    tables = list(make_tables(2, 500, 60))
    for number, table in enumerate(tables):
        (folder / f"t{number}").mkdir()
        write_table(table, folder / f"t{number}" / "tags.parquet")
        (folder / f"t{number}" / "index.html").write_text("a report")
    paths = [folder / f"t{number}" / "tags.parquet" for number in range(2)]
    return write_comparison(paths, folder / "comparison", label_half(tables), QUICK)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    return write_comparison(make_tables(12, 2400, 300), tmp_path_factory.mktemp("twelve"), None, QUICK)


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_folder_holds_page_and_tables(two):
    names = {path.name for path in two.parent.iterdir()}
    assert names == {
        "index.html",
        *(f"{name}.csv" for name in ("shares", "differences", "words", "authors", "periods")),
    }


def test_each_share_and_difference_says_what_it_rests_on(two):
    shares = read_csv(two.parent / "shares.csv")
    assert {line["rests on"] for line in shares if line["quantity"] == "Northland: favor"} == {"corrected"}
    assert {line["rests on"] for line in shares if line["quantity"] == "toxicity: any"} == {"predicted, not validated"}
    lines = {line["quantity"]: line for line in read_csv(two.parent / "differences.csv")}
    assert lines["Northland: favor"]["rests on"] == "corrected"
    assert lines["Northland: favor"]["p of threads as they are"]
    assert lines["toxicity: any"]["rests on"] == "predicted, not validated"
    assert not lines["toxicity: any"]["p of threads as they are"]
    rows = {text_of(row.find("th")): row for row in read_page(two).xpath("//table[contains(@class,'differences')]//tr")}
    assert "predicted" not in text_of(rows["Northland: favor"])
    assert "predicted" in text_of(rows["toxicity: any"])
    assert "Validated in part" in text_of(read_page(two).get_element_by_id("findings"))


def test_numbers_lead_to_the_posts_of_the_threads_report(two):
    links = read_page(two).xpath("//section[@id='shares']//a/@href")
    assert "./../t0/index.html#posts?stance=0f" in links
    assert "./../t1/index.html#posts?toxic=any" in links
    assert "./../t0/index.html#posts?sentiment=negative" in links
    assert all((two.parent / link.split("#")[0]).is_file() for link in links)


def test_without_gold_nothing_is_called_validated(twelve):
    page = text_of(read_page(twelve))
    assert "Not validated: predicted shares" in page
    assert "No difference here is validated." in page
    assert "This cannot be said without hand labels." in page
    lines = read_csv(twelve.parent / "differences.csv")
    assert {line["second"] for line in lines} == {"all others"}
    assert len(lines) == 12 * 18
    assert not any(line["p of threads as they are"] for line in lines)
    assert all(line["p of people, predicted labels"] for line in lines)


def test_the_method_can_be_pasted(two, twelve):
    first, second = (text_of(read_page(page).get_element_by_id("method")) for page in (two, twelve))
    assert "We compared 2 threads with 500 judged posts" in first
    labelled = {line["thread"]: int(line["hand labels"]) for line in read_csv(two.parent / "shares.csv")
                if line["quantity"] == "Northland: favor"}  # fmt: skip
    assert f"From {sum(labelled.values())} hand-labelled posts, shares were corrected" in first
    assert "Each thread was compared with the posts of all the others together." in second
    assert "199 permutations of authors between threads (seed 0)" in second


def test_names_of_toxicity_are_given_on_request_only(tmp_path):
    tables = list(make_tables(2, 300, 20))
    plain = write_comparison(tables, tmp_path / "plain", None, QUICK)
    asked = write_comparison(tables, tmp_path / "asked", None, replace(QUICK, toxic_authors=True))
    told = [
        {line["quantity"].split(":")[0] for line in read_csv(page.parent / "authors.csv")} for page in (plain, asked)
    ]
    assert "toxicity" not in told[0]
    assert "toxicity" in told[1]
    assert "Toxicity is left out" in text_of(read_page(plain))
    assert "Toxicity is left out" not in text_of(read_page(asked))


def test_the_same_tables_give_the_same_files(tmp_path):
    tables = list(make_tables(3, 300, 40))
    first, second = (write_comparison(tables, tmp_path / name, None, QUICK) for name in "ab")
    for path in first.parent.iterdir():
        assert path.read_bytes() == (second.parent / path.name).read_bytes(), path.name


def test_threads_with_too_little_are_grey_and_last(tmp_path):
    sizes = [40] * 7 + [12]
    tables = [
        make_thread_table(f"t{number}", [(f"{number}-{post}", "favor" if post < 9 else "none", "x", None)
                                         for post in range(size)])
        for number, size in enumerate(sizes)
    ]  # fmt: skip
    page = read_page(write_comparison(tables, tmp_path, None, QUICK))
    rows = page.xpath("(//table[contains(@class,'differences')]/tbody)[1]/tr")
    assert [row.get("class") for row in rows] == ["group", *[None] * 7, "short"]
    assert text_of(rows[-1].find("th")) == "H t7"
    assert [text_of(cell) for cell in rows[-1].findall("td")][3:7] == [""] * 4
    assert rows[-1].get("title") == "fewer than 30 judged posts"
    assert len(page.xpath("//ul[@class='dots']/li[@class='short']")) == len(page.xpath("//ul[@class='dots']"))


def test_hostile_titles_words_and_authors_are_text(tmp_path):
    tables = []
    for number in range(2):
        posts = [(HOSTILE if post % 2 else f"=cmd|{post % 5}", "favor" if post % (number + 2) else "none",
                  f"{HOSTILE} word{number}", None) for post in range(60)]  # fmt: skip
        table = make_thread_table(f"{HOSTILE}{number}", posts, (Side(HOSTILE, "x", "x"), Side("S", "x", "x")))
        tables.append(table)
    path = write_comparison(tables, tmp_path / "c", None, QUICK)
    page = lxml_html.fromstring(path.read_text(encoding="utf-8"))
    assert len(page.xpath("//script")) == 1
    assert not page.xpath("//img | //*[@onerror]")
    assert HOSTILE in page.xpath("//table[contains(@class,'drivers')]//th[@scope='row']/text()")
    authors = {line["author"] for line in read_csv(tmp_path / "c" / "authors.csv")}
    assert "'=cmd|0" in authors


def test_titles_that_repeat_are_told_apart(tmp_path):
    posts = [(f"p{post}", "favor", "x", None) for post in range(30)]
    tables = []
    for name in ("a", "b"):
        table = make_thread_table(name, posts)
        manifest = table.schema.metadata[b"stance.manifest"].replace(f'"title": "{name}"'.encode(), b'"title": "Talk"')
        tables.append(table.replace_schema_metadata({b"stance.manifest": manifest}))
    assert read_manifest(tables[0]).title == "Talk"
    names = {line["thread"] for line in read_csv(write_comparison(tables, tmp_path, None, QUICK).parent / "shares.csv")}
    assert names == {"Talk (a)", "Talk (b)"}


def test_a_table_of_several_threads_is_several_threads(tmp_path):
    joined = join_tables(list(make_tables(3, 300, 40)))
    page = write_comparison([joined], tmp_path, None, QUICK)
    assert "3 threads compared" in text_of(read_page(page))


def test_other_taggers_are_a_warning(tmp_path):
    first, second = make_tables(2, 200, 30)
    manifest = second.schema.metadata[b"stance.manifest"].replace(b"made-up", b"another")
    second = second.replace_schema_metadata({b"stance.manifest": manifest})
    page = text_of(read_page(write_comparison([first, second], tmp_path, None, QUICK)).find(".//header"))
    assert "not tagged by one tagger" in page
    assert "made-up" in page
    assert "another" in page


def run_compare(*arguments):
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_command_reports_what_is_broken_and_goes_on(tmp_path):
    posts = [(f"p{post}", "favor", "x", None) for post in range(30)]
    odd = make_thread_table("odd", posts, (Side("Elsewhere", "x", "x"),))
    tables = [*make_tables(2, 200, 30), odd]
    paths = [tmp_path / f"{number}.parquet" for number in range(4)]
    for path, table in zip(paths, tables, strict=False):
        write_table(table, path)
    paths[3].write_text("no table")
    ran = run_compare(*paths, "-o", tmp_path / "out", "--permutations", 99)
    assert ran.exit_code == 2
    errors = [line for line in ran.stderr.splitlines() if line.startswith("stance: ")]
    assert [line.split(": ")[1] for line in errors] == ["odd.txt", str(paths[3])]
    page = read_page(tmp_path / "out" / "index.html")
    assert "2 threads compared" in text_of(page)
    assert "Compare threads of one topic." in text_of(page.xpath("//h3[@id='failures']/following-sibling::div")[0])


def test_command_takes_a_folder_of_reports_and_says_where_the_page_is(two, tmp_path):
    ran = run_compare(two.parent.parent, "-o", tmp_path / "out", "--permutations", 99)
    assert (ran.exit_code, ran.stdout.strip()) == (0, str(tmp_path / "out" / "index.html"))


def test_one_thread_alone_is_one_line(tmp_path):
    (table,) = make_tables(1, 100, 30)
    with pytest.raises(StanceError, match="one thread with judged posts, and a comparison takes two") as error:
        write_comparison([table], tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(StanceError, match="the thread thread-001 is here already"):
        write_comparison([table, table], tmp_path)


def test_index_names_what_shares_rest_on_and_leads_to_the_comparison(tmp_path):
    tables = list(make_tables(2, 500, 60))
    reports = [(table, tmp_path / f"t{number}") for number, table in enumerate(tables)]
    index = write_index(reports, [], tmp_path, label_half(tables))
    page = read_page(index)
    (link,) = page.xpath("//header//a/@href")
    assert link == "./comparison/index.html"
    assert (tmp_path / "comparison" / "index.html").is_file()
    assert "Validated in part" in text_of(page)
    cells = [text_of(cell) for cell in page.xpath("//tbody/tr[1]/td")]
    assert "corrected" in cells[2]
    assert "predicted, not validated" in cells[3]
    plain = read_page(write_index(reports, [], tmp_path / "plain"))
    assert "Not validated: predicted shares" in text_of(plain)


def test_index_of_other_sides_has_no_comparison(tmp_path):
    (table,) = make_tables(1, 60, 10)
    odd = make_thread_table("odd", [("Ann", "favor", "x", None)] * 40)
    page = read_page(write_index([(table, tmp_path / "a"), (odd, tmp_path / "b")], [], tmp_path))
    assert not page.xpath("//header//a")


def test_many_threads_stay_small(tmp_path):
    page = write_comparison(make_tables(60, 3000, 600), tmp_path, None, Conduct(permutations=99))
    assert page.stat().st_size < 1_000_000  # 200 threads: 5 MB are allowed
    panels = read_page(page).xpath("//section[@id='shares']//*[local-name()='svg']")
    assert len(panels) == 18
    assert all(re.match(r"\w+: [\w ]+ in 60 threads\. ", panel.get("aria-label")) for panel in panels)


def visible_rows(page):
    return page.locator("table.differences tbody tr:not(.group):visible")


def test_table_is_filtered_and_sorted(open_page, twelve):
    page = open_page(twelve)
    assert visible_rows(page).count() == 12  # of many lines one quantity is shown at first
    page.select_option("select[name=quantity]", label="Southland: against")
    page.locator("#filter output", has_text="12 of 216 comparisons").wait_for()
    page.get_by_role("button", name="difference").focus()
    page.keyboard.press("Enter")
    numbers = [
        float(re.match(r"[+−]?\d+", text)[0].replace("−", "-"))
        for text in visible_rows(page).locator("td:nth-of-type(3)").all_inner_texts()
    ]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 3
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("difference")
    page.keyboard.press("Enter")
    again = visible_rows(page).locator("td:nth-of-type(3)").all_inner_texts()
    assert float(re.match(r"[+−]?\d+", again[0])[0].replace("−", "-")) == max(numbers)
    page.fill("input[name=thread]", "b what")
    assert visible_rows(page).count() == 1
    page.get_by_role("button", name="Show all").click()
    page.locator("#filter output", has_text="216 of 216 comparisons").wait_for()
    page.check("input[name=holds]")
    held = page.locator("table.differences tr[data-holds]").count()
    assert 0 < visible_rows(page).count() == held < 216


def test_a_number_opens_the_threads_report(open_page, two):
    page = open_page(two)
    assert page.locator("section#shares a").first.get_attribute("href") == "./../t0/index.html#posts?stance=0f"
    assert visible_rows(page).count() == 18


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [("two", 1280, "dark"), ("two", 390, "light"), ("twelve", 1280, "light"), ("twelve", 390, "dark")],
)
def test_pages_are_accessible_and_fit(open_page, request, name, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    path = request.getfixturevalue(name)
    page = open_page(path, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    worst = [(one["id"], [node["target"] for node in one["nodes"][:3]]) for one in found
             if one["impact"] in ("serious", "critical")]  # fmt: skip
    assert not worst


def test_what_is_labelled_in_full_needs_no_test(tmp_path):
    tables = [
        make_thread_table(
            name, [(f"{name}{post}", "favor" if post < favor else "none", "x", None) for post in range(40)]
        )
        for name, favor in (("a", 20), ("b", 12))
    ]
    judged = [one for table in tables for one in read_judged(table)]
    truth = [(np.arange(40) < favor).astype(float) for favor in (18, 10)]
    gold = make_gold(judged, truth, [np.arange(40)] * 2)
    page = read_page(write_comparison(tables, tmp_path, gold, QUICK))
    (row,) = page.xpath("//table[contains(@class,'differences')]//tr[th='North: favor']")
    assert [text_of(cell) for cell in row.findall("td")][:5] == ["45%", "25%", "+20", "exact", ""]
    assert row.get("data-holds") in ("threads", "both")
    assert "North: favor: A 45%, B 25%, +20 points" in text_of(page.get_element_by_id("findings"))


def test_what_would_hold_of_other_people_is_told_of_predictions(tmp_path):
    """The tagger sees favor in one thread only; people see none of that difference."""
    tables = [
        make_thread_table(name, [(f"{name}{post % 30}", "favor" if post % 10 < part else "none", "x", None)
                                 for post in range(300)])
        for name, part in (("a", 6), ("b", 2))
    ]  # fmt: skip
    judged = [one for table in tables for one in read_judged(table)]
    truth = [(np.arange(300) % 10 < 3).astype(float)] * 2
    gold = make_gold(judged, truth, [np.random.default_rng(seed).choice(300, 120, replace=False) for seed in (1, 2)])
    page = read_page(write_comparison(tables, tmp_path, gold, QUICK))
    (told,) = [text_of(item) for item in page.xpath("//section[@id='findings']//li") if "North: favor" in text_of(item)]
    assert told.startswith("North: favor: A 60%, B 20%, +40 (")
    assert told.endswith("predicted, not validated")
    (row,) = page.xpath("//table[contains(@class,'differences')]//tr[th='North: favor']")
    assert row.get("data-holds") == "people"
