"""Records that are left out, one by one: whoever asks is told of each, and the rest is read."""

import contextlib
import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from stance.read import Options, Reject, read_threads
from stance.records import StanceError, Thread

DATA = Path(__file__).parent / "data"


def read(path: Path, form: str | None = None) -> tuple[list[Thread], list[tuple[str, str]]]:
    """The threads, and the position and the reason of each record that was left out."""
    told: list[Reject] = []
    threads = list(read_threads(path, Options(form, reject=told.append)))
    assert all("\n" not in one.reason and len(one.reason) < 200 for one in told)
    return threads, [(one.position, one.reason) for one in told]


def bodies(threads: list[Thread]) -> list[str]:
    return [post.body for thread in threads for post in thread.posts]


def refused(path: Path) -> str:
    """What is said where nobody is told."""
    with pytest.raises(StanceError) as caught:
        list(read_threads(path))
    return str(caught.value)


ROWS = [
    b'{"id": 1, "text": "one"}',
    b"",
    b'{"id": 2, "text": "two"',
    b"[" * 100_000,
    b'{"id": ' + b"9" * 5000 + b', "text": "x"}',
    b'{"id": 3, "text": "a\0b"}',
    b"7",
    b'{"id": 4, "text": null}',
    b'{"id": 5, "text": "x", "time": "whenever"}',
    b'{"id": "1", "text": "again"}',
    b'{"id": 6, "text": "caf\xe9"}',
    b'{"id": 7, "text": "\\ud83d!"}',
]


def test_rows(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_bytes(b"\n".join(ROWS))
    threads, told = read(path)
    assert bodies(threads) == ["one", "café", "\ufffd!"]
    assert [post.line for post in threads[0].posts] == [1, 11, 12]
    assert [position for position, _ in told] == [f"line {number}" for number in (3, 4, 5, 6, 7, 8, 9, 10)]
    reasons = [reason for _, reason in told]
    assert reasons[0].startswith("not JSON (Expecting ',' delimiter, column 24)")
    assert reasons[1].startswith("JSON nested too deep")
    assert reasons[2].startswith("not JSON (")
    assert reasons[3].startswith("not JSON (Invalid control character")
    assert reasons[4].startswith("not an object")
    assert reasons[5].startswith('"text" is not a string')
    assert reasons[6].startswith("\"time\" 'whenever' is not ISO 8601")
    assert reasons[7] == "id '1' is taken by line 1"
    assert threads[0].warnings == (
        "not UTF-8 throughout (1 bytes, first on line 11): those were read as Windows-1252",
        "7 rows that cannot be read (first on line 3): left out",
        "1 rows with the id of one before: left out",
    )
    assert "binary" in refused(path)
    path.write_bytes(b"\n".join(ROWS[:3]))
    assert refused(path).startswith(f"{path}:3: not JSON")


def test_a_line_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    long = json.dumps({"text": "x" * 17_000_000})
    path.write_text(f'{{"text": "a"}}\n{long}\n{{"text": "b"}}\n{long}')
    assert [len(body) for body in bodies(list(read_threads(path)))] == [1, 17_000_000, 1, 17_000_000]
    threads, told = read(path)
    assert bodies(threads) == ["a", "b"]
    assert told == [("line 2", "a line of more than 16 MB"), ("line 4", "a line of more than 16 MB")]


@pytest.mark.parametrize("ending", ["jsonl.gz", "csv.gz"])
def test_an_archive_that_is_cut_off_gives_what_comes_before(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"posts.{ending}"
    rows = [f"{{}}{number}" for number in range(50_000)]
    lines = ["id,text", *(f"{row},x" for row in rows)]
    if ending.startswith("jsonl"):
        lines = [json.dumps({"id": row, "text": "x"}) for row in rows]
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-5000])
    threads, told = read(path)
    posts = sum(len(thread.posts) for thread in threads)
    assert 0 < posts < 50_000
    assert posts == len({post.id for thread in threads for post in thread.posts})
    assert "an archive that is cut off" in told[-1][1]
    assert int(told[-1][0].removeprefix("line ")) > posts
    assert len(told) <= 2  # the row that was cut, and the rest
    assert "cut off" in refused(path)


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text('id,text\n1,a\n2,"open\n3,c\n4,too,many\n5\n6,d\n6,e\n')
    threads, told = read(path)
    assert bodies(threads) == ["a", "c", "d", "e"]
    assert told == [
        ("line 3", "broken quotation marks, or a cell without end"),
        ("line 5", "3 cells under 2 columns"),
        ("line 6", "1 cells under 2 columns"),
    ]
    assert list(read_threads(path)) == threads
    assert threads[0].warnings[0] == "3 rows that do not fit the header (first on line 3): left out"


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    texts = ["a", None, "c", "d", None, "f"]
    pq.write_table(
        pa.table({"text": texts, "id": range(6)}), path, row_group_size=2, compression="none", use_dictionary=False
    )
    threads, told = read(path)
    assert bodies(threads) == ["a", "c", "d", "f"]
    assert told == [("row 2", "no text"), ("row 5", "no text")]
    assert list(read_threads(path)) == threads
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset : column.data_page_offset + column.total_compressed_size] = (
        b"\xff" * column.total_compressed_size
    )
    path.write_bytes(data)
    threads, told = read(path)
    assert bodies(threads) == ["a", "f"]
    assert [position for position, _ in told] == ["row 2", "row 3", "row 5"]
    assert told[1][1].startswith("2 rows that cannot be unpacked (")
    assert "not a Parquet file that can be read" in refused(path)


