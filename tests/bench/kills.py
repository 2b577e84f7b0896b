"""What is left of `stance run` when it is killed, and when disk, memory or an input fail.

    python tests/bench/kills.py [--posts 200000] [--kills 30] [--engine processes] [--seed 1]
                                [--only kills|orphans|disk|memory|unreadable]

kills       kill -9 of all processes of a run at random moments, a power cut each (`powercut.py`: what was not synced is
            lost), and the same command again, until it ends; then from the start, until there were so many kills.
            Whatever ended must equal an undisturbed run, in content and in bytes, no post twice and none missing
orphans     kill -9 of the main process alone: its workers end by themselves
disk        the output on a full disk (a small tmpfs: needs root): one line a part, exit code 1, the rest is done; once
            there is room, the same command ends like an undisturbed run
memory      a worker that gets no more memory (RLIMIT_AS) or is killed (SIGKILL, as the kernel does) costs at most its
            part: a line each, exit code 1, and the same command makes it; also where a part's worker dies twice
unreadable  1,000 inputs, one of them broken: one line, exit code 1, the rest is done

A small random tagger stands in for the shipped one: what is tested is everything around it. Exit code 1 if a row fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))

import comments
import machine
import watching
from machine import say
from powercut import Disk

SHARD_SIZE = 1000
FILES = 20  # dumps that the posts are in
LEAST_SECONDS = 0.5  # before a kill
EARLY = 0.2  # share of the kills that come before a shard can stand
ENDING_SECONDS = 120  # that workers may take to see that they are alone; two small agents of Ray take 60
OF_A_PART = ("tags", "threads", "rejects")


@dataclass(frozen=True, slots=True)
class Trial:
    """A run to be disturbed."""

    inputs: tuple[Path, ...]
    tagger: Path
    work: Path  # where outputs go
    engine: str

    def command(self, output: Path, inputs: Sequence[Path] | None = None) -> list[str]:
        named = map(str, inputs or self.inputs)
        options = ["--tagger", str(self.tagger), "--shard-size", str(SHARD_SIZE), "--workers", "2"]
        return [*watching.STANCE, "run", *named, "-o", str(output), *options, "--engine", self.engine]


class NotSoError(Exception):
    """A row that is not as it should be."""


def check(holds: object, what: str) -> None:
    if not holds:
        raise NotSoError(what)


def run_to_end(trial: Trial, output: Path, inputs: Sequence[Path] | None = None, code: int = 0) -> str:
    """What it printed."""
    done = watching.watch(trial.command(output, inputs))
    check(done.code == code, f"exit code {done.code}, not {code}:\n{done.output[-2000:]}")
    check("Traceback" not in done.output, done.output[-2000:])
    return done.output


def read_files(output: Path) -> dict[str, bytes]:
    """The bytes of every table and manifest."""
    kinds = (*OF_A_PART, "manifest")
    return {f"{kind}/{path.name}": path.read_bytes() for kind in kinds for path in sorted((output / kind).glob("*"))}


def read_posts(output: Path) -> list[tuple[str, str]]:
    """Thread and id of every row."""
    import pyarrow.parquet as pq

    found: list[tuple[str, str]] = []
    for path in sorted((output / "tags").glob("*.parquet")):
        table = pq.read_table(path, columns=["thread", "id"])
        found += zip(table.column("thread").to_pylist(), table.column("id").to_pylist(), strict=True)
    return found


def compare(output: Path, undisturbed: Path) -> None:
    """NotSoError where two outputs differ."""
    import pyarrow.parquet as pq

    one, other = read_files(output), read_files(undisturbed)
    check(one.keys() == other.keys(), f"other files: {sorted(one.keys() ^ other.keys())[:6]}")
    for name in one:
        if one[name] == other[name]:
            continue
        if name.endswith(".parquet"):
            try:
                same = pq.read_table(output / name).equals(pq.read_table(undisturbed / name))
            except (OSError, ValueError) as error:  # Arrow's errors are of these
                raise NotSoError(f"{name}: damaged ({str(error).splitlines()[0]})") from error
            raise NotSoError(f"{name}: other bytes, {'the same' if same else 'another'} content")
        raise NotSoError(f"{name}: differs")
    posts = read_posts(output)
    check(len(set(posts)) == len(posts), "a post stands there twice")


def time_undisturbed(trial: Trial, output: Path) -> tuple[float, float]:
    """Seconds until the first shard stands, and until the end."""
    start, first = time.monotonic(), 0.0
    process = watching.start_group(trial.command(output))
    while process.poll() is None:
        if not first and count_shards(output):
            first = time.monotonic() - start
        time.sleep(0.05)
    seconds = time.monotonic() - start
    printed = process.communicate()[0].decode()
    check(process.returncode == 0 and first, f"exit code {process.returncode}:\n{printed[-2000:]}")
    return first, seconds


def count_shards(output: Path) -> int:
    return len(list((output / "manifest").glob("[0-9a-f]*.json")))


def try_kills(trial: Trial, undisturbed: Path, took: tuple[float, float], kills: int, seed: int) -> str:
    """Kill runs, one in five while it starts, and compare what ends with an undisturbed one."""
    first, seconds = took
    draw = random.Random(seed)
    left, ended, kept = kills, 0, []
    most = first + max(2.0, (seconds - first) / 5)
    total: dict[str, int] = {}
    while left or not ended:
        output = trial.work / "killed"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        disk = Disk(output, trial.work / "disk")
        while left:
            early = draw.random() < EARLY
            moment = draw.uniform(LEAST_SECONDS, first) if early else draw.uniform(0.8 * first, most)
            if run_until(trial, disk, moment):
                break
            disk.cut_power(draw)
            left -= 1
            kept.append(count_shards(output))
        run_to_end(trial, output)
        compare(output, undisturbed)
        check("nothing to do" in run_to_end(trial, output), "a second run found something to do")
        ended += 1
        for name, count in disk.lost.items():
            total[name] = total.get(name, 0) + count
    lost = ", ".join(f"{count} {name}" for name, count in sorted(total.items()))
    return f"{kills} kills with {min(kept)} to {max(kept)} shards made, {ended} outputs equal in bytes; {lost}"


def run_until(trial: Trial, disk: Disk, seconds: float) -> bool:
    """Start the command and kill it after so long; whether it had ended before."""
    environment = {**disk.prepare(), "PYTHONPATH": os.pathsep.join([str(disk.work), str(watching.ROOT)])}
    process = watching.start_group(trial.command(disk.root), environment)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        watching.kill_all(process)
        return False
    check(process.returncode == 0, f"exit code {process.returncode}")
    return True


def try_orphans(trial: Trial, undisturbed: Path) -> str:
    output = trial.work / "orphans"
    process = watching.start_group(trial.command(output))
    below = wait_for_workers(process)
    process.kill()
    process.wait()
    start = time.monotonic()
    _, alive = psutil.wait_procs(below, timeout=ENDING_SECONDS)
    names = ", ".join(sorted({name_process(other) for other in alive}))
    for other in alive:
        with suppress(psutil.NoSuchProcess):
            other.kill()
    process.communicate()
    check(not alive, f"{len(alive)} processes live on after {ENDING_SECONDS} s: {names}")
    taken = time.monotonic() - start
    run_to_end(trial, output)
    compare(output, undisturbed)
    return f"{len(below)} processes ended within {taken:.1f} s; the same command went on"


def name_process(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:80]
    except psutil.NoSuchProcess:
        return "ended"


def wait_for_workers(process: subprocess.Popen[bytes], output: Path | None = None) -> list[psutil.Process]:
    """The processes below a run once its workers work: several of them have taken processor time."""
    for _ in range(600):
        below = watching.list_below(process.pid)
        if len(list_workers(below)) >= 2 and (output is None or count_shards(output)):
            return below
        time.sleep(0.1)
    raise NotSoError("no workers within a minute")


def list_workers(below: Sequence[psutil.Process], least: float = 150e6) -> list[psutil.Process]:
    """Those that have loaded a tagger, by their memory (bytes)."""
    found = []
    for process in below:
        with suppress(psutil.NoSuchProcess):
            if process.memory_info().rss > least:
                found.append(process)
    return found


def try_memory(trial: Trial, undisturbed: Path) -> str:
    output = trial.work / "memory"
    process = watching.start_group(trial.command(output))
    wait_for_workers(process, output)
    first, second = list_workers(watching.list_below(process.pid))[:2]
    first.rlimit(psutil.RLIMIT_AS, (1, psutil.RLIM_INFINITY))
    second.kill()
    limited = count_failures(process.communicate()[0].decode(), process.returncode)
    run_to_end(trial, output)
    compare(output, undisturbed)
    shutil.rmtree(output)
    process = watching.start_group(trial.command(output))
    while process.poll() is None and not count_shards(output):
        time.sleep(0.02)
    kill_until_failed(process)
    lines = process.communicate()[0].decode().splitlines()
    # A worker that is killed while it opens the cache may leave it locked for a moment; another goes on without it.
    printed = "\n".join(line for line in lines if "the cache fails" not in line)
    failures = count_failures(printed, process.returncode)
    check(failures and printed.count("died twice") == failures, f"other lines than of workers:\n{printed[-2000:]}")
    run_to_end(trial, output)
    compare(output, undisturbed)
    return (
        f"a limit and a kill cost {limited} parts; {failures} parts whose worker died twice: a line each, exit code 1"
    )


def count_failures(printed: str, code: int) -> int:
    """Parts that were not made: a line each, and exit code 1 if there are any."""
    lines = [line for line in printed.splitlines() if line.startswith("stance: ")]
    check("Traceback" not in printed and code == bool(lines), f"exit code {code}:\n{printed[-2000:]}")
    return len(lines)


def kill_until_failed(process: subprocess.Popen[bytes]) -> None:
    """Kill workers as soon as they are at a part, which takes more memory, until some have had a part tried before."""
    killed: set[int] = set()
    while process.poll() is None and len(killed) < 12:
        for worker in list_workers(watching.list_below(process.pid), 320e6):
            if worker.pid not in killed:
                with suppress(psutil.NoSuchProcess):
                    worker.kill()
                killed.add(worker.pid)
        time.sleep(0.02)


def try_disk(trial: Trial, undisturbed: Path) -> str:
    if os.geteuid() != 0:
        return "not tried: mounting a small disk needs root"
    place = trial.work / "small"
    place.mkdir(exist_ok=True)
    need = sum(path.stat().st_size for path in undisturbed.rglob("*") if path.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={need // 2}", "none", str(place)]
    subprocess.run(mount, check=True)
    try:
        printed = run_to_end(trial, place / "output", code=1)
        lines = [line for line in printed.splitlines() if line.startswith("stance: ")]
        made = count_shards(place / "output")
        check(made, "nothing was made before the disk was full")
        check(
            all("No space left" in line or "disk is full" in line or "full" in line for line in lines), printed[-2000:]
        )
        subprocess.run(["mount", "-o", "remount,size=100%", str(place)], check=True)
        run_to_end(trial, place / "output")
        compare(place / "output", undisturbed)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    return f"{made} shards made, {len(lines)} lines, exit code 1; with room the same command made the rest"


def try_unreadable(trial: Trial, undisturbed: Path) -> str:
    folder = trial.work / "thousand"
    folder.mkdir(exist_ok=True)
    texts = comments.make_texts(5 * 999, seed=7)
    for number in range(999):
        rows = [{"id": str(place), "author": f"user {place}", "text": next(texts)} for place in range(5)]
        content = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"thread-{number:03}.jsonl").write_text(content, encoding="utf-8")
    broken = folder / "broken.jsonl.zst"
    broken.write_bytes(random.Random(1).randbytes(2000))
    printed = run_to_end(trial, trial.work / "unreadable", [folder], code=1)
    lines = [line for line in printed.splitlines() if line.startswith("stance: ")]
    check(len(lines) == 1 and "broken.jsonl.zst" in lines[0], f"not one line:\n{printed[-2000:]}")
    posts = read_posts(trial.work / "unreadable")
    check(len(set(posts)) == len(posts) == 5 * 999, f"{len(posts)} posts, not {5 * 999}")
    return f"999 inputs read, one line: {lines[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--engine", default="processes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=("kills", "orphans", "disk", "memory", "unreadable"))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "stance-kills")
    given = parser.parse_args()
    say(machine.describe_machine("pyarrow"))
    inputs = comments.write_dumps(given.folder / "inputs", given.posts, FILES)
    tagger = comments.make_tiny_tagger(given.folder / "tiny")
    with tempfile.TemporaryDirectory(dir=given.folder) as work:
        trial = Trial(tuple(inputs), tagger, Path(work), given.engine)
        undisturbed = Path(work) / "undisturbed"
        took = time_undisturbed(trial, undisturbed)
        posts = read_posts(undisturbed)
        say(f"undisturbed, {given.engine}: {len(posts):,} posts of {given.posts:,}, first shard after {took[0]:.1f} s")
        rows: dict[str, Callable[[], str]] = {
            "kills": lambda: try_kills(trial, undisturbed, took, given.kills, given.seed),
            "orphans": lambda: try_orphans(trial, undisturbed),
            "disk": lambda: try_disk(trial, undisturbed),
            "memory": lambda: try_memory(trial, undisturbed),
            "unreadable": lambda: try_unreadable(trial, undisturbed),
        }
        failed = len(set(posts)) != given.posts
        for name in given.only or rows:
            try:
                say(f"{name}: ok: {rows[name]()}")
            except NotSoError as failure:
                failed = True
                say(f"{name}: FAILED: {failure}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
