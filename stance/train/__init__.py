"""Training: data sets and a recipe in, a model folder out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from stance.tagger.network import Network
    from stance.tagger.shipped import Settings
    from stance.train.fit import Recipe
    from stance.train.mix import Example

RECIPE = Path(__file__).parent / "recipe.toml"
CALIBRATION_SETS = ("tweets_dev", "authored_dev", "forum_dev")
ABSTAIN = (0.45, 0.45)  # stance, sentiment: on the calibration sets, fewer than half of the labels under it are right


def train_tagger(data: Path, output: Path, run: Path, recipe: Path = RECIPE) -> Path:
    """Train by the recipe on the sets in ``data`` and write the model folder ``output``; ``run`` holds checkpoints.

    A run that was cut off goes on from its last checkpoint. StanceError for a bad recipe, set or folder.
    """
    from stance.train.fit import fit, load_base, load_recipe

    plan = load_recipe(recipe)
    if output.exists() and any(output.iterdir()):
        raise StanceError(f"{output}: holds files already: name a new folder with --output")
    network, tokenizer = load_base(plan.seed)
    dev = {name: read_dev(data, name) for name in CALIBRATION_SETS}
    trained = fit(plan, data, run, (network, tokenizer), lambda now: measure_dev(plan, now, tokenizer, dev))
    examples = [example for name in CALIBRATION_SETS for example in dev[name]]
    settings = calibrate(plain_settings(plan, trained), trained, tokenizer, examples)
    return ship(settings, trained, tokenizer, plan, data, output)


def read_dev(data: Path, name: str) -> list[Example]:
    from stance.train.mix import read_conflict, read_rows

    return list(read_conflict(read_rows(data, f"conflict/{name}")))


def plain_settings(recipe: Recipe, network: Network) -> Settings:
    """Settings of a tagger that is not calibrated yet."""
    from stance.tagger import Thresholds
    from stance.tagger.shipped import Calibration, Settings

    labels = {"stance": STANCES, "toxicity": TOXICITY, "sentiment": SENTIMENTS}
    flat = {head: Calibration((1.0,), (0.0,) * len(names)) for head, names in labels.items()}
    return Settings(recipe.name, network.shape, recipe.cut, flat, Thresholds(*ABSTAIN, (0.5,) * len(TOXICITY)))


def measure_dev(
    recipe: Recipe, network: Network, tokenizer: Tokenizer, dev: dict[str, list[Example]]
) -> dict[str, float]:
    """Stance macro-F1 of a network in training on each dev set, for the log."""
    from stance.tagger.shipped import FolderTagger
    from stance.train.evaluate import measure_stance, predict_each

    tagger = FolderTagger(plain_settings(recipe, network), network, tokenizer)
    found = {name: measure_stance(rows, predict_each(tagger, rows)[0], name) for name, rows in dev.items()}
    return {name: round(result.measured.value, 4) for name, result in found.items()}


def calibrate(settings: Settings, network: Network, tokenizer: Tokenizer, examples: list[Example]) -> Settings:
    """The settings with calibration and thresholds fitted on examples whose labels are all known."""
    from stance.tagger.shipped import FolderTagger, sigmoid
    from stance.train.calibrate import choose_thresholds, fit_sigmoids, fit_softmax, stack_stance

    tagger = FolderTagger(settings, network, tokenizer)
    scores = tagger.score([e.text for e in examples], [[name for name, _ in e.sides] for e in examples])
    stance = fit_softmax(*stack_stance(scores, examples))
    toxicity = fit_sigmoids(scores.toxicity, examples)
    sentiment = fit_softmax(scores.sentiment, [e.sentiment for e in examples if e.sentiment is not None])
    thresholds = choose_thresholds(sigmoid(toxicity.apply(scores.toxicity)), examples, ABSTAIN)
    return replace(
        settings,
        calibration={"stance": stance, "toxicity": toxicity, "sentiment": sentiment},
        thresholds=thresholds,
    )


def ship(
    settings: Settings, network: Network, tokenizer: Tokenizer, recipe: Recipe, data: Path, output: Path
) -> Path:
    """Write the folder, then measure the tagger as it will be loaded and write its metrics and card."""
    from stance.tagger.shipped import load_folder, save_folder
    from stance.train.card import read_terms, write_card
    from stance.train.evaluate import as_metrics, evaluate_sets

    save_folder(output, settings, network, tokenizer)
    write_metrics(output, {})
    metrics = as_metrics(evaluate_sets(load_folder(output), data))
    write_metrics(output, metrics)
    write_card(output, settings, recipe, metrics, read_terms(data))
    return output


def write_metrics(folder: Path, metrics: dict[str, object]) -> None:
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
