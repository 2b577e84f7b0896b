"""The drawings of a reply network: authors with the balance of their stance, and replies from stance to stance."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from math import ceil, log2
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.estimate.network import OUTCOMES, Node, Tie
from stance.report.arrangement import Box, arrange_nodes, place_names
from stance.report.picture import PALETTE, WIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MOST_NAMES = 30  # beside nodes
LONGEST_NAME = 20  # characters
_LEAST_RADIUS, _MOST_RADIUS = 3.2, 12.0  # area goes with the number of posts
_MANY = 80  # nodes, from which on ties are thin
_KEY, _SIGN = 19, 26  # height of a line of the key, width of its signs
_SMALL = 9.5  # size of letters
_MARKERS = {"favor": "^", "against": "v", "none": "o"}
BLOCKS = ("favor", "against", "neither")  # of a post: as ``count_blocks`` has them
_BLOCK_LEANS = ("favor", "against", "none")
_BLOCK, _BLOCK_LEFT, _BLOCK_TOP = 272, 78, 58  # width of a table, where its cells begin
_CELL_WIDTH, _CELL_HEIGHT = 60, 38
_LEAN_WORDS = {"favor": "mostly favor", "against": "mostly against", "none": "neither, or balanced"}
_TIE_WORDS = {
    "agree": "replies agree",
    "disagree": "replies disagree",
    "mixed": "as many of both",
    "unknown": "not known: no stance at one end",
}
_HOLLOW = "hollow"
_TIES: dict[str, dict[str, Any]] = {
    "agree": {"color": PALETTE["positive"], "linestyle": "solid"},
    "disagree": {"color": PALETTE["negative"], "linestyle": (0, (3.2, 1.6))},
    "mixed": {"color": PALETTE["muted"], "linestyle": (0, (5, 1.5, 1, 1.5))},
    "unknown": {"color": PALETTE["line"], "linestyle": "solid"},
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The part of a network that is drawn: k nodes."""

    nodes: tuple[Node, ...]  # (k,)
    ties: tuple[Tie, ...]  # source and target are places in ``nodes``
    side: int | None  # whose stances are shown; None: the tagger judges none
    busiest: bool = False  # whether of too many authors only the busiest are among them

    @property
    def column(self) -> int:
        """Of ``Tie.outcomes``."""
        return -1 if self.side is None else self.side


def lean_of(node: Node, side: int | None) -> str:
    """Which of favor and against more of the node's posts say than the contrary; else "none"."""
    if side is None:
        return "none"
    counts = node.stance[side]
    balance = counts["favor"] - counts["against"]
    return "favor" if balance > 0 else "against" if balance < 0 else "none"


def join_ties(ties: Sequence[Tie], column: int) -> dict[tuple[int, int], tuple[int, str]]:
    """Each pair of nodes, whichever way they answer: how many replies, and what they come to in a column of outcomes.

    More agreement than disagreement agrees, the contrary disagrees, and as much of both is mixed.
    """
    counts: dict[tuple[int, int], Counter[str]] = {}
    for tie in ties:
        pair = min(tie.source, tie.target), max(tie.source, tie.target)
        counts.setdefault(pair, Counter()).update(dict(zip(OUTCOMES, tie.outcomes[column], strict=True)))
    return {pair: (found.total(), _name_outcome(found)) for pair, found in counts.items()}


def draw_network(selection: Selection, width: int) -> Figure:
    """One panel with its key below: panels of all sides are too small to read at this many nodes."""
    from matplotlib.figure import Figure

    keys = _list_keys(selection)
    lines = _break_keys([words for _, words in keys], width)
    down = _panel_height(len(selection.nodes), width)
    height = down + len(lines) * _KEY + 8
    figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
    radii = _node_radii(selection.nodes, width * down)
    pairs = join_ties(selection.ties, -1)
    links = [(first, second, count) for (first, second), (count, _) in pairs.items()]
    places = arrange_nodes(links, radii, width, down)
    axes = _add_panel(figure, Box(0, 0, width, down), "network")
    _draw_panel(axes, selection, places, radii)
    _draw_keys(_add_panel(figure, Box(0, down + 8, width, height - down - 8), "key"), keys, lines)
    return figure


def draw_blocks(names: Sequence[str], blocks: NDArray[np.int64], width: int) -> Figure:
    """A table a side, three beside each other where there is room: (s, 3, 3) replies, those who answer in rows."""
    from matplotlib.figure import Figure

    columns = 3 if width == WIDE else 1
    down = _BLOCK_TOP + 3 * _CELL_HEIGHT + 18
    figure = Figure(figsize=(width / 72, down * ceil(len(names) / columns) / 72), facecolor="none")
    for side, name in enumerate(names):
        left, top = side % columns * _BLOCK, side // columns * down
        axes = _add_panel(figure, Box(left, top, _BLOCK, down), name)
        _draw_block(axes, name, blocks[side])
    return figure


