"""What coders get: a page to label in, which works offline and by keyboard alone, and a spreadsheet of the same posts.

Neither holds an author's name, a time, a stratum or anything that the tagger said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.estimate.judged import Gold
from stance.gold.labels import label_columns, write_sheet
from stance.html import render_page, write_file
from stance.records import SENTIMENTS, STANCES, TOXICITY, Side, StanceError

if TYPE_CHECKING:
    import pyarrow as pa

TEMPLATES = Path(__file__).parent / "templates"
CODEBOOK = Path(__file__).parent / "codebook.md"
_MOST_CELL = 32_000  # characters: a spreadsheet's cell takes 32,767
_EXCERPT = 300  # characters of the parent in the spreadsheet

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a post: the author's own words, or a quote and where it is from."""

    words: str
    quoted: str | None = None  # None: own words


@dataclass(frozen=True, slots=True)
class Shown:
    """A drawn post as coders see it."""

    thread: str
    post: str
    title: str  # of the thread; "" where it has none
    passages: tuple[Passage, ...]
    parent: tuple[Passage, ...]  # of the post that it answers; () where none is known


@dataclass(frozen=True, slots=True)
class Task:
    """What one coder gets: the posts in order, and how to judge them."""

    coder: str
    key: str  # of this sample: a browser keeps the labels of several apart by it
    topic: str
    sides: tuple[Side, ...]
    posts: tuple[Shown, ...]
    codebook: str  # as CODEBOOK


def list_shown(gold: Gold, tables: Sequence[pa.Table]) -> list[Shown]:
    """The drawn posts in order; ``tables`` are those that they were drawn from."""
    from stance.table import read_manifest

    wanted = {(one.thread, one.post) for one in gold.drawn}
    found: dict[tuple[str, str], Shown] = {}
    for table in tables:
        title = read_manifest(table).title or ""
        posts, parents = _pick_rows(table, wanted)
        for row in posts:
            parent = parents.get((row["thread"], row["reply_to"]))
            found[row["thread"], row["id"]] = Shown(
                row["thread"],
                row["id"],
                title,
                tuple(_split_body(row)),
                () if parent is None else tuple(_split_body(parent)),
            )
    return [found[one.thread, one.post] for one in gold.drawn]


def write_form(path: Path, task: Task) -> None:
    """The page: one file, which loads nothing and keeps labels in the browser until they are saved to a file."""
    context = {
        "task": task,
        "codebook": render_codebook(task.codebook),
        "data": _embed(
            {
                "key": task.key,
                "coder": task.coder,
                "sides": [side.name for side in task.sides],
                "stances": STANCES,
                "toxicity": TOXICITY,
                "sentiments": SENTIMENTS,
                "columns": ["order", "thread", "post", *label_columns([side.name for side in task.sides])],
                "posts": [_pack(shown) for shown in task.posts],
            }
        ),
    }
    write_file(path, render_page(TEMPLATES, "form.html", context, "form.js", "form.css"))


def write_spreadsheet(path: Path, task: Task) -> None:
    """The same posts as a CSV with empty columns for the labels; quoted lines begin with ">"."""
    labels = label_columns([side.name for side in task.sides])
    rows = (
        {
            "order": str(order),
            "thread": shown.thread,
            "post": shown.post,
            "text": _shorten(_as_text(shown.passages), _MOST_CELL),
            "parent": _shorten(_as_text(shown.parent), _EXCERPT),
        }
        for order, shown in enumerate(task.posts, start=1)
    )
    write_sheet(path, ["order", "thread", "post", "text", "parent", *labels], rows)


def read_codebook(path: Path | None) -> str:
    """The text of a codebook, of the shipped one without a path."""
    try:
        return (path or CODEBOOK).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise StanceError(f"{path}: the codebook cannot be read ({error}). Name a text file in UTF-8.") from error


def render_codebook(text: str) -> str:
    """HTML of a codebook: "## " before a heading, "- " before each line of a list, **words** for emphasis, blank lines
    between blocks. Everything else is text."""
    blocks: list[str] = []
    for block in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        lines = [re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escape(line.strip())) for line in block.splitlines()]
        if block.lstrip().startswith("#"):
            blocks.append(f"<h3>{lines[0].lstrip('#').strip()}</h3>")
            lines = lines[1:]
        if lines and all(line.startswith("- ") for line in lines):
            blocks.append("<ul>" + "".join(f"<li>{line[2:]}</li>" for line in lines) + "</ul>")
        elif lines:
            blocks.append(f"<p>{'<br>'.join(lines)}</p>")
    return "\n".join(blocks)


def _pick_rows(table: pa.Table, wanted: set[tuple[str, str]]) -> tuple[list[Row], dict[tuple[str, int | None], Row]]:
    """The rows of the wanted posts, and by thread and position those that they answer; no others become objects."""
    import pyarrow as pa

    threads, ids, kinds, positions, replies = (
        table.column(name).to_pylist() for name in ("thread", "id", "kind", "position", "reply_to")
    )
    places = {(threads[row], positions[row]): row for row in range(len(ids)) if kinds[row] == "post"}
    posts = [row for row in places.values() if (threads[row], ids[row]) in wanted]
    answered = {(threads[row], replies[row]) for row in posts} & places.keys()
    text = table.select(["thread", "id", "position", "body", "quotes", "reply_to"])
    parents = {place: text.slice(places[place], 1).to_pylist()[0] for place in answered}
    return text.take(pa.array(posts, pa.int64())).to_pylist(), parents


def _split_body(row: Row) -> Iterator[Passage]:
    """The body from start to end, blank space around quotes left out."""
    start = 0
    for quote in [*row["quotes"], None]:
        words = row["body"][start : len(row["body"]) if quote is None else quote["start"]].strip()
        if words:
            yield Passage(words)
        if quote is not None:
            source = {None: "from elsewhere", "article": "from the article"}.get(
                quote["source"], "from an earlier post"
            )
            yield Passage(row["body"][quote["start"] : quote["end"]].strip(), source)
            start = quote["end"]


def _as_text(passages: Sequence[Passage]) -> str:
    """Own words as they are, quotes with "> " before each line."""
    parts = []
    for one in passages:
        lines = one.words.splitlines() if one.quoted else [one.words]
        parts.append("\n".join(f"> {line}" if one.quoted else line for line in lines))
    return "\n\n".join(parts)


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 2] + " …"


def _pack(shown: Shown) -> dict[str, Any]:
    def pack(passages: Sequence[Passage]) -> list[list[str | None]]:
        return [[one.words, one.quoted] for one in passages]

    return {
        "thread": shown.thread,
        "post": shown.post,
        "title": shown.title,
        "passages": pack(shown.passages),
        "parent": pack(shown.parent),
    }


def _embed(values: Any) -> str:
    """JSON that cannot end the element around it: no "<", so neither "</script>" nor "<!--"."""
    return json.dumps(values, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
