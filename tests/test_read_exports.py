"""Exports in JSON and XML: made samples against their records, and input that is broken or means harm."""

import copy
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.read.exports import EXPORTS, known_json, read_json
from stance.read.exports.feeds import read_xml
from stance.records import StanceError, Thread

DATA = Path(__file__).parent / "data" / "exports"
SAMPLES = sorted(path for path in DATA.iterdir() if not path.name.endswith(".expected.json"))
JSON_SAMPLES = {path.stem: json.loads(path.read_bytes()) for path in SAMPLES if path.suffix == ".json"}
PATH = Path("export.json")


def read_sample(path: Path) -> list[Thread]:
    if path.suffix == ".xml":
        return list(read_xml(path.read_bytes(), path))
    return list(read_json(json.loads(path.read_bytes()), path))


def to_record(thread: Thread) -> dict[str, Any]:
    """What is compared, as in the files of expected records: of a post only what it has."""
    posts = []
    for post in thread.posts:
        fields = {
            "id": post.id,
            "number": post.number,
            "author": post.author,
            "time": post.time and post.time.isoformat(),
            "body": post.body,
            "quotes": [[post.body[quote.start : quote.end], quote.source] for quote in post.quotes],
            "replies": [[reply.to, reply.basis] for reply in post.replies],
        }
        posts.append({key: value for key, value in fields.items() if value not in (None, [])})
    assert thread.reading
    return {
        "id": thread.id,
        "title": thread.title,
        "article": thread.article,
        "posts": posts,
        "warnings": list(thread.warnings),
        "dropped": [list(kind) for kind in thread.reading.dropped],
    }


def make_item(number: int, **keys: object) -> dict[str, Any]:
    """An item of Hacker News."""
    return {"id": number, "created_at_i": 1604995200, "author": "ida", "text": "Yes.", "children": []} | keys


def make_post(number: int, body: str = "Yes.", parent: str = "") -> str:
    """A post of Disqus, in thread 1."""
    parent = f'<parent dsq:id="{parent}"/>' if parent else ""
    return f'<post dsq:id="{number}"><message>{body}</message><thread dsq:id="1"/>{parent}</post>'


def make_disqus(*posts: str, prolog: str = "") -> bytes:
    start = f'<?xml version="1.0" encoding="utf-8"?>{prolog}<disqus xmlns="http://disqus.com" '
    start += 'xmlns:dsq="http://disqus.com/disqus-internals"><thread dsq:id="1"><title>The ferry</title></thread>\n'
    return (start + "\n".join(posts) + "\n</disqus>").encode()


def read_disqus(data: bytes) -> Thread:
    (thread,) = read_xml(data, Path("export.xml"))
    return thread


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_as_expected(path: Path) -> None:
    """On a wanted change, write the records of `to_record` into the file beside the sample and read the difference."""
    threads = read_sample(path)
    expected = json.loads(path.with_name(f"{path.stem}.expected.json").read_bytes())
    assert [to_record(thread) for thread in threads] == expected
    for thread in threads:
        assert thread.reading is not None
        assert (thread.reading.format, thread.reading.confidence) == (path.stem, 1.0)
        assert thread.source == str(path)


def test_every_format_has_a_sample() -> None:
    assert {export.name for export in EXPORTS} == set(JSON_SAMPLES)


@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_json_is_known_by_its_keys(name: str) -> None:
    assert known_json(JSON_SAMPLES[name]) == name
    assert [to_record(thread) for thread in read_json(JSON_SAMPLES[name], PATH, name)] == [
        to_record(thread) for thread in read_json(JSON_SAMPLES[name], PATH)
    ]


@pytest.mark.parametrize("value", [None, 7, "text", [], {}, [1], [{}], {"posts": []}, [{"id": 1, "text": "x"}], [[]]])
def test_other_json_is_refused(value: object) -> None:
    assert known_json(value) is None
    with pytest.raises(StanceError, match=r"^export\.json: .*known are"):
        list(read_json(value, PATH))


def test_a_wrong_name_of_a_format_is_told() -> None:
    with pytest.raises(StanceError, match="no export is called 'hn'"):
        list(read_json(JSON_SAMPLES["isso"], PATH, "hn"))
    with pytest.raises(StanceError, match=r"not discourse, which has .post_stream"):
        list(read_json(JSON_SAMPLES["isso"], PATH, "discourse"))


