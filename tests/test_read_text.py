"""Text dumps: the seed thread against its gold, a made dump against its records, and what every text must keep."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stance.read import Options, read_threads
from stance.read.text import UNSEEN, read_text
from stance.records import StanceError, Thread

ROOT = Path(__file__).parent.parent
SEED = ROOT / "seeds" / "karabakh-2020.txt"
GOLD = json.loads((ROOT / "tests" / "gold" / "seed_parse.json").read_text(encoding="utf-8"))
DATA = ROOT / "tests" / "data"


def read_file(path: Path) -> Thread:
    """The only thread in a file."""
    (thread,) = read_threads(path)
    return thread


def read(text: str) -> Thread:
    return read_text(text, Path("thread.txt"))


def squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def save(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_seed_posts_are_as_in_gold() -> None:
    thread = read_file(SEED)
    assert len(thread.posts) == GOLD["n_posts_visible"] == 42
    found = [(post.number, post.author, post.time) for post in thread.posts]
    assert found == [(post["number"], post["author"], post["time"]) for post in GOLD["posts"]]
    assert sum(post.author is not None for post in thread.posts) == 13
    for post, gold in zip(thread.posts, GOLD["posts"], strict=True):
        if not gold["quotes"]:
            assert squeeze(post.body).startswith(gold["first_words"])


def test_seed_opening_is_title_article_and_blurb() -> None:
    thread = read_file(SEED)
    assert thread.title == GOLD["title"]
    assert thread.article is not None
    assert thread.article.startswith(GOLD["article"]["first_words"])
    assert thread.article.endswith(GOLD["article"]["last_words"])
    assert thread.article.count("•") == GOLD["article"]["bullets"]
    assert thread.blurb is not None
    assert squeeze(thread.blurb).startswith(GOLD["article"]["author_bio"]["first_words"])
    assert squeeze(thread.blurb).endswith("Substack newsletter.")
    assert (thread.id, thread.source, thread.warnings) == ("karabakh-2020", str(SEED), ())


def test_seed_posts_name_the_line_they_begin_on() -> None:
    lines = SEED.read_text(encoding="utf-8").split("\n")
    for post in read_file(SEED).posts:
        assert post.line is not None
        assert lines[post.line - 1].startswith(f"  {post.number}. ")


def test_article_without_posts_has_no_posts() -> None:
    thread = read_file(ROOT / "seeds" / "ceasefire-2020.txt")
    assert thread.posts == ()
    assert thread.title is None
    assert thread.blurb is None
    assert thread.article == (ROOT / "seeds" / "ceasefire-2020.txt").read_text(encoding="utf-8").strip()
    assert [warning.split(":")[0] for warning in thread.warnings] == ["no comments found"]


def test_lists_inside_article_and_posts_are_not_posts() -> None:
    expected = json.loads((DATA / "lists.json").read_text(encoding="utf-8"))
    thread = read_file(DATA / "lists.txt")
    found = {
        "title": thread.title,
        "article": thread.article,
        "blurb": thread.blurb,
        "posts": [[post.line, post.number, post.author, post.body] for post in thread.posts],
    }
    assert found == expected


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_line_ends_do_not_matter(end: str) -> None:
    text = SEED.read_text(encoding="utf-8")
    assert replace(read(text.replace("\n", end)), reading=None) == replace(read(text), reading=None)


def test_name_needs_a_line_of_its_own() -> None:
    thread = read("  1. Bo says\n    he is tired.\n\n  2. As Ann says\n\n    No.\n\n  3. Ann says\n")
    assert [(post.author, post.body) for post in thread.posts] == [
        (None, "Bo says\nhe is tired."),
        ("As Ann", "No."),
        ("Ann", ""),  # the name is shown, the words were an embed
    ]


def test_numbers_that_fall_do_not_begin_posts() -> None:
    thread = read(
        "1. Ann says\n\n    Two.\n\n3. Bo says\n\n    x\n\n2. is not a post\n\n4. Cy says\n\n    y\n\n1999. A year.\n"
    )
    assert [post.number for post in thread.posts] == ["1", "3", "4"]
    assert thread.posts[1].body.endswith("2. is not a post")


@pytest.mark.parametrize(
    "text",
    [
        "Ten rules.\n\n  1. Be brief.\n  2. Be kind.\n  3. Be there.\n\nThat is all.",
        "1. First, the ice.\n\n2. Second, the wind.\n\n3. Third, the cold.",
        "Rules\n\n  1. One.\n\n    More.\n\n  2. Two.\n\n  3. Three.\n\nAfter it the article goes on for longer.",
    ],
)
def test_lists_are_an_article(text: str) -> None:
    thread = read(text)
    assert thread.posts == ()
    assert thread.warnings[0].startswith("no comments found: ")


def test_text_left_of_the_posts_is_kept_and_warned_of() -> None:
    thread = read("  1. Ann says\n\n    Yes.\n\nComments are closed.\n")
    assert thread.posts[0].body == "    Yes.\n\nComments are closed."
    assert thread.warnings == ("line 5: text further left than the posts' is read as part of the post above it",)


def test_last_words_of_an_article_are_no_blurb() -> None:
    thread = read("Title\n\nText.\n\nNikol Pashinyan is a survivor.\n\n  1. Ann says\n\n    Yes.\n")
    assert thread.blurb is None
    assert thread.article == "Text.\n\nNikol Pashinyan is a survivor."


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", "an empty file"),
        ("blank.txt", b" \n\r\n\t", "nothing but blank space"),
        ("nul.txt", b"a\0b", "a binary file (it has NUL bytes)"),
        ("control.txt", b"\x01\x02\x03abc" * 9, "a binary file (many control characters)"),
        ("a.pdf", b"%PDF-1.7 x", "a PDF file, not text"),
        ("a.txt", b"\x89PNG\r\n\x1a\n", "a PNG image, not text"),
        ("cut.txt", b"\xff\xfea", "broken UTF-16-LE"),
        ("russian.txt", "первая\nвторая".encode("cp1251"), "neither UTF-8 nor Windows-1252"),
        ("a.json", '"words"', "JSON"),
        ("a.txt", '{\n "posts": []\n}', "JSON"),
        ("a.txt", "[" * 200_000, "JSON"),
        ("a.html", '<html><div id="disqus_thread">', "Disqus loads its comments by script: the saved page holds none"),
        ("a.html", '<html><div id="coral_thread">', "Coral loads its comments by script"),
        ("a.html", '<html><div data-spotim-module="x">', "OpenWeb (Spot.IM) loads its comments by script"),
        ("a.html", '<html><div class="fb-comments">', "Facebook comments loads its comments by script"),
        ("a.html", '<html><div id="livefyre">', "Livefyre loads its comments by script"),
    ],
)
def test_file_that_holds_no_text_thread_is_an_error(
    tmp_path: Path, name: str, content: bytes | str, message: str
) -> None:
    path = save(tmp_path, name, content)
    with pytest.raises(StanceError) as caught:
        read_file(path)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_path_that_is_no_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StanceError, match=r"missing\.txt: no such file: "):
        read_file(tmp_path / "missing.txt")
    with pytest.raises(StanceError, match=r"pass the folder that Corpus\.dump wrote, or the files"):
        read_file(tmp_path)
    with pytest.raises(StanceError, match="not a regular file"):
        read_file(Path("/dev/null"))
    with pytest.raises(StanceError, match=r"cannot be read .*null"):
        read_file(Path("a\0b"))


def test_file_over_the_size_bound_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StanceError, match="more than 1 MB unpacked: split it"):
        next(read_threads(save(tmp_path, "a.txt", b"a" * 2**21), Options(most=2**20)))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    text = "Ærø\n\n  1. Åsa says\n\n    “Yes”\n"
    thread = read_file(save(tmp_path, "a.txt", text.encode(encoding)))
    assert (thread.title, thread.posts[0].author, thread.posts[0].body) == ("Ærø", "Åsa", "“Yes”")
    assert thread.warnings == ()


def test_other_bytes_are_windows_1252_with_a_warning(tmp_path: Path) -> None:
    content = "It costs “five” €, naïve Åsa: ".encode("cp1252") + "“ten” €".encode() + b" or \x81 all told."
    thread = read_file(save(tmp_path, "a.txt", b"first line\n" + content))
    assert thread.article == "first line\nIt costs “five” €, naïve Åsa: “ten” € or \x81 all told."
    assert thread.warnings[0] == "not UTF-8 throughout (6 bytes, first on line 2): those were read as Windows-1252"


def test_one_stray_byte_does_not_refuse_a_text_in_another_script(tmp_path: Path) -> None:
    thread = read_file(save(tmp_path, "a.txt", "Мост закрыт. ".encode() * 5 + b"\xe9"))
    assert thread.article == "Мост закрыт. " * 5 + "é"


def join_records(thread: Thread) -> str:
    """All that the records hold of a text, in its order."""
    parts = [thread.title, thread.article, thread.blurb]
    for post in thread.posts:
        parts += [post.number, post.author, post.body]
    return "\n".join(filter(None, parts))


NUMBERED = ["  1. {}", "  2. {}", " 3. {}", "4. {}", "  9. {} says", "  9. {} says\n", "10. {} - May 3, 2012\n", " 11."]
OTHER = [
    "{}",
    "",
    "\u200b",
    "    {}",
    "    * {}",
    "    1. {}",
    "1999. {}",
    "{} says",
    "> {}",
    "\xa0\xa0{}",
    "\ufeff {}",
]
LINES = st.sampled_from([*NUMBERED, *OTHER, "Ida {} is a writer."])


@settings(max_examples=500, deadline=None)
@given(st.lists(LINES, max_size=30), st.sampled_from(["\n", "\r\n", "\r"]))
@example(["  1. {} says", "", "    {}", "", "  2. {}", "", "{}", "", "  4. {}"], "\n")
def test_no_line_of_a_text_is_lost(lines: list[str], end: str) -> None:
    words = [f"w{position}w" for position in range(len(lines))]
    text = end.join(line.format(word) for line, word in zip(lines, words, strict=True))
    expected = [word for line, word in zip(lines, words, strict=True) if "{}" in line]
    thread = read(text)
    found = re.findall(r"w\d+w", join_records(thread))
    assert thread.reading is not None
    if thread.reading.layout in ("numbered", "none"):
        assert found == expected
    else:  # a signature stands below its words; what stands left of all posts, below the last, is the page's
        rest = "".join(text[span.start : span.end] for span in thread.reading.spans if span.kind == "outside")
        assert sorted(found + re.findall(r"w\d+w", rest)) == sorted(expected)


@settings(deadline=None)
@given(st.text())
@example("-0")
def test_any_text_is_read_without_losing_its_words(text: str) -> None:
    blank = rf"[\s{UNSEEN}]"  # a line of these alone has no words
    twice = f"{text}\n\n{text}"
    thread = read(twice)
    assert thread.reading is not None
    left = [twice[span.start : span.end] for span in thread.reading.spans if span.kind in ("debris", "outside")]
    kept = re.sub(blank, "", "".join([join_records(thread), *left]))  # "-0" is a score: a button's kind of line
    for line in re.split(r"[\r\n]", text):
        bare = re.sub(blank, "", line)
        # A number that begins a post is apart from its body, and a dash before a name is no part of it.
        assert bare in kept or bare[0] in "0123456789" or bare.lstrip("-\u2013\u2014") in kept


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_are_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    message = ""
    try:
        read_file(save(tmp_path_factory.getbasetemp(), "any.txt", content))
    except StanceError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize(
    "text",
    [
        "1.\n" * 200_000,
        "".join(f"  {number}. Ann says\n\n    word\n\n" for number in range(1, 30_000)),
        "".join(" " * (number % 3000) + f"{number % 9}. x\n" for number in range(3000)),
        " " * 2_000_000 + "1",
        "\u200b" * 2_000_000 + "x",
        "  1. " + "a " * 500_000 + "says\n" + "    A" + "a" * 1_000_000,
        "x\n\n" + "A a " * 300_000 + "\n\n  1. Ann says\n\n    x",
    ],
    ids=["numbers", "posts", "columns", "space", "unseen", "header", "names"],
)
def test_reading_takes_time_in_line_with_length(text: str) -> None:
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 5


def test_page_of_comment_marks_is_sniffed_in_time(tmp_path: Path) -> None:
    start = time.process_time()
    read_file(save(tmp_path, "a.txt", "<!--" + "--><!--" * 100_000))
    assert time.process_time() - start < 5
