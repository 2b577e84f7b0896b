"""Tables of posts: rows in, posts out, and an error with its line for every broken row."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.read import read_file, read_rows
from stance.records import StanceError

DATA = Path(__file__).parent / "data"


def save(folder: Path, *rows: object) -> Path:
    path = folder / "posts.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


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
