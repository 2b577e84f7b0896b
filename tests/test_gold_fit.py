"""Calibration on gold: honest by cross-fitting, in simulations and against scikit-learn, and its edges."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from statsmodels.stats.proportion import proportion_confint
from test_gold_score import SIDES, label_posts, make_gold, make_judged, soften

from stance.estimate.correct import Sample, correct_sample, estimate_quantity
from stance.estimate.judged import ABSTAINED_CODE, NOT_JUDGED_CODE, Quantity, probabilities
from stance.gold import scaling
from stance.gold.fit import FOLDS, apply_calibration, fit_calibration, read_calibration, write_calibration
from stance.gold.printed import calibration_lines
from stance.gold.sampled import align_gold
from stance.gold.scaling import LEAST_SLOPE, Scaling, apply_scaling, cross_fit, deal_folds, fit_scaling, log_losses
from stance.gold.threshold import Wish, find_threshold, measure_exact
from stance.records import StanceError

AGAINST = Quantity("stance", "North", "against")


def off_probabilities(rng, truth, shares, slope=2.0, shift=(1.2, -0.8, 0.0)):
    """What an overconfident tagger with other expectations says: (n,) codes -> (n, 3); the right ones beside it."""
    scores = rng.normal(size=(len(truth), 3)) + 1.5 * np.eye(3)[truth]
    right = soften(np.log(shares) + 1.5 * scores)
    return soften(slope * np.log(right) + np.array(shift)), right


def make_off(count, seed=1, thread="t"):
    """A thread whose stance and toxicity probabilities are off; labels follow from them."""
    judged, truth = make_judged(count, seed, thread)
    rng = np.random.default_rng(seed)
    shares = ([0.2, 0.3, 0.5], [0.3, 0.1, 0.6])
    stance = np.stack([off_probabilities(rng, truth[0][:, side], shares[side])[0] for side in (0, 1)], axis=1)
    return replace(judged, stance=stance, stance_label=stance.argmax(2).astype(np.int8)), truth


@pytest.fixture(scope="module")
def fitted():
    judged, truth = make_off(1500)
    places = np.random.default_rng(2).choice(1500, 300, replace=False)
    gold = make_gold(judged, truth, places)
    return judged, truth, gold, fit_calibration(gold, [judged], tagger_sha256="ab12")


def test_with_loose_priors_the_model_is_logistic_regression(monkeypatch):
    monkeypatch.setattr(scaling, "SLOPE_PRIOR", 1e4)
    monkeypatch.setattr(scaling, "BIAS_PRIOR", 1e4)
    rng = np.random.default_rng(3)
    yes = rng.random(400) < 0.3
    chance = 1 / (1 + np.exp(-(rng.normal(size=400) + 2 * yes)))
    weight = np.ones(400)
    found = fit_scaling(np.stack([chance, 1 - chance], 1), (~yes).astype(int), weight)
    logit = np.log(chance / (1 - chance))[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit, yes)
    assert found.slope == pytest.approx(model.coef_[0, 0], rel=1e-4)
    assert found.bias[0] - found.bias[1] == pytest.approx(model.intercept_[0], rel=1e-4)


def test_the_fit_is_where_scipy_finds_it():
    rng = np.random.default_rng(4)
    truth = rng.choice(3, size=120, p=[0.2, 0.3, 0.5])
    found, _ = off_probabilities(rng, truth, [0.2, 0.3, 0.5])
    weight = rng.choice([1.0, 4.0], size=120)
    worth = weight * weight.sum() / (weight**2).sum()  # Kish

    def loss(point):
        said = soften(point[0] * np.log(found) + point[1:])
        prior = ((point[0] - 1) / scaling.SLOPE_PRIOR) ** 2 + (point[1:] ** 2).sum() / scaling.BIAS_PRIOR**2
        return log_loss(truth, said, sample_weight=worth) * worth.sum() + prior / 2

    expected = minimize(loss, [1, 0, 0, 0], method="BFGS", options={"gtol": 1e-6}).x
    fit = fit_scaling(found, truth, weight)
    assert (fit.slope, *fit.bias) == pytest.approx(expected, abs=1e-3)


def test_log_losses_are_scikit_learn_s():
    rng = np.random.default_rng(4)
    truth = rng.choice(3, size=50)
    found = soften(rng.normal(size=(50, 3)))
    assert log_losses(found, truth).mean() == pytest.approx(log_loss(truth, found))


def test_few_labels_change_little_and_one_label_only_is_no_end_of_the_world():
    found = soften(np.random.default_rng(1).normal(size=(5, 3)))
    few = fit_scaling(found, np.full(5, 2), np.ones(5))
    assert 0.5 < few.slope < 2
    assert max(map(abs, few.bias)) < 3
    many = fit_scaling(np.tile(found, (40, 1)), np.full(200, 2), np.ones(200))
    assert np.isfinite((many.slope, *many.bias)).all()


def test_a_tagger_that_ranks_the_wrong_way_is_silenced():
    rng = np.random.default_rng(1)
    truth = rng.choice(2, size=300)
    found = soften(rng.normal(size=(300, 2)) - 4 * np.eye(2)[truth])
    assert fit_scaling(found, truth, np.ones(300)).slope == LEAST_SLOPE


def test_scaling_keeps_order_and_what_is_missing():
    found = np.array([[0.2, 0.8], [0.7, 0.3], [1.0, 0.0], [np.nan, np.nan]])
    scaled = apply_scaling(Scaling(0.5, (0.3, -0.3)), found)
    assert np.isnan(scaled[3]).all()
    assert scaled[:3].sum(1) == pytest.approx(1)
    assert scaled[0, 0] < scaled[1, 0] < scaled[2, 0] < 1
    assert apply_scaling(Scaling(1.0, (0.0, 0.0)), found[:2]) == pytest.approx(found[:2])


def test_a_post_s_own_label_does_not_shape_its_probability():
    rng = np.random.default_rng(6)
    truth = rng.choice(3, size=100)
    found, fold = soften(rng.normal(size=(100, 3))), deal_folds(100, FOLDS, 1)
    _, _, before = cross_fit(found, truth, np.ones(100), fold)
    changed = truth.copy()
    inside = fold == fold[17]
    changed[inside] = (truth[inside] + 1) % 3
    _, _, after = cross_fit(found, changed, np.ones(100), fold)
    assert after[inside] == pytest.approx(before[inside], abs=1e-12)
    assert np.abs(after[~inside] - before[~inside]).max() > 1e-4
    assert set(np.bincount(fold)) == {10}


@pytest.fixture(scope="module")
def simulated():
    """300 threads of 2,000 posts, 300 of them labelled: errors of mean probabilities, raw and calibrated, as (runs, 3),
    and whether the interval of the corrected share covers the truth and how wide it is, with calibrated ones."""
    rng = np.random.default_rng(11)
    shares, posts, count = [0.15, 0.25, 0.6], 2000, 300
    raw, calibrated, covered, width = [], [], [], []
    for run in range(300):
        truth = rng.choice(3, size=posts, p=shares)
        found, _ = off_probabilities(rng, truth, shares)
        places = rng.choice(posts, count, replace=False)
        whole, _, held = cross_fit(found[places], truth[places], np.ones(count), deal_folds(count, FOLDS, run))
        scaled = apply_scaling(whole, found)
        scaled[places] = held
        real = np.eye(3)[truth]
        raw.append(found.mean(0) - real.mean(0))
        calibrated.append(scaled.mean(0) - real.mean(0))
        size = np.array([float(posts)])
        cell = np.zeros(count, int)
        each, widths = [], []
        for said in (scaled, found):
            sample = Sample(real[places].T, said[places].T, said.mean(0), cell, size)
            estimate = correct_sample(sample)
            each.append((estimate.low <= real.mean(0)) & (real.mean(0) <= estimate.high))
            widths.append(estimate.high - estimate.low)
        covered.append(each[0])
        width.append(widths)
    return np.array(raw), np.array(calibrated), np.array(covered), np.array(width)


def test_the_mean_of_calibrated_probabilities_is_nearly_unbiased_and_that_of_others_is_not(simulated):
    raw, calibrated, _, _ = simulated
    assert np.abs(raw.mean(0)).max() > 0.05
    assert np.abs(calibrated.mean(0)).max() < 0.003, calibrated.mean(0)


def test_corrected_shares_from_cross_fitted_probabilities_cover(simulated):
    _, _, covered, width = simulated
    assert 0.93 <= covered.mean() <= 0.97, covered.mean(0)
    calibrated, raw = width.mean((0, 2))
    assert calibrated < raw, "calibrated probabilities are to help the correction"


def test_the_fit_makes_held_out_probabilities_better(fitted):
    judged, truth, gold, calibration = fitted
    assert [head.name for head in calibration.heads[:2]] == list(SIDES)
    for head in calibration.heads[:2]:
        assert head.quality.n == 300
        assert head.quality.change.high < 0
        assert head.quality.error_after.value < head.quality.error_before.value
        assert head.quality.loss_after.low < head.quality.loss_after.value < head.quality.loss_after.high
        assert not head.pooled
    after = apply_calibration(judged, calibration, gold)
    rest = [place for place in range(1500) if judged.ids[place] not in calibration.folds["t"]]
    before = log_loss(truth[0][rest, 0], judged.stance[rest, 0])
    assert log_loss(truth[0][rest, 0], after.stance[rest, 0]) < before - 0.05
    places = [int(key[1]) for key in align_gold(gold, [judged]).keys]
    assert calibration.heads[0].quality.loss_after.value == pytest.approx(
        log_loss(truth[0][places, 0], after.stance[places, 0], labels=[0, 1, 2])
    )


def test_labelled_posts_get_the_model_that_never_saw_them(fitted):
    judged, _, gold, calibration = fitted
    with_gold, without = apply_calibration(judged, calibration, gold), apply_calibration(judged, calibration)
    north = calibration.heads[0]
    expected = apply_scaling(north.scaling, judged.stance[:, 0])
    assert without.stance[:, 0] == pytest.approx(expected)
    for post, fold in list(calibration.folds["t"].items())[:20]:
        place = judged.ids.index(post)
        own = apply_scaling(north.held_out[fold], judged.stance[place, 0])
        assert with_gold.stance[place, 0] == pytest.approx(own)
        assert not np.array_equal(own, expected[place])
    unlabelled = [place for place, post in enumerate(judged.ids) if post not in calibration.folds["t"]]
    assert np.array_equal(with_gold.stance[unlabelled], without.stance[unlabelled])
    assert judged.stance[0, 0] == pytest.approx(make_off(1500)[0].stance[0, 0]), "the thread itself stays as it was"


def test_shares_after_the_fit_are_nearer_and_still_corrected(fitted):
    judged, truth, gold, calibration = fitted
    after = apply_calibration(judged, calibration, gold)
    real = (truth[0][:, 0] == 1).mean()
    assert abs(probabilities(after, AGAINST).mean() - real) < 0.03
    assert abs(probabilities(judged, AGAINST).mean() - real) > 0.05
    shares = [estimate_quantity(one, AGAINST, gold) for one in (judged, after)]
    assert shares[1].low < real < shares[1].high
    assert shares[1].high - shares[1].low < shares[0].high - shares[0].low


def test_labels_follow_the_calibrated_probabilities(fitted):
    judged, _, gold, calibration = fitted
    after = apply_calibration(judged, calibration, gold)
    assert np.array_equal(after.stance_label, after.stance.argmax(2))
    assert np.array_equal(after.present, judged.present), "a calibration keeps the order"
    unsure = apply_calibration(judged, replace(calibration, abstain_below=0.6), gold)
    low = unsure.stance.max(2) < 0.6
    assert low.any()
    assert (unsure.stance_label[low] == ABSTAINED_CODE).all()
    assert np.array_equal(unsure.stance_label[~low], after.stance_label[~low])


def test_attributes_of_toxicity_stay_under_toxicity_where_people_label_so(fitted):
    judged, truth, gold, calibration = fitted
    assert calibration.nested
    after = apply_calibration(judged, calibration, gold)
    assert (after.toxicity <= after.toxicity[:, :1]).all()
    any_toxic = probabilities(after, Quantity("toxicity", "any", "toxic"))
    assert abs(any_toxic.mean() - truth[1].any(1).mean()) < 0.03
    assert calibration.any_toxic.loss_after.value < calibration.any_toxic.loss_before.value
    apart = [replace(one, toxicity=(False, True, False, False, False)) for one in gold.labels[:5]]
    other = fit_calibration(replace(gold, labels=(*apart, *gold.labels[5:])), [judged])
    assert not other.nested


def test_heads_with_few_labels_are_pooled_or_left(fitted):
    judged, _, gold, calibration = fitted
    assert calibration.kept["toxicity: threat"] == "300 labels, 0 besides the commonest: 50 and 10 are needed"
    after = apply_calibration(judged, calibration, gold)
    assert after.toxicity[:, 2] == pytest.approx(np.minimum(judged.toxicity[:, 2], after.toxicity[:, 0]))
    half = [
        replace(one, stance=(one.stance[0], one.stance[1] if place < 30 else None))
        for place, one in enumerate(gold.labels)
    ]
    south = fit_calibration(replace(gold, labels=tuple(half)), [judged]).heads[1]
    assert (south.name, south.pooled, south.quality.n, len(south.held_out)) == ("South", True, 30, FOLDS)
    never = [replace(one, stance=(one.stance[0], None)) for one in gold.labels]
    without = fit_calibration(replace(gold, labels=tuple(never)), [judged])
    assert without.kept["South"] == "no labelled post that the tagger judged"
    assert np.array_equal(apply_calibration(judged, without, gold).stance[:, 1], judged.stance[:, 1])
    assert any(line.startswith("South: left as it is") for line in calibration_lines(without))


def test_too_few_labels_are_refused():
    judged, truth = make_off(200)
    with pytest.raises(StanceError, match=r"49 labelled posts in these tables, 50 .* Label 1 more\."):
        fit_calibration(make_gold(judged, truth, range(49)), [judged])
    with pytest.raises(StanceError, match="0 labelled posts"):
        fit_calibration(replace(make_gold(judged, truth, range(60)), labels=()), [judged])
    same = (np.full((200, 2), 2), np.zeros((200, 5), bool), np.zeros(200, int))
    with pytest.raises(StanceError, match="no head can be fitted"):
        fit_calibration(make_gold(judged, same, range(100)), [judged])


def test_several_threads_and_posts_that_are_not_judged():
    first, one = make_off(300, 1, "a")
    second, two = make_off(300, 2, "b")
    gaps = first.stance.copy()
    gaps[:20] = np.nan
    labels = first.stance_label.copy()
    labels[:20] = NOT_JUDGED_CODE
    first = replace(first, stance=gaps, stance_label=labels)
    golds = [make_gold(first, one, range(80)), make_gold(second, two, range(80))]
    gold = replace(
        golds[0],
        strata=(*golds[0].strata, *golds[1].strata),
        drawn=(*golds[0].drawn, *golds[1].drawn),
        labels=(*golds[0].labels, *golds[1].labels, *label_posts(replace(first, ids=("gone",)), one, [0])),
    )
    calibration = fit_calibration(gold, [first, second])
    assert {thread: len(posts) for thread, posts in calibration.folds.items()} == {"a": 80, "b": 80}
    assert calibration.heads[0].quality.n == 140
    after = apply_calibration(first, calibration, gold)
    assert np.isnan(after.stance[:20]).all()
    assert (after.stance_label[:20] == NOT_JUDGED_CODE).all()
    assert not np.isnan(after.stance[20:]).any()
    with pytest.raises(StanceError, match="are not those of the calibration"):
        apply_calibration(replace(second, sides=("East", "West")), calibration)


def test_the_file_brings_everything_back(fitted, tmp_path):
    judged, _, gold, _ = fitted
    wishes = [Wish("toxicity: any", "recall", 0.9), Wish("South: against", "precision", 0.999)]
    calibration = fit_calibration(gold, [judged], wishes, "ab12", 0.5)
    write_calibration(calibration, tmp_path / "calibration.json")
    assert read_calibration(tmp_path / "calibration.json") == calibration
    values = json.loads((tmp_path / "calibration.json").read_text(encoding="utf-8"))
    assert (values["format"], values["tagger_sha256"], values["abstain_below"]) == (1, "ab12", 0.5)
    assert max(map(len, calibration_lines(calibration))) <= 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: [], "format None"),
        (lambda values: {**values, "format": 99}, "format 99, this program reads 1"),
        (lambda values: {name: one for name, one in values.items() if name != "heads"}, "damaged"),
        (
            lambda values: {**values, "heads": [{**values["heads"][0], "held_out": [{"slope": 1, "bias": [0]}]}]},
            "damaged",
        ),
        (lambda values: {**values, "heads": 3}, "damaged"),
        (lambda values: {**values, "folds": []}, "damaged"),
        (lambda values: {**values, "thresholds": [{"posts": 1}]}, "damaged"),
    ],
)
def test_a_damaged_file(fitted, tmp_path, change, message):
    path = tmp_path / "calibration.json"
    write_calibration(fitted[3], path)
    path.write_text(json.dumps(change(json.loads(path.read_text(encoding="utf-8")))), encoding="utf-8")
    with pytest.raises(StanceError, match=message) as error:
        read_calibration(path)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(StanceError, match="cannot be read"):
        read_calibration(tmp_path / "none.json")
    (tmp_path / "text.json").write_bytes(b"\xff{")
    with pytest.raises(StanceError, match="not JSON"):
        read_calibration(tmp_path / "text.json")


def test_a_threshold_for_precision_finds_as_many_posts_as_it_can(fitted):
    judged, truth, gold, calibration = fitted
    after = apply_calibration(judged, calibration, gold)
    found = find_threshold(gold, [after], Wish("north: AGAINST", "precision", 0.7))
    scores = probabilities(after, AGAINST)
    places = np.array([int(key[1]) for key in align_gold(gold, [judged]).keys])
    said = truth[0][places, 0] == 1
    assert found.quantity == "North: against"
    assert found.posts == (scores >= found.threshold).sum()
    over = scores[places] >= found.threshold
    assert found.precision.value == pytest.approx(said[over].mean())
    assert found.precision.value >= 0.7
    assert found.recall.value == pytest.approx(over[said].mean())
    lower = [cut for cut in scores[places] if cut < found.threshold]
    assert all(said[scores[places] >= cut].mean() < 0.7 for cut in lower)
    ends = proportion_confint(said[over].sum(), over.sum(), method="beta")
    assert (found.precision.low, found.precision.high) == pytest.approx(ends)
    everywhere = truth[0][scores >= found.threshold, 0] == 1
    assert found.held_out.low < everywhere.mean() < found.held_out.high


def test_a_threshold_for_recall_is_as_high_as_it_can_be(fitted):
    judged, truth, gold, _ = fitted
    found = find_threshold(gold, [judged], Wish("toxicity: any", "recall", 0.9))
    scores = probabilities(judged, Quantity("toxicity", "any", "toxic"))
    places = np.array([int(key[1]) for key in align_gold(gold, [judged]).keys])
    said = truth[1][places].any(1)
    assert found.recall.value == pytest.approx((scores[places][said] >= found.threshold).mean())
    assert found.recall.value >= 0.9
    assert (scores[places][said] > found.threshold).mean() < 0.9
    assert found.held_out.n == said.sum()


def test_a_threshold_that_cannot_be_reached_is_said_to_be_none(fitted):
    judged, _, gold, _ = fitted
    low = replace(judged, stance=np.full_like(judged.stance, 1 / 3))
    found = find_threshold(gold, [low], Wish("North: favor", "precision", 0.9))
    assert (found.threshold, found.posts, found.precision, found.held_out) == (None, 0, None, None)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish("Mars: favor", "precision", 0.8), "Mars: favor: no such quantity. Name one of North: favor; "),
        (Wish("North: favor", "precision", 1.5), "target precision 1.5"),
        (Wish("North: favor", "accuracy", 0.5), "target accuracy 0.5"),
        (Wish("toxicity: threat", "recall", 0.5), "no labelled post has it"),
    ],
)
def test_wishes_that_make_no_sense(fitted, wish, message):
    judged, _, gold, _ = fitted
    with pytest.raises(StanceError, match=message):
        find_threshold(gold, [judged], wish)


def test_the_exact_interval_is_statsmodels_and_counts_weights_at_their_worth():
    for hits, count in ((0, 12), (5, 12), (12, 12)):
        found = measure_exact(np.repeat([1.0, 0.0], [hits, count - hits]), np.full(count, 3.0))
        assert (found.low, found.high) == pytest.approx(proportion_confint(hits, count, method="beta"))
    even, uneven = (measure_exact(np.tile([1.0, 0.0], 10), np.tile(some, 5)) for some in ([1, 1, 1, 1], [1, 1, 9, 9]))
    assert even.value == pytest.approx(uneven.value)
    assert uneven.high - uneven.low > even.high - even.low


def test_unequal_weights_reach_the_fit():
    """Posts that people call against are drawn ten times as often: with weights the bias is that of all posts."""
    judged, truth = make_off(1500, seed=7)
    against = np.flatnonzero(truth[0][:, 0] == 1)
    others = np.flatnonzero(truth[0][:, 0] != 1)
    rng = np.random.default_rng(1)
    places = [*rng.choice(against, 200, replace=False), *rng.choice(others, 100, replace=False)]
    gold = make_gold(judged, truth, places)
    drawn = [
        replace(one, stratum=name, probability=size / len(members))
        for one, (name, size, members) in zip(
            gold.drawn, [("x", 200, against)] * 200 + [("y", 100, others)] * 100, strict=True
        )
    ]
    (whole,) = gold.strata
    strata = (replace(whole, name="x", posts=len(against)), replace(whole, name="y", posts=len(others)))
    weighted = fit_calibration(replace(gold, drawn=tuple(drawn), strata=strata), [judged])
    means = [
        probabilities(apply_calibration(judged, one), AGAINST).mean() - len(against) / 1500
        for one in (weighted, fit_calibration(gold, [judged]))
    ]
    assert abs(means[0]) < 0.03
    assert means[1] > 0.1


def test_a_gold_share_with_few_positives_stays_with_hand_labels(fitted):
    judged, truth, _, calibration = fitted
    few = make_gold(judged, truth, range(20))
    share = estimate_quantity(apply_calibration(judged, calibration, few), AGAINST, few)
    assert share.basis == "hand labels alone"
