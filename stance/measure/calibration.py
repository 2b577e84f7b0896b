"""Whether a probability means what it says, and what abstaining buys: figures for the card, intervals for the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stance.files import open_replacing
from stance.gold import RESAMPLES, SEED, Measured, calibration_error
from stance.records import StanceError
from stance.report.picture import PALETTE, Picture, render_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Answers = tuple[NDArray[np.float64], Sequence[int]]  # (items, labels) that sum to 1; the true label of each item

BINS = 15  # of equal width, as calibration_error
# Points: around a panel, between its square and its bars of n, their height, and the square's side.
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP, _COUNTS = 54, 14, 28, 42, 14, 34
_LEAST_SIDE, _MOST_SIDE = 178, 260


@dataclass(frozen=True, slots=True)
class Bin:
    """The items whose likeliest label has a probability in one stretch."""

    confidence: float  # their mean probability, 0 to 1
    accuracy: float  # share of them whose likeliest label is the true one
    n: int  # items


@dataclass(frozen=True, slots=True)
class Covered:
    """What is left where a label is given only from a probability on."""

    threshold: float  # least probability of the likeliest label
    coverage: float  # share of items that get a label, 0 to 1
    accuracy: float  # share of these that is right; NaN where none gets one
    n: int  # items that get a label


def two_labels(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """(items,) of a yes -> (items, 2), no and yes: what a sigmoid says in the shape of a softmax."""
    return np.stack([1 - probability, probability], axis=-1)


def measure_calibration(
    probabilities: NDArray[np.float64], truth: Sequence[int], texts: Sequence[int] | None = None
) -> Measured:
    """``gold.calibration_error`` with a 95% bootstrap interval over texts, which are resampled whole.

    probabilities (items, labels), truth (items,), texts (items,) the number of each item's text from 0; None: each its
    own. A resample is less calibrated than the whole, for chance alone moves a bin: the resamples are shifted so that
    their mean is the value (the bias correction of Efron and Tibshirani 1993, chapter 10). StanceError for no items.
    """
    if not len(probabilities):
        raise StanceError("calibration: no items to measure: restore the set")
    confidence, right, place = _judge(probabilities, truth)
    owner = np.arange(len(place)) if texts is None else np.asarray(texts, int)
    count = int(owner.max()) + 1
    gaps, items = np.zeros((count, BINS)), np.zeros(count)
    np.add.at(gaps, (owner, place), right - confidence)  # the error is the sum over bins of |sum of these| / items
    np.add.at(items, owner, 1)
    draws = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    resampled = np.abs(draws @ gaps).sum(-1) / np.maximum(draws @ items, 1)
    value = calibration_error(probabilities, truth, BINS)
    low, high = np.quantile(resampled, [0.025, 0.975]) - (resampled.mean() - value)
    return Measured(value, max(float(low), 0.0), float(high), count)


def reliability_bins(probabilities: NDArray[np.float64], truth: Sequence[int]) -> list[Bin]:
    """The bins that have items, by rising confidence (reliability diagram: DeGroot and Fienberg 1983).

    probabilities (items, labels), truth (items,).
    """
    confidence, right, place = _judge(probabilities, truth)
    return [
        Bin(float(confidence[place == b].mean()), float(right[place == b].mean()), int((place == b).sum()))
        for b in sorted(set(place.tolist()))
    ]


def coverage_curve(
    probabilities: NDArray[np.float64], truth: Sequence[int], thresholds: Sequence[float] | None = None
) -> list[Covered]:
    """Coverage and accuracy as the least probability rises (El-Yaniv and Wiener 2010), one row a threshold.

    probabilities (items, labels), truth (items,), thresholds 0 to 1; None: from chance to 0.98 by 0.02.
    StanceError for no items.
    """
    if not len(probabilities):
        raise StanceError("coverage: no items to measure: restore the set")
    if thresholds is None:
        chance = 1 / probabilities.shape[-1]
        thresholds = [0.0, *(step / 50 for step in range(50) if step / 50 > chance)]
    confidence, right, _ = _judge(probabilities, truth)
    rows = []
    for threshold in thresholds:
        given = confidence >= threshold
        accuracy = float(right[given].mean()) if given.any() else float("nan")
        rows.append(Covered(float(threshold), float(given.mean()), accuracy, int(given.sum())))
    return rows


def reliability_figure(heads: Mapping[str, Answers], path: Path) -> Picture:
    """Draw one panel a head and write it beside ``path`` as .svg and .png.

    ``heads``: name of a head -> its probabilities (items, labels) and true labels (items,); a head of yes or no goes
    through ``two_labels``. A panel has the line of perfect calibration, a point a bin, the n of each bin as bars below,
    and the ECE. StanceError where nothing is to be drawn or the place cannot be written.
    """
    if not heads or any(not len(truth) for _, truth in heads.values()):
        raise StanceError(f"{path}: a head without items: leave it out of the figure")
    bins = {name: reliability_bins(*answers) for name, answers in heads.items()}
    errors = {name: calibration_error(*answers, BINS) for name, answers in heads.items()}
    words = " ".join(
        f"{name}: ECE {errors[name]:.3f}, n = {sum(one.n for one in found)}; "
        + ", ".join(f"{one.accuracy:.2f} right at {one.confidence:.2f} (n = {one.n})" for one in found)
        + "."
        for name, found in bins.items()
    )
    panels = {f"{name}: ECE {errors[name]:.3f}, n = {sum(one.n for one in bins[name])}": bins[name] for name in bins}
    title = "How often a probability is right"
    return _write(render_picture("reliability", title, words, lambda width: _draw_reliability(panels, width)), path)


def _judge(
    probabilities: NDArray[np.float64], truth: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Of each item: the probability of its likeliest label, whether it is right (0 or 1), its bin."""
    confidence = probabilities.max(-1)
    right = (probabilities.argmax(-1) == np.asarray(truth)).astype(float)
    return confidence, right, np.minimum((confidence * BINS).astype(int), BINS - 1)


