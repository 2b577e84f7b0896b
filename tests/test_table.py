"""Tables keep what they are given, in every format, and their files never half exist."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.files import open_replacing
from stance.records import SENTIMENTS, STANCES, TOXICITY, Judgement, Post, Quote, Side, StanceError, Tag, Thread
from stance.table import (
    ENDINGS,
    Manifest,
    build_table,
    build_tables,
    join_tables,
    post_row,
    read_manifest,
    read_table,
    table_rows,
    table_schema,
    write_rows,
    write_table,
)
from stance.table.columns import round_numbers

SIDES = (Side("North", "pro-North", "the North", ("Northerners",)), Side("South", "pro-South", "the South"))
MANIFEST = Manifest(
    "minilm", "ab" * 32, "north-south", SIDES, "0.1.0", (0.5,) * 5, 0.4, {"dev": {"f1": {"value": 0.8}}}
)
TAG = Tag(
    words=3,
    stance=(Judgement("favor", (0.7, 0.2, 0.1)), Judgement(None, (0.4, 0.3, 0.3))),
    toxicity=(0.1, 0.2, 0.3, 0.4, 1 / 3),
    sentiment=Judgement("neutral", (0.1, 0.8, 0.1)),
    mention=0.25,
    evidence=((0, 9),),
)
POST = Post("9", "you\n\nquoted line here\n\nfool", quotes=(Quote(5, 21, None, "markup"),))
THREAD = Thread(
    id="talk",
    source="threads/talk.txt",
    sha256="cd" * 32,
    title="A talk",
    article="Opening words.",
    blurb="The writer.",
    posts=(
        Post("7", "Hold the line.\u2028Now.", "1", "Ann", datetime(2020, 11, 10, 12, 30, tzinfo=UTC)),
        Post("8", "Hold the line.\n\nNo.", "3", None, None, (Quote(0, 14, 0, "exact"),), 0, "quote"),
        Post(
            "9", "Opening\nelsewhere", "4", "Bo", None, (Quote(0, 7, "article", "close"), Quote(8, 17, None, "markup"))
        ),
    ),
    gaps=("2",),
    warnings=("read as latin-1",),
)


@pytest.fixture
def table():
    return build_table(THREAD, [TAG, TAG, None], TAG, MANIFEST)


def test_rows_hold_the_article_first_then_every_post(table):
    rows = table_rows(table)
    assert [row["kind"] for row in rows] == ["article", "post", "post", "post"]
    assert [row["position"] for row in rows] == [None, 0, 1, 2]
    assert [row["body"] for row in rows[1:]] == [post.body for post in THREAD.posts]
    assert rows[1]["time"] == THREAD.posts[0].time
    assert rows[2]["quotes"] == [{"start": 0, "end": 14, "source": "0", "match": "exact"}]
    assert [quote["source"] for quote in rows[3]["quotes"]] == ["article", None]
    assert rows[1]["stance"][1] == {"side": "South", "label": None, "favor": 0.4, "against": 0.3, "none": 0.3}
    assert rows[1]["toxicity"]["identity_attack"] == 0.333333
    assert rows[3]["stance"] is rows[3]["words"] is None


def test_several_threads_are_the_rows_of_each(table, tmp_path):
    bare = Thread("bare", None, None, None, None, None, ())
    surrogates = Post("\ud800", "half an \ud83d", "\udfff", "A\ud800", quotes=(Quote(0, 4, None, "markup"),))
    odd = replace(bare, id="odd \ud800", posts=(surrogates, *THREAD.posts))
    threads = [
        (THREAD, [TAG, TAG, None], TAG),
        (bare, [], None),
        (odd, [None, TAG, replace(TAG, mention=None), TAG], None),
    ]
    joined = build_tables(threads, MANIFEST)
    expected = join_tables([build_table(*thread, MANIFEST) for thread in threads])
    assert joined.equals(expected.combine_chunks())
    assert joined.slice(0, 4).equals(table)
    assert joined.column("thread").to_pylist()[4:] == ["odd ?"] * 4
    assert joined.column("body")[4].as_py() == "half an ?"
    assert read_manifest(joined) == MANIFEST
    with pytest.raises(ValueError, match="2 tags for 3 posts"):
        build_tables([(THREAD, [TAG, TAG], None)], MANIFEST)
    with pytest.raises(ValueError, match="other sides"):
        build_tables([(THREAD, [replace(TAG, stance=TAG.stance[:1])] * 3, None)], MANIFEST)


@given(st.lists(st.floats(0, 1) | st.integers(0, 2 * 10**6).map(lambda half: half / (2 * 10**6)), max_size=50))
def test_numbers_are_rounded_as_python_rounds(values):
    import numpy as np

    assert round_numbers(np.array(values, np.float64)).tolist() == [round(value, 6) for value in values]


def test_manifest_takes_the_facts_of_the_thread(table):
    expected = replace(
        MANIFEST, source="threads/talk.txt", source_sha256="cd" * 32, thread_id="talk", title="A talk",
        blurb="The writer.", gaps=("2",), warnings=("read as latin-1",),
    )  # fmt: skip
    assert read_manifest(table) == expected


def test_parquet_round_trip(table, tmp_path):
    write_table(table, tmp_path / "t.parquet")
    again = read_table(tmp_path / "t.parquet")
    assert again.equals(table)
    assert read_manifest(again) == read_manifest(table)


@pytest.mark.parametrize("ending", ENDINGS)
def test_same_table_gives_the_same_bytes(table, tmp_path, ending):
    for name in ("a", "b"):
        write_table(table, tmp_path / f"{name}{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_json_lines_keep_the_contract(table, tmp_path):
    write_table(table, tmp_path / "t.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 4
    first, last = rows[1], rows[3]
    assert first["id"] == "7"
    assert set(first["stance"]) == {"North", "South"}
    assert first["stance"]["North"] == {"label": "favor", "favor": 0.7, "against": 0.2, "none": 0.1}
    assert tuple(first["toxicity"]) == TOXICITY
    assert tuple(first["sentiment"]) == ("label", *SENTIMENTS)
    assert first["body"] == THREAD.posts[0].body
    assert first["time"] == "2020-11-10T12:30:00Z"
    assert rows[2]["quotes"][0]["source"] == 0
    assert last["stance"] is None
    assert all(row["run"]["tagger"] == "minilm" and row["run"]["schema"] == 3 for row in rows)


def test_row_of_a_single_text_has_the_same_cells():
    row = post_row(12, POST, TAG, SIDES, MANIFEST.run)
    assert list(row) == ["id", "stance", "toxicity", "sentiment", "mention", "evidence", "run"]
    assert row["mention"] == TAG.mention
    assert [POST.body[one["start"] : one["end"]] for one in row["evidence"]] == ["you", "fool"]
    assert row["id"] == 12
    assert tuple(row["stance"]["South"]) == ("label", *STANCES)
    assert "run" not in post_row("a", POST, TAG, SIDES)


def test_what_is_not_judged_is_null_and_not_zero(tmp_path):
    nothing = Judgement(None, (float("nan"),) * 3)
    partly = replace(TAG, stance=(nothing, nothing), toxicity=(0.0, *(float("nan"),) * 4), sentiment=nothing)
    table = build_table(replace(THREAD, posts=THREAD.posts[:1]), [partly], None, MANIFEST)
    for ending in ENDINGS:
        write_table(table, tmp_path / f"t{ending}")
    row = table_rows(read_table(tmp_path / "t.parquet"))[1]
    assert row["stance"][1] == {"side": "South", "label": None, "favor": None, "against": None, "none": None}
    assert list(row["toxicity"].values()) == [0.0, None, None, None, None]
    assert set(row["sentiment"].values()) == {None}
    line = json.loads((tmp_path / "t.jsonl").read_text("utf-8").splitlines()[1])
    assert line["stance"]["North"] == {"label": None, "favor": None, "against": None, "none": None}
    assert line["toxicity"]["insult"] is None
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))[1]
    assert (cells["stance.North.favor"], cells["toxicity.toxicity"], cells["toxicity.threat"]) == ("", "0.0", "")


def test_csv_is_flat_and_runs_no_formula(tmp_path):
    names = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"]
    posts = tuple(Post(str(index), f"{name}, he said", author=name) for index, name in enumerate(names))
    sides = (Side("=North", "pro", "x"),)
    tag = replace(TAG, stance=TAG.stance[:1])
    table = build_table(replace(THREAD, posts=posts), [tag] * len(posts), None, replace(MANIFEST, sides=sides))
    write_table(table, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["author"] for row in rows[1:]] == [f"'{name}" for name in names]
    assert all(row["body"].startswith("'") for row in rows[1:])
    assert rows[1]["stance.=North.favor"] == "0.7"
    assert rows[1]["run.tagger_sha256"] == "ab" * 32
    assert rows[0]["stance.=North"] == ""
    starts = [value[0] for row in rows for value in row.values() if value]
    assert not set(starts) & set("=+-@\t\r\n")


def test_csv_of_no_rows_still_has_its_columns(tmp_path):
    empty = replace(THREAD, posts=(), article=None)
    write_table(build_table(empty, [], None, MANIFEST), tmp_path / "t.csv")
    head = (tmp_path / "t.csv").read_text("utf-8").splitlines()
    assert len(head) == 1
    assert "stance.South.against" in head[0].split(",")


texts = st.text(st.characters(codec=None), max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    body=texts, author=st.none() | texts, time=st.none() | st.datetimes(timezones=st.just(UTC)), words=st.integers(0, 9)
)
def test_any_text_comes_back(tmp_path_factory, body, author, time, words):
    folder = tmp_path_factory.mktemp("any")
    posts = (Post("0", body, author=author, time=time, quotes=(Quote(0, len(body), 0, "close"),) if body else ()),)
    table = build_table(replace(THREAD, posts=posts), [replace(TAG, words=words)], None, MANIFEST)
    for ending in ENDINGS:
        write_table(table, folder / f"t{ending}")
    row = table_rows(read_table(folder / "t.parquet"))[-1]
    line = json.loads((folder / "t.jsonl").read_bytes().split(b"\n")[-2])
    storable = body.encode("utf-8", "replace").decode("utf-8")  # Arrow holds no lone surrogate
    assert row["body"] == line["body"] == storable
    assert len(storable) == len(body)
    assert (row["author"] is None) == (author is None)
    assert row["time"] == time
    assert len((folder / "t.jsonl").read_text("utf-8").splitlines()) == 2


def test_lone_surrogates_and_line_ends_stay_inside_a_row(tmp_path):
    write_rows([{"id": "\ud800\u2028\x85"}], tmp_path / "t.jsonl")
    assert json.loads((tmp_path / "t.jsonl").read_text("utf-8").splitlines()[0]) == {"id": "\ud800\u2028\x85"}


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.parquet.gz"])
def test_unknown_ending(table, tmp_path, name):
    with pytest.raises(StanceError, match=r"\.parquet, \.csv, \.jsonl"):
        write_table(table, tmp_path / name)


@pytest.mark.parametrize("ending", ENDINGS)
def test_unwritable_place_is_one_line(table, tmp_path, ending):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StanceError, match="cannot be written") as error:
        write_table(table, tmp_path / "file" / f"t{ending}")
    assert "\n" not in str(error.value)


def test_failing_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("old")

    def rows():
        yield {"id": 1}
        raise StanceError("input broke")

    with pytest.raises(StanceError, match="input broke"):
        write_rows(rows(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with open_replacing(tmp_path / "link") as file:
        file.write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"x"


def test_what_is_not_our_table(table, tmp_path):
    import pyarrow.parquet as pq

    (tmp_path / "text.parquet").write_text("no")
    other = table.replace_schema_metadata(None)
    pq.write_table(other, tmp_path / "other.parquet")
    key = b"stance.manifest"
    later = table.schema.metadata[key].replace(b'"schema": 3', b'"schema": 4')
    pq.write_table(table.replace_schema_metadata({key: later}), tmp_path / "later.parquet")
    pq.write_table(table.replace_schema_metadata({key: b"{"}), tmp_path / "damaged.parquet")
    pq.write_table(table.drop_columns(["words"]), tmp_path / "columns.parquet")
    expected = {
        "text.parquet": "not a Parquet file",
        "other.parquet": "no manifest",
        "later.parquet": "schema 4",
        "damaged.parquet": "damaged",
        "columns.parquet": "columns changed",
        "absent.parquet": "no such file",
        "t.csv": "from .parquet only",
    }
    for name, words in expected.items():
        with pytest.raises(StanceError, match=f"{name}: .*{words}"):
            read_table(tmp_path / name)


def test_schema_three_is_what_it_was():
    """Anything that changes here needs a new SCHEMA_VERSION and a line in its history."""
    columns = (
        "thread kind position id number author time body quotes reply_to reply_basis language words stance toxicity "
        "sentiment"
    )
    assert table_schema().names == [*columns.split(), "mention", "evidence"]
    assert str(table_schema().field("time").type) == "timestamp[us, tz=UTC]"


def test_importing_is_free():
    code = "import sys, stance.table, stance.estimate, stance.report; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pyarrow", "torch", "matplotlib", "numpy", "scipy", "jinja2", "lxml"} & set(loaded)
