"""The card of a tagger: what it scores on every set, its audit and self-test, written into its folder.

``metrics.json`` holds the sets (set -> measure -> value, low, high, n; confusion counts as rows of numbers),
``audit.json`` the audit and the self-test, ``reliability.png`` and ``.svg`` the calibration, ``README.md`` all of it
but the counts in words and tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.measure.audit import GroupRow, audit_groups, audit_sets, summarise_groups
from stance.measure.calibration import Covered, coverage_curve, reliability_figure
from stance.measure.confusions import count_sets
from stance.measure.evaluate import as_metrics
from stance.measure.selftest import Score, run_selftest, summarise
from stance.measure.suite import Remembered, collect_answers, evaluate_suite
from stance.records import TOXICITY

if TYPE_CHECKING:
    from stance.tagger import Tagger
    from stance.tagger.shipped import Settings
    from stance.train.recipe import Recipe

CARD = """# {name}

One network of {million:.0f}M parameters (MiniLM-L6) that marks a post's stance toward any named side (favor, against,
none), five toxicity attributes ({attributes}), the words that make it
toxic, whether hostile words are reported rather than used, and sentiment, in one pass. Written by `stance train`; do
not edit.

- Reads English. Text is cut into windows of {window} tokens; only a post's own words should be given to it.
- A side's answer does not depend on which other sides are asked about.
- It abstains: below {stance} (stance) and {sentiment} (sentiment) the likeliest label is not given.
- Toxicity counts as present from: {toxicity}; a mention from {mention}; a toxic word from {toxic_token}.

## What it scored
Each with the number of texts and a 95% bootstrap interval over texts. `stance evaluate --suite DIR` prints the same.
The three `_dev` sets also fitted the calibration and thresholds and picked the recipe, so their figures flatter; no row
of a test split was used for anything.

| set | measure | value | 95% interval | n |
| --- | --- | --- | --- | --- |
{metrics}

## Calibration and abstention
![Reliability: the share that is right against the probability, by head](reliability.png)

Stance on the three `_dev` sets, where a label is given only from a probability on:

| from | share that gets a label | share of these that is right | labels |
| --- | --- | --- | --- |
{coverage}

## Audit
`stance audit --data DIR`. Recall and false alarms by side, over the three `_dev` sets (Wilson intervals); plain
sentences about {groups} nations and groups, none of which takes a stance or is toxic.

| what | measure | value | 95% interval | n |
| --- | --- | --- | --- | --- |
{audit}

The five groups whose plain sentences fare worst:

| group | taken for a stance | taken for toxic | mean probability of toxicity | n |
| --- | --- | --- | --- | --- |
{worst}

## Self-test
`stance selftest`: short cases of known behaviour, written for this; the share that passed, with its Wilson interval.

| family | passed | cases | share | 95% interval |
| --- | --- | --- | --- | --- |
{selftest}

## What it was trained on
Recipe `{recipe}`, seed {seed}. How often an epoch went over each set, by stage:

| set | {stages} | terms |
| --- |{rules} --- |
{sets}

Texts of these sets are not part of this folder; `own/` is in `stance/train/data/`, with a datasheet.

## What it gets wrong, and what it must not be used for
- Sarcasm, stance by allusion and irony of support are often missed: see the families of the self-test.
- It takes sides where a post only analyses: see the precision of favor and against in `forum_dev` and `authored_dev`.
- Other languages than English: the program tells the language and leaves such posts unjudged; few words, and English
  with words of another language in it, pass for English.
