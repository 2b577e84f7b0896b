"""The flags of `stance report` and `stance tag`, from tables and in a process of their own where a tagger is needed."""

import json
import stat
from dataclasses import replace

import pytest
from test_report import MANIFEST, THREAD, make_table, read_page, text_of
from test_report_numbers import make_gold, make_long
from typer.testing import CliRunner

from stance.cli import app
from stance.cli.batch import split_table
from stance.estimate.judged import read_judged
from stance.gold.fit import fit_calibration, write_calibration
from stance.gold.labels import write_gold
from stance.records import StanceError
from stance.report import pdf
from stance.report.calibrated import CALIBRATED, calibrate_table
from stance.table import join_tables, read_manifest, read_table, table_rows, write_table


def run(*arguments):
    """Exit code, stdout and stderr; a StanceError as the program shows it."""
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    if isinstance(result.exception, StanceError):
        return 2, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def table(tmp_path):
    """A table of this program in a file."""
    write_table(make_long(), tmp_path / "talk.parquet")
    return tmp_path / "talk.parquet"


@pytest.fixture
def no_tagger(monkeypatch):
    """A tagger that is loaded all the same fails the test."""
    monkeypatch.setattr("stance.tagger.load_tagger", lambda name: pytest.fail(f"{name} was loaded"))


def test_tables_are_reported_without_a_tagger(tmp_path, table, no_tagger):
    code, out, errors = run("report", table, "-o", tmp_path / "out", "--tagger", "nowhere")
    assert (code, errors) == (0, "")
    assert str(tmp_path / "out" / "talk" / "index.html") in out
    assert table_rows(read_table(tmp_path / "out" / "talk" / "tags.parquet")) == table_rows(read_table(table))
    again = run("report", tmp_path / "out" / "talk", "-o", tmp_path / "again")  # a report's folder is its table
    assert again[0] == 0
    assert (tmp_path / "again" / "talk" / "index.html").read_bytes() == (
        tmp_path / "out" / "talk" / "index.html"
    ).read_bytes()


def test_a_table_of_several_threads_gives_a_report_each(tmp_path, no_tagger):
    tables = [make_table(replace(THREAD, id=name)) for name in ("one", "two")]
    write_table(join_tables(tables), tmp_path / "both.parquet")
    assert run("report", tmp_path / "both.parquet", "-o", tmp_path / "out")[0] == 0
    assert (tmp_path / "out" / "index.html").is_file()
    assert run("report", tmp_path / "out", "-o", tmp_path / "again")[0] == 0  # a folder of reports is their tables
    for name in ("one", "two"):
        assert (tmp_path / "again" / name / "index.html").is_file()
        page = read_page(tmp_path / "out" / name / "index.html")
        assert len(page.xpath("//div[@id='posts']/article")) == 5
    assert [read_manifest(part).thread_id for part in split_table(join_tables(tables))] == ["one", "two"]


def test_a_thread_named_as_the_comparison_stays_apart_from_it(tmp_path, no_tagger):
    tables = [make_table(replace(THREAD, id=name)) for name in ("comparison", "two")]
    write_table(join_tables(tables), tmp_path / "both.parquet")
    assert run("report", tmp_path / "both.parquet", "-o", tmp_path / "out")[0] == 0
    assert read_page(tmp_path / "out" / "comparison-2" / "index.html").xpath("//div[@id='posts']/article")
    assert not read_page(tmp_path / "out" / "comparison" / "index.html").xpath("//div[@id='posts']/article")


def test_gold_corrects_the_shares_of_page_and_index(tmp_path, table, no_tagger):
    write_gold(tmp_path / "gold", make_gold(read_table(table), 90))
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(table.read_bytes()[:-50])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stance.tagger.load_tagger", lambda name: None)  # the broken one is nobody's table
        code, _, errors = run("report", table, broken, "-o", tmp_path / "out", "--gold", tmp_path / "gold")
    assert code == 2
    assert "broken.parquet" in errors
    assert "Corrected by 90 hand labels" in text_of(read_page(tmp_path / "out" / "talk" / "index.html"))
    index = text_of(read_page(tmp_path / "out" / "index.html"))
    assert "orrected" in index
    assert "broken.parquet" in index
    assert run("report", table, "-o", tmp_path / "x", "--gold", tmp_path / "none")[0] == 2


def test_flags_reach_the_report(tmp_path, table, no_tagger):
    code, _, _ = run("report", table, "-o", tmp_path / "out", "--no-text", "--rank-authors-by-toxicity")
    page = read_page(tmp_path / "out" / "talk" / "index.html")
    assert code == 0
    assert "Made without text" in text_of(page)
    assert page.xpath("//h3[@id='ranked']")


