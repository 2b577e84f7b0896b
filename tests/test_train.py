"""Training on a few made rows: it learns, goes on where it was cut off, and refuses what it cannot use."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger.network import Logits, Network
from stance.tagger.shipped import load_folder
from stance.train import RECIPE, calibrate, fit, plain_settings, ship, teach
from stance.train.calibrate import fit_softmax
from stance.train.evaluate import check_floors, evaluate_sets
from stance.train.fit import Recipe, Stage, batch_loss, learning_factor, load_recipe
from stance.train.mix import READERS, Example, augment, read_set, swap_nations

TWEETS = "stance/karabakh_tweets_unlabelled"
SOUND = """name='x'
seed=1
tokens_per_batch=9
cut=9
average=0.9
[[stage]]
name='a'
epochs=1
learning_rate=1e-4
head_learning_rate=1e-3
passes={}
"""
WORDS = {"favor": "great", "against": "bad", "none": "seen"}


def write_set(data, name, rows):
    path = data / f"{name}.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def conflict_rows(count):
    chance = random.Random(3)
    rows = []
    for number in range(count):
        label = chance.choice(STANCES)
        rows.append(
            {
                "text": f"the army is {WORDS[label]} {'#tag' if number % 2 else ''} he said",
                "stance": {"Armenia": label, "Azerbaijan": "against" if label == "favor" else "none"},
                "toxicity": ["toxicity"] if label == "against" else [],
                "sentiment": SENTIMENTS[1 if label == "none" else STANCES.index(label) * -2 % 3],
            }
        )
    return rows


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for name in ("tweets_train", "tweets_dev", "authored_dev", "forum_dev"):
        write_set(folder, f"conflict/{name}", conflict_rows(60))
    write_set(
        folder,
        "toxicity/jigsaw_test_toxic",
        [{"text": text, "labels": {"toxic": n % 2}} for n, text in enumerate(["he said", "bad"] * 4)],
    )
    write_set(
        folder,
        "sentiment/tweeteval_sentiment_valtest",
        [{"text": "great", "label": label, "split": "test"} for label in SENTIMENTS],
    )
    return folder


def make_recipe(epochs=2):
    stage = Stage("only", epochs, 3e-3, 3e-3, {"conflict/tweets_train": 1.5}, swap=0.3)
    return Recipe("tiny", seed=5, tokens_per_batch=200, cut=16, average=0.9, stages=(stage,))


def make_taught_recipe():
    taught = Stage("taught", 1, 1e-3, 1e-3, {"conflict/tweets_train": 1}, 0.0, {TWEETS: 1}, "conflict/tweets_train")
    blend = {"only": 0.25, "taught": 0.75}
    return replace(make_recipe(3), stages=(*make_recipe(3).stages, taught), blend=blend)


def write_unlabelled(data, texts):
    for name in ("authored_train", "forum_train"):
        write_set(data, f"conflict/{name}", conflict_rows(1))
    write_set(data, TWEETS, [{"text": text} for text in texts])


def start(tiny_tagger):
    torch.manual_seed(0)
    return Network(tiny_tagger.settings.shape), tiny_tagger.tokenizer


def weights(network):
    return torch.cat([value.flatten() for value in network.state_dict().values()])


def test_a_run_that_was_cut_off_ends_with_the_same_weights(data, tmp_path, tiny_tagger, monkeypatch):
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", -1)  # a checkpoint after every step
    recipe = make_recipe()
    whole = fit.fit(recipe, data, tmp_path / "whole", start(tiny_tagger), lambda _: {})

    def cut(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.fit(recipe, data, tmp_path / "cut", start(tiny_tagger), cut)
    resumed = fit.fit(recipe, data, tmp_path / "cut", start(tiny_tagger), lambda _: {})
    log = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in log if "event" in line] == ["start", "go on"]
    assert next(line["step"] for line in log if line.get("event") == "go on") > 0
    assert torch.equal(weights(whole), weights(resumed))


def test_a_run_cut_off_in_the_taught_stage_has_the_same_teacher(data, tmp_path, tiny_tagger, monkeypatch):
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", -1)
    write_unlabelled(data, [f"their people number {n} {WORDS[STANCES[n % 3]]} he said" for n in range(30)])
    recipe = make_taught_recipe()
    whole = fit.fit(recipe, data, tmp_path / "whole", start(tiny_tagger), lambda _: {})
    calls = []

    def cut_in_the_last_epoch(_):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        fit.fit(recipe, data, tmp_path / "cut", start(tiny_tagger), cut_in_the_last_epoch)
    resumed = fit.fit(recipe, data, tmp_path / "cut", start(tiny_tagger), lambda _: {})
    assert torch.equal(weights(whole), weights(resumed))
    ends = {name: load_file(tmp_path / "whole" / f"{name}.safetensors") for name in ("only", "taught")}
    name = "layers.0.expand.weight"
    assert torch.allclose(whole.state_dict()[name], 0.25 * ends["only"][name] + 0.75 * ends["taught"][name])


def test_texts_of_the_labelled_sets_are_not_among_the_unlabelled(data):
    rows = conflict_rows(60)
    rows[5]["text"] = "a text of the set for development that is long enough to be known by how it starts, and ends so"
    write_set(data, "conflict/tweets_dev", rows)
    copy = rows[5]["text"][:80].upper() + " https://t.co/x"
    write_unlabelled(data, ["nobody labelled this one", copy, "nor that one"])
    assert [example.text for example in read_set(data, TWEETS)] == ["nobody labelled this one", "nor that one"]


def test_the_model_of_words_teaches_what_its_examples_say(data, tiny_tagger, monkeypatch):
    monkeypatch.setattr(teach, "SURE", 0.5)
    examples = read_set(data, "conflict/tweets_train")
    texts = ["it is great he said", "it is bad he said"]
    made = teach.label_texts(tiny_tagger.network, tiny_tagger.tokenizer, texts, examples, 16)
    assert [(example.text, dict(example.sides)["Armenia"]) for example in made] == [(texts[0], 0), (texts[1], 1)]
    monkeypatch.setattr(teach, "SURE", 1.1)
    assert teach.label_texts(tiny_tagger.network, tiny_tagger.tokenizer, texts, examples, 16) == []


def test_another_recipe_does_not_go_on_with_the_checkpoint(data, tmp_path, tiny_tagger):
    fit.fit(make_recipe(1), data, tmp_path / "run", start(tiny_tagger), lambda _: {})
    with pytest.raises(StanceError, match=r"checkpoint\.safetensors: of another recipe"):
        fit.fit(make_recipe(2), data, tmp_path / "run", start(tiny_tagger), lambda _: {})


def test_training_learns_and_what_is_shipped_loads(data, tmp_path, tiny_tagger):
    recipe = make_recipe(12)
    network, tokenizer = start(tiny_tagger)
    trained = fit.fit(recipe, data, tmp_path / "run", (network, tokenizer), lambda _: {})
    examples = read_set(data, "conflict/tweets_train")
    settings = calibrate(plain_settings(recipe, trained), trained, tokenizer, examples)
    folder = ship(settings, trained, tokenizer, recipe, data, tmp_path / "model")
    tagger = load_folder(folder)
    found = tagger.errors["tweets_dev"]["stance macro-F1"]
    assert found["value"] > 0.8
    assert found["low"] <= found["value"] <= found["high"]
    assert found["n"] == 60
    card = (folder / "README.md").read_text()
    assert "| tweets_dev | stance macro-F1 |" in card
    assert "| conflict/tweets_train | 1.5 | labelled for this project |" in card
    again = {(r.name, r.measure): r.measured.value for r in evaluate_sets(tagger, data)}
    assert again["tweets_dev", "stance macro-F1"] == pytest.approx(found["value"], abs=1e-4)


def test_what_a_set_does_not_know_adds_no_loss():
    logits = Logits(torch.randn(2, 1, 3), torch.randn(2, 5), torch.randn(2, 3))
    unknown = [Example("a"), Example("b")]
    assert batch_loss(logits, unknown) == 0
    known = [Example("a", toxicity=(None, 1, None, None, None)), Example("b")]
    expected = -0.5 * torch.nn.functional.logsigmoid(logits.toxicity[0, 1]) / 2
    assert batch_loss(logits, known).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_learning_rate_rises_and_ends_at_zero():
    factors = [learning_factor(step, 100) for step in range(100)]
    assert max(factors) == 1
    assert factors.index(1) == 9
    assert factors[-1] < 0.02


def test_every_set_of_the_shipped_recipe_has_a_reader_and_none_is_a_test():
    recipe = load_recipe(RECIPE)
    names = {name for stage in recipe.stages for name in (*stage.passes, *stage.unlabelled)}
    assert names <= set(READERS)
    assert not [name for name in names if "test" in name or "dev" in name]


def test_readers_leave_out_dev_and_test_rows(data):
    rows = [
        {"split": split, "text": split, "target": "T", "label": "favor"} for split in ("train", "dev", "test", "all")
    ]
    for name in ("stance/vast", "stance/ruw", "stance/mt_csd", "stance/pstance", "stance/newsmtsc"):
        write_set(data, name, rows)
        assert [example.text for example in read_set(data, name)] == ["train"]


def test_nations_are_swapped_with_their_labels():
    example = Example("Armenians left SHUSHI; Azeri army (Baku).", (("Armenia", 0), ("Azerbaijan", 1), ("Russia", 2)))
    swapped = swap_nations(example)
    assert swapped.text == "Azerbaijanis left Shusha; Armenian army (Yerevan)."
    assert swapped.sides == (("Azerbaijan", 0), ("Armenia", 1), ("Russia", 2))


def test_hashtags_go_half_of_the_time_and_labels_never():
    chance = random.Random(1)
    example = Example("we are here to stay #artsakh", (("Armenia", 0),))
    texts = [augment(example, 0, chance) for _ in range(200)]
    assert all(label == 0 and name.startswith("Armenia") for made in texts for name, label in made.sides)
    assert 60 < sum("#" in made.text for made in texts) < 140


def test_calibration_finds_the_temperature_that_was_put_in():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(4000, 3, generator=generator) * 2
    truth = torch.multinomial(torch.softmax(logits, -1), 1, generator=generator)[:, 0]
    found = fit_softmax((logits * 3).numpy(), truth.tolist())
    assert found.temperature[0] == pytest.approx(3, rel=0.1)
    assert found.bias == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'x'\n", "recipe.toml: 'stage'"),
        ("not toml", "not a recipe"),
        (SOUND.replace("[[", "blend={a=1,b=1}\n[["), r"\['b'\]"),
        (SOUND + SOUND[SOUND.index("[[") :], "given twice"),
        ("name='x'\nseed=1\ntokens_per_batch=1\ncut=1\naverage=0.9\nsize=3\nstage=[]\n", "size"),
    ],
)
def test_a_broken_recipe_is_named(tmp_path, text, message):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(StanceError, match=message):
        load_recipe(path)


def test_a_recipe_of_unknown_or_missing_sets_is_named(data):
    with pytest.raises(StanceError, match="unknown set 'stance/nothing'"):
        read_set(data, "stance/nothing")
    with pytest.raises(StanceError, match=r"ruw\.jsonl\.gz: cannot be read"):
        read_set(data, "stance/ruw")
    write_set(data, "stance/ruw", [{"split": "test", "text": "x", "target": "y", "label": "none"}])
    with pytest.raises(StanceError, match="no training rows"):
        read_set(data, "stance/ruw")


def test_a_measure_under_its_floor_is_named(data, tmp_path, tiny_tagger):
    results = list(evaluate_sets(tiny_tagger, data))
    path = tmp_path / "floors.json"
    path.write_text(json.dumps({"tweets_dev": {"stance macro-F1": 0.99}, "not measured": {"x": 1}}))
    (line,) = check_floors(results, path)
    assert line.startswith("tweets_dev: stance macro-F1 0.")
    path.write_text(json.dumps({"tweets_dev": {"stance macro-F1": 0.0}}))
    assert check_floors(results, path) == []


def test_attributes_stand_in_the_order_of_the_records(data):
    write_set(
        data,
        "toxicity/jigsaw_multilabel",
        [
            {
                "split": "train",
                "text": "x",
                "labels": {"toxic": 1, "severe_toxic": 1, "obscene": 0, "threat": 1, "insult": 0, "identity_hate": 0},
            }
        ],
    )
    (example,) = read_set(data, "toxicity/jigsaw_multilabel")
    assert dict(zip(TOXICITY, example.toxicity, strict=True))["threat"] == 1
    assert sum(value or 0 for value in example.toxicity) == 2
