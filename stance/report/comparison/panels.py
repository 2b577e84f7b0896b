"""Dots with whiskers: many shares beside each other, and shares over time, as small drawings for a page.

An SVG here is a handful of paths, however many shares it shows, so that two hundred threads times all quantities stay
light. Colours are those of the page's style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stance.estimate import wilson_interval
from stance.estimate.periods import LEAST_IN_PERIOD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.estimate import Share
    from stance.estimate.periods import Periods

MOST_LABELLED = 24  # threads: a line with a name each; more are drawn without names, in order of their shares
_WIDTH, _HEIGHT, _EDGE = 300, 90, 4  # of a drawing of many threads
_STRIP = 46  # height of one thread over time
_SCALES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Dot:
    """One share in a drawing; all from 0 to 1."""

    share: float
    low: float
    high: float
    pale: bool = False  # too little data


@dataclass(frozen=True, slots=True)
class Strip:
    """One thread, or all together, over time."""

    name: str
    drawing: str  # SVG
    words: str  # what it shows


def choose_scale(highest: float) -> float:
    """The end of an axis from 0 that holds the value: 0.05 to 1."""
    return next((end for end in _SCALES if highest <= end + 1e-9), 1.0)


def draw_many(shares: Sequence[tuple[Share, bool]], label: str) -> tuple[str, float]:
    """An SVG of shares from the smallest to the largest, pale ones (True) last, and the end of its axis."""
    ordered = sorted(shares, key=lambda pair: (pair[1], pair[0].share))
    scale = choose_scale(max((share.high for share, _ in ordered), default=1.0))
    dots = [Dot(share.share, share.low, share.high, pale) for share, pale in ordered]
    step = (_WIDTH - 2 * _EDGE) / max(len(dots) - 1, 1)
    places = [_EDGE + step * number for number in range(len(dots))]
    return _draw(list(zip(places, dots, strict=True)), scale, _HEIGHT, label), scale


def draw_strips(periods: Periods, names: Sequence[str], quantity: int) -> tuple[list[Strip], float] | None:
    """A strip a thread, or one of all threads together where there is one name, and the end of their common axis.

    None where no period holds enough posts, or where none of them has it.
    """
    judged, having = periods.judged[:, :, quantity], periods.having[:, :, quantity]
    if len(names) == 1:
        judged, having = judged.sum(0, keepdims=True), having.sum(0, keepdims=True)
    drawn: list[list[tuple[int, Dot]]] = []
    for line in range(len(names)):
        dots = []
        for place, (n, count) in enumerate(zip(judged[line].tolist(), having[line].tolist(), strict=True)):
            if n >= LEAST_IN_PERIOD:
                dots.append((place, Dot(count / n, *wilson_interval(count, n))))
        drawn.append(dots)
    if not any(drawn) or not having.any():
        return None
    scale = choose_scale(max(dot.high for dots in drawn for _, dot in dots))
    step = (_WIDTH - 2 * _EDGE) / len(periods.starts)
    strips = []
    for name, dots in zip(names, drawn, strict=True):
        words = "too few posts in each period"
        if dots:
            (first, start), (last, end) = dots[0], dots[-1]
            words = (
                f"{start.share:.0%} from {periods.starts[first]:%Y-%m-%d %H:%M},"
                f" {end.share:.0%} from {periods.starts[last]:%Y-%m-%d %H:%M}"
            )
        placed = [(_EDGE + step * (place + 0.5), dot) for place, dot in dots]
        strips.append(Strip(name, _draw(placed, scale, _STRIP, f"{name}: {words}"), words))
    return strips, scale


def _draw(dots: Sequence[tuple[float, Dot]], scale: float, height: int, label: str) -> str:
    """Whiskers are one path, dots another, of zero length with round ends; pale ones apart."""
    from markupsafe import escape

    def rise(share: float) -> str:
        return f"{_EDGE + (height - 2 * _EDGE) * (1 - min(max(share, 0) / scale, 1)):.1f}"

    paths = []
    for pale in (False, True):
        own = [(f"{place:.1f}", dot) for place, dot in dots if dot.pale == pale]
        if own:
            kind = " pale" if pale else ""
            whiskers = "".join(f"M{place} {rise(dot.low)}V{rise(dot.high)}" for place, dot in own)
            points = "".join(f"M{place} {rise(dot.share)}h0" for place, dot in own)
            paths.append(f'<path class="whisker{kind}" d="{whiskers}"/><path class="point{kind}" d="{points}"/>')
    base = f'<path class="base" d="M0 {height - _EDGE}H{_WIDTH}M0 {_EDGE}H{_WIDTH}"/>'
    return f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {height}">{base}{"".join(paths)}</svg>'
