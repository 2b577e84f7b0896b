"""Saved pages: which platform made a page, and its posts with the names, times, quotes and replies that it shows.

Every platform that a page may be of (`stance.read.pages.platforms`) is tried; the one that finds the most posts with a
name and words wins. Pages of none are read by their JSON-LD, then by blocks that repeat, and say that they are less
sure.
"""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stance.read.fences import is_large, tame_markup
from stance.read.markup import Marked, cut_circles, link_quotes, read_name, read_node
from stance.read.pages.blocks import guess_platforms
from stance.read.pages.fields import Fields, find_fields, make_unique, read_author
from stance.read.pages.linked import read_linked_data
from stance.read.pages.platforms import PLATFORMS, Platform
from stance.records import Post, Reading, Reply, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from selectolax.lexbor import LexborHTMLParser

FORMAT = "page"
EMBEDS = (  # comment systems that load by script: a saved page has none of their comments
    (
        "Disqus",
        re.compile(r"disqus\.com/embed|disqus_shortname|disqus_thread|disqus-embed", re.IGNORECASE),
        "export them as XML (Disqus Admin, Community, Export)",
    ),
    (
        "Coral",
        re.compile(r"coral_thread|coralproject|coral-display-comments|id=[\"']?coral-", re.IGNORECASE),
        "ask the site for an export",
    ),
    (
        "OpenWeb (Spot.IM)",
        re.compile(r"spot\.im/|data-spotim|openweb\.com", re.IGNORECASE),
        "ask the site for an export",
    ),
    ("Facebook comments", re.compile(r"fb-comments|fb:comments", re.IGNORECASE), "ask the site for an export"),
    ("Livefyre", re.compile(r"livefyre", re.IGNORECASE), "ask the site for an export"),
)
ARTICLES = ("[itemprop=articleBody]", ".entry-content", ".post-content", ".article-body", ".article-content")
BESIDE = (  # in an <article>, but none of its text
    "nav, aside, footer, header, form, figure, [class*=share], [class*=social], [class*=related], [class*=comment]"
    ", [class*=meta], [class*=author], [class*=tags], [class*=breadcrumb], [class*=newsletter], [class*=promo]"
)
FEWEST_PIXELS = 8  # of a level, where depth is an indent
FEW_WORDS = 25  # a marked article of fewer is a teaser, or the wrong box
MOST_CHARACTERS = 4_000_000  # of a page that trafilatura is asked about
MANY_WORDS = 100  # enough for an <article> that nothing else marks


@dataclass(frozen=True, slots=True)
class Try:
    """A page read as one platform's: how many posts it has."""

    fields: Fields
    posts: int  # with words
    whole: int  # with words and a name
    certainty: float

    @property
    def score(self) -> float:
        return self.whole + 0.01 * self.posts


def read_page(text: str, path: Path, platform: str | None = None) -> Thread:
    """The loose thread of a page. StanceError where its comments are loaded by script, so that it holds none."""
    from selectolax.lexbor import LexborHTMLParser

    large = is_large(text)
    tree = LexborHTMLParser(tame_markup(text))
    tries = _try_platforms(tree, platform, large)
    linked = None if platform or (tries and tries[0].whole) else read_linked_data(tree)
    if linked:
        posts, warnings = linked
        reading = Reading(FORMAT, "json-ld", f"{len(posts)} comments in the page's JSON-LD", 0.85)
        thread = _new_thread(path, posts, warnings, reading)
        return replace(thread, title=_find_title(tree), article=_find_article(tree, None))
    if not linked and not platform and not tries:
        tries = _try_all(tree, guess_platforms(tree), large)
    if not tries:
        return _read_bare(tree, text, path)
    best = tries[0]
    posts, warnings, empty = _read_posts(best.fields, tree)
    dropped = [("pingback", len(best.fields.dropped))] if best.fields.dropped else []
    dropped += [("post without words", empty)] if empty else []
    share = best.whole / max(len(best.fields.nodes), 1)
    reading = Reading(
        FORMAT,
        best.fields.platform.name,
        f"{best.whole} of {len(best.fields.nodes)} posts have a name and words, by its markup",
        round(best.certainty * (0.6 + 0.4 * share), 3),
        next((other.fields.platform.name for other in tries[1:]), None),
        tuple(dropped),
    )
    thread = _new_thread(path, posts, warnings, reading)
    title = _find_title(tree)
    has_article = best.fields.platform.has_article
    article = _find_article(tree, best.fields) if has_article else None
    return replace(thread, title=title, article=article)


def _new_thread(path: Path, posts: Sequence[Post], warnings: Sequence[str], reading: Reading) -> Thread:
    return Thread(path.stem, str(path), None, None, None, None, tuple(posts), (), tuple(warnings), reading)


