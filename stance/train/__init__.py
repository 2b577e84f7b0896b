"""Training: data sets and a recipe in, a model folder out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stance.records import TOXICITY, StanceError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from stance.examples import Example
    from stance.tagger.network import Network
    from stance.tagger.shipped import Settings
    from stance.train.recipe import Recipe

RECIPE = Path(__file__).parent / "recipe.toml"
TEXTS_OF_OTHERS = 600  # of each other set that calibration is fitted on
ABSTAIN = (0.45, 0.45)  # stance, sentiment: on the calibration sets, fewer than half of the labels under it are right


def train_tagger(
    data: Path, output: Path, run: Path, recipe: Path = RECIPE, note: Callable[[object], None] = lambda _: None
) -> Path:
    """Train by the recipe on the sets in ``data`` and write the model folder ``output``; ``run`` holds checkpoints.

    A run that was cut off goes on from its last checkpoint. ``note`` hears which measures of the card are left out, for
    a set that is not there. StanceError for a bad recipe, set or folder.
    """
    from stance.examples import read_rows, read_spans
    from stance.measure.sets import DEVELOPMENT, read_dev
    from stance.tagger.shipped import save_folder
    from stance.train.base import load_base
    from stance.train.card import describe_folder
    from stance.train.fit import fit
    from stance.train.recipe import load_recipe

    plan = load_recipe(recipe)
    if output.exists() and any(output.iterdir()):
        raise StanceError(f"{output}: holds files already: name a new folder with --output")
    network, tokenizer = load_base(plan.seed)
    dev = {name: read_dev(data, name) for name in DEVELOPMENT}
    others = list(read_others(data, note))
    trained = fit(plan, data, run, (network, tokenizer), lambda now: measure_dev(plan, now, tokenizer, dev))
    examples = [*others, *(example for name in DEVELOPMENT for example in dev[name])]
    spans = list(read_spans("trial")(read_rows(data, "toxicity/toxic_spans")))
    settings = calibrate(plain_settings(plan, trained), trained, tokenizer, examples, spans)
    save_folder(output, settings, trained, tokenizer)
    describe_folder(output, plan, data, note)
    return output


def read_others(data: Path, note: Callable[[object], None]) -> Iterator[Example]:
    """Texts of other genres that calibration is fitted on too: else a head is too sure wherever the dev sets end.

    ``note`` hears of a set that cannot be read.
    """
    from stance.examples import read_rows, read_sentiment, read_targets
    from stance.measure.sets import draw_sample

    readers = {name: read_targets("dev") for name in ("stance/ruw", "stance/mt_csd", "stance/pstance")}
    readers |= {"sentiment/goemotions": read_sentiment("dev")}
    readers |= {"sentiment/semeval2017_sentiment": read_sentiment("tweeteval_val")}
    for name, read in readers.items():
        try:
            yield from draw_sample(list(read(read_rows(data, name))), TEXTS_OF_OTHERS)
        except StanceError as error:
            note(error)


def plain_settings(recipe: Recipe, network: Network) -> Settings:
    """Settings of a tagger that is not calibrated yet."""
    from stance.tagger import Thresholds
    from stance.tagger.shipped import LABELS, Calibration, Settings

    flat = {head: Calibration((1.0,), (0.0,) * len(names)) for head, names in LABELS.items()}
    return Settings(recipe.name, network.shape, recipe.cut, flat, Thresholds(*ABSTAIN, (0.5,) * len(TOXICITY)))


def measure_dev(
    recipe: Recipe, network: Network, tokenizer: Tokenizer, dev: dict[str, list[Example]]
) -> dict[str, float]:
    """Stance macro-F1 of a network in training on each dev set, for the log."""
    from stance.measure.evaluate import measure_stance, predict_each
    from stance.tagger.shipped import FolderTagger

    tagger = FolderTagger(plain_settings(recipe, network), network, tokenizer)
    found = {name: measure_stance(rows, predict_each(tagger, rows)[0], name) for name, rows in dev.items()}
    return {name: round(result.measured.value, 4) for name, result in found.items()}


def calibrate(
    settings: Settings, network: Network, tokenizer: Tokenizer, examples: list[Example], spans: list[Example]
) -> Settings:
    """The settings with calibration and thresholds fitted on examples, each head on those that know it.

    ``spans`` are texts whose toxic stretches are known.
    """
    from stance.tagger.shipped import FolderTagger, sigmoid
    from stance.train.calibrate import (
        choose_span_threshold,
        choose_thresholds,
        fit_sigmoids,
        fit_softmax,
        stack_stance,
    )

    tagger = FolderTagger(settings, network, tokenizer)
    scores = tagger.score([e.text for e in examples], [[name for name, _ in e.sides] for e in examples])
    toxicity = fit_sigmoids(scores.toxicity, [example.toxicity for example in examples])
    rated = [place for place, example in enumerate(examples) if None not in example.toxicity]
    attributes = [examples[place].toxicity for place in rated]
    toned = [place for place, example in enumerate(examples) if example.sentiment is not None]
    calibration = {
        **settings.calibration,
        "stance": fit_softmax(*stack_stance(scores, examples)),
        "toxicity": toxicity,
        "sentiment": fit_softmax(scores.sentiment[toned], [examples[place].sentiment or 0 for place in toned]),
        "mention": fit_sigmoids(scores.mention, [(example.mention,) for example in examples]),
    }
    thresholds = replace(
        settings.thresholds,
        toxicity=choose_thresholds(sigmoid(toxicity.apply(scores.toxicity[rated])), attributes),
        toxic_token=choose_span_threshold(tagger, spans),
    )
    return replace(settings, calibration=calibration, thresholds=thresholds)
