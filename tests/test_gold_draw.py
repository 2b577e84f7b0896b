"""A drawn sample has the probabilities it states, and labels come back as given, whatever a spreadsheet did to them."""

import csv
import io
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from stance.cli.gold import gold as commands
from stance.estimate.judged import Drawn, Gold, GoldLabel, Judged, Stratum, read_judged
from stance.gold.draw import SURENESS, UNLABELLED, Design, allocate, draw_sample
from stance.gold.folder import draw_folder
from stance.gold.labels import read_gold, read_labels, write_gold
from stance.gold.sample import read_sample
from stance.records import STANCES, TOXICITY, Judgement, Post, Quote, Reply, Side, StanceError, Tag, Thread
from stance.table import Manifest, build_table, join_tables, read_table, write_table

SIDES = (Side("North", "pro-North", "the North", ("Northerners",)), Side("Sóuth; East", "pro-South", "the South"))
HOSTILE = "=cmd|' /C calc'!A0"
MANIFEST = Manifest("tiny", "ab" * 32, "north-south", SIDES, "0.1.0", (0.5,) * 5)


def make_judged(thread, count, stance=(), toxic=()):
    """Sure of "none" and not toxic, but for the posts named: stance (post, side, label), toxic (post)."""
    values = np.tile([0.1, 0.1, 0.8], (count, 2, 1))
    codes = np.full((count, 2), 2, np.int8)
    for post, side, label in stance:
        codes[post, side] = STANCES.index(label)
        values[post, side] = np.roll([0.8, 0.1, 0.1], STANCES.index(label))
    toxicity = np.full((count, 5), 0.1)
    toxicity[list(toxic)] = 0.9
    return Judged(
        thread=thread, title=None, sides=tuple(side.name for side in SIDES), rows=np.arange(count),
        ids=tuple(f"p{post}" for post in range(count)), authors=(None,) * count, times=np.full(count, np.nan),
        stance=values, stance_label=codes, toxicity=toxicity, present=toxicity >= 0.5,
        sentiment=np.tile([0.1, 0.8, 0.1], (count, 1)), sentiment_label=np.ones(count, np.int8),
    )  # fmt: skip


def make_table(name="talk", posts=12, body="Post {}: hold the line.", title="A talk"):
    judgement = Judgement("none", (0.1, 0.1, 0.8))
    tag = Tag(5, (judgement, judgement), (0.123456,) * 5, Judgement("neutral", (0.1, 0.8, 0.1)))
    made = [Post(str(place), body.format(place), author="Secret Name") for place in range(posts)]
    made[1] = replace(
        made[1], body="Hold the line.\n\nNever.", quotes=(Quote(0, 14, 0, "exact"),), replies=(Reply(0, "quote"),)
    )
    thread = Thread(name, None, None, title, "Opening words.", None, tuple(made))
    return build_table(thread, [tag] * posts, tag, MANIFEST)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "talk.parquet"
    write_table(make_table(), path)
    return path


def make_folder(table, folder, design=Design(12, coders=("ann", "ben"), shared=4)):  # noqa: B008
    return draw_folder([table], folder, design, "## Rules\n\nBe kind.")


def cells_of(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline="")))


def fill_sheet(path, change, **form):
    """Write a sheet again with its rows changed, as a spreadsheet of some kind would."""
    rows = cells_of(path)
    for place, row in enumerate(rows):
        row.update(change(place, row) or {})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=form.get("delimiter", ","), lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(form.get("encoding", "utf-8")))


# --- drawing ---


@pytest.mark.parametrize(
    ("design", "strata"),
    [
        (Design(30), {"": 100}),
        (Design(30, by=("thread",)), {"": 100}),
        (Design(30, by=("label",)), {"North: against": 10, "toxicity: any": 4, UNLABELLED: 86}),
        (Design(30, by=("uncertainty",)), dict.fromkeys(SURENESS, 0)),
        (Design(30, by=("label", "thread"), allocation="proportional"), {}),
    ],
    ids=["simple", "thread", "label", "uncertainty", "both"],
)
def test_probabilities_sum_to_the_sample(design, strata):
    judged = [
        make_judged("a", 70, [(post, 0, "against") for post in range(10)], toxic=(8, 9, 10, 11)),
        make_judged("b", 30, toxic=(4, 5)),
    ]
    gold = draw_sample(judged, "t", design)
    assert len({(one.thread, one.post) for one in gold.drawn}) == len(gold.drawn) == 30
    assert sum(one.posts for one in gold.strata) == 100
    for thread, count in (("a", 70), ("b", 30)):
        assert sum(one.posts for one in gold.strata if one.thread == thread) == count
    pooled = Counter()
    for one in gold.strata:
        pooled[one.name if "thread" not in design.by else (one.thread, one.name)] += one.posts
    taken = Counter(one.stratum if "thread" not in design.by else (one.thread, one.stratum) for one in gold.drawn)
    for one in gold.drawn:
        key = one.stratum if "thread" not in design.by else (one.thread, one.stratum)
        assert one.probability == pytest.approx(taken[key] / pooled[key])
    assert sum(1 / one.probability for one in gold.drawn) == pytest.approx(100)  # Horvitz and Thompson's count
    assert set(strata) <= {one.name for one in gold.strata}
    assert min(taken.values()) >= 2


