"""Who answers whom, and with which stance at both ends: reply links between posts, ties between authors.

A link's outcome toward one side: both ends favor it or both are against it (agree), one favors it and the other is
against it (disagree), or one end takes no stance on it, abstains or is not judged (unknown). Over all sides a link
agrees or disagrees where some side says so and no side the contrary, and is mixed where sides say both. Sides are not
taken for each other's opposites: favor of one against favor of another is unknown, unless some side tells more.
Stance is the tagger's: all of this is predicted, not validated.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.estimate import CONFIDENCE, PREDICTED, STANCE_OUTCOMES, Row, Share, row_heads, stance_outcome
from stance.files import open_replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stance.table import Manifest

OUTCOMES = ("agree", "disagree", "mixed", "unknown")
AGREE, DISAGREE, MIXED, UNKNOWN = range(4)  # positions in OUTCOMES
DRAWS = 1000  # of labels shuffled by chance
_SEED = 0
_CODES = {"favor": 1, "against": -1}
_NOT_IN_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Node:
    """A named author; or one post of an unknown author, as unknown authors are not one person."""

    name: str | None  # as printed; None: unknown
    post: str | None  # id of the unknown author's post
    posts: int
    words: int  # judged
    stance: tuple[dict[str, int], ...]  # judged posts by STANCE_OUTCOMES, one a side


@dataclass(frozen=True, slots=True)
class Tie:
    """All replies of one node to another."""

    source: int  # position in ``Network.nodes``
    target: int
    outcomes: tuple[tuple[int, ...], ...]  # links by OUTCOMES: one a side, then over all sides

    @property
    def replies(self) -> int:
        """How many links it holds."""
        return sum(self.outcomes[-1])


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """The posts of a table and who answers whom: p posts, l links, s sides. Replies to oneself are left out."""

    sides: tuple[str, ...]  # names
    posts: tuple[Row, ...]
    stance: NDArray[np.int8]  # (p, s): 1 favor, -1 against, 0 neither of them
    judged: NDArray[np.bool_]  # (p,): whether the tagger judged its stance
    author: NDArray[np.int64]  # (p,): position in ``nodes``
    nodes: tuple[Node, ...]  # in order of first appearance
    source: NDArray[np.int64]  # (l,): post that answers
    target: NDArray[np.int64]  # (l,): post that is answered
    self_replies: int

    @property
    def outcomes(self) -> NDArray[np.int8]:
        """(l, s + 1): each link's outcome toward each side, then over all, as positions in OUTCOMES."""
        return compare_stances(self.stance[self.source], self.stance[self.target])


@dataclass(frozen=True, slots=True)
class Chance:
    """What the disagreement rate is where labels do not depend on who answers whom."""

    expected: float  # mean of the rate over shuffles
    low: float  # 95% of shuffles lie from here
    high: float  # to here
    p: float  # two-sided: how often a shuffle is as far out on its side, doubled


@dataclass(frozen=True, slots=True)
class Disagreement:
    """How many links disagree, of those whose outcome is known."""

    side: str | None  # name; None: over all sides
    counts: dict[str, int]  # links by OUTCOMES
    share: Share | None  # None where no link is known
    chance: Chance | None


def read_network(rows: Sequence[Row], sides: Sequence[str]) -> Network:
    """The reply network of the posts of a table; ``sides`` are names in the order of the table's stance lists.

    Names are people: the same name in several threads of a table is one node.
    """
    posts = [row for row in rows if row["kind"] == "post"]
    places = {(row["thread"], row["position"]): place for place, row in enumerate(posts)}
    stance = np.zeros((len(posts), len(sides)), np.int8)
    judged = np.array(["stance" in row_heads(row) for row in posts], bool)
    for place in np.flatnonzero(judged).tolist():
        stance[place] = [_CODES.get(stance_outcome(posts[place], side), 0) for side in range(len(sides))]
    author, members = _group_posts(posts)
    source, target, self_replies = [], [], 0
    for place, row in enumerate(posts):
        other = None if row["reply_to"] is None else places.get((row["thread"], row["reply_to"]))
        if other is None:
            continue
        if author[other] == author[place]:
            self_replies += 1
        else:
            source.append(place)
            target.append(other)
    return Network(
        sides=tuple(sides),
        posts=tuple(posts),
        stance=stance,
        judged=judged,
        author=author,
        nodes=tuple(_make_node([posts[place] for place in own], len(sides)) for own in members),
        source=np.array(source, np.int64),
        target=np.array(target, np.int64),
        self_replies=self_replies,
    )


