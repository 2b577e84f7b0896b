"""Lines that may head or sign a post: what stands in them for a name, a date and a number, and in which order.

No form is listed whole. A line is a date, at most one name, and the small words and signs around them; these make its
shape ("N | D", "posted by N at D", "D — N"). That a shape is a thread's way to head its posts, its layout decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAXIMUM_LENGTH = 160  # characters of a header line
MAXIMUM_WORDS = 24
MAXIMUM_NAME = 60

# In English, German, French, Spanish, Italian, Portuguese, Dutch and Russian. Spelt out: "mar" and some more letters is
# also Martin, "fre" Freed.
MONTH = (
    r"(?<![^\W\d_])(?:jan(?:uary|uari|uar|vier|eiro)?|ene(?:ro)?|gen(?:naio)?|feb(?:ruary|ruari|ruar|rero"
    r"|braio)?|fév(?:rier)?"
    r"|fev(?:ereiro)?|mar(?:ch|zo|s|ço)?|mär(?:z)?|maart|mrt|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may(?:o)?"
    r"|mai(?:o)?|mei"
    r"|mag(?:gio)?|june?|juni|juin|jun(?:io|ho)|giu(?:gno)?|july?|juli|juil(?:let)?|jul(?:io|ho)|lug(?:lio)?"
    r"|aug(?:ust|ustus)?"
    r"|août|ago(?:sto)?|sept?(?:ember|embre|iembre)?|set(?:tembre|embro|iembre)?|oct(?:ober|obre|ubre)?|okt(?:ober)?"
    r"|ott(?:obre)?|out(?:ubro)?|nov(?:ember|embre|iembre|embro)?|de[cz](?:ember|embre)?|déc(?:embre)?"
    r"|dic(?:iembre|embre)?"
    r"|dez(?:embro)?|янв(?:ар[ья])?|фев(?:рал[ья])?|март?а?|апр(?:ел[ья])?|ма[йя]|июн[ья]?|июл[ья]?|авг(?:уста?)?"
    r"|сен(?:тябр[ья])?|окт(?:ябр[ья])?|ноя(?:бр[ья])?|дек(?:абр[ья])?)(?![^\W\d_])\.?"
)
WEEKDAY = (
    r"(?:(?<![^\W\d_])(?:mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs|rsday|r)?|fri(?:day)?|sat(?:urday)?"
    r"|sun(?:day)?"
    r"|mo(?:ntag)?|di(?:enstag)?|mi(?:ttwoch)?|do(?:nnerstag)?|fr(?:eitag)?|sa(?:mstag)?|so(?:nntag)?|lun(?:di"
    r"|es|edì)?"
    r"|mar(?:di|tes|tedì)?|mer(?:credi|coledì)?|mi[eé](?:rcoles)?|jeu(?:di)?|jue(?:ves)?|ven(?:dredi|erdì)?"
    r"|vie(?:rnes)?"
    r"|sam(?:edi)?|s[áa]b(?:ado|ato)?|dim(?:anche)?|dom(?:ingo|enica)?|gio(?:vedì)?"
    r"|(?:segunda|terça|quarta|quinta|sexta)(?:-feira)?|seg|ter|qua|qui|sex"
    r"|понедельник|вторник|среда|четверг|пятница|суббота|воскресенье|пн|вт|ср|чт|пт|сб|вс)(?![^\W\d_])\.?,?\s{1,3})"
)
YEAR = r"(?:(?:19|20)\d\d|['’]\d\d)(?!\d)"
DAY = r"(?<![\d.,:/-])\d{1,2}(?:st|nd|rd|th|er|º|ª|\.)?"
ZONE = (
    r"(?:\s?\(?(?:uhr|utc|gmt|[ecmpw]e?[sd]?t|cest|bst|msk|ist|hrs)\b\)?(?:\s?[+-]\d{1,2}(?::?\d\d)?)?"
    r"|\s?[+-]\d\d:?\d\d|z\b)"
)
CLOCK = (
    rf"(?<![\d:])(?:\d{{1,2}}[:.h]\d\d(?::\d\d(?:\.\d{{1,6}})?)?(?!\d)(?:\s?[ap]\.?m\b\.?)?"
    rf"|\d{{1,2}}\s?[ap]\.?m\b\.?){ZONE}?"
)
JOIN = r"\s?(?:[,@|•·—–-]|\bat\b|\bum\b|\bà\b|\ba las\b|\balle\b|\bàs\b|\bas\b|\bв\b|\bo\b|T)?\s{0,3}"
DAYS = (
    rf"(?:{DAY}(?:\s|-|/|\sde\s|\sof\s){MONTH}(?:,?\s|-|/|\sde\s|\sdel\s){YEAR}(?:\sг(?:ода|\.)?)?"
    rf"|{MONTH}\s{DAY},?\s{YEAR}"
    r"|(?<!\d)\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)"
    r"|(?<!\d)\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})(?!\d)"
    r"|(?<!\d)\d{4}年\d{1,2}月\d{1,2}日"
    rf"|{MONTH}\s{DAY}(?![\w/-])(?<![.])(?!\.\d)|{DAY}\s{MONTH}(?!\w)|{MONTH}\s{YEAR})"
)
UNIT = (
    r"(?:seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|wks?|months?|mos?|years?|yrs?|[smhdwy]"
    r"|sekunden?|minuten?"
    r"|stunden?|tag(?:en?)?|wochen?|monat(?:en?)?|jahr(?:en?)?|heures?|jours?|semaines?|mois|ans?|horas?|días?|dias?"
    r"|semanas?|meses|mes|años?|anos?|ore|ora|giorn[oi]|settiman[ae]|mes[ei]|ann[oi]|minut[oi]s?"
    r"|час\w{0,3}|минут\w?|д(?:ень|ня|ней)|недел\w|месяц\w{0,2}|год\w?|лет)"
)
AMOUNT = r"(?:\d{1,4}|an?|one|einem|einer|un|une|una|um|uma)"
RELATIVE = (
    rf"(?<!\w)(?:(?:(?:about|over|almost|circa)\s)?{AMOUNT}\s?{UNIT}\s(?:ago|fa|atrás|назад|geleden)"
    rf"|(?:vor|hace|il y a|há)\s{AMOUNT}\s{UNIT}"
    r"|(?:yesterday|today|gestern|heute|hier|ayer|hoy|ieri|oggi|вчера|сегодня)(?=\s?(?:,|$|at\b|um\b|à\b|в\b"
    r"|\d))|just now)"
)
WHEN = re.compile(
    rf"(?:(?<!\d)(?=\d)|(?<![^\W\d_])(?=[^\W\d_]))"  # the start of a word or number: else most time went into trying
    rf"(?:(?:{CLOCK}{JOIN})?(?:{WEEKDAY})?{DAYS}(?:{JOIN}(?:{CLOCK}))?"
    rf"|{RELATIVE}(?:{JOIN}\(?{CLOCK}\)?)?)(?:\s?\(edited\))?",
    re.IGNORECASE,
)
# Blogger's "posted by NAME at 3:45 PM" under a day's heading: no date, but a time where a date would be.
TIME_ALONE = re.compile(CLOCK + r"\s*$", re.IGNORECASE)
# A cheap look first, on the lower case: what every date has, be it the start of a month's name.
DATED = re.compile(
    r"\d[./-]\d|\d(?::\d\d| ?[ap]\.?m)|年|(?:ago|fa|atrás|назад|geleden)(?!\w)|(?<!\w)(?:vor|hace|il y a|há"
    r"|just now|yesterday"
    r"|today|gestern|heute|hier|ayer|hoy|ieri|oggi|вчера|сегодня)(?!\w)|(?<![^\W\d_])(?:jan|ene|gen|feb|fév|fev"
    r"|mar|mär|maa"
    r"|mrt|apr|avr|abr|may|mai|mei|mag|jun|jui|giu|jul|lug|aug|aoû|ago|sep|set|oct|okt|ott|out|nov|dec|dez|déc"
    r"|dic|янв|фев|мар"
    r"|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек)\w{0,7}[ .,/'’-]{0,4}\d|\d(?:st|nd|rd|th|er|º|ª|\.)?[ /-](?:de "
    r"|of )?(?:jan|ene|gen"
    r"|feb|fév|fev|mar|mär|maa|mrt|apr|avr|abr|may|mai|mei|mag|jun|jui|giu|jul|lug|aug|aoû|ago|sep|set|oct|okt"
    r"|ott|out|nov|dec"
    r"|dez|déc|dic|янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек)"
)
# a cheap look first

VERB = (
    r"(?:says?|said|wrote|writes|replie[sd]|commented|sagte?|schreibt|schrieb|meinte?|kommentierte?"
    r"|hat gesagt|hat geschrieben|dice|dijo|ha dicho|escribió|escribe|comentó|a dit|dit|a écrit|écrit|scrive"
    r"|ha scritto"
    r"|ha detto|disse|diz|escreveu|zegt|zei|schreef|пиш[её]т|писал(?:\(а\)|а)?|написал(?:\(а\)|а)?|сказал(?:\(а\)|а)?"
    r"|говорит|pisze|napisał(?:\(a\)|a)?|mówi|skrev|skriver|säger|siger|sier|dedi(?: ki)?|diyor|yazdı|says/said)"
)
SAYS = re.compile(rf"(?P<name>\S.{{0,58}}?)\s+(?P<verb>{VERB})\s*(?P<end>[:,.…]{{0,4}})", re.IGNORECASE)
# Lines about another post or about the member: dates in them are not this post's.
REFUSED = re.compile(
    r"(?:originally posted|quote\b|zitat\b|response to|in reply to|replying to|reply to|re:|last edited"
    r"|edited\b|edit:"
    r"|updated|zuletzt|asked\b|joined|join date|registered|mitglied seit|member since|beigetreten|visto|viewed"
    r"|beginndatum"
    r"|start date|published|veröffentlicht|last activity|source:|[“\"„«>]|https?:)",
    re.IGNORECASE,
)

BULLETS = re.compile(r"(?:(?:[*+•·▪◦‣o-]|\[[–+-]\])\s+|\[[–+-]\]|[*•])*+")
NUMBER = re.compile(
    r"(?:(?P<plain>\d{1,6})[.)]\s+|(?:No\.|Nr\.|Post)?\s?#\s?(?P<hash>\d{1,6})(?![\w-])[\s:.)|—–-]{0,5})"
)
LEAD = re.compile(
    r"(?:(?:(?:re)?posted|submitted|written|commented|comment|left|sent|added|said|gepostet|geschrieben"
    r"|verfasst|publicado"
    r"|escrito|enviado|posté|publié|envoyé|écrit|scritto|inviato|опубликовано)\b(?:\s(?:by|von|por|par|da"
    r"|door))?(?:\s?:)?\s*"
    r"|(?:by|von|por|par|door|author|autor|автор|name|date|from)(?:\s?:\s*|\s+)|(?:on|at|am|le|el|em|il)\s+"
    r"|[—–~|,(:•·-]+\s*)",
    re.IGNORECASE,
)
GLUE = re.compile(  # last thing before a date
    r"(?:[|,•·—–:;@/~(\[»›-]|\.{2,3}|…"
    rf"|(?<!\S)(?:on|at|am|um|le|el|em|il|in|posted|date|submitted|schrieb am|{VERB})"
    r"|(?<!\S)-?\d[\d,.]{0,6}k? (?:points?|pts|karma|upvotes?|likes?)"
    r"|\((?:not verified|unverified|unregistered|guest|op|author)\)|(?<!\S)(?:mod|op|author|verified))$",
    re.IGNORECASE,
)
TAIL = re.compile(  # what may follow a date or a name at the end of a line
    rf"(?:[|,•·—–:;.…)\]*^-]|\((?:not verified|unverified|unregistered|guest|#?\d{{1,10}}|\d+ (?:children|child"
    rf"|replies))\)"
    r"|(?:edited|permalink|permanent link|link|reply|quote|report|flag|share|parent|prev|next|root|hide"
    r"|collapse|actions|up"
    r"|down|edit|like|antworten|zitieren|melden|löschen|responder|répondre|ответить|unverified|edited|points?"
    r"|save|embed"
    rf"|give award|context|full comments?|reblog|favorite|delete|uhr|\[?[–+-]\]?|{VERB})(?!\w)"
    r"|#\s?(?P<number>\d{1,6})(?!\w)|\d{1,6}$|\d{1,6} (?:points?|likes?|comments?|replies)(?!\w))\s*",
    re.IGNORECASE,
)
NUMBER_IN = re.compile(r"(?:#\s?|^)(?P<number>\d{1,6})(?!\w)")
STATUS = re.compile(r"\((?:not verified|unverified|unregistered|guest|op|author)\)", re.IGNORECASE)
SUFFIX = re.compile(
    r"\s*\((?:not verified|unverified|unregistered|guest|op|author|\d{1,9})\)$|\s*[♦✓✔]$", re.IGNORECASE
)
ENDS = " |,•·—–:.…"
BLOGGER = re.compile(r"(?:Blogger|OpenID|Anonymous(?= Anonymous))\s+(?=\S)")
NO_NAME = re.compile(
    r"\[?(?:deleted|removed|gelöscht|anonymous|anonym|anonyme|anónimo|anonimo|anônimo|аноним(?:но|ный)?|avatar"
    r"|unknown|n/a"
    r"|a guest|no name|nobody|user deleted|deleted user|gast)\]?",
    re.IGNORECASE,
)
PRONOUNS = frozenset(
    ("he", "she", "it", "they", "i", "we", "you", "who", "one", "this", "that", "er", "sie", "es", "wir", "ihr", "man")
).union(("wer", "il", "elle", "on", "ils", "él", "ella", "ellos", "lui", "lei", "он", "она", "они", "article", "post"))
SENTENCE = re.compile(
    r"[.!?…]\s+\S{3,}\s|[,;:…]$|\.{2}|[“”\"„«»<>{}]|https?:|\bwww\.|\s(?:is|was|are|were|have|has|the|that)\s"
)
NUMERIC = re.compile(r"(?<![\d.:/-])(?P<first>\d{1,2})[./-](?P<second>\d{1,2})[./-](?P<year>(?:19|20)\d\d)(?!\d)")


@dataclass(frozen=True, slots=True)
class Header:
    """What one line shows of a post."""

    shape: str  # its order: "N says", "N | D", "posted by N at D", "D"
    name: str | None = None
    date: str | None = None
    number: str | None = None
    column: int = 0  # where its own words begin, after bullet and number
    anonymous: bool = False  # a word stands where the name would be, and is none


def read_header(line: str) -> Header | None:
    """The line as a header: a date, a name with "says", or both, and nothing that is not known beside them."""
    text = line.strip()
    if not text or len(text) > MAXIMUM_LENGTH:
        return None
    number, at = read_number(text)
    rest = text[at:]
    column = line.index(text[0]) + at
    if not rest or REFUSED.match(rest):
        return None
    header = None
    if rest.count(" ") <= MAXIMUM_WORDS and DATED.search(rest.lower()):
        header = _read_dated(rest)
    if header is None and len(rest) <= 100 and (says := SAYS.fullmatch(rest)) and is_name(says["name"]):
        name, anonymous = clean_name(says["name"])
        header = Header(f"N {says['verb'].lower()}", name, anonymous=anonymous)
    if header is None:
        return None
    number = header.number or number
    return Header(header.shape, header.name, header.date, number, column, header.anonymous)


def read_number(text: str) -> tuple[str | None, int]:
    """The post's number that a line begins with, and where its words do: bullets are passed over."""
    bullets = BULLETS.match(text)
    at = bullets.end() if bullets else 0
    if WHEN.match(text, at):  # "3. November 2023"
        return None, at
    number = NUMBER.match(text, at)
    if number and (number["hash"] or number.end() < len(text)):
        return number["plain"] or number["hash"], number.end()
    return None, at


