"""Where the nodes and the names of a drawn network go: lengths are points, y runs down, and the same input gives the
same places."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SEED = 0
_MOST_EXACT = 90  # nodes of a component laid out by path lengths; larger ones take too long and spread too thin
_STEPS = 120  # of the spring layout
_EVENED = 0.6
_PUSHES = 200  # at most, of nodes off each other
_GAP = 3.0  # between nodes
_REACH = 40.0  # across a part of one node; it grows with their number


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle from its top left corner."""

    left: float
    top: float
    width: float
    height: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share more than an edge."""
        across = self.left < other.left + other.width and other.left < self.left + self.width
        return across and self.top < other.top + other.height and other.top < self.top + self.height

    def holds(self, other: Box) -> bool:
        """Whether the other lies in this one."""
        across = self.left <= other.left and other.left + other.width <= self.left + self.width
        return across and self.top <= other.top and other.top + other.height <= self.top + self.height


def arrange_nodes(
    ties: Sequence[tuple[int, int, int]], radii: NDArray[np.float64], width: float, height: float
) -> NDArray[np.float64]:
    """(n, 2) places of n nodes inside the width and height; ``ties`` are pairs of nodes with the number of replies.

    Each connected part is laid out for itself, by the lengths of the paths in it (Kamada and Kawai 1989) or, where it
    is large, by springs (Fruchterman and Reingold 1991); the parts share the room by size; then nodes that overlap are
    pushed apart.
    """
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(len(radii)))
    graph.add_weighted_edges_from((first, second, sqrt(count)) for first, second, count in ties)
    parts = [sorted(part) for part in networkx.connected_components(graph)]
    parts.sort(key=lambda part: (-len(part), part))
    boxes = _cut_room([len(part) + 1 for part in parts], Box(0.0, 0.0, width, height))
    places = np.zeros((len(radii), 2))
    for part, box in zip(parts, boxes, strict=True):
        places[part] = _fill_box(_lay_out(graph.subgraph(part), part), box, float(radii[part].max()) + _GAP)
    return _push_apart(places, radii, width, height)


def place_names(
    sizes: Sequence[tuple[float, float]],
    nodes: Sequence[int],
    places: NDArray[np.float64],
    radii: NDArray[np.float64],
    room: Box,
) -> dict[int, Box]:
    """Boxes of names (width, height) beside their nodes, the first names first, as far as they find free space.

    A box covers no other name and no node, and lies in the room; a name without such a place is left out.
    """
    taken: list[Box] = []
    found: dict[int, Box] = {}
    for (width, height), node in zip(sizes, nodes, strict=True):
        x, y = places[node]
        reach = radii[node] + 2
        corner = reach * 0.8
        for left, top in (
            (x + reach, y - height / 2),
            (x - reach - width, y - height / 2),
            (x - width / 2, y - reach - height),
            (x - width / 2, y + reach),
            (x + corner, y - corner - height / 2),
            (x + corner, y + corner - height / 2),
            (x - corner - width, y - corner - height / 2),
            (x - corner - width, y + corner - height / 2),
        ):
            box = Box(float(left), float(top), width, height)
            if room.holds(box) and not any(box.overlaps(one) for one in taken) and _is_clear(box, places, radii):
                taken.append(box)
                found[node] = box
                break
    return found


def _lay_out(graph: Any, part: Sequence[int]) -> NDArray[np.float64]:
    """(n, 2) places of a connected part from 0 to 1 both ways, its long way across."""
    import networkx

    if len(part) == 1:
        return np.array([[0.5, 0.5]])
    if len(part) <= _MOST_EXACT:
        found = networkx.kamada_kawai_layout(graph, weight=None)
    else:
        found = networkx.spring_layout(graph, k=2.2 / sqrt(len(part)), iterations=_STEPS, seed=_SEED, weight=None)
    places = np.array([found[node] for node in part])
    places -= places.mean(0)
    _, _, axes = np.linalg.svd(places, full_matrices=False)
    # the sign of an axis is arbitrary: fix it, so that every machine draws the same
    axes *= np.where(axes[np.arange(2), np.abs(axes).argmax(1)] < 0, -1, 1)[:, None]
    places = places @ axes.T
    span = np.ptp(places, axis=0)
    places = np.where(span > 1e-6, (places - places.min(0)) / np.maximum(span, 1e-6), 0.5)
    if len(part) <= _MOST_EXACT:
        return places
    # Springs crowd the middle and throw single nodes far out: going halfway to ranks spreads them.
    ranks = places.argsort(0).argsort(0) / (len(part) - 1)
    return (1 - _EVENED) * places + _EVENED * ranks


def _cut_room(weights: Sequence[int], room: Box) -> list[Box]:
    """The room cut into boxes with areas as the weights, which come in descending order: halved and halved again."""
    if len(weights) == 1:
        return [room]
    total, first = sum(weights), weights[0]
    count = 1
    while count < len(weights) - 1 and abs(total - 2 * (first + weights[count])) < abs(total - 2 * first):
        first += weights[count]
        count += 1
    share = first / total
    if room.width >= room.height:
        one = Box(room.left, room.top, room.width * share, room.height)
        other = Box(room.left + one.width, room.top, room.width - one.width, room.height)
    else:
        one = Box(room.left, room.top, room.width, room.height * share)
        other = Box(room.left, room.top + one.height, room.width, room.height - one.height)
    return [*_cut_room(weights[:count], one), *_cut_room(weights[count:], other)]


def _fill_box(shape: NDArray[np.float64], box: Box, margin: float) -> NDArray[np.float64]:
    """Places of a part in its box, its long way along the box's, no longer than so few nodes need."""
    if box.height > box.width:
        shape = shape[:, ::-1]
    longest = _REACH * len(shape) ** 0.75
    room = np.clip(np.array([box.width, box.height]) - 2 * margin, 1.0, longest)
    middle = np.array([box.left + box.width / 2, box.top + box.height / 2])
    return middle + (shape - 0.5) * room


def _push_apart(
    places: NDArray[np.float64], radii: NDArray[np.float64], width: float, height: float
) -> NDArray[np.float64]:
    """The places, each pair of nodes that overlaps moved apart along the line between them, inside the room."""
    apart = radii[:, None] + radii[None, :] + _GAP
    low, high = radii[:, None] + 1, np.array([width, height]) - radii[:, None] - 1
    # two nodes in one place have no line between them: a fixed turn of each stands for it
    turn = np.arange(len(radii)) * 2.399963
    places = places + 1e-3 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    for _ in range(_PUSHES):
        between = places[:, None, :] - places[None, :, :]
        distance = np.sqrt((between**2).sum(-1))
        np.fill_diagonal(distance, np.inf)
        overlap = np.maximum(0.0, apart - distance)
        if overlap.max(initial=0.0) < 0.1:
            break
        places = places + (between * (overlap / distance / 2)[:, :, None]).sum(1) * 0.7
        places = np.clip(places, low, np.maximum(low, high))
    return places


def _is_clear(box: Box, places: NDArray[np.float64], radii: NDArray[np.float64]) -> bool:
    """Whether the box covers no node."""
    nearest = np.clip(places, [box.left, box.top], [box.left + box.width, box.top + box.height])
    return bool((((places - nearest) ** 2).sum(1) >= radii**2).all())
