"""The targets of comparing threads: time, memory and size of the page for many threads, and false positives.

    python tests/bench/comparison.py [size] [false]

Everything is made up: words, authors, labels. ``size`` makes 200 threads with 100,000 posts, ``false`` counts how often
tests find a difference between threads that do not differ; without a name, both.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stance.estimate.judged import Drawn, Gold, GoldLabel, Judged, Quantity, Stratum
from stance.records import SENTIMENTS, STANCES, Judgement, Post, Side, Tag, Thread
from stance.table import Manifest, build_table, write_table

SIDES = (
    Side("Northland", "pro-Northland", "Northland"),
    Side("Southland", "pro-Southland", "Southland"),
    Side("Eastland", "pro-Eastland", "Eastland"),
)
ERRORS = {"made up": {"stance_macro_f1": {"value": 0.6, "low": 0.55, "high": 0.65, "n": 400}}}
MANIFEST = Manifest("made-up", "0" * 64, "lands", SIDES, "0", (0.5, 0.5, 0.5, 0.5, 0.5), errors=ERRORS)
SYLLABLES = ("ba", "do", "fe", "gri", "hul", "ja", "ko", "lim", "mor", "nu", "pra", "qui", "ros", "sta", "tev", "ul")
QUANTITY = Quantity("stance", "Northland", "favor")
PLAIN = Judgement("none", (0.1, 0.1, 0.8))


def make_words(count: int, generator: np.random.Generator) -> list[str]:
    """Invented words, all different."""
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(generator.choice(SYLLABLES, int(generator.integers(2, 5))))] = None
    return list(found)


def make_tables(
    threads: int, posts: int, authors: int, seed: int = 1, begin: datetime | None = datetime(2020, 9, 27, tzinfo=UTC)
) -> Iterator[object]:
    """Tables of one thread each, ``posts`` in all. Authors have leanings and a home thread; one post in ten has none.

    Threads lean a little apart, and words are used as often as Zipf would have it. Times run over some weeks from
    ``begin``; None: posts have no time.
    """
    generator = np.random.default_rng(seed)
    words = make_words(20_000, generator)
    chance = 1 / np.arange(1, len(words) + 1)
    sizes = generator.multinomial(posts, generator.dirichlet(np.full(threads, 4.0)))
    leaning = generator.dirichlet((2, 3, 6), authors)  # of favor, against, none
    for number, size in enumerate(sizes.tolist()):
        home = np.arange(number, authors, threads)
        people = np.where(
            generator.random(size) < 0.85, generator.choice(home, size), generator.integers(0, authors, size)
        )
        shift = generator.dirichlet((4, 6, 12))
        odds = 0.6 * leaning[people] + 0.4 * shift
        picked = (generator.random((len(SIDES), size))[:, :, None] > odds.cumsum(1)[None]).sum(2).clip(0, 2)
        toxic, tone = generator.random(size) ** 2, generator.integers(0, 3, size)
        drawn = generator.choice(len(words), (size, 30), p=chance / chance.sum())
        minutes = np.sort(generator.integers(0, 60 * 24 * 40, size)).tolist()
        yield build_table(
            Thread(
                f"thread-{number + 1:03d}",
                f"made/thread-{number + 1:03d}.txt",
                "0" * 64,
                f"What the {words[number + 100]} said of the {words[number + 400]}",
                None,
                None,
                tuple(
                    Post(
                        str(place),
                        " ".join(words[word] for word in drawn[place]),
                        author=None if place % 10 == 0 else f"author {people[place]}",
                        time=None if begin is None else begin + timedelta(minutes=minutes[place]),
                    )
                    for place in range(size)
                ),
            ),
            [
                Tag(30, tuple(_judge(picked[side, place], STANCES) for side in range(len(SIDES))),
                    (float(toxic[place]), float(toxic[place] / 2), 0.01, 0.02, 0.03), _judge(tone[place], SENTIMENTS))
                for place in range(size)
            ],
            None,
            MANIFEST,
        )  # fmt: skip


def make_gold(judged: list[Judged], truth: list[NDArray[np.float64]], drawn: list[NDArray[np.int64]]) -> Gold:
    """Hand labels of the drawn posts of each thread: whether they favor the first side."""
    labels, sample, strata = [], [], []
    for one, true, places in zip(judged, truth, drawn, strict=True):
        strata.append(Stratum(one.thread, "", len(one.ids)))
        for place in places.tolist():
            said = ("favor" if true[place] else "none", *[None] * (len(one.sides) - 1))
            labels.append(GoldLabel(one.thread, one.ids[place], "c", said, (None,) * 5, None))
            sample.append(Drawn(one.thread, one.ids[place], "", len(places) / len(one.ids)))
    return Gold("lands", judged[0].sides, 0, tuple(strata), tuple(sample), tuple(labels), ("c",))


def make_judged(thread: str, found: NDArray[np.float64]) -> Judged:
    """A thread whose posts the tagger calls "favor" toward the only side where ``found`` (n,) is 1."""
    n = len(found)
    blank = np.full((n, 5), np.nan)
    return Judged(
        thread=thread,
        title=None,
        sides=("Northland",),
        rows=np.arange(n),
        ids=tuple(map(str, range(n))),
        authors=(None,) * n,
        times=np.full(n, np.nan),
        stance=np.where(found[:, None, None] == 1, [[[0.8, 0.1, 0.1]]], [[[0.1, 0.1, 0.8]]]),
        stance_label=np.where(found == 1, 0, 2).astype(np.int8)[:, None],
        toxicity=blank,
        present=np.zeros((n, 5), bool),
        sentiment=blank[:, :3],
        sentiment_label=np.full(n, -2, np.int8),
    )


def count_false_positives(runs: int, seed: int = 1, share: float = 0.25) -> dict[str, float]:
    """How often the test of corrected shares, and a plain one of predictions, find a difference that is not there.

    Two threads of 1,000 posts, of which exactly ``share`` favor a side; the tagger finds .8 of these in one and .55 in
    the other, and takes .10 and .30 of the others for them; 150 posts of each are labelled.
    """
    from stance.estimate.compare import subtract_shares
    from stance.estimate.correct import estimate_quantity

    generator = np.random.default_rng(seed)
    size, labelled, hits = 1000, 150, {"corrected": 0, "plain": 0}
    for _ in range(runs):
        judged, truth, drawn = [], [], []
        for name, recall, false in (("a", 0.8, 0.1), ("b", 0.55, 0.3)):
            true = np.zeros(size)
            true[: int(share * size)] = 1
            found = (generator.random(size) < np.where(true == 1, recall, false)).astype(float)
            judged.append(make_judged(name, found))
            truth.append(true)
            drawn.append(generator.choice(size, labelled, replace=False))
        gold = make_gold(judged, truth, drawn)
        first, second = (estimate_quantity(one, QUANTITY, gold) for one in judged)
        p = subtract_shares((first, second)).p
        hits["corrected"] += p is not None and p < 0.05
        counts = [float((one.stance_label[:, 0] == 0).mean()) for one in judged]
        error = np.sqrt(sum(count * (1 - count) / size for count in counts))
        hits["plain"] += abs(counts[0] - counts[1]) > 1.96 * error
    return {name: count / runs for name, count in hits.items()}


def count_false_moves(runs: int, permutations: int = 199, seed: int = 1) -> dict[str, float]:
    """How often moving people, and a plain test of posts, find a difference between threads of the same kind of people.

    60 authors in one thread and 90 in another, 1 to 20 posts each, those of the second writing twice as many; each has
    a leaning of their own, drawn from one distribution.
    """
    from stance.estimate.people import Blocks, permute_people

    generator = np.random.default_rng(seed)
    hits = {"people": 0, "posts": 0}
    sizes, thread = (60, 90), np.repeat([0, 1], (60, 90))
    for run in range(runs):
        posts = np.minimum(generator.geometric(np.where(thread == 0, 0.3, 0.15)), 20)
        having = generator.binomial(posts, generator.beta(0.8, 2.0, sum(sizes)))
        names = tuple(map(str, range(sum(sizes))))
        columns = [one[:, None].astype(np.float32) for one in (posts, having)]
        blocks = Blocks(2, thread, np.arange(sum(sizes)), names, *columns)
        p, _ = permute_people(blocks, np.ones(2, bool), permutations, seed=run)
        hits["people"] += p[0, 0] <= 0.05
        n, count = (np.bincount(thread, one) for one in (posts, having))
        error = np.sqrt((count / n * (1 - count / n) / n).sum())
        hits["posts"] += abs(count[0] / n[0] - count[1] / n[1]) > 1.96 * error
    return {name: count / runs for name, count in hits.items()}


def measure_size() -> None:
    """Make the tables in this process and compare them in another, whose time and memory count."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for number, table in enumerate(make_tables(200, 100_000, 20_000)):
            (place / f"{number:03d}").mkdir()
            write_table(table, place / f"{number:03d}" / "tags.parquet")
        start = time.perf_counter()
        command = [sys.executable, "-m", "stance.cli", "compare", str(place), "-o", str(place / "comparison")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        page = (place / "comparison" / "index.html").stat().st_size / 1e6
        sys.stdout.write(f"200 threads, 100,000 posts: {seconds:.1f} s, {memory:.2f} GB, page {page:.2f} MB\n")


def _judge(place: int, names: tuple[str, ...]) -> Judgement:
    return Judgement(names[place], tuple(0.8 if other == place else 0.1 for other in range(3)))


def main() -> None:
    asked = sys.argv[1:] or ["size", "false"]
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores\n")
    if "size" in asked:
        measure_size()
    if "false" in asked:
        for name, part in count_false_positives(4000).items():
            sys.stdout.write(f"equal shares, unlike errors: the {name} test rejects in {part:.1%} of 4,000 runs\n")
        for name, part in count_false_moves(4000).items():
            sys.stdout.write(f"like people: the test that moves {name} rejects in {part:.1%} of 4,000 runs\n")


if __name__ == "__main__":
    main()
