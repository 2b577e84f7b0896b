"""Figures and lines for a terminal of 100 columns, and a calibration as text."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from textwrap import wrap
from typing import TYPE_CHECKING

from stance.gold.sampled import printable

if TYPE_CHECKING:
    from stance.gold import Measured
    from stance.gold.fit import Calibration, Quality
    from stance.gold.threshold import Threshold

WIDTH = 98


def show_figure(measured: Measured | None) -> str:
    """17 columns: value and interval."""
    if measured is None:
        return f"{'-':17}"
    if not isfinite(measured.low):
        return f"{measured.value:.2f}{'':13}"
    return f"{measured.value:.2f} [{measured.low:.2f}, {measured.high:.2f}]"


def shorten(text: str, width: int) -> str:
    """A name from outside, cut to a width."""
    shown = printable(text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def wrap_line(line: str) -> Iterator[str]:
    """The line in pieces, those after the first set in."""
    yield from wrap(line, WIDTH, subsequent_indent="  ")


def calibration_lines(calibration: Calibration) -> Iterator[str]:
    """What was fitted, what it changes, and the thresholds."""
    yield f"{printable(calibration.topic)}: calibrated on {calibration.labelled:,} labelled posts"
    yield "Cross-fitted: each figure comes from posts whose labels had no part in the fit. Loss: mean log"
    yield "loss, lower is better; * where the interval of its change leaves out 0. ECE: calibration error."
    yield ""
    yield f"{'':16} {'labels':>6}  loss         change                   ECE before         ECE after"
    for fitted in calibration.heads:
        yield _print_quality(fitted.name, fitted.quality)
    if calibration.any_toxic is not None:
        yield _print_quality("toxicity: any", calibration.any_toxic)
    for name, reason in calibration.kept.items():
        yield from wrap_line(f"{printable(name)}: left as it is ({reason})")
    if pooled := [printable(fitted.name) for fitted in calibration.heads if fitted.pooled]:
        yield from wrap_line(
            f"{', '.join(pooled)}: pooled, for too few labels: the model is that of all sides, and the mean "
            "probability toward one may be off."
        )
    for threshold in calibration.thresholds:
        yield ""
        yield from _print_threshold(threshold)


def _print_quality(name: str, quality: Quality) -> str:
    change = quality.change
    star = "*" if not change.low <= 0 <= change.high else " "
    return (
        f"{shorten(name.removeprefix('toxicity: ') if name != 'toxicity: any' else name, 16):16} {quality.n:6}"
        f"  {quality.loss_before.value:.2f} -> {quality.loss_after.value:.2f}"
        f" {change.value:+.3f} [{change.low:+.3f}, {change.high:+.3f}]{star}"
        f" {show_figure(quality.error_before)}  {show_figure(quality.error_after)}"
    ).rstrip()


def _print_threshold(found: Threshold) -> Iterator[str]:
    wish = f"{printable(found.quantity)}, {found.measure} {found.wanted:g}"
    if found.threshold is None:
        yield f"{wish}: no threshold reaches it on these labels. Lower the target."
        return
    yield f"{wish}: from probability {found.threshold:.3f} on; {found.posts:,} judged posts lie there"
    reached = f"precision {show_figure(found.precision)}  recall {show_figure(found.recall)}"
    yield f"  {reached}  on the labels it was chosen on"
    if found.held_out is None:
        yield "  no held-out label reached it: what to expect of other posts is not known"
    else:
        yield f"  {found.measure} {show_figure(found.held_out)} on labels that had no part in choosing: what to expect"
