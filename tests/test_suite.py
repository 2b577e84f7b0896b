"""The suite on made sets: a tagger that is always right, one that is always wrong, and one that lacks heads."""

from __future__ import annotations

import gzip
import json
import math
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from stance.examples import Example
from stance.gold import Measured, calibration_error
from stance.measure import plain, tone
from stance.measure.baseline import TRAINERS, VADER_SETS, evaluate_baselines
from stance.measure.calibration import (
    coverage_curve,
    measure_calibration,
    reliability_bins,
    reliability_figure,
    two_labels,
)
from stance.measure.evaluate import Result
from stance.measure.floors import check_floors, is_error, pin_floors
from stance.measure.plain import LinearModel, PlainTagger, TargetModel, load_vader, mark_words, weigh_words
from stance.measure.sets import Target, draw_sample, judge_targets, named_f1
from stance.measure.suite import SUITE, Remembered, collect_answers, compare_columns, evaluate_suite, find_head
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import Predictions, Thresholds

SAID = {"favor": "great", "against": "bad", "none": "seen"}  # the word that tells the made tagger a label
MOOD = {"favor": "positive", "against": "negative", "none": "neutral"}
HATE = {"favor": "normal", "none": "offensive", "against": "hatespeech"}


class MadeTagger:
    """Reads SAID: great is favor and positive, bad is against, negative, toxic and mentioned; ``turn`` makes errors."""

    name, sha256 = "made", ""
    languages = ()
    thresholds = Thresholds(0, 0, (0.5,) * 5)

    def __init__(self, right=True):
        self.right, self.calls, self.errors = right, [], {}

    def predict(self, texts, sides, advance=None):
        self.calls.append((tuple(texts), tuple(sides)))
        labels = [next(n for n, label in enumerate(STANCES) if SAID[label] in text) for text in texts]
        turned = [label if self.right else (label + 1) % 3 for label in labels]
        bad = np.array([(label == 1) == self.right for label in labels], float)
        stance = np.repeat(np.eye(3)[turned][:, None], len(sides), axis=1)
        moods = [SENTIMENTS.index(MOOD[STANCES[label]]) for label in turned]
        toxicity = np.repeat(0.02 + 0.96 * bad[:, None], 5, axis=1)
        spans = [((text.index("bad"), text.index("bad") + 3),) if "bad" in text else () for text in texts]
        return Predictions(stance, toxicity, np.eye(3)[moods], bad, spans if self.right else [((0, 1),)] * len(texts))


def without(*heads):
    """A MadeTagger that does not judge some heads."""

    class Lacking(MadeTagger):
        def predict(self, texts, sides, advance=None):
            found = super().predict(texts, sides, advance)
            toxicity = found.toxicity.copy()
            for place, attribute in enumerate(TOXICITY):
                if attribute in heads:
                    toxicity[:, place] = np.nan
            return Predictions(
                found.stance * (np.nan if "stance" in heads else 1),
                toxicity,
                found.sentiment * (np.nan if "sentiment" in heads else 1),
                None if "mention" in heads else found.mention,
                () if "spans" in heads else found.toxic_spans,
            )

    return Lacking()


def write_set(data, name, rows):
    path = data / f"{name}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def make_text(number):
    label = STANCES[number % 3]
    return f"the Armenia army in row {number} is {SAID[label]} he said", label


def rows_of(split, count=12, **fields):
    """Rows of every kind of label at once; each set reads its own."""
    for number in range(count):
        text, label = make_text(number)
        toxic = int(label == "against")
        start = text.find("bad")
        yield {
            "split": split,
            "text": text,
            "target": f"side {number % 2}",
            "label": label,
            "labels": dict.fromkeys(tone.JIGSAW, toxic),
            "spans": list(range(start, start + 3)) if toxic else [],
            "group": "AB"[number % 2],
            "meta": {"zero_shot": number % 2},
            "stance": {"Armenia": label, "Azerbaijan": label},
            "toxicity": list(TOXICITY) if toxic else [],
            "sentiment": MOOD[label],
            "mention": bool(toxic),
        } | {name: make(label) for name, make in fields.items()}


