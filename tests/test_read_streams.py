"""Packed files, Reddit dumps and web archives: what comes out of good ones, and what bombs and broken ones do."""

import contextlib
import gzip
import io
import itertools
import json
import random
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from stance.read import sorter
from stance.read.compressed import CHUNK, open_members, open_plain, read_plain, split_lines
from stance.read.streams import read_reddit, read_warc
from stance.records import Reply, StanceError, Thread

PATH = Path("dump.zst")
TEXT = b"one\ntwo\n" * 1000


def pack_zip(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


@contextlib.contextmanager
def suppress_one_line() -> Iterator[None]:
    """Let a StanceError pass, if its message is one line."""
    try:
        yield
    except StanceError as error:
        if "\n" in str(error):
            raise


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


PACKED = {
    "plain": TEXT,
    "gzip": gzip.compress(TEXT),
    "gzip in parts": gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]) + bytes(512),
    "zstd": zstd(TEXT),
    "zstd in parts": zstd(TEXT[:100]) + b"\x50\x2a\x4d\x18\x04\x00\x00\x00skip" + zstd(TEXT[100:]),
    "zstd, a frame to skip first": b"\x5f\x2a\x4d\x18\x00\x00\x00\x00" + zstd(TEXT),
    "zip": pack_zip(("a.txt", TEXT)),
    "zip, stored": pack_zip(("a.txt", TEXT), method=zipfile.ZIP_STORED),
    "zip of a path": pack_zip(("../../etc/passwd", TEXT)),
    "zip with clutter": pack_zip(("__MACOSX/._a.txt", b"\0"), (".DS_Store", b"\0"), ("a/", b""), ("a/b.txt", TEXT)),
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed_files_are_known_by_their_first_bytes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thread.txt"
    path.write_bytes(PACKED[kind])
    assert read_plain(path, len(TEXT)) == TEXT
    with pytest.raises(StanceError, match=r"more than 7999 bytes unpacked: .*raise --max-size"):
        read_plain(path, len(TEXT) - 1)
    assert [path.name for path in tmp_path.iterdir()] == ["thread.txt"]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_no_chunk_is_empty_and_the_first_shows_what_a_file_is(tmp_path: Path, kind: str) -> None:
    noise = random.Random(1).randbytes(300_000)
    path = tmp_path / "a"
    path.write_bytes({"gzip": gzip.compress(noise), "zstd": zstd(noise), "zip": pack_zip(("a", noise))}[kind])
    sizes = [len(chunk) for chunk in open_plain(path, None)]
    assert sum(sizes) == 300_000
    assert all(size >= 2**16 for size in sizes[:-1])
    assert sizes[-1]


def test_files_of_an_archive_stay_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(pack_zip(("a.txt", b"1"), ("b.txt", b"2\n"), ("c.txt", b"3")))
    assert [(name, b"".join(chunks)) for name, chunks in open_members(path, 10)] == [
        ("a.txt", b"1"),
        ("b.txt", b"2\n"),
        ("c.txt", b"3"),
    ]
    assert read_plain(path, 10) == b"1\n2\n3"
    with pytest.raises(StanceError, match="more than 2 bytes"):
        [b"".join(chunks) for _, chunks in open_members(path, 2)]


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
@pytest.mark.parametrize("end", [30, -30, -1])
def test_archive_cut_off_is_an_error_after_what_came_before(tmp_path: Path, kind: str, end: int) -> None:
    noise = random.Random(1).randbytes(100_000)
    packed = {"gzip": gzip.compress(noise), "zstd": zstd(noise), "zip": pack_zip(("a", noise))}[kind]
    path = tmp_path / "a"
    path.write_bytes(packed[:end])
    found = []
    with pytest.raises(StanceError, match=r"cut off|broken") as caught:
        found.extend(open_plain(path, None))
    assert noise.startswith(b"".join(found))
    assert "\n" not in str(caught.value)
    if kind == "gzip" and end == -1:
        assert b"".join(found) == noise


