"""Scores against scikit-learn and krippendorff, weighted samples against the whole they were drawn from, and edges."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from krippendorff import alpha
from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

from stance.estimate.correct import estimate_quantity
from stance.estimate.judged import ABSTAINED_CODE, Drawn, Gold, GoldLabel, Judged, Quantity, Stratum
from stance.gold import calibration_error
from stance.gold.agreement import measure_agreement, nominal_alpha
from stance.gold.metrics import ALL_SIDES, audit_sides, score_heads
from stance.gold.needed import count_needed
from stance.gold.reliability import measure_reliability
from stance.gold.sampled import align_gold, resample_weights, weigh_posts
from stance.gold.score import score_gold, score_lines, write_score
from stance.records import SENTIMENTS, STANCES, StanceError

SIDES = ("North", "South")


def soften(logits):
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def make_judged(count, seed=1, thread="t", sides=SIDES, sure=1.5):
    """A thread whose posts carry what is true of them in the ids' order: stance (n, s), toxic (n, 5), tone (n,)."""
    rng = np.random.default_rng(seed)
    stance = np.stack([rng.choice(3, size=count, p=p) for p in ([0.2, 0.3, 0.5], [0.3, 0.1, 0.6])[: len(sides)]], 1)
    toxic = np.zeros((count, 5), bool)
    toxic[:, 1] = rng.random(count) < 0.2
    toxic[:, 0] = toxic[:, 1] | (rng.random(count) < 0.1)
    tone = rng.choice(3, size=count, p=[0.4, 0.4, 0.2])
    given = soften(rng.normal(size=(count, len(sides), 3)) + sure * np.eye(3)[stance])
    chance = 1 / (1 + np.exp(-(rng.normal(size=(count, 5)) + 2.5 * toxic - 1.5)))
    tones = soften(rng.normal(size=(count, 3)) + sure * np.eye(3)[tone])
    judged = Judged(
        thread=thread,
        title=None,
        sides=sides,
        rows=np.arange(count),
        ids=tuple(map(str, range(count))),
        authors=(None,) * count,
        times=np.full(count, np.nan),
        stance=given,
        stance_label=np.where(given.max(2) < 0.45, ABSTAINED_CODE, given.argmax(2)).astype(np.int8),
        toxicity=chance,
        present=chance >= 0.5,
        sentiment=tones,
        sentiment_label=tones.argmax(1).astype(np.int8),
    )
    return judged, (stance, toxic, tone)


def label_posts(judged, truth, places, coder="ann"):
    stance, toxic, tone = truth
    return [
        GoldLabel(
            judged.thread,
            judged.ids[place],
            coder,
            tuple(STANCES[code] for code in stance[place]),
            tuple(bool(value) for value in toxic[place]),
            SENTIMENTS[tone[place]],
        )
        for place in places
    ]


def make_gold(judged, truth, places, sides=SIDES):
    """A simple random sample, labelled by one coder."""
    places = [int(place) for place in places]
    return Gold(
        topic="invented",
        sides=sides,
        seed=3,
        strata=(Stratum(judged.thread, "", len(judged.ids)),),
        drawn=tuple(Drawn(judged.thread, judged.ids[p], "", len(places) / len(judged.ids)) for p in places),
        labels=tuple(label_posts(judged, truth, places)),
        coders=("ann",),
    )


@pytest.fixture(scope="module")
def simple():
    judged, truth = make_judged(1000)
    places = np.random.default_rng(5).choice(1000, 200, replace=False)
    return judged, truth, places, make_gold(judged, truth, places)


def draw_by_label(judged, truth, seed, each=60):
    """As many posts that the tagger calls against North as others; the truth, and the places drawn."""
    rng = np.random.default_rng(seed)
    against = judged.stance_label[:, 0] == 1
    strata, drawn, places = [], [], []
    for name, inside in (("against", against), ("other", ~against)):
        members = np.flatnonzero(inside)
        chosen = rng.choice(members, each, replace=False)
        strata.append(Stratum(judged.thread, name, len(members)))
        drawn += [Drawn(judged.thread, judged.ids[place], name, each / len(members)) for place in chosen]
        places += chosen.tolist()
    gold = make_gold(judged, truth, places)
    return replace(gold, strata=tuple(strata), drawn=tuple(drawn)), places