def _read_dated(text: str) -> Header | None:
    found = list(WHEN.finditer(text))
    when = found[-1] if found else TIME_ALONE.search(text)  # the last: a name may hold a year
    if when is None:
        return None
    before, lead = _peel_start(text[: when.start()], LEAD)
    before, middle = _peel_end(before)
    after, behind = _peel_start(text[when.end() :], TAIL)
    after, lead_after = _peel_start(after, LEAD)
    after, tail = _peel_tail(after)
    number = NUMBER_IN.search(behind)
    if before and not after:
        before, number_of = (before.split()[0], None) if before.startswith(("u/", "/u/")) else _split_number(before)
        order, shown = f"{lead} N {middle} D", before
    elif after and not before:
        number_of = None
        order, shown = f"{lead} D {behind} {lead_after} N {tail}", after
    elif not before:
        number_of = None
        order, shown = f"{lead} {middle} D", ""
    else:
        return None
    if shown and not is_name(shown):
        return None
    if when.re is TIME_ALONE and not (shown and lead):
        return None
    name, anonymous = clean_name(shown)
    shown_number = number["number"] if number else number_of
    return Header(_make_shape(order), name, when[0].strip(), shown_number, anonymous=anonymous)


def _split_number(name: str) -> tuple[str, str | None]:
    """ "NAME #12" as both."""
    match = re.search(r"\s#(\d{1,6})$", name)
    return (name[: match.start()], match[1]) if match else (name, None)


