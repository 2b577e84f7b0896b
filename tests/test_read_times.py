"""Times as sources print them: eight languages, no part made up, nothing that a calendar has not."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stance.read.times import _parse, from_epoch, parse_time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2012-11-08T11:06:00Z", "2012-11-08T11:06"),
        ("2012-11-08 11:06:00 UTC", "2012-11-08T11:06"),
        ("2020-11-10T12:00:00+04:00", "2020-11-10T08:00"),
        ("2020-11-10T12:00", "2020-11-10T12:00"),
        ("1352365200", "2012-11-08T09:00"),
        ("1352365200000", "2012-11-08T09:00"),
        ("1352365200.0", "2012-11-08T09:00"),
        ("20121108110600", "2012-11-08T11:06"),
        ("20121108", "2012-11-08T00:00"),
        ("Thu, 08 Nov 2012 11:06:00 +0400", "2012-11-08T07:06"),
        ("Thu Nov 08 11:06:00 +0000 2012", "2012-11-08T11:06"),
        ("Thu Nov  8 11:06:00 2012", "2012-11-08T11:06"),
        ("Thu Nov 08 2012 11:06:00 GMT+0100 (Central European Time)", "2012-11-08T10:06"),
        ("August 8, 2012", "2012-08-08T00:00"),
        ("August 8, 2012 at 11:06 am", "2012-08-08T11:06"),
        ("11:06 a.m. on August 8, 2012", "2012-08-08T11:06"),
        ("1 November 2012 9:37PM", "2012-11-01T21:37"),
        ("Friday, November 9, 2012 - 11:06", "2012-11-09T11:06"),
        ("Aug 8th, 2012 9pm EST", "2012-08-09T02:00"),
        ("Aug 8, '12", "2012-08-08T00:00"),
        ("12:30 am 8 May 2012", "2012-05-08T00:30"),
        ("12:04, 5 May 2012 (UTC)", "2012-05-05T12:04"),
        ("2012/08/08 9:37 PM", "2012-08-08T21:37"),
        ("8. August 2012 um 21.37 Uhr", "2012-08-08T21:37"),
        ("Mittwoch, 8. März 2012, 21:37 MEZ", "2012-03-08T20:37"),
        ("8 août 2012 à 21h37", "2012-08-08T21:37"),
        ("le 1er mai 2012 à 9:05", "2012-05-01T09:05"),
        ("mié, 8 de agosto de 2012 a las 21:37", "2012-08-08T21:37"),
        ("8 gennaio 2012 alle 21:37", "2012-01-08T21:37"),
        ("8 de março de 2012 às 9:05", "2012-03-08T09:05"),
        ("8 августа 2012 г. в 21:37", "2012-08-08T21:37"),
        ("Salı, 8 Mayıs 2012 saat 21:37", "2012-05-08T21:37"),
        ("8 Ağu 2012", "2012-08-08T00:00"),
        ("11.06.2012, 14:05", "2012-06-11T14:05"),
        ("25/5/2012 10:00", "2012-05-25T10:00"),
        ("5/25/12", "2012-05-25T00:00"),
        ("6/6/2012", "2012-06-06T00:00"),
    ],
)
def test_forms_that_name_a_day(text: str, expected: str) -> None:
    assert parse_time(text) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["8 sierpnia 2012 21:37", "8 augustus 2012 om 21:37", "8 серпня 2012 21:37"])
def test_other_languages_are_asked_of_dateparser(text: str) -> None:
    assert parse_time(text) == datetime(2012, 8, 8, 21, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "Yesterday",
            "3 years ago",
            "37 minutes ago (12:39 PM)",
            "Monday at 11:06",
            "2012",
            "May 5",
            "5 May",
        ),
        *("August 2012", "12:30", "1/4 odds", "41", "1. 2. 3.", "version 2.10.4", "post 20121 of 7"),
        *("4/5/2012", "11.06.12 at 11:06 am", "11.06.2012 3:05 pm"),  # the day or the month first
        *("February 30, 2012", "2012-02-30", "31 April 2012", "8 May 2012 25:00", "8 May 2012 12:61", "0 May 2012"),
        *("0000-00-00 00:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "99999999999999999999"),
        *("Bob August 8, 2012", "before August 8, 2012", "12:30 XYZT 8 May 2012", "8 May 2012 and 9 May 2012"),
        "On August 8, 2012 the mayor said that the ferry would stop for good.",
    ],
)
def test_what_names_no_day_is_none(text: str) -> None:
    assert parse_time(text) is None


def test_the_language_tells_day_from_month() -> None:
    assert parse_time("4/5/2012", "de") == datetime(2012, 5, 4, tzinfo=UTC)
    assert parse_time("4.5.12, 14:00", "ru") == datetime(2012, 5, 4, 14, tzinfo=UTC)
    assert parse_time("4/5/2012", "en") is None
    assert parse_time("8 marca 2012", "no such language") is None


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -5, 7, 1e8 - 1, 4.2e9, 1e300, float("nan"), float("inf"), 10**400, "7", "12e8", "x", [], {}],
)
def test_absurd_counts_are_none(value: object) -> None:
    assert from_epoch(value) is None


@pytest.mark.parametrize("value", [1604995200, 1604995200.0, "1604995200", 1604995200000, "1604995200000000"])
def test_counts_in_any_unit(value: object) -> None:
    assert from_epoch(value) == datetime(2020, 11, 10, 8, tzinfo=UTC)


@given(st.integers(31_536_000, 3_124_224_000), st.integers(-12, 14))
def test_every_written_time_comes_back(seconds: int, hours: int) -> None:
    time = datetime.fromtimestamp(seconds, UTC)
    moved = time - timedelta(hours=hours)
    zone = f"{'-' if hours < 0 else '+'}{abs(hours):02d}00"
    assert parse_time(f"{time:%a, %d %b %Y %H:%M:%S} {zone}") == moved
    assert parse_time(f"{time:%B %d, %Y, %I:%M:%S %p} GMT{zone}") == moved
    assert parse_time(f"{time:%Y-%m-%dT%H:%M:%S}") == time


@given(st.text(alphabet="0123456789.:/-, apmhMay(UTC)+é٣\u200b", max_size=70))
def test_any_text_gives_a_time_in_utc_or_none(text: str) -> None:
    found = parse_time(text)
    assert found is None or found.tzinfo is UTC


def test_the_memory_is_bounded() -> None:
    assert _parse.cache_info().maxsize is not None