@settings(deadline=None)
@given(st.sampled_from(sorted(PACKED)), st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 10_000))
def test_broken_archives_are_one_line(
    tmp_path_factory: pytest.TempPathFactory, kind: str, at: int, new: bytes, size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "broken"
    data = PACKED[kind]
    at %= len(data)
    path.write_bytes(data[:at] + new + data[at + len(new) :][:size])
    with suppress_one_line():
        assert len(read_plain(path, 9000)) <= 9000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(gzip.compress(TEXT)), "an archive inside an archive"),
        (zstd(gzip.compress(TEXT)), "an archive inside an archive"),
        (pack_zip(("a.zip", pack_zip(("b", TEXT)))), "an archive inside an archive"),
        (pack_zip(("a", b"x"), ("b.gz", gzip.compress(TEXT))), "an archive inside an archive"),
        (pack_zip(("[Content_Types].xml", b"x"), ("word/document.xml", b"x")), "an office document"),
        (pack_zip(), "an empty archive"),
        (pack_zip(("a", TEXT), method=zipfile.ZIP_BZIP2), "packed in a way that is not read"),
        (b"PK\x03\x04 and no more", "a broken zip archive"),
        (pack_zip(("a", TEXT)).replace(b"\x00\x00\x08\x00", b"\x01\x00\x08\x00"), "under a password"),
    ],
)
def test_archives_that_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(data)
    with pytest.raises(StanceError, match=message):
        read_plain(path, 10**6)


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_a_bomb_stops_at_the_bound(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bomb"
    size = 64 * CHUNK
    with path.open("wb") as file:
        if kind == "zstd":
            with zstandard.ZstdCompressor(level=1).stream_writer(file, closefd=False) as writer:
                for _ in range(64):
                    writer.write(bytes(CHUNK))
        elif kind == "gzip":
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as writer:
                for _ in range(64):
                    writer.write(bytes(CHUNK))
        else:
            file.write(pack_zip(("a", bytes(size))))
    assert path.stat().st_size < 2 * CHUNK
    sizes: list[int] = []
    with pytest.raises(StanceError, match="more than 2 MB unpacked"):
        sizes.extend(map(len, open_plain(path, 2 * CHUNK)))
    assert sum(sizes) <= 2 * CHUNK
    with pytest.raises(StanceError, match="a line of more than 16 MB"):
        list(split_lines(open_plain(path, None), path))


def test_places_that_are_no_file(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "a directory"),
        (tmp_path / "no", "no such file"),
        (Path("/dev/zero"), "not a regular file"),
    ):
        with pytest.raises(StanceError, match=message):
            read_plain(path, 10)


@given(st.lists(st.binary(max_size=5)), st.sampled_from([b"\n", b"a\n", b"\n\n"]))
def test_lines_do_not_depend_on_chunks(chunks: list[bytes], end: bytes) -> None:
    whole = b"".join([*chunks, end])
    assert list(split_lines([*chunks, end], PATH)) == whole[:-1].split(b"\n")


def comment(name: object, link: str = "t3_s1", **more: object) -> dict[str, object]:
    row = {"id": name, "link_id": link, "parent_id": link, "author": "ann", "body": "x", "created_utc": 1604998800}
    return row | {"score": 1, "subreddit": "news"} | more


def submission(name: str, **more: object) -> dict[str, object]:
    return {"id": name, "title": "A title", "selftext": "Words.", "author": "op", "created_utc": 1604998000} | more


def read(rows: Iterable[object]) -> list[Thread]:
    return list(read_reddit([row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows], PATH))


def test_comments_are_brought_to_their_submission() -> None:
    threads = read(
        [
            comment("c1", author="[deleted]", body="[removed]"),
            comment("d1", "t3_a"),
            submission("s1", title="R&amp;D", selftext="1 &lt; 2 &amp;lt;"),
            comment("c2", parent_id="t1_c1", body="&gt; a &amp;gt; b &quot;\n\nno", created_utc="1604998801"),
            comment("c3", parent_id="t1_gone", created_utc=None),
        ]
    )
    assert [thread.id for thread in threads] == ["a", "s1"]
    thread = threads[1]
    assert (thread.title, thread.article) == ("R&D", "1 < 2 &lt;")
    assert [(post.id, post.author, post.body, post.line) for post in thread.posts] == [
        ("c1", None, "", 1),
        ("c2", "ann", "> a &gt; b &quot;\n\nno", 4),
        ("c3", "ann", "x", 5),
    ]
    assert [post.replies for post in thread.posts] == [(), (Reply(0, "markup"),), ()]
    at = datetime(2020, 11, 10, 9, tzinfo=UTC)
    assert [post.time for post in thread.posts] == [at, at.replace(second=1), None]
    assert thread.warnings == (
        "1 comments answer one that is not in the file: left open",
        "1 comments were deleted or removed: they are posts without words",
    )
    assert thread.reading
    assert thread.reading.format == "reddit"


def test_posts_come_in_order_of_time_and_once() -> None:
    rows = [comment(f"c{number}", created_utc=1604998800 - number) for number in range(4)]
    (thread,) = read([*rows, comment("c2", body="again", created_utc=1604998799)])
    assert [(post.id, post.body) for post in thread.posts] == [("c3", "x"), ("c2", "x"), ("c1", "x"), ("c0", "x")]
    assert thread.warnings == ("1 comments that stand in it twice: read once",)


