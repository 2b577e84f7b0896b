"""The shipped tagger stays as good as it was: the part of the measures that needs no data sets.

The rest of floors.json is checked by `stance evaluate --suite DIR --floors tests/floors.json`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stance.cli.measure import GOLD, SEED
from stance.measure.evaluate import evaluate_thread, measure_stance, predict_each
from stance.measure.floors import check_floors, holds, read_floors
from stance.measure.selftest import run_selftest, summarise
from stance.measure.sets import read_dev
from stance.tagger import SHIPPED, load_tagger, models_folder
from stance.thread import read_thread
from stance.topic import load_topic

ROOT = Path(__file__).parent.parent
FLOORS = ROOT / "tests" / "floors.json"
LEAST_OF_THE_SELF_TEST = 0.69  # share of its cases that pass

pytestmark = pytest.mark.skipif(not (models_folder() / SHIPPED).is_dir(), reason="the shipped tagger is not there yet")


@pytest.fixture(scope="module")
def tagger():
    return load_tagger()


def test_the_seed_thread_is_over_its_floors(tagger):
    results = list(evaluate_thread(tagger, read_thread(ROOT / SEED), load_topic("karabakh-2020"), ROOT / GOLD))
    floors = json.loads(FLOORS.read_text())["karabakh-2020"]
    assert set(floors) <= {result.measure for result in results}
    assert check_floors(results, FLOORS) == []


def test_the_tweets_for_development_are_over_their_floor(tagger):
    data = ROOT.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the data sets are not beside the checkout")
    examples = read_dev(data, "tweets_dev")
    result = measure_stance(examples, predict_each(tagger, examples)[0], "tweets_dev")
    assert result.measure in read_floors(FLOORS)["tweets_dev"]
    assert check_floors([result], FLOORS) == []


def test_the_self_test_is_over_its_floor(tagger):
    score = summarise(run_selftest(tagger))[0]
    assert score.passed / score.n >= LEAST_OF_THE_SELF_TEST


def test_every_floor_holds_for_a_figure_of_the_card(tagger):
    for name, measures in read_floors(FLOORS).items():
        if name != "karabakh-2020":
            for measure, floor in measures.items():
                assert holds(measure, tagger.errors[name][measure]["value"], floor), (name, measure)


def test_what_a_side_gets_does_not_depend_on_the_others(tagger):
    tagger.bf16 = False
    texts = [post.own_words for post in read_thread(ROOT / SEED).posts]
    all_three = tagger.predict(texts, ["Armenia", "Azerbaijan", "Russia"]).stance
    alone = tagger.predict(texts, ["Russia"]).stance
    reordered = tagger.predict(texts, ["Turkey", "Russia", "Azerbaijan", "Armenia", "the press"]).stance
    assert abs(all_three[:, 2] - alone[:, 0]).max() < 1e-5
    assert abs(all_three - reordered[:, [3, 2, 1]]).max() < 1e-5
