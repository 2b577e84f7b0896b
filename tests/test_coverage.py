"""95% intervals hold the truth in 93 to 97% of samples, in every setting; more in tests/bench/intervals.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

# by its path: there is a well-known package of that name
SPEC = importlib.util.spec_from_file_location("bench_coverage", Path(__file__).parent / "bench" / "intervals.py")
coverage = importlib.util.module_from_spec(SPEC)
sys.modules["bench_coverage"] = coverage
SPEC.loader.exec_module(coverage)

# 2,000 samples of each setting: a standard error of half a percent
QUICK = {"threads": 20, "runs": 100}


@pytest.fixture(scope="module", params=["hedging", "sure"])
def simple(request):
    setup = coverage.Setup(request.param, **QUICK)
    return {case: coverage.run_case(case, setup) for case in coverage.GRID}


def test_the_grid_is_the_one_that_was_asked_for():
    assert len(coverage.GRID) == len(set(coverage.GRID)) == 3 * 2 * 4 * 4
    assert {case.posts for case in coverage.GRID} == {500, 2_000, 20_000}
    assert {case.drawn for case in coverage.GRID} == {100, 300}


def test_simple_samples_hold_the_truth(simple):
    outside = {
        str(case): round(out.coverage, 4)
        for case, out in simple.items()
        if not coverage.LOW <= out.coverage <= coverage.HIGH
    }
    assert not outside
    assert 0.94 < np.mean([out.coverage for out in simple.values()]) < 0.96


def test_a_good_tagger_makes_the_interval_a_quarter_narrower(simple):
    ratios = [
        out.width / out.gold_width for case, out in simple.items() if case.accuracy >= 0.85 and case.share >= 0.25
    ]
    assert len(ratios) == 24
    assert max(ratios) < 0.76
    at_85 = [out.width / out.gold_width for case, out in simple.items() if case.accuracy == 0.85 and case.share >= 0.25]
    assert np.mean(at_85) <= 0.75
    worse = [out.width / out.gold_width for out in simple.values()]
    assert max(worse) < 1.02  # a bad tagger costs next to nothing


def test_plain_intervals_of_predicted_labels_do_not(simple):
    assert np.mean([out.plain_coverage for out in simple.values()]) < 0.5


@pytest.mark.parametrize(
    ("design", "allocation"), [(("label",), "equal"), (("label", "uncertainty"), "proportional")], ids=["label", "both"]
)
@pytest.mark.parametrize("accuracy", [0.6, 0.85])
def test_stratified_samples_hold_the_truth(design, allocation, accuracy):
    setup = coverage.Setup("hedging", design=design, allocation=allocation, **QUICK)
    for drawn, share in ((100, 0.05), (100, 0.25), (300, 0.1), (300, 0.5)):
        case = coverage.Case(2_000, drawn, accuracy, share)
        assert coverage.LOW <= coverage.run_case(case, setup).coverage <= coverage.HIGH, case


@pytest.mark.parametrize("drawn", [100, 300])
def test_a_tagger_that_hardly_errs_gives_no_interval_too_narrow(drawn):
    """A sample then shows no error or one: taken at its word, the interval would mostly have no width."""
    setup = coverage.Setup(by_label=True, **QUICK)
    out = coverage.run_case(coverage.Case(2_000, drawn, 0.99, 0.5), setup)
    assert out.coverage >= coverage.LOW
    assert 0 < out.width < 0.6 * out.gold_width


def test_posts_are_drawn_alike():
    generator = np.random.default_rng(1)
    for posts, count in ((6, 3), (400, 3), (5, 5)):
        drawn = coverage.draw_posts(generator, posts, count, 20_000)
        assert (np.diff(np.sort(drawn, axis=1), axis=1) > 0).all()
        often = np.bincount(drawn.ravel(), minlength=posts) / 20_000
        np.testing.assert_allclose(often, count / posts, atol=6 * np.sqrt(count / posts / 20_000))