def test_a_submission_alone_is_a_thread_without_posts() -> None:
    (thread,) = read([submission("s1", selftext="[deleted]")])
    assert (thread.title, thread.article, thread.posts) == ("A title", None, ())


def test_broken_lines_are_counted() -> None:
    bad = [
        b"{",
        b"7",
        b"[" * 200_000,
        b"\xff\xfe",
        {"id": "x"},
        comment(7),
        comment("c", body=None),
        {"title": 7, "id": "s"},
    ]
    threads = read([comment("c1"), b"", b" \r", *bad, comment("d1", "t3_s2")])
    assert [thread.id for thread in threads] == ["s1", "s2"]
    assert threads[0].warnings == ("8 lines that are no comment and no submission (first line 4): left out",)
    assert threads[1].warnings == ()


def test_rows_that_only_a_lenient_parser_takes() -> None:
    surrogate = json.dumps(comment("c2", body="a\ud800", author="\udc00", extra=10**40)).encode()
    (thread,) = read([bytes(4096) + json.dumps(comment("c1", body="a\0b")).encode() + b"\0\0", surrogate])
    assert [(post.body, post.author) for post in thread.posts] == [("a\0b", "ann"), ("a\ufffd", "\ufffd")]


@pytest.mark.parametrize("value", [None, 7, 1.5, True, [], {}, "", "x", "t1_", 10**15, -1, "1e999", "0"])
def test_values_of_every_type(value: object) -> None:
    rows = [comment("c1"), *(comment("c2") | {key: value} for key in ("author", "parent_id", "created_utc"))]
    (thread,) = read([*rows, submission("s1", selftext=value)])
    assert [post.id for post in thread.posts] == ["c1", "c2"]
    for key in ("id", "link_id", "body", "title"):
        read([comment("c1"), comment("c2") | {key: value}, submission("s2") | {key: value}])


def test_chains_of_any_length_and_circles() -> None:
    chain = [comment(f"c{number}", parent_id=f"t1_c{number - 1}") for number in range(1, 100_000)]
    (thread,) = read([comment("c0"), *chain])
    assert [post.reply_to for post in thread.posts] == [None, *range(99_999)]
    (thread,) = read([comment("c1", parent_id="t1_c999"), *chain[1:999]])
    assert sum(post.reply_to is None for post in thread.posts) == 1
    assert thread.warnings == ("1 comments answer each other in a circle: left open",)


def test_what_came_before_a_break_is_given() -> None:
    def lines() -> Iterable[bytes]:
        yield json.dumps(comment("c1")).encode()
        raise StanceError("dump.zst: an archive that is cut off: fetch it again")

    (thread,) = read_reddit(lines(), PATH)
    assert thread.warnings == (
        "dump.zst: an archive that is cut off: fetch it again (the 1 lines before that were read)",
    )
    with pytest.raises(StanceError, match=r"^dump\.zst: an archive that is cut off: fetch it again$"):
        list(read_reddit(itertools.islice(lines(), 1, None), PATH))
    with pytest.raises(StanceError, match="no comment and no submission among 2 lines"):
        read([b"{}", b"x"])


def test_runs_on_disk_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    rows = [
        comment(f"c{number}", f"t3_{draw.randrange(60)}", parent_id=f"t1_c{draw.randrange(1000)}", body="é\n" * 20)
        for number in range(1000)
    ]
    rows += [submission(str(number)) for number in range(0, 60, 2)]
    expected = read(rows)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for held, record in ((10_000, 500), (100_000, 2**16), (3000, 1)):
        monkeypatch.setattr(sorter, "HELD_BYTES", held)
        monkeypatch.setattr(sorter, "RECORD_BYTES", record)
        assert read(rows) == expected
        assert list(tmp_path.iterdir()) == []
    threads = read_reddit((json.dumps(row).encode() for row in rows), PATH)
    next(threads)
    assert list(tmp_path.iterdir()) == []  # the file has no name, and so needs no clearing up
    assert [thread.id for thread in expected] == sorted(map(str, range(60)), key=lambda key: (len(key), key))
    assert sum(len(thread.posts) for thread in expected) == 1000


def test_a_dump_in_a_packed_file(tmp_path: Path) -> None:
    path = tmp_path / "RC_2020-11.zst"
    path.write_bytes(zstd(b"\n".join(json.dumps(comment(f"c{number}")).encode() for number in range(5))))
    (thread,) = read_reddit(split_lines(open_plain(path, 10**6), path), path)
    assert len(thread.posts) == 5
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StanceError, match="cut off"):
        list(read_reddit(split_lines(open_plain(path, 10**6), path), path))


