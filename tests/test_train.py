"""Training on a few made rows: it learns, goes on where it was cut off, and refuses what it cannot use."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from stance.examples import READERS, TEXTS_OF, Example, join_characters, read_set
from stance.nations import NATIONS
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger.network import Logits, Network
from stance.tagger.shipped import load_folder, save_folder
from stance.train import RECIPE, calibrate, fit, plain_settings, read_others
from stance.train.calibrate import fit_softmax
from stance.train.card import describe_folder
from stance.train.fit import learning_factor
from stance.train.loss import batch_loss
from stance.train.mix import Drawn, Mixer, cap_targets, leave_out_sides, mark_tokens, swap_sides, vary
from stance.train.recipe import Recipe, Stage, load_recipe

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


def make_two_stages():
    """Hidden words first, then labels; both ends are blended."""
    guess = Stage("guess", 1, 1e-3, 1e-3, {TWEETS: 1}, masked=True)
    return replace(make_recipe(2), stages=(guess, *make_recipe(2).stages), blend={"guess": 0.25, "only": 0.75})


def write_texts(data, texts):
    write_set(data, TWEETS, [{"id": f"kbtw-{n}", "text": text} for n, text in enumerate(texts)])


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


def test_a_run_cut_off_in_its_second_stage_ends_with_the_same_weights(data, tmp_path, tiny_tagger, monkeypatch):
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", -1)
    write_texts(data, [f"their people number {n} {WORDS[STANCES[n % 3]]} he said" for n in range(30)])
    recipe = make_two_stages()
    whole = fit.fit(recipe, data, tmp_path / "whole", start(tiny_tagger), lambda _: {})
    calls = []

    def cut_in_the_last_epoch(_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {}

    with pytest.raises(KeyboardInterrupt):
        fit.fit(recipe, data, tmp_path / "cut", start(tiny_tagger), cut_in_the_last_epoch)
    resumed = fit.fit(recipe, data, tmp_path / "cut", start(tiny_tagger), lambda _: {})
    assert torch.equal(weights(whole), weights(resumed))
    ends = {name: load_file(tmp_path / "whole" / f"{name}.safetensors") for name in ("guess", "only")}
    name = "layers.0.expand.weight"
    assert torch.allclose(whole.state_dict()[name], 0.25 * ends["guess"][name] + 0.75 * ends["only"][name])


def test_a_stage_may_start_from_an_earlier_ones_end(data, tmp_path, tiny_tagger):
    write_texts(data, [f"their people number {n} {WORDS[STANCES[n % 3]]} he said" for n in range(30)])
    recipe = make_two_stages()
    again = replace(recipe.stages[1], name="again", epochs=1, learning_rate=0, head_learning_rate=0, start="guess")
    fit.fit(replace(recipe, stages=(*recipe.stages, again)), data, tmp_path, start(tiny_tagger), lambda _: {})
    ends = {name: load_file(tmp_path / f"{name}.safetensors") for name in ("guess", "only", "again")}
    assert all(torch.equal(ends["again"][name], value) for name, value in ends["guess"].items())
    assert not all(torch.equal(ends["again"][name], value) for name, value in ends["only"].items())


def test_guessing_hidden_words_gets_better(data, tmp_path, tiny_tagger, monkeypatch):
    monkeypatch.setattr(fit, "LOG_STEPS", 1)
    monkeypatch.setattr("stance.train.loss.ORDINARY", 104)
    write_texts(data, ["the army is not right and the people are not wrong"] * 40)
    stage = Stage("guess", 8, 5e-3, 5e-3, {TWEETS: 1}, masked=True)
    fit.fit(replace(make_recipe(), stages=(stage,)), data, tmp_path / "run", start(tiny_tagger), lambda _: {})
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in log if "loss" in line]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_out_of_memory_halves_the_batch_and_changes_nothing(data, tmp_path, tiny_tagger, monkeypatch):
    recipe = make_recipe(1)

    def gradients(run):
        recipe = replace(make_recipe(1), tokens_per_batch=600)
        (batch, *_) = Mixer(recipe, data, tiny_tagger.tokenizer).epoch(recipe.stages[0], 0)
        assert len(batch) > 4
        run.network.eval()  # without dropout
        return run.add_gradients(batch, 1.0), run.network.layers[0].expand.weight.grad.clone()

    network, _ = start(tiny_tagger)
    whole = gradients(fit.Run(recipe, tmp_path, network))

    class Small(fit.Run):
        def measure_loss(self, batch):
            if len(batch) > 3:
                raise torch.OutOfMemoryError
            return super().measure_loss(batch)

    network, _ = start(tiny_tagger)
    halved = gradients(Small(recipe, tmp_path, network))
    assert halved[0] == pytest.approx(whole[0], rel=1e-2)
    assert torch.allclose(halved[1], whole[1], atol=1e-3, rtol=0.05)
    monkeypatch.setattr(fit.Run, "measure_loss", lambda *_: (_ for _ in ()).throw(torch.OutOfMemoryError))
    with pytest.raises(StanceError, match="out of memory at one text"):
        gradients(fit.Run(recipe, tmp_path, start(tiny_tagger)[0]))


def test_texts_of_the_sets_for_development_are_not_among_the_others(data):
    rows = conflict_rows(60)
    rows[5]["text"] = "a text of the set for development that is long enough to be known by how it starts, and ends so"
    write_set(data, "conflict/tweets_dev", rows)
    copy = rows[5]["text"][:80].upper() + " https://t.co/x"
    write_texts(data, ["nobody labelled this one", copy, "nor that one"])
    assert [example.text for example in read_set(data, TWEETS)] == ["nobody labelled this one", "nor that one"]


def test_labels_of_our_own_find_the_texts_of_others(data):
    from stance.examples import read_rows

    name = "own/tweet_labels"
    labels = list(read_rows(data, name))
    assert not any("text" in row for row in labels)
    texts = [f"a made tweet, number {number}" for number in range(2)]
    rows = [{"id": row["id"], "text": text} for row, text in zip(labels[5:7], texts, strict=True)]
    write_set(data, TEXTS_OF[name], [*rows, {"id": "another", "text": "x"}])
    found = read_set(data, name)
    assert [example.text for example in found] == texts
    assert [STANCES[label] for _, label in found[0].sides] == list(labels[5]["stance"].values())


def test_another_recipe_does_not_go_on_with_the_checkpoint(data, tmp_path, tiny_tagger):
    fit.fit(make_recipe(1), data, tmp_path / "run", start(tiny_tagger), lambda _: {})
    with pytest.raises(StanceError, match=r"checkpoint\.safetensors: of another recipe"):
        fit.fit(make_recipe(2), data, tmp_path / "run", start(tiny_tagger), lambda _: {})


def test_training_learns_and_what_is_shipped_loads(data, tmp_path, tiny_tagger):
    recipe = make_recipe(12)
    network, tokenizer = start(tiny_tagger)
    trained = fit.fit(recipe, data, tmp_path / "run", (network, tokenizer), lambda _: {})
    examples = read_set(data, "conflict/tweets_train")
    spans = [Example("bad army", spans=((0, 3),)), Example("great army", spans=())]
    settings = calibrate(plain_settings(recipe, trained), trained, tokenizer, examples, spans)
    folder = tmp_path / "model"
    save_folder(folder, settings, trained, tokenizer)
    left_out = []
    describe_folder(folder, recipe, data, lambda line: left_out.append(str(line)))
    assert any("ruw.jsonl.gz" in line for line in left_out)
    tagger = load_folder(folder)
    found = tagger.errors["tweets_dev"]["stance macro-F1"]
    assert found["value"] > 0.8
    assert found["low"] <= found["value"] <= found["high"]
    assert found["n"] == 60
    card = (folder / "README.md").read_text()
    assert "| tweets_dev | stance macro-F1 |" in card
    assert "| conflict/tweets_train | 1.5 | labelled for this project |" in card
    for part in ("| keywords without a stance |", "| side Armenia | false alarms |", "| plain sentences | toxic"):
        assert part in card
    assert len(json.loads((folder / "audit.json").read_text())["selftest"]) > 20
    assert (folder / "reliability.png").read_bytes()[1:4] == b"PNG"


def made_logits(rows, sides=1, tokens=5):
    torch.manual_seed(4)
    shapes = {"stance": (rows, sides, 3), "toxicity": (rows, 5), "sentiment": (rows, 3), "mention": (rows, 1)}
    return Logits(**{name: torch.randn(shape) for name, shape in shapes.items()}, toxic_token=torch.randn(rows, tokens))


def drawn(*examples, toxic=None):
    return [Drawn(([], []), example, toxic) for example in examples]


def test_what_a_set_does_not_know_adds_no_loss():
    logits = made_logits(2)
    assert batch_loss(logits, drawn(Example("a"), Example("b"))) == 0
    known = drawn(Example("a", toxicity=(None, 1, None, None, None)), Example("b"))
    expected = -0.5 * torch.nn.functional.logsigmoid(logits.toxicity[0, 1]) / 2
    assert batch_loss(logits, known).item() == pytest.approx(expected.item(), rel=1e-5)
    expected = -0.5 * torch.nn.functional.logsigmoid(-logits.mention[0, 0]) / 2
    loss = batch_loss(logits, drawn(Example("a", mention=0), Example("b")))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_set_without_none_says_nothing_of_it():
    logits = made_logits(1)
    two = batch_loss(logits, drawn(Example("a", (("x", 0),), two_way=True)))
    expected = -torch.log_softmax(logits.stance[0, 0, :2], -1)[0]
    assert two.item() == pytest.approx(expected.item(), rel=1e-5)
    three = batch_loss(logits, drawn(Example("a", (("x", 0),))))
    assert three.item() == pytest.approx(-torch.log_softmax(logits.stance[0, 0], -1)[0].item(), rel=1e-5)


def test_toxic_tokens_are_those_of_the_text():
    logits = made_logits(1)
    loss = batch_loss(logits, drawn(Example("a", spans=()), toxic=(0, 1)))
    scores = logits.toxic_token[0, 1:3] * torch.tensor([-1.0, 1.0])
    assert loss.item() == pytest.approx(-2 * torch.nn.functional.logsigmoid(scores).mean().item(), rel=1e-5)


def test_tokens_are_marked_by_the_characters_they_have():
    assert list(join_characters([1, 2, 3, 7, 9, 8])) == [(1, 4), (7, 10)]
    assert list(join_characters([])) == []
    assert mark_tokens([(0, 3), (3, 4), (5, 9)], ((2, 4), (7, 9))) == [0, 1, 1]


def test_the_learning_rate_rises_and_ends_at_zero():
    factors = [learning_factor(step, 100) for step in range(100)]
    assert max(factors) == 1
    assert factors.index(1) == 9
    assert factors[-1] < 0.02


def test_every_set_of_the_shipped_recipe_has_a_reader_and_none_is_a_test():
    recipe = load_recipe(RECIPE)
    names = {name for stage in recipe.stages for name in stage.passes}
    assert names <= set(READERS)
    assert not [name for name in names if "test" in name or "dev" in name]


def test_readers_leave_out_dev_and_test_rows(data):
    rows = [
        {"split": split, "text": split, "target": "T", "label": "favor"} for split in ("train", "dev", "test", "all")
    ]
    for name in ("stance/vast", "stance/ruw", "stance/mt_csd", "stance/pstance", "stance/newsmtsc"):
        write_set(data, name, rows)
        assert [example.text for example in read_set(data, name)] == ["train"]
    rows = [{"split": split, "premise": split, "hypothesis": "T", "label": "neutral"} for split in ("train", "dev")]
    write_set(data, "stance/nli_cad", rows)
    assert [example.text for example in read_set(data, "stance/nli_cad")] == ["train"]
    rows = [{"split": split, "text": split, "spans": [0, 1]} for split in ("train", "trial", "test")]
    write_set(data, "toxicity/toxic_spans", rows)
    assert [(example.text, example.spans) for example in read_set(data, "toxicity/toxic_spans")] == [
        ("train", ((0, 2),))
    ]


def test_nations_are_swapped_with_their_labels():
    example = Example("Armenians left SHUSHI; Azeri army (Baku).", (("Armenia", 0), ("Azerbaijan", 1), ("Russia", 2)))
    swapped = swap_sides(example, "Azerbaijan", "Armenia")
    assert swapped.text == "Azerbaijanis left Shusha; Armenian army (Yerevan)."
    assert swapped.sides == (("Azerbaijan", 0), ("Armenia", 1), ("Russia", 2))


def test_a_nation_that_something_else_gives_away_is_not_swapped():
    example = Example("Shame on them for that night in Lahore.", (("India", 2), ("Pakistan", 1)))
    assert swap_sides(example, "India", "Pakistan") == example


def test_sides_and_targets_can_be_left_out_and_capped():
    examples = [Example("a", (("Armenia", 0),)), Example("of Baku", (("X", 0),)), Example("b", (("X", 0), ("Y", 1)))]
    assert [e.text for e in leave_out_sides(examples, ("Armenia", "Azerbaijan"))] == ["b"]
    assert leave_out_sides(examples, ()) == examples
    capped = cap_targets(examples * 3, 2, random.Random(1))
    assert sum(name == "X" for e in capped for name, _ in e.sides) == 2
    assert sum(name == "Armenia" for e in capped for name, _ in e.sides) == 2


def test_an_absent_nation_gets_no_stance():
    stage = replace(make_recipe().stages[0], absent=1.0, swap=0.0)
    example = Example("Erdogan said so", (("Armenia", 0),))
    made = [vary(example, stage, random.Random(seed)) for seed in range(60)]
    added = {name.split(",")[0]: label for one in made for name, label in one.sides if not name.startswith("Armenia")}
    assert len(added) > 5
    assert set(added.values()) == {2}
    assert "Turkey" not in added
    stage = replace(stage, without=tuple(NATIONS)[1:])
    assert vary(example, stage, random.Random(1)).sides[0][0].startswith("Armenia")


def test_a_nation_is_replaced_with_its_label():
    stage = replace(make_recipe().stages[0], rename=1.0, swap=0.0)
    example = Example("Shame on Baku and the Azerbaijani army", (("Azerbaijan", 1), ("the press", 2)))
    made = [vary(example, stage, random.Random(seed)) for seed in range(40)]
    for one in made:
        (nation, label), press = sorted(one.sides, key=lambda side: side[0] == "the press")
        names = next(names for name, names in NATIONS.items() if nation.split(",")[0] == name)
        assert label == 1
        assert press == ("the press", 2)
        assert one.text == f"Shame on {names[2]} and the {names[1]} army"
    assert len({one.text for one in made}) > 10


def test_hashtags_go_half_of_the_time_and_labels_never():
    chance = random.Random(1)
    example = Example("we are here to stay #artsakh", (("Armenia", 0),))
    texts = [vary(example, make_recipe().stages[0], chance) for _ in range(200)]
    assert all(label == 0 and name.startswith("Armenia") for made in texts for name, label in made.sides)
    assert 60 < sum("#" in made.text for made in texts) < 140


def test_calibration_finds_the_temperature_that_was_put_in():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(4000, 3, generator=generator) * 2
    truth = torch.multinomial(torch.softmax(logits, -1), 1, generator=generator)[:, 0]
    found = fit_softmax((logits * 3).numpy(), truth.tolist())
    assert found.temperature[0] == pytest.approx(3, rel=0.1)
    assert found.bias == (0, 0, 0)


def test_each_head_is_calibrated_on_the_texts_that_know_it(data, tiny_tagger):
    write_set(data, "stance/ruw", [{"split": "dev", "text": "a", "target": "T", "label": "favor"}])
    rows = [{"split": split, "text": f"{split} good", "label": "positive"} for split in ("train", "dev", "test")]
    write_set(data, "sentiment/goemotions", rows)
    left_out = []
    others = list(read_others(data, left_out.append))
    assert [(example.text, example.sides, example.sentiment) for example in others] == [
        ("a", (("T", 0),), None),
        ("dev good", (), 2),
    ]
    assert len(left_out) == 3
    network, tokenizer = start(tiny_tagger)
    settings = plain_settings(make_recipe(), network)
    spans = [Example("bad army", spans=((0, 3),))]
    known = read_set(data, "conflict/tweets_train")
    alone = calibrate(settings, network, tokenizer, known, spans)
    joined = calibrate(settings, network, tokenizer, [*others * 40, *known], spans)
    assert joined.calibration["toxicity"] == alone.calibration["toxicity"]
    assert joined.thresholds.toxicity == alone.thresholds.toxicity
    assert joined.calibration["sentiment"] != alone.calibration["sentiment"]
    assert joined.calibration["stance"] != alone.calibration["stance"]


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


HUB = """
[hub.port]
path = "PATH"
split = "train"
text = "body"
label = "mark"
target = "of"
kind = "stance"
labels = { PRO = "favor", CON = "against" }
"""


@pytest.fixture
def mix_port(data, tmp_path, tiny_tagger, monkeypatch):
    """Reads the made set "hub/port" by a description in which one text is replaced."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    rows = [{"body": f"text {n}", "mark": mark, "of": "the port"} for n, mark in enumerate(["PRO", "CON", "?"])]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "recipe.toml"

    def mix(old="", new=""):
        described = HUB.replace(old, new).replace("PATH", str(tmp_path / "set"))
        path.write_text(SOUND.replace("passes={}", 'passes={"hub/port"=1}') + described)
        return Mixer(load_recipe(path), data, tiny_tagger.tokenizer).sets["hub/port"]

    return mix


def test_a_set_of_the_hub_is_read_as_the_recipe_says(mix_port):
    toward = [(example.text, example.sides) for example in mix_port()]
    assert toward == [("text 0", (("the port", 0),)), ("text 1", (("the port", 1),))]
    assert [example.sides for example in mix_port('target = "of"', 'toward = "x"')] == [(("x", 0),), (("x", 1),)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mark"', '"sign"', "hub.port: no column sign: it has body, mark, of"),
        ("PATH", "nowhere/at-all", "hub.port: nowhere/at-all cannot be loaded"),
        ('target = "of"', "", "toward what"),
        ('{ PRO = "favor", CON = "against" }', '{ pro = "favor" }', "no row has a label of pro"),
        ('"favor"', '"for"', "recipe.toml: port: unknown label for: map to favor, against, none"),
        ('"stance"', '"mood"', "unknown kind mood"),
        ('split = "train"', "", "split"),
    ],
)
def test_a_set_of_the_hub_that_is_wrongly_described_is_named(mix_port, old, new, message):
    with pytest.raises(StanceError, match=message):
        mix_port(old, new)


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
