"""What the page of a comparison prints, made from its numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING, Any

from stance.estimate import IN_FULL, PREDICTED, estimate_share
from stance.estimate.compare import LEAST_LABELS, LEAST_POSTS, subtract_shares
from stance.report.comparison.panels import MOST_LABELLED, Strip, choose_scale, draw_many, draw_strips
from stance.report.comparison.words import (
    LEVEL,
    OTHERS,
    contrast_titles,
    describe_method,
    list_keys,
    list_warnings,
    name_members,
)
from stance.report.data import show_attribute, show_stance
from stance.report.numbers import share_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stance.estimate import Share
    from stance.estimate.compare import Comparison, Difference
    from stance.estimate.contrasts import Contrast
    from stance.estimate.judged import Quantity
    from stance.estimate.members import Member
    from stance.estimate.periods import Periods
    from stance.estimate.words import Keyword

_MOST_FINDINGS = 12  # named at the top of the page
_MOST_DRIVERS = 10  # lines a quantity
_LEAST_CHANGE = 0.01  # of a difference, for its author to be named
_WORDS_SHOWN = {True: 15, False: 6}  # of each group, by whether pairs are compared


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison of one quantity, as it is printed."""

    name: str
    first: str  # share with interval
    second: str
    difference: str
    sizes: tuple[str, str]  # Cohen's h, odds ratio
    tests: tuple[str, str, str, str]  # p, adjusted, people's p, adjusted; "" where there is none
    links: tuple[str | None, str | None]
    validated: bool
    short: str
    holds: str  # "" or which of the two questions the answer is yes to: "threads", "people", "both"


@dataclass(frozen=True, slots=True)
class Panel:
    """The shares of one quantity."""

    name: str
    scale: str  # end of the axis
    rows: list[dict[str, Any]]  # one a thread; empty where there are too many for names
    drawing: str
    caption: str


def view_comparison(
    found: Comparison, contrasts: Sequence[Contrast], periods: Periods | None, reports: Sequence[str | None]
) -> dict[str, Any]:
    """What the template prints."""
    names, keys = name_members(found.members), list_keys(len(found.members))
    groups = [_view_group(found, place, keys, names, reports) for place in range(len(found.quantities))]
    if len(names) == 2:  # one comparison a quantity: a group each would be more heads than lines
        groups = [{"name": "", "lines": [line for group in groups for line in group["lines"]]}]
    return {
        "members": found.members,
        "names": names,
        "keys": keys,
        "reports": reports,
        "paired": found.paired,
        "groups": [group for group in groups if group["lines"]],
        "panels": _view_panels(found, [f"{key} {name}" for key, name in zip(keys, names, strict=True)], reports),
        "findings": _list_findings(found, keys if found.paired else names),
        "periods": periods,
        "courses": _view_courses(found, periods, keys) if periods is not None else [],
        "drivers": _view_drivers(found, keys, names),
        "contrasts": [
            _view_contrast(one, keys if found.paired else names, _WORDS_SHOWN[found.paired]) for one in contrasts
        ],
        "bases": Counter(share.basis for member in found.members for share in member.shares if share is not None),
        "predicted": PREDICTED,
        "validated": any(one.basis != PREDICTED for one in found.differences),
        "banded": any(share is not None and share.band for member in found.members for share in member.shares),
        "warnings": list_warnings(found.members),
        "method": describe_method(found),
        "permutations": found.permutations,
        "unknown": sum(author is None for member in found.members for author in member.authors),
        "judged": sum(member.judged for member in found.members),
    }


def p_words(value: float | None) -> str:
    """A p value as papers print it: ".012", "<.001"; empty for None."""
    if value is None:
        return ""
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def show_posts(quantity: Quantity, sides: Sequence[str]) -> str:
    """What leads from a quantity to its posts on a thread's page."""
    if quantity.head == "stance":
        return "#posts?" + show_stance(list(sides).index(quantity.subject), quantity.outcome)
    if quantity.head == "toxicity":
        return "#posts?" + show_attribute(quantity.subject)
    return f"#posts?sentiment={quantity.outcome}"


def _order_lines(found: Comparison, quantity: int) -> list[Difference]:
    """Pairs as the threads come; threads against the others from the highest share down, those too short last."""
    lines = [one for one in found.differences if one.quantity == quantity]
    if found.paired:
        return sorted(lines, key=lambda one: bool(one.short))
    return sorted(lines, key=lambda one: (bool(one.short), -one.difference))


