"""Corrected shares: worked by hand, against ppi-python and statsmodels, and over every sample of a small thread."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
from statsmodels.stats.proportion import proportion_confint

from stance.estimate import CORRECTED, GOLD_ONLY, IN_FULL, PREDICTED, wilson_interval
from stance.estimate.correct import (
    LEAST_POSITIVES,
    Sample,
    choose_estimate,
    collapse_cells,
    correct_sample,
    count_sample,
    difference_error,
    difference_share,
    estimate_quantity,
    make_sample,
    tune_weight,
)
from stance.estimate.intervals import DEVIATE, move_shares, score_bounds, wilson_bounds
from stance.estimate.judged import Drawn, Gold, GoldLabel, Judged, Quantity, Stratum
from stance.records import StanceError

FAVOR = Quantity("stance", "North", "favor")
ENDLESS = 1e15  # posts, as good as without end


def make_judged(favor, thread="one"):
    """Posts with a probability of favor toward North; NaN: not judged."""
    favor = np.asarray(favor, float)
    posts = len(favor)
    stance = np.stack([favor, (1 - favor) * 0.75, (1 - favor) * 0.25], axis=-1)[:, None, :]
    label = np.where(np.isnan(favor), -2, np.where(favor > 0.5, 0, 1)).astype(np.int8)[:, None]
    return Judged(
        thread=thread,
        title=None,
        sides=("North",),
        rows=np.arange(posts),
        ids=tuple(f"p{place}" for place in range(posts)),
        authors=(None,) * posts,
        times=np.full(posts, np.nan),
        stance=stance,
        stance_label=label,
        toxicity=np.full((posts, 5), np.nan),
        present=np.zeros((posts, 5), bool),
        sentiment=np.full((posts, 3), np.nan),
        sentiment_label=np.full(posts, -2, np.int8),
    )


def make_gold(has, strata=None, drawn=None, thread="one"):
    """Labels by position of the post; ``strata``: name -> positions of its posts; ``drawn``: positions."""
    strata = strata or {"": range(max([*has, *(drawn or ())], default=0) + 1)}
    name_of = {place: name for name, places in strata.items() for place in places}
    label = {True: "favor", False: "none", None: None}
    return Gold(
        topic="border",
        sides=("North",),
        seed=1,
        strata=tuple(Stratum(thread, name, len(places)) for name, places in strata.items()),
        drawn=tuple(Drawn(thread, f"p{place}", name_of[place], 0.5) for place in (drawn or has)),
        labels=tuple(
            GoldLabel(thread, f"p{place}", "ann", (label[value],), (None,) * 5, None) for place, value in has.items()
        ),
        coders=("ann",),
    )


def make_simple(has, tagger, mean, posts=ENDLESS):
    has, tagger = np.asarray(has, float), np.asarray(tagger, float)
    return Sample(has, tagger, np.asarray(mean, float), np.zeros(has.shape[-1], np.int64), np.array([float(posts)]))


def make_threads(seed=3, posts=600, drawn=120, slope=1.0):
    """Labels and probabilities of a drawn sample, and probabilities of all."""
    generator = np.random.default_rng(seed)
    has = generator.random(posts) < 0.3
    tagger = 1 / (1 + np.exp(-slope * (2.0 * has - 1.5 + generator.standard_normal(posts))))
    return has[:drawn].astype(float), tagger[:drawn], tagger


def point(*given, **options):
    return np.asarray(ppi_mean_pointestimate(*given, **options)).item()


def test_worked_by_hand():
    # cov = (4 * .2 * .5 + 4 * .2 * .5) / 8 = .1, var = .04, so w is cut from 2.5 to 1
    has, tagger = [1, 1, 1, 1, 0, 0, 0, 0], [0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 0.5, 0.5]
    sample = make_simple(has, tagger, mean=0.6, posts=16)
    assert tune_weight(sample) == 1
    # .6 + mean of (.1 .1 .1 .1 -.5 -.5 -.5 -.5) = .6 - .2
    assert difference_share(sample, np.array(1.0)) == pytest.approx(0.4)
    # residuals .3 about their mean: (1 - 8 / 16) * (8 * .09 / 6) / 8 = .0075, but at least one error: 1 / 6 for .72 / 6
    assert difference_error(sample, np.array(1.0)) == pytest.approx(np.sqrt(0.5 * (1 / 6) / 8))
    found = correct_sample(sample)
    assert (found.share, found.error) == (pytest.approx(0.4), pytest.approx(np.sqrt(0.5 * (1 / 6) / 8)))
    # y varies by .25 and the residuals by .125, with 6 for 8: n_eff = 8 / (1 - 8 / 16) * 2 * 6 / 8 = 24
    low, high = proportion_confint(0.4 * 24, 24, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_a_useless_tagger_gives_the_hand_labels():
    has = np.array([1.0, 0] * 20)
    for tagger in (np.full(40, 0.4), 1 - has * 0.8, np.tile([0.2, 0.2, 0.7, 0.7], 10)):
        sample = make_simple(has, tagger, 0.4, 100)
        assert tune_weight(sample) == 0
        assert correct_sample(sample).share == pytest.approx(0.5)
        assert correct_sample(sample).high > count_sample(sample).high


def test_agrees_with_ppi_python():
    has, tagger, everywhere = make_threads()
    n, posts = len(has), len(everywhere)
    for weight in (0.0, 0.4, 1.0):
        sample = make_simple(has, tagger, everywhere.mean(), posts)
        given = np.array(weight)
        share = difference_share(sample, given)
        assert share == pytest.approx(point(has, tagger, everywhere, lam=weight), abs=1e-6)
        error = difference_error(sample, given, everywhere.var())
        # theirs divides the residuals' sum of squares by n, ours by n - 2
        imputed = weight**2 * everywhere.var() / posts
        error = np.sqrt(imputed + (error**2 - imputed) * (n - 2) / n)
        low, high = ppi_mean_ci(has, tagger, everywhere, alpha=0.05, lam=weight)
        assert share - DEVIATE * error == pytest.approx(low.item(), abs=1e-6)
        assert share + DEVIATE * error == pytest.approx(high.item(), abs=1e-6)


def test_the_weight_is_that_of_ppi_python():
    """Theirs takes the tagger's variance over all posts and allows for its mean's own error: with many, the same."""
    has, tagger, _ = make_threads(slope=3)
    everywhere = np.tile(tagger, 5_000)
    weight = tune_weight(make_simple(has, tagger, tagger.mean()))
    found = point(has, tagger, everywhere)
    assert found == pytest.approx(has.mean())
    # a sample of posts that the tagger likes better than the rest: what it adds goes by the weight
    shifted = np.concatenate([everywhere, everywhere - 1e-4])
    assert (point(has, tagger, shifted) - found) / -0.5e-4 == pytest.approx(float(weight), rel=1e-3)
    assert 0 < weight < 1


@pytest.mark.parametrize(("count", "n"), [(0, 7), (3, 7), (7, 7), (12, 300), (150, 300)])
def test_hand_labels_alone_agree_with_statsmodels(count, n):
    sample = make_simple([1] * count + [0] * (n - count), [0.5] * n, 0.5)
    found = count_sample(sample)
    low, high = proportion_confint(count, n, alpha=0.05, method="wilson")
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    assert (found.low, found.high) == pytest.approx(wilson_interval(count, n), abs=1e-6)
    finite = count_sample(make_simple([1] * count + [0] * (n - count), [0.5] * n, 0.5, 2 * n))
    low, high = proportion_confint(2 * count, 2 * n, alpha=0.05, method="wilson")  # 1 - n / N is a half
    assert (finite.low, finite.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_cells_that_are_alike_are_nearly_one():
    """A stratified score interval of cells with the same share and sampling is Wilson's of all of them."""
    weights, units = np.array([0.2, 0.3, 0.5]), 1 / np.array([40.0, 60.0, 100.0])
    found = score_bounds(np.full(3, 0.1), weights, units)
    np.testing.assert_allclose(found, wilson_bounds(np.array(0.1), np.array(1 / 200)), atol=1e-8)
    low, high = score_bounds(np.zeros(3), weights, units)
    assert (low, high) == (0, pytest.approx(float(wilson_bounds(np.array(0.0), np.array(1 / 200))[1]), abs=1e-8))
    turned, one = score_bounds(np.ones(3), weights, units)
    assert (turned, one) == (pytest.approx(1 - high), pytest.approx(1))


