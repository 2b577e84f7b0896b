"""A tagger comes out of its folder as it went in, says the same however it is asked, and a damaged folder is named."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import hash_folder, load_tagger, models_folder
from stance.tagger.batch import cut_windows
from stance.tagger.score import join_windows
from stance.tagger.shipped import LABELS, join_tokens, load_folder, save_folder

TEXTS = ("The war is bad.", "we love peace, and the army!", "", "stop " * 100, "#Armenia 1:0 @bob http://a.example")
SIDES = ("Armenia", "Azerbaijan", "Russia", "the North")
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def folder(tmp_path, tiny_folder):
    """A copy to damage."""
    return shutil.copytree(tiny_folder, tmp_path / "copy")


@pytest.mark.parametrize(
    "texts", [(), ("One.",), TEXTS, ("",), (" \n",)], ids=["none", "one", "many", "empty", "blank"]
)
@pytest.mark.parametrize("sides", [(), ("Armenia",), SIDES], ids=["no side", "one side", "many sides"])
def test_predictions_are_probabilities(tiny_tagger, texts, sides):
    predicted = tiny_tagger.predict(texts, sides)
    assert predicted.stance.shape == (len(texts), len(sides), len(STANCES))
    assert predicted.toxicity.shape == (len(texts), len(TOXICITY))
    assert predicted.sentiment.shape == (len(texts), len(SENTIMENTS))
    for values in (predicted.stance, predicted.toxicity, predicted.sentiment):
        assert values.dtype == np.float64
        assert ((values >= 0) & (values <= 1)).all()
    np.testing.assert_allclose(predicted.stance.sum(-1), 1)
    np.testing.assert_allclose(predicted.sentiment.sum(-1), 1)


def test_spans_are_stretches_of_the_text(tiny_tagger):
    texts = [*TEXTS, "the “bad” army &amp; their love " * 30]
    predicted = tiny_tagger.predict(texts, SIDES)
    assert predicted.mention.shape == (len(texts),)
    assert ((predicted.mention > 0) & (predicted.mention < 1)).all()
    assert len(predicted.toxic_spans) == len(texts)
    assert any(predicted.toxic_spans)
    for text, spans in zip(texts, predicted.toxic_spans, strict=True):
        edges = [edge for span in spans for edge in span]
        assert edges == sorted(edges)
        assert all(0 <= start < end <= len(text) for start, end in spans)


def test_windows_are_joined_token_by_token():
    tokens = list(range(50))
    scores = np.random.default_rng(1).normal(size=50).astype(np.float32)
    for length in (4, 7, 24, 60):
        parts = [scores[window] for window in cut_windows(tokens, length)]
        np.testing.assert_array_equal(join_windows(parts, length), scores)
    overlap = [np.float32([1, 2, 3, 5]), np.float32([7, 0])]
    np.testing.assert_array_equal(join_windows(overlap, 4), [1, 2, 3, 7, 0])


def test_toxic_tokens_side_by_side_are_one_stretch():
    text = "you bad fool, he said fool"
    places = [(0, 3), (4, 7), (8, 12), (12, 13), (14, 16), (17, 21), (22, 26)]
    assert join_tokens(places, np.array([0, 1, 1, 0, 0, 0, 1], bool), text) == ((4, 12), (22, 26))
    assert join_tokens(places, np.zeros(7, bool), text) == ()
    halves = [(0, 3), (3, 6), (7, 10), (10, 12), (12, 13)]
    assert join_tokens(halves, np.array([0, 1, 0, 0, 0], bool), "foolis advice") == ((0, 6),)
    assert join_tokens(halves, np.array([0, 1, 0, 1, 1], bool), "foolis advic!") == ((0, 13),)
    assert join_tokens(halves, np.array([0, 0, 0, 0, 1], bool), "foolis advic!") == ((12, 13),)


def test_predictions_differ(tiny_tagger):
    """Else the tests of sameness below would say nothing."""
    predicted = tiny_tagger.predict(TEXTS, SIDES)
    assert predicted.stance.std(axis=0).max() > 0.01
    assert predicted.stance.std(axis=1).max() > 0.01
    assert predicted.toxicity.std(axis=0).max() > 0.01
    assert predicted.sentiment.std(axis=0).max() > 0.01


@pytest.mark.parametrize("chosen", [(0,), (3,), (1, 0), (3, 2, 1, 0), (2, 2)])
def test_sides_do_not_depend_on_each_other(tiny_tagger, chosen):
    every = tiny_tagger.predict(TEXTS, SIDES)
    some = tiny_tagger.predict(TEXTS, [SIDES[number] for number in chosen])
    np.testing.assert_allclose(some.stance, every.stance[:, list(chosen)], **CLOSE)
    np.testing.assert_allclose(some.toxicity, every.toxicity, **CLOSE)
    np.testing.assert_allclose(some.sentiment, every.sentiment, **CLOSE)


def test_texts_do_not_depend_on_each_other(tiny_tagger):
    many = tiny_tagger.predict(TEXTS, SIDES)
    for number, text in enumerate(TEXTS):
        alone = tiny_tagger.predict([text], SIDES)
        np.testing.assert_allclose(alone.stance[0], many.stance[number], **CLOSE)
        np.testing.assert_allclose(alone.toxicity[0], many.toxicity[number], **CLOSE)
        np.testing.assert_allclose(alone.sentiment[0], many.sentiment[number], **CLOSE)


def test_many_texts_keep_their_order(tiny_tagger, monkeypatch):
    """Rounds and batches of other sizes: the order of lengths must not show."""
    once = tiny_tagger.predict(TEXTS * 3, SIDES)
    monkeypatch.setattr("stance.tagger.shipped.TEXTS_A_ROUND", 4)
    monkeypatch.setattr("stance.tagger.score.TOKENS_A_BLOCK", 64)
    done = []
    again = tiny_tagger.predict(TEXTS * 3, SIDES, done.append)
    assert done == [4, 8, 12, 15]
    np.testing.assert_allclose(again.stance, once.stance, **CLOSE)
    np.testing.assert_allclose(again.toxicity, once.toxicity, **CLOSE)
    np.testing.assert_allclose(again.sentiment, once.sentiment, **CLOSE)


def test_a_text_longer_than_a_window_is_read_to_its_end(tiny_tagger):
    peace, war = "we love peace " * 40, "stop the bad war now! " * 5
    long, cut = tiny_tagger.score([peace + war, peace], [["Russia"]] * 2), tiny_tagger.score([peace], [["Russia"]])
    assert abs(long.stance[0] - cut.stance[0]).max() > 1e-3
    assert abs(long.sentiment[0] - cut.sentiment[0]).max() > 1e-3
    assert (long.toxicity[0] >= long.toxicity[1] - 0.5).all()


def test_toxicity_of_a_long_text_is_that_of_its_worst_window(tiny_tagger):
    window = tiny_tagger.settings.window
    words = ("the " * window + "hate " * window).split()  # one token each
    step = window - window // 4
    parts = [" ".join(words[start : start + window]) for start in range(0, len(words) - window // 4, step)]
    whole, by_part = tiny_tagger.score([" ".join(words)], [[]]), tiny_tagger.score(parts, [[]] * len(parts))
    assert len(parts) > 2
    np.testing.assert_allclose(whole.toxicity[0], by_part.toxicity.max(axis=0), **CLOSE)
    weights = np.array([len(part.split()) + 1 for part in parts])
    np.testing.assert_allclose(whole.sentiment[0], weights @ by_part.sentiment / weights.sum(), **CLOSE)


def test_a_text_of_five_thousand_words(tiny_tagger):
    predicted = tiny_tagger.predict(["war and peace in the land " * 834, "war"], SIDES)
    assert np.isfinite(predicted.stance).all()
    assert np.isfinite(predicted.toxicity).all()


def test_a_very_long_side(tiny_tagger):
    predicted = tiny_tagger.predict(["war"], ["the people of the land " * 200, "Armenia"])
    np.testing.assert_allclose(predicted.stance[0, 1], tiny_tagger.predict(["war"], ["Armenia"]).stance[0, 0], **CLOSE)


def test_calibration_is_applied(tiny_tagger):
    logits = tiny_tagger.score(["war"], [["Armenia"]])
    predicted = tiny_tagger.predict(["war"], ["Armenia"])
    calibration = tiny_tagger.settings.calibration
    odds = np.log(predicted.toxicity[0] / (1 - predicted.toxicity[0]))
    wanted = logits.toxicity[0] / calibration["toxicity"].temperature + calibration["toxicity"].bias
    np.testing.assert_allclose(odds, wanted, rtol=1e-4)
    powers = np.exp(logits.stance[0][0] / calibration["stance"].temperature + calibration["stance"].bias)
    np.testing.assert_allclose(predicted.stance[0, 0], powers / powers.sum(), rtol=1e-4)


def test_bf16_says_nearly_the_same(tiny_tagger, monkeypatch):
    exact = tiny_tagger.predict(TEXTS, SIDES)
    monkeypatch.setattr(tiny_tagger, "bf16", True)
    rough = tiny_tagger.predict(TEXTS, SIDES)
    np.testing.assert_allclose(rough.stance, exact.stance, atol=0.05)
    np.testing.assert_allclose(rough.toxicity, exact.toxicity, atol=0.05)


def test_a_folder_comes_back_as_saved(tmp_path, tiny_tagger, tiny_folder):
    again = tmp_path / "again"
    save_folder(again, tiny_tagger.settings, tiny_tagger.network, tiny_tagger.tokenizer)
    for name in ("tagger.json", "model.safetensors", "tokenizer.json"):
        assert (again / name).read_bytes() == (tiny_folder / name).read_bytes()
    loaded = load_folder(tiny_folder)
    assert loaded.settings == tiny_tagger.settings
    assert loaded.name == "tiny"
    assert loaded.sha256 == hash_folder(tiny_folder) == hash_folder(again)
    assert loaded.errors == json.loads((tiny_folder / "metrics.json").read_text())
    assert not loaded.network.training
    assert all(value.dtype == torch.float32 for value in loaded.network.state_dict().values())


def test_weights_are_kept_in_bf16(tiny_folder):

    weights = load_file(tiny_folder / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.bfloat16}


def test_the_hash_covers_what_decides_the_answers(folder):
    before = hash_folder(folder)
    (folder / "metrics.json").write_text("{}")
    assert hash_folder(folder) == before
    settings = json.loads((folder / "tagger.json").read_text())
    settings["calibration"]["stance"]["temperature"] = [2.0]
    (folder / "tagger.json").write_text(json.dumps(settings))
    assert hash_folder(folder) != before


def test_load_tagger_takes_a_folder(folder):
    assert load_tagger(folder).name == load_tagger(str(folder)).name == "tiny"


@pytest.mark.parametrize("name", ["no-such-tagger", "", "..", "a/b"])
def test_an_unknown_tagger_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StanceError) as caught:
        load_tagger(name)
    check_error(caught.value, name or ".")


def test_shipped_taggers_are_found_by_name(folder, monkeypatch):
    monkeypatch.setattr("stance.tagger.models_folder", lambda: folder.parent)
    assert load_tagger("copy").name == "tiny"
    assert models_folder().name == "models"


def check_error(error, *said):
    message = str(error)
    assert "\n" not in message
    assert len(message) < 500
    for part in said:
        assert part in message


def refused(folder, *said):
    with pytest.raises(StanceError) as caught:
        load_folder(folder)
    check_error(caught.value, *said)


@pytest.mark.parametrize("name", ["tagger.json", "model.safetensors", "tokenizer.json", "metrics.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    refused(folder, str(folder), name)


@pytest.mark.parametrize("name", ["tagger.json", "model.safetensors", "tokenizer.json", "metrics.json"])
@pytest.mark.parametrize("damage", ["cut short", "empty", "other bytes"])
def test_a_damaged_file_is_named(folder, name, damage):
    whole = (folder / name).read_bytes()
    left = {"cut short": whole[: len(whole) // 2], "empty": b"", "other bytes": b"\xff\xfe\x00" * 400}
    (folder / name).write_bytes(left[damage])
    refused(folder, str(folder), name)


def test_a_pointer_in_place_of_the_weights_is_named(folder):
    """What a clone without Git LFS holds."""
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 45\n")
    refused(folder, "model.safetensors")


CHANGES = {
    "another format": ("format", 3),
    "no format": ("format", None),
    "other labels": ("labels", {**LABELS, "stance": ["for", "against", "none"]}),
    "labels in another order": ("labels", {**LABELS, "sentiment": LABELS["sentiment"][::-1]}),
    "no name": ("name", None),
    "shape of another size": ("shape", {"width": 64}),
    "unknown size": ("shape", {"depth": 2}),
    "size of text": ("shape", {"width": "wide"}),
    "no layers": ("shape", {"layers": 0}),
    "heads that do not divide the width": ("shape", {"heads": 5}),
    "fewer tokens than the tokenizer has": ("shape", {"vocabulary": 50}),
    "no window": ("window", 0),
    "window of text": ("window", "long"),
    "window beyond the positions": ("window", 500),
    "no calibration": ("calibration", {}),
    "biases for other labels": ("calibration", {"stance": {"temperature": [1.0], "bias": [0.0, 0.0]}}),
    "temperature of nothing": ("calibration", {"stance": {"temperature": [0.0], "bias": [0.0, 0.0, 0.0]}}),
    "thresholds missing": ("thresholds", {}),
    "thresholds of text": ("thresholds", {"stance": "high", "sentiment": 0.4, "toxicity": "never"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_settings_that_cannot_be_meant_are_refused(folder, change):
    key, value = CHANGES[change]
    settings = json.loads((folder / "tagger.json").read_text())
    if value is None:
        del settings[key]
    elif key in ("shape", "calibration") and value:
        settings[key] |= value
    else:
        settings[key] = value
    (folder / "tagger.json").write_text(json.dumps(settings))
    refused(folder, str(folder))


@pytest.mark.parametrize("text", ["[]", "null", "3", '"format"', "[" * 100_000])
def test_settings_that_are_no_table_are_refused(folder, text):
    (folder / "tagger.json").write_text(text)
    refused(folder, "tagger.json")


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_of_another_network_are_refused(folder, change):

    weights = load_file(folder / "model.safetensors")
    name = "layers.0.expand.bias"
    value = weights.pop(name)
    if change == "extra":
        weights |= {name: value, "layers.9.expand.bias": value.clone()}
    elif change == "shape":
        weights[name] = value[:-1].clone()
    save_file(weights, folder / "model.safetensors")
    refused(folder, "model.safetensors", "layers.9.expand.bias" if change == "extra" else name)
