"""What a report's page says of a thread: rows made into the views that its templates print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from stance.estimate import (
    ABSTAINED,
    STANCE_OUTCOMES,
    Row,
    judged_posts,
    present_attributes,
    row_heads,
    sentiment_outcome,
    stance_outcome,
)
from stance.records import SENTIMENTS, STANCES, TOXICITY
from stance.report.data import post_name, show_stance

if TYPE_CHECKING:
    from stance.table import Manifest

# How the page says that a reply link is known.
REPLY_BASIS = {
    "markup": "the page's own link",
    "nesting": "its place under that post",
    "number": "the number it names",
    "quote": "what it quotes",
    "mention": "the name it mentions",
}
UNKNOWN = "-"  # the author of posts that show none, for the filter
_QUEUE_LENGTH = 20  # posts suggested to a moderator
_QUEUE_WITHOUT_TOXIC = 5  # shown all the same where no post is toxic
_MAYBE_HOSTILE = 0.5  # of an attribute's threshold, from which a post may hold hostile words at all
_EXCERPT = 280  # characters
_LEAST_TOLD = 0.05  # probability of an attribute


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of a post's body: own words, or a quote with the place it comes from."""

    words: str
    toxic: tuple[tuple[int, int], ...] = ()  # stretches of the words that make the post toxic
    quoted: bool = False
    anchor: str | None = None  # of the source in the page; None: from outside the thread
    source: str = ""  # the source by name

    @property
    def parts(self) -> list[tuple[str, bool]]:
        """The words cut where toxic stretches start and end, each with whether it is one."""
        edges = [0, *(edge for stretch in self.toxic for edge in stretch), len(self.words)]
        cut = [(self.words[start:end], bool(place % 2)) for place, (start, end) in enumerate(pairwise(edges))]
        return [(text, toxic) for text, toxic in cut if text]


@dataclass(frozen=True, slots=True)
class StanceView:
    """One side's judgement beside a post."""

    side: str
    outcome: str
    probabilities: tuple[float, ...]  # as STANCES


@dataclass(frozen=True, slots=True)
class PostView:
    """One post, or the article, as the page shows it."""

    anchor: str
    name: str  # "No. 12" as printed, else its place in the thread
    author: str | None
    author_index: int | None  # among the named authors
    time: str | None
    passages: tuple[Passage, ...]
    reply: tuple[str, str, str] | None  # anchor and name of the post answered, how that is known
    words: int | None  # None: not tagged
    stance: tuple[StanceView, ...]
    toxicity: tuple[tuple[str, float, bool], ...]  # attribute, probability, whether present
    sentiment: tuple[str, float] | None  # outcome, probability of the likeliest; None: not judged, as an empty stance
    mention: float | None  # probability that hostile words are reported, not used; None: not worth a line
    codes: str  # first letter of each side's outcome, "x" where the tagger abstained: for the filter
    language: str | None  # where the tagger does not read it

    @property
    def judged(self) -> bool:
        """Whether the post counts in shares."""
        return bool(self.stance or self.toxicity or self.sentiment)

    @property
    def toxic(self) -> bool:
        """Whether any attribute is present."""
        return any(present for _, _, present in self.toxicity)

    @property
    def toxic_codes(self) -> str:
        """The attributes that are present, as their places in TOXICITY: for the filter."""
        return "".join(str(TOXICITY.index(name)) for name, _, present in self.toxicity if present)

    @property
    def told_toxicity(self) -> list[tuple[str, float, bool]]:
        """What a long page prints: attributes that are present or not quite unlikely, else the likeliest."""
        told = [one for one in self.toxicity if one[2] or one[1] >= _LEAST_TOLD]
        return told or sorted(self.toxicity, key=lambda one: -one[1])[:1]

    @property
    def excerpt(self) -> str:
        """The beginning of the own words."""
        words = " ".join(" ".join(one.words for one in self.passages if not one.quoted).split())
        return words if len(words) <= _EXCERPT else words[:_EXCERPT].rsplit(" ", 1)[0] + " …"


@dataclass(frozen=True, slots=True)
class AuthorView:
    """A named author's posts, or those of all unknown ones, which are not one person."""

    name: str | None
    show: str  # the author's posts, as the page's filter reads it
    first: str  # anchor of the first post
    posts: int
    words: int
    stance: tuple[tuple[tuple[str, int, str], ...], ...]  # a side: outcomes that occur, posts, filter of these


def view_posts(rows: Sequence[Row], manifest: Manifest) -> list[PostView]:
    """A view a row, in order."""
    names = {row["position"]: post_name(row) for row in rows if row["kind"] == "post"}
    authors = {name: index for index, name in enumerate(list_authors(rows))}
    return [_view_post(row, manifest, names, authors) for row in rows]


def list_authors(rows: Sequence[Row]) -> list[str]:
    """The named authors of posts, each once, in order of first appearance."""
    return list(dict.fromkeys(row["author"] for row in rows if row["kind"] == "post" and row["author"] is not None))