def find_head(scores, name):
    return next(score for score in scores if score.name == name)


def test_labels_score_as_scikit_learn_has_them(simple):
    judged, truth, _, gold = simple
    sampled = align_gold(gold, [judged])
    score = find_head(score_heads(sampled), "North")
    places = [int(key[1]) for key in sampled.keys]
    said, given = truth[0][places, 0], judged.stance_label[places, 0]
    found = precision_recall_fscore_support(said, given, labels=[0, 1, 2], zero_division=0)
    for label, precision, recall, f1, support in zip(score.labels, *found, strict=True):
        assert (label.precision.value, label.recall.value) == (pytest.approx(precision), pytest.approx(recall))
        assert label.f1.value == pytest.approx(f1)
        assert label.recall.n == support
        assert label.precision.low < precision < label.precision.high
    assert score.macro_f1.value == pytest.approx(f1_score(said, given, labels=[0, 1, 2], average="macro"))
    assert score.accuracy.value == pytest.approx((said == given).mean())
    assert score.coverage.value == pytest.approx((given >= 0).mean()) != 1
    expected = confusion_matrix(said, np.where(given < 0, 3, given), labels=[0, 1, 2, 3])[:3]
    assert score.confusion == tuple(map(tuple, expected))
    assert score.columns == (*STANCES, "abstained")
    assert score.false_alarms.value == pytest.approx(expected[2, :2].sum() / expected[2].sum())


def test_a_stratified_sample_scores_as_weights_say():
    judged, truth = make_judged(1000, seed=8)
    gold, _ = draw_by_label(judged, truth, 1)
    sampled = align_gold(gold, [judged])
    chance = {(one.thread, one.post): one.probability for one in gold.drawn}
    weight = np.array([1 / chance[key] for key in sampled.keys])
    assert weigh_posts(sampled, np.ones(len(weight), bool)) == pytest.approx(weight)
    places = [int(key[1]) for key in sampled.keys]
    said, given = truth[0][places, 0], judged.stance_label[places, 0]
    found = precision_recall_fscore_support(said, given, labels=[0, 1, 2], sample_weight=weight, zero_division=0)
    score = find_head(score_heads(sampled), "North")
    for label, precision, recall, f1, _ in zip(score.labels, *[*found[:3], [0] * 3], strict=True):
        assert label.precision.value == pytest.approx(precision)
        assert label.recall.value == pytest.approx(recall)
        assert label.f1.value == pytest.approx(f1)
    weighted = confusion_matrix(said, np.where(given < 0, 3, given), labels=[0, 1, 2, 3], sample_weight=weight)[:3]
    assert np.array(score.weighted) == pytest.approx(weighted / weight.sum())


def test_a_stratified_sample_estimates_the_whole_and_its_intervals_cover_it():
    judged, truth = make_judged(800, seed=2)
    hit = (truth[0][:, 0] == 1) & (judged.stance_label[:, 0] == 1)
    whole = hit.sum() / (truth[0][:, 0] == 1).sum()
    found, plain = [], []
    for seed in range(60):
        gold, places = draw_by_label(judged, truth, seed)
        gold = replace(gold, labels=tuple(replace(one, toxicity=(None,) * 5, sentiment=None) for one in gold.labels))
        found.append(find_head(score_heads(align_gold(gold, [judged])), "North").labels[1].recall)
        plain.append(hit[places].sum() / (truth[0][places, 0] == 1).sum())
    values = np.array([one.value for one in found])
    assert abs(values.mean() - whole) < 3 * values.std() / np.sqrt(60) + 0.01
    assert np.mean(plain) > whole + 0.1, "without weights the sample would say too much"
    covered = np.mean([one.low <= whole <= one.high for one in found])
    assert 0.87 <= covered <= 1.0, covered


def test_toxicity_has_every_attribute_and_any(simple):
    judged, truth, _, gold = simple
    sampled = align_gold(gold, [judged])
    places = [int(key[1]) for key in sampled.keys]
    score = find_head(score_heads(sampled), "toxicity: any")
    said, given = truth[1][places].any(1), judged.present[places].any(1)
    precision, recall, f1, _ = precision_recall_fscore_support(said, given, average="binary")
    (label,) = score.labels
    assert (label.precision.value, label.recall.value) == (pytest.approx(precision), pytest.approx(recall))
    assert label.f1.value == pytest.approx(f1)
    assert score.false_alarms.value == pytest.approx(given[~said].mean())
    assert {one.name for one in score_heads(sampled) if one.name.startswith("toxicity")} >= {
        "toxicity: identity attack"
    }


