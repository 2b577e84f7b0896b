"""Pinned floors: a figure of quality that falls is seen, and lowered only on purpose, with its reason in the changelog.

A file of floors holds set -> measure -> value: the least that is allowed, or the most where less is better.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stance.files import open_replacing
from stance.records import StanceError

if TYPE_CHECKING:
    from stance.measure.evaluate import Result

MARGIN = 0.01  # between a figure and its new floor: another machine's rounding moves a figure by less
LESS_IS_BETTER = ("ECE", "worst group above", "false alarms", "change of mirrored")  # in the name of such a measure
DESCRIPTIVE = ("stance coverage", "toxicity false alarms, overall", "toxicity false alarms, worst: ")  # never pinned

Floors = dict[str, dict[str, float]]


def check_floors(results: Sequence[Result], path: Path) -> list[str]:
    """One line for each measure on the wrong side of its floor. StanceError where ``path`` cannot be read."""
    found = {(result.name, result.measure): result.measured.value for result in results}
    return [
        f"{name}: {measure} {found[name, measure]:.4f} is {side} its floor {floor}"
        for name, measures in read_floors(path).items()
        for measure, floor in measures.items()
        if (name, measure) in found and not holds(measure, found[name, measure], floor)
        for side in ["over" if is_error(measure) else "under"]
    ]


def pin_floors(results: Sequence[Result], path: Path, allow_regression: bool, changelog: Path) -> list[str]:
    """Tighten every floor to the measured value less MARGIN and add new ones; one line a change.

    A floor that no longer holds is lowered only with ``allow_regression``, and only where the top section of
    ``changelog`` has a line "- Floor lowered: MEASURE (SET): why". Otherwise StanceError, and the file stays as it was.
    A file that is not there yet is begun.
    """
    floors: Floors = read_floors(path) if path.exists() else {}
    reasons = list(read_reasons(changelog)) if allow_regression else []
    changes = []
    for result in results:
        name, measure, value = result.name, result.measure, result.measured.value
        if measure.startswith(DESCRIPTIVE) or math.isnan(value):
            continue
        old = floors.get(name, {}).get(measure)
        new = loosen(measure, value)
        if old is not None and not holds(measure, value, old):
            check_reason(name, measure, (old, value), reasons if allow_regression else None)
        elif old is not None and holds(measure, old, new):
            continue  # tighter than what would be pinned now, and it holds
        floors.setdefault(name, {})[measure] = new
        changes.append(f"{name}: {measure} {'new' if old is None else old} -> {new}")
    with open_replacing(path) as file:
        file.write((json.dumps(floors, indent=1, ensure_ascii=False) + "\n").encode())
    return changes


def is_error(measure: str) -> bool:
    """Whether less of it is better, so that its floor is a ceiling."""
    return any(words in measure for words in LESS_IS_BETTER)


def holds(measure: str, value: float, floor: float) -> bool:
    """Whether a value is on the right side of a floor; NaN never is."""
    return value <= floor if is_error(measure) else value >= floor


def loosen(measure: str, value: float) -> float:
    """The floor for a value: MARGIN worse, to three places, never rounded to the strict side."""
    if is_error(measure):
        return math.ceil(round((value + MARGIN) * 1000, 6)) / 1000
    return math.floor(round((value - MARGIN) * 1000, 6)) / 1000


def read_floors(path: Path) -> Floors:
    """What a file of floors holds. StanceError where it cannot be read or has another form."""
    try:
        floors = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: {measure: float(value) for measure, value in measures.items()} for name, measures in floors.items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StanceError(f"{path}: no file of floors ({error}): see tests/floors.json") from error


def read_reasons(changelog: Path) -> Iterator[str]:
    """What stands behind "- Floor lowered:" in the first section, each entry as one line."""
    try:
        text = changelog.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StanceError(f"{changelog}: the changelog cannot be read ({error}): name the reason there") from error
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    for entry in re.split(r"^(?=- |#|\s*$)", sections[1] if len(sections) > 1 else "", flags=re.MULTILINE):
        if entry.startswith("- Floor lowered:"):
            yield " ".join(entry.removeprefix("- Floor lowered:").split())


def check_reason(name: str, measure: str, old_new: tuple[float, float], reasons: Sequence[str] | None) -> None:
    """StanceError unless one of the reasons is "MEASURE (SET): ..." for this floor; None: no floor may be lowered."""
    old, value = old_new
    fallen = f"{name}: {measure} {value:.4f} is worse than its floor {old}"
    if reasons is None:
        raise StanceError(f"{fallen}: mend the tagger, or lower it with --allow-regression and a line in the changelog")
    start = f"{measure} ({name}):"
    if not any(reason.startswith(start) and reason.removeprefix(start).strip() for reason in reasons):
        raise StanceError(f'{fallen}: write "- Floor lowered: {start} why" in the top section of the changelog')
