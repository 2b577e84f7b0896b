"""From measured rates to what 10^6, 10^8 and 10^10 posts take on four kinds of machine, and what holds each up.

The model is plain: each stage takes its measured time on one core; the network's time on a GPU is its operations over
a share of the published rate; the slower of what one process reads and what all the others tag sets the pace.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from stance.run.cache import MOST_BYTES

SIZES = (10**6, 10**8, 10**10)
HOUR, DAY = 3600.0, 86400.0
MEGA, GIGA, TERA = 1e6, 1e9, 1e12

# Not measured: no GPU was at hand. NVIDIA's figure for dense bf16 of an H100 SXM, and a share for so small a network.
GPU = "one GPU (H100) and 16 cores"
GPU_RATE = 989 * TERA
GPU_SHARE = 0.2
GPU_CORES = 16
CORES = 64  # of the large machine, and of a node of the cluster
NODES = 16
READING = ("hashing", "decompression", "reading")  # stages of the main process; reading counts what goes before it
NETWORK = "network"
INCLUDED = "decompression", "JSON"  # within reading


@dataclass(frozen=True, slots=True)
class Prices:
    """Assumptions, in dollars."""

    core_hour: float = 0.04
    gpu_hour: float = 3.0


@dataclass(frozen=True, slots=True)
class Rates:
    """What the estimates rest on; seconds a post on one core unless said otherwise."""

    stages: Mapping[str, float]  # that no other holds
    measured: float  # seconds a post of a whole run past start-up, all workers
    workers: int  # of that run
    processor: float  # seconds of processor time a post in that run
    starting: float  # seconds
    gain: float  # of the workers over one
    operations: float  # a post
    table_bytes: float  # a post
    cache_bytes: float  # a post
    ray: float  # share that Ray adds past start-up
    ray_measured: bool
    disk: float  # bytes a second

    @property
    def reading(self) -> float:
        """Of the main process, which alone reads."""
        return sum(value for name, value in self.stages.items() if name.startswith(READING))

    @property
    def beside(self) -> float:
        """Of a worker, without the network."""
        names = [name for name in self.stages if not name.startswith((*READING, NETWORK))]
        return sum(self.stages[name] for name in names)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What so many posts take somewhere."""

    place: str
    posts: int
    seconds: float
    core_hours: float
    dollars: float
    slowest: str  # stage or device that sets the pace
    measured: bool  # the rate was measured there


def take_rates(kept: Mapping[str, Any]) -> Rates:
    """From the JSON of ``scale.py``."""
    runs = kept["speed"]["figures"]
    most = max(run["workers"] for run in runs)
    large = max((run for run in runs if run["workers"] == most), key=lambda run: run["posts"])
    small = min((run for run in runs if run["workers"] == most), key=lambda run: run["posts"])
    one = min(runs, key=lambda run: (run["workers"], run["posts"]))
    found = kept["stages"]["figures"]
    stages = {stage["name"]: 1 / stage["posts"] for stage in found["stages"] if not stage["name"].startswith(INCLUDED)}
    ray = {run["engine"]: past_start(run) for run in kept.get("ray", {}).get("figures", ())}
    overhead = ray["ray"] / ray["processes"] - 1 if ray else 0.25
    return Rates(
        stages,
        past_start(large),
        most,
        large["processor"] / large["posts"],
        large["starting"],
        past_start(one) / past_start(small),
        large["needed"] / large["posts"],
        large["table_bytes"] / large["posts"],
        large["cache_bytes"] / large["posts"],
        max(0.0, overhead),
        bool(ray),
        found["disk"] * MEGA,
    )


def past_start(run: Mapping[str, Any]) -> float:
    """Seconds a post."""
    return float((run["seconds"] - run["starting"]) / run["posts"])


def estimate(rates: Rates, prices: Prices) -> Iterator[Estimate]:
    """Every place, every size."""
    for posts in SIZES:
        yield on_cores(rates, prices, posts, rates.workers, f"{rates.workers} cores, this machine", measured=True)
        yield on_cores(rates, prices, posts, CORES, f"{CORES} cores", measured=False)
        yield on_gpu(rates, prices, posts)
        yield on_cluster(rates, prices, posts)


