"""Shares, intervals and associations against other people's code and by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, spearmanr

from stance.estimate import (
    cross_stance,
    estimate_share,
    judged_posts,
    present_attributes,
    rank_association,
    sentiment_shares,
    split_thread,
    stance_shares,
    toxicity_shares,
    wilson_interval,
)
from stance.records import TOXICITY

THRESHOLD = (0.5, 0.5, 0.2, 0.5, 0.5)


def make_row(position, stance, sentiment="neutral", toxic=(), words=5):
    """A row as ``table_rows`` gives it, as far as estimates look; one side."""
    return {
        "kind": "article" if position is None else "post",
        "position": position,
        "words": words,
        "stance": [{"side": "North", "label": stance, "favor": 0.2, "against": 0.3, "none": 0.5}],
        "toxicity": {name: 0.9 if name in toxic else 0.1 for name in TOXICITY},
        "sentiment": {"label": sentiment, "negative": 0.1, "neutral": 0.8, "positive": 0.1},
    }


ROWS = [
    make_row(None, "favor", toxic=("threat",)),
    make_row(0, "favor", "positive"),
    make_row(1, "against", "negative", toxic=("toxicity", "insult")),
    make_row(2, "against", "negative"),
    make_row(3, None, None, toxic=("threat",)),
    make_row(4, None, None, words=0, toxic=("threat",)),
    {**make_row(5, None), "words": None, "stance": None, "toxicity": None, "sentiment": None},
]


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(pair):
    count, n = pair
    expected = binomtest(count, n).proportion_ci(method="wilson")
    assert wilson_interval(count, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [
        (12, 42, 0.17167024626049077, 0.4356720926819537),
        (1, 9, 0.019890887638544935, 0.4349997055766561),
        (333, 5000, 0.06001647553764848, 0.07384896850832705),
    ],
)
def test_wilson_is_statsmodels(count, n, low, high):
    """Figures of statsmodels' ``proportion_confint(count, n, method="wilson")``."""
    assert wilson_interval(count, n) == pytest.approx((low, high), abs=1e-9)


def test_wilson_at_the_ends():
    assert wilson_interval(0, 5)[0] == 0
    assert wilson_interval(5, 5)[1] == 1


@pytest.mark.parametrize(("count", "n"), [(0, 0), (3, 2), (-1, 4)])
def test_no_share_of_nothing(count, n):
    with pytest.raises(ValueError, match="is no share"):
        estimate_share(count, n)


def test_only_judged_posts_count():
    assert [row["position"] for row in judged_posts(ROWS)] == [0, 1, 2, 3]
    shares = stance_shares(ROWS, 0)
    assert {name: share.count for name, share in shares.items()} == {
        "favor": 1,
        "against": 2,
        "none": 0,
        "abstained": 1,
    }
    assert all(share.n == 4 and share.basis == "predicted, not validated" for share in shares.values())
    assert shares["against"].low < 0.5 < shares["against"].high
    assert sentiment_shares(ROWS)["abstained"].count == 1


def test_toxicity_has_a_threshold_an_attribute():
    assert present_attributes(ROWS[2], THRESHOLD) == ("toxicity", "insult")
    assert present_attributes(ROWS[5], THRESHOLD) == ()
    shares = toxicity_shares(ROWS, THRESHOLD)
    assert [shares[name].count for name in (*TOXICITY, "any")] == [1, 1, 1, 0, 0, 2]


def test_nothing_judged_gives_no_share():
    rows = [ROWS[0], *ROWS[5:]]
    assert stance_shares(rows, 0) == sentiment_shares(rows) == toxicity_shares(rows, THRESHOLD) == {}


def test_crossing_counts_sentiment_and_toxicity_by_stance():
    favor, against, none, abstained = cross_stance(ROWS, 0, THRESHOLD)
    assert against.sentiment == {"negative": 2, "neutral": 0, "positive": 0, "abstained": 0}
    assert (against.toxic.count, against.toxic.n) == (1, 2)
    assert favor.toxic.count == 0
    assert none.toxic is None
    assert abstained.toxic.count == 1


@given(st.integers(1, 200), st.integers(1, 40))
def test_stretches_cover_the_thread(posts, stretches):
    stretches = min(stretches, posts)
    rows = [make_row(position, "favor") for position in range(posts)]
    found = split_thread(rows, stretches, THRESHOLD)
    assert [place for one in found for place in range(one.first, one.last + 1)] == list(range(posts))
    assert max(one.n for one in found) - min(one.n for one in found) <= 1
    assert sum(one.stance[0]["favor"] for one in found) == posts


def test_rank_association_is_scipys():
    first = [0.1, 0.5, 0.3, 0.3, 0.9, 0.2, 0.8, 0.7, 0.4, 0.6, 0.05, 0.55]
    second = [0.2, 0.4, 0.1, 0.5, 0.8, 0.1, 0.9, 0.3, 0.6, 0.7, 0.15, 0.35]
    found = rank_association(first, second)
    assert found.rho == pytest.approx(spearmanr(first, second).statistic)
    assert found.low < found.rho < found.high
    assert found.n == 12
    assert rank_association(first, first).rho == pytest.approx(1)


def test_rank_association_needs_pairs_that_vary():
    assert rank_association([0.1, 0.2], [0.3, 0.4]) is None
    assert rank_association([0.5] * 20, [index / 20 for index in range(20)]) is None