def test_telegram_of_all_chats_is_a_thread_a_chat() -> None:
    one = JSON_SAMPLES["telegram"]
    value = {"about": "", "chats": {"list": [one, one | {"id": 6, "name": "Mill"}]}}
    threads = list(read_json(value, PATH))
    assert [(thread.id, thread.title, len(thread.posts)) for thread in threads] == [
        ("5501", "Milltown talks", 6),
        ("6", "Mill", 6),
    ]


def test_threads_of_one_id_are_told_apart() -> None:
    threads = list(read_json(JSON_SAMPLES["isso"][:1] * 3, PATH))
    assert [thread.id for thread in threads] == ["/ferry/", "/ferry/-", "/ferry/--"]


def test_a_comment_alone_of_hacker_news_is_a_post() -> None:
    (thread,) = read_json(make_item(1, type="comment", children=[make_item(2, text="No.")]), PATH)
    assert [(post.body, post.reply_to) for post in thread.posts] == [("Yes.", None), ("No.", 0)]


@pytest.mark.parametrize(("form", "depth"), [("hacker-news", 100_000), ("reddit-json", 20_000)])
def test_nesting_may_be_of_any_depth(form: str, depth: int) -> None:
    tree: Any = None
    for number in range(depth, 0, -1):
        if form == "hacker-news":
            tree = make_item(number, children=[tree] if tree else [])
        else:
            data = {"id": f"c{number}", "body": "Yes.", "author": "ida", "replies": ""}
            if tree:
                data["replies"] = {"kind": "Listing", "data": {"children": [tree]}}
            tree = {"kind": "t1", "data": data}
    value = (
        make_item(0, children=[tree]) if form == "hacker-news" else [{"kind": "Listing", "data": {"children": [tree]}}]
    )
    start = time.process_time()
    (thread,) = read_json(value, PATH)
    assert time.process_time() - start < 60
    assert [post.reply_to for post in thread.posts] == [None, *range(depth - 1)]
    while tree:  # taken apart by hand: Python's own way down is deep
        tree = (
            (tree["children"] or [None])[0]
            if form == "hacker-news"
            else next(iter((tree["data"].pop("replies") or {"data": {"children": []}})["data"]["children"]), None)
        )


def test_ids_that_repeat_and_circles_of_answers() -> None:
    rows = [("a", "c"), ("b", "a"), ("c", "b"), ("b", "a"), ("d", "d"), ("e", "gone"), (None, "b"), ("6", None)]
    value = [
        {"id": name, "speaker": "ida", "conversation_id": "x", "text": "Yes.", "reply_to": parent}
        for name, parent in rows
    ]
    (thread,) = read_json(value, PATH)
    assert [post.id for post in thread.posts] == ["a", "b", "c", "b-3", "d", "e", "6", "6-7"]
    links = [post.reply_to for post in thread.posts]
    assert links[3:] == [0, None, None, 1, None]
    assert sum(link is None for link in links[:3]) == 1
    assert any("id that another has" in warning and warning.startswith("2 ") for warning in thread.warnings)
    assert any("circle" in warning for warning in thread.warnings)
    assert "2 comments answering one that is not in the file: left open" in thread.warnings


def test_children_of_a_repeated_id_stay_its_own() -> None:
    children = [make_item(1, text="One."), make_item(1, text="Two.", children=[make_item(2, text="To two.")])]
    (thread,) = read_json(make_item(0, children=children), PATH)
    assert [(post.body, post.reply_to) for post in thread.posts] == [("One.", None), ("Two.", None), ("To two.", 1)]


def test_a_field_of_the_wrong_kind_costs_no_other_comment() -> None:
    children = [
        make_item(1, text=7),
        make_item(2, text=["a"]),
        "not an item",
        make_item(3, author={"name": "ida"}, created_at_i="soon", children=None),
        make_item(4, author=12),
    ]
    (thread,) = read_json(make_item(0, children=children), PATH)
    assert [(post.body, post.author) for post in thread.posts] == [
        ("7", "ida"),
        ("", "ida"),
        ("Yes.", None),
        ("Yes.", "12"),
    ]
    assert set(thread.warnings) == {
        "1 comment whose text is no text: left empty",
        "1 comment that cannot be read: left out",
        "1 comment whose time cannot be read: left without one",
    }