def comment(name: object, **more: object) -> bytes:
    row = {"id": name, "link_id": "t3_s", "parent_id": "t3_s", "author": "ann", "body": "x", "created_utc": 1604998800}
    return json.dumps(row | more).encode()


def test_reddit(tmp_path: Path) -> None:
    path = tmp_path / "RC.ndjson"
    lines = [comment("a"), b"{", b"", b'{"id": "x"}', comment("a", body="once more"), comment("b"), b"[1]", comment(7)]
    path.write_bytes(b"\n".join(lines))
    threads, told = read(path)
    assert [post.id for post in threads[0].posts] == ["a", "b"]
    assert told == [
        ("line 2", "not JSON"),
        ("line 4", "no comment and no submission"),
        ("line 7", "no comment and no submission"),
        ("line 8", "no comment and no submission"),
        ("line 5", "the comment of line 1 once more"),
    ]
    assert list(read_threads(path)) == threads
    packed = tmp_path / "RC.gz"
    packed.write_bytes(gzip.compress(b"\n".join(comment(str(n), body=f"{n * n}") for n in range(50_000)))[:-5000])
    threads, told = read(packed)
    assert threads[0].posts
    assert told[-1][1].startswith("an archive that is cut off")


def page(body: str) -> bytes:
    comments = "".join(
        f'<li class="comment depth-1" id="comment-{number}"><article class="comment-body">'
        f'<div class="comment-author vcard"><b class="fn">Ann</b></div>'
        f'<div class="comment-content"><p>{body} {number}</p></div></article></li>'
        for number in range(3)
    )
    return f"<!DOCTYPE html><html><head></head><body><ol class='comment-list'>{comments}</ol></body></html>".encode()


def test_a_web_archive(tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=False)
    script = b'<html><body><div id="disqus_thread"></div><script src="//x.disqus.com/embed.js"></script></body></html>'
    for url, body in (("http://a/1", page("one")), ("http://a/2", script), ("http://a/3", page("three"))):
        headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=headers))
    path = tmp_path / "a.warc"
    path.write_bytes(file.getvalue().replace(b"WARC/1.0", b"WARC/broken\r\n\r\n\r\nWARC/1.0", 1))
    threads, told = read(path)
    assert bodies(threads) == [f"{word} {number}" for word in ("one", "three") for number in range(3)]
    assert [position for position, _ in told] == ["record 1", "record 3"]
    assert told[0][1] == "a broken record"
    assert told[1][1].startswith("Disqus loads its comments by script")
    assert list(read_threads(path)) == threads


