"""Input for the readers that is broken, or nearly right: mutated copies of real files, and made ones."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

ROOT = Path(__file__).parent.parent.parent
SHARED = ROOT.parent / "shared" / "threads"
TAG = re.compile(rb"<[^>]{0,400}>")
TOKEN = re.compile(r"zq[0-9]+zq")  # made words, each in one post only: where they go is seen

# Mutated copies of real files


def load_originals(folders: Iterable[Path] = (SHARED, ROOT / "tests" / "data", ROOT / "seeds")) -> dict[str, bytes]:
    """The development threads, some threads of the quotes set as JSON lines, and the inputs of the tests."""
    files = [path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {
        str(path): path.read_bytes() for path in files if ".gold" not in path.name and "iac_quotes" not in path.name
    }
    quoted = SHARED / "iac_quotes_dev.jsonl.gz"
    if quoted.exists():
        with gzip.open(quoted, "rt", encoding="utf-8") as lines:
            for line in itertools.islice(lines, 5):
                thread = json.loads(line)
                rows = [
                    json.dumps({"id": at, "author": post["author"], "text": post["body"], "reply_to": post["parent"]})
                    for at, post in enumerate(thread["posts"])
                ]
                found[f"iac{thread['id']}.jsonl"] = "\n".join(rows).encode()
    return found


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The data after one to four of MUTATIONS."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(MUTATIONS)(data, chance) or data
    return data


def flip_bytes(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 4, 64))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut_off(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    return chance.choice((data[:at], data[at:]))


def cut_out(data: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(data)) for _ in range(2))
    return data[:start] + data[end:]


def repeat_part(data: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 40, 2000))]
    return data[:start] + part * chance.choice((2, 10, 200)) + data[start:]


def swap_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 5, 50))):
        one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def repeat_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    part = lines[at : at + chance.choice((1, 3, 30))]
    return b"\n".join(lines[:at] + part * chance.choice((2, 20)) + lines[at:])


def join_lines(data: bytes, chance: random.Random) -> bytes:
    return data.replace(b"\n", chance.choice((b"", b" ", b"\r", b"\r\n", b"\n\n", b"\x0c", "\u2028".encode())))


def remove_tags(data: bytes, chance: random.Random) -> bytes:
    kept = chance.random()
    return TAG.sub(lambda tag: tag[0] if chance.random() < kept else b"", data)


def change_encoding(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", errors="replace")
    codec = chance.choice(("cp1252", "latin-1", "cp1251", "utf-16", "utf-16-be", "utf-32", "utf-8-sig", "mojibake"))
    if codec == "mojibake":
        return data.decode("latin-1").encode()
    return text.encode(codec, errors="replace")


def insert_signs(data: bytes, chance: random.Random) -> bytes:
    signs = (
        b"\0",
        "\u200b".encode(),
        "\u202e".encode(),
        "\ufeff".encode(),
        b"\xff",
        b"&#0;",
        b"\\ud800",
        b"<!--",
        b'"',
    )
    for _ in range(chance.choice((1, 10))):
        at = chance.randrange(len(data))
        data = data[:at] + chance.choice(signs) * chance.choice((1, 1, 50)) + data[at:]
    return data


def nest_deeply(data: bytes, chance: random.Random) -> bytes:
    opening = (
        b"<div>",
        b"<blockquote>",
        b"<ol><li>",
        b"[quote]",
        b"> ",
        b'{"children":[',
        b"[",
        b"<a b='",
        b"&lt;",
        b"((",
    )
    at = chance.randrange(len(data))
    return data[:at] + chance.choice(opening) * chance.choice((30, 3000)) + data[at:]


def stretch_line(data: bytes, chance: random.Random) -> bytes:
    unit = chance.choice((b"a", b" ", b"word ", b"1. ", b"> ", b"\n", b"-", b".", b"@", b"&amp;", b"<b>", b"\t", b": "))
    at = chance.randrange(len(data))
    return data[:at] + unit * (chance.choice((1000, 200_000)) // len(unit)) + data[at:]


def change_numbers(data: bytes, chance: random.Random) -> bytes:
    values = (b"0", b"-1", b"99999999999999999999", b"1e999", b"NaN", b"null", b"true", b'""', b"[]", b"{}", b"3.5")
    share = chance.choice((0.01, 0.2))
    return re.sub(rb"[0-9]+", lambda number: chance.choice(values) if chance.random() < share else number[0], data)


def copy_numbers(data: bytes, chance: random.Random) -> bytes:
    """Some numbers become other numbers of the same file: ids twice, parents in circles."""
    numbers = re.findall(rb"[0-9]{1,12}", data)
    if not numbers:
        return data
    share = chance.choice((0.05, 0.5))
    return re.sub(rb"[0-9]+", lambda number: chance.choice(numbers) if chance.random() < share else number[0], data)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bytes, cut_off, cut_out, repeat_part, swap_lines, repeat_lines, join_lines, remove_tags, change_encoding,
    insert_signs, nest_deeply, stretch_line, change_numbers, copy_numbers,
)  # fmt: skip


# Made files


@dataclass(frozen=True, slots=True)
class Made:
    """A file, and the made words that its posts have."""

    suffix: str
    data: bytes
    torn: bool = False  # tags were taken out, so that nobody can say what a post was

    @property
    def tokens(self) -> tuple[str, ...]:
        return () if self.torn else tuple(TOKEN.findall(self.data.decode("utf-8", errors="replace")))


NAMES = st.sampled_from(
    ("ann", "Bob B.", "<b>Eve</b>", "Élise", "عمر", "\u202eevil", "[deleted]", "Anonymous", "", "x" * 300)
)
DATES = st.sampled_from(
    (
        "August 8, 2012", "8. August 2012 um 10:23", "le 8 août 2012 à 10h23", "8 de agosto de 2012", "8 августа 2012",
        "8 agosto 2012, 10:23", "8 Ağustos 2012", "8 de agosto de 2012 às 10:23", "February 31, 2012", "99.99.9999",
        "2012-08-08T10:23:00Z", "2012-13-45T99:99:99", "3 years ago", "1344421380", "-1", "11.06.12 at 11:06 am", "",
    )
)  # fmt: skip
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(("", "\ud800", "t1_zz", "[removed]", 10**400, 1e308, [], {}, [[]], [None], {"data": None})),
)


def make_bodies(draw: Callable[..., Any], count: int) -> list[str]:
    """A body for each of count posts, every one with a made word of its own; some quote an earlier one."""
    words = st.lists(
        st.sampled_from(["the", "harbour", "should", "stay", "open", "1.", "2)", ">", "@ann", "Bob", "says:", "*"]),
        max_size=12,
    )
    bodies: list[str] = []
    for at in range(count):
        body = f"zq{at}zq {' '.join(draw(words))}".strip()
        if bodies and draw(st.booleans()):
            earlier = draw(st.sampled_from(bodies))
            body = f"{earlier}{draw(st.sampled_from((' ', chr(10), chr(10) * 2)))}{body}"[-2000:]
        bodies.append(body)
    return bodies


@st.composite
def make_text(draw: Callable[..., Any]) -> Made:
    """Lines that look like the headers of text dumps, in one layout or in several at once."""
    layouts = (
        "{n}. {name} says\n\n    {body}\n\n", "  {n}. {body}\n\n", "{name} says:\n{date}\n\n{body}\n\n",
        "{name} {date}\n\n{body}\n\n", "{date}\n{name}\n{body}\n", "{body}\nPosted by: {name} | {date}\n\n",
        "by {name} on {date}\n{body}\nReply\n", "u/{name} {date}\n{n} points\n{body}\n\n",
        "#{n}\n{name}\nMember\n{body}\n",
        "{name} {n} days ago\n{body}\nLike Reply\n", "{body} {name} (talk) 11:06, 8 August 2012 (UTC)\n",
        "{body}\n\n\n\n",
        "@{name} {body}\n", "> {body}\n", "{name} wrote:\n> {body}\n", "{n}) {body}\n", "{name}\n\n",
    )  # fmt: skip
    count = draw(st.integers(1, 12))
    chosen = draw(st.lists(st.sampled_from(layouts), min_size=1, max_size=3))
    posts = [
        draw(st.sampled_from(chosen)).format(n=number, name=draw(NAMES), date=draw(DATES), body=body)
        for number, body in enumerate(make_bodies(draw, count), start=draw(st.sampled_from((0, 1, 998))))
    ]
    opening = draw(st.sampled_from(("", "A title\n\nAn article of some words.\n\n", "3 Responses to A title\n\n")))
    text = opening + "".join(posts)
    return Made(".txt", draw(st.sampled_from((text, text.replace("\n", "\r\n"), text.replace(" ", "\u00a0")))).encode())


PAGES = (  # what stands around the posts, a post with {children}, or children after it
    ("<ol class='comment-list'>{posts}</ol>",
     "<li class='comment depth-1' id='comment-{n}'><div class='comment-author'><b class='fn'>{name}</b></div>"
     "<div class='comment-metadata'><time datetime='{date}'>{date}</time></div>"
     "<div class='comment-content'><p>{body}</p>"
     "</div><ol class='children'>{children}</ol></li>"),
    ("<ol class='commentlist'>{posts}</ol>",
     "<li class='comment' id='li-comment-{n}'><div id='comment-{n}'><cite class='fn'>{name}</cite> <span class='says'>"
     "says:</span><div class='comment-meta commentmetadata'><a>{date}</a></div><div class='comment-body'><p>{body}</p>"
     "</div></div><ul class='children'>{children}</ul></li>"),
    ("<div class='p-body'>{posts}</div>",
     "<article class='message message--post' data-author='{name}' data-content='post-{n}'>"
     "<time datetime='{date}'></time>"
     "<div class='bbWrapper'><blockquote class='bbCodeBlock--quote' data-source='post: {p}'>x</blockquote>{body}</div>"
     "</article>{children}"),
    ("<div>{posts}</div>",
     "<div class='topic-body crawler-post' id='post_{n}'><div class='crawler-post-meta'><span class='creator'>"
     "<span itemprop='name'>{name}</span></span></div><div class='post' itemprop='text'>"
     "<aside class='quote' data-post='{p}'>"
     "<blockquote>x</blockquote></aside><p>{body}</p></div></div>{children}"),
    ("<table>{posts}</table>",
     "<tr class='athing comtr' id='{n}'><td class='ind' indent='{p}'></td><td><a class='hnuser'>{name}</a>"
     "<span class='age' title='{date}'></span><div class='commtext c00'>{body}</div></td></tr>{children}"),
    ("<div class='commentarea'>{posts}</div>",
     "<div class='thing comment' data-author='{name}' data-fullname='t1_{n}'>"
     "<div class='usertext-body'><div class='md'>"
     "<p>{body}</p></div></div><div class='child'>{children}</div></div>"),
    ("<div id='comments'>{posts}</div>",
     "<div class='wpd-comment' id='wpd-comm-{n}_{p}'><div class='wpd-comment-author'>{name}</div>"
     "<div class='wpd-comment-text'>"
     "<p>{body}</p></div>{children}</div>"),
    ("<ul>{posts}</ul>",
     "<li class='comment' id='c{n}'><cite class='user'>{name}</cite><span class='datetime'><a>{date}</a></span>"
     "<p class='comment-content'>{body}</p><div class='comment-replies'><ul>{children}</ul></div></li>"),
    ("<div>{posts}</div>",
     "<div itemscope itemtype='https://schema.org/Comment'><span itemprop='author'>{name}</span>"
     "<div itemprop='text'>{body}"
     "</div></div>{children}"),
    ("<div class='entries'>{posts}</div>",
     "<div class='entry'><b>{name}</b> <i>{date}</i><p>{body}</p></div>{children}"),
    ("<div id='page-body'>{posts}</div>",
     "<div class='post' id='p{n}'><div class='postbody'><p class='author'><a class='username'>{name}</a> » {date}</p>"
     "<div class='content'>{body}</div></div></div>{children}"),
)  # fmt: skip


@st.composite
def make_page(draw: Callable[..., Any]) -> Made:
    """A page of one platform's markup, well formed or with tags taken out."""
    around, one = draw(st.sampled_from(PAGES))
    count = draw(st.integers(1, 9))
    posts = ""
    for number, body in reversed(list(enumerate(make_bodies(draw, count)))):
        marked = draw(
            st.sampled_from(("{}", "<blockquote>{}</blockquote>zq9{}zq", "<ul><li>{}</ul>", "<pre>{}</pre>", "{}<br>"))
        )
        filled = marked.replace("{}", body.replace("<", "&lt;"), 1).replace("{}", str(number))
        known = {
            "n": number,
            "p": draw(st.integers(0, count)),
            "name": draw(NAMES),
            "date": draw(DATES),
            "body": filled,
        }
        nested = draw(st.booleans())
        posts = one.format(**known, children=posts) if nested else one.format(**known, children="") + posts
    page = f"<html><head><title>T</title></head><body>{around.format(posts=posts)}</body></html>".encode()
    if draw(st.booleans()):
        return Made(".html", remove_tags(page, random.Random(draw(st.integers(0, 2**32)))), torn=True)
    return Made(".html", page)


