"""A thread over time, for its page: the picture and the numbers behind it."""

from __future__ import annotations

from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

from stance.estimate import PREDICTED, STANCE_OUTCOMES, Row, judged_heads
from stance.estimate.timeline import Bin, Timeline, read_timeline
from stance.html import percent
from stance.report.data import Cell, DataTable, show_attribute, show_stance
from stance.report.numbers import ANY
from stance.report.picture import PALETTE, WIDE, render_picture
from stance.report.wording import shorten_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stance.table import Manifest

_PANEL, _HEAD, _FOOT = 104, 26, 42  # heights: of a panel, of its title in it, of the axis below all
_LEFT, _RIGHT = 44, 14
_SIGNS = {"favor": 1, "against": -1}  # up and down
_LABEL = 78  # width that a date needs


def timeline_context(rows: Sequence[Row], manifest: Manifest) -> dict[str, Any] | None:
    """What timeline.html prints under the name ``timeline``; None where fewer than two times are known."""
    heads = judged_heads(rows)
    names = [shorten_name(side.name) for side in manifest.sides] if "stance" in heads else []
    timeline = read_timeline(rows, len(names), manifest.toxicity_threshold)
    if timeline is None:
        return None
    picture = render_picture(
        "timeline",
        "Posts, stance and toxicity over time",
        _describe(timeline, names),
        lambda width: _draw_timeline(timeline, names, width),
    )
    return {
        "pictures": [picture],
        "data": {"timeline": _list_bins(rows, timeline, [side.name for side in manifest.sides][: len(names)])},
        "basis": PREDICTED,
        "unit": timeline.unit,
        "start": _show_time(timeline.bins[0].start),
        "end": _show_time(timeline.bins[-1].end),
        "posts": sum(one.posts for one in timeline.bins),
        "empty": sum(not one.posts for one in timeline.bins),
        "untimed": timeline.untimed,
        "before": timeline.before,
        "after": timeline.after,
        "toxic": any(one.toxic is not None for one in timeline.bins),
        "sides": len(names),
    }


def _show_time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"


def _describe(timeline: Timeline, names: Sequence[str]) -> str:
    """What each half of the time holds, and its busiest bin."""
    bins = timeline.bins
    busiest = max(bins, key=lambda one: one.posts)
    parts = [
        f"{sum(one.posts for one in bins)} posts from {_show_time(bins[0].start)} to {_show_time(bins[-1].end)} UTC.",
        f"Most in one bar ({timeline.unit}): {busiest.posts}, from {_show_time(busiest.start)}.",
    ]
    middle = ceil(len(bins) / 2)
    for half, own in (("First", bins[:middle]), ("Second", bins[middle:])):
        told = [
            f"{name} favor {sum(one.stance[side]['favor'] for one in own)},"
            f" against {sum(one.stance[side]['against'] for one in own)}"
            for side, name in enumerate(names)
        ]
        shares = [one.toxic for one in own if one.toxic is not None]
        told += (
            [f"toxic {sum(share.count for share in shares)} of {sum(share.n for share in shares)}"] if shares else []
        )
        parts.append(f"{half} half of the time, {sum(one.posts for one in own)} posts: {'; '.join(told)}.")
    return f"{' '.join(parts)} Labels are {PREDICTED}."


def _list_bins(rows: Sequence[Row], timeline: Timeline, sides: Sequence[str]) -> DataTable:
    """A line a bin; where its posts follow each other in the thread, each number leads to them."""
    head = ["from (UTC)", "posts", "judged"]
    head += [f"{side}: {outcome}" for side in sides for outcome in STANCE_OUTCOMES]
    head += ["toxic", "of", "share, 95% interval"]
    times = [row["time"] for row in rows if row["kind"] == "post"]
    lines = []
    for one in timeline.bins:
        places = [place for place, time in enumerate(times, 1) if time is not None and one.start <= time < one.end]
        run = places and places[-1] - places[0] + 1 == len(places)
        span = f"posts={places[0]}-{places[-1]}" if run else None
        lines.append(_list_bin(one, span))
    return DataTable(tuple(head), tuple(lines))


def _list_bin(one: Bin, span: str | None) -> tuple[str | Cell, ...]:
    def count(number: int, show: str = "") -> str | Cell:
        return str(number) if span is None else Cell(str(number), f"{span}&{show}".rstrip("&"))

    cells = [_show_time(one.start), count(one.posts), str(one.judged)]
    for side, counts in enumerate(one.stance):
        cells += [count(number, show_stance(side, outcome)) for outcome, number in counts.items()]
    share = one.toxic
    if share is None:
        return (*cells, "–", "0", "–")
    return (*cells, count(share.count, show_attribute(ANY)), str(share.n), percent(share))


# --- drawing: lengths are points ---