def test_members_of_an_archive(tmp_path: Path) -> None:
    members = {
        "a.txt": b"\0\0\0",
        "b.jsonl": b'{"text": "one"}\n{"text": 2}\n{"text": "three"}',
        "c.csv": b"text\nfour\n",
        "d.json": b"{",
        "e.pdf": b"%PDF-1.4",
    }
    path = tmp_path / "saved.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    threads, told = read(path)
    assert bodies(threads) == ["one", "three", "four"]
    assert [position for position, _ in told] == [
        "member a.txt",
        "member b.jsonl, line 2",
        "member d.json",
        "member e.pdf",
    ]
    assert told[0][1].startswith("a binary file")
    assert "binary" in refused(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("a.txt", "d.json"):
            archive.writestr(name, members[name])
    with pytest.raises(StanceError, match="not JSON"):  # nothing of it can be read: what is wrong with the last
        read(path)


def test_a_broken_member_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "saved.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.txt", "1. Ann says\n\n    One word.\n\n2. Bob says\n\n    Two words.\n")
        archive.writestr("b.csv", "text\nfour\n")
    path.write_bytes(path.read_bytes().replace(b"Two words", b"Too words"))
    threads, told = read(path)
    assert bodies(threads) == ["four"]
    assert [position for position, _ in told] == ["member a.txt"]
    assert "broken" in told[0][1]
    assert "broken" in refused(path)


def test_items_of_an_export(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    messages = [{"id": 1, "text": "one", "from": "Ann"}, 7, {"id": 2, "text": "two"}, None]
    path.write_text(json.dumps({"name": "Harbour", "type": "group", "id": 9, "messages": messages}))
    threads, told = read(path)
    assert bodies(threads) == ["one", "two"]
    reason = "not a comment as telegram has them, in '9'"
    assert told == [("record 2", reason), ("record 4", reason)]
    assert list(read_threads(path)) == threads


def test_comments_of_an_xml_export(tmp_path: Path) -> None:
    posts = "".join(
        f'<post dsq:id="{number}"><message>word {number}</message><thread dsq:id="{thread}"/></post>'
        for number, thread in enumerate("tut")
    )
    path = tmp_path / "export.xml"
    path.write_text(
        '<disqus xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals">'
        f'<thread dsq:id="t"><title>Harbour</title></thread>{posts}<post dsq:id="4"><message>cut'
    )
    threads, told = read(path)
    assert bodies(threads) == ["word 0", "word 2"]
    assert told == [("record 3", "a comment of no thread in the file"), ("record 5", "cut off by the file's end")]
    assert list(read_threads(path)) == threads


def test_utterances_of_a_corpus(tmp_path: Path) -> None:
    rows: list[object] = [{"id": f"{n}", "text": "x", "speaker": "ann", "conversation_id": "c"} for n in (0, 1, 1)]
    lines = [json.dumps(row) for row in [*rows, 7, {"id": "4"}]]
    (tmp_path / "utterances.jsonl").write_text("\n".join(["{", *lines, json.dumps({"text": 7, "id": "5"})]))
    threads, told = read(tmp_path)
    assert [post.id for thread in threads for post in thread.posts] == ["0", "1", "4"]
    assert told == [
        ("line 1", "not JSON"),
        ("line 5", "no utterance with an id, a speaker and a text"),
        ("line 7", "no utterance with an id, a speaker and a text"),
        ("line 4", "its id is that of line 3"),
    ]
    assert list(read_threads(tmp_path)) == threads


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b"{\n7\n"),
        ("a.jsonl", b"\n \n"),
        ("a.csv", b"id,text\n1\n"),
        ("a.csv", b"x,y\n1,2\n"),
        ("a.ndjson", b'{"link_id": 7, "parent_id": 1, "body": 2}\n'),
        ("a.jsonl.gz", gzip.compress(b'{"text": "a"}' * 99)[:20]),
        ("a.warc", b"WARC/1.0\r\n"),
        ("a.parquet", b"PAR1"),
        ("a.txt", b"\0"),
        ("a.zip", b"PK\x03\x04"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_is_an_error(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    refused(path)
    with pytest.raises(StanceError, match=name.replace(".", r"\.")) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_good_files_are_read_the_same() -> None:
    known = 0
    for path in sorted(DATA.rglob("*")):
        if not path.is_file():
            continue
        plain: list[Thread] = []
        with contextlib.suppress(StanceError):
            plain = list(read_threads(path))
        if plain:
            assert read(path)[0] == plain, path
            known += 1
    assert known > 20
