"""Large tables: rows come to their threads in little memory, and rows without one are an archive when they are many."""

import csv
import gzip
import io
import json
import random
import tempfile
import tracemalloc
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import stance.read
from stance.read import ALONE, Columns, Options, groups, read_threads, sorter
from stance.read.compressed import split_lines
from stance.read.groups import Table
from stance.read.sorter import Sorter
from stance.read.tables import read_csv, read_csv_stream, read_json_lines, read_json_stream
from stance.records import StanceError, Thread

PATH = Path("posts.csv")  # in messages only
NAMES = ("id", "author", "text", "time", "reply_to", "thread")


def make_rows(count: int, threads: int, seed: int = 1) -> list[dict[str, object]]:
    draw = random.Random(seed)
    return [
        {
            "id": number,
            "author": draw.choice(("Ann", "Ben", None)),
            "text": f"Wörter {number} " + "x" * draw.randrange(40),
            "time": f"2020-11-10T09:{number % 60:02d}:00.{number % 7:06d}Z",
            "reply_to": draw.randrange(count) if draw.random() < 0.5 else None,
            "thread": f"t{draw.randrange(threads)}",
        }
        for number in range(count)
    ]


def write(folder: Path, form: str, rows: list[dict[str, object]]) -> Path:
    path = folder / f"posts.{form}"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    names = list(rows[0])
    if form == "parquet":
        columns = {name: [None if row[name] is None else str(row[name]) for row in rows] for name in names}
        pq.write_table(pa.table(columns), path, row_group_size=100)
    elif form.startswith("csv"):
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
        lines = file.getvalue()
    data = lines.encode()
    if form.endswith(".gz"):
        path.write_bytes(gzip.compress(data))
    elif form.endswith(".zst"):
        path.write_bytes(zstandard.ZstdCompressor().compress(data))
    elif form != "parquet":
        path.write_bytes(data)
    return path


def by_id(threads: Iterable[Thread]) -> dict[str, Thread]:
    found = {thread.id: thread for thread in threads}
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz", "jsonl.zst", "csv", "csv.gz", "parquet"])
def test_a_large_table_gives_the_threads_of_a_small_one_in_order_of_their_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    path = write(tmp_path, form, make_rows(1000, 30))
    small = list(read_threads(path))
    assert [thread.id for thread in small] != sorted(thread.id for thread in small)
    assert sum(len(thread.posts) for thread in small) == 1000
    assert {post.time.microsecond for thread in small for post in thread.posts if post.time} == set(range(7))
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(stance.read, "MOST_BYTES", 3000)
    monkeypatch.setattr(sorter, "HELD_BYTES", 20_000)
    monkeypatch.setattr(sorter, "RECORD_BYTES", 300)
    large = list(read_threads(path))
    assert [thread.id for thread in large] == list(by_id(small))
    assert large == list(by_id(small).values())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_who_is_told_of_rejects_gets_the_same_threads(tmp_path: Path, form: str) -> None:
    path = write(tmp_path, form, make_rows(300, 10))
    rejects: list[object] = []
    assert list(read_threads(path, Options(reject=rejects.append))) == list(read_threads(path))
    assert rejects == []


def test_runs_are_merged_where_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    rows = [(str(draw.randrange(50)), [number, "x" * draw.randrange(90)]) for number in range(3000)]
    expected: dict[str, list[object]] = {}
    for key, row in rows:
        expected.setdefault(key, []).append(row)
    monkeypatch.setattr(sorter, "HELD_BYTES", 3000)
    monkeypatch.setattr(sorter, "RECORD_BYTES", 100)
    monkeypatch.setattr(sorter, "MOST_RUNS", 8)
    with Sorter(PATH) as filled:
        for key, row in rows:
            filled.add(key, row)
        assert len(filled._merged.places) > 2
        assert filled._single.places
        assert list(filled.take("7")) == expected.pop("7")
        merged = list(filled.merge())
    assert merged == [(key, expected[key]) for key in sorted(expected, key=lambda key: (len(key), key))]