def _draw_timeline(timeline: Timeline, names: Sequence[str], width: int) -> Figure:
    """Panels on one axis of time: posts, favor and against each side, the share of toxic posts."""
    from matplotlib.figure import Figure

    bins = timeline.bins
    toxic = any(one.toxic is not None for one in bins)
    panels = 1 + len(names) + toxic
    height = panels * _PANEL + _FOOT
    figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
    across, down = width - _LEFT - _RIGHT, _PANEL - _HEAD - 6
    all_axes = []
    for panel in range(panels):
        bottom = height - panel * _PANEL - _HEAD - down
        place = (_LEFT / width, bottom / height, across / width, down / height)
        axes = figure.add_axes(place, facecolor="none", label=str(panel))
        for edge in ("left", "right", "top"):
            axes.spines[edge].set_visible(False)
        axes.set_xlim(_second(bins, bins[0].start), _second(bins, bins[-1].end))
        axes.set_xticks([])
        axes.tick_params(length=0, labelsize=9)
        all_axes.append(axes)
    _draw_bars(all_axes[0], timeline, [one.posts for one in bins], "ink", "Posts")
    reach = max([1, *(one.stance[side][name] for one in bins for side in range(len(names)) for name in _SIGNS)])
    for side, name in enumerate(names):
        _draw_side(all_axes[1 + side], timeline, side, name, reach)
    if toxic:
        _draw_toxic(all_axes[-1], timeline)
    _label_times(all_axes[-1], timeline, across, 8 if width == WIDE else 3)
    return figure


def _draw_bars(axes: Axes, timeline: Timeline, counts: Sequence[int], colour: str, title: str) -> None:
    places, widths = _bar_places(timeline)
    axes.bar(places, counts, widths, color=PALETTE[colour], alpha=0.55, linewidth=0)
    most = max(1, *counts)
    axes.set_ylim(0, most * 1.08)
    axes.set_yticks([0, most], ["0", f"{most:,}"])
    _write_title(axes, title)


def _draw_side(axes: Axes, timeline: Timeline, side: int, name: str, reach: int) -> None:
    """Posts in favor upward and against downward; all sides on one scale."""
    places, widths = _bar_places(timeline)
    for outcome, sign in _SIGNS.items():
        heights = [sign * one.stance[side][outcome] for one in timeline.bins]
        axes.bar(places, heights, widths, color=PALETTE[outcome], linewidth=0)
    axes.axhline(0, color=PALETTE["muted"], linewidth=0.8)
    axes.set_ylim(-reach * 1.08, reach * 1.08)
    axes.set_yticks([-reach, 0, reach], [f"{reach:,}", "0", f"{reach:,}"])
    axes.spines["bottom"].set_visible(False)
    _write_title(axes, name, "posts; up: favor, down: against")


def _draw_toxic(axes: Axes, timeline: Timeline) -> None:
    """The share of each bin with its interval; a bin without judged posts has none."""
    places, _ = _bar_places(timeline)
    found = [(place, one.toxic) for place, one in zip(places, timeline.bins, strict=True) if one.toxic is not None]
    for place, share in found:
        axes.plot([place, place], [share.low, share.high], color=PALETTE["toxic"], linewidth=1.2, alpha=0.6)
    axes.plot([place for place, _ in found], [share.share for _, share in found], "D", color=PALETTE["toxic"], ms=4)
    most = min(1.0, ceil(5 * max(share.high for _, share in found)) / 5)  # fifths: an axis that ends in a round number
    axes.set_ylim(0, most * 1.05)
    axes.set_yticks([0, most / 2, most], ["0", f"{most / 2:.0%}", f"{most:.0%}"])
    axes.grid(axis="y", color=PALETTE["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    _write_title(axes, "Share of toxic posts", "with 95% interval")


def _write_title(axes: Axes, words: str, aside: str = "") -> None:
    axes.set_title(words, loc="left", fontsize=11.5, weight="bold", pad=5, color=PALETTE["ink"])
    room = axes.bbox.width / axes.get_figure(root=True).dpi * 72  # type: ignore[union-attr]
    if aside and (len(words) + len(aside) * 0.8) * 8 < room:
        axes.set_title(aside, loc="right", fontsize=9, pad=5, color=PALETTE["muted"])


def _label_times(axes: Axes, timeline: Timeline, across: float, most: int) -> None:
    """Dates below the starts of some bins, as many as have space."""
    bins = timeline.bins
    starts = [one.start for one in bins]
    step = ceil(len(starts) / most)
    scale = across / _second(bins, bins[-1].end)
    chosen = [time for time in starts[::step] if _second(bins, time) * scale + _LABEL / 2 <= across + _RIGHT]
    while any((_second(bins, two) - _second(bins, one)) * scale < _LABEL for one, two in pairwise(chosen)):
        chosen = chosen[::2]
    axes.set_xticks([_second(bins, time) for time in chosen], [_name_time(time, timeline.unit) for time in chosen])
    axes.tick_params(axis="x", length=3, color=PALETTE["muted"], labelsize=9.5)
    axes.set_xlabel(f"UTC, by {timeline.unit}, from {_show_time(starts[0])}", fontsize=10.5)


def _name_time(time: datetime, unit: str) -> str:
    """As much of a date as the unit needs; the year of hours stands below the axis."""
    if unit in ("day", "week"):
        return f"{time.day} {time:%b %Y}"
    if unit in ("month", "quarter"):
        return f"{time:%b %Y}"
    if unit in ("year", "decade", "century", "millennium"):
        return f"{time.year}"
    return f"{time.day} {time:%b %H:%M}"


def _bar_places(timeline: Timeline) -> tuple[list[float], list[float]]:
    """Middle and width of each bin's bar."""
    bins = timeline.bins
    lengths = [(one.end - one.start).total_seconds() for one in bins]
    starts = [_second(bins, one.start) for one in bins]
    places = [start + length / 2 for start, length in zip(starts, lengths, strict=True)]
    return places, [length * 0.84 for length in lengths]


def _second(bins: Sequence[Bin], time: datetime) -> float:
    """Seconds since the first bin began."""
    return (time - bins[0].start).total_seconds()
