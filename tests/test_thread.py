"""Threads: the seed against its gold, a made one against its JSON, gaps, and the file written."""

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from stance.read import ALONE
from stance.records import Post, Quote, Reading, Span, StanceError, Thread
from stance.thread import link_posts, read_alone, read_each, read_thread, thread_to_json, write_thread, write_threads

ROOT = Path(__file__).parent.parent
SEED = ROOT / "seeds" / "karabakh-2020.txt"
GOLD = json.loads((ROOT / "tests" / "gold" / "seed_parse.json").read_text(encoding="utf-8"))
DATA = ROOT / "tests" / "data"

SAID = "The harbour should stay open all winter."


def test_seed_quotes_replies_and_gap_are_as_in_gold() -> None:
    thread = read_thread(SEED)
    assert thread.gaps == tuple(GOLD["missing_numbers"]) == ("10",)
    for position, (post, gold) in enumerate(zip(thread.posts, GOLD["posts"], strict=True)):
        known = [quote for quote in gold["quotes"] if quote["of"] is not None]
        assert [quote.source for quote in post.quotes] == [quote["of"] for quote in known], position
        for quote, expected in zip(post.quotes, known, strict=True):
            assert post.body[quote.start : quote.end].startswith(expected["first_words"])
            assert "\n" not in post.body[quote.start : quote.end]
        assert post.reply_to == gold["reply_to"], position
        assert post.reply_basis == (None if gold["reply_to"] is None else "quote")
        if len(known) == len(gold["quotes"]):
            assert re.sub(r"\s+", " ", post.own_words).startswith(gold["first_words"])
    assert sum(len(post.quotes) for post in thread.posts) == 9


def test_made_thread_is_as_expected_in_its_json() -> None:
    """If a difference is an improvement, write the new output to tests/data/quotes.json and say so in the commit."""
    found = thread_to_json(read_thread(DATA / "quotes.jsonl"))
    assert found.pop("source") == str(DATA / "quotes.jsonl")
    assert found == json.loads((DATA / "quotes.json").read_text(encoding="utf-8"))


def test_gaps_are_the_numbers_between() -> None:
    numbers = ["2", "3", None, "6", "#7", "5", "9", "9000", "٣"]
    posts = tuple(Post(id=str(at), body="x" * at, number=number) for at, number in enumerate(numbers))
    assert link_posts(Thread("made", None, None, None, None, None, posts)).gaps == ("4", "5", "6", "7", "8")


def test_posts_of_an_archive_are_read_alone() -> None:
    bodies = (
        f"{SAID} Nobody asked the pilots.",
        f"{SAID}\n\nNo.",
        f"> {SAID}\n\n@Ann Yes.",
        "Sie mussten ihr Dorf bis zum Ende der Woche verlassen.",
    )
    posts = tuple(Post(str(7 * at), body, str(7 * at), "Ann") for at, body in enumerate(bodies))
    loose = Thread("made", None, None, SAID, None, None, posts)
    discussed = link_posts(loose)
    assert [len(post.quotes) for post in discussed.posts] == [1, 1, 1, 0]
    assert discussed.gaps
    found = link_posts(replace(loose, reading=Reading("jsonl", ALONE, "", 1.0)))
    assert [[(quote.source, quote.match) for quote in post.quotes] for post in found.posts] == [
        [],
        [],
        [(None, "markup")],
        [],
    ]
    assert found.gaps == ()
    assert all(post.replies == () for post in found.posts)
    assert [replace(post, id="0", number=None, author=None) for post in found.posts] == read_each(bodies)
    assert read_each(bodies) == [read_alone(body) for body in bodies]
    assert [post.language for post in found.posts] == ["en", "en", None, "de"]


def test_article_alone_is_linked() -> None:
    thread = read_thread(str(ROOT / "seeds" / "ceasefire-2020.txt"))
    assert (thread.posts, thread.gaps) == ((), ())


def test_json_has_the_contract_and_survives_writing(tmp_path: Path) -> None:
    thread = read_thread(SEED)
    path = tmp_path / "thread.json"
    path.write_text("old")
    write_thread(thread, path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found == thread_to_json(thread)
    assert {"title", "article", "gaps", "posts"} <= set(found)
    assert {"number", "author", "time", "body", "quotes", "reply_to"} <= set(found["posts"][0])
    assert found["posts"][6]["quotes"] == [{"start": 0, "end": 80, "source": 5}]
    assert found["sha256"] == hashlib.sha256(SEED.read_bytes()).hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_output_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    thread = Thread("made", None, None, None, None, None, (Post("0", SAID),))
    with pytest.raises(StanceError, match=r"none/thread\.json: cannot be written \(No such file or directory\)"):
        write_thread(thread, tmp_path / "none" / "thread.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StanceError, match="folder: cannot be written"):
        write_thread(thread, tmp_path / "folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


def test_a_stretch_of_own_words_is_found_in_the_body():
    post = Post("0", " one two \n> quoted\n three", quotes=(Quote(10, 18, None, "markup"),))
    assert post.own_words == "one two\n\nthree"
    assert [post.body[a:b] for a, b in post.find_in_body(4, 14)] == ["two", "three"]
    assert [post.body[a:b] for a, b in post.find_in_body(9, 14)] == ["three"]
    assert post.find_in_body(7, 9) == []


def test_json_says_how_the_thread_was_read_without_its_spans() -> None:
    reading = Reading("text", "numbered", "because", 0.9, "none", (("Reply", 2),), (Span(0, 1, "body", 0),))
    thread = Thread("made", None, None, None, None, None, (Post("0", SAID),), reading=reading)
    assert thread_to_json(thread)["reading"] == {
        "format": "text",
        "layout": "numbered",
        "reason": "because",
        "confidence": 0.9,
        "runner_up": "none",
        "dropped": {"Reply": 2},
    }
    assert "reading" not in thread_to_json(Thread("made", None, None, None, None, None, ()))


def test_several_threads_go_into_json_lines_but_not_into_one_json(tmp_path: Path) -> None:
    threads = [Thread(name, None, None, name, None, None, (Post("0", SAID),)) for name in "ab"]
    write_threads(threads, tmp_path / "all.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [thread_to_json(thread) for thread in threads]
    write_threads(threads[:1], tmp_path / "one.json")
    assert json.loads((tmp_path / "one.json").read_text(encoding="utf-8")) == thread_to_json(threads[0])
    with pytest.raises(StanceError, match=r"several threads: write them as \.jsonl"):
        write_threads(threads, tmp_path / "two.json")
