"""The stance sets for tests: which rows of each are measured, and by which measure; and how every set is read.

An ``evaluate_`` function takes a tagger, the folder of data sets and a name, and yields one result a measure. The first
word of a measure names what of the tagger it judges.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from stance.examples import Example, Row, read_conflict, read_rows
from stance.gold import SEED, macro_f1, measure_counts
from stance.measure.calibration import measure_calibration
from stance.measure.evaluate import Result, measure_stance, predict_each
from stance.records import STANCES, StanceError
from stance.tagger import Tagger

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEVELOPMENT = ("tweets_dev", "authored_dev", "forum_dev")  # they also fit the calibration
Evaluate = Callable[[Tagger, Path, str], Iterator[Result]]
Kind = TypeVar("Kind")


class Target(NamedTuple):
    """One row of a stance set."""

    text: str
    target: str
    label: int  # position in STANCES
    unseen: bool = False  # VAST: the topic is in no training row


def read_labelled(data: Path, name: str, splits: Sequence[str], make: Callable[[Row], Kind | None]) -> list[Kind]:
    """What ``make`` gives for each row of these splits, in file order; a row that it gives None for is left out.

    StanceError where the file is missing or broken, a row lacks a field or has an unknown label, or no row is left.
    """
    try:
        made = [make(row) for row in read_rows(data, name) if row["split"] in splits]
        kept = [one for one in made if one is not None]
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise StanceError(f"{data / name}: a row lacks a field or has an unknown label ({error!r}): mend it") from error
    if not kept:
        raise StanceError(f"{data / name}: no rows to use of split {' or '.join(splits)}: restore the file")
    return kept


def read_dev(data: Path, name: str) -> list[Example]:
    """A set for development of data/conflict. StanceError as ``read_labelled``."""
    try:
        examples = list(read_conflict(read_rows(data, f"conflict/{name}")))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        message = f"{data / 'conflict' / name}: a row lacks a field or has an unknown label ({error!r}): mend it"
        raise StanceError(message) from error
    if not examples:
        raise StanceError(f"{data / 'conflict' / name}: no rows: restore the file")
    return examples


def draw_sample(items: Sequence[Kind], count: int) -> list[Kind]:
    """The same ``count`` of the items each time, in their order; all where there are no more."""
    if len(items) <= count:
        return list(items)
    chosen = np.random.default_rng(SEED).choice(len(items), count, replace=False)
    return [items[place] for place in sorted(chosen.tolist())]


def named_f1(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., labels, labels) -> (...): mean F1 of all labels but the last, "none", whose rows are possible errors.

    The measure of SemEval-2016 task 6 (Mohammad et al. 2016).
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(-1) + counts.sum(-2)
    return np.asarray((2 * hits / np.maximum(both, 1e-9))[..., :-1].mean(-1))


def make_target(row: Row) -> Target:
    return Target(row["text"], row["target"], STANCES.index(row["label"]))


def make_vast(row: Row) -> Target:
    return Target(row["text"], row["target"], STANCES.index(row["label"]), bool(int(row["meta"]["zero_shot"])))


def judge_targets(tagger: Tagger, rows: Sequence[Target]) -> NDArray[np.float64]:
    """(rows, 3), last axis as STANCES; the targets of one text go in one pass."""
    targets: dict[str, dict[str, int]] = {}
    for row in rows:
        targets.setdefault(row.text, {}).setdefault(row.target, row.label)
    examples = [Example(text, tuple(of_text.items())) for text, of_text in targets.items()]
    stance, _ = predict_each(tagger, examples)
    found = {
        (example.text, target): probabilities[place]
        for example, probabilities in zip(examples, stance, strict=True)
        for place, (target, _) in enumerate(example.sides)
    }
    return np.array([found[row.text, row.target] for row in rows])


def number_texts(rows: Sequence[Target]) -> list[int]:
    """For each row the number of its text, from 0."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(row.text, len(numbers)) for row in rows]


def count_targets(rows: Sequence[Target], given: NDArray[np.int64]) -> NDArray[np.float64]:
    """(texts, 3, 3): a confusion matrix a text, over its rows; ``given`` (rows,) holds positions in STANCES."""
    owners = number_texts(rows)
    counts = np.zeros((max(owners) + 1, len(STANCES), len(STANCES)))
    np.add.at(counts, (np.array(owners), np.array([row.label for row in rows]), given), 1)
    return counts


def evaluate_targets(path: str, split: str, named: bool = False) -> Evaluate:
    """Macro-F1 over three classes; ``named``: over favor and against, rows of "none" as possible errors."""

    def evaluate(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
        rows = read_labelled(data, path, [split], make_target)
        found = judge_targets(tagger, rows)
        counts = count_targets(rows, found.argmax(-1))
        if named:
            yield Result(name, "stance F1 of favor and against", measure_counts(counts, named_f1))
        else:
            yield Result(name, "stance macro-F1", measure_counts(counts, macro_f1))
        error = measure_calibration(found, [row.label for row in rows], number_texts(rows))
        yield Result(name, "stance ECE", error)

    return evaluate


def evaluate_bare(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Tweets without their hashtags, which give the side away; stance only."""
    bare = [replace(example, text=re.sub(r"#\w+", " ", example.text)) for example in read_dev(data, "tweets_dev")]
    yield measure_stance(bare, predict_each(tagger, bare)[0], name)


def evaluate_vast(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """All rows, and those whose topic is in no training row (Allaway and McKeown 2020).

    Its "none" is nearly always a topic paired with a foreign text.
    """
    rows = read_labelled(data, "stance/vast", ["test"], make_vast)
    found = judge_targets(tagger, rows)
    yield Result(name, "stance macro-F1", measure_counts(count_targets(rows, found.argmax(-1)), macro_f1))
    yield Result(name, "stance ECE", measure_calibration(found, [row.label for row in rows], number_texts(rows)))
    unseen = [place for place, row in enumerate(rows) if row.unseen]
    if unseen:
        counts = count_targets([rows[place] for place in unseen], found[unseen].argmax(-1))
        yield Result(f"{name}, zero-shot topics", "stance macro-F1", measure_counts(counts, macro_f1))


def evaluate_pstance(tagger: Tagger, data: Path, name: str) -> Iterator[Result]:
    """Rows of favor and against only (Li et al. 2021); once as the tagger answers, once with "none" struck out."""
    rows = read_labelled(
        data, "stance/pstance", ["test"], lambda row: None if row["label"] == "none" else make_target(row)
    )
    found = judge_targets(tagger, rows)
    for measure, given in (
        ("stance F1 of favor and against", found.argmax(-1)),
        ("stance F1 where none is no answer", found[:, :2].argmax(-1)),
    ):
        yield Result(name, measure, measure_counts(count_targets(rows, given), named_f1))
