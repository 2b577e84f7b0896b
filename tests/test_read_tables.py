"""Tables of posts: rows in, posts out, and an error with its line for every broken row."""

import csv
import io
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.read import parquet, read_rows, read_threads
from stance.read.rows import Columns, find_parents
from stance.read.tables import read_csv, read_json_lines, read_table
from stance.records import StanceError, Thread

DATA = Path(__file__).parent / "data"
PATH = Path("posts.csv")  # in messages only


def read_parquet(path: Path, columns: Columns | None = None, most: int = 10**9) -> list[Thread]:
    return list(parquet.read_parquet(path, columns or Columns(), most, 10**6))


def save(folder: Path, *rows: object) -> Path:
    path = folder / "posts.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def read_file(path: Path) -> Thread:
    (thread,) = read_threads(path)
    return thread


def test_rows_are_posts_in_file_order() -> None:
    thread = read_file(DATA / "quotes.jsonl")
    assert [post.id for post in thread.posts] == ["a", "b", "7", "d", "e", "f", "g", "h"]
    assert [post.line for post in thread.posts] == [1, 2, 4, 5, 6, 7, 8, 9]
    assert [post.author for post in thread.posts] == ["Ann", "Ben", None, "Ann", "Cem", "Ben", "Dag", "Eva"]
    assert thread.posts[0].time == datetime(2021, 3, 3, 8, tzinfo=UTC)
    assert thread.posts[0].time.tzinfo is UTC
    assert [(post.reply_to, post.reply_basis) for post in thread.posts if post.reply_to is not None] == [(2, "markup")]
    assert (thread.id, thread.title, thread.article) == ("quotes", None, None)
    assert thread.warnings == ("1 reply_to with no other row of that id (first on line 8): left open",)


def test_body_is_the_text_unchanged(tmp_path: Path) -> None:
    texts = ["  1. not a post\r\n\n ", "", "\u200b\xa0x\t", "\x00\x1b[0m", "“a”\u2028b", "😀"]
    thread = read_file(save(tmp_path, *({"text": text} for text in texts)))
    assert [post.body for post in thread.posts] == texts
    assert [post.id for post in thread.posts] == ["0", "1", "2", "3", "4", "5"]


def test_rows_come_back_with_their_ids(tmp_path: Path) -> None:
    rows = [{"id": identifier, "text": "x"} for identifier in ("7", 7, 7.5, -1, "", "ä", 10**30, "7")]
    assert read_rows(save(tmp_path, *rows, "", {"text": "y"})) == [(row["id"], "x") for row in rows] + [(None, "y")]
    assert [type(identifier) for identifier, _ in read_rows(save(tmp_path, *rows))[:3]] == [str, int, float]


def test_table_is_known_by_its_first_row_too(tmp_path: Path) -> None:
    path = save(tmp_path, {"text": "a"}, {"text": "b"}).rename(tmp_path / "posts.txt")
    assert [post.body for post in read_file(path).posts] == ["a", "b"]


def test_time_without_a_zone_is_utc_and_blank_author_is_none(tmp_path: Path) -> None:
    thread = read_file(save(tmp_path, {"text": "a", "author": "  ", "time": "2021-03-03T08:00", "reply_to": None}))
    assert thread.posts[0].time == datetime(2021, 3, 3, 8, tzinfo=UTC)
    assert thread.posts[0].author is None


def test_half_a_surrogate_pair_is_replaced(tmp_path: Path) -> None:
    path = save(tmp_path, '{"text": "a\\ud83d\\ude00\\ud800b", "author": "\\udc00", "id": "\\ud800"}')
    post = read_file(path).posts[0]
    assert (post.body, post.author, post.id) == ("a😀\ufffdb", "\ufffd", "\ufffd")
    assert read_rows(path)[0][1] == "a😀\ufffdb"


