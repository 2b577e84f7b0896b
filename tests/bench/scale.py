"""What `stance run` takes: speed, memory and cost per post by size and workers, and the rate of each stage alone.

    python tests/bench/scale.py speed [--posts 10000 40000] [--workers 1 2] [--engine processes|ray]
    python tests/bench/scale.py memory [--sizes 10000 1000000]
    python tests/bench/scale.py stages
    python tests/bench/scale.py ray [--posts 10000]
    python tests/bench/scale.py report --report reports/scale.md [--core-hour 0.04]

speed   the shipped tagger over made comments (lengths of real ones, every text once): each number of workers at the
        smallest size, the most of them at all sizes. Start-up is that of a run over 40 posts. The share of the matrix
        rate counts two operations a weight and token of the texts and sides, over all the time from start to end;
        the rate, with as many threads as workers, is measured right before and after
memory  the same command with a small random tagger, which is all but the network, at sizes that would take hours
stages  one core: decompression, JSON, reading, linking, tokenising, the network, tables, zstd, disk, hashing, cache
ray     processes and Ray by turns on this machine, two workers
report  what all that makes of 10^6, 10^8 and 10^10 posts (`costs.py`), from the figures that the other parts kept

Figures are kept in a JSON file (`--rates`), part by part, each with the machine and the date.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

import comments
import costs
import machine
import watching
from machine import GIGA, say

if TYPE_CHECKING:
    from stance.records import Thread

MEGA = 1e6
SHARD_SIZE = 1000  # small enough that at 10,000 posts no worker waits long for the last one
STARTING_POSTS = 40
SAMPLE = 4000  # posts of the stages
WRITTEN = 256_000_000  # bytes to the disk


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command. Memory in bytes, times in seconds."""

    posts: int
    workers: int
    engine: str
    tagger: str
    seconds: float
    starting: float  # of that, what a run over few posts takes
    processor: float
    main_peak: int
    worker_peak: int  # of the largest
    together: int  # PSS of all
    table_bytes: int  # of tags and threads
    cache_bytes: int
    rate: float = 0.0  # operations a second of matrix products, bf16, as many threads as workers
    needed: float = 0.0  # operations

    @property
    def cost(self) -> float:
        """Seconds a post past start-up."""
        return (self.seconds - self.starting) / self.posts

    @property
    def share(self) -> float:
        """Of the matrix rate, start-up counted."""
        return self.needed / self.seconds / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bench runs."""

    folder: Path
    engine: str
    tagger: str  # as --tagger takes it

    def run(self, posts: int, workers: int, shard_size: int = SHARD_SIZE, *more: str) -> tuple[watching.Watched, Path]:
        """One run into an empty folder."""
        (dump,) = comments.write_dumps(self.folder / "inputs", posts)
        output = self.folder / "output"
        shutil.rmtree(output, ignore_errors=True)
        options = ["--tagger", self.tagger, "--workers", str(workers), "--shard-size", str(shard_size), *more]
        command = [*watching.STANCE, "run", str(dump), "-o", str(output), *options, "--engine", self.engine]
        watched = watching.watch(command)
        if watched.code != 0:
            raise SystemExit(f"exit code {watched.code}: {' '.join(command)}\n{watched.output}")
        return watched, output


def take_run(place: Place, posts: int, workers: int, starting: float, rated: bool) -> Run:
    before = measure_rate(workers) if rated else 0.0
    watched, output = place.run(posts, workers)
    after = measure_rate(workers) if rated else 0.0
    taken = Run(
        posts,
        workers,
        place.engine,
        Path(place.tagger).name,
        watched.seconds,
        starting,
        watched.processor,
        watched.own_peak,
        watched.other_peak,
        watched.together,
        sum(path.stat().st_size for kind in ("tags", "threads") for path in (output / kind).iterdir()),
        sum(path.stat().st_size for path in output.glob("*.sqlite*")),
        rate=mean((before, after)),
        needed=count_operations(output) if rated else 0.0,
    )
    print_run(taken)
    return taken


def take_starting(place: Place, workers: int) -> float:
    """Seconds of a run with next to nothing to tag, in which every worker starts."""
    return place.run(STARTING_POSTS, workers, STARTING_POSTS // workers)[0].seconds


def measure_rate(threads: int) -> float:
    import torch

    torch.set_num_threads(threads)
    return machine.measure_rates(bf16=True).best


def count_operations(output: Path) -> float:
    """What the judged posts in the tables need of the network."""
    import pyarrow.parquet as pq

    from stance.tagger.network import Shape
    from stance.topic import load_topic

    sides = comments.count_side_tokens(side.target for side in load_topic("karabakh-2020").sides)
    tokens = 0
    for path in sorted((output / "tags").glob("*.parquet")):
        rows = pq.read_table(path, columns=["body", "quotes", "toxicity"]).to_pylist()
        texts = [own_words(row) for row in rows if row["toxicity"]["toxicity"] is not None]
        tokens += sum(comments.count_tokens(texts)) + sides * len(texts)
    return machine.needed_operations(Shape(), tokens)


def own_words(row: dict[str, Any]) -> str:
    """The body of a row without its quotes."""
    edges = [0, *(edge for quote in row["quotes"] for edge in (quote["start"], quote["end"])), len(row["body"])]
    return " ".join(row["body"][start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))


def print_run(run: Run) -> None:
    share = f", {100 * run.share:.0f} % of {run.rate / GIGA:,.0f} GFLOP/s" if run.rate else ""
    say(
        f"{run.posts:>9,} posts, {run.workers} workers, {run.engine}, {run.tagger}: {run.seconds:.1f} s "
        f"({run.starting:.1f} s start-up), {run.posts / run.seconds:,.0f} posts/s, past start-up "
        f"{1000 * run.cost:.2f} ms a post{share}; processor {1000 * run.processor / run.posts:.2f} ms a post"
    )
    say(
        f"          peak memory: main {run.main_peak / MEGA:.0f} MB, largest worker {run.worker_peak / MEGA:.0f} MB, "
        f"together {run.together / MEGA:.0f} MB; tables {run.table_bytes / run.posts:.0f} bytes a post, "
        f"cache {run.cache_bytes / run.posts:.0f}"
    )


def measure_speed(given: argparse.Namespace) -> list[dict[str, Any]]:
    place = Place(given.folder, given.engine, given.tagger)
    sizes, most = sorted(given.posts), max(given.workers)
    plans = [(sizes[0], workers) for workers in sorted(given.workers)] + [(posts, most) for posts in sizes[1:]]
    starting = {workers: take_starting(place, workers) for workers in given.workers}
    runs = [take_run(place, posts, workers, starting[workers], rated=True) for posts, workers in plans]
    by_plan = {(run.posts, run.workers): run for run in runs}
    one, many = by_plan[sizes[0], min(given.workers)], by_plan[sizes[0], most]
    if one is not many:
        gain, whole = one.cost / many.cost, one.seconds / many.seconds
        say(f"{one.workers} to {many.workers} workers: {gain:.2f} times past start-up, {whole:.2f} times all in all")
    for posts in sizes[1:]:
        ratio = by_plan[posts, most].cost / many.cost
        say(f"cost per post past start-up, {posts:,} against {sizes[0]:,}: {100 * (ratio - 1):+.1f} %")
    return [asdict(run) for run in runs]


def measure_memory(given: argparse.Namespace) -> list[dict[str, Any]]:
    place = Place(given.folder, given.engine, str(comments.make_tiny_tagger(given.folder / "tiny")))
    sizes, most = sorted(given.sizes), max(given.workers)
    starting = take_starting(place, most)
    runs = [take_run(place, posts, most, starting, rated=False) for posts in sizes]
    first = runs[0]
    for run in runs[1:]:
        own, other = run.main_peak / first.main_peak, run.worker_peak / first.worker_peak
        say(
            f"peak memory, {run.posts:,} against {first.posts:,}: main {own:.2f} times, largest worker {other:.2f} "
            f"times, together {run.together / first.together:.2f} times; cost per post past start-up "
            f"{100 * (run.cost / first.cost - 1):+.1f} %"
        )
    return [asdict(run) for run in runs]


def measure_ray(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Each engine twice, by turns; the better of each counts."""
    posts, workers = min(given.posts), max(given.workers)
    best: dict[str, Run] = {}
    starting: dict[str, float] = {}
    for _ in range(2):
        for engine in ("processes", "ray"):
            place = Place(given.folder, engine, given.tagger)
            if engine not in starting:
                starting[engine] = take_starting(place, workers)
            run = take_run(place, posts, workers, starting[engine], rated=False)
            if engine not in best or run.cost < best[engine].cost:
                best[engine] = run
    overhead = best["ray"].cost / best["processes"].cost - 1
    say(f"Ray against processes past start-up: {100 * overhead:+.1f} %")
    return [asdict(run) for run in best.values()]