def test_the_score_interval_ends_where_the_test_does():
    """The likeliest shares under a hypothesis, by trying them: their score statistic at the end is 1.96 squared."""
    weights, labelled, positives = np.array([0.7, 0.3]), np.array([30.0, 20.0]), np.array([1.0, 12.0])
    ends = score_bounds(positives / labelled, weights, 1 / labelled)
    estimate = positives / labelled @ weights
    first = np.linspace(1e-6, 1 - 1e-6, 2_000_001)
    for end in ends:
        second = (end - weights[0] * first) / weights[1]
        inside = (second > 0) & (second < 1)
        both = np.stack([first[inside], second[inside]], -1)
        likelihood = (positives * np.log(both) + (labelled - positives) * np.log(1 - both)).sum(-1)
        best = both[likelihood.argmax()]
        statistic = (end - estimate) ** 2 / (weights**2 * best * (1 - best) / labelled).sum()
        assert statistic == pytest.approx(DEVIATE**2, rel=1e-4)


def test_shares_are_moved_to_what_is_wanted():
    weights, units = np.array([0.6, 0.4]), np.array([0.02, 0.1])
    for wanted in (0.0, 0.03, 0.5, 0.97, 1.0):
        moved = move_shares(np.array([0.0, 0.5]), weights, units, np.array(wanted))
        assert moved @ weights == pytest.approx(wanted, abs=1e-6)
        assert ((moved >= 0) & (moved <= 1)).all()