def test_all_sides_add_up_and_posts_are_resampled_whole():
    judged, truth = make_judged(300, sides=("North",))
    twice = replace(
        judged,
        sides=SIDES,
        stance=np.repeat(judged.stance, 2, 1),
        stance_label=np.repeat(judged.stance_label, 2, 1),
    )
    truth = (np.repeat(truth[0], 2, 1), *truth[1:])
    scores = score_heads(align_gold(make_gold(twice, truth, range(100)), [twice]))
    one, both = find_head(scores, "North"), find_head(scores, ALL_SIDES)
    assert both.n == 200
    assert both.macro_f1 == one.macro_f1, "the same side twice is no more evidence"


def test_labelled_in_full_has_no_width(simple):
    judged, truth, _, _ = simple
    scores = score_heads(align_gold(make_gold(judged, truth, range(1000)), [judged]))
    for label in find_head(scores, "North").labels:
        assert label.recall.low == pytest.approx(label.recall.high) == pytest.approx(label.recall.value)


def test_a_share_of_one_keeps_a_width():
    judged, truth = make_judged(500, sure=50.0)
    recall = find_head(score_heads(align_gold(make_gold(judged, truth, range(40)), [judged])), "North").labels[1].recall
    assert recall.value == recall.high == 1.0
    assert 0.5 < recall.low < 0.9


def test_resamples_keep_strata_and_vary_as_theory_says(simple):
    judged, _, _, gold = simple
    sampled = align_gold(gold, [judged])
    known = np.ones(200, bool)
    draws, value = resample_weights(sampled, known), sampled.heads[0].truth == 1
    assert draws.sum(1) == pytest.approx(np.full(len(draws), 1000))
    expected = np.sqrt(value.var(ddof=1) / 200 * (1 - 200 / 1000))
    assert (draws @ value / 1000).std() == pytest.approx(expected, rel=0.08)


def test_the_audit_sees_a_side_that_is_treated_unlike():
    judged, truth = make_judged(1500, seed=4)
    worse = judged.stance_label.copy()
    missed = np.flatnonzero((truth[0][:, 1] == 0) & (np.arange(1500) % 3 > 0))
    worse[missed, 1] = 2  # two thirds of South's favor are overlooked
    judged = replace(judged, stance_label=worse)
    gaps = audit_sides(align_gold(make_gold(judged, truth, range(500)), [judged]))
    found = {gap.measure: gap for gap in gaps}
    assert found["recall of favor"].apart
    assert found["recall of favor"].difference.low > 0.2
    assert (found["recall of favor"].first, found["recall of favor"].second) == SIDES
    said = truth[0][:500]
    expected = [(worse[:500, side] == 0)[said[:, side] == 0].mean() for side in (0, 1)]
    assert found["recall of favor"].difference.value == pytest.approx(expected[0] - expected[1])
    assert not found["false alarms"].apart
    few = audit_sides(align_gold(make_gold(judged, truth, range(8)), [judged]))
    assert few == []


def test_calibration_error_is_the_one_of_the_card(simple):
    judged, truth, _, gold = simple
    sampled = align_gold(gold, [judged])
    places = [int(key[1]) for key in sampled.keys]
    found = {one.name: one for one in measure_reliability(sampled)}
    expected = calibration_error(judged.stance[places, 0], truth[0][places, 0], bins=10)
    assert found["North"].error.value == pytest.approx(expected)
    assert found["North"].error.low < expected < found["North"].error.high
    assert sum(one.n for one in found["North"].bins) == 200
    assert sum(one.n for one in found[ALL_SIDES].bins) == 400
    gap = sum(one.n / 200 * abs(one.share - one.confidence) for one in found["toxicity: any"].bins)
    assert found["toxicity: any"].error.value == pytest.approx(gap)


