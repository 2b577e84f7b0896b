"""A thread over time: bins of the calendar, known counts, gaps that stay, and a picture without words over words."""

import itertools
import time
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context

from stance.estimate import PREDICTED, wilson_interval
from stance.estimate.timeline import MOST_BINS, UNITS, divide_time, read_timeline
from stance.records import SENTIMENTS, STANCES, TOXICITY, Side
from stance.report.picture import _SETTINGS, NARROW, WIDE
from stance.report.timeline import _draw_timeline, timeline_context
from stance.table import Manifest

SIDES = (Side("North", "pro-North", "the North"), Side("South", "pro-South", "the South"))
MANIFEST = Manifest("minilm", "ab" * 32, "north-south", SIDES, "0.1.0", (0.5,) * 5)
DAY = datetime(2020, 11, 10, tzinfo=UTC)
LABELS = {"f": "favor", "a": "against", "n": "none", "x": None}


def make_row(position, when, labels="nn", toxic=0.1):
    """A post with a label a side, one letter each; "" where it was not judged."""
    stance = [
        {"side": side.name, "label": LABELS[letter], **dict.fromkeys(STANCES, 0.3)}
        for side, letter in zip(SIDES, labels, strict=False)
    ]
    return {
        "thread": "talk", "kind": "post", "position": position, "id": str(position), "number": None, "author": "Ann",
        "time": when, "body": "words", "quotes": [], "reply_to": None, "reply_basis": None, "language": None,
        "words": 5 if labels else 0, "stance": stance if labels else None,
        "toxicity": dict.fromkeys(TOXICITY, toxic) if labels else None,
        "sentiment": {"label": "neutral", **dict.fromkeys(SENTIMENTS, 0.3)} if labels else None,
        "mention": None, "evidence": None,
    }  # fmt: skip


def read(rows):
    return read_timeline(rows, 2, MANIFEST.toxicity_threshold)


def at(*hours):
    return [DAY + timedelta(hours=hour) for hour in hours]


TALK = [
    {**make_row(0, DAY - timedelta(days=900)), "kind": "article", "position": None},
    make_row(0, DAY + timedelta(minutes=10), "fa", 0.9),
    make_row(1, DAY + timedelta(minutes=59), "fn"),
    make_row(2, DAY + timedelta(hours=1), ""),
    make_row(3, DAY + timedelta(hours=25), "xa", 0.8),
    make_row(4, None, "ff", 0.9),
    make_row(5, datetime(2020, 11, 11, 6, 30, tzinfo=timezone(timedelta(hours=5))), "af"),  # 01:30 in UTC
]


@pytest.mark.parametrize(
    ("first", "last", "unit", "count", "start", "second"),
    [
        ("2020-11-10 09:58", "2020-11-10 10:03", "5 minutes", 2, "2020-11-10 09:55", "2020-11-10 10:00"),
        ("2020-11-10 09:58", "2020-11-10 18:03", "15 minutes", 34, "2020-11-10 09:45", "2020-11-10 10:00"),
        ("2020-11-10 09:58", "2020-11-11 18:03", "hour", 34, "2020-11-10 09:00", "2020-11-10 10:00"),
        ("2020-11-10 09:58", "2020-11-14 18:03", "3 hours", 36, "2020-11-10 09:00", "2020-11-10 12:00"),
        ("2020-11-10 09:58", "2020-11-18 18:03", "6 hours", 35, "2020-11-10 06:00", "2020-11-10 12:00"),
        ("2020-11-10 09:58", "2020-11-28 18:03", "12 hours", 38, "2020-11-10 00:00", "2020-11-10 12:00"),
        ("2020-11-10 09:58", "2020-12-18 18:03", "day", 39, "2020-11-10 00:00", "2020-11-11 00:00"),
        # a Tuesday: the week began on the day before
        ("2020-11-10 09:58", "2021-06-18 18:03", "week", 32, "2020-11-09 00:00", "2020-11-16 00:00"),
        ("2020-11-10 09:58", "2023-06-18 18:03", "month", 32, "2020-11-01 00:00", "2020-12-01 00:00"),
        ("2020-11-10 09:58", "2028-06-18 18:03", "quarter", 31, "2020-10-01 00:00", "2021-01-01 00:00"),
        ("2000-11-10 09:58", "2028-06-18 18:03", "year", 29, "2000-01-01 00:00", "2001-01-01 00:00"),
        ("1905-11-10 09:58", "2028-06-18 18:03", "decade", 13, "1900-01-01 00:00", "1910-01-01 00:00"),
    ],
)
def test_bins_follow_the_calendar(first, last, unit, count, start, second):
    times = [datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (first, last, start, second)]
    found, edges = divide_time(*times[:2])
    assert (found, len(edges) - 1, *edges[:2]) == (unit, count, *times[2:])


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_any_two_times_lie_in_at_most_forty_bins(one, other):
    first, last = min(one, other), max(one, other)
    unit, edges = divide_time(first, last)
    assert unit in UNITS
    assert 1 <= len(edges) - 1 <= MOST_BINS
    assert edges == sorted(set(edges))
    assert edges[0] <= first
    assert last < edges[-1] or edges[-1] == datetime.max.replace(tzinfo=UTC)
    # no finer unit would do
    finer = UNITS[: UNITS.index(unit)]
    if finer:
        assert len(edges) - 1 < MOST_BINS
        lengths = {"5 minutes": 300, "15 minutes": 900, "hour": 3600, "day": 86_400, "week": 604_800}
        assert (last - first).total_seconds() > lengths.get(finer[-1], 0) * (MOST_BINS - 1)