def test_half_characters_and_nul_become_the_sign_for_what_is_lost() -> None:
    value = copy.deepcopy(JSON_SAMPLES["reddit-json"])
    value[1]["data"]["children"][0]["data"] |= {"body": "a\ud83dz\0", "author": "i\udc00da"}
    value[0]["data"]["children"][0]["data"]["title"] = "b\udfff"
    (thread,) = read_json(value, PATH)
    assert (thread.title, thread.posts[0].body, thread.posts[0].author) == ("b\ufffd", "a\ufffdz\ufffd", "i\ufffdda")


def test_names_that_are_markup_stay_as_printed() -> None:
    (thread,) = read_json(make_item(0, children=[make_item(1, author="<b>ida</b>\u200b\n x")]), PATH)
    assert thread.posts[0].author == "<b>ida</b> x"


@pytest.mark.parametrize("body", ["CafÃ\x83©", "Ã©tait là\u0301 – vrai", "Ã", "naïve café"])
def test_mojibake_is_repaired_only_where_all_of_it_is(body: str) -> None:
    value = {"comments_v2": [{"data": [{"comment": {"comment": body, "author": "Ida"}}]}]}
    (thread,) = read_json(value, PATH)
    assert thread.posts[0].body == body
    assert not thread.warnings


def test_an_export_without_comments_says_so() -> None:
    (thread,) = read_json(make_item(0), PATH)
    assert not thread.posts
    assert thread.warnings == ("no comments found: the export has none",)
    with pytest.raises(StanceError, match=r"^export\.xml: no comments, left out: of no thread in the file \(1\):"):
        read_disqus(make_disqus(make_post(1).replace('thread dsq:id="1"', 'thread dsq:id="2"')))


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "text", "data"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=100)
@given(st.data())
def test_any_damage_to_a_sample_is_read_or_refused(data: st.DataObject) -> None:
    """A field anywhere takes another value: posts come out, or one line says why not."""
    value = [copy.deepcopy(data.draw(st.sampled_from(list(JSON_SAMPLES.values()))))]
    for _ in range(data.draw(st.integers(1, 3))):
        places = list_places(value)
        holder, key = data.draw(st.sampled_from(places))
        holder[key] = data.draw(CELLS)
    try:
        threads = list(read_json(value[0], PATH))
    except StanceError:
        return
    for thread in threads:
        assert len({post.id for post in thread.posts}) == len(thread.posts)
        for post in thread.posts:
            post.body.encode()
            assert all(0 <= quote.start < quote.end <= len(post.body) for quote in post.quotes)