def shape_reddit(posts: list[Any]) -> Any:
    def wrap(at: int) -> Any:
        below = [wrap(child) for child, post in enumerate(posts) if post[3] == at]
        name, _date, body = posts[at][:3]
        data = {"id": f"c{at}", "name": f"t1_c{at}", "author": name, "body": body, "created_utc": 1344421380 + at,
                "replies": {"kind": "Listing", "data": {"children": below}} if below else ""}  # fmt: skip
        return {"kind": "t1", "data": data}

    roots = [wrap(at) for at, post in enumerate(posts) if post[3] is None]
    link = {"kind": "t3", "data": {"id": "s", "name": "t3_s", "title": "T", "selftext": "article", "author": "op"}}
    return [
        {"kind": "Listing", "data": {"children": [link]}},
        {"kind": "Listing", "data": {"children": roots}},
    ]


def shape_hacker_news(posts: list[Any]) -> Any:
    def wrap(at: int) -> Any:
        below = [wrap(child) for child, post in enumerate(posts) if post[3] == at]
        name, date, body = posts[at][:3]
        return {"id": at + 2, "type": "comment", "author": name, "text": f"<p>{body}", "created_at": date,
                "created_at_i": at, "parent_id": 1, "story_id": 1, "children": below}  # fmt: skip

    roots = [wrap(at) for at, post in enumerate(posts) if post[3] is None]
    return {"id": 1, "type": "story", "title": "T", "author": "op", "text": None, "created_at_i": 1, "children": roots}


