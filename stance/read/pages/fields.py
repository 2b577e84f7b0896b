"""What a page shows of each post, found by a platform's selectors.

Each selector is run once over the whole page and not in every post, so that posts inside posts, however deep, take
linear time: what it finds belongs to the innermost post around it, and the way up is remembered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stance.read.markup import read_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selectolax.lexbor import LexborHTMLParser, LexborNode

    from stance.read.pages.platforms import Platform, Shown

NAME_LENGTH = 100  # characters; what is longer is no name
MOST_NODES = 200  # looked at for one short text
NOT_NAMES = frozenset(
    ("says", "screen-reader-text", "sr-only", "v-visible-sr", "visually-hidden", "badge", "d-none", "-flair", "wpd-sep")
)
# What stands where a name would. None: the source does not show who it is.
NOBODY = frozenset(
    (
        "[deleted]",
        "[removed]",
        "[unknown]",
        "anonymous",
        "anonym",
        "anonyme",
        "anonymer",
        "anónimo",
        "anonimo",
        "anônimo",
    )
).union(("anoniem", "anonim", "аноним", "avatar", "unknown", "unbekannt"))


@dataclass(slots=True)
class Fields:
    """The posts' nodes of a page, read as one platform's."""

    tree: LexborHTMLParser
    platform: Platform
    nodes: list[LexborNode]
    dropped: set[int]  # mem_id of the nodes that are no posts
    is_large: bool  # nodes are looked for in a way that no nesting makes slow
    _owner: dict[int, int] = field(default_factory=dict)  # mem_id -> position in nodes; -1: of no post
    _own: set[int] = field(default_factory=set)  # mem_id of the posts' nodes
    _following: dict[int, list[LexborNode]] = field(
        default_factory=dict
    )  # position -> nodes after it that belong to it
    _outer: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for position, node in enumerate(self.nodes):
            self._owner[node.mem_id] = position
        self._own.update(self._owner)
        if self.platform.follows:
            for position, node in enumerate(self.nodes):
                self._own_following(position, node)
        self._outer = [-1 if node.parent is None else self.find_owner(node.parent) for node in self.nodes]

    @property
    def stops(self) -> set[int]:
        """mem_id of the nodes that a body does not go on into."""
        skipped = {node.mem_id for node in self.tree.css(self.platform.skip)} if self.platform.skip else set()
        following = (node.mem_id for nodes in self._following.values() for node in nodes)
        return skipped.union(self.dropped, self._own, following)

    @property
    def outermost(self) -> list[LexborNode]:
        """The posts' nodes that stand in no other post, and those that follow and belong to them."""
        found = []
        for position, outer in enumerate(self._outer):
            if outer < 0:
                found += [self.nodes[position], *self._following.get(position, ())]
        return found

    def find_outer(self, position: int) -> int:
        """Position of the post around this one; -1 where there is none."""
        return self._outer[position]

    def find_owner(self, node: LexborNode) -> int:
        """Position of the innermost post around a node; -1 where there is none."""
        owner = self._owner
        passed = []
        current: LexborNode | None = node
        found = -1
        while current is not None:
            mem_id = current.mem_id
            if mem_id in owner:
                found = owner[mem_id]
                break
            passed.append(mem_id)
            current = current.parent
        owner.update(dict.fromkeys(passed, found))
        return found

    def find_nodes(self, shown: Shown) -> list[LexborNode | None]:
        """For each post the node that shows it."""
        found: list[LexborNode | None] = [None] * len(self.nodes)
        left = len(self.nodes)
        for selector in shown.selectors:
            if left == 0:
                break
            if selector == ".":
                return [known or node for known, node in zip(found, self.nodes, strict=True)]
            for node in select_nodes(self.tree, selector, self.is_large):
                position = self.find_owner(node)
                if position >= 0 and found[position] is None:
                    found[position] = node
                    left -= 1
        return found

    def find_texts(self, shown: Shown, is_name: bool = False) -> list[str | None]:
        """For each post the text that it shows, on one line."""
        found: list[str | None] = [None] * len(self.nodes)
        for selector in shown.selectors:
            if None not in found:
                break
            css, _, attribute = selector.partition("@")
            css = css.strip()
            if css in ("", "."):
                pairs = list(enumerate(self.nodes))
            else:
                pairs = [(self.find_owner(node), node) for node in select_nodes(self.tree, css, self.is_large)]
            for position, node in pairs:
                if position < 0 or found[position] is not None:
                    continue
                text = node.attributes.get(attribute) if attribute else self._read_short(node)
                found[position] = _match(text, shown, is_name)
        return found

    def _own_following(self, position: int, node: LexborNode) -> None:
        """Give a post the nodes after it, up to the next post."""
        following = node.next
        while following is not None and following.mem_id not in self._owner:
            tag = following.tag
            if tag in self.platform.follows:
                self._owner[following.mem_id] = position
                self._following.setdefault(position, []).append(following)
            elif tag not in ("-text", "-comment"):
                break
            following = following.next

    def _read_short(self, root: LexborNode) -> str:
        """The first words in a node, without posts inside it: bounded, as an unclosed tag holds the whole page."""
        parts: list[str] = []
        depth = length = 0
        node = root.first_child
        for _ in range(MOST_NODES):
            if node is None or length > 2 * NAME_LENGTH:
                break
            if node.tag == "-text":
                text = (node.text_content or "")[: 4 * NAME_LENGTH]
                parts.append(text)
                length += len(text.strip())
            elif self._is_part(node) and node.first_child is not None:
                node, depth = node.first_child, depth + 1
                continue
            following = node.next
            while following is None and depth > 0:
                node, depth = node.parent, depth - 1
                if node is None:
                    break
                following = node.next
            node = following
        return "".join(parts)

    def _is_part(self, node: LexborNode) -> bool:
        if node.tag in ("-comment", "script", "style", "svg") or node.mem_id in self._own:
            return False
        return NOT_NAMES.isdisjoint((node.attributes.get("class") or "").split())