def compare_stances(first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.int8]:
    """(..., s + 1): outcomes of links from the stances (..., s) at both ends, as ``Network.outcomes``."""
    both = first * second
    found = np.full((*both.shape[:-1], both.shape[-1] + 1), UNKNOWN, np.int8)
    found[..., :-1][both > 0] = AGREE
    found[..., :-1][both < 0] = DISAGREE
    agree, disagree = (both > 0).any(-1), (both < 0).any(-1)
    found[..., -1] = np.select([agree & disagree, agree, disagree], [MIXED, AGREE, DISAGREE], UNKNOWN)
    return found


def list_ties(network: Network) -> list[Tie]:
    """The ties between nodes, in order of their nodes."""
    pairs = np.stack([network.author[network.source], network.author[network.target]], axis=1)
    if not len(pairs):
        return []
    ends, place = np.unique(pairs, axis=0, return_inverse=True)
    counts = np.zeros((len(ends), len(network.sides) + 1, len(OUTCOMES)), np.int64)
    columns = np.arange(len(network.sides) + 1)
    np.add.at(counts, (place.reshape(-1, 1), columns, network.outcomes), 1)
    return [
        Tie(int(source), int(target), tuple(map(tuple, count.tolist())))
        for (source, target), count in zip(ends, counts, strict=True)
    ]


def count_blocks(network: Network) -> NDArray[np.int64]:
    """(s, 3, 3): per side the links from posts of each stance (rows) to posts of each: favor, against, neither."""
    block = np.array([2, 0, 1])[network.stance]  # of 0, 1 and -1
    found = np.zeros((len(network.sides), 3, 3), np.int64)
    sides = np.arange(len(network.sides))
    np.add.at(found, (sides, block[network.source], block[network.target]), 1)
    return found


def measure_disagreement(network: Network, draws: int = DRAWS) -> list[Disagreement]:
    """The disagreement rate of each side and then over all, each against chance.

    Known links are those that agree, disagree or are mixed. The interval holds the chance of these links, not the
    tagger's mistakes.
    """
    outcomes = network.outcomes
    chances = measure_chance(network, draws)
    found = []
    for column, side in enumerate([*network.sides, None]):
        counts = np.bincount(outcomes[:, column], minlength=len(OUTCOMES))
        share = _estimate_rate(network, outcomes[:, column])
        named = {name: int(count) for name, count in zip(OUTCOMES, counts, strict=True)}
        found.append(Disagreement(side, named, share, chances[column] if share else None))
    return found


def measure_chance(network: Network, draws: int = DRAWS, keep_authors: bool = True) -> list[Chance | None]:
    """The rate under chance, per side and over all: the reply links stay, and posts that have links swap their labels.

    A post's labels toward all sides move together. With ``keep_authors`` so do an author's: authors swap all their
    labels with authors of about as many posts (1, 2 to 3, 4 to 7, ...), cycling from a random start where they have
    more posts, as in the permutation of nodes of Krackhardt (1988) within blocks of exchangeable ones (Winkler et al.
    2015). Swaps of single posts take the posts of one author for independent: where authors lean they call up to 12 %
    of unrelated networks related at 5 %, this way it is 4 to 7 % (tests/bench/network.py). Swaps between all authors,
    whatever they posted, were tried: fewer, at less power. None where the links or no shuffle of them are known.
    """
    linked = network.judged[network.source] & network.judged[network.target]
    source, target = network.source[linked], network.target[linked]
    pool, place = np.unique(np.concatenate([source, target]), return_inverse=True)
    first, second = place[: len(source)], place[len(source) :]
    codes = np.ascontiguousarray(network.stance[pool].T)
    observed = _disagreement_rates(codes, first, second)
    if np.isnan(observed).all():
        return [None] * len(observed)
    generator = np.random.default_rng(_SEED)
    units = network.author[pool] if keep_authors else np.arange(len(pool))
    shuffle = _author_shuffle(units, generator)
    rates = np.stack([_disagreement_rates(codes[:, shuffle()], first, second) for _ in range(draws)])
    return [_judge_chance(float(rate), drawn) for rate, drawn in zip(observed, rates.T, strict=True)]


