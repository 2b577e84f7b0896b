"""How often the 95% intervals of ``stance.estimate.correct`` hold the truth, and how wide they are, on made threads.

    python tests/bench/intervals.py [--details]

A made thread has N posts; each has the quantity with the probability that the row names, so the true share of a thread
lies about there, and is known. A made tagger scores a post by a normal deviate about plus or minus a distance, so that
the part "accuracy" of those that have it, and of those that do not, lies on the right side of 0. Its probability is the
sigmoid of ``slope * score + shift``: TAGGERS. Of each thread many samples of n posts are drawn without replacement and
go through the same functions as a real one. Two minutes of processor time, shared by all cores.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import product
from typing import NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a process a core: threads of numpy would only wait for each other

import numpy as np
import typer
from numpy.typing import NDArray

from stance.estimate import wilson_interval
from stance.estimate.correct import Sample, choose_estimate, collapse_cells, count_sample
from stance.estimate.intervals import DEVIATE
from stance.gold.draw import allocate

Numbers = NDArray[np.float64]
TAGGERS = {  # slope, shift
    "hedging": (1.0, -1.0),  # unsure, and shy of saying that a post has it
    "sure": (6.0, 0.0),  # far too sure: nearly 0 or 1
    "leaning": (2.0, 1.0),  # says too readily that a post has it
}
SIZES, DRAWN, ACCURACIES, SHARES = (500, 2_000, 20_000), (100, 300), (0.6, 0.7, 0.85, 0.9), (0.05, 0.1, 0.25, 0.5)
LOW, HIGH = 0.93, 0.97


class Case(NamedTuple):
    """One row of the grid."""

    posts: int
    drawn: int
    accuracy: float
    share: float

    def __str__(self) -> str:
        return f"N {self.posts:6,}  n {self.drawn}  accuracy {self.accuracy:.2f}  share {self.share:.2f}"


class Setup(NamedTuple):
    """How threads and samples are made."""

    tagger: str = "hedging"  # of TAGGERS
    by_label: bool = False  # the tagger's 0 or 1 corrects, not its probability
    fixed: bool = False  # every thread has exactly the share
    design: tuple[str, ...] = ()  # strata by "label", "uncertainty"; none: a simple sample
    allocation: str = "equal"
    threads: int = 40
    runs: int = 200  # samples of each thread


class Outcome(NamedTuple):
    """Means over all samples of a case."""

    coverage: float
    width: float
    gold_coverage: float  # of hand labels alone
    gold_width: float
    gold_only: float  # part of the samples with too few positives for a correction
    plain_coverage: float  # of the tagger's labels with a plain interval
    normal_coverage: float  # of 1.96 standard errors about the share, where it is corrected


GRID = [Case(*row) for row in product(SIZES, DRAWN, ACCURACIES, SHARES)]


def make_thread(generator: np.random.Generator, case: Case, setup: Setup) -> tuple[Numbers, Numbers, Numbers]:
    """What posts have, the tagger's probability, its label; (N,) each."""
    from scipy.special import expit, ndtri

    count = round(case.share * case.posts) if setup.fixed else generator.binomial(case.posts, case.share)
    has = np.zeros(case.posts)
    has[:count] = 1
    score = ndtri(case.accuracy) * (2 * has - 1) + generator.standard_normal(case.posts)
    slope, shift = TAGGERS[setup.tagger]
    return has, expit(slope * score + shift), (score > 0).astype(float)


def draw_posts(generator: np.random.Generator, posts: int, count: int, runs: int) -> NDArray[np.int64]:
    """(runs, count): as many different posts a run, each set of posts as likely as another."""
    if count * count > posts:  # else few draws hit one post twice
        return np.argpartition(generator.random((runs, posts)), min(count, posts - 1), axis=1)[:, :count]
    drawn = generator.integers(posts, size=(runs, count))
    while True:
        order = np.sort(drawn, axis=1)
        again = (order[:, 1:] == order[:, :-1]).any(1)
        if not again.any():
            return drawn
        drawn[again] = generator.integers(posts, size=(int(again.sum()), count))


def place_posts(probability: Numbers, label: Numbers, design: Iterable[str]) -> NDArray[np.int64]:
    """(N,): the stratum of each post, by predicted label and by thirds of the tagger's doubt."""
    place = np.zeros(len(label), np.int64)
    if "label" in design:
        place = place * 2 + label.astype(int)
    if "uncertainty" in design:
        doubt = -np.abs(probability - 0.5)
        place = place * 3 + doubt.argsort(kind="stable").argsort(kind="stable") * 3 // len(label)
    return np.unique(place, return_inverse=True)[1]


def draw_sample(
    generator: np.random.Generator, case: Case, setup: Setup, thread: tuple[Numbers, Numbers, Numbers]
) -> Sample:
    has, probability, label = thread
    word = label if setup.by_label else probability
    place = place_posts(probability, label, setup.design)
    sizes = np.bincount(place)
    taken = allocate(sizes.tolist(), case.drawn, setup.allocation)
    members = [np.flatnonzero(place == at) for at in range(len(sizes))]
    chosen = [of[draw_posts(generator, len(of), count, setup.runs)] for of, count in zip(members, taken, strict=True)]
    posts = np.concatenate(chosen, axis=1)
    level = np.array([word[of].mean() for of in members])
    joined = collapse_cells(np.array(taken), sizes.astype(float), level)
    cell = joined[np.repeat(np.arange(len(sizes)), taken)]
    sizes = np.bincount(joined, weights=sizes)
    return Sample(has[posts], word[posts], np.full(setup.runs, word.mean()), cell, sizes)


