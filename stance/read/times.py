"""When a post was written: the forms in which sources print a time, to an aware time in UTC.

Nothing is invented. A form that leaves the day open ("3 years ago", "Yesterday", "5 May", 4/5/2012 without a language)
gives None, and so does a date that no calendar has. A time without a zone is taken as UTC.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from functools import lru_cache

MAXIMUM_LENGTH = 60  # characters; what is longer is a sentence that mentions a date
EARLIEST, LATEST = 1900, 2100  # years; outside lie the placeholders of data bases (0001-01-01, 9999-12-31)

# Seconds, then thousandths and so on: no number can be meant in two of them, as each begins in 1973.
EPOCH_START, EPOCH_END = 1e8, 4_102_444_800
EPOCH_SCALES = (1, 1e3, 1e6, 1e9)
EPOCH = re.compile(r"[0-9]{9,19}(?:\.[0-9]{1,9})?")

# Full names and the short ones that are not their first three or four letters. Of en de fr es it pt ru tr.
MONTHS = (
    "january januar janvier enero gennaio janeiro январь января ocak ene gen",
    "february februar fevrier febrero febbraio fevereiro февраль февраля subat",
    "march marz maerz mars marzo marco март марта mart mrz",
    "april avril abril aprile апрель апреля nisan",
    "may mai mayo maggio maio май мая mayis",
    "june juni juin junio giugno junho июнь июня haziran",
    "july juli juillet julio luglio julho июль июля temmuz",
    "august aout agosto август августа agustos",
    "september septembre septiembre setiembre settembre setembro сентябрь сентября eylul",
    "october oktober octobre octubre ottobre outubro октябрь октября ekim",
    "november novembre noviembre novembro ноябрь ноября kasim",
    "december dezember decembre diciembre dicembre dezembro декабрь декабря aralik",
)
WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday tues thur thurs",
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    "lunes martes miercoles jueves viernes sabado domingo",
    "lunedi martedi mercoledi giovedi venerdi",
    "segunda terca quarta quinta sexta segunda-feira terca-feira quarta-feira quinta-feira sexta-feira",
    "понедельник вторник среда четверг пятница суббота воскресенье пн вт ср чт пт сб вс",
    "pazartesi sali carsamba persembe cuma cumartesi pazar",
    "mo di mi do fr sa so",
)
# Between the parts: "at 9:37", "le 8 mai", "em 8 de maio de 2012".
JOINS = frozenset(
    ("at", "on", "the", "of", "um", "am", "den", "a", "as", "le", "el", "il", "la", "las", "los", "de", "del", "di")
).union(("em", "alle", "ore", "в", "saat", "kl", "klo", "г", "o"))
ZONES = {  # hours from UTC; only names that mean one zone
    "z": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 1, "cet": 1, "mez": 1, "cest": 2, "mesz": 2, "eet": 2, "eest": 3,
    "msk": 3, "est": -5, "edt": -4, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip

CLOCK = re.compile(
    r"(?<![0-9.:/-])(?P<hour>[0-9]{1,2})"
    r"(?:(?::|h|\.(?=[0-9]{2}(?![.0-9])))(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]{1,9})?)?(?![0-9:])"
    r"\s?(?P<half>[ap]\.?\s?m\b\.?)?|\s?(?P<bare_half>[ap]\.?\s?m\b\.?))"
    r"(?:\s?(?:uhr|h|hrs|hours)\b)?"
    r"\s?(?P<zone>\(?(?:(?:utc|gmt)?\s?[+-][0-9]{1,2}(?::?[0-9]{2})?(?![0-9/.-])|[a-z]{1,4}\b(?!\.?\s?[0-9]))\)?)?"
)
PARENTHESIS = re.compile(r"\([a-z ]{1,30}\)\s*$")  # "GMT+0100 (Central European Time)"
DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th|er|\.|º|°)?"
MONTH = r"(?P<month>[^\W\d_]{3,12})\.?"
YEAR = r"(?P<year>[0-9]{4}|'?[0-9]{2})"
DATES = tuple(
    re.compile(form)
    for form in (
        rf"{MONTH} {DAY} {YEAR}",
        rf"{DAY}[ -]?{MONTH}[ -]?{YEAR}",
        rf"(?P<year>[0-9]{{4}})[ -]{MONTH}[ -]{DAY}",
        r"(?P<year>[0-9]{4})[./-](?P<number>[0-9]{1,2})[./-](?P<day>[0-9]{1,2})",
    )
)
NUMERIC = re.compile(r"(?P<first>[0-9]{1,2})(?P<mark>[./-])(?P<second>[0-9]{1,2})(?P=mark)(?P<year>[0-9]{4}|[0-9]{2})")
WORD = re.compile(r"[^\W\d_]{3,}")
# Digits of a year and of a day, and a word that may be a month's.
WORDED = re.compile(r"(?=.*[0-9]{4})(?=.*[^\W\d_]{3})(?!.*[0-9][./-][0-9]{1,2}[./-][0-9])", re.DOTALL)
STAMP = re.compile(r"[12][0-9]{13}")  # 20121108110600, as web archives write it
LAST_ZONE = re.compile(r"\s\(?(?P<zone>(?:utc|gmt)(?:[+-][0-9:]{1,5})?|[a-z]{3,4})\)?$")  # "12:04, 5 May 2012 (UTC)"
# Looked for by dateparser where the language is not known: all of its 200 take seconds to load and 60 ms a text.
OTHER_LANGUAGES = ["nl", "pl", "uk", "cs", "sv", "da", "nb", "fi", "hu", "ro", "el", "bg", "sr", "hr", "hy", "ka", "az"]
OTHER_LANGUAGES += ["ar", "fa", "he", "ja", "zh", "ko", "vi", "id"]


def parse_time(text: str, language: str | None = None) -> datetime | None:
    """The time that a source prints; None where it leaves the day open. The language decides what 4/5/2012 means."""
    text = text.strip()
    return _parse(text, language) if 6 <= len(text) <= MAXIMUM_LENGTH else None


def from_epoch(value: object) -> datetime | None:
    """The time of a count of seconds (or thousandths, millionths ...) since 1970, be it a number or digits."""
    if isinstance(value, str):
        if not EPOCH.fullmatch(value.strip()):
            return None
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for scale in EPOCH_SCALES:
        if EPOCH_START * scale <= value < EPOCH_END * scale:
            return datetime.fromtimestamp(value / scale, UTC)
    return None


@lru_cache(maxsize=4096)
def _parse(text: str, language: str | None) -> datetime | None:
    if EPOCH.fullmatch(text):
        return from_epoch(text) or (_read_iso(f"{text[:8]}T{text[8:]}") if STAMP.fullmatch(text) else None)
    found = _read_iso(text) or _read_parts(text, language)
    if found is None and WORDED.match(text) and not any(word in MONTH_NUMBERS for word in WORD.findall(_fold(text))):
        found = _ask_dateparser(text, language)
    return found if found is not None and EARLIEST <= found.year < LATEST else None


def _read_iso(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: year 1 or 9999 moved across its edge
        return None


def _fold(text: str) -> str:
    """Lower case without accents, so that one spelling of a month's name stands for all."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("ı", "i"))
    return "".join(character for character in plain if not unicodedata.combining(character))