def _view_group(
    found: Comparison, place: int, keys: Sequence[str], names: Sequence[str], reports: Sequence[str | None]
) -> dict[str, Any]:
    quantity = found.quantities[place]
    show = show_posts(quantity, found.members[0].sides)
    lines = []
    for one in _order_lines(found, place):
        name = _name_pair(one.first, one.second, keys, names)
        lines.append(_view_line(one, quantity.name if len(names) == 2 else name, reports, show))
    return {"name": quantity.name, "lines": lines}


def _view_line(one: Difference, name: str, reports: Sequence[str | None], show: str) -> Line:
    places = [one.first, one.second]
    links = [None if place is None or not reports[place] else f"{reports[place]}{show}"
             for place in places]  # fmt: skip
    odds = ""
    if one.odds is not None:
        odds = f"{one.odds[0]:.2f}" if one.basis == IN_FULL else f"{one.odds[0]:.2f} ({_ends(one.odds[1:])})"
    first_p = "exact" if one.basis == IN_FULL and not one.short else p_words(one.p)
    holds = {(True, True): "both", (True, False): "threads", (False, True): "people"}
    return Line(
        name=name,
        first=share_words(one.shares[0]),
        second=share_words(one.shares[1]),
        difference=_difference_words(one),
        sizes=(_signed(one.cohen_h, 2), odds),
        tests=(first_p, p_words(one.adjusted), p_words(one.people_p), p_words(one.people_adjusted)),
        links=(links[0], links[1]),
        validated=one.basis != PREDICTED,
        short=one.short,
        holds=holds.get((_differs(one), _below(one.people_adjusted)), ""),
    )


def _name_pair(first: int, second: int | None, keys: Sequence[str], names: Sequence[str]) -> str:
    return f"{keys[first]} {names[first]}" if second is None else f"{keys[first]} less {keys[second]}"


def _difference_words(one: Difference) -> str:
    """In points of percent: "+12 (3 to 20)"."""
    point = _signed(one.difference * 100, 0, "+")
    ends = (_signed(end * 100, 0) for end in (one.low, one.high))
    return point if one.basis == IN_FULL else f"{point} ({' to '.join(ends)})"


def _signed(value: float, decimals: int, plus: str = "") -> str:
    """A number with a true minus sign."""
    return f"{value:{plus}z.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _ends(ends: Iterable[float]) -> str:
    return " to ".join("∞" if isinf(end) else f"{end:.2f}" for end in ends)


def _differs(one: Difference) -> bool:
    """Whether the threads as they are differ: surely where every post was labelled, else by the test."""
    return _below(one.adjusted) or (one.basis == IN_FULL and not one.short and one.difference != 0)


def _below(value: float | None) -> bool:
    return value is not None and value < LEVEL


def _view_panels(found: Comparison, names: Sequence[str], reports: Sequence[str | None]) -> list[Panel]:
    panels = []
    for place, quantity in enumerate(found.quantities):
        shares = [member.shares[place] for member in found.members]
        known = {number: share for number, share in enumerate(shares) if share is not None}
        short = {number: _is_short(found.members[number], share) for number, share in known.items()}
        if known and len(names) > MOST_LABELLED:
            panels.append(_view_many(quantity.name, known, short, names))
        elif known:
            link = show_posts(quantity, found.members[0].sides)
            links = {number: f"{reports[number]}{link}" for number in known if reports[number]}
            panels.append(_view_few(quantity.name, known, short, names, links))
    return panels


def _view_many(name: str, shares: Mapping[int, Share], short: Mapping[int, bool], names: Sequence[str]) -> Panel:
    low, high = (pick(shares, key=lambda number: shares[number].share) for pick in (min, max))
    caption = f"{shares[low].share:.0%} in all."
    if shares[low].share < shares[high].share:
        caption = f"From {shares[low].share:.0%} ({names[low]}) to {shares[high].share:.0%} ({names[high]})."
    label = f"{name} in {len(shares)} threads. {caption}"
    drawing, scale = draw_many([(share, short[number]) for number, share in shares.items()], label)
    return Panel(name, f"{scale:.0%}", [], drawing, caption)