def shape_discourse(posts: list[Any]) -> Any:
    rows = [
        {"id": 100 + at, "username": name, "created_at": date, "cooked": f"<p>{body}</p>", "post_number": at + 1,
         "post_type": 1, "reply_to_post_number": None if parent is None else parent + 1}
        for at, (name, date, body, parent) in enumerate(posts)
    ]  # fmt: skip
    return {"id": 9, "title": "T", "post_stream": {"posts": rows, "stream": [row["id"] for row in rows]}}


def shape_youtube(posts: list[Any]) -> Any:
    def snippet(at: int) -> Any:
        name, date, body, _ = posts[at]
        shown = {"textOriginal": body, "textDisplay": body, "authorDisplayName": name, "publishedAt": date}
        return {"id": f"y{at}", "kind": "youtube#comment", "snippet": shown}

    items = []
    for at, post in enumerate(posts):
        if post[3] is None:
            below = [snippet(child) for child, other in enumerate(posts) if other[3] == at]
            top = {"videoId": "v", "topLevelComment": snippet(at), "totalReplyCount": len(below)}
            items.append(
                {"id": f"y{at}", "kind": "youtube#commentThread", "snippet": top, "replies": {"comments": below}}
            )
    return {"kind": "youtube#commentThreadListResponse", "items": items}


