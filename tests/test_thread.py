"""Quotes, replies and gaps: the seed thread against its gold, a made thread against its JSON, and the file written."""

import hashlib
import json
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.records import Post, Quote, Reply, StanceError, Thread
from stance.thread import link_posts, read_thread, thread_to_json, write_thread

ROOT = Path(__file__).parent.parent
SEED = ROOT / "seeds" / "karabakh-2020.txt"
GOLD = json.loads((ROOT / "tests" / "gold" / "seed_parse.json").read_text(encoding="utf-8"))
DATA = ROOT / "tests" / "data"

SAID = "The harbour should stay open all winter."
ASKED = "Nobody asked the pilots what they think of it."


def make(*bodies: str, authors: str = "", article: str | None = None, title: str | None = None) -> Thread:
    """A loose thread; authors one letter a post, "-" for none."""
    names = [None if letter == "-" else letter for letter in authors.ljust(len(bodies), "-")]
    posts = tuple(Post(id=str(at), body=body, author=names[at]) for at, body in enumerate(bodies))
    return Thread("made", None, None, title, article, None, posts)


def quotes_of(thread: Thread) -> list[list[tuple[str, int | str | None, str]]]:
    """The (text, source, match) of every quote of every post."""
    return [
        [(post.body[quote.start : quote.end], quote.source, quote.match) for quote in post.quotes]
        for post in link_posts(thread).posts
    ]


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


def test_source_is_who_said_it_first_not_who_repeats_it() -> None:
    found = quotes_of(make(SAID, f"{SAID}\n\nNo.", f"{SAID}\n\nYes."))
    assert found[1:] == [[(SAID, 0, "exact")], [(SAID, 0, "exact")]]


def test_article_and_title_come_before_every_post() -> None:
    thread = make(
        f"{SAID}\n\nNo.",
        f"{SAID}\n\nYes.",
        "Pilots on strike in March\n\nOh.",
        article=SAID,
        title="Pilots on strike in March",
    )
    assert quotes_of(thread) == [[(SAID, "article", "exact")]] * 2 + [
        [("Pilots on strike in March", "article", "exact")]
    ]
    assert [post.reply_to for post in link_posts(thread).posts] == [None, None, None]


@pytest.mark.parametrize(
    "edited",
    [
        "THE HARBOUR SHOULD STAY OPEN ALL WINTER!",
        "“The harbour  should stay open—all winter”",
        "The harbour should [...] stay open all winter",
    ],
)
def test_case_marks_and_space_do_not_matter(edited: str) -> None:
    assert quotes_of(make(SAID, f"{edited}\nNo."))[1] == [(edited, 0, "exact")]


@pytest.mark.parametrize(
    ("old", "new"), [("think", "thought"), ("asked", "has asked"), (" the pilots", ""), ("or the ferrymen", "")]
)
def test_small_edit_is_a_close_quote(old: str, new: str) -> None:
    said = "In the council nobody asked the pilots or the ferrymen what they think of the ice and of the harbour."
    edited = said.replace(old, new)
    assert quotes_of(make(said, f"{edited}\nNo."))[1] == [(edited, 0, "close")]


@pytest.mark.parametrize(
    "line", ["I think so", "What they think of ice is their own affair.", "The harbour should stay closed.", "..."]
)
def test_few_shared_words_are_no_quote(line: str) -> None:
    assert quotes_of(make(f"{SAID} {ASKED} I think so", f"{line}\n\nNo."))[1] == []


def test_long_stretch_inside_a_line_is_a_quote() -> None:
    stretch = "the harbour should stay open all winter and nobody asked the pilots"
    body = f"As you say, {stretch}, but that is for the council to decide and not for us."
    assert quotes_of(make(f"I hold that {stretch} about it.", body))[1] == [(stretch, 0, "exact")]


def test_lines_of_one_post_are_one_quote_and_short_ones_go_along() -> None:
    quoted = f"{SAID}\n\nWell?\n\n{ASKED}"
    assert quotes_of(make(quoted, f"{quoted}\n\nWell?\n\nNo."))[1] == [(quoted, 0, "exact")]


def test_post_sent_twice_is_no_quote_and_no_source() -> None:
    found = quotes_of(make(SAID, SAID.upper(), f"{SAID}\n\nNo."))
    assert found == [[], [], [(SAID, 0, "exact")]]