def list_places(value: list[Any]) -> list[tuple[Any, Any]]:
    """Every place in nested lists and dicts, as what holds it and its key there."""
    places, waiting = [], [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        places += [(holder, key) for key in keys]
        waiting += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return places


BOMB = (
    "<!DOCTYPE disqus [" + '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
)


@pytest.mark.parametrize(
    "prolog",
    [
        BOMB + "]>",
        BOMB + '<!ENTITY % p "&a11;"> %p;]>',
        '<!DOCTYPE disqus [<!ENTITY a11 SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE disqus [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;<!ENTITY a11 "x">]>',
    ],
    ids=["bomb", "bomb in a parameter", "external", "external parameter"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(prolog: str, encoding: str) -> None:
    data = make_disqus(make_post(1, "&a11;"), prolog=prolog).decode().replace("utf-8", encoding).encode(encoding)
    start = time.process_time()
    with pytest.raises(StanceError, match=r"^export\.xml:1: XML that declares entities"):
        read_disqus(data)
    assert time.process_time() - start < 5


def test_a_type_elsewhere_is_not_fetched() -> None:
    thread = read_disqus(make_disqus(make_post(1), prolog='<!DOCTYPE disqus SYSTEM "file:///etc/hostname">'))
    assert [post.body for post in thread.posts] == ["Yes."]


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"<html><body>x</body></html>", b"<disqus/>", b"\0\0", b"<disqus><disqus>"]
)
def test_other_xml_is_refused(data: bytes) -> None:
    with pytest.raises(StanceError, match=r"^export\.xml(:1)?: [^\n]+$"):
        read_disqus(data)


@pytest.mark.parametrize(
    ("end", "bodies"),
    [
        ("</post>\n", ["One.", "Two.", "Three."]),
        ("Three.</message>", ["One.", "Two."]),
        ("Thr", ["One.", "Two."]),
        ('<post dsq:id="3"', ["One.", "Two."]),
        ('<post dsq:id="3">', ["One.", "Two."]),
    ],
)
def test_of_a_cut_file_all_that_is_whole_is_read(end: str, bodies: list[str]) -> None:
    data = make_disqus(make_post(1, "One."), make_post(2, "Two."), make_post(3, "Three.")).decode()
    thread = read_disqus(data[: data.rindex(end) + len(end)].encode())
    assert [post.body for post in thread.posts] == bodies
    assert thread.warnings[0].startswith("cut off")


def test_of_a_cut_item_the_comments_before_are_read() -> None:
    text = (DATA / "wordpress-xml.xml").read_text(encoding="utf-8")
    (thread,) = read_xml(text[: text.index("Which one?")].encode(), PATH)
    assert [post.author for post in thread.posts] == ["Tom & Bo"]
    assert thread.warnings[0].startswith("cut off")


@pytest.mark.parametrize(
    ("message", "body"),
    [
        ("Salt & pepper", "Salt pepper"),
        ("1 < 2 <3", "1 < 2 <3"),
        ("<![CDATA[1 < 2 <3]]>", "1 < 2 <3"),
        ("<![CDATA[a\x0b\x01b]]>", "a b"),
        ("a&#xD83D;b &#1; &#233;", "a\ufffdb \ufffd é"),
        ("a&nbsp;b &eacute;", "a b é"),
    ],
)
def test_broken_xml_in_one_comment_costs_no_other(message: str, body: str) -> None:
    thread = read_disqus(make_disqus(make_post(1, "One."), make_post(2, message), make_post(3, "Three.")))
    assert [" ".join(post.body.split()) for post in thread.posts] == ["One.", body, "Three."]
    assert bool(thread.warnings) == ("Salt" in message or "nbsp" in message)


def test_a_tag_that_never_ends_costs_its_own_comment() -> None:
    thread = read_disqus(make_disqus(make_post(1, "One."), make_post(2, "a <b>bold"), make_post(3, "Three.")))
    assert [post.body for post in thread.posts] == ["One.", "Three."]
    assert thread.warnings


def test_old_encodings_are_read() -> None:
    text = make_disqus(make_post(1, "Паром ходит.")).decode()
    for encoding in ("windows-1251", "koi8-r", "utf-16"):
        thread = read_disqus(text.replace('"utf-8"', f'"{encoding}"').encode(encoding))
        assert thread.posts[0].body == "Паром ходит."
    stray = make_disqus(make_post(1, "@")).replace(b"@", b"caf\xe9")
    assert read_disqus(stray).posts[0].body == "café"
    with pytest.raises(StanceError, match="no encoding is called"):
        read_disqus(text.replace('"utf-8"', '"windows-99"').encode())


def test_deep_elements_end() -> None:
    thread = read_disqus(make_disqus(make_post(1), "<post>" * 100_000))
    assert thread.posts[0].body == "Yes."
    assert thread.warnings


def test_answers_in_xml_may_come_before_and_go_in_circles() -> None:
    thread = read_disqus(make_disqus(make_post(1, parent="2"), make_post(2, parent="1"), make_post(3, parent="2")))
    links = [post.reply_to for post in thread.posts]
    assert links[2] == 1
    assert sorted(link is None for link in links) == [False, False, True]
    assert any("circle" in warning for warning in thread.warnings)


def test_html_entities_in_text_are_read_once() -> None:
    thread = read_disqus(make_disqus(make_post(1, "<![CDATA[<p>&amp;lt; &eacute;</p>]]>")))
    assert thread.posts[0].body == "&lt; é"


def test_times_that_no_calendar_has_are_left_out() -> None:
    data = (DATA / "wordpress-xml.xml").read_bytes().replace(b"2020-11-11 08:00:00", b"2020-13-41 08:00:00")
    threads = list(read_xml(data, PATH))
    assert threads[0].posts[0].time == datetime(2020, 11, 10, 8, tzinfo=UTC)
    assert threads[1].posts[0].time is None
    assert threads[1].warnings == ("1 comment whose time cannot be read: left without one",)


def test_a_large_export_is_read_in_one_pass() -> None:
    data = make_disqus(*(make_post(number, f"Post {number} of many.", str(number - 1)) for number in range(10_000)))
    start = time.process_time()
    thread = read_disqus(data)
    assert time.process_time() - start < 60
    assert len(thread.posts) == 10_000
    assert thread.posts[-1].reply_to == 9_998