@dataclass(frozen=True, slots=True)
class Stage:
    """The rate of one stage alone, on one core."""

    name: str
    posts: float  # a second
    megabytes: float | None = None  # a second, of what the stage takes in


def measure_stages(given: argparse.Namespace) -> dict[str, Any]:
    """Every stage over the same posts, one core."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    import torch

    torch.set_num_threads(1)
    (dump,) = comments.write_dumps(given.folder / "inputs", given.sample)
    threads, posts, stages = [], given.sample, []
    for stage in [*time_reading(dump, posts, threads), *time_tagging(threads, posts, given.tagger)]:
        amount = "" if stage.megabytes is None else f", {stage.megabytes:,.0f} MB/s"
        say(f"{stage.name}: {stage.posts:,.0f} posts/s, {1000 / stage.posts:.4f} ms a post{amount}")
        stages.append(stage)
    disk = time_disk(given.folder)
    say(f"disk, written and synced: {disk:,.0f} MB/s")
    return {"posts": posts, "stages": [asdict(stage) for stage in stages], "disk": disk}


def take(call: Callable[[], object]) -> float:
    """Seconds of the better of two calls."""
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def time_reading(dump: Path, posts: int, threads: list[Thread]) -> Iterator[Stage]:
    """From the file to linked threads, which are put into ``threads``."""
    import hashlib

    import orjson

    from stance.read import Options, read_threads
    from stance.read.compressed import open_plain
    from stance.thread import link_posts

    packed = dump.read_bytes()
    seconds = take(lambda: hashlib.sha256(packed).digest())
    yield Stage("hashing (SHA-256) of the packed input", posts / seconds, len(packed) / seconds / MEGA)
    plain = b"".join(open_plain(dump, None))
    seconds = take(lambda: sum(map(len, open_plain(dump, None))))
    yield Stage("decompression (zstd)", posts / seconds, len(plain) / seconds / MEGA)
    seconds = take(lambda: [orjson.loads(line) for line in plain.splitlines()])
    yield Stage("JSON", posts / seconds, len(plain) / seconds / MEGA)
    loose: list[Thread] = []

    def read() -> None:
        loose[:] = read_threads(dump, Options())

    seconds = take(read)
    yield Stage(
        "reading, with the two before, sorting by thread and records", posts / seconds, len(plain) / seconds / MEGA
    )

    def link() -> None:
        threads[:] = map(link_posts, loose)

    yield Stage("linking: quotes, replies, language", posts / take(link))


def time_tagging(threads: Sequence[Thread], posts: int, name: str) -> Iterator[Stage]:
    """From linked threads to the bytes of a table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from stance.table import build_table, make_manifest
    from stance.tag import tag_stream
    from stance.tagger import load_tagger
    from stance.tagger.batch import tokenize
    from stance.topic import load_topic

    tagger, topic = load_tagger(name), load_topic("karabakh-2020")
    texts = [post.own_words for thread in threads for post in thread.posts]
    tokenizer = comments.load_shipped_tokenizer()
    tokenising = take(lambda: tokenize(tokenizer, texts))
    yield Stage("tokeniser", posts / tokenising)
    sides = [side.target for side in topic.sides]
    start = time.perf_counter()
    tagger.predict(texts, sides)
    predicting = time.perf_counter() - start
    yield Stage("network, with heads and calibration", posts / max(predicting - tokenising, 1e-9))
    answers = Remembered(tagger, texts, sides)
    tagged = list(tag_stream(threads, topic, answers))
    yield Stage("tags from predictions", posts / take(lambda: list(tag_stream(threads, topic, answers))))
    manifest = make_manifest(tagger, topic)
    tables: list[pa.Table] = []

    def build() -> None:
        pairs = zip(threads, tagged, strict=True)
        tables[:] = [build_table(thread, tags, article, manifest) for thread, (tags, article) in pairs]

    yield Stage("rows of tables", posts / take(build))
    joined = pa.concat_tables(tables)
    sink = pa.BufferOutputStream()
    seconds = take(lambda: pq.write_table(joined, pa.BufferOutputStream(), compression="zstd"))
    pq.write_table(joined, sink, compression="zstd")
    yield Stage("Parquet with zstd", posts / seconds, joined.nbytes / seconds / MEGA)