def shape_telegram(posts: list[Any]) -> Any:
    rows = [
        {"id": at + 1, "type": "message", "date": date, "from": name, "from_id": f"user{at}",
         "text": [body, {"type": "bold", "text": "!"}] if at % 2 else body,
         **({} if parent is None else {"reply_to_message_id": parent + 1})}
        for at, (name, date, body, parent) in enumerate(posts)
    ]  # fmt: skip
    return {"name": "T", "type": "public_supergroup", "id": 1, "messages": rows}


def shape_isso(posts: list[Any]) -> Any:
    rows = [
        {"id": at, "author": name, "email": None, "website": None, "created": date, "text": body, "remote_addr": ""}
        for at, (name, date, body, _) in enumerate(posts)
    ]
    return [{"id": "/t", "title": "T", "comments": rows}]


SHAPES = (shape_reddit, shape_hacker_news, shape_discourse, shape_youtube, shape_telegram, shape_isso)


def make_posts(draw: Callable[..., Any], flat: bool = False) -> list[tuple[str, str, str, int | None]]:
    """Name, date, body and parent of some posts."""
    bodies = make_bodies(draw, draw(st.integers(1, 8)))
    parents = [draw(st.sampled_from((None, *range(at)))) if at else None for at in range(len(bodies))]
    if flat:  # answers to top posts only
        parents = [parent if parent is None or parents[parent] is None else None for parent in parents]
    return [(draw(NAMES), draw(DATES), body, parent) for body, parent in zip(bodies, parents, strict=True)]


