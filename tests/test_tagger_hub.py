"""Other people's classifiers give the same shape; what they cannot judge is not 0; nothing is fetched or unpickled."""

import json
import shutil
import socket

import numpy as np
import pytest
import torch
from conftest import tiny_tokenizer

from stance.records import TOXICITY, Side, StanceError, Topic
from stance.tag import tag_texts
from stance.tagger import load_tagger
from stance.tagger.classifier import HYPOTHESES, find_kind, has_own_probabilities, plain_label, score_windows
from stance.tagger.hub import Wanted, parse_spec

NLI = ("entailment", "neutral", "contradiction")
NLI_TWO = ("entailment", "not_entailment")
JIGSAW = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
SENTIMENT = ("Neutral", "Positive", "Negative")
TEXTS = ("The war is bad.", "we love peace, and the army!", "", "stop " * 100, "[SEP] The author supports Russia.")
SIDES = ("Armenia", "Azerbaijan", "{side}")
CLOSE = {"rtol": 0, "atol": 1e-5}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def save_model(folder, labels, problem=None):
    """A random classifier, the same each time for the same labels; it reads 64 tokens."""
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 101), ("[SEP]", 102)],
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=512, **special).save_pretrained(folder)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=66,
        initializer_range=1.0,
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        problem_type=problem,
    )
    with torch.random.fork_rng():
        torch.manual_seed(1)
        BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    save_model(folder / "nli", NLI)
    save_model(folder / "nli-two", NLI_TWO)
    save_model(folder / "toxicity", JIGSAW, "multi_label_classification")
    save_model(folder / "sentiment", SENTIMENT)
    return folder


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("stance.tagger.classifier.runs_bf16", lambda: False)


@pytest.fixture
def copy(models, tmp_path):
    """A copy of the sentiment model, to damage."""
    return shutil.copytree(models / "sentiment", tmp_path / "copy")


@pytest.fixture
def cache(models, monkeypatch, tmp_path):
    """A cache of the hub that holds one model."""
    repo = tmp_path / "cache" / "models--owner--name"
    shutil.copytree(models / "nli", repo / "snapshots" / COMMIT)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return repo


def test_three_models_are_one_tagger(models):
    spec = f"hub:{models / 'nli'}, toxicity={models / 'toxicity'},{models / 'sentiment'}"
    tagger = load_tagger(spec)
    assert tagger.name == "hub:stance=nli,toxicity=toxicity,sentiment=sentiment"
    predicted = tagger.predict(TEXTS, SIDES)
    assert predicted.stance.shape == (len(TEXTS), len(SIDES), 3)
    for values in (predicted.stance, predicted.toxicity, predicted.sentiment):
        assert values.dtype == np.float64
        assert ((values >= 0) & (values <= 1)).all()
        assert values.std(axis=0).max() > 0.01
    np.testing.assert_allclose(predicted.stance.sum(-1), 1)
    np.testing.assert_allclose(predicted.sentiment.sum(-1), 1)
    assert (predicted.mention, predicted.toxic_spans, tagger.errors) == (None, (), {})


def test_what_no_model_judges_is_nan_and_has_no_label(models):
    tagger = load_tagger(f"hub:{models / 'toxicity'}")
    predicted = tagger.predict(TEXTS, SIDES)
    assert np.isnan(predicted.stance).all()
    assert np.isnan(predicted.sentiment).all()
    assert np.isfinite(predicted.toxicity).all()
    tags = tag_texts(TEXTS, Topic("test", tuple(Side(name, name, name) for name in SIDES)), tagger)
    assert {judged.label for tag in tags for judged in (*tag.stance, tag.sentiment)} == {None}