def test_chance_alone_leaves_the_error_that_is_said():
    judged, truth = make_judged(300)
    rng = np.random.default_rng(0)
    stance = (rng.random((300, 1, 1)) > judged.stance[:, :1].cumsum(2)).sum(2)  # drawn from the probabilities
    right = replace(judged, sides=("North",), stance=judged.stance[:, :1], stance_label=judged.stance_label[:, :1])
    gold = make_gold(right, (stance, *truth[1:]), range(300), ("North",))
    found = measure_reliability(align_gold(gold, [right]))[0]
    assert found.error.value == pytest.approx(found.expected, abs=0.04)


def test_labels_that_a_width_needs(simple):
    judged, _, _, gold = simple
    needs = {need.quantity: need for need in count_needed(align_gold(gold, [judged]), 0.05)}
    share = estimate_quantity(judged, Quantity("stance", "North", "against"), gold)
    need = needs["North: against"]
    assert (need.basis, need.labelled, need.posts) == (share.basis, 200, 1000)
    assert need.width == pytest.approx(share.high - share.low, abs=0.004)
    assert need.more == need.needed - 200 > 0


def test_as_many_labels_as_are_needed_give_the_width():
    judged, truth = make_judged(1000)
    order = np.random.default_rng(5).permutation(1000)
    for quantity in (Quantity("stance", "North", "against"), Quantity("toxicity", "any", "toxic")):
        few = make_gold(judged, truth, order[:150])
        need = next(n for n in count_needed(align_gold(few, [judged]), 0.08) if n.quantity == quantity.name)
        share = estimate_quantity(judged, quantity, make_gold(judged, truth, order[: need.needed]))
        assert share.high - share.low == pytest.approx(0.08, abs=0.008)


def test_a_rare_label_needs_hand_labels_until_there_are_fifteen(simple):
    judged, truth, _, gold = simple
    needs = {need.quantity: need for need in count_needed(align_gold(gold, [judged]), 0.02)}
    need = needs["toxicity: threat"]  # of which there is none
    assert need.basis == "hand labels alone"
    assert 0 < need.width < 0.03
    assert need.needed <= 1000
    full = count_needed(align_gold(make_gold(judged, truth, range(1000)), [judged]), 0.02)
    assert {(need.basis, need.width, need.more) for need in full} == {("labelled in full", 0.0, 0)}


def test_threads_are_scored_together_and_counted_apart():
    first, one = make_judged(400, thread="a")
    second, two = make_judged(100, seed=9, thread="b")
    golds = [make_gold(first, one, range(80)), make_gold(second, two, range(20))]
    gold = replace(
        golds[0],
        strata=(*golds[0].strata, *golds[1].strata),
        drawn=(*golds[0].drawn, *golds[1].drawn),
        labels=(*golds[0].labels, *golds[1].labels),
    )
    score = score_gold(gold, [first, second])
    assert (score.threads, score.posts, score.labelled) == (("a", "b"), 500, 100)
    assert {need.thread for need in score.needs} == {"", "a", "b"}
    lines = list(score_lines(gold, [first, second]))
    assert any(line.startswith("Thread by thread: ") for line in lines)
    assert max(map(len, lines)) <= 100
    alone = score_gold(gold, [first])
    assert alone.posts == 400
    assert any("1 threads that were drawn from are not in these tables (b" in line for line in alone.warnings)
    with pytest.raises(StanceError, match="two tables hold this thread"):
        score_gold(gold, [first, first])


# Published examples: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, sections A, B and C.
BINARY = ("0100000010", "1110010000")
NOMINAL = ("aabbdcccedda", "babbbccceddd")
MISSING = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def count_answers(rows):
    values = sorted({answer for row in rows for answer in row} - {"."})
    counts = np.array([[[*unit].count(value) for value in values] for unit in zip(*rows, strict=True)], float)
    return counts[counts.sum(1) > 1]


@pytest.mark.parametrize(("rows", "published"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743)])
def test_alpha_of_published_examples(rows, published):
    counts = count_answers(rows)
    assert float(nominal_alpha(counts, np.ones(len(counts)))) == pytest.approx(published, abs=0.0006)


def test_alpha_of_resamples_is_the_package_s():
    counts = count_answers(MISSING)
    weights = np.random.default_rng(1).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=20)
    for row, found in zip(weights, nominal_alpha(counts, weights.astype(float)), strict=True):
        repeated = np.repeat(counts, row, axis=0).astype(int)
        assert found == pytest.approx(alpha(value_counts=repeated, level_of_measurement="nominal"))


