"""``stance gold fit``: calibrating a tagger's probabilities for one topic on people's labels, and using that.

Cross-fitted: beside the model of all labels there is one a fold that never saw the fold's posts, and a labelled post
gets its probabilities from that one. So the labels that a share is corrected with did not shape the probabilities that
it rests on (cross-prediction: Zrnic and Candès 2024), and how much the fit helps is measured on posts it did not see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from stance.estimate.judged import ABSTAINED_CODE, ANY, NOT_JUDGED_CODE
from stance.files import open_replacing
from stance.gold import Measured
from stance.gold.reliability import judge_confidence, measure_error
from stance.gold.sampled import Head, Sampled, align_gold, find_interval, ratio, resample_weights, weigh_posts
from stance.gold.scaling import Scaling, apply_scaling, cross_fit, deal_folds, log_losses
from stance.gold.threshold import Threshold, Wish, find_threshold
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.estimate.judged import Gold, Judged

FORMAT = 1
FOLDS = 10
LEAST_LABELS = 50  # posts: below, nothing is fitted
LEAST_RARER = 10  # labels besides the commonest, for each outcome besides it (Peduzzi et al. 1996, events a parameter)
_ANY_NAME = f"toxicity: {ANY}"


@dataclass(frozen=True, slots=True)
class Quality:
    """How well probabilities hold before and after, by cross-fitting: on posts whose labels had no part in the fit.

    Intervals are for posts like these, not for these alone: labelling all of them leaves a width.
    """

    n: int  # labelled posts
    loss_before: Measured  # mean log loss, natural logarithm
    loss_after: Measured
    change: Measured  # after less before: under 0 is better
    error_before: Measured  # expected calibration error
    error_after: Measured


@dataclass(frozen=True, slots=True)
class Fitted:
    """A head that was calibrated."""

    name: str  # a side's name, "toxicity: insult", "sentiment"
    kind: str  # of stance.estimate.HEADS
    pooled: bool  # whether the model is that of all sides together, for want of labels of this one
    scaling: Scaling  # of all labels
    held_out: tuple[Scaling, ...]  # one a fold, fitted without it
    quality: Quality


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt for a topic."""

    topic: str
    sides: tuple[str, ...]
    tagger_sha256: str | None  # of the tagger whose probabilities were fitted; None: not known
    seed: int
    labelled: int  # posts
    folds: Mapping[str, Mapping[str, int]]  # thread -> post -> the fold that it was held out in
    heads: tuple[Fitted, ...]
    kept: Mapping[str, str]  # name of a head that stays as it is -> why
    nested: bool  # labels keep to "any attribute is toxicity": so do the probabilities, none lies over toxicity's
    any_toxic: Quality | None  # of toxicity: any, which follows from its attributes
    abstain_below: float | None  # probability under which no label is given; None: the likeliest is given always
    thresholds: tuple[Threshold, ...]


def fit_calibration(
    gold: Gold,
    judged: Sequence[Judged],
    wishes: Sequence[Wish] = (),
    tagger_sha256: str | None = None,
    abstain_below: float | None = None,
) -> Calibration:
    """Learn from the first coder's labels; ``judged``: the threads of all tables, as the tagger left them.

    A side has a model of its own from LEAST_RARER labels a parameter on, that is, 2 * LEAST_RARER labels besides its
    commonest; else that of all sides pooled. A head of another kind without as many stays as it is. StanceError for
    fewer than LEAST_LABELS labelled posts, and where no head can be fitted.
    """
    sampled = align_gold(gold, judged)
    count = len(sampled.keys)
    if count < LEAST_LABELS:
        raise StanceError(
            f"gold labels of {gold.topic}: {count} labelled posts in these tables, {LEAST_LABELS} are the least to fit "
            f"on. Label {LEAST_LABELS - count} more."
        )
    fold = deal_folds(count, FOLDS, gold.seed)
    kept: dict[str, str] = {}
    fitted: list[tuple[Head, _Model]] = []
    pooled = _fit_pooled(sampled, fold)
    for head in sampled.heads:
        if head.name == _ANY_NAME:
            continue
        model = _fit_head(sampled, head, fold, pooled)
        if isinstance(model, str):
            kept[head.name] = model
        else:
            fitted.append((head, model))
    if not fitted:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in kept.items())
        raise StanceError(f"gold labels of {gold.topic}: no head can be fitted ({reasons}). Label more posts.")
    folds: dict[str, dict[str, int]] = {}
    for (thread, post), number in zip(sampled.keys, fold.tolist(), strict=True):
        folds.setdefault(thread, {})[post] = number
    calibration = Calibration(
        topic=gold.topic,
        sides=gold.sides,
        tagger_sha256=tagger_sha256,
        seed=gold.seed,
        labelled=count,
        folds=folds,
        heads=tuple(
            Fitted(head.name, head.kind, model.pooled, model.scaling, model.held_out, _judge(sampled, head, model.out))
            for head, model in fitted
        ),
        kept=kept,
        nested=_are_nested(sampled, [head.name for head, _ in fitted]),
        any_toxic=None,
        abstain_below=abstain_below,
        thresholds=(),
    )
    after = [apply_calibration(one, calibration, gold) for one in judged]
    return replace(
        calibration,
        any_toxic=_judge_any(sampled, align_gold(gold, after)) if _touches_toxicity(calibration) else None,
        thresholds=tuple(find_threshold(gold, after, wish) for wish in wishes),
    )


