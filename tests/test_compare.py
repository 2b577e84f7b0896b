"""Comparisons say how far threads differ, how surely, and for which of two questions."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import permutation_test
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_effectsize

from stance.estimate import CORRECTED, GOLD_ONLY, IN_FULL, PREDICTED, Share, estimate_share, wilson_interval
from stance.estimate.compare import (
    MOST_PAIRED,
    adjust_holm,
    compare_members,
    measure_h,
    measure_odds,
    newcombe_interval,
    subtract_shares,
)
from stance.estimate.contrasts import contrast_members
from stance.estimate.judged import read_judged
from stance.estimate.members import check_sides, quantities_of, read_members
from stance.estimate.people import LEAST_PEOPLE, Blocks, build_blocks, leave_out, permute_people
from stance.estimate.periods import count_periods
from stance.estimate.words import Counts, build_lexicon, contrast_words, count_uses, find_uses, log_odds, split_words
from stance.records import SENTIMENTS, STANCES, Judgement, Post, Quote, Side, StanceError, Tag, Thread
from stance.table import Manifest, build_table

sys.path.append(str(Path(__file__).parent / "bench"))
from comparison import count_false_moves, count_false_positives, make_gold

SIDES = (Side("North", "pro-North", "the North"), Side("South", "pro-South", "the South"))
MANIFEST = Manifest("made-up", "0" * 64, "border", SIDES, "0", (0.5, 0.5, 0.5, 0.5, 0.5))


def make_judgement(label, names):
    return Judgement(label, tuple(0.8 if name == label else 0.1 for name in names))


def make_thread_table(name, posts, sides=SIDES):
    """A table from (author, label toward the first side, body, time) of each post."""
    records = tuple(
        Post(str(place), body, author=author, time=time) for place, (author, _, body, time) in enumerate(posts)
    )
    tags = [
        Tag(
            3,
            (make_judgement(label, STANCES), *[make_judgement("none", STANCES)] * (len(sides) - 1)),
            (0.1,) * 5,
            make_judgement("neutral", SENTIMENTS),
        )
        for _, label, _, _ in posts
    ]
    manifest = Manifest("made-up", "0" * 64, "border", sides, "0", (0.5,) * 5)
    return build_table(Thread(name, f"{name}.txt", name * 8, name, None, None, records), tags, None, manifest)


def make_members(counts, people=20):
    """Threads of (posts that favor, posts) from as many authors of their own."""
    vocabulary = {}
    members = []
    for place, (favor, n) in enumerate(counts):
        posts = [
            (f"{place}-{post % people}", "favor" if post < favor else "none", "some words", None) for post in range(n)
        ]
        members += read_members(make_thread_table(f"t{place}", posts), None, vocabulary)
    return members


def corrected(share, error, labelled=150, basis=CORRECTED):
    low, high = share - 1.96 * error, share + 1.96 * error
    return Share(300, 1000, share, low, high, basis, labelled, 40, error)


@pytest.mark.parametrize(("first", "second"), [((30, 100), (10, 80)), ((0, 40), (3, 50)), ((9, 9), (1, 200))])
def test_predicted_differences_have_newcombes_interval(first, second):
    pair = estimate_share(*first), estimate_share(*second)
    expected = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert newcombe_interval(*pair) == pytest.approx(expected, abs=1e-9)
    made = subtract_shares(pair)
    assert (made.low, made.high) == pytest.approx(expected, abs=1e-9)
    assert (made.basis, made.p) == (PREDICTED, None)


def test_corrected_differences_have_the_z_test_of_their_errors():
    made = subtract_shares((corrected(0.32, 0.03), corrected(0.22, 0.04)))
    assert made.difference == pytest.approx(0.1)
    assert (made.low, made.high) == pytest.approx((0.002, 0.198), abs=1e-4)
    assert made.p == pytest.approx(0.0455, abs=1e-4)  # z = 2
    assert made.basis == CORRECTED


def test_hand_labels_alone_are_tested_as_their_interval_says():
    for count in range(4, 16):
        low, high = wilson_interval(3, 100)
        alone = Share(50, 1000, 0.03, low, high, GOLD_ONLY, 100, 3, (high - low) / 3.92)
        other = corrected(count / 100, 0.02)
        made = subtract_shares((alone, other))
        assert made.basis == GOLD_ONLY
        assert (made.low, made.high) == pytest.approx(newcombe_interval(alone, other))
        assert (made.p < 0.05) == (not made.low <= 0 <= made.high)


def test_what_is_labelled_in_full_differs_without_chance():
    pair = [Share(3, 40, share, share, share, IN_FULL, 40, 4, 0.0) for share in (0.25, 0.1)]
    made = subtract_shares(tuple(pair))
    assert (made.difference, made.low, made.high) == pytest.approx((0.15,) * 3)
    assert (made.basis, made.p, made.short) == (IN_FULL, None, "")


def test_sizes_are_those_of_statsmodels():
    first, second = estimate_share(30, 100), estimate_share(10, 80)
    assert measure_h(0.3, 0.125) == pytest.approx(proportion_effectsize(0.3, 0.125))
    table = Table2x2(np.array([[30, 70], [10, 70]]))
    assert measure_odds(first, second) == pytest.approx((table.oddsratio, *table.oddsratio_confint()))
    assert measure_odds(estimate_share(0, 10), second) is None


def test_validated_odds_reach_as_far_as_their_shares():
    point, low, high = measure_odds(corrected(0.3, 0.03), corrected(0.2, 0.02))
    assert point == pytest.approx((0.3 / 0.7) / (0.2 / 0.8))
    # the delta method on the scale of log-odds
    reach = 1.96 * np.hypot(0.03 / (0.3 * 0.7), 0.02 / (0.2 * 0.8))
    assert np.log([low, high]) == pytest.approx(np.log(point) + np.array([-reach, reach]), abs=0.02)


def test_holm_is_that_of_statsmodels():
    generator = np.random.default_rng(3)
    for size in (1, 2, 7, 40):
        values = (generator.random(size) ** 3).tolist()
        assert adjust_holm(values) == pytest.approx(multipletests(values, method="holm")[1].tolist())
    assert adjust_holm([]) == []


def test_equal_threads_are_called_different_in_one_run_of_twenty():
    """Equal shares, a tagger that errs otherwise in each, 150 hand labels of 1,000 posts."""
    found = count_false_positives(1200, seed=5)
    assert 0.03 <= found["corrected"] <= 0.07
    assert found["plain"] > 0.8  # what a test of predictions says


def test_people_of_one_kind_are_called_different_in_one_run_of_twenty():
    found = count_false_moves(1000, permutations=199, seed=2)
    assert 0.03 <= found["people"] <= 0.07
    assert found["posts"] > 0.15  # what a test that takes posts for independent says


def make_blocks(sizes, seed, shift=0.0):
    """Two threads of people who write in one of them each."""
    generator = np.random.default_rng(seed)
    total = sum(sizes)
    posts = generator.integers(1, 9, total)
    thread = np.repeat([0, 1], sizes)
    having = generator.binomial(posts, np.clip(generator.beta(1, 2, total) + shift * thread, 0, 1))
    columns = [one[:, None].astype(np.float32) for one in (posts, having)]
    return Blocks(2, thread, np.arange(total), tuple(map(str, range(total))), *columns)


@pytest.mark.parametrize(("seed", "shift"), [(1, 0.0), (2, 0.15), (3, 0.2)])
def test_moving_people_gives_the_p_value_of_scipy(seed, shift):
    blocks = make_blocks((14, 18), seed, shift)
    posts, having = blocks.posts[:, 0].astype(float), blocks.having[:, 0].astype(float)

    def statistic(first, second, axis=-1):
        parts = []
        for chosen in (first, second):
            n, count = posts[chosen.astype(int)], having[chosen.astype(int)]
            share = count.sum(axis) / n.sum(axis)
            spread = ((count - share[..., None] * n) ** 2).sum(axis) if n.ndim > 1 else ((count - share * n) ** 2).sum()
            size = n.shape[-1]
            parts.append((share, spread / n.sum(axis) ** 2 * size / (size - 1)))
        return np.abs(parts[0][0] - parts[1][0]) / np.sqrt(parts[0][1] + parts[1][1])

    places = np.arange(32.0)
    expected = permutation_test(
        (places[:14], places[14:]), statistic, vectorized=True, n_resamples=9999, alternative="greater", rng=4
    ).pvalue
    p, _ = permute_people(blocks, np.ones(2, bool), 9999, seed=0)
    assert p[0, 0] == pytest.approx(expected, abs=0.02)
    assert p[0, 0] == p[1, 0]  # the second less the first is the same question


def test_people_of_both_threads_stay_their_own_control():
    """Everybody writes in both and more in favor in the first: only their own two blocks may be exchanged."""
    size = 16
    posts = np.full((2 * size, 1), 4, np.float32)
    leaning = np.arange(size) % 4
    having = np.concatenate([leaning + (np.arange(size) % 3 > 0), leaning]).astype(np.float32)[:, None]
    thread, person = np.repeat([0, 1], size), np.tile(np.arange(size), 2)
    paired = Blocks(2, thread, person, tuple(map(str, range(size))), posts, having)
    apart = Blocks(2, thread, np.arange(2 * size), tuple(map(str, range(2 * size))), posts, having)
    p, other = (permute_people(one, np.ones(2, bool), 1999, seed=1)[0][0, 0] for one in (paired, apart))
    assert p < 0.01 < 0.1 < other


def test_of_many_threads_one_that_differs_is_found_and_few_others():
    members = make_members([(30, 120)] * 8 + [(75, 120)])
    assert len(members) > MOST_PAIRED
    found = compare_members(members, permutations=499)
    lines = [one for one in found.differences if found.quantities[one.quantity].name == "North: favor"]
    assert [one.first for one in lines] == list(range(9))
    assert all(one.second is None for one in lines)
    assert lines[8].difference == pytest.approx(75 / 120 - 30 / 120)
    assert lines[8].people_adjusted <= 0.01
    assert all(one.people_adjusted >= one.people_p for one in lines)
    assert all(one.p is None for one in lines)


def test_the_same_seed_gives_the_same_p_values():
    blocks = make_blocks((20, 30), 5, 0.1)
    once, again, other = (permute_people(blocks, np.ones(2, bool), 299, seed)[0] for seed in (7, 7, 8))
    np.testing.assert_array_equal(once, again)
    assert once[0, 0] != other[0, 0]


def test_too_little_data_has_no_p_value():
    short, long, full = make_members([(5, 20), (10, 60), (20, 90)])
    found = compare_members([short, long, full], permutations=199)
    first = [one for one in found.differences if one.quantity == 0]
    assert [one.short for one in first] == ["fewer than 30 judged posts"] * 2 + [""]
    assert [one.people_p is None for one in first] == [True, True, False]
    few = subtract_shares((corrected(0.3, 0.03, labelled=20), corrected(0.1, 0.03)))
    assert (few.p, few.short) == (None, "fewer than 30 hand labels")
    crowd = make_members([(10, 60), (20, 90)], people=LEAST_PEOPLE - 1)
    assert all(one.people_p is None for one in compare_members(crowd, permutations=199).differences)


def test_gold_corrects_differences():
    generator = np.random.default_rng(1)
    tables, judged, truth, drawn = [], [], [], []
    for name, wrong in (("a", 0.05), ("b", 0.3)):
        true = generator.random(400) < 0.3
        said = np.where(generator.random(400) < wrong, ~true, true)
        posts = [(f"{name}{place % 50}", "favor" if one else "none", "words", None) for place, one in enumerate(said)]
        tables.append(make_thread_table(name, posts))
        judged += read_judged(tables[-1])
        truth.append(true.astype(float))
        drawn.append(generator.choice(400, 150, replace=False))
    gold = make_gold(judged, truth, drawn)
    vocabulary = {}
    members = [one for table in tables for one in read_members(table, gold, vocabulary)]
    assert [one.labelled for one in members] == [150, 150]
    found = compare_members(members, permutations=199)
    (favor, *_) = found.differences
    assert favor.basis == CORRECTED
    assert favor.p is not None
    assert favor.adjusted == favor.p  # one comparison
    assert favor.low < truth[0].mean() - truth[1].mean() < favor.high
    against = next(one for one in found.differences if found.quantities[one.quantity].name == "South: favor")
    assert against.basis == PREDICTED  # nobody was asked


def test_leaving_an_author_out_is_counting_again():
    vocabulary = {}
    posts = {
        "a": [("Ann", "favor", "x", None)] * 6 + [("Bo", "none", "x", None)] * 10 + [(None, "favor", "x", None)] * 2,
        "b": [("Ann", "none", "x", None)] * 2 + [("Cy", "favor", "x", None)] * 3 + [("Di", "none", "x", None)] * 9,
    }
    members = [read_members(make_thread_table(name, its), None, vocabulary)[0] for name, its in posts.items()]
    found = {one.author: one for one in leave_out(build_blocks(members), 0, [0], 9)}
    assert set(found) == {"Ann", "Bo", "Cy", "Di"}
    assert found["Ann"].difference == pytest.approx(8 / 18 - 3 / 14)
    assert found["Ann"].without == pytest.approx(2 / 12 - 3 / 12)
    assert found["Ann"].posts == (6, 2)
    assert found["Bo"].without == pytest.approx(8 / 8 - 3 / 14)
    changes = [one.change for one in leave_out(build_blocks(members), 0, [0], 9)]
    assert changes == sorted(changes, reverse=True)
    names = {compare_members(members, 99).quantities[one.influence.quantity].head
             for one in compare_members(members, 99).drivers}  # fmt: skip
    assert "toxicity" not in names


def test_unknown_authors_are_one_person_a_post():
    vocabulary = {}
    (member,) = read_members(make_thread_table("a", [(None, "favor", "x", None)] * 5), None, vocabulary)
    blocks = build_blocks([member, member])
    assert blocks.people.tolist() == [5, 5]
    assert blocks.names == (None,) * 10


def test_words_are_own_words_once_a_post():
    assert split_words("The army, THE Army! https://x.org/army don't a 1990") == {"the", "army", "don't"}
    body = "They fled. Never again, never."
    table = build_table(
        Thread("a", None, None, None, None, None, (Post("0", body, "Ann", quotes=(Quote(0, 10, None, "markup"),)),)),
        [Tag(3, (make_judgement("none", STANCES),) * 2, (0.1,) * 5, make_judgement("neutral", SENTIMENTS))],
        None,
        MANIFEST,
    )
    vocabulary = {}
    (judged,) = read_judged(table)
    uses = find_uses(table, judged, vocabulary)
    assert sorted(vocabulary) == ["again", "never"]
    assert len(uses.word) == 2


def test_log_odds_are_those_of_the_paper():
    """Written out once more, word by word, from the formulas."""
    generator = np.random.default_rng(2)
    first, second = (
        Counts(counts, counts, int(counts.sum()) + 40) for counts in generator.integers(1, 60, (2, 12)).astype(np.int64)
    )
    both = first + second
    odds, z = log_odds(first, second, both)
    for word in range(12):
        prior = 500 * both.posts[word] / both.total
        weighed = [(one.posts[word] + prior, one.total + 500 - one.posts[word] - prior) for one in (first, second)]
        expected = np.log(weighed[0][0] / weighed[0][1]) - np.log(weighed[1][0] / weighed[1][1])
        assert odds[word] == pytest.approx(expected)
        assert z[word] == pytest.approx(expected / np.sqrt(1 / weighed[0][0] + 1 / weighed[1][0]))


def test_words_that_set_threads_and_sides_apart():
    vocabulary = {}
    common = "the road and the village were quiet"
    threads = {
        "a": [(f"p{n % 9}", "favor", f"{common} bravo treaty", None) for n in range(20)]
             + [(f"p{n % 9}", "against", f"{common} shame treaty", None) for n in range(20)],
        "b": [(f"q{n % 9}", "none", f"{common} harbour", None) for n in range(40)]
             + [("loud", "none", f"{common} zebra", None)] * 30,
    }  # fmt: skip
    members = [read_members(make_thread_table(name, posts), None, vocabulary)[0] for name, posts in threads.items()]
    pair, side = contrast_members(members, vocabulary)
    first = [one.word for one in pair.keywords if one.z > 0]
    second = [one.word for one in pair.keywords if one.z < 0]
    assert first[0] == "treaty"
    assert second == ["harbour"]  # "zebra" is one author's
    assert (side.side, [one.word for one in side.keywords]) == ("North", ["bravo", "shame"])
    (bravo, shame) = side.keywords
    assert (bravo.first, bravo.second, shame.second) == (20, 0, 20)


def test_rare_words_are_left_out():
    vocabulary = {}
    members = [
        read_members(make_thread_table(name, [("Ann", "none", f"{word} often", None)] * 4), None, vocabulary)[0]
        for name, word in (("a", "once"), ("b", "twice"))
    ]
    lexicon = build_lexicon([one.words for one in members], vocabulary)
    assert lexicon.words == ("often",)
    counts = [count_uses(one.words, one.authors, lexicon) for one in members]
    assert counts[0].total == 8
    assert contrast_words(counts[0], counts[1], counts[0] + counts[1], lexicon, 5) == []


def test_periods_are_the_same_days_for_all_threads():
    vocabulary = {}
    times = [datetime(2020, 11, day, hour, tzinfo=UTC) for day in range(1, 29) for hour in (3, 20)]
    posts = [("Ann", "favor" if time.day < 10 else "none", "x", time) for time in times]
    early, late = posts[:30], [*posts[20:], ("Bo", "none", "x", None)]
    members = [
        read_members(make_thread_table(name, its), None, vocabulary)[0] for name, its in (("a", early), ("b", late))
    ]
    found = count_periods(members)
    assert (found.unit, len(found.starts), found.untimed) == ("day", 28, 1)
    assert found.starts[0] == datetime(2020, 11, 1, tzinfo=UTC)
    assert found.judged[0, :, 0].tolist() == [2] * 15 + [0] * 13
    assert found.judged[1, :, 0].tolist() == [0] * 10 + [2] * 18
    assert found.having[0, :, 0].tolist() == [2] * 9 + [0] * 19
    untimed = read_members(make_thread_table("c", [("Ann", "favor", "x", None)]), None, vocabulary)
    assert count_periods(untimed) is None


def test_other_sides_are_no_comparison():
    vocabulary = {}
    posts = [("Ann", "favor", "x", None)] * 3
    (first,) = read_members(make_thread_table("a", posts), None, vocabulary)
    (other,) = read_members(make_thread_table("b", posts, SIDES[::-1]), None, vocabulary)
    with pytest.raises(StanceError, match=r"b\.txt: its sides are South, North, those of a\.txt are North, South\."):
        check_sides(first, other)
    assert len(quantities_of([first])) == 15