def coder_gold(first, second, third=None):
    """Answers on one side, of coders who leave the rest open."""
    labels = []
    for coder, answers in zip("abc", (first, second, third or []), strict=False):
        labels += [
            GoldLabel("t", str(place), coder, (answer,), (None,) * 5, None)
            for place, answer in enumerate(answers)
            if answer is not None
        ]
    drawn = tuple(Drawn("t", str(place), "", 1.0) for place in range(len(first)))
    return Gold("invented", ("North",), 1, (Stratum("t", "", len(first)),), drawn, tuple(labels), ("a", "b", "c"))


def test_agreement_of_a_published_example():
    words = {"0": "none", "1": "against"}
    (found, *rest) = measure_agreement(coder_gold(*([words[answer] for answer in row] for row in BINARY)))
    assert (found.name, found.units, found.coders) == ("North", 10, 2)
    assert found.alpha.value == pytest.approx(0.095, abs=0.0006)
    assert found.agreement.value == pytest.approx(0.6)
    assert found.alpha.low < found.alpha.value < found.alpha.high
    assert "do not draw conclusions from this side's labels (Krippendorff 2004)" in found.note
    assert all(one.alpha is None and one.note == "no post with the answers of two coders" for one in rest)


def test_agreement_on_all_has_a_low_end_under_one():
    (found, *_) = measure_agreement(coder_gold(["favor", "none"] * 10, ["favor", "none"] * 10))
    assert (found.alpha.value, found.alpha.high, found.note) == (1.0, 1.0, None)
    assert 0.5 < found.alpha.low < 0.8
    assert found.agreement.low == pytest.approx(0.839, abs=0.001)  # Wilson's of 20 in 20


def test_one_label_only_has_no_alpha():
    (found, *_) = measure_agreement(coder_gold(["none"] * 5, ["none"] * 5))
    assert found.alpha is None
    assert "not defined" in found.note
    assert found.agreement.value == 1.0


def test_three_coders_and_tentative_conclusions():
    first = ["favor", "none", "against", "none"] * 8
    second = ["none" if place % 16 == 0 else answer for place, answer in enumerate(first)]
    third = [
        None if place % 3 == 0 else "none" if place % 8 == 2 else "against" if place == 1 else answer
        for place, answer in enumerate(first)
    ]
    (found, *_) = measure_agreement(coder_gold(first, second, third))
    codes = {"favor": 0, "against": 1, "none": 2, None: np.nan}
    rows = [[codes[answer] for answer in row] for row in (first, second, third)]
    assert found.alpha.value == pytest.approx(alpha(reliability_data=rows, level_of_measurement="nominal"))
    assert 0.667 <= found.alpha.value < 0.8
    assert "tentative" in found.note
    assert found.coders == 3


def test_one_coder_has_no_agreement(simple):
    judged, _, _, gold = simple
    assert measure_agreement(gold) == []
    assert any(
        line.startswith("Agreement: no post has the labels of two coders") for line in score_lines(gold, [judged])
    )


def test_the_first_coder_s_labels_count():
    judged, truth = make_judged(100)
    gold = make_gold(judged, truth, range(50))
    other = [replace(label, coder="bob", stance=("favor", "favor")) for label in gold.labels]
    both = replace(gold, labels=(*other, *gold.labels), coders=("ann", "bob"))
    assert score_gold(both, [judged]).heads == score_gold(gold, [judged]).heads


def test_the_printout_fits_and_says_what_it_stands_for(simple):
    judged, _, _, gold = simple
    renamed = replace(gold, topic="a\x1b[2J" + "very long name " * 9)
    lines = list(score_lines(renamed, [judged]))
    assert max(map(len, lines)) <= 100
    assert not any("\x1b" in line for line in lines)
    assert "Figures estimate all of these posts (weights 1 / inclusion probability); in brackets 95%" in lines
    assert any(line.startswith("North: against ") and line.endswith(" corrected") for line in lines)


def test_the_json_holds_every_figure(simple, tmp_path):
    judged, _, _, gold = simple
    write_score(gold, [judged], tmp_path / "score.json", 0.05)
    values = json.loads((tmp_path / "score.json").read_text(encoding="utf-8"))
    assert (values["posts"], values["labelled"], values["width"]) == (1000, 200, 0.05)
    recall = values["heads"][0]["labels"][1]["recall"]
    assert recall.keys() == {"value", "low", "high", "n"}
    assert "inclusion probability" in values["method"]