def test_answer_to_itself_or_to_nothing_is_left_open(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "text": "a", "reply_to": 1},
        {"id": 2, "text": "b", "reply_to": "3"},
        {"id": "3", "text": "c", "reply_to": 9},
    ]
    thread = read_file(save(tmp_path, *rows))
    assert [post.reply_to for post in thread.posts] == [None, 2, None]
    assert thread.warnings == ("2 reply_to with no other row of that id (first on line 1): left open",)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{'text': 'a'}", "not JSON (Expecting property name enclosed in double quotes, column 2)"),
        ('{"text": "a"', "not JSON"),
        ('{"text": "a", "id": NaN}', "not JSON ('NaN is no JSON value')"),
        ('{"text": "a", "id": ' + "9" * 5000 + "}", "not JSON"),
        ("[" * 100_000, "JSON nested too deep"),
        ('["a"]', "not an object"),
        ("7", "not an object"),
        ('{"id": 1}', 'no "text"'),
        ('{"text": null}', '"text" is not a string'),
        ('{"text": 7}', '"text" is not a string'),
        ('{"text": "a", "author": 7}', '"author" is not a string'),
        ('{"text": "a", "id": [1]}', '"id" is neither a string nor a number'),
        ('{"text": "a", "id": true}', '"id" is neither a string nor a number'),
        ('{"text": "a", "id": 1e999}', '"id" is neither a string nor a number'),
        ('{"text": "a", "reply_to": {}}', '"reply_to" is neither a string nor a number'),
        ('{"text": "a", "time": "yesterday"}', "\"time\" 'yesterday' is not ISO 8601"),
        ('{"text": "a", "time": 1604966400}', "\"time\" '1604966400' is not ISO 8601"),
        ('{"text": "a", "time": "0001-01-01T00:00:00+14:00"}', "is not ISO 8601"),
    ],
)
def test_broken_row_is_an_error_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    path = save(tmp_path, {"text": "good"}, "", row)
    for read in (read_file, read_rows):
        with pytest.raises(StanceError) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}:3: ")
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300 + len(str(path))


def test_id_given_twice_is_an_error_in_a_thread(tmp_path: Path) -> None:
    path = save(tmp_path, {"id": 1, "text": "a"}, {"id": "1", "text": "b"})
    with pytest.raises(StanceError, match=r"posts\.jsonl:2: id '1' is taken by line 1: give each row its own id"):
        read_file(path)
    assert read_rows(path) == [(1, "a"), ("1", "b")]


def test_rows_of_an_unreadable_file_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(StanceError, match="no such file"):
        read_rows(tmp_path / "missing.jsonl")
    with pytest.raises(StanceError, match="nothing but blank space"):
        read_rows(save(tmp_path, "", ""))


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.none() | st.text() | st.integers()), min_size=1))
def test_any_rows_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | int | None]]) -> None:
    path = save(tmp_path_factory.getbasetemp(), *({"text": text, "id": identifier} for text, identifier in rows))
    assert read_rows(path) == [(identifier, text) for text, identifier in rows]


def threads_of(threads: Iterable[Thread]) -> list[tuple[str, list[tuple[str, str | None, str]]]]:
    return [(thread.id, [(post.id, post.author, post.body) for post in thread.posts]) for thread in threads]


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    rows = [
        {"comment_id": 1, "User": "Ann", "body": "a", "created_utc": 1604998800},
        {"comment_id": 2, "User": "Ben", "body": "b", "created_utc": "2020-11-10T09:00:01Z", "parent_id": 1},
        {"comment_id": 3, "User": 7, "body": "c", "created_utc": "whenever", "parent_id": []},
    ]
    thread = read_file(save(tmp_path, *rows))
    assert [(post.id, post.author, post.body, post.reply_to) for post in thread.posts] == [
        ("1", "Ann", "a", None),
        ("2", "Ben", "b", 0),
        ("3", None, "c", None),
    ]
    assert [post.time and post.time.second for post in thread.posts] == [0, 1, None]
    assert thread.warnings == tuple(
        f"1 values of column '{name}' make no sense (first on line 3): left out"
        for name in ("User", "created_utc", "parent_id")
    )