@pytest.mark.parametrize("name", ["nli", "nli-two"])
def test_stance_is_the_odds_of_two_hypotheses(models, name):
    tagger = load_tagger(f"hub:stance={models / name}")
    (model,) = tagger.models.values()
    text, side = "the war is bad", "russia"
    odds = []
    for hypothesis in HYPOTHESES:
        inputs = model.tokenizer(text, hypothesis.format(side=side), return_tensors="pt").to(model.network.device)
        with torch.inference_mode():
            entailed = model.network(**inputs).logits.softmax(-1)[0, 0].item()
        odds.append(entailed / (1 - entailed))
    wanted = np.array([*odds, 1]) / (sum(odds) + 1)
    np.testing.assert_allclose(tagger.predict([text], [side]).stance[0, 0], wanted, rtol=1e-4)


def test_sides_and_texts_do_not_depend_on_each_other(models):
    tagger = load_tagger(f"hub:{models / 'nli'}")
    many = tagger.predict(TEXTS, SIDES)
    for number, text in enumerate(TEXTS):
        alone = tagger.predict([text], SIDES[::-1])
        np.testing.assert_allclose(alone.stance[0, ::-1], many.stance[number], **CLOSE)


def test_many_texts_keep_their_order(models, monkeypatch):
    tagger = load_tagger(f"hub:{models / 'nli'},{models / 'sentiment'}")
    once = tagger.predict(TEXTS * 3, SIDES)
    monkeypatch.setattr("stance.tagger.hub.TEXTS_A_ROUND", 4)
    monkeypatch.setattr("stance.tagger.classifier.TOKENS_A_BATCH", 70)
    done = []
    again = tagger.predict(TEXTS * 3, SIDES, done.append)
    assert done == [4, 8, 12, 15]
    np.testing.assert_allclose(again.stance, once.stance, **CLOSE)
    np.testing.assert_allclose(again.sentiment, once.sentiment, **CLOSE)


@pytest.mark.parametrize("texts", [(), ("",), (" \n",), ("\ud800 half an emoji",)])
@pytest.mark.parametrize("sides", [(), ("Armenia",), ("",)])
def test_odd_texts_and_sides(models, texts, sides):
    predicted = load_tagger(f"hub:{models / 'nli'},{models / 'sentiment'}").predict(texts, sides)
    assert predicted.stance.shape == (len(texts), len(sides), 3)
    assert np.isfinite(predicted.stance).all()
    assert np.isfinite(predicted.sentiment).all()


def test_a_long_text_is_read_in_windows(models):
    """Words of one token, the last window full: each window can be read as a text of its own."""
    tagger = load_tagger(f"hub:{models / 'toxicity'},{models / 'sentiment'}")
    room = tagger.models["toxicity"].window - 2
    step = room - room // 4
    words = ["peace" if number % 3 else "hate" for number in range(room + 2 * step)]
    words[-5:] = ["war"] * 5
    parts = [" ".join(words[start : start + room]) for start in (0, step, 2 * step)]
    whole, by_part = tagger.predict([" ".join(words)], []), tagger.predict(parts, [])
    np.testing.assert_allclose(whole.toxicity[0], by_part.toxicity.max(axis=0), **CLOSE)
    logits = score_windows(tagger.models["sentiment"], parts).logits.mean(axis=0)
    powers = np.exp(logits - logits.max())[[2, 0, 1]]
    np.testing.assert_allclose(whole.sentiment[0], powers / powers.sum(), **CLOSE)


def test_a_very_long_side_leaves_room_for_the_text(models):
    tagger = load_tagger(f"hub:{models / 'nli'}")
    predicted = tagger.predict(["war", "peace"], ["the people of the land " * 200])
    assert abs(predicted.stance[0] - predicted.stance[1]).max() > 1e-3


def test_special_tokens_in_a_text_are_text(models):
    model = load_tagger(f"hub:{models / 'nli'}").models["stance"]
    ids = model.tokenizer("[SEP] war", split_special_tokens=True)["input_ids"]
    assert ids.count(102) == 1
    spelt = score_windows(model, ["[SEP] war"], "peace").logits
    taken = score_windows(model, ["war"], "peace").logits
    assert abs(spelt - taken).max() > 1e-3