def test_a_temporary_folder_without_room_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorter, "HELD_BYTES", 100)
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("wb"))  # noqa: SIM115
    rows = "\n".join(json.dumps(row) for row in make_rows(10, 2))
    with pytest.raises(StanceError, match=r"^posts\.csv: .* has no room \(No space left on device\): name another"):
        list(read_json_lines(rows, PATH))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stance.read, "MOST_BYTES", 2**17)
    monkeypatch.setattr(sorter, "HELD_BYTES", 2**17)
    peaks = []
    for count in (1500, 12_000):
        path = write(tmp_path, "jsonl.zst", make_rows(count, count // 20))
        tracemalloc.start()
        assert sum(len(thread.posts) for thread in read_threads(path)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks


def archive(count: int) -> list[dict[str, object]]:
    return [{"id": number, "text": f"text {number}", "reply_to": number - 1 or None} for number in range(1, count + 1)]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("most", [10, 2**26], ids=["large", "small"])
def test_too_many_rows_without_a_thread_stand_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, most: int
) -> None:
    monkeypatch.setattr(groups, "MOST_ROWS", 10)
    monkeypatch.setattr(groups, "CUT_ROWS", 4)
    monkeypatch.setattr(stance.read, "MOST_BYTES", most)
    (thread,) = read_threads(write(tmp_path, form, archive(10)))
    assert thread.id == "posts"
    assert thread.reading
    assert thread.reading.layout == "table"
    assert [post.reply_to for post in thread.posts] == [None, *range(9)]
    threads = list(read_threads(write(tmp_path, form, archive(11))))
    assert [thread.id for thread in threads] == ["posts-1", "posts-2", "posts-3"]
    assert [thread.reading and thread.reading.layout for thread in threads] == [ALONE] * 3
    assert [post.body for thread in threads for post in thread.posts] == [f"text {number}" for number in range(1, 12)]
    assert [len(thread.posts) for thread in threads] == [4, 4, 3]
    assert all(post.replies == () for thread in threads for post in thread.posts)
    assert threads[0].warnings == ("3 rows answer another: left open, as they are too many for one discussion",)


def test_rows_of_an_archive_that_are_long_are_cut_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_CHARACTERS", 100)
    monkeypatch.setattr(groups, "CUT_CHARACTERS", 30)
    rows = "\n".join(json.dumps(row) for row in archive(20))
    assert [len(thread.posts) for thread in read_json_lines(rows, PATH)] == [6, 5, 5, 4]


def test_beside_an_archive_threads_stay_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "MOST_ROWS", 10)
    monkeypatch.setattr(groups, "CUT_ROWS", 4)
    monkeypatch.setattr(sorter, "HELD_BYTES", 500)
    rows: list[dict[str, object]] = [
        {"id": number, "text": f"{number}", "reply_to": None, "thread": name if number % 2 else None}
        for number, name in enumerate("ab" * 12)
    ]
    rows += [{"id": number, "text": f"{number}", "reply_to": 100, "thread": "huge"} for number in range(100, 111)]
    path = write(tmp_path, "jsonl", rows)
    small = by_id(read_threads(path))
    assert [len(small[f"posts-{name}"].posts) for name in ("1", "2", "3", "b", "huge")] == [4, 4, 4, 12, 11]
    monkeypatch.setattr(stance.read, "MOST_BYTES", 100)
    large = by_id(read_threads(path))  # where no thread has more than any discussion
    assert {name: len(thread.posts) for name, thread in large.items()} == {
        "posts-1": 4, "posts-2": 4, "posts-3": 4, "posts-b-1": 4, "posts-b-2": 4, "posts-b-3": 4,
        "posts-huge-1": 4, "posts-huge-2": 4, "posts-huge-3": 3,
    }  # fmt: skip
    assert large["posts-1"] == small["posts-1"]
    assert large["posts-huge-1"].posts[1].replies == ()


LINE = st.text(st.sampled_from('text,;\t"\r{}:[]\\ab1\0\u2028é'))


@settings(deadline=None)
@given(st.lists(LINE, max_size=6), st.sampled_from(["", "text\n", "id,text\n"]), st.integers(1, 20))
def test_a_stream_of_csv_is_read_as_the_whole_is(lines: list[str], start: str, size: int) -> None:
    text = start + "\n".join(lines) + "\n"
    data = text.encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]

    def attempt(threads: Iterable[Thread]) -> list[Thread] | str:
        try:
            return list(threads)
        except StanceError as error:
            return str(error)

    whole = attempt(read_csv_or_error(text))
    assert attempt(stream_or_error(chunks)) == whole


