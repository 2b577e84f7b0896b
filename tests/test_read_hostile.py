"""Hostile and broken input, through the command: a clear error or a warning, never a crash, a hang or a lost post.

The longer search for such input is tests/bench/fuzz.py; a few seconds of it run here.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from stance.cli import app
from stance.records import StanceError

sys.path.append(str(Path(__file__).parent / "bench"))

import fuzz
import inputs

BOMB = 256 * 2**20  # bytes unpacked
NESTED = 100_000
SECONDS = 60  # of processor time for the largest inputs; what takes the square of the size takes hours


@dataclass(frozen=True)
class Outcome:
    """What `stance read FILE -o OUT` came to."""

    code: int
    thread: dict[str, Any]  # empty where nothing was written
    errors: str  # the error, or the warnings

    @property
    def bodies(self) -> list[str]:
        return [post["body"] for post in self.thread["posts"]]

    @property
    def authors(self) -> list[str | None]:
        return [post["author"] for post in self.thread["posts"]]

    @property
    def parents(self) -> list[int | None]:
        return [post["reply_to"] for post in self.thread["posts"]]


@pytest.fixture
def read(tmp_path):
    """Call the command on a file of that content."""

    def call(name: str, content: bytes | str, *flags: str) -> Outcome:
        path, out = tmp_path / name, tmp_path / "out.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        out.unlink(missing_ok=True)
        result = CliRunner().invoke(app, ["read", str(path), "-o", str(out), *flags])
        if isinstance(result.exception, StanceError):  # main() prints it on one line and exits with 2
            assert "\n" not in str(result.exception)
            return Outcome(2, {}, str(result.exception))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        return Outcome(result.exit_code, found, result.stderr)

    return call


@contextlib.contextmanager
def at_most(seconds: float):
    """Fail if the block takes more processor time."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds


def refused(outcome: Outcome, *words: str) -> None:
    assert outcome.code == 2
    assert all(word in outcome.errors for word in words), outcome.errors


def wordpress(posts: list[tuple[str, str, str]], extra: str = "") -> str:
    """A page with a flat list of (name, date, body) as WordPress writes them."""
    items = "".join(
        f'<li class="comment depth-1" id="comment-{number}"><article class="comment-body">'
        f'<div class="comment-author vcard"><b class="fn">{name}</b> <span class="says">says:</span></div>'
        f'<div class="comment-metadata"><a href="#comment-{number}"><time>{date}</time></a></div>'
        f'<div class="comment-content"><p>{body}</p></div></article></li>'
        for number, (name, date, body) in enumerate(posts, start=1)
    )
    return f"<!DOCTYPE html><html><head><title>Harbour</title></head><body><h1>Harbour</h1>{extra}" + (
        f'<ol class="comment-list">{items}</ol></body></html>'
    )


def disqus(posts: list[tuple[str, str | None, str]], head: str = "", thread: str = "t") -> str:
    """A Disqus export of (id, parent, body)."""
    items = "".join(
        f'<post dsq:id="{name}"><message><![CDATA[<p>{body}</p>]]></message><createdAt>2020-11-10T12:00:00Z</createdAt>'
        "<isDeleted>false</isDeleted><isSpam>false</isSpam><author><name>Ann</name></author>"
        f'<thread dsq:id="{thread}"/>' + (f'<parent dsq:id="{parent}"/>' if parent else "") + "</post>"
        for name, parent, body in posts
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{head}<disqus xmlns="http://disqus.com" '
        'xmlns:dsq="http://disqus.com/disqus-internals"><thread dsq:id="t"><title>Harbour</title></thread>'
        f"{items}</disqus>"
    )


def rows(*values: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, values))


# Bombs


@pytest.mark.parametrize(
    "declared",
    [
        '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
        + "".join(f'<!ENTITY {chr(at + 1)} "{f"&{chr(at)};" * 8}">' for at in range(ord("c"), ord("p"))),
        f'<!ENTITY p "{"ha" * 50_000}">',
        '<!ENTITY p SYSTEM "file:///etc/passwd">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;',
    ],
    ids=["billion laughs", "one long", "a file", "a server"],
)
def test_entities_are_not_expanded(read, declared) -> None:
    body = "]]>" + "&p;" * 2000 + "<![CDATA["
    with at_most(5):
        outcome = read("export.xml", disqus([("1", None, body)], f"<!DOCTYPE disqus [{declared}]>"))
    refused(outcome, "entit")
    assert "root:" not in outcome.errors