def test_stratified_is_right_on_average_over_every_sample():
    """With a given weight exactly so, over all samples of a small thread with cells of unequal sampling."""
    has = np.array([1, 0, 0, 1, 0, 1, 1, 0, 1.0])
    tagger = np.array([0.9, 0.1, 0.3, 0.4, 0.6, 0.8, 0.7, 0.2, 0.3])
    cells, taken = [range(5), range(5, 9)], (2, 3)
    shares, variances = [], []
    for first, second in product(*(combinations(of, count) for of, count in zip(cells, taken, strict=True))):
        chosen = [*first, *second]
        sample = Sample(
            has[chosen], tagger[chosen], np.array(tagger.mean()), np.array([0, 0, 1, 1, 1]), np.array([5.0, 4.0])
        )
        shares.append(difference_share(sample, np.array(0.6)))
        rest = has[chosen] - 0.6 * tagger[chosen]
        by_hand = sum(
            (size / 9) ** 2 * (1 - len(part) / size) * part.var(ddof=1) / len(part)
            for size, part in ((5, rest[:2]), (4, rest[2:]))
        )
        # our error allows for the weight: n / (n - 2) for n / (n - 1)
        found = difference_error(sample, np.array(0.6))
        least = ((5 / 9) ** 2 * (3 / 5) / 2 * 2 * 4 / 5 + (4 / 9) ** 2 * (1 / 4) / 3 * (3 / 2) * 4 / 5) / 5 * 5 / 3
        assert found**2 == pytest.approx(max(by_hand * 4 / 3, least))
        variances.append(by_hand)
    assert np.mean(shares) == pytest.approx(has.mean(), abs=1e-12)
    assert np.mean(variances) == pytest.approx(np.var(shares), abs=1e-12)


def test_runs_are_estimated_as_one_by_one():
    generator = np.random.default_rng(5)
    has, tagger = (generator.random((4, 60)) < 0.4).astype(float), generator.random((4, 60))
    cell, posts, mean = np.repeat([0, 1, 2], 20), np.array([100.0, 40.0, 60.0]), generator.random(4)
    together, corrected = choose_estimate(Sample(has, tagger, mean, cell, posts))
    for run in range(4):
        alone, _ = choose_estimate(Sample(has[run], tagger[run], mean[run], cell, posts))
        assert alone.share == pytest.approx(together.share[run])
        assert alone.low == pytest.approx(together.low[run])
        assert alone.high == pytest.approx(together.high[run])
    assert corrected.all()


def test_a_perfect_tagger_still_leaves_a_width():
    has = np.array([1.0] * 30 + [0.0] * 70)
    found = correct_sample(make_simple(has, has, 0.31, 1000))
    assert found.share == pytest.approx(0.31)
    assert 0.02 < found.high - found.low < 0.06
    strata = Sample(has, has, np.array(0.31), (has == 0).astype(int), np.array([310.0, 690.0]))
    found = correct_sample(strata)  # all alike within each stratum
    assert found.share == pytest.approx(0.31)
    assert found.low < 0.3
    assert found.high > 0.32


