"""Recipes: the TOML file that decides a training run, but for the data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from stance.records import StanceError
from stance.train.hub import HubSet, check_labels


@dataclass(frozen=True, slots=True)
class Stage:
    """A run over some sets at one learning rate."""

    name: str
    epochs: int
    learning_rate: float  # peak, of the encoder's last layer
    head_learning_rate: float  # peak, of the heads
    passes: dict[str, float]  # how often an epoch goes over each set
    masked: bool = False  # hidden words of the texts are guessed; labels are not read
    most_per_target: int | None = None  # labels of one target that an epoch has, within a set
    swap: float = 0.0  # share of texts with two nations among their sides that have them swapped
    rename: float = 0.0  # share of texts with a nation among their sides that get another one in its place
    absent: float = 0.0  # share of texts that are also asked about a nation they do not name
    smoothing: float = 0.0  # of the labels of stance
    start: str | None = None  # an earlier stage, from whose end this one starts; None: the one before
    without: tuple[str, ...] = ()  # examples that name one of these sides are left out


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a training run, but for the data."""

    name: str
    seed: int
    tokens_per_batch: int
    cut: int  # tokens of a text that are read
    average: float  # decay of the running mean of the weights, which is what a stage ends with
    stages: tuple[Stage, ...]
    layer_decay: float = 1.0  # each layer learns this much slower than the one above it
    blend: dict[str, float] = field(default_factory=dict)  # what is shipped: shares of stages' ends; else the last one
    hub: dict[str, HubSet] = field(default_factory=dict)  # data sets that are not in the folder


def load_recipe(path: Path) -> Recipe:
    """StanceError names the key that is missing, unknown or of the wrong type."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StanceError(f"{path}: not a recipe ({error}): start from stance/train/recipe.toml") from error
    try:
        stages = tuple(Stage(**{**stage, "without": tuple(stage.get("without", ()))}) for stage in values.pop("stage"))
        hub = {name: HubSet(**given) for name, given in values.pop("hub", {}).items()}
        recipe = Recipe(stages=stages, hub=hub, **values)
    except (KeyError, TypeError) as error:
        raise StanceError(f"{path}: {error}: see stance/train/recipe.toml for the keys of a recipe") from error
    for name, given in hub.items():
        check_labels(f"{path}: {name}", given)
    names = [stage.name for stage in stages]
    unknown = set(recipe.blend) - set(names)
    unknown |= {one.start for place, one in enumerate(stages) if one.start and one.start not in names[:place]}
    if unknown or len(set(names)) < len(names) or not names:
        raise StanceError(f"{path}: a stage's name is given twice or not at all {sorted(unknown)}: name each once")
    return recipe
