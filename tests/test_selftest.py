"""The self-test: no constant answer gets through its cases, and every kind of expectation can pass and can fail."""

import json
from collections import Counter

import numpy as np
import pytest

from stance.estimate import wilson_interval
from stance.measure.selftest import CASES, load_cases, plan_batches, read_case, run_selftest, summarise
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import Predictions, Thresholds

SHIPPED = load_cases()


class Fake:
    """A tagger that answers by rule; a rule gives a label, a probability row, or None for "not judged"."""

    name, sha256, errors = "fake", "", {}
    languages = ()
    thresholds = Thresholds(stance=0.5, sentiment=0.5, toxicity=(0.5, 0.5, 0.2, 0.5, 0.5), mention=0.7)

    def __init__(self, stance=None, toxicity=None, sentiment=None, mention=None):
        self.stance = stance or (lambda text, side: "none")
        self.toxicity = toxicity or (lambda text: [0.0] * len(TOXICITY))
        self.sentiment = sentiment or (lambda text: "neutral")
        self.mention = mention
        self.calls = []

    def predict(self, texts, sides, advance=None):
        self.calls.append((tuple(texts), tuple(sides)))
        stance = [[make_row(STANCES, self.stance(text, side)) for side in sides] for text in texts]
        return Predictions(
            np.array(stance, float).reshape(len(texts), len(sides), len(STANCES)),
            np.array([self.toxicity(text) for text in texts], float),
            np.array([make_row(SENTIMENTS, self.sentiment(text)) for text in texts]),
            None if self.mention is None else np.array([self.mention(text) for text in texts], float),
        )


def make_row(labels, answer):
    """Probabilities with the answer likeliest; "unsure" leaves all under the threshold, None is not judged."""
    if answer is None:
        return [np.nan] * len(labels)
    if answer == "unsure":
        return [0.4, 0.3, 0.3]
    return [0.8 if label == answer else 0.1 for label in labels]


def run_one(row, **rules):
    """The result of a single case, given as its JSON object without the family."""
    (result,) = run_selftest(Fake(**rules), cases=[read_case({"family": "made up", **row}, 1)])
    return result


def test_the_shipped_cases_are_many_and_differ():
    families = Counter(case.family for case in SHIPPED)
    texts = Counter(text for case in SHIPPED for text in (case.text, case.twin) if text is not None)
    assert len(SHIPPED) >= 440
    assert len(families) >= 22
    assert min(families.values()) >= 8, families.most_common()[-1]
    assert [text for text, count in texts.items() if count > 1] == []
    assert all(len(case.text.split()) >= 150 for case in SHIPPED if case.family == "very long")


def test_the_shipped_labels_are_balanced_and_half_the_sides_are_of_karabakh():
    asked = [(subject, accepted) for case in SHIPPED for subject, accepted in case.expected if "toward" in subject]
    labels = Counter(accepted for _, accepted in asked if len(accepted) == 1)
    karabakh = sum(subject in ("toward Armenia", "toward Azerbaijan", "toward Russia") for subject, _ in asked)
    assert min(labels[(label,)] for label in STANCES) >= 150
    assert 0.5 < karabakh / len(asked) < 0.9


@pytest.mark.parametrize("label", STANCES)
def test_a_constant_stance_fails_most_cases(label):
    asking = [case for case in SHIPPED if case.sides]
    results = run_selftest(Fake(stance=lambda text, side: label), cases=asking)
    failed = [result for result in results if any("toward" in subject for subject, _, _ in result.misses)]
    assert len(failed) > len(asking) / 2


@pytest.mark.parametrize("subject", ["toxicity", "insult", "threat", "obscene", "mention"])
def test_a_constant_flag_fails_cases(subject):
    flags = Counter(accepted for case in SHIPPED for name, accepted in case.expected if name == subject)
    assert min(flags[(True,)], flags[(False,)]) >= 5


@pytest.mark.parametrize("label", STANCES)
def test_a_constant_stance_passes_no_family_but_those_without_stances(label):
    scores = summarise(run_selftest(Fake(stance=lambda text, side: label, mention=lambda text: 0.0)))
    stanceless = {"keywords without a stance", "off topic", "other languages"} if label == "none" else set()
    assert {score.name for score in scores if score.passed == score.n} <= stanceless