def is_bad(label):
    return int(label == "against")


SPLITS = {  # file -> its splits and what its field "label" holds
    "conflict/tweets_dev": (["x"], {}),
    "conflict/authored_dev": (["x"], {}),
    "conflict/forum_dev": (["x"], {}),
    "conflict/tweets_train": (["x"], {}),
    "conflict/forum_train": (["x"], {}),
    "stance/vast": (["train", "test"], {}),
    "stance/ruw": (["train", "test"], {}),
    "stance/pstance": (["train", "test"], {}),
    "stance/mt_csd": (["train", "test"], {}),
    "stance/newsmtsc": (["train", "devtest_rw"], {}),
    "toxicity/jigsaw_test_toxic": (["test"], {}),
    "toxicity/jigsaw_multilabel": (["train", "test"], {}),
    "toxicity/jigsaw_train_nontoxic": (["train"], {"labels": lambda label: {"toxic": 0}}),
    "toxicity/kaggle_insults": (["train", "verification"], {"label": is_bad}),
    "toxicity/context_toxicity": (["all_gn"], {"label": is_bad}),
    "toxicity/toxic_spans": (["train", "test"], {}),
    "toxicity/hatexplain": (["train", "valid", "test"], {"label": HATE.get}),
    "toxicity/bias_madlibs": (["test_77k"], {"label": is_bad}),
    "toxicity/nation_probe": (["test"], {"label": is_bad}),
    "sentiment/tweeteval_sentiment_valtest": (["test"], {"label": MOOD.get}),
    "sentiment/goemotions": (["train", "test"], {"label": MOOD.get}),
    "sentiment/semeval2017_sentiment": (["train"], {"label": MOOD.get}),
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setattr("stance.gold.RESAMPLES", 50)  # the intervals of 1000 take their time
    folder = tmp_path / "data"
    for name, (splits, fields) in SPLITS.items():
        write_set(folder, name, [row for split in splits for row in rows_of(split, **fields)])
    return folder


def fail(line):
    raise AssertionError(line)


def measure(tagger, data, *names, note=fail):
    sets = {name: SUITE[name] for name in names} if names else None
    return {(r.name, r.measure): r.measured for r in evaluate_suite(tagger, data, note, sets)}


def test_a_tagger_that_is_right_has_the_best_of_every_measure(data):
    found = measure(MadeTagger(), data)
    assert {name.removesuffix(", zero-shot topics") for name, _ in found} == set(SUITE)
    for (name, what), measured in found.items():
        if is_error(what) or "false alarms" in what:
            assert measured.value == pytest.approx(0, abs=0.021), (name, what)
        else:
            assert measured.value == pytest.approx(1), (name, what)
        assert measured.n >= 2


def test_a_tagger_that_is_wrong_has_a_bad_one_of_every_measure(data):
    found = measure(MadeTagger(right=False), data)
    for (name, what), measured in found.items():
        if what.startswith("change of mirrored") or "probe" in what or what.endswith(("coverage", "above overall")):
            continue  # it mirrors its errors; a probe learns them; its alarms are the same for each group
        if is_error(what) or "false alarms" in what:
            assert measured.value > 0.9, (name, what)
        else:
            assert measured.value < 0.35, (name, what)


def test_every_measure_of_the_targets_is_there(data):
    """The rows of the targets, but for those of another model, of the thread and of the self-test."""
    assert set(measure(MadeTagger(), data)) >= {
        ("tweets_dev", "stance macro-F1"),
        ("tweets_dev, no hashtags", "stance macro-F1"),
        ("authored_dev", "stance macro-F1"),
        ("authored_dev", "mention F1"),
        ("forum_dev", "stance macro-F1"),
        ("vast, zero-shot topics", "stance macro-F1"),
        ("ruw", "stance macro-F1"),
        ("pstance", "stance F1 of favor and against"),
        ("mt_csd", "stance F1 of favor and against"),
        ("newsmtsc_rw", "stance macro-F1"),
        ("jigsaw_test_toxic", "toxicity ROC AUC"),
        ("kaggle_insults", "insult ROC AUC"),
        *(("jigsaw_multilabel", f"{attribute} ROC AUC") for attribute in TOXICITY),
        ("toxic_spans", "spans character F1"),
        ("hatexplain", "toxicity probe macro-F1"),
        ("bias_madlibs, 10,000", "toxicity ROC AUC"),
        ("nation_probe", "toxicity false alarms, worst group above overall"),
        ("tweeteval_sentiment", "sentiment macro-recall"),
        ("goemotions", "sentiment macro-F1"),
        ("context_toxicity, 5,000", "toxicity ECE"),
        ("jigsaw_multilabel", "toxicity ECE"),
        ("tweeteval_sentiment", "sentiment ECE"),
        ("tweets_dev, sides swapped", "change of mirrored probability"),
    }


def test_a_real_tagger_goes_through_the_suite(data, tiny_tagger):
    found = measure(tiny_tagger, data, "ruw", "toxic_spans", "authored_dev")
    assert all(0 <= measured.value <= 1 for measured in found.values())


def test_a_head_that_is_not_judged_is_left_out_with_a_note(data):
    lines = []
    found = measure(without("toxicity", "threat", "mention", "spans"), data, note=lines.append)
    assert ("kaggle_insults", "insult ROC AUC") in found
    assert ("authored_dev", "stance macro-F1") in found
    assert not [what for _, what in found if what.startswith(("toxicity", "threat", "mention", "spans"))]
    assert "toxic_spans: spans character F1 left out: made does not judge spans (texts: 12)" in lines
    assert len([line for line in lines if "ROC AUC" in line and "judge threat" in line]) == 1
    stance = measure(without(*TOXICITY, "sentiment", "mention", "spans"), data, note=lines.append)
    assert {find_head(what) for _, what in stance} == {"stance"}
    other = measure(without("stance"), data, note=lines.append)
    assert {find_head(what) for _, what in other} == {*TOXICITY, "sentiment", "mention", "spans"}


def test_every_measure_says_whose_head_it_judges(data):
    assert {find_head(what) for _, what in measure(MadeTagger(), data)} == {
        *TOXICITY, "stance", "sentiment", "mention", "spans",
    }  # fmt: skip
    with pytest.raises(ValueError, match="begin its name"):
        find_head("accuracy of stance")


def test_a_set_that_cannot_be_read_is_named_and_the_others_go_on(data):
    (data / "stance" / "ruw.jsonl.gz").unlink()
    write_set(data, "stance/mt_csd", rows_of("train"))
    write_set(data, "toxicity/kaggle_insults", [{"split": "verification", "text": "x", "label": 7}])
    write_set(data, "sentiment/goemotions", [{"split": "test", "label": "positive"}])
    write_set(data, "conflict/forum_dev", [])
    lines = []
    found = measure(MadeTagger(), data, note=lines.append)
    assert all(isinstance(line, StanceError) for line in lines)
    assert [str(line).split(":")[0].removeprefix(f"{data}/") for line in lines] == [
        "conflict/forum_dev",
        "stance/ruw.jsonl.gz",
        "stance/mt_csd",
        "toxicity/kaggle_insults",
        "sentiment/goemotions",
    ]
    assert ("vast", "stance macro-F1") in found
    assert ("nation_probe", "toxicity false alarms, overall") in found


def test_the_targets_of_a_text_go_in_one_pass_and_the_same_text_goes_once(data):
    rows = [{"split": "test", "text": "so great", "target": t, "label": "favor"} for t in ("a", "b", "b")]
    write_set(data, "stance/ruw", rows)
    tagger = MadeTagger()
    found = measure(tagger, data, "ruw")
    assert tagger.calls == [(("so great",), ("a", "b"))]
    assert found["ruw", "stance macro-F1"].n == 1
    tagger = MadeTagger()
    measure(tagger, data, "tweeteval_sentiment")
    assert sum(len(texts) for texts, _ in tagger.calls) == 12


def test_stances_are_judged_toward_their_own_target():
    class BySide(MadeTagger):
        def predict(self, texts, sides, advance=None):
            found = super().predict(texts, sides)
            return replace(
                found, stance=np.tile(np.eye(3)[[STANCES.index(side) for side in sides]], (len(texts), 1, 1))
            )

    rows = [
        Target("seen", "favor", 0),
        Target("great", "none", 2),
        Target("seen", "against", 1),
        Target("seen", "favor", 0),
    ]
    assert judge_targets(BySide(), rows).argmax(-1).tolist() == [0, 2, 1, 0]


def test_pstance_leaves_rows_of_none_out_but_counts_the_answer_none(data):
    write_set(
        data,
        "stance/pstance",
        [
            {"split": "test", "text": f"{word} {number}", "target": "x", "label": label}
            for number, (word, label) in enumerate(
                [("great", "favor"), ("seen", "favor"), ("bad", "against"), ("bad", "none")]
            )
        ],
    )
    found = measure(MadeTagger(), data, "pstance")
    measured = found["pstance", "stance F1 of favor and against"]
    assert measured.n == 3
    assert measured.value == pytest.approx((2 / 3 + 1) / 2)
    assert found["pstance", "stance F1 where none is no answer"].value == 1  # of equals the first, favor, is taken


def test_f1_of_named_labels_equals_scikit_learn():
    from sklearn.metrics import f1_score

    from stance.gold import confusion

    generator = np.random.default_rng(3)
    truth, given = generator.integers(3, size=200), generator.integers(3, size=200)
    expected = f1_score(truth, given, labels=[0, 1], average="macro")
    assert float(named_f1(confusion(truth, given, 3))) == pytest.approx(expected)


def test_the_worst_group_is_named_and_set_against_all(data):
    rows = [("A", "bad"), ("A", "bad"), ("A", "seen"), ("B", "seen"), ("B", "seen"), ("B", "bad")]
    made = [
        {"split": "test", "text": f"{word} {n}", "label": 0, "group": group} for n, (group, word) in enumerate(rows)
    ]
    attack = {"split": "test", "text": "bad", "label": 1, "group": "B"}
    write_set(data, "toxicity/nation_probe", [*made, attack])
    found = measure(MadeTagger(), data, "nation_probe")
    assert found["nation_probe", "toxicity false alarms, overall"].value == pytest.approx(0.5)
    assert found["nation_probe", "toxicity false alarms, worst: A"].value == pytest.approx(2 / 3)
    excess = found["nation_probe", "toxicity false alarms, worst group above overall"]
    assert excess.value == pytest.approx(1 / 6)
    assert 0 <= excess.low <= excess.value <= excess.high


def test_what_is_ambiguous_or_mixed_is_left_out(data):
    rows = list(rows_of("test", label=MOOD.get))
    write_set(data, "sentiment/goemotions", [*rows, {**rows[0], "label": "mixed"}, {**rows[1], "label": "ambiguous"}])
    assert measure(MadeTagger(), data, "goemotions")["goemotions", "sentiment macro-F1"].n == 12


def test_a_sample_is_the_same_each_time_and_in_order(data, monkeypatch):
    items = list(range(1000))
    sample = draw_sample(items, 100)
    assert sample == draw_sample(items, 100) == sorted(set(sample))
    assert len(sample) == 100
    assert np.mean(sample) == pytest.approx(500, abs=100)
    assert draw_sample(items, 2000) == items
    monkeypatch.setattr(tone, "MADLIBS_ROWS", 5)
    tagger = MadeTagger()
    assert measure(tagger, data, "bias_madlibs, 10,000")["bias_madlibs, 10,000", "toxicity ROC AUC"].n == 5
    again = MadeTagger()
    measure(again, data, "bias_madlibs, 10,000")
    assert tagger.calls == again.calls


def test_the_names_of_samples_say_their_size():
    assert f"bias_madlibs, {tone.MADLIBS_ROWS:,}" in SUITE
    assert f"context_toxicity, {tone.CONTEXT_ROWS:,}" in SUITE


def test_remembering_changes_nothing(tiny_tagger):
    texts = ["we support the army", "stop the war", "we support the army"]
    plain_found = tiny_tagger.predict(texts, ["Armenia", "Russia"])
    asked = Remembered(tiny_tagger)
    for _ in range(2):
        found = asked.predict(texts, ["Armenia", "Russia"])
        for name in ("stance", "toxicity", "sentiment", "mention"):
            assert np.allclose(getattr(found, name), getattr(plain_found, name), atol=1e-5)
        assert list(found.toxic_spans) == list(plain_found.toxic_spans)
    assert asked.predict([], ["Armenia"]).stance.shape == (0, 1, 3)
    assert asked.unjudged == {}


# --- calibration ---


def test_calibration_has_an_interval_around_its_value():
    generator = np.random.default_rng(5)
    probability = generator.random(2000)
    truth = (generator.random(2000) < probability**2).astype(int).tolist()
    measured = measure_calibration(two_labels(probability), truth)
    assert measured.value == pytest.approx(calibration_error(two_labels(probability), truth))
    assert measured.low < measured.value < measured.high
    assert measured.high - measured.low < 0.06
    assert measured.n == 2000
    triple = measure_calibration(
        np.repeat(two_labels(probability), 3, axis=0),
        np.repeat(truth, 3).tolist(),
        np.repeat(np.arange(2000), 3).tolist(),
    )
    assert triple.high - triple.low == pytest.approx(measured.high - measured.low, abs=1e-9)
    assert triple.n == 2000
    with pytest.raises(StanceError, match="no items"):
        measure_calibration(np.zeros((0, 3)), [])


def test_bins_have_what_falls_into_them():
    probabilities = np.array([[0.9, 0.1], [0.92, 0.08], [0.4, 0.6], [0.0, 1.0]])
    low, middle, top = reliability_bins(probabilities, [0, 1, 1, 1])
    assert (low.confidence, low.accuracy, low.n) == (0.6, 1.0, 1)
    assert (middle.confidence, middle.accuracy, middle.n) == (pytest.approx(0.91), 0.5, 2)
    assert (top.confidence, top.accuracy, top.n) == (1.0, 1.0, 1)


def test_accuracy_rises_as_coverage_falls():
    generator = np.random.default_rng(2)
    sure = generator.uniform(1 / 3, 1, 3000)
    probabilities = np.stack([sure, (1 - sure) / 2, (1 - sure) / 2], axis=-1)
    truth = np.where(generator.random(3000) < sure, 0, 1).tolist()
    rows = coverage_curve(probabilities, truth)
    assert rows[0].coverage == 1
    assert rows[0].n == 3000
    assert all(a.coverage >= b.coverage for a, b in pairwise(rows))
    assert rows[-1].accuracy > rows[0].accuracy + 0.2
    (none,) = coverage_curve(probabilities[:1], truth[:1], [1.1])
    assert none.n == 0
    assert math.isnan(none.accuracy)


def test_figures_are_written_and_say_the_numbers(tmp_path, data):
    answers = collect_answers(MadeTagger(), data)
    assert set(answers) == {"stance", "toxicity", "sentiment", "mention"}
    picture = reliability_figure(answers, tmp_path / "reliability")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert "ECE 0.000" in (tmp_path / "reliability.svg").read_text()
    assert "1.00 right at 1.00 (n = 72)" in picture.description
    again = reliability_figure(answers, tmp_path / "again")
    assert again.svg == picture.svg
    with pytest.raises(StanceError, match="without items"):
        reliability_figure({}, tmp_path / "none")
    assert set(collect_answers(without("mention", "stance"), data)) == {"toxicity", "sentiment"}


# --- baselines ---


def test_baselines_learn_what_can_be_learnt(data, monkeypatch):
    write_own(data, monkeypatch)
    found = {}
    for column, result in evaluate_baselines(data, fail):
        found.setdefault(column, {})[result.name, result.measure] = result.measured.value
    assert set(found) == {"TF-IDF", "VADER"}
    assert {name for name, _ in found["TF-IDF"]} - {"vast, zero-shot topics"} == {*TRAINERS, "hatexplain"}
    for (name, what), value in found["TF-IDF"].items():
        if not is_error(what) and "false alarms" not in what:
            assert value > 0.95, (name, what)
    assert {name for name, _ in found["VADER"]} == VADER_SETS
    assert {what for _, what in found["VADER"]} == {"sentiment macro-F1", "sentiment macro-recall"}
    assert found["VADER"]["goemotions", "sentiment macro-F1"] == 1


def write_own(data, monkeypatch):
    """The set of this package, in the folder of the made ones."""
    write_set(data, "own/authored_train", rows_of("x"))
    monkeypatch.setattr("stance.examples.OWN", data / "own")


def test_a_baseline_without_its_training_rows_is_named_and_the_others_go_on(data, monkeypatch):
    write_own(data, monkeypatch)
    (data / "sentiment" / "semeval2017_sentiment.jsonl.gz").unlink()
    write_set(data, "stance/ruw", [{"split": "train", "text": "a b", "target": "x", "label": "favor"}])
    lines = []
    found = list(
        evaluate_baselines(
            data, lines.append, {name: SUITE[name] for name in ("tweeteval_sentiment", "ruw", "goemotions")}
        )
    )
    assert [str(line).split(":")[0].removeprefix(f"{data}/") for line in lines] == [
        "sentiment/semeval2017_sentiment.jsonl.gz",
        "baseline",
    ]
    assert {result.name for _, result in found} == {"goemotions"}


def test_a_target_with_rows_enough_has_a_model_of_its_own(monkeypatch):
    monkeypatch.setattr(plain, "OWN_MODEL_ROWS", 6)
    rows = [Target(SAID[STANCES[n % 3]], "often", n % 3) for n in range(9)]
    rows += [Target("great", "rare", 1), Target("bad", "rare", 0)]
    model = TargetModel(rows)
    assert set(model.own) == {"often"}
    assert model.predict(["great", "bad", "seen"], "often").argmax(-1).tolist() == [0, 1, 2]
    assert model.predict(["great"], "rare").shape == (1, 3)
    assert model.predict(["great"], "never met").sum() == pytest.approx(1)


def test_a_label_that_training_lacks_gets_nothing():
    model = LinearModel(3).fit(["a great one", "a bad one"] * 3, [0, 2] * 3)
    assert model.predict(["great"])[0, 1] == 0
    with pytest.raises(StanceError, match="one label"):
        LinearModel(2).fit(["x y"], [1])
    with pytest.raises(StanceError, match="no words"):
        LinearModel(2).fit(["!", "?"], [0, 1])


def test_toxic_words_are_those_that_stand_in_spans():
    text = "You BAD bad man, İ bad."
    odds = weigh_words([("a bad man", [(2, 5)]), ("good man", [])] * 20)
    assert odds["bad"] > 1 > -1 > odds["man"]
    assert [text[start:end] for start, end in mark_words(text, odds, 0)] == ["BAD bad", "bad"]


def test_a_plain_tagger_judges_only_what_it_has():
    found = PlainTagger("x").predict(["a"], ["b"])
    assert np.isnan(found.stance).all()
    assert np.isnan(found.toxicity).all()
    assert np.isnan(found.sentiment).all()
    assert len(found.toxic_spans) == 0


def test_vader_is_sure_of_one_label_and_named_where_it_is_missing(monkeypatch):
    pytest.importorskip("vaderSentiment")
    texts = ["This is great!", "I hate this terrible war.", "The table is here."]
    assert load_vader()(texts).argmax(-1).tolist() == [2, 0, 1]
    monkeypatch.setitem(sys.modules, "vaderSentiment.vaderSentiment", None)
    with pytest.raises(StanceError, match="pip install"):
        load_vader()


def test_columns_stand_side_by_side():
    tagger = [
        Result("a set", "stance macro-F1", Measured(0.8, 0.75, 0.85, 40)),
        Result("b", "x", Measured(1, math.nan, math.nan, 3)),
    ]
    other = [Result("a set", "stance macro-F1", Measured(0.5, 0.4, 0.6, 40))]
    header, first, second = compare_columns({"made": tagger, "TF-IDF": other})
    assert header.split() == ["set", "measure", "n", "made", "TF-IDF"]
    assert " ".join(first.split()) == "a set stance macro-F1 40 0.800 [0.750, 0.850] 0.500 [0.400, 0.600]"
    assert second.split() == ["b", "x", "3", "1.000", "-"]
    assert header.index("TF-IDF") == first.index("0.500") == second.index("-")


# --- floors ---


def result(value, name="ruw", measure="stance macro-F1"):
    return Result(name, measure, Measured(value, value, value, 10))


def write_changelog(path, *lines):
    path.write_text("\n".join(["# Changelog", "", "## [0.2.0]", "", *lines, "", "## [0.1.0]", "", OLD, ""]))
    return path


OLD = "- Floor lowered: stance macro-F1 (ruw): of the version before."


def test_floors_rise_and_ceilings_fall(tmp_path):
    path, changelog = tmp_path / "floors.json", tmp_path / "CHANGELOG.md"
    first = [result(0.7), result(0.05, measure="stance ECE"), result(0.5, measure="stance coverage")]
    assert len(pin_floors(first, path, False, changelog)) == 2
    assert json.loads(path.read_text()) == {"ruw": {"stance macro-F1": 0.69, "stance ECE": 0.06}}
    assert pin_floors([result(0.695), result(0.055, measure="stance ECE")], path, False, changelog) == []
    better = [result(0.7305), result(0.02, measure="stance ECE")]
    assert pin_floors(better, path, False, changelog) == [
        "ruw: stance macro-F1 0.69 -> 0.72",
        "ruw: stance ECE 0.06 -> 0.03",
    ]
    assert check_floors(better, path) == []
    worse = [result(0.71), result(0.04, measure="stance ECE")]
    under, over = check_floors(worse, path)
    assert under == "ruw: stance macro-F1 0.7100 is under its floor 0.72"
    assert over == "ruw: stance ECE 0.0400 is over its floor 0.03"


@pytest.mark.parametrize(
    ("allow", "lines", "message"),
    [
        (False, ["- Floor lowered: stance macro-F1 (ruw): too sure before."], "--allow-regression"),
        (True, [], "Floor lowered: stance macro-F1"),
        (True, ["- Floor lowered: stance macro-F1 (vast): another set."], "Floor lowered"),
        (True, ["- Floor lowered: stance ECE (ruw): another measure."], "Floor lowered"),
        (True, ["- Floor lowered: stance macro-F1 (ruw):"], "Floor lowered"),
        (True, ["- The floor of stance macro-F1 (ruw) is lower."], "Floor lowered"),
    ],
)
def test_a_floor_is_not_lowered_without_leave_and_reason(tmp_path, allow, lines, message):
    path, changelog = tmp_path / "floors.json", write_changelog(tmp_path / "CHANGELOG.md", *lines)
    path.write_text('{"ruw": {"stance macro-F1": 0.7}}')
    with pytest.raises(StanceError, match=message):
        pin_floors([result(0.9, name="vast"), result(0.6)], path, allow, changelog)
    assert path.read_text() == '{"ruw": {"stance macro-F1": 0.7}}'


def test_a_floor_is_lowered_with_leave_and_reason(tmp_path):
    path = tmp_path / "floors.json"
    path.write_text('{"ruw": {"stance macro-F1": 0.7}}')
    changelog = write_changelog(
        tmp_path / "CHANGELOG.md",
        "### Changed",
        "",
        "- Floor lowered: stance macro-F1",
        "  (ruw): the set was mended.",
        "- x",
    )
    assert pin_floors([result(0.6)], path, True, changelog) == ["ruw: stance macro-F1 0.7 -> 0.59"]
    with pytest.raises(StanceError, match="changelog cannot be read"):
        pin_floors([result(0.1)], path, True, tmp_path / "none")


def test_a_broken_file_of_floors_is_named(tmp_path):
    path = tmp_path / "floors.json"
    for content in ("{", "[1]", '{"ruw": {"stance macro-F1": "x"}}'):
        path.write_text(content)
        with pytest.raises(StanceError, match=r"floors\.json: no file of floors"):
            check_floors([], path)


def test_examples_are_what_the_readers_give():
    """What the made rows say is what a tagger is asked about."""
    from stance.examples import read_conflict

    (example, *_) = read_conflict(rows_of("x"))
    assert example == Example(make_text(0)[0], (("Armenia", 0), ("Azerbaijan", 0)), (0,) * 5, 2, 0)