def apply_calibration(judged: Judged, calibration: Calibration, gold: Gold | None = None) -> Judged:
    """The thread with calibrated probabilities, and the labels of sides and sentiment that follow from them.

    With ``gold``, the posts that it labels and that the fit saw get the model that was fitted without them: use it
    for every share; without it, all get the model of all labels. Attributes of toxicity stay present or absent as the
    tagger's thresholds say: a calibration keeps their order. Heads that were not fitted stay as they are. StanceError
    where the thread has none of the calibration's sides.
    """
    if judged.sides and not set(judged.sides) & set(calibration.sides):
        raise StanceError(
            f"{judged.thread}: its sides ({', '.join(judged.sides)}) are not those of the calibration "
            f"({', '.join(calibration.sides)}). Fit one on labels of this topic."
        )
    fold = _held_out_folds(judged, calibration, gold)
    stance, stance_label = judged.stance.copy(), judged.stance_label.copy()
    toxicity, sentiment, sentiment_label = judged.toxicity.copy(), judged.sentiment, judged.sentiment_label
    attributes = {f"toxicity: {name.replace('_', ' ')}": place for place, name in enumerate(TOXICITY)}
    for fitted in calibration.heads:
        if fitted.kind == "stance" and fitted.name in judged.sides:
            side = judged.sides.index(fitted.name)
            stance[:, side] = _rescale(fitted, judged.stance[:, side], fold)
            stance_label[:, side] = _choose_labels(stance[:, side], calibration.abstain_below)
        elif fitted.kind == "toxicity":
            place = attributes[fitted.name]
            yes = judged.toxicity[:, place]
            toxicity[:, place] = _rescale(fitted, np.stack([yes, 1 - yes], axis=1), fold)[:, 0]
        elif fitted.kind == "sentiment":
            sentiment = _rescale(fitted, judged.sentiment, fold)
            sentiment_label = _choose_labels(sentiment, calibration.abstain_below)
    if calibration.nested:
        toxicity = np.where(np.isnan(toxicity[:, :1]), toxicity, np.minimum(toxicity, toxicity[:, :1]))
    return replace(
        judged,
        stance=stance,
        stance_label=stance_label,
        toxicity=toxicity,
        sentiment=sentiment,
        sentiment_label=sentiment_label,
    )


def write_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write it as JSON."""
    from stance import __version__

    values = {"format": FORMAT, "version": __version__, **asdict(calibration)}
    written = json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False)
    with open_replacing(path) as file:
        file.write(written.encode("utf-8", "backslashreplace") + b"\n")


def read_calibration(path: str | Path) -> Calibration:
    """The file of ``write_calibration``; StanceError for anything else."""
    remedy = "Make it with `stance gold fit`."
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise StanceError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise StanceError(f"{path}: not JSON ({error}). {remedy}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        given = values.get("format") if isinstance(values, dict) else None
        raise StanceError(f"{path}: format {given}, this program reads {FORMAT}. {remedy}")
    try:
        return _parse(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StanceError(f"{path}: damaged ({error!r}). {remedy}") from error


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A model of a head, and what it says of the labelled posts."""

    pooled: bool
    scaling: Scaling
    held_out: tuple[Scaling, ...]
    out: NDArray[np.float64]  # (m, outcomes), cross-fitted; NaN where the head does not judge