@pytest.mark.parametrize(
    ("row", "right", "wrong"),
    [
        (
            {"text": "a b", "stance": {"North": "favor", "South": ["against", None]}},
            {"stance": lambda text, side: "favor" if side == "North" else "unsure"},
            {"stance": lambda text, side: "favor"},
        ),
        (
            {"text": "a b", "stance": {"North": "none"}},
            {"stance": lambda text, side: "none"},
            {"stance": lambda text, side: "unsure"},
        ),
        (
            {"text": " ", "stance": {"North": [None]}},
            {"stance": lambda text, side: "favor"},  # a text without words abstains
            None,
        ),
        (
            {"text": "a b", "toxic": True},
            {"toxicity": lambda text: [0.5, 0, 0, 0, 0]},
            {"toxicity": lambda text: [0.49, 1, 1, 1, 1]},
        ),
        (
            {"text": "a b", "toxic": False},
            {"toxicity": lambda text: [0.49, 1, 1, 1, 1]},
            {"toxicity": lambda text: [0.5, 0, 0, 0, 0]},
        ),
        (
            {"text": "a b", "attributes": {"threat": True, "insult": False}},
            {"toxicity": lambda text: [0, 0, 0.2, 0, 0]},
            {"toxicity": lambda text: [0, 0.5, 0.2, 0, 0]},
        ),
        ({"text": " ", "toxic": False}, {"toxicity": lambda text: [1.0] * 5}, None),
        ({"text": "a b", "mention": True}, {"mention": lambda text: 0.7}, {"mention": lambda text: 0.69}),
        ({"text": "a b", "mention": False}, {"mention": lambda text: 0.69}, {"mention": lambda text: 0.7}),
        (
            {"text": "a b", "sentiment": "negative"},
            {"sentiment": lambda text: "negative"},
            {"sentiment": lambda text: "unsure"},
        ),
        (
            {"text": "a b", "sentiment": ["positive", None]},
            {"sentiment": lambda text: "unsure"},
            {"sentiment": lambda text: "neutral"},
        ),
        (
            {"text": "a b", "same_as": "b a", "sides": ["North"]},
            {"stance": lambda text, side: "against"},
            {"stance": lambda text, side: "against" if text == "a b" else "unsure"},
        ),
        (
            {"text": "a b", "stance": {"North": ["favor", "against"]}, "same_as": "b a"},
            {"stance": lambda text, side: "favor"},
            {"stance": lambda text, side: "favor" if text == "a b" else "against"},
        ),
        (
            {"text": "a b", "mirror": {"text": "b a", "sides": ["North", "South"]}},
            {"stance": lambda text, side: "favor" if (text == "a b") == (side == "North") else "against"},
            {"stance": lambda text, side: "favor" if side == "North" else "against"},
        ),
        (
            {"text": "a b", "mirror": {"text": "b a", "sides": ["North", "South"]}},
            {"stance": lambda text, side: "none"},
            {"stance": lambda text, side: "favor" if text == "b a" and side == "North" else "none"},
        ),
    ],
)
def test_expectations_pass_and_fail(row, right, wrong):
    assert run_one(row, **right).passed is True
    if wrong is not None:
        result = run_one(row, **wrong)
        assert result.passed is False
        assert result.misses


def test_a_miss_says_what_was_expected_and_what_came():
    row = {"text": "a b", "stance": {"North": ["favor", None]}, "same_as": "b a", "toxic": False}
    result = run_one(row, stance=lambda text, side: "against" if text == "a b" else "unsure")
    assert result.misses == (
        ("toward North", ("favor", None), "against"),
        ("toward North as in the second text", (None,), "against"),
    )
    assert result.skipped == ()


@pytest.mark.parametrize(
    ("row", "rules"),
    [
        ({"mention": True}, {}),
        ({"mention": True}, {"mention": lambda text: np.nan}),
        ({"stance": {"North": "favor"}}, {"stance": lambda text, side: None}),
        ({"same_as": "b a", "sides": ["North"]}, {"stance": lambda text, side: None}),
        ({"same_as": "b a", "sides": ["North"]}, {"stance": lambda text, side: None if text == "b a" else "favor"}),
        ({"toxic": True}, {"toxicity": lambda text: [np.nan] * 5}),
        ({"attributes": {"threat": True}}, {"toxicity": lambda text: [0.9, 0.9, np.nan, 0.9, 0.9]}),
        ({"sentiment": "positive"}, {"sentiment": lambda text: None}),
    ],
)
def test_what_a_tagger_does_not_judge_is_skipped(row, rules):
    result = run_one({"text": "a b", **row}, **rules)
    assert result.passed is None
    assert len(result.skipped) == 1


