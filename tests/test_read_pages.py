"""Saved pages of every platform: an invented page with the platform's markup beside the posts that it holds."""

import json
from pathlib import Path

import pytest

from stance.read.pages import read_page
from stance.records import Reply, StanceError

PAGES = Path(__file__).parent / "data" / "pages"
HERE = Path("page.html")
LAYOUTS = {"wordpress-classic": "wordpress", "wordpress-div": "wordpress", "microdata": "schema.org"}
NESTED = 100_000


def show(thread):
    """What the .json beside a page has."""
    return {
        "title": thread.title,
        "article": thread.article and thread.article[:30],
        "dropped": [list(pair) for pair in thread.reading.dropped],
        "warnings": list(thread.warnings),
        "posts": [
            {
                "id": post.id,
                "number": post.number,
                "author": post.author,
                "time": post.time and post.time.isoformat(),
                "body": post.body,
                "quotes": [[post.body[quote.start : quote.end], quote.source] for quote in post.quotes],
                "replies": [[reply.to, reply.basis] for reply in post.replies],
            }
            for post in thread.posts
        ],
    }


def read(text, platform=None):
    return read_page(text, HERE, platform)


def comment(number, name="n", words="w", inside=""):
    return (
        f'<li class="comment" id="comment-{number}"><cite class="fn">{name}</cite>'
        f'<div class="comment-content"><p>{words}</p></div>{inside}</li>'
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.html")))
def test_page(name):
    path = PAGES / f"{name}.html"
    thread = read_page(path.read_text(encoding="utf-8"), path)
    assert show(thread) == json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert thread.reading.layout == LAYOUTS.get(name, name)
    assert thread.reading.format == "page"


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.html")))
def test_platform_by_name(name):
    layout = LAYOUTS.get(name, name)
    if layout == "json-ld":
        return
    path = PAGES / f"{name}.html"
    thread = read_page(path.read_text(encoding="utf-8"), path, layout)
    assert show(thread) == json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def test_unknown_platform():
    with pytest.raises(StanceError, match="no platform of that name: use one of stackexchange"):
        read("<p>x</p>", "myspace")


def test_confidence():
    known = read(comment(1) + comment(2))
    nameless = read('<li class="comment"><div class="comment-content">a</div></li>' * 2)
    blocks = read_page((PAGES / "blocks.html").read_text(encoding="utf-8"), HERE)
    assert known.reading.confidence > 0.95
    assert nameless.reading.confidence < known.reading.confidence
    assert blocks.reading.confidence <= 0.5


@pytest.mark.parametrize(
    ("markup", "system"),
    [
        ('<div id="disqus_thread"></div><script src="https://x.disqus.com/embed.js"></script>', "Disqus"),
        ('<div id="coral_thread"></div>', "Coral"),
        ('<script src="https://launcher.spot.im/spot/x"></script>', "OpenWeb"),
        ('<div class="fb-comments" data-href="x"></div>', "Facebook"),
        ('<div id="livefyre-comments"></div>', "Livefyre"),
    ],
)
def test_comments_loaded_by_script(markup, system):
    with pytest.raises(StanceError, match=rf"page.html:1: {system}.*loads its comments by script.*\.txt") as error:
        read(f"<html><body><p>Words.</p>{markup}</body></html>")
    assert "\n" not in str(error.value)


def test_an_embed_beside_comments_does_not_matter():
    assert len(read(comment(1) + '<div id="disqus_thread"></div>').posts) == 1


def test_a_page_without_comments_is_an_article():
    thread = read(
        "<title>T</title><article><p>" + "Ten words make a line that somebody may read. " * 20 + "</p></article>"
    )
    assert thread.posts == ()
    assert thread.title == "T"
    assert thread.article.startswith("Ten words")
    assert thread.warnings[0].startswith("no comments found: ")


@pytest.mark.parametrize("name", ["[deleted]", "Anonymous", "Avatar", "ANONYM", "\u200b", "x" * 200])
def test_nobody(name):
    assert read(comment(1) + comment(2, name)).posts[1].author is None


def test_a_name_that_is_markup():
    assert read(comment(1, "&lt;script&gt;alert(1)&lt;/script&gt;")).posts[0].author == "<script>alert(1)</script>"


def test_duplicate_ids_are_made_unique():
    ids = [post.id for post in read(comment(1) * 3 + comment("1~2")).posts]
    assert len(set(ids)) == 4
    assert ids[0] == "1"


def test_a_circle_of_parents_is_cut():
    one = '<shreddit-comment author="a" thingid="t1_{}" parentid="t1_{}"><p slot="comment">x</p></shreddit-comment>'
    thread = read(one.format("a", "b") + one.format("b", "c") + one.format("c", "a") + one.format("d", "d"))
    assert thread.warnings == ("replies that go round in a circle, cut open: 1",)
    assert sum(bool(post.replies) for post in thread.posts) == 2


def test_a_parent_that_is_not_there_stays_missing():
    one = '<shreddit-comment author="a" thingid="t1_a" parentid="t1_zz"><p slot="comment">x</p></shreddit-comment>'
    thread = read(one)
    assert thread.posts[0].replies == ()
    assert thread.warnings == ("replies to posts that the page does not have, left open: 1",)


def test_a_post_without_words_is_counted_and_its_answer_left_open():
    thread = read(comment(1) + comment(2, words="", inside=f"<ul>{comment(3)}</ul>"))
    assert [post.id for post in thread.posts] == ["1", "3"]
    assert thread.reading.dropped == (("post without words", 1),)
    assert thread.posts[1].replies == ()


def test_nul_surrogates_and_unclosed_tags():
    thread = read(
        '<li class="comment" id="comment-1\0"><cite class="fn">n\0</cite><div class="comment-content"><b>a\0b\ud800'
    )
    assert (thread.posts[0].author, thread.posts[0].body) == ("n", "ab\ufffd")


def test_replies_nested_100_000_deep():
    opening = '<li class="comment" id="comment-{0}"><cite class="fn">n{0}</cite><p class="comment-content">w{0}</p><ul>'
    thread = read("".join(map(opening.format, range(NESTED))) + "</ul></li>" * NESTED)
    assert len(thread.posts) == NESTED
    assert thread.posts[-1].replies == (Reply(NESTED - 2, "nesting"),)
    assert (thread.posts[-1].author, thread.posts[-1].body) == (f"n{NESTED - 1}", f"w{NESTED - 1}")


@pytest.mark.parametrize(
    "text",
    [
        "<div>" * NESTED,
        "".join(f'<p><font color="{number}">x' for number in range(20_000)),
        "<div " + " ".join(f"a{number}=1" for number in range(NESTED)) + ">" + "x",
        '<script type="application/ld+json">' + "[" * NESTED + "</script>",
        '<div class="d-noscript-comments"></div>' + '<div class="comment"><b class="comment-author">a' * 20_000,
        "<!--" * NESTED,
        "<" * NESTED,
        "",
    ],
    ids=["deep", "fonts", "attributes", "json", "selectors", "remarks", "marks", "empty"],
)
def test_hostile_pages_end(text):
    assert read(text).reading is not None
