"""A thread over time: its posts counted in equal stretches of the calendar, in UTC.

Stance and toxicity are the tagger's labels: predicted, not validated.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING

from stance.estimate import STANCE_OUTCOMES, Row, Share, row_heads, stance_outcome, toxicity_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BINS = 40
_DAY = 86_400
# Widths of bins, the finest first: seconds, or months where a calendar has no fixed length.
_SECONDS = {
    "5 minutes": 300,
    "15 minutes": 900,
    "hour": 3600,
    "3 hours": 10_800,
    "6 hours": 21_600,
    "12 hours": 43_200,
    "day": _DAY,
    "week": 7 * _DAY,
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200, "millennium": 12_000}
UNITS = (*_SECONDS, *_MONTHS)
_MONDAY = datetime(1, 1, 1, tzinfo=UTC)  # weeks begin on Mondays, as this one did; shorter bins divide a day
# Where one bin of the whole time holds more than this share of the posts, the time of most of them is shown instead.
_CROWDED, _MOST = 0.8, 0.95
_LEAST_CROWD = 20  # posts


@dataclass(frozen=True, slots=True)
class Bin:
    """The posts of one stretch of time; a stretch without posts has zeros and stays."""

    start: datetime
    end: datetime  # one past
    posts: int
    judged: int  # for stance
    stance: tuple[dict[str, int], ...]  # judged posts by STANCE_OUTCOMES, one a side
    toxic: Share | None  # of the posts judged for toxicity; None where there are none


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bins without a gap between them, from the first post shown to the last."""

    unit: str  # of UNITS
    bins: tuple[Bin, ...]
    untimed: int  # posts whose time is not known
    before: int  # posts earlier than the first bin
    after: int  # posts later than the last


def read_timeline(rows: Sequence[Row], sides: int, threshold: Sequence[float]) -> Timeline | None:
    """The posts of a table over time, in at most MOST_BINS bins of the finest unit that allows it.

    Bins begin where the calendar's units do. A few posts long before or after the others would leave one bin for
    these; then the shortest time that holds 95 % of the posts is shown, and the others are counted beside it. None
    where there are not two times: there is no course to show.
    """
    posts = [row for row in rows if row["kind"] == "post"]
    timed = sorted((row for row in posts if row["time"] is not None), key=lambda row: row["time"])
    times = [row["time"].astimezone(UTC) for row in timed]
    if not times or times[0] == times[-1]:
        return None
    unit, edges = divide_time(times[0], times[-1])
    places = [bisect_right(edges, time) - 1 for time in times]
    if len(times) >= _LEAST_CROWD and max(Counter(places).values()) > _CROWDED * len(times):
        first, last = _find_crowd(times)
        if times[last] > times[first]:
            unit, edges = divide_time(times[first], times[last])
            # those just before and after come along, as far as they need no wider bins
            while last + 1 < len(times) and divide_time(times[first], times[last + 1])[0] == unit:
                last += 1
            while first and divide_time(times[first - 1], times[last])[0] == unit:
                first -= 1
            edges = divide_time(times[first], times[last])[1]
    groups: list[list[Row]] = [[] for _ in edges[:-1]]
    before = after = 0
    for row, time in zip(timed, times, strict=True):
        if time < edges[0]:
            before += 1
        elif time >= edges[-1]:
            after += 1
        else:
            groups[bisect_right(edges, time) - 1].append(row)
    bins = [
        _count_bin(start, end, group, sides, threshold)
        for start, end, group in zip(edges[:-1], edges[1:], groups, strict=True)
    ]
    return Timeline(unit, tuple(bins), len(posts) - len(timed), before, after)


def divide_time(first: datetime, last: datetime) -> tuple[str, list[datetime]]:
    """The finest unit that takes at most MOST_BINS bins from ``first`` to ``last``, and the edges of its bins."""
    for unit in UNITS:
        edges = [_begin_unit(first, unit)]
        while edges[-1] <= last and len(edges) <= MOST_BINS:
            edges.append(_next_unit(edges[-1], unit))
        if edges[-1] > last:
            break
    return unit, edges


def _find_crowd(times: Sequence[datetime]) -> tuple[int, int]:
    """The first and the last post of the shortest time that holds _MOST of the sorted times."""
    count = ceil(_MOST * len(times))
    first = min(range(len(times) - count + 1), key=lambda place: times[place + count - 1] - times[place])
    return first, first + count - 1


def _begin_unit(time: datetime, unit: str) -> datetime:
    """The start of the unit that holds the time."""
    if unit in _SECONDS:
        return time - (time - _MONDAY) % timedelta(seconds=_SECONDS[unit])
    months = (time.year - 1) * 12 + time.month - 1
    if _MONTHS[unit] >= 120:
        months = time.year * 12  # decades and longer begin in years that end in 0; the calendar has no year 0
        return datetime(max(1, months // _MONTHS[unit] * _MONTHS[unit] // 12), 1, 1, tzinfo=UTC)
    months -= months % _MONTHS[unit]
    return datetime(months // 12 + 1, months % 12 + 1, 1, tzinfo=UTC)


def _next_unit(start: datetime, unit: str) -> datetime:
    """The start of the unit after that which starts here; the end of the calendar where there is none."""
    try:
        if unit in _SECONDS:
            return start + timedelta(seconds=_SECONDS[unit])
        if _MONTHS[unit] >= 12:
            years = _MONTHS[unit] // 12
            return start.replace(year=(start.year // years + 1) * years)
        months = start.month - 1 + _MONTHS[unit]
        return start.replace(year=start.year + months // 12, month=months % 12 + 1)
    except (OverflowError, ValueError):
        return datetime.max.replace(tzinfo=UTC)


def _count_bin(start: datetime, end: datetime, posts: Sequence[Row], sides: int, threshold: Sequence[float]) -> Bin:
    judged = [row for row in posts if "stance" in row_heads(row)]
    outcomes = [[stance_outcome(row, side) for row in judged] for side in range(sides)]
    stance = tuple({outcome: found.count(outcome) for outcome in STANCE_OUTCOMES} for found in outcomes)
    return Bin(start, end, len(posts), len(judged), stance, toxicity_shares(posts, threshold).get("any"))