def read_csv_or_error(text: str) -> Iterable[Thread]:
    yield from read_csv(text, PATH)


def stream_or_error(chunks: Iterable[bytes]) -> Iterable[Thread]:
    yield from read_csv_stream(split_lines(chunks, PATH), Table(PATH, "csv"), Columns())


VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([])
ROW = st.dictionaries(st.sampled_from([*NAMES, "body"]), VALUE).map(json.dumps)


@settings(deadline=None)
@given(st.lists(ROW | st.text(st.sampled_from('{}[]":,\\tex1 \r')), max_size=6))
def test_a_stream_of_rows_is_read_as_the_whole_is(lines: list[str]) -> None:
    def attempt(threads: Iterable[Thread]) -> list[Thread] | str:
        try:
            return list(threads)
        except StanceError as error:
            return str(error)

    whole = attempt(read_json_lines("\n".join(lines), PATH))
    stream = read_json_stream((line.encode() for line in lines), Table(PATH, "jsonl"), Columns())
    assert attempt(stream) == whole
    told: list[object] = []
    lenient = attempt(read_json_stream((line.encode() for line in lines), Table(PATH, "jsonl", told.append), Columns()))
    if isinstance(whole, list):
        assert (lenient, told) == (whole, [])
    else:
        assert told or "without a row" in whole
        kept = sum(len(thread.posts) for thread in lenient if isinstance(thread, Thread))
        assert kept + len(told) == sum(bool(line.strip()) for line in lines)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_a_large_table_in_another_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    rows = make_rows(50, 3)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path = tmp_path / "posts.jsonl"
    path.write_bytes(("\ufeff" + text if encoding.endswith("be") else text).encode(encoding))
    monkeypatch.setattr(stance.read, "MOST_BYTES", 100)
    assert sorted(post.body for thread in read_threads(path) for post in thread.posts) == sorted(
        str(row["text"]) for row in rows
    )


def test_stray_bytes_of_a_large_table_are_repaired_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b'{"text": "one"}'] * 20 + [b'{"text": "caf\xe9 \x93so\x94"}']
    path = tmp_path / "posts.jsonl"
    path.write_bytes(b"\n".join(lines))
    whole = list(read_threads(path))
    monkeypatch.setattr(stance.read, "MOST_BYTES", 100)
    (thread,) = read_threads(path)
    assert [thread] == whole
    assert thread.posts[-1].body == "café “so”"
    assert thread.warnings == ("not UTF-8 throughout (3 bytes, first on line 21): those were read as Windows-1252",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.4\n" + b"x\n" * 200, "a PDF file"),
        (b"\x01\x02\x03\n" * 200, "a binary file"),
        ('{"text": "Привет, мир"}\n'.encode("cp1251") * 200, "neither UTF-8 nor Windows-1252"),
        (('{"text": "a"}\n' * 99).encode("utf-16") + b"\x00\xd8\x00", "broken UTF-16-LE"),
    ],
)
def test_a_large_file_that_is_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(data)
    monkeypatch.setattr(stance.read, "MOST_BYTES", 100)
    with pytest.raises(StanceError, match=message):
        list(read_threads(path, Options(format="rows")))


def test_the_bound_holds_for_streams_and_for_what_is_held_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "jsonl", make_rows(1000, 3))
    monkeypatch.setattr(stance.read, "MOST_BYTES", 1000)
    with pytest.raises(StanceError, match=r"more than 3000 bytes unpacked: .*raise --max-size"):
        list(read_threads(path, Options(most=3000)))
    with pytest.raises(StanceError, match="raise --max-size"):
        list(read_threads(write(tmp_path, "parquet", make_rows(1000, 3)), Options(most=3000)))


def test_years_far_away_come_back() -> None:
    rows = '{"text": "a", "time": "0001-01-02T00:00:00"}\n{"text": "b", "time": "9999-12-30T23:59:59.999999"}'
    (thread,) = read_json_lines(rows, PATH)
    assert [post.time for post in thread.posts] == [
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
