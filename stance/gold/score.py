"""``stance gold score``: all that people's labels say of the tagger on these threads, as records, text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.files import open_replacing
from stance.gold.agreement import Agreement, agreement_warnings, measure_agreement
from stance.gold.metrics import ALL_SIDES, Gap, HeadScore, audit_sides, list_measured, score_heads
from stance.gold.needed import ALL_THREADS, Need, count_needed
from stance.gold.printed import shorten, show_figure, wrap_line
from stance.gold.reliability import Reliability, measure_reliability
from stance.gold.sampled import align_gold, printable
from stance.records import StanceError

if TYPE_CHECKING:
    from stance.estimate.judged import Gold, Judged
    from stance.gold import Measured

FORMAT = 1
WIDTH = 0.1  # of a 95% interval that users want, where they name none
_METHOD = (
    "Figures estimate those of all judged posts of the threads drawn from: labelled posts are weighted by 1 / "
    "inclusion probability. Intervals are 95% percentile intervals of the rescaled bootstrap over posts within strata "
    "(Rao and Wu 1988) with the finite-population factor; where all resamples agree on 0 or 1, Wilson intervals. An "
    "abstention of the tagger is a miss for recall and no answer for precision. Posts of one author count as "
    "independent."
)


@dataclass(frozen=True, slots=True)
class Score:
    """People's labels against the tagger's."""

    topic: str
    sides: tuple[str, ...]
    threads: tuple[str, ...]  # of the tables, that posts were drawn from
    posts: int  # judged posts of these threads: what every figure stands for
    drawn: int  # posts
    labelled: int  # posts of the tables that the first coder, or another, labelled
    open: int  # posts drawn but without any label
    coders: tuple[str, ...]
    heads: tuple[HeadScore, ...]
    gaps: tuple[Gap, ...]  # between sides
    reliability: tuple[Reliability, ...]
    agreement: tuple[Agreement, ...]  # empty where no post has two coders' labels
    needs: tuple[Need, ...]
    width: float  # that ``needs`` are counted for
    warnings: tuple[str, ...]  # what a reader must know, one line each


def score_gold(gold: Gold, judged: Sequence[Judged], width: float = WIDTH) -> Score:
    """Compare; ``judged``: the threads of all tables.

    StanceError for a width that is none, and where no labelled post is among those of the tables.
    """
    if not 0 < width < 1:
        raise StanceError(f"--width {width:g}: no width of an interval between 0 and 1. Name one such as .1.")
    sampled = align_gold(gold, judged)
    if not sampled.keys:
        detail = f" ({sampled.warnings[0].rstrip('.')})" if sampled.warnings else ""
        raise StanceError(f"gold labels of {gold.topic}: none for a post of these tables{detail}. Name their tables.")
    said = {(label.thread, label.post) for label in gold.labels}
    agreement = measure_agreement(gold)
    return Score(
        topic=gold.topic,
        sides=gold.sides,
        threads=sampled.threads,
        posts=sum(sampled.thread_posts),
        drawn=len(gold.drawn),
        labelled=len(sampled.keys),
        open=sum((one.thread, one.post) not in said for one in gold.drawn),
        coders=gold.coders,
        heads=tuple(score_heads(sampled)),
        gaps=tuple(audit_sides(sampled)),
        reliability=tuple(measure_reliability(sampled)),
        agreement=tuple(agreement),
        needs=tuple(count_needed(sampled, width)),
        width=width,
        warnings=(*sampled.warnings, *agreement_warnings(agreement), *_list_unlabelled(sampled.heads)),
    )


def score_lines(gold: Gold, judged: Sequence[Judged], width: float = WIDTH) -> Iterator[str]:
    """The score as text, at most 100 columns wide."""
    yield from print_score(score_gold(gold, judged, width))


def write_score(gold: Gold, judged: Sequence[Judged], path: str | Path, width: float = WIDTH) -> None:
    """The score as JSON: every figure with n and interval, null where there is none."""
    from stance import __version__

    values = {"format": FORMAT, "version": __version__, "method": _METHOD, **asdict(score_gold(gold, judged, width))}
    written = json.dumps(_plain(values), ensure_ascii=False, indent=1, allow_nan=False)
    with open_replacing(path) as file:
        file.write(written.encode("utf-8", "backslashreplace") + b"\n")


def print_score(score: Score) -> Iterator[str]:
    """The parts of the text, an empty line between them."""
    yield f"{printable(score.topic)}: {score.labelled:,} labelled of {score.posts:,} judged posts in {_threads(score)}"
    left = f"; {score.open:,} drawn posts have no label yet" if score.open else ""
    yield f"coders: {', '.join(map(printable, score.coders))}{left}"
    yield "Figures estimate all of these posts (weights 1 / inclusion probability); in brackets 95%"
    yield "intervals, by bootstrap over posts within strata. An abstention is a miss, not an answer."
    for warning in score.warnings:
        yield from wrap_line(f"! {warning}")
    for part in (
        _print_labels,
        _print_heads,
        _print_confusion,
        _print_gaps,
        _print_bins,
        _print_agreement,
        _print_needs,
    ):
        lines = list(part(score))
        if lines:
            yield ""
            yield from lines


def _print_labels(score: Score) -> Iterator[str]:
    yield f"{'':17} {'':9} {'precision':17}  {'recall':17}  {'F1':17}  people tagger"
    for head in score.heads:
        for label in head.labels:
            people, tagger = (0 if one is None else one.n for one in (label.recall, label.precision))
            figures = "  ".join(show_figure(one) for one in (label.precision, label.recall, label.f1))
            name = shorten(head.name.removeprefix("toxicity: ") if head.name != label.label else "", 17)
            yield f"{name:17} {label.label:9} {figures}  {people:6} {tagger:6}"


def _print_heads(score: Score) -> Iterator[str]:
    names = ("macro F1", "accuracy", "false alarms", "coverage")
    yield f"{'':17} {'posts':>5}  {'  '.join(f'{name:17}' for name in names)}".rstrip()
    for head in score.heads:
        found = dict(list_measured(head))
        figures = "  ".join(show_figure(found.get(name)) for name in names)
        yield f"{shorten(head.name.removeprefix('toxicity: '), 17):17} {head.n:5}  {figures}".rstrip()


def _print_confusion(score: Score) -> Iterator[str]:
    yield "Labelled posts: rows are people's labels, columns the tagger's"
    for head in score.heads:
        if head.name == ALL_SIDES or (head.name.startswith("toxicity: ") and head.name != "toxicity: any"):
            continue
        yield f"{shorten(head.name, 24):24} {'  '.join(f'{name:>9}' for name in head.columns)}"
        for name, row in zip(head.rows, head.confusion, strict=True):
            yield f"{name:>24} {'  '.join(f'{count:9}' for count in row)}"


def _print_gaps(score: Score) -> Iterator[str]:
    if not score.gaps:
        return
    yield "Is one side treated unlike another? Differences of rates; * where the interval leaves out 0"
    for gap in score.gaps:
        names = f"{shorten(gap.first, 20)} less {shorten(gap.second, 20)}"
        yield f"{gap.measure:21} {names:46} {_signed(gap.difference)}{' *' if gap.apart else ''}"
    if len(score.gaps) > 1:
        yield f"{len(score.gaps)} differences were looked at: by chance alone about one in 20 gets a star."


def _print_bins(score: Score) -> Iterator[str]:
    if not score.reliability:
        return
    yield "Calibration error (ECE), and what chance would leave of it had the probabilities been right"
    for one in score.reliability:
        yield f"{shorten(one.name, 30):30} {show_figure(one.error)}  {one.expected:.2f}  n = {one.error.n}"
    names = [one.name for one in score.reliability]
    stance = ALL_SIDES if ALL_SIDES in names else names[0]
    for one in score.reliability:
        if one.name in (stance, "toxicity: any", "sentiment"):
            held = "called toxic" if one.name == "toxicity: any" else "right"
            yield ""
            yield f"{shorten(one.name, 30):30} mean probability  {held:>12}       n"
            for row in one.bins:
                yield f"{f'{row.low:.1f} to {row.high:.1f}':>30} {row.confidence:16.2f}  {row.share:12.2f}  {row.n:6}"


def _print_agreement(score: Score) -> Iterator[str]:
    if not score.agreement:
        yield "Agreement: no post has the labels of two coders, so how sure the labels are is not known."
        return
    yield f"{'Agreement of coders':26} {'alpha':21} {'same answer':19}  posts"
    for one in score.agreement:
        alpha = show_figure(one.alpha) if one.alpha is not None else "one label only" if one.units else "-"
        yield f"{shorten(one.name, 26):26} {alpha:21} {show_figure(one.agreement):19}  {one.units:5}"
    yield "alpha: Krippendorff's, nominal; from .80 on sound, under .667 no ground for conclusions."


def _print_needs(score: Score) -> Iterator[str]:
    needs = [need for need in score.needs if need.thread == ALL_THREADS]
    if not needs:
        return
    yield f"Labels that a share over all these posts needs for a 95% interval {score.width:g} wide"
    yield f"{'':26} {'hand share':>10}  {'width now':>9}  {'labelled':>8}  {'needed':>7}  {'more':>6}  basis"
    for need in needs:
        yield (
            f"{shorten(need.quantity, 26):26} {need.share:10.2f}  {need.width:9.3f}  {need.labelled:8}"
            f"  {need.needed:7,}  {need.more:6,}  {need.basis}"
        )
    each = [need for need in score.needs if need.thread != ALL_THREADS]
    if each:
        short = {need.thread for need in each if need.more}
        most: dict[str, int] = {}
        for need in each:
            most[need.thread] = max(most.get(need.thread, 0), need.more)
        yield from wrap_line(
            f"Thread by thread: {len(short)} of {len(score.threads)} need more for some share, "
            f"{sum(most.values()):,} labels in all (-o FILE.json lists them)."
        )


def _list_unlabelled(heads: Sequence[Any]) -> Iterator[str]:
    for head in heads:
        if not head.known.any() and head.kind != "toxicity":
            yield f"{printable(head.name)}: no labelled post that the tagger judged; not scored."


def _threads(score: Score) -> str:
    return f"thread {printable(score.threads[0])}" if len(score.threads) == 1 else f"{len(score.threads)} threads"


def _signed(measured: Measured) -> str:
    return f"{measured.value:+.2f} [{measured.low:+.2f}, {measured.high:+.2f}]  n = {measured.n}"


def _plain(value: Any) -> Any:
    """What JSON can hold: NaN as null."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