def make_zip(name: str, size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        for _ in range(size // 2**20):
            member.write(bytes(2**20))
    return file.getvalue()


def make_zstd(size: int) -> bytes:
    import zstandard

    packer = zstandard.ZstdCompressor().compressobj()
    return b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20)) + packer.flush()


@pytest.mark.parametrize("kind", ["zip", "zst", "gz"])
def test_bombs_stop_at_the_greatest_size(read, kind) -> None:
    data = {
        "zip": lambda: make_zip("posts.jsonl", BOMB),
        "zst": lambda: make_zstd(BOMB),
        "gz": lambda: gzip.compress(bytes(BOMB), 1),
    }[kind]()
    assert len(data) < BOMB / 100
    with at_most(5):
        outcome = read(f"posts.jsonl.{kind}", data, "--max-size", "8")
    refused(outcome, "max-size")


def test_a_zip_in_a_zip_is_refused(read) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inner.zip", make_zip("posts.jsonl", 2**20))
    refused(read("posts.zip", file.getvalue()))


# Large and deep


def test_a_large_page_is_read_whole(read) -> None:
    body = "The harbour should stay open all winter, whatever it costs, and the pilots agree. " * 6
    count = 20 * 2**20 // (len(body) + 300)
    posts = [(f"name{at % 500}", "", f"{at} {body}") for at in range(count)]
    with at_most(SECONDS):
        outcome = read("large.html", wordpress(posts))
    assert len(outcome.bodies) == count
    assert outcome.authors[-1] == posts[-1][0]


def test_a_large_page_without_comments_is_said_to_have_none(read) -> None:
    with at_most(SECONDS):
        outcome = read("large.html", "<html><body>" + "<div><p>word</p></div>" * 200_000 + "</body></html>")
    assert outcome.errors
    assert not outcome.thread or not outcome.bodies


def test_deep_nesting_in_a_page(read) -> None:
    opening = "".join(
        f'<ol class="children"><li class="comment" id="comment-{at}"><b class="fn">Ann</b>'
        f'<div class="comment-content"><p>zq{at}zq</p></div>'
        for at in range(NESTED)
    )
    with at_most(SECONDS):
        outcome = read("deep.html", f'<html><body><ol class="comment-list">{opening}')
    assert len(outcome.bodies) == NESTED or outcome.errors
    assert all(parent is None or parent < at for at, parent in enumerate(outcome.parents))


def test_deep_nesting_by_reply_to(read) -> None:
    chain = rows(*({"id": at, "text": f"zq{at}zq", "reply_to": at - 1 if at else None} for at in range(NESTED)))
    with at_most(SECONDS):
        outcome = read("deep.jsonl", chain)
    assert outcome.parents == [None, *range(NESTED - 1)]


def test_deep_nesting_in_xml(read) -> None:
    posts = [(str(at), str(at - 1) if at else None, f"zq{at}zq") for at in range(NESTED)]
    with at_most(SECONDS):
        outcome = read("deep.xml", disqus(posts))
    assert outcome.parents == [None, *range(NESTED - 1)]


def test_deep_nesting_in_json(read) -> None:
    """Python's own parser gives up on such a file: then it is an error that says so."""
    opening = '{"kind":"t1","data":{"id":"c","body":"x","replies":{"kind":"Listing","data":{"children":['
    listing = '[{"kind":"Listing","data":{"children":[]}},{"kind":"Listing","data":{"children":['
    with at_most(SECONDS):
        outcome = read("deep.json", f"{listing}{opening * NESTED}{']}}}}' * NESTED}]}}}}]")
    assert outcome.code == 0 or "deep" in outcome.errors


# Ids and parents


def test_parents_in_a_circle_are_cut_open(read) -> None:
    circle = [("1", "3", "one"), ("2", "1", "two"), ("3", "2", "three"), ("4", "4", "four")]
    for name, content in (
        ("circle.xml", disqus(circle)),
        ("circle.jsonl", rows(*({"id": own, "text": body, "reply_to": parent} for own, parent, body in circle))),
    ):
        outcome = read(name, content)
        assert outcome.bodies == ["one", "two", "three", "four"]
        fuzz.check_cycles(outcome.parents)
        assert outcome.errors, name


def test_quotes_do_not_close_a_circle_of_answers(read) -> None:
    said = "The harbour should stay open."
    outcome = read("circle.jsonl", rows({"id": 0, "text": said, "reply_to": 1}, {"id": 1, "text": f"{said}\n\nNo."}))
    assert outcome.parents[0] == 1
    fuzz.check_cycles(outcome.parents)