def _try_platforms(tree: LexborHTMLParser, name: str | None, large: bool) -> list[Try]:
    """The platforms that find posts, the best first; with a name only that one, whatever the page says."""
    if name is None:
        return _try_all(tree, [known for known in PLATFORMS if tree.css_first(known.mark) is not None], large)
    if name == "blocks":
        return _try_all(tree, guess_platforms(tree), large)
    if name not in {known.name for known in PLATFORMS}:
        names = ", ".join([*(known.name for known in PLATFORMS), "blocks"])
        raise StanceError(f"--platform {name!r}: no platform of that name: use one of {names}")
    return _try_all(tree, [known for known in PLATFORMS if known.name == name], large)


def _try_all(tree: LexborHTMLParser, platforms: Iterable[Platform], large: bool) -> list[Try]:
    tries = []
    for platform in platforms:
        best = max(
            (_try(find_fields(tree, platform, selector, large)) for selector in platform.posts),
            key=lambda one: one.score,
        )
        if best.posts:
            tries.append(best)
    return sorted(tries, key=lambda one: -one.score)  # stable: of equals the more particular stays first


def _try(fields: Fields) -> Try:
    platform = fields.platform
    if not fields.nodes:
        return Try(fields, 0, 0, 0.0)
    bodies = [node is not None for node in fields.find_nodes(platform.body)]
    names = fields.find_texts(platform.author, is_name=True)
    whole = sum(body and name is not None for body, name in zip(bodies, names, strict=True))
    return Try(fields, sum(bodies), whole, platform.certainty)


def _read_posts(fields: Fields, tree: LexborHTMLParser) -> tuple[tuple[Post, ...], list[str], int]:
    """The posts, warnings about them, and how many were left out for want of words."""
    platform = fields.platform
    stops = fields.stops
    bodies = [
        Marked("") if node is None else read_node(node, stops, platform.keeps_lines)
        for node in fields.find_nodes(platform.body)
    ]
    kept = [position for position, body in enumerate(bodies) if body.body]
    new = {position: place for place, position in enumerate(kept)}
    ids = fields.find_texts(platform.id)
    parents, missing = _find_parents(fields, ids)
    names = fields.find_texts(platform.author, is_name=True)
    times = _read_times(fields, tree)
    numbers = fields.find_texts(platform.number)
    unique = make_unique([ids[position] or str(new[position]) for position in kept])
    posts = []
    for place, position in enumerate(kept):
        parent = parents[position]
        if parent is not None and parent.to not in new:
            parent, missing = None, missing + 1
        posts.append(
            Post(
                id=unique[place],
                body=bodies[position].body,
                number=numbers[position],
                author=read_author(names[position]),
                time=times[position],
                replies=() if parent is None else (replace(parent, to=new[parent.to]),),
            )
        )
    if platform.answers_first:
        posts = [
            post if post.replies or place == 0 else replace(post, replies=(Reply(0, "markup"),))
            for place, post in enumerate(posts)
        ]
    loops, posts = cut_circles(posts)
    positions = {ids[position] or "": place for place, position in reversed(list(enumerate(kept)))}
    topic = re.search(platform.topic, _find_address(tree)) if platform.topic else None
    marked = [bodies[position].quotes for position in kept]
    linked = link_quotes(posts, marked, positions, topic[1] if topic else None)
    warnings = []
    if missing:
        warnings.append(f"replies to posts that the page does not have, left open: {missing}")
    if loops:
        warnings.append(f"replies that go round in a circle, cut open: {loops}")
    return linked, warnings, len(bodies) - len(kept)


def _find_parents(fields: Fields, ids: Sequence[str | None]) -> tuple[list[Reply | None], int]:
    """For each post node the one answered, and how many of those answered are not in the page."""
    platform = fields.platform
    positions = {own: position for position, own in reversed(list(enumerate(ids))) if own is not None}
    named = fields.find_texts(platform.parent)
    depths = _read_depths(fields)
    parents: list[Reply | None] = []
    missing = 0
    stack: list[tuple[int, int]] = []  # depth and position, of the posts that the next may answer
    for position in range(len(fields.nodes)):
        depth = depths[position]
        above: int | None = None
        if depth is not None:
            while stack and stack[-1][0] >= depth:
                stack.pop()
            above = stack[-1][1] if stack and stack[-1][0] == depth - 1 else None
            stack.append((depth, position))
        name = named[position]
        outer = fields.find_outer(position) if platform.is_nested else -1
        if name is not None and name not in ("0", ids[position]):
            parent = positions.get(name)
            parents.append(None if parent is None else Reply(parent, "markup"))
            missing += parent is None
        elif outer >= 0:
            parents.append(Reply(outer, "nesting"))
        else:
            parents.append(None if above is None or name == "0" else Reply(above, "nesting"))
            missing += above is None and depth is not None and depth > 0 and name is None
    return parents, missing