def _list_months() -> dict[str, int]:
    months = {}
    for number, names in enumerate(MONTHS, start=1):
        for name in _fold(names).split():
            months.update(dict.fromkeys((name, name[:3], name[:4]), number))
    # "juin" and "juil" are not told apart by three letters; "июн" and "июл", "mar" and "may" are.
    return {name: number for name, number in months.items() if name != "jui"}


MONTH_NUMBERS = _list_months()
WEEKDAY_NAMES = {
    short for names in WEEKDAYS for name in _fold(names).split() for short in (name, name[:3])
} - MONTH_NUMBERS.keys()


def _read_parts(text: str, language: str | None) -> datetime | None:
    """A date with, before, behind or around, a time of day: nothing else may stand in the text."""
    text = _fold(text)
    if "+" in text:
        text = PARENTHESIS.sub("", text)
    clock = CLOCK.search(text)
    if clock is None:
        return _read_date(text, language, half_day=False)
    time, rest = _read_clock(clock), f"{text[: clock.start()]} {text[clock.end() :]}"
    zone = clock["zone"]
    shift: float | None = 0.0
    if zone and zone in JOINS | WEEKDAY_NAMES:  # "14:33 on 8 May"
        rest = f"{text[: clock.start()]} {text[clock.start('zone') :]}"
    elif zone or (last := LAST_ZONE.search(rest)) is None or _read_zone(last["zone"]) is None:
        shift = _read_zone(zone or "utc")
    else:
        shift, rest = _read_zone(last["zone"]), rest[: last.start()]
    date = _read_date(rest, language, half_day=bool(clock["half"] or clock["bare_half"]))
    if date is None or time is None or shift is None:
        return None
    return date + time - timedelta(hours=shift)


