"""Quotes: shown, marked or only said again; whose they are, where they begin and end, and how long finding takes."""

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.quotes.earlier import RUN, WORD, find_shared_runs, place_words, split_words
from stance.records import Post, Quote, Reply, Thread
from stance.thread import link_posts

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


def test_a_shown_quote_without_a_source_gets_it_and_others_are_found_beside_it() -> None:
    body = f"{SAID}\n\nNo.\n\n{ASKED}\n\nWell."
    shown = Post("2", body, quotes=(Quote(0, len(SAID), None, "markup"),), replies=(Reply(1, "nesting"),))
    thread = make(SAID, ASKED)
    linked = link_posts(Thread("made", None, None, None, None, None, (*thread.posts, shown))).posts[2]
    start = body.index(ASKED)
    assert linked.quotes == (Quote(0, len(SAID), 0, "markup"), Quote(start, start + len(ASKED), 1, "exact"))
    assert linked.replies[0] == Reply(1, "nesting")


def test_a_source_that_the_markup_names_is_kept() -> None:
    shown = Post("2", f"{SAID}\n\nNo.", quotes=(Quote(0, len(SAID), 1, "markup"),))
    thread = make(SAID, "Other words.")
    assert (
        link_posts(Thread("made", None, None, None, None, None, (*thread.posts, shown))).posts[2].quotes == shown.quotes
    )


@pytest.mark.parametrize(
    "marked",
    [
        f"[quote]{SAID}[/quote]",
        f"[QUOTE=Ann]{SAID}[/QUOTE]",
        f'[quote="Ann, post:1, topic:9"]\n{SAID}\n[/quote]',
        f"Ann wrote:\n{SAID}",
        f"On 3 March 2021, Ann Lee wrote:\n\n{SAID}",
        f"Originally Posted by Ann View Post\n{SAID}",
        f"Quote:\nOriginally Posted by Ann\n{SAID}",
        f"Quote from: Ann on March 03, 2021, 10:00:00 AM\n{SAID}",
        f"Ann said: ↑\n{SAID}",
        f"Zitat von Ann:\n„{SAID}“",
        f"[quote=Ann]\n{SAID}",
        f"{SAID}[/quote]",
    ],
)
def test_what_says_whose_words_follow_belongs_to_the_quote(marked: str) -> None:
    linked = link_posts(make(SAID, f"{marked}\n\nThe ice says no.", authors="A")).posts[1]
    assert [quote.source for quote in linked.quotes] == [0]
    assert linked.own_words == "The ice says no."


def test_words_of_a_post_before_a_quote_stay_its_own() -> None:
    linked = link_posts(make(SAID, f"And then he said:\n{SAID}\n\nThe ice says no.")).posts[1]
    assert linked.own_words == "And then he said:\n\nThe ice says no."


def test_a_marked_quote_is_divided_by_who_said_its_words_first() -> None:
    answer = "The ice will decide that for us, not the council."
    first = f"[quote=A]{SAID}[/quote]\n{answer}"
    nested = f"[quote=B][quote=A]{SAID}[/quote]\n{answer}[/quote]\nWell."
    arrows = f">> {SAID}\n> {answer}\nSo it will."
    found = quotes_of(make(SAID, first, nested, arrows))
    assert [source for _, source, _ in found[2]] == [0, 1]
    assert found[3] == [(f">> {SAID}", 0, "markup"), (f"> {answer}", 1, "markup")]


def test_a_quote_of_a_numbered_post_has_it_as_source_whatever_its_words() -> None:
    posts = [
        Post("0", SAID, number="#7"),
        Post("1", 'x\n[quote="Ann, post:7, topic:9"]Other words.[/quote]', number="#8"),
    ]
    linked = link_posts(Thread("made", None, None, None, None, None, tuple(posts)))
    assert [quote.source for quote in linked.posts[1].quotes] == [0]


@pytest.mark.parametrize("line", [">>12", ">:( no", "[quote] no end of it", "[/quote] no start", "a [quote is] b"])
def test_what_only_looks_marked_is_no_quote(line: str) -> None:
    assert quotes_of(make(SAID, f"{line}\nThe ice."))[1] == []