def select_nodes(tree: LexborHTMLParser, selector: str, is_large: bool) -> list[LexborNode]:
    """The nodes that a selector matches.

    The parser looks all the way up for the A of "A B" at every B: in a page nested 100,000 deep that takes hours.
    """
    outer, _, inner = selector.rpartition(" ")
    if not is_large or not outer or "," in selector or ">" in selector or '"' in selector:
        return list(tree.css(selector))
    known: dict[int, bool] = {node.mem_id: True for node in tree.css(outer)}
    return [node for node in tree.css(inner) if node.parent is not None and _is_inside(node.parent, known)]


def _is_inside(node: LexborNode, known: dict[int, bool]) -> bool:
    """Whether a node or one around it is known to be; what is found out on the way up is kept."""
    passed = []
    current: LexborNode | None = node
    found = False
    while current is not None:
        mem_id = current.mem_id
        if mem_id in known:
            found = known[mem_id]
            break
        passed.append(mem_id)
        current = current.parent
    known.update(dict.fromkeys(passed, found))
    return found


def find_fields(tree: LexborHTMLParser, platform: Platform, selector: str, is_large: bool = False) -> Fields:
    """The posts that a selector finds, pingbacks left out."""
    dropped = {node.mem_id for node in tree.css(platform.drop)} if platform.drop else set()
    nodes = {node.mem_id: node for node in select_nodes(tree, selector, is_large)}  # a node may match twice
    return Fields(tree, platform, [node for mem_id, node in nodes.items() if mem_id not in dropped], dropped, is_large)


def make_unique(ids: Sequence[str]) -> list[str]:
    """The ids, with a mark on those that an earlier post has."""
    taken = set(ids)
    used: Counter[str] = Counter()
    unique = []
    for own in ids:
        used[own] += 1
        name = own
        while used[own] > 1 and name in taken:
            name = f"{own}~{used[own]}"
            used[own] += name in taken
        taken.add(name)
        unique.append(name)
    return unique


def _match(text: str | None, shown: Shown, is_name: bool) -> str | None:
    """What counts of a text, on one line; None where nothing does."""
    line = read_name(text)
    if line is None or (shown.pattern is None and not is_name):
        return line
    if shown.pattern is not None:
        match = shown.pattern.search(line[: 10 * NAME_LENGTH])
        line = match[1].strip() if match and match[1] else ""
    return (line.rstrip(" :,") if is_name else line) or None


def read_author(name: str | None) -> str | None:
    """The name as a post's author; None where the source shows nobody."""
    if name is None or len(name) > NAME_LENGTH or name.casefold() in NOBODY:
        return None
    return name