def _usable(head: Head) -> NDArray[np.bool_]:
    return head.known & ~np.isnan(head.probabilities).any(1)


def _rarer(truth: NDArray[np.int64]) -> int:
    """How many labels are not the commonest one."""
    return int(len(truth) - np.bincount(truth).max(initial=0))


def _fit_pooled(sampled: Sampled, fold: NDArray[np.int64]) -> tuple[Scaling, tuple[Scaling, ...]] | None:
    """Of all sides as one; None where even they have too few labels."""
    sides = [(head, _usable(head)) for head in sampled.heads if head.kind == "stance"]
    if not sides:
        return None
    found = np.concatenate([head.probabilities[known] for head, known in sides])
    truth = np.concatenate([head.truth[known] for head, known in sides])
    weight = np.concatenate([weigh_posts(sampled, known)[known] for _, known in sides])
    if _rarer(truth) < LEAST_RARER * (len(STANCES) - 1):
        return None
    whole, held, _ = cross_fit(found, truth, weight, np.concatenate([fold[known] for _, known in sides]))
    return whole, _complete(held, whole)


def _complete(held: tuple[Scaling, ...], whole: Scaling) -> tuple[Scaling, ...]:
    """One a fold, also where the last folds have no label of this head."""
    return (*held, *([whole] * (FOLDS - len(held))))


def _fit_head(
    sampled: Sampled, head: Head, fold: NDArray[np.int64], pooled: tuple[Scaling, tuple[Scaling, ...]] | None
) -> _Model | str:
    """The model, or why there is none."""
    known = _usable(head)
    truth = head.truth[known]
    if not len(truth):
        return "no labelled post that the tagger judged"
    out = np.full(head.probabilities.shape, np.nan)
    needed = LEAST_RARER * (len(head.outcomes) - 1)
    if len(truth) >= LEAST_LABELS and _rarer(truth) >= needed:
        found, weight = head.probabilities[known], weigh_posts(sampled, known)[known]
        whole, held, out[known] = cross_fit(found, truth, weight, fold[known])
        return _Model(False, whole, _complete(held, whole), out)
    if head.kind == "stance" and pooled is not None:
        whole, held = pooled
        for number, scaling in enumerate(held):
            inside = known & (fold == number)
            out[inside] = apply_scaling(scaling, head.probabilities[inside])
        return _Model(True, whole, held, out)
    return f"{len(truth)} labels, {_rarer(truth)} besides the commonest: {LEAST_LABELS} and {needed} are needed"


def _judge(sampled: Sampled, head: Head, out: NDArray[np.float64]) -> Quality:
    known = _usable(head)
    weight, draws = weigh_posts(sampled, known)[known], resample_weights(sampled, known, finite=False)[:, known]
    truth, ones = head.truth[known], np.ones(int(known.sum()))
    before, after = log_losses(head.probabilities[known], truth), log_losses(out[known], truth)

    def mean(values: NDArray[np.float64]) -> Measured:
        value = float(ratio(weight, values, ones))
        low, high = find_interval(ratio(draws, values, ones))
        return Measured(value, min(low, value), max(high, value), len(values))

    errors = [
        measure_error(*judge_confidence(found[known], truth, head.kind), weight, draws)
        for found in (head.probabilities, out)
    ]
    return Quality(len(truth), mean(before), mean(after), mean(after - before), *errors)


def _judge_any(before: Sampled, after: Sampled) -> Quality | None:
    """Of toxicity: any, from the tagger's attributes and from the cross-fitted ones."""
    heads = [next(head for head in sampled.heads if head.name == _ANY_NAME) for sampled in (before, after)]
    return _judge(before, heads[0], heads[1].probabilities) if _usable(heads[0]).any() else None