def test_a_case_judged_in_part_goes_by_that_part():
    row = {"text": "a b", "mention": True, "stance": {"North": "favor"}, "sentiment": "neutral"}
    passed = run_one(row, stance=lambda text, side: "favor")
    failed = run_one(row, stance=lambda text, side: "against")
    assert (passed.passed, passed.skipped) == (True, ("mention",))
    assert (failed.passed, failed.skipped) == (False, ("mention",))


def test_one_call_a_set_of_sides():
    tagger, heard = Fake(), []
    results = run_selftest(tagger, heard.append)
    assert [result.case for result in results] == list(SHIPPED)
    assert Counter(sides for _, sides in tagger.calls).most_common(1)[0][1] == 1
    assert all(len(set(texts)) == len(texts) and sides == tuple(sorted(sides)) for texts, sides in tagger.calls)
    assert heard == sorted(heard)
    assert heard[-1] == sum(map(len, plan_batches(SHIPPED).values()))


def test_a_case_without_sides_is_asked_with_one():
    tagger = Fake()
    run_selftest(tagger, cases=[read_case({"family": "made up", "text": "a b", "toxic": False}, 1)])
    assert [len(sides) for _, sides in tagger.calls] == [1]


def test_summary_counts_by_family():
    rows = [
        {"family": "one", "text": "a", "stance": {"North": "none"}},
        {"family": "two", "text": "b", "mention": True},
        {"family": "one", "text": "c", "stance": {"North": "favor"}},
        {"family": "one", "text": "d", "mention": False},
    ]
    scores = summarise(run_selftest(Fake(), cases=[read_case(row, line) for line, row in enumerate(rows, start=1)]))
    assert [(score.name, score.passed, score.n, score.skipped) for score in scores] == [
        ("all", 1, 2, 2),
        ("one", 1, 2, 1),
        ("two", 0, 0, 1),
    ]
    assert (scores[0].low, scores[0].high) == wilson_interval(1, 2)
    assert (scores[2].low, scores[2].high) == (0.0, 1.0)


def test_a_real_tagger_runs(tiny_tagger):
    cases = SHIPPED[:6] + tuple(case for case in SHIPPED if case.family == "use and mention")[:2]
    results = run_selftest(tiny_tagger, cases=cases)
    assert all(result.passed is not None and result.skipped == () for result in results)


GOOD = {"family": "made up", "text": "a b", "toxic": True}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "[" * 100_000,
        json.dumps({"family": "made up", "text": "a b"}),
        json.dumps({"text": "a b", "toxic": True}),
        json.dumps({"family": "made up", "text": None, "toxic": True}),
        json.dumps({**GOOD, "toxicity": True}),
        json.dumps({**GOOD, "toxic": 1}),
        json.dumps({**GOOD, "mention": "yes"}),
        json.dumps({**GOOD, "stance": ["North"]}),
        json.dumps({**GOOD, "stance": {"North": "pro"}}),
        json.dumps({**GOOD, "stance": {"North": []}}),
        json.dumps({**GOOD, "attributes": {"rude": True}}),
        json.dumps({**GOOD, "attributes": {"threat": None}}),
        json.dumps({**GOOD, "attributes": "threat"}),
        json.dumps({**GOOD, "sentiment": "favor"}),
        json.dumps({**GOOD, "same_as": "b a"}),
        json.dumps({**GOOD, "same_as": 1, "sides": ["North"]}),
        json.dumps({**GOOD, "same_as": "b a", "sides": [1]}),
        json.dumps({**GOOD, "mirror": "b a"}),
        json.dumps({**GOOD, "mirror": {}}),
        json.dumps({**GOOD, "mirror": {"text": "b a", "sides": ["North"]}}),
        json.dumps({**GOOD, "mirror": {"text": "b a", "sides": ["N", "S"]}, "same_as": "b", "sides": ["N"]}),
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "cases.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(StanceError, match=r"cases\.jsonl:3: .*mend the line") as caught:
        load_cases(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"\n"])
def test_a_file_without_cases_is_named(tmp_path, content):
    path = tmp_path / "cases.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StanceError, match=r"cases\.jsonl: .*restore the file"):
        load_cases(path)


def test_the_lines_are_those_of_the_file():
    lines = CASES.read_text(encoding="utf-8").split("\n")
    assert all(json.loads(lines[case.line - 1])["text"] == case.text for case in SHIPPED)
