"""Who answers whom, for the page of a thread: the pictures, the numbers behind them and how they are to be read."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stance.estimate import PREDICTED, Row, judged_heads
from stance.html import percent
from stance.report.data import Cell, DataTable, post_name
from stance.report.picture import Picture, render_picture
from stance.report.wording import shorten_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from stance.estimate.network import Disagreement, Network, Node, Tie
    from stance.report.sociogram import Selection
    from stance.table import Manifest

MOST_NODES = 200  # of the drawing; of more, the busiest named authors are drawn
BUSIEST = 30
_LINKS_SHOWN = 200  # replies listed one by one
_ALL_SIDES = "all sides together"


def network_context(rows: Sequence[Row], manifest: Manifest) -> dict[str, Any] | None:
    """What network.html prints under the name ``network``; None where nobody answers anybody.

    ``pictures`` are to be written as the other figures are, with ``data`` by their names; the files for network
    programs are ``stance.estimate.network.write_network``'s.
    """
    from stance.estimate.network import DRAWS, count_blocks, measure_disagreement, read_network

    judged = "stance" in judged_heads(rows)
    names = [side.name for side in manifest.sides] if judged else []
    network = read_network(rows, names)
    if not len(network.source):
        return None
    rates = measure_disagreement(network)
    side = max(range(len(names)), key=lambda place: _division(rates[place])) if names else None
    selection = select_nodes(network, side)
    pictures, data = [], {}
    if names:
        pictures.append(_picture_blocks(network))
        data["replies"] = _list_blocks(network.sides, count_blocks(network).tolist())
    if selection.ties:
        pictures.append(_picture_network(selection, None if side is None else names[side]))
        data["network"] = _list_ties(network, selection)
    linked = {int(node) for post in (*network.source, *network.target) for node in [network.author[post]]}
    named = sum(network.nodes[node].name is not None for node in linked)
    return {
        "pictures": pictures,
        "data": data,
        "basis": PREDICTED,
        "side": None if side is None else names[side],
        "rates": _list_rates(rates) if names else None,
        "known": rates[-1].share is not None,
        "draws": DRAWS,
        "replies": len(network.source),
        "self_replies": network.self_replies,
        "named": named,
        "unknown": len(linked) - named,
        "drawn_named": sum(node.name is not None for node in selection.nodes),
        "drawn_unknown": sum(node.name is None for node in selection.nodes),
        "busiest": selection.busiest,
        "links": _list_links(network)[:_LINKS_SHOWN],
        "links_known": rates[-1].share.n if rates[-1].share else 0,
    }


def select_nodes(network: Network, side: int | None) -> Selection:
    """What is drawn: all nodes with ties as far as MOST_NODES; else without the posts of unknown authors; else the
    named authors with the most posts. Nodes that then have no tie are left out."""
    from stance.estimate.network import list_ties
    from stance.report.sociogram import Selection

    ties = list_ties(network)
    chosen = _tied_nodes(ties)
    if len(chosen) > MOST_NODES:
        ties = [tie for tie in ties if all(network.nodes[end].name is not None for end in (tie.source, tie.target))]
        chosen = _tied_nodes(ties)
    cut = len(chosen) > MOST_NODES
    if cut:
        busiest = set(sorted(chosen, key=lambda node: -network.nodes[node].posts)[:BUSIEST])
        ties = [tie for tie in ties if {tie.source, tie.target} <= busiest]
        chosen = _tied_nodes(ties)
    places = {node: place for place, node in enumerate(chosen)}
    moved = [_move_tie(tie, places) for tie in ties]
    return Selection(tuple(network.nodes[node] for node in chosen), tuple(moved), side, cut)


def _tied_nodes(ties: Sequence[Tie]) -> list[int]:
    return sorted({end for tie in ties for end in (tie.source, tie.target)})


def _move_tie(tie: Tie, places: dict[int, int]) -> Tie:
    return replace(tie, source=places[tie.source], target=places[tie.target])


def _division(rate: Disagreement) -> tuple[int, int]:
    """How much replies divide over a side: by disagreement, then by what is known."""
    return rate.counts["disagree"], rate.counts["agree"]


# --- pictures ---


def _picture_blocks(network: Network) -> Picture:
    from stance.estimate.network import count_blocks
    from stance.report.sociogram import BLOCKS, draw_blocks

    blocks = count_blocks(network)
    names = [shorten_name(name) for name in network.sides]
    sentences = []
    for name, block in zip(names, blocks.tolist(), strict=True):
        parts = [
            f"from {BLOCKS[row]} to {BLOCKS[column]} {count}"
            for row, counts in enumerate(block)
            for column, count in enumerate(counts)
            if count
        ]
        sentences.append(f"{name}: {', '.join(parts)}.")
    words = f"Replies by stance, {PREDICTED}. {' '.join(sentences)}"
    return _render("replies", "Replies from stance to stance", words, lambda width: draw_blocks(names, blocks, width))


def _picture_network(selection: Selection, side: str | None) -> Picture:
    from stance.report.sociogram import draw_network, join_ties, lean_of, shorten

    pairs = Counter(name for _, name in join_ties(selection.ties, selection.column).values())
    toward = "" if side is None else f", stance toward {shorten_name(side)}"
    named = sorted((node for node in selection.nodes if node.name is not None), key=lambda node: -node.posts)
    leans = Counter(lean_of(node, selection.side) for node in selection.nodes)
    words = [f"Nodes: {len(selection.nodes)}, of which {len(named)} named authors."]
    if side is not None:
        words.append(f"Mostly favor {leans['favor']}, mostly against {leans['against']}, neither {leans['none']}.")
        words.append(
            f"Pairs who answer each other: {pairs['agree']} agree, {pairs['disagree']} disagree, {pairs['mixed']} do as"
            f" much of both, of {pairs['unknown']} it is not known ({PREDICTED})."
        )
    busy = ", ".join(f"{shorten(node.name or '')} {_count_posts(node)}" for node in named[:5])
    words += [f"Most posts: {busy}."] if busy else []
    title = f"Who answers whom{toward}"
    return _render("network", title, " ".join(words), lambda width: draw_network(selection, width))


def _render(name: str, title: str, words: str, draw: Callable[[int], Figure]) -> Picture:
    """The picture; a name in letters that matplotlib's font lacks is right on the page, and no reason to warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        return render_picture(name, title, words, draw)