def _touches_toxicity(calibration: Calibration) -> bool:
    return any(fitted.kind == "toxicity" for fitted in calibration.heads)


def _are_nested(sampled: Sampled, fitted: Sequence[str]) -> bool:
    """Whether people call a post toxic just where they name any attribute, as the codebook has it."""
    heads = {head.name: head for head in sampled.heads}
    whole, some = heads[f"toxicity: {TOXICITY[0]}"], heads[_ANY_NAME]
    both = whole.known & some.known
    return whole.name in fitted and bool((whole.truth[both] == some.truth[both]).all())


def _held_out_folds(judged: Judged, calibration: Calibration, gold: Gold | None) -> NDArray[np.int64]:
    """(n,): the fold of each post that both the fit and ``gold`` have labels of; -1: none."""
    if gold is None:
        return np.full(len(judged.ids), -1)
    said = {label.post for label in gold.labels if label.thread == judged.thread}
    known = calibration.folds.get(judged.thread, {})
    return np.array([known.get(post, -1) if post in said else -1 for post in judged.ids], int)


def _rescale(fitted: Fitted, found: NDArray[np.float64], fold: NDArray[np.int64]) -> NDArray[np.float64]:
    scaled = apply_scaling(fitted.scaling, found)
    for number, scaling in enumerate(fitted.held_out):
        inside = fold == number
        scaled[inside] = apply_scaling(scaling, found[inside])
    return scaled


def _choose_labels(found: NDArray[np.float64], abstain_below: float | None) -> NDArray[np.int8]:
    """(n, outcomes) -> (n,) positions of the likeliest outcome, or a code where it is not given."""
    missing = np.isnan(found).any(1)
    shown = np.nan_to_num(found)
    labels = np.where(shown.max(1) < (abstain_below or 0.0), ABSTAINED_CODE, shown.argmax(1))
    return np.where(missing, NOT_JUDGED_CODE, labels).astype(np.int8)


def _parse(values: Mapping[str, Any]) -> Calibration:
    """KeyError, TypeError or ValueError where something is missing or of another kind."""
    outcomes = {"stance": len(STANCES), "toxicity": 2, "sentiment": len(SENTIMENTS)}

    def parse_scaling(given: Mapping[str, Any], kind: str) -> Scaling:
        scaling = Scaling(float(given["slope"]), tuple(float(value) for value in given["bias"]))
        if len(scaling.bias) != outcomes[kind] or not np.isfinite((scaling.slope, *scaling.bias)).all():
            raise ValueError(f"a bias of {len(scaling.bias)} numbers for {kind}")
        return scaling

    def parse_quality(given: Mapping[str, Any]) -> Quality:
        names = ("loss_before", "loss_after", "change", "error_before", "error_after")
        return Quality(int(given["n"]), *(Measured(**given[name]) for name in names))

    def parse_head(given: Mapping[str, Any]) -> Fitted:
        kind = str(given["kind"])
        held = tuple(parse_scaling(one, kind) for one in given["held_out"])
        scaling = parse_scaling(given["scaling"], kind)
        return Fitted(str(given["name"]), kind, bool(given["pooled"]), scaling, held, parse_quality(given["quality"]))

    def parse_threshold(given: Mapping[str, Any]) -> Threshold:
        measured = {name: given[name] and Measured(**given[name]) for name in ("precision", "recall", "held_out")}
        return Threshold(**{**given, **measured})

    return Calibration(
        topic=str(values["topic"]),
        sides=tuple(str(side) for side in values["sides"]),
        tagger_sha256=values["tagger_sha256"],
        seed=int(values["seed"]),
        labelled=int(values["labelled"]),
        folds={str(t): {str(post): int(fold) for post, fold in some.items()} for t, some in values["folds"].items()},
        heads=tuple(parse_head(one) for one in values["heads"]),
        kept={str(name): str(reason) for name, reason in values["kept"].items()},
        nested=bool(values["nested"]),
        any_toxic=None if values["any_toxic"] is None else parse_quality(values["any_toxic"]),
        abstain_below=None if values["abstain_below"] is None else float(values["abstain_below"]),
        thresholds=tuple(parse_threshold(one) for one in values["thresholds"]),
    )