def test_few_labels_are_refused():
    with pytest.raises(ValueError, match="need 3"):
        correct_sample(make_simple([1, 0], [0.5, 0.4], 0.5))
    with pytest.raises(ValueError, match="without a labelled post"):
        count_sample(Sample(np.ones(2), np.ones(2), np.array(1.0), np.zeros(2, int), np.array([5.0, 5.0])))


def test_cells_with_few_labels_join_the_nearest():
    level = np.array([0.1, 0.2, 0.8, 0.9])
    posts = np.array([50.0, 50.0, 50.0, 50.0])

    def groups(*labelled, posts=posts):
        joined = collapse_cells(np.array(labelled), posts, level)
        return sorted(tuple(np.flatnonzero(joined == cell).tolist()) for cell in set(joined.tolist()))

    assert groups(5, 5, 5, 5) == [(0,), (1,), (2,), (3,)]
    assert groups(5, 0, 5, 1) == [(0, 1), (2, 3)]
    assert groups(1, 0, 0, 0) == [(0, 1, 2, 3)]
    assert groups(1, 5, 5, 5, posts=np.array([1.0, 50, 50, 50])) == [(0,), (1,), (2,), (3,)]  # labelled in full


FAIR = make_judged([0.9] * 50 + [0.1] * 150)
RIGHT = {place: place < 40 for place in range(200)}  # of 50 posts said to favor 40 do


def estimate(said, strata=None, judged=FAIR, **changes):
    gold = make_gold(said, strata or {"": range(len(judged.ids))})
    return estimate_quantity(judged, FAVOR, replace(gold, **changes))


def spread(count):
    """``count`` posts, taken evenly."""
    return {int(place): RIGHT[int(place)] for place in np.linspace(0, 199, count).round()}


def test_a_share_says_what_it_rests_on():
    assert estimate_quantity(FAIR, FAVOR).basis == PREDICTED
    few = estimate(spread(60))
    assert (few.basis, few.labelled, few.positives) == (GOLD_ONLY, 60, 12)
    assert few.share == pytest.approx(0.2)
    assert few.low == pytest.approx(proportion_confint(12 / 0.7, 60 / 0.7, method="wilson")[0])
    more = estimate(spread(100))
    assert (more.basis, more.labelled, more.positives) == (CORRECTED, 100, 20)
    assert (more.count, more.n, more.band) == (50, 200, None)
    assert more.low < 0.2 < more.high
    assert more.high - more.low < 0.7 * (few.high - few.low)
    full = estimate(RIGHT)
    assert (full.basis, full.share, full.low, full.high, full.error) == (IN_FULL, 0.2, 0.2, 0.2, 0.0)
    assert (full.labelled, full.positives) == (200, 40)


def test_too_few_negatives_are_as_too_few_positives():
    judged = make_judged([0.9] * 90 + [0.1] * 10)
    said = {place: place < 88 for place in range(0, 100, 2)}
    assert sum(not has for has in said.values()) < LEAST_POSITIVES <= sum(said.values())
    assert estimate(said, judged=judged).basis == GOLD_ONLY


def test_one_label_gives_a_wide_interval():
    found = estimate({3: True})
    assert (found.basis, found.labelled) == (GOLD_ONLY, 1)
    assert found.high - found.low > 0.7


def test_labels_so_far_are_the_sample():
    """Posts that are drawn and not labelled yet, or left open, count as not labelled."""
    said, drawn = spread(100), list(spread(150))
    some = estimate_quantity(FAIR, FAVOR, make_gold(said, {"": range(200)}, [*dict.fromkeys([*said, *drawn])]))
    assert some == estimate(said)
    unsaid = next(place for place in range(200) if place not in said)
    assert estimate({**said, unsaid: None}) == estimate(said)


def test_posts_that_nobody_drew_do_not_count():
    """They were chosen by somebody, for what they say."""
    said = spread(100)
    chosen = {place: True for place in range(40) if place not in said}
    found = estimate_quantity(FAIR, FAVOR, make_gold({**said, **chosen}, {"": range(200)}, list(said)))
    assert found == estimate(said)