def damage(draw: Callable[..., Any], value: Any) -> None:
    """Change one value somewhere inside, leave one out, or repeat one."""
    place = value
    for _ in range(draw(st.integers(1, 9))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        if isinstance(place[key], dict | list) and draw(st.integers(0, 3)):
            place = place[key]
            continue
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del place[key]
        elif kind == 1 and isinstance(place, list):
            place.append(place[key])
        else:
            place[key] = draw(JUNK)
        return


@st.composite
def make_json(draw: Callable[..., Any]) -> Made:
    """An export in JSON, right or with up to three values damaged."""
    shape = draw(st.sampled_from(SHAPES))
    value = json.loads(json.dumps(shape(make_posts(draw, flat=shape is shape_youtube))))
    for _ in range(draw(st.integers(0, 3))):
        damage(draw, value)
    return Made(".json", dump(value))


def dump(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):  # a number of too many digits
        return b"[]"


@st.composite
def make_rows(draw: Callable[..., Any]) -> Made:
    """JSON lines: a table of ours, Reddit's comments, or ConvoKit's utterances."""
    kind = draw(st.integers(0, 2))
    lines = []
    for at, (name, date, body, parent) in enumerate(make_posts(draw)):
        if kind == 0:
            row: Any = {"id": at, "author": name, "text": body, "reply_to": parent}
        elif kind == 1:
            above = "t3_s" if parent is None else f"t1_c{parent}"
            row = {
                "id": f"c{at}",
                "link_id": "t3_s",
                "parent_id": above,
                "author": name,
                "body": body,
                "created_utc": at,
            }
            row |= {"subreddit": "x", "score": 1}
        else:
            row = {
                "id": f"u{at}",
                "speaker": name,
                "conversation_id": "u0",
                "text": body,
                "timestamp": date,
                "meta": {},
            }
            row["reply_to"] = None if parent is None else f"u{parent}"
        if draw(st.integers(0, 5)) == 0:
            damage(draw, row)
        lines.append(dump(row))
    if draw(st.integers(0, 5)) == 0:
        lines.insert(
            draw(st.integers(0, len(lines))), draw(st.sampled_from((b"{", b"null", b"[1]", b"\xff", b"", b"1e999")))
        )
    return Made(draw(st.sampled_from((".jsonl", ".ndjson"))), b"\n".join(lines))


@st.composite
def make_xml(draw: Callable[..., Any]) -> Made:
    """A Disqus or a WordPress export, well formed or with tags taken out."""
    posts = make_posts(draw)
    disqus = draw(st.booleans())
    parts = []
    for at, (name, date, body, parent) in enumerate(posts):
        plain = "".join(sign for sign in name if sign not in "<>&")
        if disqus:
            above = "" if parent is None else f'<parent dsq:id="{parent}"/>'
            parts.append(
                f'<post dsq:id="{at}"><message><![CDATA[<p>{body}</p>]]></message><createdAt>{date}</createdAt>'
                f"<isDeleted>false</isDeleted><isSpam>false</isSpam><author><name>{plain}</name></author>"
                f'<thread dsq:id="t"/>{above}</post>'
            )
        else:
            parts.append(
                f"<wp:comment><wp:comment_id>{at + 1}</wp:comment_id>"
                f"<wp:comment_author><![CDATA[{plain}]]></wp:comment_author>"
                f"<wp:comment_date_gmt>{date}</wp:comment_date_gmt><wp:comment_content><![CDATA[{body}]]></wp:comment_content>"
                f"<wp:comment_approved>1</wp:comment_approved><wp:comment_type></wp:comment_type>"
                f"<wp:comment_parent>{0 if parent is None else parent + 1}</wp:comment_parent></wp:comment>"
            )
    if disqus:
        spaces = 'xmlns="http://disqus.com" xmlns:dsq="http://disqus.com/disqus-internals"'
        text = f'<disqus {spaces}><thread dsq:id="t"><title>T</title></thread>{"".join(parts)}</disqus>'
    else:
        space = f'xmlns:wp="http://wordpress.org/export/1.{draw(st.integers(0, 3))}/"'
        text = f"<rss {space}><channel><title>B</title><item><title>T</title>{''.join(parts)}</item></channel></rss>"
    data = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    if draw(st.integers(0, 3)) == 0:
        data = mutate(data, random.Random(draw(st.integers(0, 2**32))))
    return Made(".xml", data)


@st.composite
def make_csv(draw: Callable[..., Any]) -> Made:
    """A table with a header, its columns named in one of several ways."""
    heads = draw(
        st.sampled_from(
            (("id", "author", "text", "reply_to"), ("ID", "User", "Comment", "parent_id"), ("a", "b", "c", "d"))
        )
    )
    file = io.StringIO()
    writer = csv.writer(file, delimiter=draw(st.sampled_from(",;\t")))
    writer.writerow(heads)
    for at, (name, _, body, parent) in enumerate(make_posts(draw)):
        writer.writerow((at, name, body, "" if parent is None else parent)[: draw(st.sampled_from((4, 4, 4, 3)))])
    data = file.getvalue().encode()
    if draw(st.integers(0, 3)) == 0:
        data = mutate(data, random.Random(draw(st.integers(0, 2**32))))
    return Made(".csv", data)


MAKERS: dict[str, Callable[[], st.SearchStrategy[Made]]] = {
    "text": make_text, "page": make_page, "json": make_json, "rows": make_rows, "xml": make_xml, "csv": make_csv,
}  # fmt: skip