class Remembered:
    """A tagger that knows its answers already, so that what is around it can be timed."""

    def __init__(self, tagger: Any, texts: Sequence[str], sides: Sequence[str]) -> None:
        self.thresholds, self.languages, self.sha256 = tagger.thresholds, tagger.languages, tagger.sha256
        self.name, self.errors = tagger.name, tagger.errors
        self.places = {text: place for place, text in enumerate(texts)}
        self.known = tagger.predict(texts, sides)

    def predict(self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None) -> Any:
        from stance.tagger import Predictions

        known, rows = self.known, [self.places[text] for text in texts]
        spans = [known.toxic_spans[row] for row in rows]
        columns = (known.stance, known.toxicity, known.sentiment, known.mention)
        return Predictions(*(column[rows] for column in columns), spans)


def time_disk(folder: Path) -> float:
    """Megabytes a second into one file, synced at the end."""
    block, path = os.urandom(1 << 20), folder / "written"
    start = time.perf_counter()
    with path.open("wb") as file:
        for _ in range(WRITTEN // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    path.unlink()
    return WRITTEN / seconds / MEGA


def write_report(given: argparse.Namespace) -> None:
    rates = read_rates(given.rates)
    missing = [part for part in ("speed", "memory", "stages") if part not in rates]
    if missing:
        raise SystemExit(f"{given.rates}: no figures of {', '.join(missing)}: run those parts first")
    text = costs.write_text(rates, costs.Prices(given.core_hour, given.gpu_hour))
    if given.report is None:
        say(text)
    else:
        given.report.write_text(text, encoding="utf-8")
        say(str(given.report))


def read_rates(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


PARTS: dict[str, Callable[[argparse.Namespace], Any]] = {
    "speed": measure_speed,
    "memory": measure_memory,
    "stages": measure_stages,
    "ray": measure_ray,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "report", []], help="what to measure, or report")
    parser.add_argument("--posts", type=int, nargs="+", default=[10_000, 40_000], help="of speed and ray")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 1_000_000], help="posts, of memory")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="posts of stages")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--engine", choices=("processes", "ray"), default="processes")
    parser.add_argument("--tagger", default=str(comments.SHIPPED), help="of speed, stages and ray")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "stance-scale")
    parser.add_argument("--rates", type=Path, help="JSON of the figures; else rates.json in the folder")
    parser.add_argument("--report", type=Path, help="write the report here")
    parser.add_argument("--core-hour", type=float, default=costs.Prices().core_hour, help="dollars, an assumption")
    parser.add_argument("--gpu-hour", type=float, default=costs.Prices().gpu_hour, help="dollars, an assumption")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    given.rates = given.rates or given.folder / "rates.json"
    parts = given.parts or (["report"] if given.report else [])
    if not parts:
        parser.error(f"name what to measure: {', '.join([*PARTS, 'report'])}")
    for part in parts:
        if part == "report":
            write_report(given)
            continue
        described = machine.describe_machine("torch", "pyarrow")
        say(f"## {part}\n{described}")
        figures = PARTS[part](given)
        command = f"python tests/bench/scale.py {part}"
        kept = {**read_rates(given.rates), part: {"machine": described, "command": command, "figures": figures}}
        given.rates.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