def run_case(case: Case, setup: Setup, seed: int = 1) -> Outcome:
    key = [seed, case.posts, case.drawn, round(case.accuracy * 100), round(case.share * 100), *map(ord, setup.tagger)]
    generator = np.random.default_rng(key)
    rows = []
    for _ in range(setup.threads):
        thread = make_thread(generator, case, setup)
        truth = float(thread[0].mean())
        sample = draw_sample(generator, case, setup, thread)
        found, corrected = choose_estimate(sample)
        alone = count_sample(sample)
        reach = DEVIATE * found.error
        normal_low = np.where(corrected, found.share - reach, alone.low)
        normal_high = np.where(corrected, found.share + reach, alone.high)
        low, high = wilson_interval(int(thread[2].sum()), case.posts)
        rows.append(
            (
                covers(found.low, found.high, truth).mean(),
                (found.high - found.low).mean(),
                covers(alone.low, alone.high, truth).mean(),
                (alone.high - alone.low).mean(),
                1 - corrected.mean(),
                float(low <= truth <= high),
                covers(normal_low, normal_high, truth).mean(),
            )
        )
    return Outcome(*np.mean(rows, 0).tolist())


def covers(low: Numbers, high: Numbers, truth: float) -> NDArray[np.bool_]:
    """Ends that are the truth but for rounding hold it."""
    return (low <= truth + 1e-12) & (truth <= high + 1e-12)


def run_all(jobs: list[tuple[Case, Setup]]) -> Iterator[Outcome]:
    with ProcessPoolExecutor() as pool:
        yield from pool.map(run_case, *zip(*jobs, strict=True), chunksize=4)


def main() -> None:
    started = time.perf_counter()
    setups = {
        "simple samples, hedging tagger": Setup(),
        "simple samples, sure tagger": Setup("sure"),
        "simple samples, leaning tagger": Setup("leaning"),
        "simple samples, hedging tagger, by its label": Setup(by_label=True, threads=20),
        "simple samples, hedging tagger, threads of exactly that share": Setup(fixed=True, threads=20),
        "strata by label of equal size, sure tagger": Setup("sure", design=("label",), threads=15),
        "strata by label and uncertainty, hedging tagger": Setup(
            design=("label", "uncertainty"), allocation="proportional", threads=15
        ),
    }
    machine = f"{os.cpu_count()} cores, numpy {np.__version__}"
    typer.echo(f"{datetime.now(UTC):%Y-%m-%d}, {machine}; coverage wanted: {LOW} to {HIGH}\n")
    jobs = [(case, setup) for setup in setups.values() for case in GRID]
    nearly = Setup(by_label=True, threads=20)  # as a rule a sample shows no error or one
    jobs += [(Case(2_000, drawn, 0.99, share), nearly) for drawn, share in product(DRAWN, SHARES[2:])]
    outcomes = dict(zip(jobs, run_all(jobs), strict=True))
    for name, setup in setups.items():
        of = {case: outcomes[case, setup] for case in GRID}
        if setup == Setup() or "--details" in sys.argv:
            print_grid(name, of)
        print_summary(name, setup, of)
    few = [out.coverage for (case, _), out in outcomes.items() if case.accuracy == 0.99]
    typer.echo(f"a tagger right in 99 of 100 posts, by its label: coverage {min(few):.3f} to {max(few):.3f}")
    typer.echo(f"{time.perf_counter() - started:.0f} s")


def print_grid(name: str, of: dict[Case, Outcome]) -> None:
    typer.echo(f"{name}\n{'':45}coverage  width | hand labels alone: width  coverage  used in | plain: coverage")
    for case, out in of.items():
        typer.echo(
            f"{case!s:45}{out.coverage:8.3f}{out.width:7.3f} |{out.gold_width:25.3f}{out.gold_coverage:10.3f}"
            f"{out.gold_only:9.2f} |{out.plain_coverage:16.2f}"
        )


def print_summary(name: str, setup: Setup, of: dict[Case, Outcome]) -> None:
    outside = {case: out for case, out in of.items() if not LOW <= out.coverage <= HIGH}
    runs = setup.threads * setup.runs
    typer.echo(
        f"{name}: {len(of)} rows of {runs:,} samples: coverage {span(out.coverage for out in of.values())}; "
        f"outside: {len(outside)}"
    )
    for case, out in outside.items():
        typer.echo(
            f"    {case!s}  coverage {out.coverage:.4f}, hand labels alone in {out.gold_only:.2f} of the samples"
        )
    narrowing: dict[float, list[float]] = defaultdict(list)
    for case, out in of.items():
        if case.accuracy == 0.85:
            narrowing[case.share].append(out.width / out.gold_width)
    shares = ", ".join(f"{np.mean(ratios):.2f} at share {share}" for share, ratios in narrowing.items())
    typer.echo(f"    width at accuracy .85 by that of hand labels alone: {shares}")
    typer.echo(f"    1.96 standard errors instead: coverage {span(out.normal_coverage for out in of.values())}")
    typer.echo(f"    plain interval of predicted labels: coverage {span(out.plain_coverage for out in of.values())}\n")


def span(values: Iterable[float]) -> str:
    found = list(values)
    return f"{min(found):.3f} to {max(found):.3f}, mean {np.mean(found):.3f}"


if __name__ == "__main__":
    main()