def clean_xml(text: str) -> str:
    """The text without the characters that XML forbids; each becomes U+FFFD."""
    return _NOT_IN_XML.sub("\ufffd", text)


def make_graph(network: Network, manifest: Manifest) -> Any:
    """The ties as a ``networkx.DiGraph`` whose values every format can hold."""
    import networkx

    graph = networkx.DiGraph(
        basis=f"stance labels {PREDICTED}: {clean_xml(manifest.tagger)}, threadstance {clean_xml(manifest.version)}",
        topic=clean_xml(manifest.topic),
        thread=clean_xml(manifest.thread_id),
        self_replies_left_out=network.self_replies,
    )
    for place, node in enumerate(network.nodes):
        stance = {
            clean_xml(f"{side} {outcome}"): count
            for side, counts in zip(network.sides, node.stance, strict=True)
            for outcome, count in counts.items()
        }
        name = "unknown" if node.name is None else clean_xml(node.name)
        kind = "author" if node.post is None else "post of an unknown author"
        own = {"label": name, "name": name, "kind": kind, "post": clean_xml(node.post or "")}
        graph.add_node(f"n{place}", **own, posts=node.posts, words=node.words, **stance)
    for tie in list_ties(network):
        counts = dict(zip(OUTCOMES, tie.outcomes[-1], strict=True))
        graph.add_edge(f"n{tie.source}", f"n{tie.target}", weight=tie.replies, replies=tie.replies, **counts)
    return graph


def write_network(rows: Sequence[Row], manifest: Manifest, directory: str | Path) -> list[Path]:
    """Write ``network.gexf`` and ``network.graphml`` into the directory, which must be there; their paths.

    A table without reply links has no network, and nothing is written.
    """
    network = read_network(rows, [side.name for side in manifest.sides])
    if not len(network.source):
        return []
    graph = make_graph(network, manifest)
    paths = []
    for name, written in (("network.gexf", _write_gexf(graph)), ("network.graphml", _write_graphml(graph))):
        path = Path(directory) / name
        with open_replacing(path) as file:
            file.write(written)
        paths.append(path)
    return paths


def _group_posts(posts: Sequence[Row]) -> tuple[NDArray[np.int64], list[list[int]]]:
    """Each post's node, and each node's posts; a post of an unknown author is a node of its own."""
    nodes: dict[Any, list[int]] = {}
    for place, row in enumerate(posts):
        nodes.setdefault(place if row["author"] is None else row["author"], []).append(place)
    author = np.zeros(len(posts), np.int64)
    for node, own in enumerate(nodes.values()):
        author[own] = node
    return author, list(nodes.values())


def _make_node(posts: Sequence[Row], sides: int) -> Node:
    name = posts[0]["author"]
    judged = [row for row in posts if "stance" in row_heads(row)]
    outcomes = [[stance_outcome(row, side) for row in judged] for side in range(sides)]
    stance = tuple({outcome: found.count(outcome) for outcome in STANCE_OUTCOMES} for found in outcomes)
    words = sum(row["words"] or 0 for row in posts)
    return Node(name, str(posts[0]["id"]) if name is None else None, len(posts), words, stance)