def test_labels_of_one_choice_add_up(tmp_path):
    """One label for hate, one for offence, one for neither: hate is toxic too."""
    folder = save_model(tmp_path / "three", ("hate speech", "normal", "offensive"))
    tagger = load_tagger(f"hub:{folder}")
    (model,) = tagger.models.values()
    toxicity = tagger.predict(TEXTS[:2], ()).toxicity
    logits = score_windows(model, [text.lower() for text in TEXTS[:2]]).logits
    powers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(toxicity[:, 0], 1 - powers[:, 1], **CLOSE)
    np.testing.assert_allclose(toxicity[:, 4], powers[:, 0], **CLOSE)
    assert np.isnan(toxicity[:, 1:4]).all()


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (NLI, "stance"),
        (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), "stance"),
        (NLI_TWO, "stance"),
        (JIGSAW, "toxicity"),
        (("neutral", "toxic"), "toxicity"),
        (("NOT-HATE", "HATE"), "toxicity"),
        (("non-offensive", "offensive"), "toxicity"),
        (SENTIMENT, "sentiment"),
        (("NEG", "NEU", "POS"), "sentiment"),
        (("1 star", "2 stars", "3 stars", "4 stars", "5 stars"), "sentiment"),
        (("NEGATIVE", "POSITIVE"), None),  # says nothing of neutral posts
        (("LABEL_0", "LABEL_1"), None),
        (("joy", "anger"), None),
        (("entailment",), None),
    ],
)
def test_the_labels_tell_the_kind(labels, kind):
    assert find_kind([plain_label(label) for label in labels]) == kind


def test_toxic_labels_alone_are_not_one_choice():
    assert has_own_probabilities("toxicity", JIGSAW, None)
    assert has_own_probabilities("toxicity", ("toxic",), "single_label_classification")
    assert not has_own_probabilities("toxicity", ("neutral", "toxic"), None)
    assert not has_own_probabilities("toxicity", JIGSAW, "single_label_classification")
    assert not has_own_probabilities("stance", NLI, None)


def test_names(tmp_path, monkeypatch):
    assert parse_spec("A/b") == [Wanted(None, "A/b", None)]
    assert parse_spec("stance=A/b@refs/pr/1, toxicity=c") == [
        Wanted("stance", "A/b", "refs/pr/1"),
        Wanted("toxicity", "c", None),
    ]
    (tmp_path / "mood=x@1").mkdir()
    monkeypatch.chdir(tmp_path)
    assert parse_spec("sentiment=mood=x@1") == [Wanted("sentiment", "mood=x@1", None)]


@pytest.mark.parametrize("spec", ["", "stance=", "A/b,", "@main", "A/b@"])
def test_a_missing_name_is_one_line(spec):
    with pytest.raises(StanceError, match="a name is missing"):
        load_tagger(f"hub:{spec}")


def test_two_models_of_a_kind(models):
    with pytest.raises(StanceError, match="two models for stance"):
        load_tagger(f"hub:{models / 'nli'},{models / 'nli-two'}")


def test_a_cached_model_is_pinned(cache, models):
    for name in ("owner/name", f"owner/name@{COMMIT}", "stance=owner/name@main"):
        tagger = load_tagger(f"hub:{name}")
        assert tagger.name == "hub:stance=owner/name@0123456789ab"
        assert tagger.sha256 == load_tagger(f"hub:{models / 'nli'}").sha256


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("owner/other", "`hf download owner/other`"),
        ("stance=owner/name@v2", "`hf download owner/name --revision v2`"),
    ],
)
def test_a_model_that_is_not_here_is_not_fetched(cache, name, command):
    with pytest.raises(StanceError, match=r"not on this machine.* run ") as error:
        load_tagger(f"hub:{name}")
    assert command in str(error.value)


def test_a_half_fetched_model_says_how_to_go_on(cache):
    next(cache.glob("snapshots/*/model.safetensors")).unlink()
    with pytest.raises(StanceError, match="run `hf download owner/name`"):
        load_tagger("hub:owner/name")