def test_ids_given_twice(read) -> None:
    outcome = read("twice.xml", disqus([("1", None, "one"), ("1", None, "two"), ("2", "1", "three")]))
    assert outcome.bodies == ["one", "two", "three"]
    assert outcome.errors
    refused(read("twice.jsonl", rows({"id": 1, "text": "one"}, {"id": 1, "text": "two"})), ":2:", "id")
    page = wordpress([("Ann", "", "one"), ("Bob", "", "two")]).replace("comment-2", "comment-1")
    assert read("twice.html", page).bodies == ["one", "two"]


# Characters


def test_nul_bytes(read) -> None:
    refused(read("nul.txt", b"1. Ann says\n\n    One.\0\n\n2. Bob says\n\n    Two.\n"), "NUL")
    outcome = read("nul.jsonl", rows({"text": "one\0two"}, {"text": "three"}))
    assert outcome.code == 2 or len(outcome.bodies) == 2
    page = wordpress([("Ann\0", "", "one\0 two"), ("Bob", "", "three")])
    outcome = read("nul.html", page)
    assert outcome.code == 2 or len(outcome.bodies) == 2


def test_two_encodings_in_one_file(read) -> None:
    text = "1. Ann says\n\n    The café is open.\n\n2. Bob says\n\n    The other café too.\n"
    first, second = text.split("2. ", 1)
    outcome = read("mixed.txt", first.encode() + b"2. " + second.encode("cp1252"))
    assert outcome.bodies == ["The café is open.", "The other café too."]
    assert "Windows-1252" in outcome.errors


def test_two_encodings_in_one_page(read) -> None:
    posts = [("Ann", "", "The café is open."), ("Bob", "", "The other café too.")]
    page = wordpress(posts, '<meta charset="utf-8">').encode()
    outcome = read("mixed.html", page.replace("other café".encode(), "other café".encode("cp1252")))
    assert outcome.bodies == [body for *_, body in posts]
    assert outcome.errors


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark(read, encoding) -> None:
    text = "1. Ann says\n\n    The café is open.\n\n2. Bob says\n\n    The other café too.\n"
    assert read("marked.txt", text.encode(encoding)).bodies == ["The café is open.", "The other café too."]
    page = wordpress([("Ann", "", "The café is open."), ("Bob", "", "No.")])
    assert read("marked.html", page.encode(encoding)).bodies == ["The café is open.", "No."]


def test_a_page_in_the_encoding_that_it_declares(read) -> None:
    page = wordpress([("Анна", "", "Порт открыт всю зиму."), ("Иван", "", "Нет.")], '<meta charset="windows-1251">')
    assert read("declared.html", page.encode("cp1251")).bodies == ["Порт открыт всю зиму.", "Нет."]


def test_facebook_bytes_read_as_latin_1_are_repaired(read) -> None:
    broken = "Die Häfen, así – ça".encode().decode("latin-1")
    comment = {"timestamp": 1605000000, "comment": broken, "author": "Zoë".encode().decode("latin-1")}
    outcome = read(
        "comments.json", json.dumps({"comments_v2": [{"timestamp": 1, "title": "T", "data": [{"comment": comment}]}]})
    )
    assert outcome.bodies == ["Die Häfen, así – ça"]
    assert outcome.authors == ["Zoë"]


def test_half_a_surrogate_pair(read) -> None:
    outcome = read("half.jsonl", '{"text": "one \\ud83d two", "author": "\\udc00nn"}')
    assert outcome.bodies == ["one \ufffd two"]
    assert outcome.authors == ["\ufffdnn"]
    child = '{"id": 2, "type": "comment", "author": "a\\ud800", "text": "x \\ud800", "created_at_i": 1, "children": []}'
    item = f'{{"id": 1, "type": "story", "title": "T\\ud800", "created_at_i": 1, "children": [{child}]}}'
    assert len(read("half.json", item).bodies) == 1
    page = wordpress([("Ann", "", "one &#xD800; two"), ("Bob", "", "three")])
    assert len(read("half.html", page).bodies) == 2


