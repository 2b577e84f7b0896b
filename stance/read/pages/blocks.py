"""Pages of no known platform: blocks that repeat, each with something like a name and something like words."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from stance.read.pages.platforms import Platform, show

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser

POST_CLASS = re.compile(r"comment|post|reply|message|response|answer|feedback|komment|beitrag", re.IGNORECASE)
NOT_POSTS = re.compile(
    r"list|form|count|thread|s$|wrap|container|body|content|text|author|meta|date|link|button|header|footer|head\b|title"
    r"|avatar|area|input|nav|share|respond|more|section|related|recent|teaser|info|actions?$",
    re.IGNORECASE,
)
PLAIN_CLASS = re.compile(r"[A-Za-z_][\w-]{0,60}")
MOST_GUESSES = 4
FEWEST = 2  # blocks that repeat


def guess_platforms(tree: LexborHTMLParser) -> list[Platform]:
    """Records made up for the classes of this page that may be those of posts, the most frequent first."""
    counts: Counter[str] = Counter()
    for node in tree.css("[class]"):
        for name in set((node.attributes.get("class") or "").split()):
            if PLAIN_CLASS.fullmatch(name) and POST_CLASS.search(name) and not NOT_POSTS.search(name):
                counts[f"{node.tag}.{name}"] += 1
    selectors = [selector for selector, count in counts.most_common(MOST_GUESSES) if count >= FEWEST]
    return [_guess(selector) for selector in selectors]


def _guess(selector: str) -> Platform:
    return Platform(
        name="blocks",
        mark="*",
        posts=(selector,),
        author=show(
            "[class*=author-name]",
            "[class*=username]",
            "[class*=user-name]",
            "[rel~=author]",
            "[class*=author]",
            "[class*=user] a",
            "[class*=user]",
            "[class*=nick]",
            "[class*=name]",
            "cite",
        ),
        body=show(
            "[class*=comment-text]",
            "[class*=content]",
            "[class*=body]",
            "[class*=text]",
            "[class*=message]",
            "p",
        ),
        time=show("time@datetime", "[datetime]@datetime", "[class*=date]", "[class*=time]"),
        id=show("@id", "@data-id", "@data-comment-id"),
        certainty=0.5,
    )
