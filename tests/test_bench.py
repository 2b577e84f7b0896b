"""The bench of reading counts what it says it counts."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stance.records import Post, Quote, Reply, Thread

sys.path.append(str(Path(__file__).parent / "bench"))

import parsing


def make(*posts: Post) -> Thread:
    return Thread("made", None, None, None, None, None, posts)


def gold(first_words: str, author: str | None = None, reply_to: int | None = None) -> dict[str, object]:
    return {"first_words": first_words, "author": author, "reply_to": reply_to, "quotes": []}


def score(posts: list[Post], expected: list[dict[str, object]]) -> parsing.Scored:
    return parsing.Scored("made", make(*posts), expected, parsing.match_posts(posts, expected))


def test_posts_match_by_own_words_else_by_body_in_order_and_once() -> None:
    quoting = Post("1", "One two.\n\nThree  four five.", quotes=(Quote(0, 8, 0, "exact"),))
    posts = [Post("0", "One two."), quoting, Post("2", "Menu"), Post("3", "One two.")]
    expected = [gold("One two."), gold("Three four"), gold("Six"), gold("One two.")]
    assert parsing.match_posts(posts, expected) == {0: 0, 1: 1, 3: 3}
    assert parsing.match_posts(posts[:1], [gold("One"), gold("One")]) in ({0: 0}, {0: 1})
    assert parsing.match_posts([], expected) == {}
    article = Post("0", "“From an article.”\n\nOne two.")
    quoted = [{**gold("One two."), "quotes": [{"first_words": "“From an"}]}]
    assert parsing.match_posts([article], quoted) == {}
    assert parsing.match_posts([article], quoted, lenient=True) == {0: 0}
    assert score(posts, expected).boundary_f1 == pytest.approx(2 * 3 / 8)


def test_names_are_right_wrong_or_invented() -> None:
    posts = [Post("0", "a", author="Ann"), Post("1", "b", author="Eve"), Post("2", "c", author="X"), Post("3", "d")]
    expected = [gold("a", "Ann"), gold("b", "Bob"), gold("c"), gold("d", "Dan")]
    assert score(posts, expected).pick_names() == (3, 1, 1)


def test_links_count_where_both_posts_match() -> None:
    posts = [
        Post("0", "a"),
        Post("1", "b", replies=(Reply(0, "quote"),)),
        Post("2", "menu"),
        Post("3", "c", replies=(Reply(2, "mention"),)),
        Post("4", "d", replies=(Reply(0, "mention"),)),
    ]
    expected = [gold("a"), gold("b", reply_to=0), gold("c", reply_to=1), gold("d"), gold("e", reply_to=0)]
    assert score(posts, expected).pick_links() == (3, 1, 3, 2)


@pytest.mark.parametrize("text", ["One.\n\n Two three.\r\nFour", "\nOne\n", "One \n \n two", "one two", "\n\n"])
def test_text_without_breaks_keeps_every_word_in_place(text: str) -> None:
    found = parsing.drop_breaks([({"text": text}, [])])[0][0]["text"]
    assert "\n" not in found
    assert "\r" not in found
    assert found.split() == text.split()
    for word in text.split():
        quote = {"start": text.index(word), "end": text.index(word) + len(word), "source": 0}
        (moved,) = parsing.move_quotes(text, [quote])
        assert found[moved["start"] : moved["end"]] == word
    (whole,) = parsing.move_quotes(text, [{"start": 0, "end": len(text), "source": 0}])
    assert (whole["start"], whole["end"]) == (0, len(found))


def test_characters_are_counted_without_blanks_and_without_what_is_from_outside() -> None:
    tally = parsing.Tally()
    text = "ab cd ef gh ij"
    known = [{"start": 0, "end": 5, "source": 1}, {"start": 6, "end": 8, "source": None}]
    tally.add(text, known, [(0, 2, 1), (3, 8, 2), (9, 11, 0)])
    assert (tally.both, tally.missed, tally.extra, tally.right) == (4, 0, 2, 2)
    tally.add(text, known, [])
    assert (tally.both, tally.missed, tally.extra, tally.right) == (4, 4, 2, 2)
    assert tally.f1 == pytest.approx(2 * 4 / (2 * 4 + 4 + 2))
    assert tally.quotes == 1


def test_a_row_says_whether_its_target_is_met() -> None:
    assert parsing.Row("x", 1, 0.5, 0.4).show().split() == ["x", "1", "0.5000", "0.4", "met"]
    assert "MISSED" in parsing.Row("x", 1, 0.5, 0.6).show()
    assert "MISSED" in parsing.Row("x", 1, 1, 0, at_most=True).show()
    assert parsing.Row("x", 1, 0.5, None).show().split() == ["x", "1", "0.5000"]


def test_the_command_reads_a_folder_of_threads(tmp_path: Path) -> None:
    (tmp_path / "01.txt").write_text("  1. Ann says\n\n    One word here.\n\n  2. Bob says\n\n    Two words here.\n")
    posts = [{**gold("One word", "Ann"), "quotes": []}, {**gold("Two words", "Bob"), "quotes": []}]
    (tmp_path / "01.gold.json").write_text(json.dumps({"posts": posts}))
    said = "The harbour should stay open all winter."
    bodies = [("Ann", said, []), ("Bob", f"{said} No.\n\nNo.", [])]
    thread = {"id": 1, "posts": [{"author": name, "body": body, "quotes": quotes} for name, body, quotes in bodies]}
    with gzip.open(tmp_path / "iac_quotes_dev.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(thread) + "\n")
    app = parsing.typer.Typer()
    app.command()(parsing.main)
    flags = ["--data", str(tmp_path), "--details"]
    for part in ("text", "quotes", "seed", "confidence"):
        flags += ["--only", part]
    result = CliRunner().invoke(app, flags)
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if line.startswith("text: post boundary F1"))
    assert "1.0000" in line


@pytest.mark.skipif(not parsing.DATA.is_dir(), reason="the development threads are not here")
def test_development_folder_is_as_the_bench_expects() -> None:
    assert len(list(parsing.DATA.glob("[0-9][0-9].html"))) == 6
    assert len(list(parsing.DATA.glob("[0-9][0-9].txt"))) == 12
