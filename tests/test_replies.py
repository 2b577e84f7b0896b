"""Whom a post answers: by number, quote or name, how surely, and what is no answer."""

from datetime import UTC, datetime

import pytest

from stance.records import Post, Reply, Thread
from stance.replies import CONFIDENCE
from stance.thread import link_posts

SAID = "The harbour should stay open all winter."


def answer(body: str, *authors: str | None, numbers: bool = False, blurb: str | None = None) -> list[int]:
    """The positions that a last post of this body answers, after one post each by the authors."""
    posts = [
        Post(str(at), f"Something else, {at} {at} {at}.", number=str(at + 5) if numbers else None, author=author)
        for at, author in enumerate([*authors, None])
    ]
    posts[-1] = Post("last", body, number=str(len(authors) + 5) if numbers else None)
    thread = link_posts(Thread("made", None, None, None, None, blurb, tuple(posts)))
    return [reply.to for reply in thread.posts[-1].replies]


@pytest.mark.parametrize(
    ("body", "to"),
    [
        ("@6, no.", [1]),
        ("@ 6\nNo.", [1]),
        ("@#6 no.", [1]),
        ("#6 No.", [1]),
        (">>6\nNo.", [1]),
        ("No. 6: no.", [1]),
        ("Well.\n\n@7 Agreed.\n@5 Not.", [2, 0]),
        ("@2, no.", []),  # not in the thread
        ("@6:30 in the morning", []),
        ("#1 the ice\n#2 the pilots", []),
        ("We are #6 in the world.", []),
    ],
)
def test_printed_numbers(body: str, to: list[int]) -> None:
    assert answer(body, None, None, None, numbers=True) == to


def test_lost_numbers_count_from_one_and_are_less_sure() -> None:
    assert answer("@2, no.", None, None, None) == [1]
    assert answer("@9, no.", None, None, None) == []
    assert CONFIDENCE["counted"][1] < CONFIDENCE["number"][1]


def test_a_number_in_the_article_is_a_point_of_it() -> None:
    posts = (Post("0", SAID), Post("1", "#1 is wrong."))
    thread = Thread("made", None, None, None, "Mistake #1: ice.", None, posts)
    assert link_posts(thread).posts[1].replies == ()


@pytest.mark.parametrize(
    ("body", "to"),
    [
        ("@timw no", []),
        ("@Tim Worstall no", [0]),
        ("@TIMWORSTALL no", [0]),
        ("Tim W: no.", [0]),
        ("tim, no.", [0]),
        ("Tim do you ever read?", [0]),
        ("Thanks, Tim.", [0]),
        ("Thank you Tim!", [0]),
        ("As John B suggests, no.", [1]),
        ("Well.\n\nJohn B, no.", [1]),
        ("@John no", [1]),
        ("Donald Trump is wrong.", []),
        ("@Donald is wrong", [3]),
        ("Will, no.", [2]),
        ("Will it freeze?", []),
        ("will you stop", []),
        ("The council met with Donald Duck yesterday in the harbour, they say.", [3]),
        ("Nobody, no.", []),
        ("mail to bob@tim no", []),
    ],
)
def test_names(body: str, to: list[int]) -> None:
    assert answer(body, "Tim Worstall", "john b", "Will", "Donald Duck") == to


def test_a_name_of_two_authors_is_nobodys() -> None:
    assert answer("Tim, no.", "Tim Worstall", "Tim Lambert") == []
    assert answer("Tim Lambert, no.", "Tim Worstall", "Tim Lambert") == [1]


def test_the_latest_earlier_post_of_the_author_is_meant() -> None:
    assert answer("Ann, no.", "Ann", "Ben", "Ann", "Ben") == [2]


def test_the_articles_author_is_no_namesake() -> None:
    blurb = "Menzie Chinn is a professor."
    assert answer("Menzie, no.", "Menzie Jones", blurb=blurb) == []
    assert answer("Menzie, no.", "Menzie Jones") == [0]
    assert answer("Menzie Chinn, no.", "Menzie Chinn", blurb=blurb) == [0]


def test_a_line_of_name_and_date_means_the_post_of_that_time() -> None:
    times = [datetime(2021, 3, 3, hour, tzinfo=UTC) for hour in (10, 12, 14)]
    posts = [Post(str(at), f"Words {at}.", author="Ann", time=time) for at, time in enumerate(times)]
    for line in ("Response to Ann, 3 March 2021 12:00PM", "Ann at 3 March 2021 12:00PM:"):
        last = Post("3", f"{line}\n\nThe ice says no.", author="Ben")
        linked = link_posts(Thread("made", None, None, None, None, None, (*posts, last))).posts[3]
        assert linked.replies == (Reply(1, *CONFIDENCE["dated"]),)


def test_several_are_answered_the_surest_first_and_what_the_source_shows_before_all() -> None:
    posts = (
        Post("0", SAID, author="Ann"),
        Post("1", "The ice says no.", author="Ben"),
        Post("2", "Nobody asked.", author="Cem"),
        Post("3", f"Ben, no.\n\n{SAID}\n\nThat was long ago.", replies=(Reply(2, "nesting"),)),
    )
    linked = link_posts(Thread("made", None, None, None, None, None, posts)).posts[3]
    assert linked.replies == (
        Reply(2, "nesting"),
        Reply(0, *CONFIDENCE["quote"]),
        Reply(1, *CONFIDENCE["name"]),
    )


def test_a_marked_quote_of_a_name_is_an_answer_whatever_its_words() -> None:
    assert answer("[quote=Ann]Words of her other thread.[/quote]\nNo.", "Ann", "Ben") == [0]


def test_nobody_answers_an_own_post_by_a_quote() -> None:
    said = "The council has never once asked the pilots what they think of the ice in the harbour."
    more = "I still think so, and nobody has given me a reason to think otherwise since I wrote that."
    posts = (Post("0", said, author="Ann"), Post("1", f"{said}\n\n{more}", author="Ann"))
    linked = link_posts(Thread("made", None, None, None, None, None, posts)).posts[1]
    assert (len(linked.quotes), linked.replies) == (1, ())