def on_cores(rates: Rates, prices: Prices, posts: int, cores: int, place: str, measured: bool) -> Estimate:
    """A worker a core. Each further worker brings what the second did here; one process reads for all of them."""
    one = rates.measured * rates.gain
    pace = {"reading (one process)": rates.reading}
    pace[slowest_stage(rates)] = rates.measured if measured else one / scaled(rates, cores)
    slowest = max(pace, key=lambda name: pace[name])
    seconds = rates.starting + posts * pace[slowest]
    hours = cores * seconds / HOUR
    return Estimate(place, posts, seconds, hours, hours * prices.core_hour, slowest, measured)


def scaled(rates: Rates, cores: int) -> float:
    """How many times one worker's pace so many have."""
    each = (rates.gain - 1) / (rates.workers - 1) if rates.workers > 1 else 1.0
    return 1 + (cores - 1) * each


def slowest_stage(rates: Rates) -> str:
    """Of a worker."""
    return max((name for name in rates.stages if not name.startswith(READING)), key=lambda name: rates.stages[name])


def on_gpu(rates: Rates, prices: Prices, posts: int) -> Estimate:
    """The network on the GPU, the other stages on the cores beside it."""
    pace = {
        "the GPU": rates.operations / (GPU_RATE * GPU_SHARE),
        "reading (one process)": rates.reading,
        "all but the network, on the cores": rates.beside / (GPU_CORES - 1),
    }
    slowest = max(pace, key=lambda name: pace[name])
    seconds = rates.starting + posts * pace[slowest]
    hours = GPU_CORES * seconds / HOUR
    return Estimate(GPU, posts, seconds, hours, seconds / HOUR * prices.gpu_hour, slowest, False)


def on_cluster(rates: Rates, prices: Prices, posts: int) -> Estimate:
    """Nodes of many cores under Ray; inputs are read on every node."""
    node = on_cores(rates, prices, posts, CORES, "", measured=False)
    seconds = rates.starting + (node.seconds - rates.starting) / NODES * (1 + rates.ray)
    hours = NODES * CORES * seconds / HOUR
    place = f"Ray, {NODES} nodes of {CORES} cores"
    return Estimate(place, posts, seconds, hours, hours * prices.core_hour, node.slowest, False)


def show_time(seconds: float) -> str:
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / HOUR:.1f} hours" if seconds < 2 * DAY else f"{seconds / DAY:,.1f} days"


def show_bytes(count: float) -> str:
    for unit, size in (("TB", TERA), ("GB", GIGA), ("MB", MEGA)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:,.0f} bytes"


def write_text(kept: Mapping[str, Any], prices: Prices) -> str:
    """The report as Markdown."""
    rates = take_rates(kept)
    parts = (
        _write_head(),
        _write_measured(kept, rates),
        _write_estimates(rates, prices),
        _write_changes(rates),
    )
    return "\n\n".join(parts) + "\n"


def _write_head() -> str:
    return """# What 10^6, 10^8 and 10^10 posts take

Written by `python tests/bench/scale.py report --report reports/scale.md` from figures that its other parts measured.
A post is a comment with the lengths of Wikipedia talk pages (half under 42 tokens, 90 in the mean) and is judged toward
three sides, for toxicity and for sentiment, in one pass."""