def _count_posts(node: Node) -> str:
    return f"{node.posts} {'post' if node.posts == 1 else 'posts'}"


# --- numbers ---


def _list_rates(rates: Sequence[Disagreement]) -> DataTable:
    """One line a side, then over all; a rate with its interval, and what chance gives."""
    head = ("toward", "agree", "disagree", "both", "not known", "of known, disagree", "by chance", "p")
    lines = []
    for rate in rates:
        share, chance = rate.share, rate.chance
        lines.append(
            (
                rate.side or _ALL_SIDES,
                *(str(rate.counts[name]) for name in ("agree", "disagree", "mixed", "unknown")),
                percent(share) if share else "–",
                f"{chance.expected:.0%} ({chance.low * 100:.0f} to {chance.high * 100:.0f})" if chance else "–",
                _show_p(chance.p) if chance else "–",
            )
        )
    return DataTable(head, tuple(lines))


def _show_p(p: float) -> str:
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _list_blocks(sides: Sequence[str], blocks: Sequence[Sequence[Sequence[int]]]) -> DataTable:
    from numpy import array

    from stance.report.sociogram import BLOCKS, expect_replies

    lines = [
        (side, BLOCKS[row], BLOCKS[column], str(count), f"{expected:.1f}")
        for side, block in zip(sides, blocks, strict=True)
        for row, (counts, others) in enumerate(zip(block, expect_replies(array(block)).tolist(), strict=True))
        for column, (count, expected) in enumerate(zip(counts, others, strict=True))
    ]
    return DataTable(("side", "who answers", "answered", "replies", "expected"), tuple(lines))


def _list_ties(network: Network, selection: Selection) -> DataTable:
    """The ties drawn, those with most replies first; of two named authors the number leads to the posts."""
    numbers: dict[str, int] = {}  # as the page's filter counts authors
    for node in network.nodes:
        if node.name is not None:
            numbers[node.name] = len(numbers)
    posts = {str(row["id"]): post_name(row) for row in network.posts}
    lines: list[tuple[str | Cell, ...]] = []
    for tie in sorted(selection.ties, key=lambda tie: -tie.replies):
        ends = selection.nodes[tie.source], selection.nodes[tie.target]
        names = [end.name if end.name is not None else f"unknown ({posts[end.post or '']})" for end in ends]
        count: str | Cell = str(tie.replies)
        if all(end.name is not None for end in ends):
            count = Cell(str(tie.replies), f"author={numbers[names[0]]}&answers={numbers[names[1]]}")
        lines.append((*names, count, *map(str, tie.outcomes[selection.column])))
    return DataTable(("who answers", "whom", "replies", "agree", "disagree", "both", "not known"), tuple(lines))


def _list_links(network: Network) -> list[dict[str, Any]]:
    """The replies whose stance is known at both ends, those that disagree first, each with its two posts."""
    from stance.estimate.network import OUTCOMES, UNKNOWN

    found = []
    order = {"disagree": 0, "mixed": 1, "agree": 2}
    for source, target, outcomes in zip(network.source, network.target, network.outcomes.tolist(), strict=True):
        if outcomes[-1] != UNKNOWN:
            said = [
                f"{side}: {OUTCOMES[one]}" for side, one in zip(network.sides, outcomes, strict=False) if one < UNKNOWN
            ]
            posts = [(f"p{row['position']}", post_name(row)) for row in (network.posts[source], network.posts[target])]
            found.append({"outcome": OUTCOMES[outcomes[-1]], "posts": posts, "sides": said})
    return sorted(found, key=lambda link: order[link["outcome"]])