def test_pdf_without_a_printer_is_one_line_before_any_work(tmp_path, table, monkeypatch):
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    monkeypatch.setattr(pdf, "find_spec", lambda name: None)
    code, _, errors = run("report", table, "-o", tmp_path / "out", "--pdf")
    assert code == 2
    assert "nothing here prints PDF" in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_browser_that_prints_nothing_is_one_line(tmp_path, monkeypatch):
    browser = tmp_path / "chromium"
    browser.write_text("#!/bin/sh\necho no screen >&2\nexit 3\n")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert pdf.find_browser() == str(browser)
    with pytest.raises(StanceError, match=r"printed nothing \(no screen\)") as error:
        pdf.print_pdf(b"<p>x</p>", tmp_path / "x.pdf")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "x.pdf").exists()


def test_pseudonyms_are_the_same_in_all_threads_and_gold_still_fits(tmp_path, no_tagger):
    table = make_long()
    rows = table_rows(table)
    assert rows[1]["author"] == "user1"
    write_table(table, tmp_path / "talk.parquet")
    key = tmp_path / "key"
    write_gold(tmp_path / "gold", make_gold(table, 90))
    code, _, errors = run(
        "report", tmp_path / "talk.parquet", "-o", tmp_path / "out", "--pseudonyms", key, "--gold", tmp_path / "gold"
    )
    assert (code, errors) == (0, "")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [
        path for path in files if b"user1" in path.read_bytes() or key.read_bytes().strip() in path.read_bytes()
    ]
    page = text_of(read_page(tmp_path / "out" / "talk" / "index.html"))
    assert "Corrected by 90 hand labels" in page
    assert "Authors have pseudonyms" in page
    assert run("report", tmp_path / "talk.parquet", "-o", tmp_path / "other", "--pseudonyms", key)[0] == 0
    first, second = (
        [row["author"] for row in table_rows(read_table(tmp_path / name / "talk" / "tags.parquet"))]
        for name in ("out", "other")
    )
    assert first == second


def test_names_that_stay_are_told_on_stderr_only(tmp_path, no_tagger):
    posts = (replace(THREAD.posts[0], author="Truth"), *THREAD.posts[1:])
    write_table(make_table(replace(THREAD, posts=posts)), tmp_path / "talk.parquet")
    code, _, errors = run("report", tmp_path / "talk.parquet", "-o", tmp_path / "out", "--pseudonyms", tmp_path / "key")
    assert code == 0
    assert "Truth" in errors
    assert "Bo" in errors  # two letters
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [path for path in files if b"Truth" in path.read_bytes()]


def test_tag_writes_pseudonyms(tmp_path, tiny_folder):
    posts, out, key = tmp_path / "posts.csv", tmp_path / "tags.jsonl", tmp_path / "key"
    posts.write_text("id,author,text\n1,Zebulon,Peace is good.\n2,Mary,Zebulon is wrong.\n")
    assert run("tag", posts, "-o", out, "--tagger", tiny_folder, "--pseudonyms", key)[0] == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows[0]["author"].startswith("Person ")
    assert rows[1]["body"] == f"{rows[0]['author']} is wrong."
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"id": 1, "text": "x"}\n')
    code, _, errors = run("tag", bare, "-o", out, "--tagger", tiny_folder, "--pseudonyms", key)
    assert code == 2
    assert "name no author" in errors


def test_calibration_changes_labels_once_and_says_so(tmp_path, table, no_tagger):
    plain = read_table(table)
    gold = make_gold(plain, 90, wrong=3)
    fitted = fit_calibration(gold, read_judged(plain))
    calibrated = calibrate_table(plain, fitted, gold)
    before, after = read_judged(plain)[0], read_judged(calibrated)[0]
    assert (abs(before.stance - after.stance) > 1e-3).any()
    assert after.stance.sum(-1) == pytest.approx(1, abs=1e-5)
    assert (after.present == before.present).all()
    write_gold(tmp_path / "gold", gold)
    write_calibration(fitted, tmp_path / "calibration.json")
    arguments = ["report", table, "-o", tmp_path / "out", "--gold", tmp_path / "gold"]
    assert run(*arguments, "--calibration", tmp_path / "calibration.json")[0] == 0
    page = text_of(read_page(tmp_path / "out" / "talk" / "index.html"))
    assert "Stance and sentiment were recalibrated on hand labels (90 posts)." in page
    stored = read_table(tmp_path / "out" / "talk" / "tags.parquet")
    assert any(warning.startswith(CALIBRATED) for warning in read_manifest(stored).warnings)
    with pytest.raises(StanceError, match="calibrated before"):
        calibrate_table(stored, fitted, gold)
    with pytest.raises(StanceError, match="for another tagger"):
        calibrate_table(make_long(tagger_sha256="ff" * 32), replace(fitted, tagger_sha256=MANIFEST.tagger_sha256), gold)