def test_a_post_belongs_to_its_rarest_label():
    judged = make_judged("a", 40, [(post, 0, "favor") for post in range(20)] + [(3, 1, "against")], toxic=(1, 2, 3))
    gold = draw_sample([judged], "t", Design(40, by=("label",)))
    assert {one.name: one.posts for one in gold.strata} == {
        "North: favor": 17, "Sóuth; East: against": 1, "toxicity: any": 2, UNLABELLED: 20,
    }  # fmt: skip
    assert all(one.probability == 1 for one in gold.drawn)


@pytest.mark.parametrize("by", [(), ("label",)])
def test_posts_are_drawn_as_often_as_stated(by):
    judged = make_judged("a", 20, [(post, 0, "favor") for post in range(5)])
    runs = 3000
    drawn, first, stated = Counter(), Counter(), {}
    for seed in range(runs):
        gold = draw_sample([judged], "t", Design(8, seed, by))
        for one in gold.drawn:
            drawn[one.post] += 1
            stated[one.post] = one.probability
        seen = Counter(one.stratum for one in gold.drawn[:4])
        first.update({one.post: len(gold.drawn) / 4 / seen[one.stratum] for one in gold.drawn[:4]})
    assert sum(stated.values()) == pytest.approx(8)
    for post, probability in stated.items():
        spread = (probability * (1 - probability) / runs) ** 0.5
        assert abs(drawn[post] / runs - probability) < 4.5 * spread, post
    # Whoever stops after four posts has a random part of each stratum: each post of a stratum comes as often.
    for stratum in (range(5), range(5, 20)) if by else (range(20),):
        share = [first[f"p{post}"] for post in stratum]
        assert max(share) / min(share) < 1.25


def test_same_seed_gives_the_same_sample_and_a_larger_one_holds_it():
    judged = [make_judged("a", 60), make_judged("b", 40)]
    small = draw_sample(judged, "t", Design(20, 7))
    assert draw_sample(judged[::-1], "t", Design(20, 7)) == small
    assert draw_sample(judged, "t", Design(20, 8)).drawn != small.drawn
    large = draw_sample(judged, "t", Design(50, 7))
    assert [one.post for one in large.drawn[:20]] == [one.post for one in small.drawn]
    assert len(draw_sample(judged, "t", Design(500)).drawn) == 100


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 200), st.booleans())
def test_allocation_spends_all_and_keeps_its_bounds(sizes, more, equal):
    n = sum(min(2, size) for size in sizes) + more
    taken = allocate(sizes, n, "equal" if equal else "proportional")
    assert sum(taken) == min(n, sum(sizes))
    assert all(min(2, size) <= one <= size for one, size in zip(taken, sizes, strict=True))
    later = allocate(sizes, n + 1, "equal" if equal else "proportional")
    assert all(b >= a for a, b in zip(taken, later, strict=True))
    if equal:  # nobody who could give more gives less than another
        room = [one for one, size in zip(taken, sizes, strict=True) if one < size]
        assert not room or max(taken) - min(room) <= 1
    else:
        free = [(one, n * size / sum(sizes)) for one, size in zip(taken, sizes, strict=True) if 2 < one < size]
        assert all(abs(one - ideal) <= 2 * len(sizes) for one, ideal in free)


