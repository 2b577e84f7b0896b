"""The tables beside the page of a comparison: every number of it, and those that it has no room for."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from stance.estimate import wilson_interval
from stance.report.comparison.words import OTHERS, contrast_titles, name_members
from stance.table import defuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stance.estimate.compare import Comparison
    from stance.estimate.contrasts import Contrast
    from stance.estimate.periods import Periods

_SHARE_HEAD = ("thread", "id", "quantity", "share", "low", "high", "rests on", "band low", "band high",
               "predicted count", "judged posts", "hand labels", "hand labels that have it",
               "standard error")  # fmt: skip
_DIFFERENCE_HEAD = ("quantity", "first", "second", "first share", "second share", "difference", "low", "high",
                    "rests on", "p of threads as they are", "p of threads as they are, adjusted",
                    "p of people, predicted labels", "p of people, predicted labels, adjusted", "cohen h",
                    "odds ratio", "odds low", "odds high", "too little data")  # fmt: skip
_DRIVER_HEAD = ("quantity", "first", "second", "author", "posts in first", "posts in second", "predicted difference",
                "without the author", "change")  # fmt: skip
_WORD_HEAD = ("first", "second", "word", "typical of", "z", "log odds ratio", "posts in first", "posts in second",
              "authors in the group it is typical of")  # fmt: skip
_PERIOD_HEAD = (
    "thread",
    "quantity",
    "from",
    "unit",
    "predicted count",
    "judged posts",
    "predicted share",
    "low",
    "high",
)


def list_files(found: Comparison, contrasts: Sequence[Contrast], periods: Periods | None) -> dict[str, bytes]:
    """The tables as CSV, by their names."""
    names = name_members(found.members)
    files = {
        "shares.csv": _write_csv(_SHARE_HEAD, _share_cells(found, names)),
        "differences.csv": _write_csv(_DIFFERENCE_HEAD, _difference_cells(found, names)),
        "authors.csv": _write_csv(_DRIVER_HEAD, _driver_cells(found, names)),
        "words.csv": _write_csv(_WORD_HEAD, _word_cells(contrasts, names)),
    }
    if periods is not None:
        files["periods.csv"] = _write_csv(_PERIOD_HEAD, _period_cells(found, periods, names))
    return files


def _share_cells(found: Comparison, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for name, member in zip(names, found.members, strict=True):
        for quantity, share in zip(found.quantities, member.shares, strict=True):
            if share is not None:
                ends = share.band or (None, None)
                figures = (share.share, share.low, share.high, share.basis, *ends, share.count, share.n)
                yield name, member.name, quantity.name, *figures, share.labelled, share.positives, share.error


def _difference_cells(found: Comparison, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for one in found.differences:
        pair = names[one.first], OTHERS if one.second is None else names[one.second]
        figures = (one.shares[0].share, one.shares[1].share, one.difference, one.low, one.high, one.basis)
        tests = one.p, one.adjusted, one.people_p, one.people_adjusted
        odds = one.odds or (None, None, None)
        yield found.quantities[one.quantity].name, *pair, *figures, *tests, one.cohen_h, *odds, one.short


def _driver_cells(found: Comparison, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for one in found.drivers:
        pair = names[one.first], OTHERS if one.second is None else names[one.second]
        its = one.influence
        figures = (*its.posts, its.difference, its.without, its.without - its.difference)
        yield found.quantities[its.quantity].name, *pair, its.author, *figures


def _word_cells(contrasts: Sequence[Contrast], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for one in contrasts:
        pair = contrast_titles(one, names)
        for word in one.keywords:
            figures = (word.z, word.log_odds, word.first, word.second, word.authors)
            yield *pair, word.word, pair[word.z < 0], *figures


def _period_cells(found: Comparison, periods: Periods, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for place, name in enumerate(names):
        for column, quantity in enumerate(found.quantities):
            counts = zip(
                periods.starts, periods.having[place, :, column], periods.judged[place, :, column], strict=True
            )
            for start, having, judged in counts:
                if judged:
                    count, n = int(having), int(judged)
                    figures = (count, n, count / n, *wilson_interval(count, n))
                    yield name, quantity.name, f"{start:%Y-%m-%dT%H:%M:%SZ}", periods.unit, *figures


def _write_csv(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> bytes:
    """UTF-8; None is an empty cell; what a spreadsheet would run as a formula is defused."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    for line in lines:
        writer.writerow([round(cell, 6) if isinstance(cell, float) else defuse(cell) for cell in line])
    return text.getvalue().encode("utf-8", "replace")