def expect_replies(block: NDArray[np.int64]) -> NDArray[np.float64]:
    """(3, 3): replies from stance to stance if who answers had nothing to do with who is answered."""
    expected: NDArray[np.float64] = block.sum(1, keepdims=True) * block.sum(0, keepdims=True) / max(1, block.sum())
    return expected


def _draw_block(axes: Axes, name: str, block: NDArray[np.int64]) -> None:
    from matplotlib.patches import Rectangle

    axes.text(0, 12, fit_text(name, _BLOCK - 16, 11.5), fontsize=11.5, weight="bold", va="center_baseline")
    axes.text(_BLOCK_LEFT, 31, "answered", fontsize=_SMALL, va="center_baseline", color=PALETTE["muted"])
    axes.text(0, 49, "who answers", fontsize=_SMALL, va="center_baseline", color=PALETTE["muted"])
    expected = expect_replies(block)
    for place, stance in enumerate(BLOCKS):
        x, y = _BLOCK_LEFT + place * _CELL_WIDTH, _BLOCK_TOP + (place + 0.5) * _CELL_HEIGHT
        style: dict[str, Any] = {"fontsize": _SMALL, "va": "center_baseline"}
        axes.text(x + _CELL_WIDTH / 2, 49, stance, ha="center", **style)
        axes.scatter([6], [y], s=36, **_node_style(_BLOCK_LEANS[place], True))
        axes.text(16, y, stance, **style)
    for row, column in product(range(3), repeat=2):
        x, y = _BLOCK_LEFT + column * _CELL_WIDTH, _BLOCK_TOP + row * _CELL_HEIGHT
        colour = "none" if 2 in (row, column) else "positive" if row == column else "negative"
        shade = 0.08 + 0.42 * float(block[row, column]) / max(1, int(block.max()))
        cell = Rectangle((x + 1, y + 1), _CELL_WIDTH - 2, _CELL_HEIGHT - 2, color=PALETTE[colour], alpha=shade)
        axes.add_patch(cell)
        middle: dict[str, Any] = {"ha": "center", "va": "center_baseline"}
        axes.text(x + _CELL_WIDTH / 2, y + 13, f"{block[row, column]}", weight="bold", **middle)
        words = _round_expected(float(expected[row, column]))
        axes.text(x + _CELL_WIDTH / 2, y + 28, words, fontsize=8.5, **middle)


def _round_expected(value: float) -> str:
    return f"({value:.1f})" if value < 100 else f"({value:.0f})"


def _panel_height(nodes: int, width: int) -> float:
    """Room for the nodes: about as much a node whatever the width, within what fits a screen."""
    return float(np.clip(18_000 * nodes**0.7 / width + 60, 110, 620))


def _node_radii(nodes: Sequence[Node], room: float) -> NDArray[np.float64]:
    """Area by number of posts, up to what leaves space in the room (points squared)."""
    posts = np.array([node.posts for node in nodes], float)
    each = np.sqrt(room / len(nodes))
    most = np.clip(0.22 * each, 6.0, _MOST_RADIUS)
    radii: NDArray[np.float64] = np.minimum(most, np.clip(0.075 * each, 2.2, _LEAST_RADIUS) * np.sqrt(posts))
    return radii


def _add_panel(figure: Figure, box: Box, label: str) -> Axes:
    """Axes over a part of the figure, whose data are points from their top left corner."""
    width, height = figure.get_figwidth() * 72, figure.get_figheight() * 72
    bottom = height - box.top - box.height
    axes = figure.add_axes(
        (box.left / width, bottom / height, box.width / width, box.height / height), facecolor="none", label=label
    )
    axes.set_xlim(0, box.width)
    axes.set_ylim(box.height, 0)
    axes.set_axis_off()
    return axes


def _draw_panel(axes: Axes, selection: Selection, places: NDArray[np.float64], radii: NDArray[np.float64]) -> None:
    _draw_ties(axes, join_ties(selection.ties, selection.column), places)
    leans = [lean_of(node, selection.side) for node in selection.nodes]
    for lean, named in product(_MARKERS, (True, False)):
        chosen = [
            place
            for place, node in enumerate(selection.nodes)
            if leans[place] == lean and (node.name is not None) == named
        ]
        axes.scatter(
            places[chosen, 0], places[chosen, 1], s=(2 * radii[chosen]) ** 2, zorder=3, **_node_style(lean, named)
        )
    _write_names(axes, selection.nodes, places, radii)


def _node_style(lean: str, named: bool) -> dict[str, Any]:
    """Filled with an edge of paper; the post of an unknown author is hollow."""
    colours = (lean, "paper") if named else ("paper", lean)
    face, edge = (PALETTE[colour] for colour in colours)
    return {"marker": _MARKERS[lean], "facecolor": face, "edgecolor": edge, "linewidth": 0.8 if named else 1.2}