@pytest.mark.parametrize("width", [0.0, -1.0, 1.0, float("nan")])
def test_a_width_that_is_none(simple, width):
    judged, _, _, gold = simple
    with pytest.raises(StanceError, match="--width"):
        score_gold(gold, [judged], width)


def test_no_labels_at_all(simple):
    judged, _, _, gold = simple
    with pytest.raises(StanceError, match="none for a post of these tables"):
        score_gold(replace(gold, labels=()), [judged])
    with pytest.raises(StanceError, match="none for a post of these tables"):
        score_gold(gold, [])


def test_labelled_posts_that_are_not_judged_or_not_drawn_are_left_out_and_counted(simple):
    judged, truth, places, gold = simple
    absent = GoldLabel("t", "gone", "ann", ("favor", "none"), (None,) * 5, None)
    extra = label_posts(judged, truth, [next(p for p in range(1000) if p not in set(places))])
    more = replace(gold, labels=(*gold.labels, absent, *extra), drawn=(*gold.drawn, Drawn("t", "gone", "", 0.2)))
    score = score_gold(more, [judged])
    assert score.labelled == 200
    assert "1 labelled posts were not drawn: their probability is not known, they are left out." in score.warnings
    assert "1 labelled posts are not among the judged posts of these tables: left out." in score.warnings


def test_a_side_that_nobody_labelled_is_said_to_be_missing(simple):
    judged, _, _, gold = simple
    half = replace(gold, labels=tuple(replace(one, stance=(one.stance[0], None)) for one in gold.labels))
    score = score_gold(half, [judged])
    assert "South: no labelled post that the tagger judged; not scored." in score.warnings
    assert {head.name for head in score.heads} & {"North", "South", ALL_SIDES} == {"North"}
    assert score.gaps == ()
    other = score_gold(replace(gold, sides=("North", "East")), [judged])
    assert "East: no side of every table: not scored." in other.warnings


def test_all_one_label_and_all_abstained():
    judged, truth = make_judged(200)
    truth = (np.full((200, 2), 2), truth[1], truth[2])
    silent = replace(judged, stance_label=np.full((200, 2), ABSTAINED_CODE, np.int8))
    score = find_head(score_gold(make_gold(silent, truth, range(60)), [silent]).heads, "North")
    assert [label.precision for label in score.labels] == [None, None, None]
    assert [label.recall is None for label in score.labels] == [True, True, False]
    assert (score.labels[2].recall.value, score.coverage.value, score.macro_f1.value) == (0.0, 0.0, 0.0)
    assert score.confusion[2] == (0, 0, 0, 60)


def test_a_tagger_that_does_not_judge_a_head():
    judged, truth = make_judged(100)
    silent = replace(judged, sentiment=np.full((100, 3), np.nan), sentiment_label=np.full(100, -2, np.int8))
    score = score_gold(make_gold(silent, truth, range(60)), [silent])
    assert "sentiment" not in {head.name for head in score.heads}
    assert list(score_lines(make_gold(silent, truth, range(60)), [silent]))


def test_one_labelled_post_says_nothing_sure():
    judged, truth = make_judged(50)
    gold = make_gold(judged, truth, [3])
    score = find_head(score_gold(gold, [judged]).heads, "North")
    assert (score.accuracy.low, score.accuracy.high, score.accuracy.n) == (0.0, 1.0, 1)
    assert list(score_lines(gold, [judged]))


def test_strata_with_one_label_are_resampled_together():
    judged, truth = make_judged(60)
    names = ["x", "y", "z"]
    gold = make_gold(judged, truth, [0, 20, 40])
    gold = replace(
        gold,
        strata=tuple(Stratum("t", name, 20) for name in names),
        drawn=tuple(Drawn("t", post, name, 0.05) for post, name in zip(("0", "20", "40"), names, strict=True)),
    )
    sampled = align_gold(gold, [judged])
    assert resample_weights(sampled, np.ones(3, bool)).std(0).min() > 0
    empty = replace(gold, labels=gold.labels[:2])
    assert any("20 posts lie in strata without a label" in line for line in score_gold(empty, [judged]).warnings)