def test_a_column_that_was_asked_for_must_be_right(tmp_path: Path) -> None:
    text = '{"n": 1, "said": "a", "text": "no", "by": 7}'
    thread = read_table(text, PATH, Columns(id="n", text="said"))
    assert threads_of([thread]) == [("posts", [("1", None, "a")])]
    with pytest.raises(StanceError, match=r'posts\.csv:1: "by" is not a string'):
        read_table(text, PATH, Columns(id="n", text="said", author="by"))
    with pytest.raises(StanceError, match='no "words"'):
        read_table(text, PATH, Columns(text="words"))


def test_rows_of_several_threads() -> None:
    rows = [{"id": n % 2, "text": f"{n}", "thread": thread} for n, thread in enumerate(("b", "b", 7, "7", None))]
    text = "\n".join(map(json.dumps, rows))
    assert threads_of(read_json_lines(text, PATH)) == [
        ("b", [("0", None, "0"), ("1", None, "1")]),
        ("7", [("0", None, "2"), ("1", None, "3")]),
        ("posts", [("0", None, "4")]),
    ]
    with pytest.raises(StanceError, match="id '0' is taken by line 1"):
        read_table(text, PATH)


def test_circle_of_replies_is_cut() -> None:
    text = "\n".join(json.dumps({"id": n, "text": "x", "reply_to": (n + 1) % 5}) for n in range(5))
    thread = read_table(text, PATH)
    assert [post.reply_to for post in thread.posts] == [1, 2, 3, 4, None]
    assert thread.warnings == ("1 reply_to that lead back to their own row (first on line 5): left open",)


@given(st.lists(st.none() | st.integers(0, 12), max_size=12))
def test_no_chain_of_parents_goes_round(parents: list[int | None]) -> None:
    links = find_parents({str(n): n for n in range(len(parents))}, [None if p is None else str(p) for p in parents])
    for start in range(len(parents)):
        at: int | None = start
        for _ in parents:
            at = None if at is None else links.to[at]
        assert at is None
    lost = {*links.missing, *links.circular}
    assert [to is None for to in links.to] == [n in lost or parent is None for n, parent in enumerate(parents)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv(delimiter: str) -> None:
    rows = [
        ["Comment_ID", " Author ", "Text", "Date", "Parent"],
        ["1", "Ann; A", '\'=1+1, "quoted";\r\n\ttext ', "2020-11-10 09:00", ""],
        ["", "", "", "", ""],
        ["2.0", " ", "", "1604998801", "1.0"],
        ["3", "Ben", "x\0", "never", "9"],
    ]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    (thread,) = read_csv(file.getvalue() + "\n", PATH)
    assert [(post.id, post.author, post.body, post.reply_to, post.line) for post in thread.posts] == [
        ("1", "Ann; A", '\'=1+1, "quoted";\r\n\ttext ', None, 2),
        ("2", None, "", 0, 5),
        ("3", "Ben", "x\0", None, 6),
    ]
    assert [post.time and post.time.second for post in thread.posts] == [0, 1, None]
    assert thread.warnings == (
        "1 reply_to with no other row of that id (first on line 6): left open",
        "1 values of column 'Date' make no sense (first on line 6): left out",
    )


def test_broken_csv_rows_are_left_out() -> None:
    text = 'id,text,topic\n1,a,s\n2,"open\n3,c,t\n4,too,many,cells\n5,few\n"6" x,f,s\n7,"""g""",s,\n7,h,s\n'
    threads = list(read_csv(text, PATH))
    assert threads_of(threads) == [
        ("s", [("1", None, "a"), ("7", None, '"g"'), ("7-2", None, "h")]),
        ("t", [("3", None, "c")]),
    ]
    assert threads[0].warnings == (
        "4 rows that do not fit the header (first on line 3): left out",
        "1 ids that a row before has: each was given another",
    )
    assert threads[1].warnings == ()


def test_many_open_quotation_marks_take_no_time_and_a_long_cell_is_read() -> None:
    long = "x" * 10**6
    (thread,) = read_csv("text\n" + 'a"b\n"c\n' * 10_000 + long, PATH)
    assert thread.posts[-1].body == long
    assert csv.field_size_limit() < 10**6


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,b\n1,2\n", None, "no column holds the posts' text: name the right one of 'a', 'b'"),
        ("a,b\n1,2\n", Columns(text="c"), "no column 'c'"),
        ("text\n", None, "a table without a row that can be read"),
        ('"text', None, "no column holds the posts' text: name the right one of an empty header"),
    ],
)
def test_csv_without_posts_is_an_error(text: str, columns: Columns | None, message: str) -> None:
    with pytest.raises(StanceError, match=message):
        list(read_csv(text, PATH, columns))
    assert threads_of(read_csv("a,b\n1,2\n", PATH, Columns(text="b"))) == [("posts", [("0", None, "2")])]