- Sides far from the topics it was trained on are harder: compare the rows of `vast`, `forum_dev` and `authored_dev`.
- A share of predicted labels is not a measurement: label a random sample by hand before you cite one.
- Do not let it hide, ban or rank people without a person who reads the post.
"""


def describe_folder(folder: Path, recipe: Recipe, data: Path, note: Callable[[object], None]) -> None:
    """Measure the tagger in a folder as it will be loaded, and write its metrics, audit, figure and card.

    ``note`` hears what is left out, and why.
    """
    from stance.tagger.shipped import load_folder

    write_json(folder / "metrics.json", {})
    tagger = load_folder(folder)
    asked = Remembered(tagger)
    metrics = as_metrics(evaluate_suite(asked, data, note))
    add_confusions(metrics, tagger, data)
    groups = audit_groups(tagger)
    audit = as_metrics([*audit_sets(asked, data, note), *summarise_groups(groups)])
    scores = summarise(run_selftest(tagger))
    answers = collect_answers(asked, data, note)
    reliability_figure(answers, folder / "reliability.png")
    coverage = coverage_curve(*answers["stance"], [0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "audit.json", {"audit": audit, "selftest": [score_values(score) for score in scores]})
    tables = {
        "metrics": metric_rows(metrics),
        "audit": metric_rows(audit),
        "worst": [group_row(row) for row in groups[:5]],
        "groups": [str(len(groups))],
        "coverage": [coverage_row(row) for row in coverage],
        "selftest": [score_row(score) for score in scores],
    }
    write_card(folder, tagger.settings, recipe, tables, read_terms(data))


def add_confusions(metrics: dict[str, Any], tagger: Tagger, data: Path) -> None:
    """Put confusion counts of the sets for development beside their figures, instead of any that stand there."""
    for name, counts in count_sets(tagger, data).items():
        metrics[name] = {**metrics.get(name, {}), **counts}


def write_card(
    folder: Path, settings: Settings, recipe: Recipe, tables: dict[str, list[str]], terms: dict[str, str]
) -> None:
    """Write README.md into the model folder; ``tables``: place in CARD -> lines, ``terms``: those of each set."""
    from stance.tagger.network import Network

    passes = [stage.passes for stage in recipe.stages]
    names = sorted({name for stage in passes for name in stage})
    limits = settings.thresholds
    text = CARD.format(
        name=settings.name,
        million=sum(value.numel() for value in Network(settings.shape).parameters()) / 1e6,
        attributes=", ".join(TOXICITY),
        window=settings.window,
        stance=limits.stance,
        sentiment=limits.sentiment,
        mention=limits.mention,
        toxic_token=limits.toxic_token,
        toxicity=", ".join(f"{name} {cut}" for name, cut in zip(TOXICITY, limits.toxicity, strict=True)),
        recipe=recipe.name,
        seed=recipe.seed,
        stages=" | ".join(f"{stage.name} ({stage.epochs})" for stage in recipe.stages),
        rules=" --- |" * len(recipe.stages),
        sets="\n".join(
            f"| {' | '.join([name, *(str(stage.get(name, 0)) for stage in passes)])} | {terms[name]} |"
            for name in names
        ),
        **{place: "\n".join(lines) for place, lines in tables.items()},
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def write_json(path: Path, values: object) -> None:
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def group_row(row: GroupRow) -> str:
    return f"| {row.group} | {row.stance:.2f} | {row.toxic:.2f} | {row.probability:.3f} | {row.n} |"


def coverage_row(row: Covered) -> str:
    return f"| {row.threshold:.1f} | {row.coverage:.3f} | {row.accuracy:.3f} | {row.n} |"


def score_values(score: Score) -> dict[str, Any]:
    return {"family": score.name, "passed": score.passed, "n": score.n, "low": score.low, "high": score.high}


def score_row(score: Score) -> str:
    interval = f"{score.low:.2f} to {score.high:.2f}"
    return f"| {score.name} | {score.passed} | {score.n} | {score.passed / max(1, score.n):.2f} | {interval} |"


def metric_rows(metrics: dict[str, Any]) -> list[str]:
    rows = []
    for name, measures in metrics.items():
        for measure, found in measures.items():
            if not isinstance(found, dict):  # confusion counts
                continue
            interval = f"{found['low']:.3f} to {found['high']:.3f}" if "low" in found else ""
            rows.append(f"| {name} | {measure} | {found['value']:.3f} | {interval} | {found['n']} |")
    return rows


def read_terms(data: Path) -> dict[str, str]:
    """The terms of each public set, from the MANIFEST beside it; the conflict sets are this project's labels."""
    terms = {f"conflict/{name}_train": "labelled for this project" for name in ("tweets", "forum")}
    terms |= {f"own/authored_{name}": "written and labelled for this project: CC BY 4.0" for name in ("train", "more")}
    labels = "labels of this project: CC BY 4.0; texts: terms not stated"
    terms |= {f"own/{name}_labels": labels for name in ("tweet", "forum")}
    for kind in ("stance", "toxicity", "sentiment"):
        path = data / kind / "MANIFEST.json"
        if path.is_file():
            for name, entry in json.loads(path.read_text(encoding="utf-8")).items():
                terms[f"{kind}/{name}"] = str(entry.get("licence", "not stated")).replace("|", "/")
    return terms