def _read_clock(clock: re.Match[str]) -> timedelta | None:
    hour, minute, second = int(clock["hour"]), int(clock["minute"] or 0), int(clock["second"] or 0)
    half = clock["half"] or clock["bare_half"]
    if half and hour <= 12:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    if hour > 23 or minute > 59 or second > 60:
        return None
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _read_zone(zone: str) -> float | None:
    """Hours from UTC; None for a name that is not known."""
    name = zone.strip("()").replace(" ", "")
    if name in ZONES:
        return ZONES[name]
    digits = re.fullmatch(r"(?:utc|gmt)?([+-])([0-9]{1,2}):?([0-9]{2})?", name)
    if digits is None:
        return None
    hours = int(digits[2]) + int(digits[3] or 0) / 60
    return (hours if digits[1] == "+" else -hours) if hours < 24 else None


def _read_date(text: str, language: str | None, half_day: bool) -> datetime | None:
    words = [word for word in re.split(r"[\s,|@·•–—()]+|(?<!\S)-(?!\S)", text) if word]
    words = [word for word in words if word.rstrip(".") not in JOINS]
    if words and words[0].rstrip(".") in WEEKDAY_NAMES:
        words = words[1:]
    elif words and words[-1].rstrip(".") in WEEKDAY_NAMES:
        words = words[:-1]
    joined = " ".join(words)
    if numeric := NUMERIC.fullmatch(joined):
        return _read_numeric(numeric, language, half_day)
    for form in DATES:
        if (match := form.fullmatch(joined)) is None:
            continue
        parts = match.groupdict()
        month = int(parts["number"]) if "number" in parts else MONTH_NUMBERS.get(parts["month"])
        if month is not None:
            return _make_date(_read_year(parts["year"]), month, int(parts["day"]))
    return None


def _read_numeric(match: re.Match[str], language: str | None, half_day: bool) -> datetime | None:
    """Two numbers of which either may be the day. None if nothing tells them apart.

    With points, all four digits of the year and a day of 24 hours it is the German, Russian or Turkish way.
    """
    first, second, year = int(match["first"]), int(match["second"]), _read_year(match["year"])
    if first > 12 or first == second:
        day, month = first, second
    elif second > 12:
        day, month = second, first
    elif (language is not None and language != "en") or (
        match["mark"] == "." and len(match["year"]) == 4 and not half_day
    ):
        day, month = first, second
    else:
        return None
    return _make_date(year, month, day)


def _read_year(digits: str) -> int:
    """Of two digits the year in 1970 to 2069, as everywhere."""
    year = int(digits.lstrip("'"))
    if len(digits) == 4:
        return year
    return year + (1900 if year >= 70 else 2000)


def _make_date(year: int, month: int, day: int) -> datetime | None:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        return None


def _ask_dateparser(text: str, language: str | None) -> datetime | None:
    """For the months of other languages. Only where year, month and day all stand in the text."""
    import dateparser

    settings = {
        "PARSERS": ["absolute-time"],  # not "3 years ago": when the page was saved is not known
        "STRICT_PARSING": True,
        "REQUIRE_PARTS": ["day", "month", "year"],
        "RETURN_AS_TIMEZONE_AWARE": True,
        "TIMEZONE": "UTC",
        "TO_TIMEZONE": "UTC",
    }
    try:
        found = dateparser.parse(text, languages=[language] if language else OTHER_LANGUAGES, settings=settings)
    except Exception:  # it raises many kinds on odd text, and none of them says more than "no date"
        return None
    return found.astimezone(UTC) if found else None
