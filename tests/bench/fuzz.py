"""Throws broken input at every reader: mutated copies of real threads, and made files that are nearly right.

    python tests/bench/fuzz.py [--minutes 10] [--copies 2000] [--seed 1] [--keep FOLDER]

Anything but a Thread that keeps its promises, or a StanceError, is a failure; so is more than LIMIT seconds. The
input is read in another process, so that a reader that never comes back can be ended and named.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import multiprocessing
import random
import re
import resource
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from hypothesis import HealthCheck, given, seed, settings
from inputs import MAKERS, TOKEN, Made, load_originals, mutate

from stance.read.source import decode_bytes
from stance.records import StanceError, Thread
from stance.thread import read_threads, thread_to_json

LIMIT = 5  # processor seconds for a file
START_LIMIT = 120  # clock seconds
WALL_LIMIT = 40  # clock seconds, of a busy machine, after which the process is ended
MEMORY = 3 * 2**30  # bytes of address space of the reading process
PACKED = (".gz", ".zst", ".zip", ".warc")  # what is read is inside
WORD = re.compile(r"[^\W_]+")


class BrokenPromiseError(Exception):
    """A thread that is not what the records say."""


# What every thread must keep


def check_thread(thread: Thread) -> None:
    """Raise BrokenPromiseError unless positions, ids, times and links are as records.py says."""
    size = len(thread.posts)
    require(len({post.id for post in thread.posts}) == size, "two posts have one id")
    for at, post in enumerate(thread.posts):
        last = 0
        for quote in post.quotes:
            require(last <= quote.start < quote.end <= len(post.body), f"post {at}: quote out of place")
            require(quote.source in (None, "article") or 0 <= quote.source < size, f"post {at}: quote of no post")
            require(quote.source != at, f"post {at}: quotes itself")
            last = quote.end
        require(all(0 <= reply.to < size and reply.to != at for reply in post.replies), f"post {at}: answers no post")
        require(all(0 <= reply.confidence <= 1 for reply in post.replies), f"post {at}: reply's confidence")
        require(0 <= post.confidence <= 1, f"post {at}: confidence")
        require(post.author is None or bool(post.author.strip()), f"post {at}: blank name")
        aware = post.time is None or post.time.utcoffset() == datetime.timedelta(0)
        require(aware, f"post {at}: time is not in UTC")
        require(post.line is None or post.line >= 1, f"post {at}: line")
    check_cycles([post.reply_to for post in thread.posts])
    try:
        json.dumps(thread_to_json(thread), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise BrokenPromiseError(f"cannot be written: {error.reason}") from None


def check_cycles(parents: list[int | None]) -> None:
    """No post is its own ancestor."""
    seen = [0] * len(parents)
    for start in range(len(parents)):
        at: int | None = start
        while at is not None and not seen[at]:
            seen[at] = start + 1
            at = parents[at]
        require(at is None or seen[at] != start + 1, f"post {at}: answers itself round a circle")


def check_spans(thread: Thread, text: str) -> None:
    """Of a text: the spans cover all of it in order, and a post has the words of its own spans, no more, no fewer."""
    assert thread.reading is not None
    end = 0
    kept: dict[int | None, list[str]] = {}
    for span in thread.reading.spans:
        require(span.start == end and span.end > span.start, f"character {end} of the source is in no span")
        require(span.post is None or 0 <= span.post < len(thread.posts), f"character {end}: a span of no post")
        require(span.kind != "body" or span.post is not None, f"character {end}: a body of no post")
        if span.kind == "body":
            kept.setdefault(span.post, []).extend(WORD.findall(text[span.start : span.end]))
        end = span.end
    require(end == len(text), f"character {end} of the source is in no span")
    for at, post in enumerate(thread.posts):
        words = WORD.findall(post.body)
        require(words == kept.get(at, []), f"post {at}: its words are not those of its spans")


def check_tokens(threads: list[Thread], tokens: Iterable[str], text: str) -> None:
    """Made words that were put into posts are in some post or opening, or something is warned of or counted.

    Of a text, whose spans say what became of it, only what is outside the thread counts as lost.
    """
    if any(thread.warnings or (thread.reading and thread.reading.dropped) for thread in threads):
        return
    said = {word for thread in threads for part in list_texts(thread, text) for word in TOKEN.findall(part)}
    lost = sorted(set(tokens) - said)
    require(not lost, f"{len(lost)} made words are lost without a warning: {lost[:3]}")


def list_texts(thread: Thread, text: str) -> Iterator[str]:
    yield from (post.body for post in thread.posts)
    yield from filter(None, (thread.title, thread.article, thread.blurb))
    for span in thread.reading.spans if thread.reading else ():
        if span.kind != "outside":
            yield text[span.start : span.end]


def require(kept: bool, promise: str) -> None:
    if not kept:
        raise BrokenPromiseError(promise)


def check_file(path: Path, tokens: tuple[str, ...]) -> str:
    """Read and check; what came out, in a word or two."""
    try:
        threads = list(read_threads(path))
    except StanceError as error:
        require("\n" not in str(error).strip(), "an error of more than one line")
        return "error"
    is_text = any(thread.reading and thread.reading.spans for thread in threads) and path.suffix not in PACKED
    text = decode_bytes(path.read_bytes(), path)[0] if is_text else ""
    for thread in threads:
        require(isinstance(thread, Thread), "no Thread")
        check_thread(thread)
        reading = thread.reading
        require(reading is None or reading.format != "text" or bool(reading.spans), "a text without spans")
        if is_text:
            check_spans(thread, text)
    if tokens:
        check_tokens(threads, tokens, text)
    posts = sum(len(thread.posts) for thread in threads)
    return "posts" if posts else "no posts"


# The process that reads


def serve(pipe: Any, memory: int) -> None:
    """Read the files whose paths come through the pipe, send back what came of each."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    signal.signal(signal.SIGPROF, stop_reading)
    pipe.send("ready")
    while True:
        path, tokens = pipe.recv()
        signal.setitimer(signal.ITIMER_PROF, LIMIT)
        before = time.process_time()
        try:
            outcome, detail = check_file(Path(path), tokens), ""
        except Exception as error:
            outcome, detail = name_failure(error), traceback.format_exc()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send((outcome, detail, time.process_time() - before))