def test_counts_of_a_talk():
    timeline = read(TALK)
    assert timeline.unit == "hour"
    assert (timeline.untimed, timeline.before, timeline.after) == (1, 0, 0)
    assert len(timeline.bins) == 26
    assert [(place, one.posts, one.judged) for place, one in enumerate(timeline.bins) if one.posts] == [
        (0, 2, 2),
        (1, 1, 0),
        (25, 2, 2),
    ]
    first, last = timeline.bins[0], timeline.bins[-1]
    assert first.stance[0] == {"favor": 2, "against": 0, "none": 0, "abstained": 0}
    assert first.stance[1] == {"favor": 0, "against": 1, "none": 1, "abstained": 0}
    assert last.stance[0] == {"favor": 0, "against": 1, "none": 0, "abstained": 1}
    assert (first.toxic.count, first.toxic.n, first.toxic.basis) == (1, 2, PREDICTED)
    assert (first.toxic.low, first.toxic.high) == wilson_interval(1, 2)


def test_gaps_stay_gaps():
    empty = read(TALK).bins[2:25]
    assert all(one.posts == 0 and one.toxic is None for one in empty)
    assert all(one.end == other.start for one, other in itertools.pairwise(read(TALK).bins))
    assert read(TALK).bins[1].toxic is None  # a post, but not judged


@pytest.mark.parametrize("times", [[], [None, None], [DAY], [DAY, DAY, None]])
def test_without_two_times_there_is_no_timeline(times):
    rows = [make_row(place, when) for place, when in enumerate(times)]
    assert read(rows) is None
    assert timeline_context(rows, MANIFEST) is None


def test_a_few_late_posts_do_not_hide_the_others():
    times = [*at(*np.linspace(0, 30, 60)), DAY - timedelta(days=4000), DAY + timedelta(days=700)]
    timeline = read([make_row(place, when) for place, when in enumerate(times)])
    assert timeline.unit == "hour"
    assert (timeline.before, timeline.after) == (1, 1)
    assert sum(one.posts for one in timeline.bins) == 60
    context = timeline_context([make_row(place, when) for place, when in enumerate(times)], MANIFEST)
    assert (context["posts"], context["before"], context["after"]) == (60, 1, 1)


def test_every_post_is_counted_once():
    generator = np.random.default_rng(1)
    for spread in (0.001, 1, 40, 4000, 90_000):
        times = at(*(generator.pareto(1, 300) * spread % 8_000_000))
        timeline = read([make_row(place, when) for place, when in enumerate(times)])
        assert sum(one.posts for one in timeline.bins) + timeline.before + timeline.after == 300


def test_all_at_one_time_but_one():
    timeline = read([make_row(place, when) for place, when in enumerate([*at(*[0] * 50), *at(90_000)])])
    assert timeline.bins[0].posts == 50
    assert sum(one.posts for one in timeline.bins) + timeline.after == 51


def test_a_bin_in_a_row_leads_to_its_posts():
    data = timeline_context(TALK, MANIFEST)["data"]["timeline"]
    line = data.lines[0]
    assert data.head[:4] == ("from (UTC)", "posts", "judged", "North: favor")
    assert (line[0], line[1].text, line[1].show) == ("2020-11-10 00:00", "2", "posts=1-2")
    assert (line[3].text, line[3].show) == ("2", "posts=1-2&stance=0f")
    assert [cell if isinstance(cell, str) else cell.text for cell in line[-3:]] == ["1", "2", "50% (9 to 91)"]
    # posts 4 and 6, with another between them that has no time
    assert data.lines[-1][1] == "2"


def test_only_what_is_judged_is_drawn():
    rows = [make_row(place, when, "") for place, when in enumerate(at(0, 5, 9))]
    context = timeline_context(rows, MANIFEST)
    assert (context["sides"], context["toxic"]) == (0, False)
    assert context["data"]["timeline"].lines[0][-3:] == ("–", "0", "–")
    assert "3 posts" in context["pictures"][0].description


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("hours", [0.3, 7, 30, 100, 800, 6000, 25_000, 400_000])
def test_no_words_lie_over_others_or_are_cut(hours, width):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    generator = np.random.default_rng(2)
    times = at(*np.sort(generator.random(80) * hours))
    rows = [make_row(place, when, generator.choice(["fa", "an", "nf"])) for place, when in enumerate(times)]
    with rc_context(_SETTINGS):
        figure = _draw_timeline(read(rows), ["North", "A side whose name is as long as names get"], width)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw_without_rendering()
        texts = []
        for axes in figure.axes:
            texts += [axes._left_title, axes._right_title, axes.xaxis.label]
            texts += axes.get_xticklabels() + axes.get_yticklabels()
        boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts if text.get_text()]
    for words, box in boxes:
        assert figure.bbox.x0 - 0.5 <= box.x0, words
        assert box.x1 <= figure.bbox.x1 + 0.5, words
        assert figure.bbox.y0 - 0.5 <= box.y0, words
    for (words, one), (other_words, other) in itertools.combinations(boxes, 2):
        assert not one.padded(-0.5).overlaps(other.padded(-0.5)), (words, other_words)
    assert len(figure.axes[-1].get_xticklabels()) >= 2 or hours < 1


def test_a_long_thread_is_quick():
    timeline_context(TALK, MANIFEST)  # what is imported once
    times = at(*np.sort(np.random.default_rng(3).random(5000) * 9000))
    rows = [make_row(place, when, "fa", place % 10 / 10) for place, when in enumerate(times)]
    started = time.process_time()
    context = timeline_context(rows, MANIFEST)
    assert time.process_time() - started < 3
    assert context["posts"] == 5000
