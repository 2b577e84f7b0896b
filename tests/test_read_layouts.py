"""Text dumps of every layout family against their records, and what holds of every division."""

import itertools
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.read.text import read_text
from stance.read.text.headers import is_name, order_days, read_header
from stance.records import StanceError, Thread

DATA = Path(__file__).parent / "data" / "layouts"
EXPECTED = json.loads((DATA / "expected.json").read_text(encoding="utf-8"))
THREADS = Path(__file__).parent.parent.parent / "shared" / "threads"


def read(text: str, layout: str | None = None) -> Thread:
    return read_text(text, Path("thread.txt"), layout)


def load(name: str) -> str:
    return (DATA / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_dump_is_read_as_expected(name: str) -> None:
    thread = read(load(name))
    assert thread.reading is not None
    found = {
        "layout": thread.reading.layout,
        "title": thread.title,
        "article": thread.article,
        "posts": [
            [
                post.number,
                post.author,
                post.time.isoformat()[:16] if post.time else None,
                post.reply_to,
                post.body,
            ]
            for post in thread.posts
        ],
    }
    assert found == EXPECTED[name]


def test_every_dump_has_a_record() -> None:
    assert {path.stem for path in DATA.glob("*.txt")} == set(EXPECTED)


@pytest.mark.parametrize(
    ("line", "shape", "name", "date", "number"),
    [
        ("Ida Holm says:", "N says", "Ida Holm", None, None),
        ("Ann Lee hat gesagt…", "N hat gesagt", "Ann Lee", None, None),
        ("Анна пишет:", "N пишет", "Анна", None, None),
        ("Martin 11.06.12 at 11:06 am", "N D", "Martin", "11.06.12 at 11:06 am", None),
        ("Jan 11.06.12 at 11:06 am", "N D", "Jan", "11.06.12 at 11:06 am", None),
        ("Barry Freed 11.06.12 at 2:25 pm", "N D", "Barry Freed", "11.06.12 at 2:25 pm", None),
        ("  4. I'm Ida! - August 8, 2012", "N - D", "I'm Ida!", "August 8, 2012", "4"),
        ("1. Sana6. Juni 2015 um 10:23", "N D", "Sana", "6. Juni 2015 um 10:23", "1"),
        ("Fri, 2012-11-09 18:05 — Ida (not verified)", "D — N", "Ida", "Fri, 2012-11-09 18:05", None),
        ("u/ida_h Finland 3 years ago", "N D", "ida_h", "3 years ago", None),
        ("[–]ida 5 points 3 years ago (2 children)", "N point D", "ida", "3 years ago", None),
        ("#61 Ida Posted 03 May 2008 - 05:12 PM", "N posted D", "Ida", "03 May 2008 - 05:12 PM", "61"),
        ("At 3:45 PM, May 04, 2008, Blogger Ida said...", "D , N", "Ida", "3:45 PM, May 04, 2008", None),
        ("[deleted] 3 years ago", "N D", None, "3 years ago", None),
        ("3. November 2023 um 20:14 Uhr", "D", None, "3. November 2023 um 20:14 Uhr", None),
    ],
)
def test_header_line_shows_name_date_and_number(
    line: str, shape: str, name: str | None, date: str | None, number: str | None
) -> None:
    header = read_header(line)
    assert header is not None
    assert header.shape.startswith(shape)
    assert (header.name, header.date, header.number) == (name, date, number)


@pytest.mark.parametrize(
    "line",
    [
        "Response to Ida, 3 May 2012 9:00PM",
        "Mitglied seit 28. Juni 2014 Beiträge 2.206 Ort Town",
        "Last edited by Ida on May 3, 2012",
        "> Ida - May 3, 2012: I worked there",
        "It was on May 3, 2012 that the mill was closed for good",
        "He says:",
    ],
)
def test_other_line_is_no_header(line: str) -> None:
    assert read_header(line) is None


def test_names_are_told_from_sentences() -> None:
    assert all(map(is_name, ("J.J.", "1009", "Down and Out of Sài Gòn", "pnac=ww3", "rootless (@root_e)")))
    assert not any(map(is_name, ("", "...", "I think so. And you", "this is what it was like there", "Hello,")))


def test_month_and_day_are_told_by_the_dates_that_can_only_be_read_one_way() -> None:
    assert order_days(["10-16-2005, 1:00", "10-07-2005"]) == ["2005-10-16, 1:00", "2005-10-07"]
    assert order_days(["16.10.2005", "7.10.2005"]) == ["2005-10-16", "2005-10-07"]
    assert order_days(["10-07-2005", "May 3, 2012"]) == ["10-07-2005", "May 3, 2012"]
    assert order_days(["16.10.2005", "10.16.2005"]) == ["16.10.2005", "10.16.2005"]


def test_leading_or_trailing_is_decided_once() -> None:
    """The same lines with the dates above and below: every date goes with the text on its own side."""
    texts = ["It closes in May.", "It was cold, I say.", "It had no roof."]
    dates = [f"May {day}, 2012 at 9:00 am" for day in (1, 2, 3)]
    above = "\n\n".join(line for pair in zip(dates, texts, strict=True) for line in pair)
    below = "\n\n".join(line for pair in zip(texts, dates, strict=True) for line in pair)
    for text in (above, below):
        posts = read(text).posts
        assert [(post.body, post.time.day if post.time else None) for post in posts] == list(
            zip(texts, (1, 2, 3), strict=True)
        )


def test_names_are_not_guessed() -> None:
    thread = read("\n\n".join(f"{name} - May {day}, 2012\n\nwords" for day, name in enumerate(NOBODY, 1)))
    assert [post.author for post in thread.posts] == [None] * len(NOBODY)
    assert len(thread.posts) == len(NOBODY)


NOBODY = ("Anonymous", "[deleted]", "Avatar", "Anonym", "anónimo")


def test_buttons_are_counted_and_only_dropped_at_the_edge_of_a_post() -> None:
    text = "".join(f"{name} - May 3, 2012\n\nYes.\n\nReply\n\nReally.\n\nReply\n3 Likes\n\n" for name in ("Ida", "Cy"))
    thread = read(text)
    assert [post.body for post in thread.posts] == ["Yes.\n\nReply\n\nReally."] * 2
    assert thread.reading is not None
    assert dict(thread.reading.dropped) == {"Reply": 2, "likes": 2}


def test_text_without_boundaries_is_one_block_and_said_so() -> None:
    thread = read(load("no-bounds"))
    assert thread.posts == ()
    assert thread.article == load("no-bounds").strip()
    assert thread.reading is not None
    assert thread.reading.confidence <= 0.2
    assert thread.warnings[0].startswith("no comments found")


def test_confidence_falls_with_the_names() -> None:
    """One thread with its header lines, without the dates, and with blank lines alone."""
    full = load("date-then-name")
    bare = "\n\n\n".join(post.body for post in read(full + full.replace("2012", "2013")).posts)
    confidences = [read(text).reading.confidence for text in (full, bare, load("no-bounds"))]  # type: ignore[union-attr]
    assert confidences[0] > 0.8 > 0.55 >= confidences[1] > confidences[2]


def test_layout_can_be_named() -> None:
    text = load("paren")
    assert read(text, "signature").posts
    assert read(text, "none").posts == ()
    with pytest.raises(StanceError, match=r"thread.txt: not in the layout wiki-talk: .* \(signature"):
        read(text, "wiki-talk")


def test_runner_up_is_named() -> None:
    reading = read("  1. Ann says\n\n    Yes.\n\n  2. Bo says\n\n    No.\n\n  3. Maybe.\n").reading
    assert reading is not None
    assert (reading.layout, reading.runner_up) == ("numbered", "name-says")


def test_replies_by_indent_go_to_the_post_above_that_stands_further_left() -> None:
    depths = (0, 4, 8, 4, 0, 8)
    text = "".join(f"{' ' * depth}Ida{at} - May 3, 2012\n\n{' ' * depth}words\n\n" for at, depth in enumerate(depths))
    assert [post.reply_to for post in read(text).posts] == [None, 0, 1, 0, None, 4]


def test_replies_may_nest_without_end() -> None:
    text = "".join(
        f"{' ' * (2 * min(at, 500))}Ida - May 3, 2012\n{' ' * (2 * min(at, 500))}x\n\n" for at in range(1000)
    )
    posts = read(text).posts
    assert [post.reply_to for post in posts[:501]] == [None, *range(500)]
    assert len(posts) == 1000


HEADERS = [
    "{} says:",
    "{} - May 3, 2012",
    "May 3, 2012 at 9:44 am",
    "Posted by {} at May 3, 2012",
    "u/{} 3 years ago",
    "{} (talk) 12:34, 5 May 2010 (UTC)",
    "yes ({}, 5 May 2010)",
    "– {}",
    "answered May 3, 2012 at 1:00",
    "#12 {}",
    "1. {}",
    "  * {}",
    "3 Comments",
    "Reply",
    "41",
    "---",
    "Leave a reply",
    "Joined: May 3, 2012",
    "{} is here.",
    "    {}, and more.",
    "",
    "",
    "> {}",
]


def check_spans(text: str, thread: Thread) -> None:
    assert thread.reading is not None
    spans = thread.reading.spans
    assert "".join(text[span.start : span.end] for span in spans) == text
    assert all(before.end == after.start for before, after in itertools.pairwise(spans))
    assert all(span.start < span.end for span in spans)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(HEADERS), max_size=25), st.sampled_from(["\n", "\r\n"]))