def view_authors(rows: Sequence[Row], sides: int) -> list[AuthorView]:
    """Named authors by number of posts, then the unknown ones, counted together for want of names.

    Nobody is ranked by toxicity here: a reader would take a tagger's mistakes for a person's record.
    """
    posts = [row for row in rows if row["kind"] == "post"]
    places = {name: str(index) for index, name in enumerate(list_authors(rows))}
    counts = Counter(row["author"] for row in posts if row["author"] is not None)
    by_author: dict[str | None, list[Row]] = {name: [] for name, _ in counts.most_common()}
    for row in posts:
        by_author.setdefault(row["author"], []).append(row)
    unknown = by_author.pop(None, None)
    views = [_view_author(name, places[name], own, sides) for name, own in by_author.items() if name is not None]
    return views if unknown is None else [*views, _view_author(None, UNKNOWN, unknown, sides)]


def rank_posts(posts: Sequence[PostView]) -> list[PostView]:
    """The posts most worth a moderator's look: toxic ones by probability of toxicity, else the likeliest few."""
    judged = [post for post in posts if post.toxicity]
    judged.sort(key=lambda post: (not post.toxic, -post.toxicity[0][1]))
    toxic = sum(post.toxic for post in judged)
    return judged[: min(toxic, _QUEUE_LENGTH) or _QUEUE_WITHOUT_TOXIC]


def count_foreign(rows: Sequence[Row], languages: Sequence[str]) -> list[tuple[str, int]]:
    """How many posts are in each language that the tagger does not read, most first."""
    found = Counter(row["language"] for row in rows if row["kind"] == "post" and row["language"])
    return [(language, count) for language, count in found.most_common() if languages and language not in languages]


def _view_mention(row: Row, manifest: Manifest) -> float | None:
    """The probability of a mention where it is worth a line: over its threshold, and where words may be hostile.

    Of texts without a hostile word the tagger knows no mention: what it says there means nothing.
    """
    values = zip(row["toxicity"].values(), manifest.toxicity_threshold, strict=True)
    hostile = any(value is not None and value >= _MAYBE_HOSTILE * cut for value, cut in values)
    return row["mention"] if hostile and (row["mention"] or 0) >= manifest.mention_threshold else None


def _view_post(row: Row, manifest: Manifest, names: Mapping[int, str], authors: Mapping[str, int]) -> PostView:
    heads, article = row_heads(row), row["kind"] == "article"
    present = present_attributes(row, manifest.toxicity_threshold)
    stance = [
        StanceView(judged["side"], stance_outcome(row, index), tuple(judged[name] for name in STANCES))
        for index, judged in enumerate(row["stance"] if "stance" in heads else ())
    ]
    toxicity = row["toxicity"] if "toxicity" in heads else {}
    likeliest = max(row["sentiment"][name] for name in SENTIMENTS) if "sentiment" in heads else 0.0
    return PostView(
        anchor="article" if article else f"p{row['position']}",
        name="Article" if article else post_name(row),
        author=row["author"],
        author_index=authors.get(row["author"]),
        time=None if row["time"] is None else f"{row['time']:%Y-%m-%d %H:%M} UTC",
        passages=tuple(_split_body(row, names)),
        reply=_view_reply(row, names),
        words=row["words"],
        stance=tuple(stance),
        toxicity=tuple((name, value, name in present) for name, value in toxicity.items() if value is not None),
        sentiment=(sentiment_outcome(row), likeliest) if "sentiment" in heads else None,
        mention=_view_mention(row, manifest) if heads else None,
        language=row["language"] if manifest.languages and row["language"] not in manifest.languages else None,
        codes="".join("x" if view.outcome == ABSTAINED else view.outcome[0] for view in stance),
    )


def _view_reply(row: Row, names: Mapping[int, str]) -> tuple[str, str, str] | None:
    if row["reply_to"] not in names:
        return None
    return f"p{row['reply_to']}", names[row["reply_to"]], REPLY_BASIS.get(row["reply_basis"], "")


def _split_body(row: Row, names: Mapping[int, str]) -> Iterator[Passage]:
    """The body from start to end, blank space around quotes left out."""
    body, position = row["body"], 0
    for quote in row["quotes"]:
        yield from _own_passage(row, position, quote["start"])
        source = quote["source"]
        words = body[quote["start"] : quote["end"]].strip("\r\n")
        if source == "article":
            yield Passage(words, quoted=True, anchor="article", source="the article")
        elif source is not None and int(source) in names:
            yield Passage(words, quoted=True, anchor=f"p{source}", source=names[int(source)])
        else:
            yield Passage(words, quoted=True, source="outside the thread")
        position = quote["end"]
    yield from _own_passage(row, position, len(body))


def _own_passage(row: Row, start: int, end: int) -> Iterator[Passage]:
    """The stretch of the body without line ends around it, with the evidence of toxicity that lies in it."""
    text = row["body"][start:end]
    words = text.strip("\r\n").rstrip()
    if not words.strip():
        return
    first = start + len(text) - len(text.lstrip("\r\n"))
    inside = [(one["start"] - first, one["end"] - first) for one in row["evidence"] or ()]
    yield Passage(words, tuple((low, high) for low, high in inside if 0 <= low < high <= len(words)))


def _view_author(name: str | None, place: str, posts: Sequence[Row], sides: int) -> AuthorView:
    judged, show = judged_posts(posts), f"author={place}"
    stance = []
    for side in range(sides):
        found = Counter(stance_outcome(row, side) for row in judged)
        told = ((outcome, found[outcome], f"{show}&{show_stance(side, outcome)}") for outcome in STANCE_OUTCOMES)
        stance.append(tuple(one for one in told if one[1]))
    words = sum(row["words"] or 0 for row in posts)
    return AuthorView(name, show, f"p{posts[0]['position']}", len(posts), words, tuple(stance))