def _write(picture: Picture, path: Path) -> Picture:
    for suffix, content in ((".svg", picture.svg), (".png", picture.png)):
        with open_replacing(path.with_suffix(suffix)) as file:
            file.write(content)
    return picture


def _draw_reliability(panels: Mapping[str, Sequence[Bin]], width: int) -> Figure:
    rows = -(-len(panels) // max(1, width // (_LEFT + _LEAST_SIDE + _RIGHT)))
    columns = -(-len(panels) // rows)
    step = width / columns
    side = min(step - _LEFT - _RIGHT, _MOST_SIDE)
    line = _TOP + side + _GAP + _COUNTS + _BOTTOM
    figure = _new_figure(width, rows * line)
    for index, (title, bins) in enumerate(panels.items()):
        left, top = index % columns * step + _LEFT, index // columns * line + _TOP
        _draw_bins(_add_axes(figure, left, top, side, side), title, bins)
        _draw_counts(_add_axes(figure, left, top + side + _GAP, side, _COUNTS), bins)
    return figure


def _draw_bins(axes: Axes, title: str, bins: Sequence[Bin]) -> None:
    _scale(axes, "share right", "")
    axes.set_title(title, loc="left", fontsize=11.5, weight="bold", pad=5, color=PALETTE["ink"])
    axes.plot([0, 1], [0, 1], color=PALETTE["muted"], linewidth=0.9, linestyle="--")
    places, heights = [one.confidence for one in bins], [one.accuracy for one in bins]
    axes.plot(places, heights, "o-", color=PALETTE["favor"], linewidth=1.3, markersize=4.5, clip_on=False)
    axes.tick_params(labelbottom=False)


def _draw_counts(axes: Axes, bins: Sequence[Bin]) -> None:
    _scale(axes, "n", "probability of the likeliest label")
    axes.bar([one.confidence for one in bins], [one.n for one in bins], 0.6 / BINS, color=PALETTE["none"])
    most = max(one.n for one in bins)
    axes.set_ylim(0, most)
    axes.set_yticks([0, most], ["0", str(most)], fontsize=9)


def _new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), facecolor="none")


def _add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at these points from the figure's upper left corner."""
    whole_width, whole_height = figure.get_figwidth() * 72, figure.get_figheight() * 72
    place = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    axes: Axes = figure.add_axes(place, facecolor="none", label=f"{left} {top}")
    return axes


def _scale(axes: Axes, upward: str, across: str) -> None:
    """Both axes from 0 to 1, without a frame but the line below, as the report's figures."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=9)
    axes.set_xlabel(across, fontsize=10.5)
    axes.set_ylabel(upward, fontsize=10.5)
    axes.grid(color=PALETTE["line"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for edge in ("left", "right", "top"):
        axes.spines[edge].set_visible(False)
