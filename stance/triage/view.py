"""What a moderator sees of a post: the post itself, what stands around it, and why it is here. Plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stance.records import TOXICITY

if TYPE_CHECKING:
    import pyarrow as pa

    from stance.table import Manifest
    from stance.triage.severity import Scored

MOST_TEXT = 20_000  # characters of the post
MOST_AROUND = 600  # of a post beside it
MOST_OTHERS = 8  # posts of the same author
MOST_MEMBERS = 50  # repeats that are listed
# Attributes whose words a reader should be able to put off: over their threshold the post opens blurred.
STRONG = ("threat", "obscene", "identity_attack")

Row = Mapping[str, Any]


class Surroundings:
    """Finds the rows around a post of one table, without making plain values of all rows."""

    def __init__(self, table: pa.Table, manifest: Manifest) -> None:
        self.table, self.manifest = table, manifest

    @cached_property
    def threads(self) -> list[str]:
        threads: list[str] = self.table.column("thread").to_pylist()
        return threads

    @cached_property
    def by_position(self) -> dict[tuple[str, int], int]:
        """The row of each post by thread and position."""
        positions = self.table.column("position").to_pylist()
        return {
            (thread, position): row
            for row, (thread, position) in enumerate(zip(self.threads, positions, strict=True))
            if position is not None
        }

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Posts of each thread."""
        counts: dict[str, int] = {}
        for thread, _ in self.by_position:
            counts[thread] = counts.get(thread, 0) + 1
        return counts

    @cached_property
    def replies(self) -> dict[tuple[str, int], int]:
        """The row of the first reply by thread and position of the post answered."""
        found: dict[tuple[str, int], int] = {}
        for row, (thread, to) in enumerate(zip(self.threads, self.table.column("reply_to").to_pylist(), strict=True)):
            if to is not None:
                found.setdefault((thread, to), row)
        return found

    @cached_property
    def by_author(self) -> dict[tuple[str, str], list[int]]:
        """The rows of each named author of a thread."""
        found: dict[tuple[str, str], list[int]] = {}
        for row, (thread, author) in enumerate(zip(self.threads, self.table.column("author").to_pylist(), strict=True)):
            if author is not None:
                found.setdefault((thread, author), []).append(row)
        return found

    def take(self, rows: Sequence[int]) -> list[Row]:
        """Some rows as plain values, in this order."""
        taken: list[Row] = self.table.take(list(rows)).to_pylist()
        return taken


def view_item(around: Surroundings, members: Sequence[tuple[Surroundings, Scored]]) -> dict[str, Any]:
    """The leader of a group (the first member, whose table is ``around``) as its page needs it."""
    row = around.take([members[0][1].row])[0]
    thread, position = row["thread"], row["position"]
    same = [one for one in around.by_author.get((thread, row["author"]), ()) if one != members[0][1].row]
    nearest = sorted(same, key=lambda one: abs(one - members[0][1].row))[:MOST_OTHERS]
    answered = around.by_position.get((thread, -1 if row["reply_to"] is None else row["reply_to"]))
    reply = around.replies.get((thread, position))
    return {
        "thread": thread,
        "post": row["id"],
        "title": around.manifest.title if len(around.lengths) == 1 else None,
        "name": name_post(row),
        "place": [position + 1, around.lengths[thread]],
        "author": row["author"],
        "time": None if row["time"] is None else f"{row['time']:%Y-%m-%d %H:%M} UTC",
        "passages": split_body(row, around),
        "cut": len(row["body"]) > MOST_TEXT,
        "toxicity": list_attributes(row, around.manifest),
        "mention": row["mention"],
        "strong": is_strong(row, around.manifest),
        "parent": None if answered is None else view_beside(around, answered),
        "reply": None if reply is None else view_beside(around, reply),
        "others": [view_beside(around, one) for one in sorted(nearest)],
        "others_left": len(same) - len(nearest),
        "members": [view_member(*member) for member in members[1 : MOST_MEMBERS + 1]],
        "members_left": max(len(members) - 1 - MOST_MEMBERS, 0),
    }


def name_post(row: Row) -> str:
    """What the post is called: by its printed number, else by its place from 1."""
    return f"No. {row['number']}" if row["number"] is not None else f"Post {row['position'] + 1}"


def list_attributes(row: Row, manifest: Manifest) -> list[tuple[str, float, bool]]:
    """The attributes that are judged: name, probability, whether at or over its threshold."""
    values = row["toxicity"] or {}
    pairs = zip(TOXICITY, manifest.toxicity_threshold, strict=True)
    return [(name, values[name], values[name] >= cut) for name, cut in pairs if values.get(name) is not None]


def is_strong(row: Row, manifest: Manifest) -> bool:
    return any(present and name in STRONG for name, _, present in list_attributes(row, manifest))


def view_beside(around: Surroundings, row_number: int) -> dict[str, Any]:
    """A post beside the one to be decided: its beginning, quotes left out."""
    row = around.take([row_number])[0]
    own = " ".join(text for kind, text, _ in cut_body(row) if kind != "quote" and text.strip())
    return {
        "name": name_post(row),
        "author": row["author"],
        "text": shorten(own or "(quotes only)", MOST_AROUND),
        "strong": is_strong(row, around.manifest),
    }


def view_member(around: Surroundings, scored: Scored) -> dict[str, Any]:
    row = around.take([scored.row])[0]
    return {"thread": scored.thread, "post": scored.post, "name": name_post(row), "author": row["author"]}


def split_body(row: Row, around: Surroundings) -> list[dict[str, Any]]:
    """The body as passages in order: own words in parts, each toxic or not; quotes with the name of their source."""
    passages: list[dict[str, Any]] = []
    for kind, text, source in cut_body({**row, "body": row["body"][:MOST_TEXT]}):
        if kind == "quote":
            passages.append({"quote": text.strip("\r\n"), "source": name_source(row["thread"], source, around)})
        elif text.strip() or (passages and "parts" in passages[-1]):
            if not passages or "parts" not in passages[-1]:
                passages.append({"parts": []})
                text = text.lstrip("\r\n")
            passages[-1]["parts"].append((text, kind == "toxic"))
    return passages


def cut_body(row: Row) -> list[tuple[str, str, str | None]]:
    """The body cut into stretches (kind, text, source): kind is "own", "toxic" or "quote"; blank ones too."""
    body = row["body"]
    marks = [(one["start"], one["end"], "quote", one["source"]) for one in row["quotes"] or ()]
    marks += [(one["start"], one["end"], "toxic", None) for one in row["evidence"] or ()]
    found, position = [], 0
    for start, end, kind, source in sorted(marks, key=lambda mark: mark[:2]):
        first, last = max(start, position), min(end, len(body))
        if first < last:
            found += [("own", body[position:first], None), (kind, body[first:last], source)]
            position = last
    found.append(("own", body[position:], None))
    return [stretch for stretch in found if stretch[1]]


def name_source(thread: str, source: str | None, around: Surroundings) -> str:
    """Where a quote comes from, in words."""
    if source is None:
        return "outside the thread"
    if source == "article":
        return "the article"
    row = around.by_position.get((thread, int(source)))
    return "another post" if row is None else name_post(around.take([row])[0])


def shorten(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"