def test_proportional_allocation_is_proportional():
    assert allocate([1000, 3000, 6000], 100, "proportional") == [10, 30, 60]
    assert allocate([5, 3000, 6000], 101, "equal") == [5, 48, 48]


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(StanceError, match="a: 2 tables hold a thread with this id"):
        draw_sample([make_judged("a", 5), make_judged("a", 6)], "t", Design(3))
    with pytest.raises(StanceError, match=r"-n 3: too few posts: 2 strata with two posts each need 4"):
        draw_sample([make_judged("a", 5), make_judged("b", 6)], "t", Design(3, by=("thread",)))
    with pytest.raises(StanceError, match="no judged post"):
        draw_sample([make_judged("a", 0)], "t", Design(3))
    with pytest.raises(StanceError, match="Draw from tables of one topic"):
        draw_sample([make_judged("a", 5), replace(make_judged("b", 5), sides=("X",))], "t", Design(3))


# --- the folder ---


def test_folder_holds_design_forms_and_sheets(table, tmp_path):
    folder = tmp_path / "gold"
    gold = make_folder(table, folder)
    assert {path.name for path in folder.iterdir()} == {
        "sample.json", "codebook.md", "form-ann.html", "form-ben.html", "sample-ann.csv", "sample-ben.csv",
    }  # fmt: skip
    written = json.loads((folder / "sample.json").read_text("utf-8"))
    assert written["coders"] == [{"name": "ann", "posts": 12}, {"name": "ben", "posts": 4}]
    assert written["method"] == "all 12 judged posts"
    assert read_sample(folder) == gold
    assert [one.thread for one in gold.strata] == ["talk"]
    sheets = cells_of(folder / "sample-ann.csv"), cells_of(folder / "sample-ben.csv")
    assert [row["post"] for row in sheets[0]] == [one.post for one in gold.drawn]
    assert sheets[1] == sheets[0][:4]
    reply = next(row for row in sheets[0] if row["post"] == "1")
    assert (reply["text"], reply["parent"]) == ("> Hold the line.\n\nNever.", "Post 0: hold the line.")
    columns = ["stance.North", "stance.Sóuth; East", *TOXICITY, "sentiment", "note"]
    assert all(row[name] == "" for row in sheets[0] for name in columns)


def test_coders_see_neither_names_nor_what_the_tagger_says(table, tmp_path):
    make_folder(table, tmp_path / "gold")
    for path in tmp_path.glob("gold/*-ann.*"):
        text = path.read_text("utf-8-sig").partition("<body>")[2] or path.read_text("utf-8-sig")  # a page has its style
        assert "hold the line" in text
        assert not [secret for secret in ("Secret Name", "0.12", "probab", "stratum", "abstain") if secret in text]