def _make_shape(order: str) -> str:
    """Blank space, scores, marks of status and case do not tell shapes apart."""
    plain = STATUS.sub(" ", re.sub(r"[+-]?\d[\d.,]*k?", "", order)).replace("points", "point")
    return " ".join(part if part in ("N", "D") else part.lower() for part in plain.split())


def _peel_start(text: str, pattern: re.Pattern[str]) -> tuple[str, str]:
    """The text without what the pattern matches at its start, again and again, and that."""
    text = text.strip()
    at = 0
    while (match := pattern.match(text, at)) and match.end() > at:
        at = match.end()
    return text[at:].strip(), text[:at].strip()


def _peel_end(text: str) -> tuple[str, str]:
    """The text before a date without the signs and small words between, and these."""
    text = text.rstrip()
    end = len(text)
    while match := GLUE.search(text[max(end - 40, 0) : end].rstrip()):
        start = max(end - 40, 0) + match.start()
        if start >= end:
            break
        end = len(text[:start].rstrip())
    return text[:end].strip(), text[end:].strip()


def _peel_tail(text: str) -> tuple[str, str]:
    """A name after a date without the buttons and signs behind it, and these."""
    name = SUFFIX.sub("", text.rstrip(ENDS))
    while " " in name and TAIL.fullmatch(name.rsplit(" ", 1)[1]):
        name = SUFFIX.sub("", name.rsplit(" ", 1)[0].rstrip(ENDS))
    return name, text[len(name) :].strip()