def _draw_ties(axes: Axes, pairs: dict[tuple[int, int], tuple[int, str]], places: NDArray[np.float64]) -> None:
    from matplotlib.collections import LineCollection

    for order, (outcome, style) in enumerate(reversed(_TIES.items())):
        chosen = [(pair, count) for pair, (count, name) in pairs.items() if name == outcome]
        if chosen:
            thin = 0.7 if len(places) > _MANY else 1.0
            widths = [((1.0 if outcome == "unknown" else 1.5) + 0.5 * log2(count)) * thin for _, count in chosen]
            lines = [places[list(pair)] for pair, _ in chosen]
            axes.add_collection(LineCollection(lines, linewidths=widths, zorder=1 + order / 10, **style))


def _write_names(axes: Axes, nodes: Sequence[Node], places: NDArray[np.float64], radii: NDArray[np.float64]) -> None:
    """The names of the busiest authors, as far as they fit."""
    order = sorted((place for place, node in enumerate(nodes) if node.name is not None), key=lambda p: -nodes[p].posts)
    chosen = order[:MOST_NAMES]
    names = [shorten(nodes[place].name or "") for place in chosen]
    width, height = axes.get_xlim()[1], axes.get_ylim()[0]
    found = place_names([measure_text(name) for name in names], chosen, places, radii, Box(0, 0, width, height))
    for name, place in zip(names, chosen, strict=True):
        if place in found:
            box = found[place]
            axes.text(
                box.left + 1,
                box.top + box.height / 2,
                name,
                fontsize=_SMALL,
                va="center_baseline",
                zorder=4,
                bbox={"facecolor": PALETTE["paper"], "alpha": 0.7, "linewidth": 0, "pad": 0.5},
            )


def _list_keys(selection: Selection) -> list[tuple[str, str]]:
    """The signs that are drawn, each with its words: leans, a hollow node, outcomes of ties."""
    leans = {lean_of(node, selection.side) for node in selection.nodes}
    outcomes = {
        name for _, name in join_ties(selection.ties, -1 if selection.side is None else selection.side).values()
    }
    words = dict(_LEAN_WORDS if selection.side is not None else {"none": "author"})
    keys = [(lean, said) for lean, said in words.items() if lean in leans]
    if any(node.name is None for node in selection.nodes):
        keys.append((_HOLLOW, "post of an unknown author"))
    return keys + [(name, _TIE_WORDS[name]) for name in _TIES if name in outcomes]


def _break_keys(words: Sequence[str], width: int) -> list[list[float]]:
    """Where each key begins, line by line."""
    lines: list[list[float]] = [[]]
    left = 0.0
    for one in words:
        needed = _SIGN + measure_text(one)[0]
        if lines[-1] and left + needed > width:
            lines.append([])
            left = 0.0
        lines[-1].append(left)
        left += needed + 16
    return lines


def _draw_keys(axes: Axes, keys: Sequence[tuple[str, str]], lines: Sequence[Sequence[float]]) -> None:
    spots = [(left, (line + 0.5) * _KEY) for line, lefts in enumerate(lines) for left in lefts]
    for (sign, words), (left, y) in zip(keys, spots, strict=True):
        if sign in _TIES:
            axes.plot([left + 1, left + _SIGN - 5], [y, y], linewidth=1.8, **_TIES[sign])
        else:
            style = _node_style("none", False) if sign == _HOLLOW else _node_style(sign, True)
            axes.scatter([left + _SIGN - 13], [y], s=64, **style)
        axes.text(left + _SIGN, y, words, fontsize=_SMALL, va="center_baseline", color=PALETTE["muted"])


def shorten(name: str) -> str:
    """A name that fits beside a node, without what does not print."""
    name = "".join(letter for letter in name if letter.isprintable()).strip()
    return _cut(name, LONGEST_NAME)


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"


def fit_text(words: str, width: float, size: float) -> str:
    """Bold words, cut where they would be wider."""
    length = len(words)
    while length > 1 and measure_text(_cut(words, length), size, "bold")[0] > width:
        length -= 1
    return _cut(words, length)


def measure_text(words: str, size: float = _SMALL, weight: str = "normal") -> tuple[float, float]:
    """Width and height of a line as matplotlib's own font has it, which is wider than those of most systems."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    width, _, _ = text_to_path.get_text_width_height_descent(
        words, FontProperties(size=size, weight=weight), ismath=False
    )
    return float(width) + 3, size * 1.25


def _name_outcome(counts: Counter[str]) -> str:
    agree, disagree = counts["agree"], counts["disagree"]
    if agree == disagree:
        return "mixed" if agree or counts["mixed"] else "unknown"
    return "agree" if agree > disagree else "disagree"