def test_own_words_said_again_are_no_quote_unless_beside_anothers() -> None:
    answer = "The ice will decide that for us."
    bodies = (SAID, f"{SAID}\n\n{answer}", f"{SAID}\n\nI said so.", f"{SAID}\n\n{answer}\n\nNo.")
    assert quotes_of(make(*bodies, authors="ABAA"))[2:] == [[], [(SAID, 0, "exact"), (answer, 1, "exact")]]
    assert quotes_of(make(*bodies))[2] == [(SAID, 0, "exact")]  # nameless posts may be anybody's


def test_marked_lines_are_a_quote_with_or_without_a_known_source() -> None:
    found = quotes_of(make(SAID, f"> {SAID}\n>\n> Really.\nNo.\n> Heard elsewhere.", ">From here on it is ice."))
    assert found[1:] == [[(f"> {SAID}\n>\n> Really.", 0, "markup"), ("> Heard elsewhere.", None, "markup")], []]


def test_what_the_source_shows_is_kept() -> None:
    shown = Post(
        id="1", body=f"{SAID}\n\nNo.", quotes=(Quote(0, 5, None, "markup"),), replies=(Reply(0, "nesting"),)
    )
    thread = make(SAID, "x")
    linked = link_posts(Thread("made", None, None, None, None, None, (thread.posts[0], shown)))
    assert linked.posts[1] == shown


def test_gaps_are_the_numbers_between() -> None:
    numbers = ["2", "3", None, "6", "#7", "5", "9", "9000", "٣"]
    posts = tuple(Post(id=str(at), body="x" * at, number=number) for at, number in enumerate(numbers))
    assert link_posts(Thread("made", None, None, None, None, None, posts)).gaps == ("4", "5", "6", "7", "8")


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
    thread = make(SAID)
    with pytest.raises(StanceError, match=r"none/thread\.json: cannot be written \(No such file or directory\)"):
        write_thread(thread, tmp_path / "none" / "thread.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StanceError, match="folder: cannot be written"):
        write_thread(thread, tmp_path / "folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["folder"]


SENTENCES = st.sampled_from([SAID, ASKED, "No.", "> " + SAID, "", "\r", "\u200b", "x y z", SAID[:30], "é" + ASKED])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(SENTENCES | st.text(max_size=20), max_size=5).map("\n".join), max_size=8))
def test_offsets_refer_to_the_body(bodies: list[str]) -> None:
    linked = link_posts(make(*bodies, authors="ABABABAB", article=SAID))
    for position, (post, body) in enumerate(zip(linked.posts, bodies, strict=True)):
        assert post.body == body
        end = 0
        for quote in post.quotes:
            assert end <= quote.start < quote.end <= len(body)
            assert quote.source in ("article", None, *range(position))
            assert quote.match == "markup" or body[quote.start : quote.end] == body[quote.start : quote.end].strip()
            end = quote.end
        assert post.reply_to is None or post.reply_to < position


def draw_posts(vocabulary: int, posts: int, words: int) -> list[str]:
    draw = random.Random(0)
    return [" ".join(f"w{draw.randrange(vocabulary)}" for _ in range(words)) for _ in range(posts)]


@pytest.mark.parametrize(
    "bodies",
    [
        draw_posts(50_000, 5_000, 100),
        draw_posts(20, 1_000, 100),
        ["a " * 100_000 + "b", "a " * 200_000 + "c"],
        ["a\n" * 50_000 + "b", "a\n" * 50_001 + "c"],
        ["> a b c d\n" * 20_000, "> a b c d e\nx\n" * 10_000],
        [body := draw_posts(5_000, 1, 200_000)[0], re.sub(r"w\d*7 ", "zz ", body)],
    ],
    ids=["many", "poor", "same", "lines", "marked", "edited"],
)
def test_linking_takes_time_in_line_with_length(bodies: list[str]) -> None:
    start = time.process_time()
    link_posts(make(*bodies))
    assert time.process_time() - start < 10


def test_a_stretch_of_own_words_is_found_in_the_body():
    post = Post("0", " one two \n> quoted\n three", quotes=(Quote(10, 18, None, "markup"),))
    assert post.own_words == "one two\n\nthree"
    assert [post.body[a:b] for a, b in post.find_in_body(4, 14)] == ["two", "three"]
    assert [post.body[a:b] for a, b in post.find_in_body(9, 14)] == ["three"]
    assert post.find_in_body(7, 9) == []