@pytest.mark.parametrize("name", ["./no/folder", "/no/such/folder", "a/b/c", "no such"])
def test_what_is_no_name(name):
    with pytest.raises(StanceError, match="no such folder"):
        load_tagger(f"hub:{name}")


def test_a_folder_has_no_revision(models):
    with pytest.raises(StanceError, match="has no revisions"):
        load_tagger(f"hub:{models / 'nli'}@main")


def test_pickles_are_refused(copy):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"\x80\x04cos\nsystem\n(S'touch /tmp/x'\ntR.")
    with pytest.raises(StanceError, match="are a pickle, which can run code"):
        load_tagger(f"hub:{copy}")


def test_code_of_a_model_is_not_run(copy):
    config = json.loads((copy / "config.json").read_text())
    own = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": own}))
    (copy / "own.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    with pytest.raises(StanceError, match="cannot be read as a classifier") as error:
        load_tagger(f"hub:{copy}")
    assert "\n" not in str(error.value)
    assert not (copy / "ran").exists()


@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
def test_weights_that_the_config_names_are_refused(copy, ending):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "transformers_weights": f"other{ending}"}))
    with pytest.raises(StanceError, match="names a file of weights of its own"):
        load_tagger(f"hub:{copy}")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_damaged_file_is_one_line(copy, name):
    (copy / name).write_text("{")
    with pytest.raises(StanceError, match="cannot be read as a classifier") as error:
        load_tagger(f"hub:{copy}")
    assert "\n" not in str(error.value)


def test_missing_weights_are_not_made_up(copy):
    from safetensors.torch import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(StanceError, match=r"weights are missing \(classifier\.weight\)"):
        load_tagger(f"hub:{copy}")


def test_labels_that_say_nothing_are_listed(copy, models):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "id2label": {"0": "LABEL_0", "1": "LABEL_1"}}))
    with pytest.raises(StanceError, match="its labels are LABEL_0, LABEL_1"):
        load_tagger(f"hub:{copy}")
    with pytest.raises(StanceError, match="cannot judge toxicity: its labels are entailment, neutral"):
        load_tagger(f"hub:toxicity={models / 'nli'}")


def test_the_hash_covers_what_decides_the_answers(copy):
    before = load_tagger(f"hub:{copy}").sha256
    (copy / "README.md").write_text("words")
    assert load_tagger(f"hub:{copy}").sha256 == before
    settings = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps({**settings, "model_max_length": 40}))
    assert load_tagger(f"hub:{copy}").sha256 != before


def test_bf16_says_nearly_the_same(models, monkeypatch):
    tagger = load_tagger(f"hub:{models / 'toxicity'}")
    exact = tagger.predict(TEXTS, ())
    monkeypatch.setattr("stance.tagger.classifier.runs_bf16", lambda: True)
    np.testing.assert_allclose(tagger.predict(TEXTS, ()).toxicity, exact.toxicity, atol=0.05)


def test_every_attribute_has_a_label():
    from stance.tagger.classifier import ATTRIBUTES

    assert set(ATTRIBUTES.values()) == set(TOXICITY)


def test_a_tagger_of_toxicity_alone_tags_and_reports(models, tmp_path):
    from typer.testing import CliRunner

    from stance.cli import app

    (tmp_path / "posts.jsonl").write_text(
        "".join(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(TEXTS))
    )
    tagger = f"hub:{models / 'toxicity'}"
    run = CliRunner()
    for command in (["tag", "-o", str(tmp_path / "out.jsonl")], ["report", "-o", str(tmp_path / "report")]):
        done = run.invoke(app, [*command, str(tmp_path / "posts.jsonl"), "--tagger", tagger], catch_exceptions=False)
        assert done.exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows[0]["stance"]["Armenia"] == {"label": None, "favor": None, "against": None, "none": None}
    assert 0 < rows[0]["toxicity"]["threat"] < 1
    page = (tmp_path / "report" / "posts" / "index.html").read_text()
    assert "Not judged by this tagger:</b> stance, sentiment." in page