def _disagreement_rates(
    codes: NDArray[np.int8], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(s + 1,): of the known links the share that disagree, toward each side and over all; NaN where none is known.

    ``codes`` are (s, n): a side's posts lie together, which is several times faster here than (n, s).
    """
    both = codes[:, first] * codes[:, second]
    agree, disagree = both > 0, both < 0
    any_agree, any_disagree = agree.any(0), disagree.any(0)
    disagreeing = np.array([*disagree.sum(1), (any_disagree & ~any_agree).sum()])
    known = np.array([*(agree.sum(1) + disagree.sum(1)), (any_agree | any_disagree).sum()])
    return np.where(known > 0, disagreeing / np.maximum(known, 1), np.nan)


def _author_shuffle(units: NDArray[np.int64], generator: np.random.Generator) -> Callable[[], NDArray[np.int64]]:
    """A function that draws, for each of n posts, the post whose labels it gets; (n,) ``units`` are the authors."""
    _, unit = np.unique(units, return_inverse=True)
    order = np.argsort(unit, kind="stable")  # the posts by author
    size = np.bincount(unit)
    start = np.cumsum(size) - size
    rank = np.empty(len(unit), np.int64)  # of a post among its author's
    rank[order] = np.arange(len(unit)) - start[unit[order]]
    group = np.floor(np.log2(size))
    home = np.argsort(group, kind="stable")
    donor = np.empty(len(size), np.int64)

    def draw() -> NDArray[np.int64]:
        donor[home] = np.argsort(group + generator.random(len(size)))
        given, offset = donor[unit], generator.integers(0, 2**31, len(size))
        chosen: NDArray[np.int64] = order[start[given] + (rank + offset[unit]) % size[given]]
        return chosen

    return draw


def _judge_chance(observed: float, drawn: NDArray[np.float64]) -> Chance | None:
    """The observed rate among the drawn ones; None where either is not known."""
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(observed) or not len(drawn):
        return None
    tiny = 1e-9  # equal rates must count as equal
    below = (1 + np.count_nonzero(drawn <= observed + tiny)) / (1 + len(drawn))
    above = (1 + np.count_nonzero(drawn >= observed - tiny)) / (1 + len(drawn))
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Chance(float(drawn.mean()), float(low), float(high), float(min(1.0, 2 * min(below, above))))


def _estimate_rate(network: Network, outcomes: NDArray[np.int8]) -> Share | None:
    """The share of the known links that disagree, with an interval for links that share authors.

    Wilson's interval at the number of independent links that has the variance of Aronow, Samii and Assenova (2015),
    where links with an author in common count together, and Student's t for the number of authors. Simulated, it
    covers 89 to 96 % of the time (tests/bench/network.py); Wilson's own is narrower still.
    """
    from scipy.stats import t

    known = outcomes != UNKNOWN
    n = int(known.sum())
    if not n:
        return None
    disagree = (outcomes[known] == DISAGREE).astype(float)
    rate = float(disagree.mean())
    first, second = network.author[network.source[known]], network.author[network.target[known]]
    authors, place = np.unique(np.concatenate([first, second]), return_inverse=True)
    first, second = place[:n], place[n:]
    rest = disagree - rate
    by_author = np.bincount(first, rest, len(authors)) + np.bincount(second, rest, len(authors))
    pair = np.minimum(first, second) * len(authors) + np.maximum(first, second)
    pairs, place = np.unique(pair, return_inverse=True)
    variance = float((by_author**2).sum() - (np.bincount(place, rest) ** 2).sum()) / n**2
    plain = rate * (1 - rate) / n
    # Where all links say the same no variance is left to see: each pair of authors counts once.
    size = n * plain / max(variance, plain) if plain else float(len(pairs))
    deviate = float(t.ppf((1 + CONFIDENCE) / 2, max(1, len(authors) - 1)))
    scale = 1 + deviate**2 / size
    centre = (rate + deviate**2 / (2 * size)) / scale
    reach = deviate / scale * sqrt(rate * (1 - rate) / size + deviate**2 / (4 * size**2))
    low, high = max(0.0, centre - reach), min(1.0, centre + reach)
    return Share(int(disagree.sum()), n, rate, 0.0 if rate == 0 else low, 1.0 if rate == 1 else high, PREDICTED)


def _write_gexf(graph: Any) -> bytes:
    """GEXF 1.2, with the basis of the labels in its head and without a date: the same table gives the same bytes."""
    import networkx
    from lxml import etree

    file = io.BytesIO()
    networkx.write_gexf(graph, file)
    root = etree.fromstring(file.getvalue(), etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    meta = root.find("{*}meta")
    del meta.attrib["lastmodifieddate"]
    space = etree.QName(root).namespace
    etree.SubElement(meta, f"{{{space}}}description").text = graph.graph["basis"]
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return written


def _write_graphml(graph: Any) -> bytes:
    import networkx

    file = io.BytesIO()
    networkx.write_graphml(graph, file)
    return file.getvalue()