def test_a_thread_without_labels_is_predicted():
    gold = make_gold(spread(100), {"": range(200)}, thread="another")
    assert estimate_quantity(FAIR, FAVOR, gold) == estimate_quantity(FAIR, FAVOR)
    drawn_only = make_gold({}, {"": range(200)}, list(spread(10)))
    assert estimate_quantity(FAIR, FAVOR, drawn_only).basis == PREDICTED


def test_what_is_not_judged_has_no_share():
    assert estimate_quantity(FAIR, Quantity("sentiment", "", "negative"), make_gold(RIGHT)) is None
    assert estimate_quantity(FAIR, Quantity("toxicity", "any", "toxic")) is None
    assert estimate_quantity(make_judged([]), FAVOR) is None
    assert estimate_quantity(make_judged([np.nan] * 3), FAVOR, make_gold({0: True})) is None


def test_posts_that_are_not_judged_are_in_no_count():
    judged = make_judged([0.9] * 50 + [0.1] * 150 + [np.nan] * 40)
    found = estimate_quantity(judged, FAVOR, make_gold({**spread(100), 210: True}, {"": range(240)}))
    assert (found.n, found.labelled) == (200, 100)
    assert found.share == pytest.approx(estimate(spread(100)).share)
    full = estimate_quantity(judged, FAVOR, make_gold(RIGHT, {"": range(240)}))
    assert (full.basis, full.n) == (IN_FULL, 200)


def test_strata_are_weighed_by_their_posts():
    """Half of the labels from the quarter that is said to favor."""
    strata = {"favor": range(50), "rest": range(50, 200)}
    said = {place: RIGHT[place] for place in [*range(0, 50, 2), *range(50, 200, 6)]}
    said |= {55: True, 68: True}  # two of 25 that the tagger missed
    sample = make_sample(FAIR, FAVOR, make_gold(said, strata))
    assert sample.posts.tolist() == [50, 150]
    found = estimate(said, strata)
    hits = sum(said[place] for place in range(0, 50, 2)) / 25
    missed = sum(said[place] for place in said if place >= 50) / sum(place >= 50 for place in said)
    assert found.basis == CORRECTED
    assert found.share == pytest.approx(0.25 * hits + 0.75 * missed)
    assert found.low < found.share < found.high
    lost = replace(make_gold(said, strata), strata=(Stratum("one", "rest", 150),))
    with pytest.raises(StanceError, match=r"does not list \('favor'\)"):
        estimate_quantity(FAIR, FAVOR, lost)


def test_a_stratum_labelled_in_full_adds_no_width():
    strata = {"favor": range(50), "rest": range(50, 200)}
    said = {place: RIGHT[place] for place in [*range(50), *range(50, 200, 6)]}
    found = estimate(said, strata)
    rest = [place for place in said if place >= 50]
    high = proportion_confint(0, len(rest) / (1 - len(rest) / 150) * (len(said) - 2) / len(said), method="wilson")[1]
    assert found.low == pytest.approx(0.2, abs=1e-6)
    assert found.high == pytest.approx(0.2 + 0.75 * high, abs=0.02)


def test_a_stratum_without_labels_is_not_forgotten():
    """Its posts count with those of the stratum that the tagger takes for most alike."""
    judged = make_judged([0.95] * 50 + [0.6] * 20 + [0.1] * 130)
    strata = {"sure": range(50), "unsure": range(50, 70), "rest": range(70, 200)}
    said = {place: place < 45 for place in [*range(0, 50, 2), *range(70, 200, 5)]}
    gold = make_gold(said, strata, [*said, 51, 52])
    sample = make_sample(judged, FAVOR, gold)
    assert sorted(sample.posts.tolist()) == [70, 130]


def test_a_table_with_other_posts_judged_keeps_the_proportions():
    strata = {"favor": range(50), "rest": range(50, 200)}
    said = {place: RIGHT[place] for place in [*range(0, 40, 2), *range(50, 200, 6)]}
    fewer = make_judged([0.9] * 40 + [np.nan] * 10 + [0.1] * 150)
    sample = make_sample(fewer, FAVOR, make_gold(said, strata))
    np.testing.assert_allclose(sample.posts, [47.5, 142.5])