def _view_few(
    name: str,
    shares: Mapping[int, Share],
    short: Mapping[int, bool],
    names: Sequence[str],
    links: Mapping[int, str],
) -> Panel:
    scale = choose_scale(max(share.high for share in shares.values()))
    rows = [
        {
            "name": names[number],
            "link": links.get(number),
            "words": share_words(share),
            "place": _place_track(share, scale),
            "short": short[number],
            "predicted": share.basis == PREDICTED,
        }
        for number, share in shares.items()
    ]
    return Panel(name, f"{scale:.0%}", rows, "", "")


def _is_short(member: Member, share: Share) -> bool:
    few = share.basis not in (PREDICTED, IN_FULL) and share.labelled < LEAST_LABELS
    return member.judged < LEAST_POSTS or few


def _place_track(share: Share, scale: float) -> str:
    """CSS variables: the share, its interval and its band as parts of the track."""
    band = share.band or (0.0, 0.0)
    values = zip("slhbc", (share.share, share.low, share.high, *band), strict=True)
    return ";".join(f"--{name}:{min(max(value / scale, 0), 1):.3f}" for name, value in values)


def _list_findings(found: Comparison, names: Sequence[str]) -> dict[str, list[str]]:
    """The largest differences that hold after adjusting, by which question they answer."""
    chosen: dict[str, list[str]] = {}
    for kind in ("threads", "people"):
        holds = [one for one in found.differences if _differs(one)]
        if kind == "people":
            # the test is of predicted labels, so that these are what is told, though the table may have corrected ones
            others = (one for one in found.differences if _below(one.people_adjusted) and not _differs(one))
            holds = [subtract_shares(_predict(one), (one.first, one.second, one.quantity)) for one in others]
        holds.sort(key=lambda one: -abs(one.cohen_h))
        chosen[kind] = [
            f"{found.quantities[one.quantity].name}: {_tell_pair(one, names)}, {_difference_words(one)} points"
            for one in holds[:_MOST_FINDINGS]
        ]
        chosen[f"{kind}_more"] = [str(len(holds) - _MOST_FINDINGS)] if len(holds) > _MOST_FINDINGS else []
    return chosen


def _predict(one: Difference) -> tuple[Share, Share]:
    first, second = (estimate_share(share.count, share.n) for share in one.shares)
    return first, second


def _tell_pair(one: Difference, names: Sequence[str]) -> str:
    other = OTHERS if one.second is None else names[one.second]
    return f"{names[one.first]} {one.shares[0].share:.0%}, {other} {one.shares[1].share:.0%}"


def _view_courses(found: Comparison, periods: Periods, names: Sequence[str]) -> list[tuple[str, list[Strip], str]]:
    """Shares over time, a quantity each: a strip a thread where pairs are compared, else one of all threads."""
    shown = list(names) if found.paired else ["all threads together"]
    courses = []
    for place, quantity in enumerate(found.quantities):
        drawn = draw_strips(periods, shown, place)
        if drawn is not None:
            courses.append((quantity.name, drawn[0], f"{drawn[1]:.0%}"))
    return courses


def _view_drivers(found: Comparison, keys: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    groups = []
    for place, quantity in enumerate(found.quantities):
        lines = [
            one for one in found.drivers if one.influence.quantity == place and one.influence.change >= _LEAST_CHANGE
        ]
        lines.sort(key=lambda one: -one.influence.change)
        shown = [
            {
                "name": _name_pair(one.first, one.second, keys, names),
                "author": one.influence.author,
                "posts": f"{one.influence.posts[0]} and {one.influence.posts[1]}",
                "difference": _signed(one.influence.difference * 100, 1, "+"),
                "without": _signed(one.influence.without * 100, 1, "+"),
                "change": _signed((one.influence.without - one.influence.difference) * 100, 1, "+"),
            }
            for one in lines[:_MOST_DRIVERS]
        ]
        if shown:
            groups.append({"name": quantity.name, "lines": shown})
    return groups


def _view_contrast(one: Contrast, names: Sequence[str], most: int) -> dict[str, Any]:
    groups: tuple[list[Keyword], list[Keyword]] = ([], [])
    for word in one.keywords:
        groups[word.z < 0].append(word)
    titles = contrast_titles(one, names)
    return {"side": one.side, "titles": titles, "groups": [group[:most] for group in groups]}