def _write_measured(kept: Mapping[str, Any], rates: Rates) -> str:
    used = [part for part in ("speed", "memory", "stages", "ray") if part in kept]
    lines = ["## Measured", *(f"- {part}: `{kept[part]['command']}`, {kept[part]['machine']}" for part in used)]
    lines += ["", "| run | posts | workers | posts/s | ms a post past start-up | share of the bf16 matrix rate |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for run in kept["speed"]["figures"]:
        share = 100 * run["needed"] / run["seconds"] / run["rate"]
        lines.append(
            f"| {run['engine']}, {run['tagger']} | {run['posts']:,} | {run['workers']} | "
            f"{run['posts'] / run['seconds']:,.0f} | {1000 * past_start(run):.2f} | {share:.0f} % of "
            f"{run['rate'] / GIGA:,.0f} GFLOP/s |"
        )
    lines.append("")
    lines.append(f"Start-up takes {rates.starting:.1f} s. {rates.workers} workers bring {rates.gain:.2f} times one.")
    lines += ["", "Peak memory, with a small random tagger in place of the shipped one:", ""]
    lines += ["| posts | main process | largest worker | all together (PSS) |", "| --- | --- | --- | --- |"]
    for run in kept["memory"]["figures"]:
        cells = (f"{run[name] / MEGA:,.0f} MB" for name in ("main_peak", "worker_peak", "together"))
        lines.append(f"| {run['posts']:,} | {' | '.join(cells)} |")
    lines += ["", "Each stage alone, on one core:", "", "| stage | posts/s | ms a post | MB/s |"]
    lines.append("| --- | --- | --- | --- |")
    for stage in kept["stages"]["figures"]["stages"]:
        amount = "" if stage["megabytes"] is None else f"{stage['megabytes']:,.0f}"
        lines.append(f"| {stage['name']} | {stage['posts']:,.0f} | {1000 / stage['posts']:.3f} | {amount} |")
    lines += ["", f"The disk takes {rates.disk / MEGA:,.0f} MB/s, written and synced."]
    lines += _write_ray(rates)
    return "\n".join(lines)


def _write_ray(rates: Rates) -> list[str]:
    known = "measured here, two workers" if rates.ray_measured else "assumed: the most that is allowed"
    return ["", f"Ray adds {100 * rates.ray:.0f} % past start-up ({known})."]


def _write_estimates(rates: Rates, prices: Prices) -> str:
    lines = [
        "## Time and cost",
        "",
        f"Prices are assumptions: {prices.core_hour:.2f} dollars a core hour, {prices.gpu_hour:.2f} an hour of a GPU "
        f"with {GPU_CORES} cores. Only the row of this machine is measured, and that at the sizes above. The others "
        f"follow from its rates: each further core brings what the second did, one process reads for all workers of a "
        f"machine, and the GPU reaches {100 * GPU_SHARE:.0f} % of the {GPU_RATE / TERA:,.0f} TFLOP/s that its maker "
        "states (none was at hand: an estimate from operations, not measured).",
        "",
        "| posts | where | time | core hours | dollars | what sets the pace |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in estimate(rates, prices):
        mark = "" if one.measured else "about "
        lines.append(
            f"| 10^{len(str(one.posts)) - 1} | {one.place} | {mark}{show_time(one.seconds)} | {one.core_hours:,.1f} | "
            f"{one.dollars:,.2f} | {one.slowest} |"
        )
    lines += [
        "",
        "| posts | tables | cache of answers, a machine | writing the tables, one disk |",
        "| --- | --- | --- | --- |",
    ]
    for posts in SIZES:
        tables, cache = posts * rates.table_bytes, min(posts * rates.cache_bytes, MOST_BYTES)
        cells = (show_bytes(tables), show_bytes(cache), show_time(tables / rates.disk))
        lines.append(f"| 10^{len(str(posts)) - 1} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _write_changes(rates: Rates) -> str:
    network = rates.stages[next(name for name in rates.stages if name.startswith(NETWORK))]
    share = 100 * network / (network + rates.beside + rates.reading)
    fed = rates.beside / (rates.operations / (GPU_RATE * GPU_SHARE))
    readers = (rates.measured * rates.gain) / rates.reading
    dumps = 10**10 * rates.reading
    return f"""## What would have to change

- **10^6**: nothing. One machine, one command; the network takes {share:.0f} % of the work of a post.
- **10^8**: more cores or a GPU. One process reads fast enough for {readers:,.0f} workers; with more, or for a single
  dump, which is sorted by thread before its first post is tagged, the input is to be split into files and shared out
  (`--shard i/n`, or Ray, where each unit is read on its own). A GPU waits for the rest of the work: it takes what
  {fed:,.0f} cores prepare, so language detection, linking, tokenising and tables come next, not the network.
  The cache takes no more answers once it has {show_bytes(MOST_BYTES)}; where few texts repeat, `--no-cache`.
- **10^10**: a cluster. Inputs as many files on storage that all nodes reach ({show_time(dumps)} of reading on one core
  otherwise), {show_bytes(10**10 * rates.table_bytes)} of tables in {10**10 // 10_000:,} shards of 10,000 posts:
  `--shard-size 200000` keeps the number of files within what a file system and a reader of Parquet like, and tables in
  columns that are not asked for (the body, which the input has) are the first thing to leave out. The cache, a file a
  machine, is no longer one place where a text is known; a store that all nodes share would have to take its place, or
  duplicates be taken out before.
"""