def stop_reading(*_: object) -> None:
    raise TimeoutError


def name_failure(error: BaseException) -> str:
    """A name under which failures of one cause are counted together: what, and where in stance."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/stance/" in frame.filename]
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    if isinstance(error, TimeoutError):
        return f"FAIL slow: past {LIMIT} s in {where}"
    if isinstance(error, BrokenPromiseError):
        promise = str(error).split(": [")[0].split(": ", 1)[-1]
        return f"FAIL promise: {re.sub('[0-9]+', 'N', promise)}"
    return f"FAIL {type(error).__name__} in {where}"


@dataclass(slots=True)
class Finding:
    """The failures of one name."""

    count: int
    data: bytes  # of the smallest input
    suffix: str
    detail: str


@dataclass(slots=True)
class Reader:
    """A process that reads files, started again whenever it had to be ended."""

    folder: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)
    slowest: tuple[float, str] = (0.0, "")
    process: Any = None
    pipe: Any = None

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, MEMORY), daemon=True)
        self.process.start()
        other.close()
        # A package that cannot be imported must not look like one failure an input, each after seconds of starting.
        if not self.pipe.poll(START_LIMIT) or self.pipe.recv() != "ready":
            raise RuntimeError(f"the reading process did not start in {START_LIMIT} s")

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None

    def read(self, data: bytes, suffix: str, tokens: Iterable[str] = (), origin: str = "") -> str:
        """What comes of a file with that content."""
        if self.process is None:
            self.start()
        path = self.folder / f"input{suffix}"
        path.write_bytes(data)
        seconds, detail = float(WALL_LIMIT), "the process was ended"
        try:
            self.pipe.send((str(path), tuple(tokens)))
            if self.pipe.poll(WALL_LIMIT):
                outcome, detail, seconds = self.pipe.recv()
            else:
                outcome = f"FAIL hang: no answer in {WALL_LIMIT} s"
                self.close()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            outcome = "FAIL the process died"
            self.close()
        self.outcomes[outcome] += 1
        self.slowest = max(self.slowest, (seconds, f"{origin or suffix}, {len(data)} bytes"))
        if outcome.startswith("FAIL"):
            name = f"{outcome} ({suffix})"
            known = self.findings.get(name)
            if known is None or len(data) < len(known.data):
                self.findings[name] = Finding(known.count if known else 0, data, suffix, f"{origin}\n{detail}")
            self.findings[name].count += 1
        return outcome


# What is read


def fuzz_copies(reader: Reader, copies: int, chance: random.Random, until: float) -> int:
    originals = sorted(load_originals().items())
    for done in range(copies):
        if time.monotonic() > until:
            return done
        name, data = originals[done % len(originals)]
        suffix = "".join(Path(name).suffixes[-2:])
        reader.read(mutate(data, chance)[: 4 * 2**20], suffix, origin=f"{Path(name).name}, copy {done}")
    return copies


def fuzz_made(reader: Reader, name: str, examples: int, number: int) -> None:
    """Read that many files that a maker makes, the same for the same number."""

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(MAKERS[name]())
    def read_made(made: Made) -> None:
        reader.read(made.data, made.suffix, made.tokens, origin=f"made {name}")

    read_made()


def keep_findings(reader: Reader, keep: Path) -> None:
    """The smallest input of every failure, and how it failed, as files."""
    keep.mkdir(parents=True, exist_ok=True)
    for name, finding in reader.findings.items():
        stem = hashlib.sha256(name.encode()).hexdigest()[:12]
        (keep / f"{stem}{finding.suffix}").write_bytes(finding.data)
        (keep / f"{stem}.why").write_text(f"{name}\n{finding.detail}", encoding="utf-8")
        typer.echo(f"{finding.count:>7}  {name}\n         {keep / stem}{finding.suffix} ({len(finding.data)} bytes)")


def main(
    minutes: Annotated[float, typer.Option(help="In all: the copies first, then made files until it is over.")] = 10,
    copies: Annotated[int, typer.Option(help="Mutated copies of real files.")] = 2000,
    number: Annotated[int, typer.Option("--seed", help="The same number gives the same inputs.")] = 1,
    keep: Annotated[Path, typer.Option(help="Where inputs that failed are kept.")] = Path("/tmp/stance-fuzz"),
    only: Annotated[list[str] | None, typer.Option(help="copies, or one of the makers; may be repeated.")] = None,
) -> None:
    """Fuzz the readers; exit code 1 if any input failed."""
    end = time.monotonic() + 60 * minutes
    chance = random.Random(number)
    wanted = set(only or (*MAKERS, "copies"))
    done = 0
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(Path(folder))
        with contextlib.closing(reader):
            if "copies" in wanted:
                done = fuzz_copies(reader, copies, chance, end)
            rounds = 0
            while time.monotonic() < end and wanted - {"copies"}:
                for name in sorted(wanted & MAKERS.keys()):
                    if time.monotonic() < end:
                        fuzz_made(reader, name, 100, number * 1000 + rounds)
                rounds += 1
    total = sum(reader.outcomes.values())
    typer.echo(f"{total} inputs, {done} of them mutated copies; slowest {reader.slowest[0]:.1f} s: {reader.slowest[1]}")
    for outcome in ("posts", "no posts", "error"):
        typer.echo(f"{reader.outcomes[outcome]:>7}  {outcome}")
    keep_findings(reader, keep)
    raise typer.Exit(1 if reader.findings else 0)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