def is_name(text: str) -> bool:
    """Whether the text may be a name: short, no sentence; of many words most are capitalised."""
    text = SUFFIX.sub("", text)
    words = text.split()
    if not 0 < len(text) <= MAXIMUM_NAME or len(words) > 7 or SENTENCE.search(text):
        return False
    if text.lower() in PRONOUNS or not any(character.isalnum() for character in text):
        return False
    capitals = sum(not word[0].islower() for word in words)
    return len(words) <= 3 or 2 * capitals >= len(words) or (len(words) <= 5 and not words[0][0].islower())


def is_name_line(text: str) -> bool:
    """Whether a whole line may be a name: stricter, as nothing beside it says so."""
    return is_name(text) and text[-1] not in ".!?" and any(character.isalpha() for character in text)


def clean_name(text: str) -> tuple[str | None, bool]:
    """The name as printed, without marks of status; None where the word is none ("Anonymous"), and whether it is so."""
    name = BLOGGER.sub("", SUFFIX.sub("", text.strip())).strip()
    if name.startswith(("u/", "/u/")):
        name = name.removeprefix("/").removeprefix("u/")
    if not name:
        return None, False
    return (None, True) if NO_NAME.fullmatch(name) else (name, False)


def order_days(dates: list[str]) -> list[str]:
    """The dates with 10-16-2005 as 2005-10-16 where any of them shows that the month comes first, or the day."""
    parts = [NUMERIC.search(date) for date in dates]
    firsts = {int(part["first"]) > 12 for part in parts if part}
    seconds = {int(part["second"]) > 12 for part in parts if part}
    if (True in firsts) == (True in seconds):
        return dates
    month, day = ("second", "first") if True in firsts else ("first", "second")

    def turn(match: re.Match[str]) -> str:
        return f"{match['year']}-{int(match[month]):02}-{int(match[day]):02}"

    return [NUMERIC.sub(turn, date, count=1) for date in dates]