def test_a_sentence_inside_a_paragraph_is_a_quote_with_its_marks() -> None:
    body = f'I read this. "{ASKED}" Really? The harbour will freeze.'
    assert quotes_of(make(f"{SAID} {ASKED}", body))[1] == [(f'"{ASKED}"', 0, "exact")]


def test_stitched_parts_are_one_quote() -> None:
    said = f"{SAID} In the council they talk of other things all day. {ASKED}"
    body = f"{SAID} ... {ASKED}\n\nWell."
    assert quotes_of(make(said, body))[1] == [(f"{SAID} ... {ASKED}", 0, "exact")]


@pytest.mark.parametrize("line", ["https://example.org/a/b/c/d/e", '<pre><code class="python">', "6 Singapore"])
def test_links_tags_and_items_said_again_are_no_quotes(line: str) -> None:
    lists = "5 Malta\n6 Singapore\n7 Spain"
    assert quotes_of(make(f"{line}\n\n{lists}", f"{line}\n\nThe ice says no."))[1] == []


def test_own_words_that_are_taken_up_again_are_a_quote() -> None:
    said = "The council has never once asked the pilots what they think of the ice in the harbour."
    more = "I still think so, and nobody has given me a reason to think otherwise since I wrote that."
    assert quotes_of(make(said, "x", f"{said}\n\n{more}", authors="ABA"))[2] == [(said, 0, "exact")]
    assert quotes_of(make(said, "x", f"{more}\n\n{said}", authors="ABA"))[2] == []


def test_a_line_that_names_who_is_answered_is_no_own_word() -> None:
    line = "Response to Ann, 3 March 2021 10:00AM"
    posts = (Post("0", SAID, author="Ann"), Post("1", f"{line}\n\nThe ice says no.", author="Ben"))
    linked = link_posts(Thread("made", None, None, None, None, None, posts)).posts[1]
    assert linked.own_words == "The ice says no."
    assert [quote.source for quote in linked.quotes] == [0]


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


@given(st.text(st.sampled_from("aB ß'İﬁ1_²\n[]/quote=é.\u0307"), max_size=80))
def test_words_and_their_places(text: str) -> None:
    bare = re.sub(r"\[/?quote\b[^\]\n]{0,200}\]", lambda tag: " " * len(tag[0]), text, flags=re.IGNORECASE)
    expected = [(match[0].casefold(), *match.span()) for match in WORD.finditer(bare)]
    assert list(zip(split_words(text), *place_words(text), strict=True)) == expected


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=12).map(tuple), max_size=6))
def test_runs_are_kept_where_they_are_said_twice(texts: list[tuple[str, ...]]) -> None:
    places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, text in enumerate(texts):
        for at in range(len(text) - RUN + 1):
            places.setdefault(text[at : at + RUN], []).append((number, at))
    twice = sorted(place for found in places.values() if len({number for number, _ in found}) > 1 for place in found)
    found = [(number, run) for number, runs in enumerate(find_shared_runs(texts)) for run in runs]
    assert set(twice) <= {(number, at) for number, (at, _) in found}
    words = {value: texts[number][at : at + RUN] for number, (at, value) in found}
    assert all(words[value] == texts[number][at : at + RUN] for number, (at, value) in found)
    assert all(len(places[run]) > 1 for run in words.values())


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
        [">" * 500_000, "> " * 250_000, "[quote]" * 50_000 + "a b" + "[/quote]" * 50_000, "[quote=" * 70_000],
        ["originally posted by " * 20_000, "ann at " * 70_000, "ann at 5\n" * 50_000, "response to ann, 5\n" * 25_000],
        ["a" + "." * 500_000, "<a" * 250_000, "http://" * 70_000, "a" * 500_000, "@a @1\n#1 " * 50_000],
    ],
    ids=["many", "poor", "same", "lines", "marked", "edited", "marks", "leads", "signs"],
)
def test_linking_takes_time_in_line_with_length(bodies: list[str]) -> None:
    start = time.process_time()
    link_posts(make(*bodies))
    assert time.process_time() - start < 10
