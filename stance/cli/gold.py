"""The commands of a gold sample: draw, score, fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stance.cli.flags import find_tables
from stance.records import StanceError

if TYPE_CHECKING:
    from stance.estimate.judged import Judged
    from stance.gold.threshold import Wish

gold = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Tables = Annotated[list[Path], typer.Argument(help="Tables of `stance tag` (.parquet), or folders of reports.")]


@gold.command()
def draw(
    tables: Tables,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder for the sample, its forms and sheets.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many posts.")] = 150,
    by: Annotated[list[str] | None, typer.Option(help="Strata: thread, label or uncertainty; may be repeated.")] = None,
    allocation: Annotated[str, typer.Option(help="What each stratum gives: equal or proportional.")] = "equal",
    seed: Annotated[int, typer.Option(min=0, help="The same seed and tables give the same sample.")] = 1,
    coders: Annotated[str, typer.Option(help="Names with commas between; the first one labels every post.")] = "coder1",
    shared: Annotated[int, typer.Option(min=1, help="How many posts the other coders label as well.")] = 50,
    codebook: Annotated[Path | None, typer.Option(help="Your own, as text; else the one that is shipped.")] = None,
) -> None:
    """Draw posts at random for people to label: a form and a spreadsheet for each coder."""
    from stance.gold.draw import ALLOCATIONS, BY, Design
    from stance.gold.folder import draw_folder
    from stance.gold.form import read_codebook

    asked = tuple(dict.fromkeys(by or ()))
    if not set(asked) <= set(BY):
        raise StanceError(f"--by {' '.join(asked)}: name {', '.join(BY)}")
    if allocation not in ALLOCATIONS:
        raise StanceError(f"--allocation {allocation}: name {' or '.join(ALLOCATIONS)}")
    names = tuple(name.strip() for name in coders.split(",") if name.strip())
    design = Design(n, seed, asked, allocation, names, shared)
    drawn = draw_folder(find_tables(tables), output, design, read_codebook(codebook))
    typer.echo(f"{len(drawn.drawn)} of {sum(one.posts for one in drawn.strata)} posts drawn, seed {seed}")
    for name in names:
        typer.echo(output / f"form-{name}.html")
        typer.echo(output / f"sample-{name}.csv")


@gold.command()
def score(
    folder: Annotated[Path, typer.Argument(help="A gold folder with labels in it.")],
    tables: Tables,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A .json file for the figures.")] = None,
    width: Annotated[float, typer.Option(help="Of a share's interval: how many more labels it needs is told.")] = 0.1,
) -> None:
    """Measure the tagger on the labels of a sample, and how well its coders agree."""
    from stance.gold.labels import read_gold
    from stance.gold.score import score_lines, write_score

    labelled = read_gold(folder, say)
    judged = read_tables(tables)
    if output is not None:  # first, for `| head` ends the printing early
        write_score(labelled, judged, output, width)
    for line in score_lines(labelled, judged, width):
        typer.echo(line)


@gold.command()
def fit(
    folder: Annotated[Path, typer.Argument(help="A gold folder with labels in it.")],
    tables: Tables,
    output: Annotated[Path, typer.Option("--output", "-o", help="A .json file for the calibration.")],
    precision: Annotated[
        list[str] | None, typer.Option("--target-precision", help='A threshold for it: "toxicity: any=.9".')
    ] = None,
    recall: Annotated[
        list[str] | None, typer.Option("--target-recall", help='A threshold for it: "Armenia: against=.8".')
    ] = None,
) -> None:
    """Calibrate the tagger's probabilities for a topic on the labels of a sample."""
    from stance.gold.fit import fit_calibration, write_calibration
    from stance.gold.labels import read_gold
    from stance.gold.printed import calibration_lines
    from stance.table import read_manifest, read_table

    wishes = [read_wish("precision", one) for one in precision or ()]
    wishes += [read_wish("recall", one) for one in recall or ()]
    manifests = [read_manifest(read_table(path)) for path in find_tables(tables)]
    taggers = {(one.tagger_sha256, one.abstain_below) for one in manifests}
    if len(taggers) > 1:
        raise StanceError("the tables are of several taggers, and a calibration is of one. Name tables of one tagger.")
    calibration = fit_calibration(read_gold(folder, say), read_tables(tables), wishes, *taggers.pop())
    write_calibration(calibration, output)
    for line in calibration_lines(calibration):
        typer.echo(line)
    typer.echo(output)


def read_wish(measure: str, text: str) -> Wish:
    """QUANTITY=NUMBER as what a threshold is to reach."""
    from stance.gold.threshold import Wish

    quantity, _, wanted = text.rpartition("=")
    try:
        return Wish(quantity.strip(), measure, float(wanted))
    except ValueError:
        raise StanceError(f'--target-{measure} {text}: write QUANTITY=NUMBER, such as "toxicity: any=.9"') from None


def read_tables(paths: list[Path]) -> list[Judged]:
    """The judged posts of all threads in the tables."""
    from stance.estimate.judged import read_judged
    from stance.table import read_table

    return [one for path in find_tables(paths) for one in read_judged(read_table(path))]


def say(line: str) -> None:
    typer.echo(f"stance: {line}", err=True)