PAGE = "<html><head><title>Ünï</title></head><body>x</body></html>"


def pack_warc(*records: tuple[str, str, str, bytes], is_packed: bool = True) -> bytes:
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=is_packed)
    writer.write_record(writer.create_warcinfo_record("a.warc", {"software": "test"}))
    for url, status, kind, body in records:
        name, _, value = "Content-Type: text/html".partition(": ") if not kind else ("Content-Type", "", kind)
        headers = StatusAndHeaders(status, [(name, value)], protocol="HTTP/1.1")
        writer.write_record(writer.create_warc_record(url, "response", payload=io.BytesIO(body), http_headers=headers))
        writer.write_record(writer.create_warc_record(url, "request", payload=io.BytesIO(b"GET / HTTP/1.1\r\n\r\n")))
    return file.getvalue()


RECORDS = (
    ("http://a/1", "200 OK", "text/html; charset=utf-8", PAGE.encode()),
    ("http://a/2", "404 Not Found", "text/html", PAGE.encode()),
    ("http://a/3", "200 OK", "image/png", b"\x89PNG"),
    ("http://a/4", "200 OK", "text/html;charset='windows-1251'", "<p>Мир</p>".encode("cp1251")),
    ("http://a/5", "200 OK", "TEXT/HTML", b'<meta charset="koi8-r"><p>' + "Мир".encode("koi8-r")),
    ("http://a/6", "200 OK", "application/xhtml+xml", PAGE.encode("latin-1")),
    ("http://a/7", "200 OK", "text/html; charset=idna", PAGE.encode()),
    ("http://a/8", "200 OK", "text/html; charset=nonsense", b"\0" + PAGE.encode()),
)


@pytest.mark.parametrize("packing", ["none", "gzip of records", "gzip", "zstd"])
def test_every_html_page_of_a_web_archive(tmp_path: Path, packing: str) -> None:
    data = pack_warc(*RECORDS, is_packed=packing == "gzip of records")
    path = tmp_path / "a.warc"
    path.write_bytes({"gzip": gzip.compress(data), "zstd": zstd(data)}.get(packing, data))
    warnings: list[str] = []
    pages = list(read_warc(path, 1000, warnings))
    assert [number for number, _, _ in pages] == [2, 8, 10, 12, 14, 16]  # after the head, a request behind each
    assert [page[1:] for page in pages] == [
        ("http://a/1", PAGE),
        ("http://a/4", "<p>Мир</p>"),
        ("http://a/5", '<meta charset="koi8-r"><p>Мир'),
        ("http://a/6", PAGE),
        ("http://a/7", PAGE),
        ("http://a/8", "\0" + PAGE),
    ]
    assert warnings == []


def test_pages_beyond_the_bound_and_broken_records_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pack_warc(
        RECORDS[0],
        ("http://a/long", "200 OK", "text/html", b"x" * 2000),
        ("http://a/9", "200 OK", "text/html", b"nine"),
        is_packed=False,
    )
    broken = data.replace(b"WARC-Type: warcinfo\r\n", b"WARC-Type: warcinfo\r\nContent-Length: 5\r\n", 1)
    path = tmp_path / "a.warc"
    warnings: list[str] = []
    path.write_bytes(broken)
    assert [url for _, url, _ in read_warc(path, 1000, warnings)] == ["http://a/1", "http://a/9"]
    assert any("pages of more than" in warning for warning in warnings)
    path.write_bytes(data[:-700])
    assert next(read_warc(path, 1000, []))[1] == "http://a/1"
    path.write_bytes(gzip.compress(data)[:-300])
    warnings.clear()
    assert [url for _, url, _ in read_warc(path, 1000, warnings)][:1] == ["http://a/1"]
    assert any("cut off" in warning for warning in warnings)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("data", [b"", b"WARC/1.0\r\n", b"hello\n" * 100, bytes(5000), pack_warc(RECORDS[1])])
def test_an_archive_without_a_page_is_an_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(data)
    with pytest.raises(StanceError, match="no page") as caught:
        list(read_warc(path, 1000, []))
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.binary(max_size=8), st.booleans())
def test_mutated_web_archives(tmp_path_factory: pytest.TempPathFactory, at: int, new: bytes, is_packed: bool) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated.warc"
    data = pack_warc(*RECORDS, is_packed=is_packed)
    at %= len(data)
    path.write_bytes(data[:at] + new + data[at + 2 * len(new) :])
    with suppress_one_line():
        for _, url, page in read_warc(path, 1000, []):
            assert (url + page).encode()
