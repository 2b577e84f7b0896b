"""Shares over time in the same stretches of the calendar for all threads of a comparison.

They are the tagger's labels: a stretch holds too few hand labels to correct it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate.members import NOT_JUDGED
from stance.estimate.timeline import divide_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stance.estimate.members import Member

LEAST_IN_PERIOD = 10  # judged posts: the share of fewer is not drawn


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Counts of k threads in t stretches of time, q quantities."""

    unit: str  # "day", "month", ...
    starts: tuple[datetime, ...]  # (t,), in UTC
    judged: NDArray[np.int64]  # (k, t, q): judged posts
    having: NDArray[np.int64]  # (k, t, q): of these, how many the tagger says have it
    untimed: int  # judged posts whose time is not known


def count_periods(members: Sequence[Member]) -> Periods | None:
    """None where fewer than two times are known: there is no course to show."""
    times = np.concatenate([member.times for member in members])
    known = times[np.isfinite(times)]
    if not len(known) or known.min() == known.max():
        return None
    unit, edges = divide_time(*(datetime.fromtimestamp(float(time), UTC) for time in (known.min(), known.max())))
    starts = np.array([edge.timestamp() for edge in edges[:-1]])
    quantities = members[0].has.shape[1]
    judged = np.zeros((len(members), len(starts), quantities), np.int64)
    having = np.zeros_like(judged)
    for place, member in enumerate(members):
        timed = np.isfinite(member.times)
        bins = np.searchsorted(starts, member.times[timed], side="right") - 1
        has = member.has[timed]
        np.add.at(judged[place], bins, has != NOT_JUDGED)
        np.add.at(having[place], bins, has == 1)
    return Periods(unit, tuple(edges[:-1]), judged, having, len(times) - len(known))
