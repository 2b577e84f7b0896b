"""The sensitivity band and the counts that it rests on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from stance.estimate.band import explain_labels, sensitivity_band
from stance.estimate.correct import estimate_quantity
from stance.estimate.judged import Judged, Quantity
from stance.examples import Example
from stance.measure.confusions import count_confusions, give_labels
from stance.records import STANCES
from stance.tagger import SHIPPED, Predictions, Thresholds, hash_folder, models_folder
from stance.train.card import add_confusions, metric_rows

TOXIC = Quantity("toxicity", "any", "toxic")
FAVOR, AGAINST, NEITHER = (Quantity("stance", "North", outcome) for outcome in STANCES)
GOOD = [[90, 5, 5, 0], [5, 90, 5, 0], [5, 5, 90, 0]]


def make_judged(stance=(), toxic=()):
    """Posts by the label they were given: positions in STANCES, -1 abstained, -2 not judged; toxic or not."""
    posts = max(len(stance), len(toxic))
    toxicity, present = np.full((posts, 5), np.nan), np.zeros((posts, 5), bool)
    if len(toxic):
        toxicity[:], present[:, 1] = 0.3, toxic
    return Judged(
        thread="one",
        title=None,
        sides=("North",),
        rows=np.arange(posts),
        ids=tuple(map(str, range(posts))),
        authors=(None,) * posts,
        times=np.full(posts, np.nan),
        stance=np.full((posts, 1, 3), 1 / 3 if len(stance) else np.nan),
        stance_label=np.array(stance if len(stance) else [-2] * posts, np.int8)[:, None],
        toxicity=toxicity,
        present=present,
        sentiment=np.full((posts, 3), np.nan),
        sentiment_label=np.full(posts, -2, np.int8),
    )


def test_two_labels_are_rogan_and_gladen():
    """(.3 - false alarms .1) / (recall .8 - .1), and 0 where fewer are given the label than by false alarms alone."""
    rates = np.array([[0.9, 0.1], [0.2, 0.8]])
    np.testing.assert_allclose(explain_labels(rates, np.array([0.7, 0.3])), [5 / 7, 2 / 7])
    np.testing.assert_allclose(explain_labels(rates, np.array([0.95, 0.05])), [1, 0])
    np.testing.assert_allclose(explain_labels(rates, np.array([0.1, 0.9])), [0, 1])


def test_labels_of_known_shares_are_explained_by_them():
    rates = np.array([[0.7, 0.1, 0.15, 0.05], [0.1, 0.6, 0.2, 0.1], [0.05, 0.1, 0.8, 0.05]])
    for shares in ([0.2, 0.3, 0.5], [0, 0.4, 0.6], [1, 0, 0]):
        np.testing.assert_allclose(explain_labels(rates, np.array(shares) @ rates), shares, atol=1e-9)


def test_the_nearest_shares_are_found():
    generator = np.random.default_rng(2)
    rates = generator.dirichlet([0.7] * 4, (30, 3))
    given = generator.dirichlet([0.5] * 4)
    found = explain_labels(rates, given)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(-1), 1)
    for one, shares in zip(rates, found, strict=True):
        best = minimize(
            lambda tried, of=one: ((tried @ of - given) ** 2).sum(),
            [1 / 3] * 3,
            bounds=[(0, 1)] * 3,
            constraints={"type": "eq", "fun": lambda tried: tried.sum() - 1},
            options={"ftol": 1e-14},
        )
        assert ((shares @ one - given) ** 2).sum() <= best.fun + 1e-8
    assert (found == 0).any()


def test_a_tagger_that_cannot_tell_two_labels_apart_gives_shares_all_the_same():
    rates = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.1, 0.1, 0.8]])
    found = explain_labels(rates, np.array([0.25, 0.25, 0.5]))
    assert found[2] == pytest.approx(0.5)
    assert found.sum() == pytest.approx(1)


def test_the_band_covers_the_sets():
    judged = make_judged([0] * 35 + [1] * 20 + [2] * 43 + [-1] * 2)
    errors = {"first": {"stance confusion": GOOD, "stance macro-F1": {"value": 0.9, "n": 300}}}
    low, high = sensitivity_band(judged, FAVOR, errors)
    assert low < 0.35 < high
    assert high - low < 0.2
    # of a set where half of the favor is missed, more than what is labelled so must be true
    missing = {"stance confusion": [[45, 5, 50, 0], [5, 90, 5, 0], [5, 5, 90, 0]]}
    alone = sensitivity_band(judged, FAVOR, {"second": missing})
    assert alone[0] > 0.5
    assert sensitivity_band(judged, FAVOR, {**errors, "second": missing}) == (low, alone[1])
    fewer = {"first": {"stance confusion": [[value // 5 for value in row] for row in GOOD]}}
    wider = sensitivity_band(judged, FAVOR, fewer)
    assert wider[1] - wider[0] > 1.5 * (high - low)
    assert sensitivity_band(judged, FAVOR, errors) == (low, high)


def test_toxicity_has_a_band_for_any_attribute():
    judged = make_judged(toxic=[True] * 30 + [False] * 70)
    errors = {"set": {"toxicity confusion": [[900, 100], [20, 80]]}}
    low, high = sensitivity_band(judged, TOXIC, errors)
    assert low < 2 / 7 < high
    assert sensitivity_band(judged, Quantity("toxicity", "insult", "toxic"), errors) is None


@pytest.mark.parametrize(
    "errors",
    [
        {},
        {"set": {"stance macro-F1": {"value": 0.5, "n": 10}}},
        {"set": {"sentiment confusion": GOOD}},
        {"set": {"stance confusion": {"value": 0.5}}},
        {"set": {"stance confusion": [[1, 0], [0, 1]]}},
        {"set": {"stance confusion": [[1, 0, 0, "x"], [0, 1, 0, 0], [0, 0, 1, 0]]}},
        {"set": {"stance confusion": [[1, 0, 0, -1], [0, 1, 0, 0], [0, 0, 1, 0]]}},
        {"set": {"stance confusion": [[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}},
        {"set": {"stance confusion": [[float("nan"), 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}},
        {"set": 5},
    ],
)
def test_no_counts_no_band(errors):
    judged = make_judged([0, 1, 2])
    assert sensitivity_band(judged, FAVOR, errors) is None
    assert estimate_quantity(judged, FAVOR, None, errors).band is None


def test_nothing_judged_no_band():
    assert sensitivity_band(make_judged([-2, -2]), FAVOR, {"set": {"stance confusion": GOOD}}) is None


def test_a_predicted_share_carries_its_band():
    judged = make_judged([0] * 35 + [1] * 20 + [2] * 45)
    errors = {"set": {"stance confusion": GOOD}}
    for quantity in (FAVOR, AGAINST, NEITHER):
        assert estimate_quantity(judged, quantity, None, errors).band == sensitivity_band(judged, quantity, errors)


class Told:
    """Answers by the text: the first word is the stance, "toxic" makes it toxic, the last is its surety."""

    name, sha256, languages, errors = "told", "0" * 64, (), {}
    thresholds = Thresholds(0.5, 0.5, (0.5,) * 5)

    def predict(self, texts, sides, advance=None):
        sure = np.array([float(text.split()[-1]) for text in texts])
        stance = np.repeat(((1 - sure) / 2)[:, None, None], 3, axis=2).repeat(len(sides), axis=1)
        for place, text in enumerate(texts):
            stance[place, :, STANCES.index(text.split()[0])] = sure[place]
        toxicity = np.array([[0.1, 0.1, 0.1, 0.1, 0.9 if "toxic" in text else 0.1] for text in texts])
        return Predictions(stance, toxicity.reshape(-1, 5), np.full((len(texts), 3), np.nan))


def test_confusions_are_counted_as_tables_label():
    examples = [
        Example("favor 0.9", (("North", 0), ("South", 1)), (0,) * 5, 0),
        Example("favor 0.4", (("North", 0),), (0, 0, 1, 0, 0), 1),
        Example("none toxic 0.9", (("North", 2),), (0, 0, 0, 0, 1), 2),
        Example("against toxic 0.9", (("North", 1),), (0,) * 5, None),
        Example("against 0.9"),
    ]
    found = count_confusions(Told(), examples)
    assert found == {
        "stance confusion": [[1, 0, 0, 1], [1, 1, 0, 0], [0, 0, 1, 0]],
        "toxicity confusion": [[1, 1], [1, 1]],
    }
    json.dumps(found)
    np.testing.assert_array_equal(give_labels(np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3]]), 0.5), [0, 3])


def test_the_card_has_counts_and_does_not_list_them(tmp_path):
    metrics = {"tweets_dev": {"stance macro-F1": {"value": 0.5, "n": 3}, "stance confusion": GOOD}}
    rows = metric_rows(metrics)
    assert len(rows) == 1
    add_confusions(metrics, Told(), tmp_path)  # no set can be read
    assert metric_rows(metrics) == rows


@pytest.mark.skipif(not (models_folder() / SHIPPED).is_dir(), reason="the shipped tagger is not there yet")
def test_the_shipped_tagger_publishes_its_counts():
    metrics = json.loads((models_folder() / SHIPPED / "metrics.json").read_text())
    for name in ("tweets_dev", "authored_dev", "forum_dev"):
        counts = {kind: np.array(metrics[name][f"{kind} confusion"]) for kind in ("stance", "toxicity", "sentiment")}
        n = metrics[name]["stance macro-F1"]["n"]
        assert counts["stance"].shape == counts["sentiment"].shape == (3, 4)
        assert counts["sentiment"].sum() == counts["toxicity"].sum() == n
        given = counts["stance"][:, :3]
        assert np.trace(given) / given.sum() == pytest.approx(
            metrics[name]["stance accuracy where given"]["value"], abs=1e-4
        )
        assert given.sum() / counts["stance"].sum() == pytest.approx(
            metrics[name]["stance coverage"]["value"], abs=1e-4
        )


def test_counts_do_not_change_which_tagger_it_is(tiny_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "tagger"))
    (folder / "metrics.json").write_text(json.dumps({"set": {"stance confusion": GOOD}}))
    assert hash_folder(folder) == hash_folder(tiny_folder)