def _read_depths(fields: Fields) -> list[int | None]:
    """How deep each post stands, in levels from 0."""
    texts = fields.find_texts(fields.platform.depth)
    found = [int(float(text)) if text and re.fullmatch(r"\d{1,6}(?:\.\d+)?", text) else None for text in texts]
    levels = sorted({depth for depth in found if depth is not None})
    if not levels:
        return found
    step = math.gcd(*(level - levels[0] for level in levels))
    step = step if step >= FEWEST_PIXELS else 1
    return [None if depth is None else (depth - levels[0]) // step for depth in found]


def _read_times(fields: Fields, tree: LexborHTMLParser) -> list[datetime | None]:
    language = tree.root.attributes.get("lang") if tree.root is not None else None
    known: dict[str, datetime | None] = {}
    times = []
    for text in fields.find_texts(fields.platform.time):
        if text is not None and text not in known:
            known[text] = _read_time(text, (language or "")[:2].lower() or None)
        times.append(None if text is None else known[text])
    return times


def _read_time(text: str, language: str | None) -> datetime | None:
    """An attribute's time in ISO form or as seconds, an address with a time in it (Blogger), or words."""
    epoch = re.search(r"(?:^|showComment=)(\d{10})(?:\d{3})?(?:\.\d+)?(?:#|$)", text)
    try:
        if epoch:
            return datetime.fromtimestamp(int(epoch[1]), UTC)
        if text[:4].isdigit():
            time = datetime.fromisoformat(text)
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    from stance.read.times import parse_time

    return parse_time(text[:100], language)


def _find_address(tree: LexborHTMLParser) -> str:
    """The page's own address, as it gives it."""
    for selector, attribute in (("link[rel=canonical]", "href"), ('meta[property="og:url"]', "content")):
        node = tree.css_first(selector)
        if node is not None and node.attributes.get(attribute):
            return node.attributes[attribute] or ""
    return ""


def _find_title(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first('meta[property="og:title"]')
    title = read_name(node.attributes.get("content")) if node is not None else None
    if title:
        return title
    node = tree.css_first("title")
    return read_name(node.text_lexbor()) if node is not None else None


def _find_article(tree: LexborHTMLParser, fields: Fields | None) -> str | None:
    """The opening text: where the platform marks it, in the page's only <article>, else as trafilatura has it.

    trafilatura takes as long as all the rest ten times over, so it comes last.
    """
    stops = fields.stops if fields else set()
    for selector in (*(fields.platform.article if fields else ()), *ARTICLES):
        for node in tree.css(selector)[:3]:
            if fields is None or fields.find_owner(node) < 0:
                body = read_node(node, stops).body
                if len(body.split()) >= FEW_WORDS:
                    return body
    articles = [node for node in tree.css("article") if fields is None or fields.find_owner(node) < 0]
    if len(articles) == 1:
        beside = {node.mem_id for node in tree.css(BESIDE)}
        body = read_node(articles[0], stops | beside).body
        if len(body.split()) >= MANY_WORDS:
            return body
    return _extract_article(tree, fields)


def _extract_article(tree: LexborHTMLParser, fields: Fields | None) -> str | None:
    """What trafilatura takes for the article in the page without its posts: with them, it takes those for it."""
    for node in fields.outermost if fields else ():
        node.decompose()
    page = tree.html or ""
    if len(page) > MOST_CHARACTERS:
        return None
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # it tells the user of each page without an article
    try:
        article = trafilatura.extract(page, include_comments=False, include_tables=False, fast=True) or ""
    except RecursionError:  # it walks down by calls
        return None
    return article if len(article.split()) >= (FEW_WORDS if fields else 1) else None


def _read_bare(tree: LexborHTMLParser, text: str, path: Path) -> Thread:
    """A page without a comment: its article; StanceError where a script would have loaded comments."""
    for system, pattern, export in EMBEDS:
        if pattern.search(text):
            raise StanceError(
                f"{path}:1: {system} loads its comments by script: the saved page holds none. "
                f"Copy them out of the browser into a .txt file, or {export} and pass that file"
            )
    reading = Reading(FORMAT, "none", "no comments in the markup", 0.5)
    warning = "no comments found: the page has no markup of comments that is known here, so all of it is the article"
    thread = _new_thread(path, (), (warning,), reading)
    return replace(thread, title=_find_title(tree), article=_find_article(tree, None))
