"""The commands about a tagger: evaluate, selftest, audit, train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stance.cli.flags import TOPIC, TaggerName, TopicName
from stance.cli.terminal import fail, print_results, show_progress
from stance.records import StanceError
from stance.tagger import SHIPPED

if TYPE_CHECKING:
    from stance.measure.evaluate import Result

Data = Annotated[Path, typer.Option("--data", help="The folder of data sets (stance/, toxicity/, ... inside).")]

GOLD = Path("tests/gold/seed_labels.jsonl")
SEED = Path("seeds/karabakh-2020.txt")


def evaluate(
    suite: Annotated[Path | None, typer.Option(help="A folder of data sets; else the thread alone.")] = None,
    baseline: Annotated[bool, typer.Option("--baseline", help="With --suite: TF-IDF and VADER beside it.")] = False,
    floors: Annotated[Path | None, typer.Option(help="A JSON file of least values; exit code 1 under one.")] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Raise the floors to what was measured.")] = False,
    allow_regression: Annotated[
        bool, typer.Option("--allow-regression", help="Also lower those that CHANGELOG.md gives a reason for.")
    ] = False,
    thread: Annotated[Path, typer.Option(help="A thread with gold labels.")] = SEED,
    gold: Annotated[Path, typer.Option(help="Its labels: JSON lines with number, stance, toxicity, sentiment.")] = GOLD,
    topic: TopicName = TOPIC,
    tagger: TaggerName = SHIPPED,
) -> None:
    """Measure a tagger on labelled texts: each figure with n and a 95% bootstrap interval."""
    from stance.measure.evaluate import evaluate_thread
    from stance.measure.floors import check_floors, pin_floors
    from stance.measure.suite import Remembered, evaluate_suite, keep_judged
    from stance.tagger import load_tagger
    from stance.thread import read_thread
    from stance.topic import load_topic

    if (pin and floors is None) or (baseline and suite is None):
        raise StanceError("--pin needs --floors FILE, --baseline needs --suite DIR: name them")
    failures: list[StanceError] = []

    def note(line: str | StanceError) -> None:
        if isinstance(line, StanceError):
            failures.append(line)
        typer.echo(f"stance: {line}", err=True)

    asked = Remembered(load_tagger(tagger))
    measured = evaluate_thread(asked, read_thread(thread), load_topic(topic), gold)
    results = list(keep_judged(asked, list(measured), note))
    print_results(results)
    for result in evaluate_suite(asked, suite, note) if suite is not None else ():
        print_results([result])
        results.append(result)
    if suite is not None and baseline:
        print_baselines(asked.name, results, suite, note)
    if failures:
        raise typer.Exit(2)
    if floors is not None:
        for line in pin_floors(results, floors, allow_regression, Path("CHANGELOG.md")) if pin else ():
            typer.echo(line)
        under = check_floors(results, floors)
        for line in under:
            typer.echo(line, err=True)
        raise typer.Exit(1 if under else 0)


def print_baselines(name: str, results: list[Result], suite: Path, note: Callable[[str | StanceError], None]) -> None:
    from stance.measure.baseline import evaluate_baselines
    from stance.measure.suite import compare_columns

    columns: dict[str, list[Result]] = {name: results, "TF-IDF": [], "VADER": []}
    for column, result in evaluate_baselines(suite, note):
        columns[column].append(result)
    typer.echo("")
    for line in compare_columns(columns):
        typer.echo(line)


def selftest(
    tagger: TaggerName = SHIPPED,
    failures: Annotated[bool, typer.Option("--failures", help="Also print each case that failed.")] = False,
) -> None:
    """Put a tagger through short cases of known behaviour (negation, irony, quotes, ...): what passed, by family."""
    from stance.measure.selftest import load_cases, plan_batches, run_selftest, summarise
    from stance.tagger import load_tagger

    total = sum(len(texts) for texts in plan_batches(load_cases()).values())
    with show_progress("cases", total) as advance:
        results = run_selftest(load_tagger(tagger), advance)
    for score in summarise(results):
        skipped = f"  {score.skipped} not judged" if score.skipped else ""
        share = f"{score.passed / score.n:.3f}  [{score.low:.3f}, {score.high:.3f}]" if score.n else "-"
        typer.echo(f"{score.name:28} {score.passed:4} of {score.n:<4} {share}{skipped}")
    for result in results if failures else ():
        for subject, accepted, got in result.misses:
            wanted = " or ".join(str(answer) for answer in accepted)
            typer.echo(f"line {result.case.line}, {result.case.family}: {subject}: {got}, not {wanted}")


def audit(
    data: Annotated[Path | None, typer.Option("--data", help="The folder of data sets; else plain sentences.")] = None,
    tagger: TaggerName = SHIPPED,
) -> None:
    """Ask whether a tagger treats sides alike: sides swapped, errors by side, plain sentences about each group."""
    from stance.measure.audit import audit_groups, audit_sets, summarise_groups
    from stance.tagger import load_tagger

    loaded = load_tagger(tagger)
    if data is not None:
        for result in audit_sets(loaded, data, fail):
            print_results([result])
    rows = audit_groups(loaded)
    print_results(list(summarise_groups(rows)))
    typer.echo(f"{'plain sentences about':26} {'n':>4}  as a stance  as toxic  mean probability of toxicity")
    for row in rows:
        typer.echo(f"{row.group:26} {row.n:4}  {row.stance:11.3f}  {row.toxic:8.3f}  {row.probability:28.3f}")


def train(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="The new model folder.")],
    run: Annotated[Path, typer.Option(help="The folder of checkpoints; the same one goes on with a run.")],
    recipe: Annotated[Path | None, typer.Option(help="A recipe; else stance/train/recipe.toml.")] = None,
) -> None:
    """Train a tagger from data sets, on a CPU; a run that was cut off goes on where it was."""
    from stance.train import RECIPE, train_tagger

    typer.echo(train_tagger(data, output, run, recipe or RECIPE, lambda line: typer.echo(str(line), err=True)))