@settings(deadline=None)
@given(st.text(st.sampled_from('text,;\t"\r\n\\ab1\0\u2028')))
def test_any_csv(text: str) -> None:
    for start in ("", "text\n", "id,text\n"):
        try:
            threads = list(read_csv(start + text + "\n", PATH))
        except StanceError:
            continue
        assert all(len({post.id for post in thread.posts}) == len(thread.posts) for thread in threads)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    at = datetime(2020, 11, 10, 9, 0, 0, 5, tzinfo=UTC)
    table = pa.table(
        {
            "id": [1, 2, 3, 4],
            "body": pa.array(["a", " b\n", None, "c"]).dictionary_encode(),
            "user": ["Ann", "", None, "Ben"],
            "parent": [None, 1.0, math.nan, 9.0],
            "timestamp": pa.array([at, at, None, at], pa.timestamp("ns", "UTC")),
            "conversation_id": ["s", "s", "s", "t"],
            "unread": [["x"] * 100] * 4,
        }
    )
    pq.write_table(table, path)
    first, second = read_parquet(path)
    assert threads_of([first, second]) == [("s", [("1", "Ann", "a"), ("2", None, " b\n")]), ("t", [("4", "Ben", "c")])]
    assert [post.reply_to for post in first.posts] == [None, 0]
    assert first.posts[0].time == at
    assert first.warnings == ("1 rows that do not fit the header (first on line 3): left out",)
    assert second.warnings == ("1 reply_to with no other row of that id (first on line 4): left open",)
    assert threads_of(read_parquet(path, Columns(thread="user", text="conversation_id")))[0] == (
        "Ann",
        [("1", "Ann", "s")],
    )
    with pytest.raises(StanceError, match="raise --max-size"):
        read_parquet(path, most=10)
    with pytest.raises(StanceError, match="no column 'words'"):
        read_parquet(path, Columns(text="words"))


def test_parquet_with_odd_columns(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    far = pa.array([2**53, 1_604_998_800_000], pa.timestamp("ms"))
    pq.write_table(pa.table({"text": ["a", "b"], "time": far}), path)
    (thread,) = read_parquet(path)
    assert [post.time and post.time.year for post in thread.posts] == [None, 2020]
    assert thread.warnings == ("1 values of column 'time' make no sense (first on line 1): left out",)
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, names=["text", "text"]), path)
    with pytest.raises(StanceError, match="exists 2 times"):
        read_parquet(path)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"\0" * 100])
def test_broken_parquet_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "posts.parquet"
    path.write_bytes(data)
    with pytest.raises(StanceError, match="not a Parquet file that can be read") as caught:
        read_parquet(path)
    assert "\n" not in str(caught.value)