def test_signs_without_width_and_from_right_to_left(read) -> None:
    names = ["\u202eevil\u202c", "\u200bAnn\u200d", "عمر", "דנה"]
    bodies = ["\u200bOne\u200b word.", "\ufeffTwo \u2066words\u2069.", "ثلاث كلمات هنا.", "ארבע\u200f מילים."]
    posts = list(zip(names, [""] * 4, bodies, strict=True))
    outcome = read("signs.html", wordpress(posts))
    assert len(outcome.bodies) == 4
    for name, found in zip(names, outcome.authors, strict=True):
        assert found is not None
        assert found.strip("\u202e\u202c\u200b\u200d") == name.strip("\u202e\u202c\u200b\u200d")
    for body, found in zip(bodies, outcome.bodies, strict=True):
        assert fuzz.WORD.findall(found) == fuzz.WORD.findall(body)
    text = "".join(f"  {at}. {name} says\n\n    {body}\n\n" for at, (name, _, body) in enumerate(posts, start=1))
    assert len(read("signs.txt", text).bodies) == 4
    assert len(read("signs.jsonl", rows(*({"author": name, "text": body} for name, _, body in posts))).bodies) == 4


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b <c@d>", "{{x}}"]
)
def test_a_name_that_is_markup_is_a_name(read, name) -> None:
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    assert read("name.html", wordpress([(escaped, "", "one"), ("Bob", "", "two")])).authors == [name, "Bob"]
    assert read("name.jsonl", rows({"author": name, "text": "one"})).authors == [name]
    assert read("name.txt", f"1. {name} says\n\n    One.\n\n2. Bob says\n\n    Two.\n").bodies[-1] == "Two."


# Dates

DATES = {  # of 8 August 2012, 10:23
    "en": "August 8, 2012 at 10:23 am",
    "de": "8. August 2012 um 10:23",
    "fr": "8 août 2012 à 10:23",
    "es": "8 agosto, 2012 a las 10:23",
    "it": "8 agosto 2012 alle 10:23",
    "pt": "8 de agosto de 2012 às 10:23",
    "ru": "8 августа 2012 в 10:23",
    "tr": "8 Ağustos 2012, 10:23",
}
NO_DATES = ("February 31, 2012 at 10:23 am", "32. August 2012 um 25:61", "0000-00-00 00:00:00", "8 Foo 2012", "9" * 400)


@pytest.mark.parametrize("language", DATES)
def test_dates_in_eight_languages(read, language) -> None:
    page = wordpress([("Ann", DATES[language], "one"), ("Bob", DATES[language], "two")])
    page = page.replace("<html>", f'<html lang="{language}">')
    times = [post["time"] for post in read("dates.html", page).thread["posts"]]
    assert times == ["2012-08-08T10:23:00Z"] * 2


@pytest.mark.parametrize("date", NO_DATES)
def test_impossible_dates_are_no_time(read, date) -> None:
    outcome = read("dates.html", wordpress([("Ann", date, "one"), ("Bob", date, "two")]))
    assert [post["time"] for post in outcome.thread["posts"]] == [None, None]
    assert outcome.bodies == ["one", "two"]
    text = f"Ann\n{date}\n\nOne word.\n\nBob\n{date}\n\nTwo words.\n"
    assert read("dates.txt", text).code in (0, 2)


# A little of the fuzzing


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    with contextlib.closing(fuzz.Reader(tmp_path_factory.mktemp("fuzz"))) as made:
        yield made


@pytest.mark.parametrize("name", inputs.MAKERS)
def test_made_files_are_read_or_refused(reader, name) -> None:
    reader.findings.clear()
    fuzz.fuzz_made(reader, name, examples=40, number=1)
    assert not reader.findings


def test_mutated_copies_are_read_or_refused(reader) -> None:
    reader.findings.clear()
    data = inputs.ROOT / "tests" / "data"
    originals = inputs.load_originals([data])
    chance = random.Random(1)
    for name, content in list(originals.items())[:40]:
        for _ in range(3):
            reader.read(inputs.mutate(content, chance), "".join(Path(name).suffixes[-2:]), origin=Path(name).name)
    assert not reader.findings


# The fuzzer itself sees what it is to see


def test_the_fuzzer_sees_a_crash_a_hang_and_a_loss(tmp_path) -> None:
    with contextlib.closing(fuzz.Reader(tmp_path)) as made:
        assert made.read(b'{"text": "zq1zq"}', ".jsonl", ("zq1zq",)) == "posts"
        assert made.read(b'{"text": "zq1zq"}', ".jsonl", ("zq2zq",)).startswith("FAIL promise")
        assert made.read(b"", ".txt") == "error"
    with pytest.raises(fuzz.BrokenPromiseError):
        fuzz.check_cycles([1, 2, 0])
    fuzz.check_cycles([None, 0, 1, 1])