def test_every_word_is_in_a_record_or_a_span_that_says_why_not(lines: list[str], end: str) -> None:
    words = [f"Ida{position}x" for position in range(len(lines))]
    text = end.join(line.format(word) for line, word in zip(lines, words, strict=True))
    thread = read(text)
    check_spans(text, thread)
    kept = "\n".join(
        filter(None, [thread.title, thread.article, thread.blurb, *(f"{p.author}\n{p.body}" for p in thread.posts)])
    )
    assert thread.reading is not None
    left = "".join(text[s.start : s.end] for s in thread.reading.spans if s.kind in ("outside", "debris"))
    for line, word in zip(lines, words, strict=True):
        if "{}" in line:
            # On a question page who edited an answer stands in its signature, on a forum a member's rank in the header.
            assert (word in kept) != (word in left) or thread.reading.layout in ("answers", "profile"), word
    assert len({post.id for post in thread.posts}) == len(thread.posts)


@settings(deadline=None)
@given(st.text())
def test_spans_cover_any_text(text: str) -> None:
    check_spans(text, read(text))


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"Ann {number} - May 3, 2012 at 3:45 pm\n\nword\n\n" for number in range(3_000)),
        "May 3, 2012\n" * 5_000,
        ("x" * 100 + " (talk) 12:34, 5 May 2010 (UTC)\n") * 2_000,
        ("(" * 150 + "a, 5 May 2010)\n") * 5_000,
        "– a\n" * 5_000,
        "x\n\nReply\n\n" * 5_000,
        ("Like " * 30 + "\n") * 3_000,
        "---\nx\n" * 5_000,
        "3 Comments\n" * 5_000,
        "Leave a reply\nMay 3, 2012\n" * 3_000,
        (",;:|—- " * 20 + "\n") * 3_000,
        "asked May 3, 2012 at 1:00\nann\n" * 3_000,
    ],
    ids=[
        "dated",
        "dates",
        "talk",
        "brackets",
        "dashes",
        "buttons",
        "likes",
        "rules",
        "heads",
        "ends",
        "signs",
        "asked",
    ],
)
def test_reading_takes_time_in_line_with_length(text: str) -> None:
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 3


@pytest.mark.skipif(not THREADS.is_dir(), reason="the development threads are not here")
def test_development_dumps_divide_as_in_gold() -> None:
    """The number of posts and the names, in order, of each dump; the parsing bench has the finer figures."""
    names = wrong = 0
    for path in sorted(THREADS.glob("*.txt")):
        gold = json.loads((THREADS / f"{path.name.split('.')[0]}.gold.json").read_text(encoding="utf-8"))["posts"]
        posts = read_text(path.read_text(encoding="utf-8"), path).posts
        assert len(posts) == len(gold), path.name
        names += len(gold)
        wrong += sum(post.author != said["author"] for post, said in zip(posts, gold, strict=True))
    assert wrong <= 0.02 * names
