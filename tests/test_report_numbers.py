"""Every share says what it rests on, on the page, in figures and files; the words beside it are true of it."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from test_report import HOSTILE, MANIFEST, SIDES, THREAD, make_table, make_tag, read_page, text_of

from stance import __version__
from stance.estimate import CORRECTED, GOLD_ONLY, IN_FULL, PREDICTED, Share
from stance.estimate.correct import estimate_quantity
from stance.estimate.judged import Drawn, Gold, GoldLabel, Quantity, Stratum, read_judged
from stance.records import SENTIMENTS, STANCES, TOXICITY, Post, Thread
from stance.report import write_report
from stance.report.methods import AUTHORS
from stance.report.numbers import describe_status, select_judged
from stance.report.page import Choices
from stance.report.summary import escape_text
from stance.table import build_table, read_manifest, read_table, table_rows, write_table

ROOT = Path(__file__).parent.parent
BANDS = {
    "dev": {
        "stance confusion": [[80, 10, 10, 5], [10, 80, 10, 5], [10, 10, 80, 5]],
        "toxicity confusion": [[90, 10], [10, 90]],
        "sentiment confusion": [[80, 10, 10, 5], [10, 80, 10, 5], [10, 10, 80, 5]],
    }
}


def make_long(posts=120, **facts):
    """A thread whose labels go round; every third author has many posts."""
    made = tuple(Post(str(n), f"word{n} of it", str(n + 1), f"user{n % 9}" if n % 3 else None) for n in range(posts))
    tags = [make_tag(STANCES[n % 3], STANCES[n // 3 % 3], SENTIMENTS[n % 3], n % 4 / 5 + 0.1) for n in range(posts)]
    return build_table(Thread("talk", "talk.txt", "cd" * 32, "A talk", None, None, made), tags, None,
                       replace(MANIFEST, **facts))  # fmt: skip


def make_gold(table, labelled, wrong=7, coders=("ann",)):
    """What the tagger says of the first posts, but for every so many."""
    (judged,) = read_judged(table)
    labels = []
    for place, post in enumerate(judged.ids[:labelled]):
        shift = place % wrong == 0
        stance = tuple(STANCES[(judged.stance_label[place, side] + shift) % 3] for side in range(len(judged.sides)))
        toxic = tuple(bool(value) != shift for value in judged.present[place])
        sentiment = SENTIMENTS[judged.sentiment_label[place]]
        labels += [GoldLabel("talk", post, coder, stance, toxic, sentiment) for coder in coders]
    drawn = tuple(Drawn("talk", post, "", labelled / len(judged.ids)) for post in judged.ids[:labelled])
    return Gold("north-south", judged.sides, 7, (Stratum("talk", "", len(judged.ids)),), drawn, tuple(labels), coders)


def read_data(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    table = make_long()
    folder = tmp_path_factory.mktemp("corrected")
    return table, make_gold(table, 90), write_report(table, folder, make_gold(table, 90))


def test_shares_are_those_of_the_estimator_in_page_figure_and_files(corrected):
    table, gold, path = corrected
    (judged,) = read_judged(table)
    page = text_of(read_page(path))
    figure = (path.parent / "figures" / "stance.svg").read_text("utf-8")
    summary = (path.parent / "summary.md").read_text("utf-8")
    rows = {(row["side"], row["stance"]): row for row in read_data(path.parent / "figures" / "stance.csv")}
    for side in ("North", "South"):
        for outcome in STANCES:
            share = estimate_quantity(judged, Quantity("stance", side, outcome), gold, {})
            assert share.basis == CORRECTED
            row = rows[side, outcome]
            assert [float(row[name]) for name in ("share", "low", "high")] == [
                pytest.approx(value, abs=6e-4) for value in (share.share, share.low, share.high)
            ]
            assert (row["rests on"], row["hand labels"], row["posts"]) == (CORRECTED, "90", str(share.count))
            words = f"{share.share:.0%} ({share.low * 100:.0f} to {share.high * 100:.0f})"
            assert words in page
            assert words in figure
            assert f"| {words} | {CORRECTED} |" in summary
    toxic = estimate_quantity(judged, Quantity("toxicity", "any", "toxic"), gold, {})
    assert f"the share of toxic posts is {toxic.share:.0%} (" in page
    tone = {row["posts that are"]: row for row in read_data(path.parent / "figures" / "tone.csv")}
    assert len(tone) == 1 + len(TOXICITY) + len(SENTIMENTS)
    assert tone["toxic: any attribute"]["share, 95% interval"].startswith(f"{toxic.share:.0%} (")


def test_marks_say_what_shares_rest_on(corrected, tmp_path):
    page = read_page(corrected[2])
    assert page.xpath("//section[.//figure[@id='figure-stance']]/p[@class='status validated']/text()") == [
        "Corrected by 90 hand labels"
    ]
    assert "gold draw" not in text_of(page)
    assert "none was checked by hand" not in text_of(page)
    table = make_long()
    few = read_page(write_report(table, tmp_path / "few", make_gold(table, 20)))
    assert "From 20 hand labels alone" in text_of(few)
    full = read_page(write_report(table, tmp_path / "full", make_gold(table, 120)))
    assert "All posts labelled by hand" in text_of(full)
    assert "40 of 120" not in text_of(full.get_element_by_id("figure-stance"))
    elsewhere = replace(make_gold(table, 20), labels=(), drawn=())
    assert "Not validated: predicted shares" in text_of(read_page(write_report(table, tmp_path / "no", elsewhere)))


def test_sensitivity_bands_stand_beside_predicted_shares(tmp_path):
    path = write_report(make_long(errors=BANDS), tmp_path)
    page = read_page(path)
    assert "if one assumes that the tagger errs here as on its test sets" in text_of(page)
    rows = read_data(tmp_path / "figures" / "stance.csv")
    assert all(float(row["band low"]) <= float(row["band high"]) for row in rows)
    assert "; band " in (tmp_path / "figures" / "stance.svg").read_text("utf-8")
    assert "| band |" in (tmp_path / "summary.md").read_text("utf-8")
    assert "Rogan and Gladen 1978" in text_of(page.get_element_by_id("methods"))
    assert "confusion" not in text_of(page.get_element_by_id("made"))


@pytest.mark.parametrize(
    ("bases", "pill", "validated"),
    [
        ([], "Not validated: predicted shares", False),
        ([PREDICTED], "Not validated: predicted shares", False),
        ([CORRECTED], "Corrected by 40 hand labels", True),
        ([GOLD_ONLY, CORRECTED], "Corrected by 40 hand labels, rare ones from these alone", True),
        ([GOLD_ONLY], "From 40 hand labels alone", True),
        ([IN_FULL], "All posts labelled by hand", True),
        ([CORRECTED, PREDICTED], "Partly by hand labels: see the numbers", False),
        ([IN_FULL, GOLD_ONLY], "Partly by hand labels: see the numbers", True),
    ],
)
def test_marks_of_groups(bases, pill, validated):
    status = describe_status(Share(1, 2, 0.5, 0.1, 0.9, basis, labelled=40) for basis in bases)
    assert (status.pill, status.validated) == (pill, validated)


def test_crossed_shares_count_the_posts_of_each_label(corrected):
    table, _, path = corrected
    (judged,) = read_judged(table)
    rows = [row for row in read_data(path.parent / "figures" / "crossing.csv") if row["side"] == "North"]
    for row in rows:
        part = select_judged(judged, judged.stance_label[:, 0] == STANCES.index(row["stance"]))
        assert int(row["of"]) == len(part.ids)
        assert int(row["toxic"]) == int(part.present.any(1).sum())
        assert row["rests on"] in (CORRECTED, GOLD_ONLY)
        assert int(row["hand labels"]) == 30


def test_stratified_labels_are_not_taken_for_a_simple_sample_of_some_posts(tmp_path):
    table = make_long()
    gold = make_gold(table, 90)
    strata = (Stratum("talk", "a", 60), Stratum("talk", "b", 60))
    drawn = tuple(replace(one, stratum="ab"[place % 2]) for place, one in enumerate(gold.drawn))
    write_report(table, tmp_path, replace(gold, strata=strata, drawn=drawn))
    assert {row["rests on"] for row in read_data(tmp_path / "figures" / "stance.csv")} == {CORRECTED}
    assert {row["rests on"] for row in read_data(tmp_path / "figures" / "crossing.csv")} == {PREDICTED}


def read_methods(path):
    return text_of(read_page(path).get_element_by_id("methods-text"))


def test_methods_name_data_tagger_and_program(corrected):
    methods = read_methods(corrected[2])
    for words in (
        "“A talk” (file talk.txt, SHA-256 " + "cd" * 32 + "), 120 posts",
        "120 posts could be judged, on 600 words of their own",
        "minilm (SHA-256 " + "ab" * 32 + ")",
        "stance toward each of North, South",
        "a probability under .45, none was given",
        "90 posts of this discussion were labelled by 1 coder, out of 90 posts drawn (a simple random sample, seed 7",
        "Angelopoulos, Duchi and Zrnic 2023",
        "Egami, N.",
        "threadstance, version 0.1.0",
    ):
        assert words in methods
    for words in ("Rogan", "alpha", "predicted and not validated", "recalibrated", "pseudonyms"):
        assert words not in methods


def test_methods_say_only_what_is_true_of_the_report(tmp_path):
    table = make_long()
    predicted = read_methods(write_report(table, tmp_path / "predicted"))
    assert "no post of this discussion was labelled by hand" in predicted
    assert "Angelopoulos" not in predicted
    assert "Rogan" not in predicted
    two = read_methods(write_report(table, tmp_path / "two", make_gold(table, 90, coders=("ann", "bo"))))
    assert "labelled by 2 coders" in two
    assert "On 90 posts with labels of two or more coders Krippendorff's alpha (2004) is: North 1.00, South 1.00" in two
    full = read_methods(write_report(table, tmp_path / "full", make_gold(table, 120)))
    assert "out of 120 posts drawn (all posts" in full
    assert "All shares were counted over hand labels" in full
    assert "Wilson" not in full
    alone = read_methods(write_report(make_table(replace(THREAD, posts=(), gaps=()), []), tmp_path / "alone"))
    assert "0 posts." in alone
    assert "tagger" not in alone


def test_software_is_cited_as_in_the_citation_file():
    cited = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f'name: "{AUTHORS}"' in cited
    assert re.search(rf"^version: {re.escape(__version__)}$", cited, re.MULTILINE)


def test_no_text_leaves_no_word_of_posts_or_article_in_any_file(tmp_path):
    posts = tuple(replace(post, body=post.body + " Quagmire.") for post in THREAD.posts)
    thread = replace(THREAD, posts=posts, article="Quagmire opens.", blurb="Quagmire wrote it.")
    path = write_report(make_table(thread), tmp_path / "talk", choices=Choices(text=False))
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert not [one.name for one in files if b"quagmire" in one.read_bytes().lower() or b"clown" in one.read_bytes()]
    page = read_page(path)
    assert "Made without text" in text_of(page.find(".//header"))
    assert not page.xpath("//input[@name='text'] | //blockquote | //p[@class='own'] | //p[@class='excerpt']")
    assert len(page.xpath("//div[@id='posts']/article")) == 5
    assert "Made without text" in (tmp_path / "talk" / "summary.md").read_text("utf-8")
    again = write_report(read_table(tmp_path / "talk" / "tags.parquet"), tmp_path / "again")
    assert "Made without text" in text_of(read_page(again))
    plain, bare = (table_rows(one) for one in (make_table(thread), read_table(tmp_path / "talk" / "tags.parquet")))
    assert [row["stance"] for row in plain] == [row["stance"] for row in bare]


def test_nobody_is_ranked_unless_it_is_asked_for(tmp_path):
    table = make_long()
    assert "Authors are not ranked by toxicity." in text_of(read_page(write_report(table, tmp_path / "plain")))
    page = read_page(write_report(table, tmp_path / "ranked", choices=Choices(rank=True)))
    rows = [
        [text_of(cell) for cell in row] for row in page.xpath("//h3[@id='ranked']/following-sibling::div[1]//tbody/tr")
    ]
    (judged,) = read_judged(table)
    counts = {name: judged.authors.count(name) for name in judged.authors if name}
    assert {row[0] for row in rows} == {name for name, count in counts.items() if count >= 10}
    shares = [int(row[1]) / int(row[2]) for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert all(row[2] == str(counts[row[0]]) and PREDICTED in row[-1] for row in rows)
    few = read_page(write_report(make_table(), tmp_path / "few", choices=Choices(rank=True)))
    assert "No named author has 10 judged posts" in text_of(few)


@pytest.mark.parametrize("sides", [SIDES, (replace(SIDES[0], name=HOSTILE), SIDES[1])])
def test_summary_is_markdown_and_hostile_text_stays_text(tmp_path, sides):
    hostile = f"[x](javascript:y) ![z](http://e.example/p.png) {HOSTILE}\n# Top | `x` www.evil.example a@b.example"
    thread = replace(THREAD, title=hostile, source=hostile, gaps=(hostile,), warnings=(hostile,))
    write_report(make_table(thread, manifest=replace(MANIFEST, tagger=hostile, sides=sides)), tmp_path)
    summary = (tmp_path / "summary.md").read_text("utf-8")
    headings = [line for line in summary.splitlines() if line.startswith("#")]
    assert headings[0].startswith("# Stance report: \\[x\\]")
    assert headings[1:] == ["## In short", "## Shares of judged posts", "## Limits", "## Files"]
    assert not re.search(r"(?<!\\)<", summary)
    assert re.findall(r"(?<!\\)\]\(([^)]*)\)", summary) == ["index.html", "tags.csv", "tags.jsonl", "tags.parquet"]
    assert not re.search(r"https?:/|www\.|(?<!\\)@", summary)
    columns = {line.count("|") - line.count("\\|") for line in summary.splitlines() if line.startswith("|")}
    assert columns == {6}


def test_plain_text_needs_no_escape():
    assert escape_text("Karabakh: 44 days, 50% - a-b (x)") == "Karabakh: 44 days, 50% - a-b \\(x\\)"
    assert escape_text("a\n\n# b\x00") == "a \\# b"


def test_cells_of_figures_are_defused(tmp_path):
    sides = (replace(SIDES[0], name="=HYPERLINK(1)"), SIDES[1])
    write_report(make_table(manifest=replace(MANIFEST, sides=sides)), tmp_path)
    for name in ("stance", "crossing"):
        rows = read_data(tmp_path / "figures" / f"{name}.csv")
        assert rows[0]["side"] == "'=HYPERLINK(1)"


def test_a_table_of_a_file_gives_the_same_page(tmp_path):
    table = make_table()
    write_table(table, tmp_path / "tags.parquet")
    one = write_report(table, tmp_path / "one")
    other = write_report(read_table(tmp_path / "tags.parquet"), tmp_path / "other")
    assert one.read_bytes() == other.read_bytes()
    assert read_manifest(read_table(tmp_path / "one" / "tags.parquet")) == read_manifest(table)