def test_same_draw_gives_the_same_files(table, tmp_path):
    for name in ("one", "two", "one"):
        make_folder(table, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


@pytest.mark.parametrize("held", ["labels-ann.csv", "labels-ann (1).csv", "sample-ben.csv"])
def test_a_redraw_never_replaces_labels(table, tmp_path, held):
    folder = tmp_path / "gold"
    make_folder(table, folder)
    if held.startswith("labels"):
        (folder / held).write_text("thread,post\r\n")
    else:
        fill_sheet(folder / held, lambda place, row: {"sentiment": "neutral"})
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(StanceError, match=r"holds labels .* Draw into another folder"):
        make_folder(table, folder, Design(5, 9))
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_redraw_without_labels_leaves_nothing_of_the_former_one(table, tmp_path):
    folder = tmp_path / "gold"
    make_folder(table, folder)
    gold = make_folder(table, folder, Design(5, 9, coders=("carl",)))
    assert {path.name for path in folder.iterdir()} == {
        "sample.json", "codebook.md", "form-carl.html", "sample-carl.csv",
    }  # fmt: skip
    assert read_sample(folder) == gold


def test_the_command_draws_and_says_what_is_wrong(table, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(commands, ["draw", *map(str, arguments)])

    done = run(table, "-o", tmp_path / "gold", "-n", 6, "--by", "uncertainty", "--coders", "ann, ben", "--shared", 3)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "6 of 12 posts drawn, seed 1"
    assert (
        "by third of uncertainty, equal allocation" in json.loads((tmp_path / "gold/sample.json").read_text())["method"]
    )
    for wrong, said in (
        (("--by", "author"), "--by author: name thread, label, uncertainty"),
        (("--allocation", "best"), "--allocation best"),
        (("--coders", "../ann"), "coder '../ann'"),
        (("--coders", "ann,Ann"), "each once"),
        (("--codebook", tmp_path / "none.md"), "the codebook cannot be read"),
    ):
        assert said in str(run(table, "-o", tmp_path / "other", *wrong).exception)
    write_table(make_table(), tmp_path / "again.parquet")
    twice = run(table, tmp_path / "again.parquet", "-o", tmp_path / "other")
    assert str(twice.exception) == "talk: 2 tables hold a thread with this id. Name one of them only."


def test_the_command_scores_what_was_labelled(table, tmp_path):
    folder = tmp_path / "gold"
    make_folder(table, folder)
    fill_sheet(folder / "sample-ann.csv", lambda place, row: {"stance.North": "none" if place else "favor"})
    (folder / "labels-ann.csv").write_bytes((folder / "sample-ann.csv").read_bytes())
    done = CliRunner().invoke(commands, ["score", str(folder), str(table), "-o", str(tmp_path / "score.json")])
    assert done.exit_code == 0, done.exception
    assert "12 labelled of 12 judged posts" in done.output
    assert "sample-ann.csv: left out" in done.stderr
    assert json.loads((tmp_path / "score.json").read_text("utf-8"))["labelled"] == 12


def test_the_command_fits_a_calibration(tmp_path):
    path, folder = tmp_path / "talk.parquet", tmp_path / "gold"
    write_table(make_table(posts=120), path)
    make_folder(path, folder, Design(100))
    fill_sheet(folder / "sample-coder1.csv", lambda place, row: {
        "stance.North": "favor" if place % 2 else "none", "toxicity": str(int(place % 3 == 0)),
    })  # fmt: skip
    asked = ["fit", str(folder), str(path), "-o", str(tmp_path / "c.json")]
    done = CliRunner().invoke(commands, [*asked, "--target-recall", "toxicity: any=0.8"])
    assert done.exit_code == 0, done.exception
    lines = done.output.splitlines()
    assert any(line.split()[:3] == ["North", "100", "1.26"] for line in lines)  # (log 1/.8 + log 1/.1) / 2 = 1.263
    assert any(line.startswith("sentiment: left as it is") for line in lines)
    assert any(line.startswith("toxicity: any, recall 0.8: from ") for line in lines)
    assert json.loads((tmp_path / "c.json").read_text("utf-8"))["labelled"] == 100
    wrong = CliRunner().invoke(commands, [*asked, "--target-precision", "toxicity"])
    assert "write QUANTITY=NUMBER" in str(wrong.exception)


def test_an_article_without_comments_gives_no_post(tmp_path):
    thread = Thread("prose", None, None, "Prose", "Opening words.", None, ())
    write_table(build_table(thread, [], None, MANIFEST), tmp_path / "prose.parquet")
    write_table(make_table(), tmp_path / "talk.parquet")
    paths = [tmp_path / "prose.parquet", tmp_path / "talk.parquet"]
    gold = draw_folder(paths, tmp_path / "gold", Design(5), "## Rules")
    assert {one.thread for one in gold.drawn} == {"talk"}


def test_a_table_of_several_threads_is_drawn_from(tmp_path):
    path = tmp_path / "all.parquet"
    write_table(join_tables([make_table("a"), make_table("b", 9)]), path)
    gold = make_folder(path, tmp_path / "gold", Design(10, by=("thread",)))
    assert Counter(one.thread for one in gold.drawn) == {"a": 5, "b": 5}
    assert {one.thread: len(one.ids) for one in read_judged(read_table(path))} == {
        one.thread: one.posts for one in gold.strata
    }


# --- reading labels ---


def make_gold():
    drawn = (
        Drawn("talk", "0012", "", 0.5), Drawn("talk", HOSTILE, "", 0.5), Drawn("talk", "1234567890123456789", "", 0.25),
        Drawn("a, \"b\"\nc", " p ", "rare; sure", 1.0),
    )  # fmt: skip
    strata = (Stratum("talk", "", 8), Stratum('a, "b"\nc', "rare; sure", 1))
    labels = (
        GoldLabel("talk", "0012", "ann", ("favor", None), (True, False, None, False, True), "positive"),
        GoldLabel("talk", HOSTILE, "ann", ("none", "against"), (False,) * 5, None),
        GoldLabel('a, "b"\nc', " p ", "ann", (None, None), (None,) * 5, "negative"),
        GoldLabel("talk", "0012", "ben", ("against", "none"), (True,) * 5, "neutral"),
    )
    return Gold("north-south", tuple(side.name for side in SIDES), 5, strata, drawn, labels, ("ann", "ben"))


def test_gold_comes_back_as_written(tmp_path):
    write_gold(tmp_path / "made", make_gold())
    assert read_gold(tmp_path / "made") == make_gold()
    assert f"\r\ntalk,'{HOSTILE}," in (tmp_path / "made/labels-ann.csv").read_text("utf-8-sig").replace("\n", "\r\n")


def test_a_filled_sheet_counts_as_labels(table, tmp_path):
    folder, notes = tmp_path / "gold", []
    gold = make_folder(table, folder)
    with pytest.raises(StanceError, match=r"no labels in it yet. Open form-ann.html"):
        read_gold(folder)
    fill_sheet(folder / "sample-ann.csv", lambda place, row: {"stance.North": "favor"} if place < 2 else None)
    found = read_gold(folder, notes.append)
    assert [(one.post, one.coder, one.stance) for one in found.labels] == [
        (one.post, "ann", ("favor", None)) for one in gold.drawn[:2]
    ]
    assert found.labels[0].toxicity == (None,) * 5
    assert replace(found, labels=()) == gold
    assert not notes
    write_gold(tmp_path / "other", replace(found, labels=(replace(found.labels[0], stance=("none", "none")),)))
    (folder / "labels-ann.csv").write_bytes((tmp_path / "other/labels-ann.csv").read_bytes())
    assert [one.stance for one in read_gold(folder, notes.append).labels] == [("none", "none")]
    assert notes == [f"{folder / 'sample-ann.csv'}: left out, because labels-ann.csv is there. Remove one of the two."]


@pytest.mark.parametrize(
    "form",
    [{"delimiter": ";", "encoding": "utf-8-sig"}, {"delimiter": "\t", "encoding": "utf-16"}, {"encoding": "cp1252"}],
    ids=["semicolons", "utf-16", "code page"],
)
def test_what_spreadsheets_do_is_read(table, tmp_path, form):
    folder = tmp_path / "gold"
    make_folder(table, folder)
    said = {"stance.North": " FAVOR ", "stance.Sóuth; East": "A", "toxicity": "TRUE", "insult": "1,0", "threat": "x",
            "obscene": "0.0", "identity_attack": "", "sentiment": "Pos"}  # fmt: skip
    fill_sheet(folder / "sample-ben.csv", lambda place, row: said, **form)
    label = read_gold(folder).labels[0]
    assert label.stance == ("favor", "against")
    assert label.toxicity == (True, True, True, False, False)
    assert label.sentiment == "positive"


def test_headings_rows_and_columns_may_move(table, tmp_path):
    folder = tmp_path / "gold"
    gold = make_folder(table, folder)
    rows = [f"{one.post};;talk;{'none' if place else 'against'}" for place, one in enumerate(gold.drawn[:3])]
    text = (
        "sep=;\r\n;;;\r\n POST ;my own;Thread;STANCE.north\r\n"
        + f"{rows[2]}\r\n;;;\r\n{rows[0]}\r\n{rows[1]};;;;\r\n\r\n"
    )
    (folder / "labels-ann.csv").write_text(text, "utf-8-sig", newline="")
    found = read_gold(folder).labels
    assert [one.post for one in found] == [gold.drawn[place].post for place in (2, 0, 1)]
    assert [one.stance for one in found] == [("none", None), ("against", None), ("none", None)]


@pytest.mark.parametrize(
    ("cells", "toxicity"),
    [
        ({"toxicity": "0"}, (False,) * 5),
        ({"threat": "1"}, (True, False, True, False, False)),
        ({"threat": "1", "toxicity": "0"}, (False, False, True, False, False)),
        ({"toxicity": "1", "insult": "?"}, (True, None, False, False, False)),
        ({"toxicity": "?"}, (None,) * 5),
        ({"toxicity": ""}, (None,) * 5),
    ],
)
def test_empty_cells_beside_an_attribute_are_a_no(table, tmp_path, cells, toxicity):
    folder = tmp_path / "gold"
    make_folder(table, folder)
    fill_sheet(folder / "sample-ann.csv", lambda place, row: {"sentiment": "neutral", **cells})
    assert read_gold(folder).labels[0].toxicity == toxicity


def test_numbers_that_a_spreadsheet_rounded_are_found_by_their_order(tmp_path):
    gold = make_gold()
    path = tmp_path / "labels-ann.csv"
    path.write_text('order,thread,post,sentiment\n1,talk,12,neutral\n3.0,talk,"1,23457E+18",negative\n')
    assert [one.post for one in read_labels(path, "ann", gold)] == ["0012", "1234567890123456789"]
    path.write_text("order,thread,post,sentiment\n1,talk,13,neutral\n")
    with pytest.raises(StanceError, match=r"labels for posts that were not drawn: talk 13 \(line 2\)"):
        read_labels(path, "ann", gold)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("thread,post,sentiment\ntalk,0,fine\n", r":2: sentiment is 'fine'. Write negative, neutral, positive, or \?"),
        ("thread,post,stance.North\n\ntalk,0,\ntalk,1,both\n", r":4: stance.north is 'both'. Write favor, against"),
        ('thread,post,note,insult\ntalk,0,"a\nb",1\ntalk,1,,2\n', r":4: insult is '2'. Write 1 or 0"),
        ("thread,post,stance.West\ntalk,0,none\n", r":1: column stance.west: no such side"),
        ("thread,post,words\ntalk,0,none\n", r":1: no column of labels, such as stance.North"),
        ("post,sentiment\n0,neutral\n", "no columns thread and post"),
        ("", "no columns thread and post"),
        ("thread,post,sentiment\ntalk,0,neutral\ntalk,0,positive\n", r":3: post 0 of talk has other labels in line 2"),
        ("thread,post,sentiment\ntalk,x,neutral\nold,0,neutral\n", r"not drawn: talk x \(line 2\), old 0 \(line 3\)"),
        ("\x00\x01thread,post\n", "no columns thread and post"),
        ("thread,post,sentiment\ntalk,0,\"" + "x" * 200_000, "not a CSV file"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_said_with_its_line(table, tmp_path, text, said):
    folder = tmp_path / "gold"
    make_folder(table, folder)
    (folder / "labels-ann.csv").write_text(text)
    with pytest.raises(StanceError, match=said) as error:
        read_gold(folder)
    assert str(error.value).startswith(str(folder / "labels-ann.csv"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("labels-ann (1).csv", "no coder of this sample has this name"),
        ("labels-carl.csv", "no coder of this sample has this name"),
        ("sample-ann.xlsx", "not a CSV file. Open it in the spreadsheet program"),
    ],
)
def test_labels_under_another_name_are_not_left_out_in_silence(table, tmp_path, name, said):
    folder = tmp_path / "gold"
    make_folder(table, folder)
    fill_sheet(folder / "sample-ann.csv", lambda place, row: {"sentiment": "neutral"})
    (folder / name).write_bytes((folder / "sample-ann.csv").read_bytes())
    with pytest.raises(StanceError, match=said):
        read_gold(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(format=9),
        lambda values: values.pop("drawn"),
        lambda values: values.update(seed="1"),
        lambda values: values["drawn"][0].update(probability=0),
        lambda values: values["drawn"].append(values["drawn"][0]),
        lambda values: values.update(coders=[{"name": "../../x"}]),
        lambda values: values.update(sides=[3]),
    ],
)
def test_a_damaged_sample_is_said(table, tmp_path, change):
    make_folder(table, tmp_path / "gold")
    path = tmp_path / "gold/sample.json"
    values = json.loads(path.read_text("utf-8"))
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(StanceError, match=r"sample\.json|coder"):
        read_sample(tmp_path / "gold")
    path.write_text("[" * 100_000)
    with pytest.raises(StanceError, match="cannot be read"):
        read_sample(tmp_path / "gold")
    path.unlink()
    with pytest.raises(StanceError, match="no gold folder"):
        read_sample(tmp_path / "gold")


def test_hostile_text_stays_text_in_the_sheet(tmp_path):
    path = tmp_path / "talk.parquet"
    write_table(make_table(HOSTILE, body=HOSTILE + "\r\n{}"), path)
    make_folder(path, tmp_path / "gold")
    rows = cells_of(tmp_path / "gold/sample-ann.csv")
    assert all(row["thread"].startswith("'=") for row in rows)
    assert all(row["text"].startswith(("'=", "> ")) for row in rows)
    fill_sheet(tmp_path / "gold/sample-ann.csv", lambda place, row: {"sentiment": "neutral"})
    assert {one.thread for one in read_gold(tmp_path / "gold").labels} == {HOSTILE}


def test_a_cell_holds_no_more_than_a_spreadsheet_takes(tmp_path):
    path = tmp_path / "talk.parquet"
    write_table(make_table(body="word " * 50_000), path)
    make_folder(path, tmp_path / "gold")
    assert max(len(row["text"]) for row in cells_of(tmp_path / "gold/sample-ann.csv")) == 32_000
