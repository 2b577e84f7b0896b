"""The card of a tagger: its folder's README.md, written from its settings, recipe and metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.records import TOXICITY

if TYPE_CHECKING:
    from stance.tagger.shipped import Settings
    from stance.train.fit import Recipe

CARD = """# {name}

One network of {million:.0f}M parameters (MiniLM-L6) that marks a post's stance toward any named side (favor, against,
none), five toxicity attributes ({attributes}) and sentiment, in one pass. Written by `stance train`; do not edit.

- Reads English. Text is cut into windows of {window} tokens; only a post's own words should be given to it.
- A side's answer does not depend on which other sides are asked about.
- Below {stance} (stance) and {sentiment} (sentiment) the likeliest label is not given.
- Toxicity counts as present from: {toxicity}.

## What it scored
Each with the number of texts and a 95% bootstrap interval over texts. `stance evaluate` prints the same. The three
`_dev` sets also fitted the calibration and thresholds and picked the recipe, so their figures flatter; both public test
sets did neither.

| set | measure | value | 95% interval | n |
| --- | --- | --- | --- | --- |
{metrics}

## What it was trained on
Recipe `{recipe}`, seed {seed}. How often an epoch went over each set, by stage:

| set | {stages} | terms |
| --- |{rules} --- |
{sets}

Texts of these sets are not part of this folder. The unlabelled tweets are those that no labelled set has; the network
of the stage before and a TF-IDF model of `tweets_train` labelled them together.

## What it gets wrong, and what it must not be used for
- Sarcasm, stance by allusion, and blame of a leader out of love for the nation are often missed.
- It takes sides where a post only analyses: see the precision of favor and against in `forum_dev` and `authored_dev`.
- Sides far from the topics it was trained on are harder: compare the rows of `forum_dev` and `authored_dev`.
- A share of predicted labels is not a measurement: label a random sample by hand before you cite one.
- Do not let it hide, ban or rank people without a person who reads the post.
"""


def write_card(
    folder: Path, settings: Settings, recipe: Recipe, metrics: dict[str, Any], terms: dict[str, str]
) -> None:
    """Write README.md into the model folder; ``terms`` names those of each set."""
    from stance.tagger.network import Network

    passes = [stage.passes | stage.unlabelled for stage in recipe.stages]
    names = sorted({name for stage in passes for name in stage})
    thresholds = settings.thresholds
    text = CARD.format(
        name=settings.name,
        million=sum(value.numel() for value in Network(settings.shape).parameters()) / 1e6,
        attributes=", ".join(TOXICITY),
        window=settings.window,
        stance=thresholds.stance,
        sentiment=thresholds.sentiment,
        toxicity=", ".join(f"{name} {cut}" for name, cut in zip(TOXICITY, thresholds.toxicity, strict=True)),
        metrics="\n".join(metric_rows(metrics)),
        recipe=recipe.name,
        seed=recipe.seed,
        stages=" | ".join(f"{stage.name} ({stage.epochs} epochs)" for stage in recipe.stages),
        rules=" --- |" * len(recipe.stages),
        sets="\n".join(
            f"| {' | '.join([name, *(str(stage.get(name, 0)) for stage in passes)])} | {terms[name]} |"
            for name in names
        ),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def metric_rows(metrics: dict[str, Any]) -> list[str]:
    rows = []
    for name, measures in metrics.items():
        for measure, found in measures.items():
            interval = f"{found['low']:.3f} to {found['high']:.3f}" if "low" in found else ""
            rows.append(f"| {name} | {measure} | {found['value']:.3f} | {interval} | {found['n']} |")
    return rows


def read_terms(data: Path) -> dict[str, str]:
    """The terms of each public set, from the MANIFEST beside it; the conflict sets are this project's labels."""
    terms = {f"conflict/{name}_train": "labelled for this project" for name in ("tweets", "forum")}
    terms["conflict/authored_train"] = "written and labelled for this project"
    for kind in ("stance", "toxicity", "sentiment"):
        path = data / kind / "MANIFEST.json"
        if path.is_file():
            for name, entry in json.loads(path.read_text(encoding="utf-8")).items():
                terms[f"{kind}/{name}"] = str(entry.get("licence", "not stated")).replace("|", "/")
    return terms
