"""The engine of one machine: parts are read here, and each worker process tags one at a time.

A worker is a process of its own with a pipe, not one of a pool: when it dies, by its own fault or the memory limit's,
it takes nothing with it but the part in its hands.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import re
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from stance.records import StanceError
from stance.run.parts import Part
from stance.run.plan import Settings, Unit
from stance.run.shards import Shard, write_part
from stance.run.work import News, Report, Summary, Work

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from stance.run.cache import CachedTagger

TRIES = 2  # of a part whose worker dies
MOST_STILLBORN = 3  # workers in a row that die before they have their tagger
PATIENCE = 5.0  # seconds that a worker has to end by itself
# How the system, the loader of libraries and torch say it.
NO_MEMORY = re.compile(r"allocate memory|not enough memory|failed to map segment|bad_alloc")
# One thread a worker: a text's answer then does not depend on how work is cut, and the cores are full anyway.
SINGLE = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
    "TOKENIZERS_PARALLELISM": "false",
    # oneDNN keeps 1,024 kernels by itself, of 50 to 300 kB each; with so few, memory stays flat and no time is lost.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
}


@dataclass(slots=True)
class Job:
    """A part on its way to a worker."""

    part: str  # name
    data: bytes  # pickled
    tries: int = 0


@dataclass(slots=True)
class Hand:
    """A worker as the main process sees it."""

    process: SpawnProcess
    pipe: Connection
    ready: bool = False  # it has its tagger
    job: Job | None = None


def run_local(units: Sequence[Unit], settings: Settings, workers: int, report: Report) -> Summary:
    """Make all shards that are not there yet. At most ``workers`` + 1 parts wait, as many are being tagged.

    StanceError where no worker can begin; a part that fails is reported, and the rest goes on.
    """
    work = Work(units, settings, report)
    shop = Shop(work, workers)
    try:
        shop.run()
    finally:
        shop.close()
    return work.sum_up()


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Shop:
    """The workers, and the jobs that wait for them."""

    def __init__(self, work: Work, workers: int) -> None:
        self.work = work
        self.workers = workers
        self.hands: list[Hand] = []
        self.waiting: deque[Job] = deque()
        self.stillborn = 0

    def run(self) -> None:
        """Read, hand out and hear until all is done. Reading goes on while the workers are busy, one part at a time."""
        parts = self.work.read_parts()
        more = True
        while more or self.waiting or any(hand.job for hand in self.hands):
            reading = more and len(self.waiting) <= self.workers
            if reading:
                part = next(parts, None)
                more = part is not None
                if part is not None:
                    self.waiting.append(Job(part.name, pickle.dumps(part, pickle.HIGHEST_PROTOCOL)))
            self.hand_out()
            self.listen(0 if reading else None)

    def hand_out(self) -> None:
        """Give waiting jobs to workers that are free, and start one more worker for each job that none is free for."""
        for hand in [hand for hand in self.hands if hand.ready and hand.job is None]:
            if not self.waiting:
                return
            hand.job = self.waiting.popleft()
            hand.job.tries += 1
            with suppress(OSError):  # it died: its pipe says so to `listen`
                hand.pipe.send_bytes(hand.job.data)
        coming = sum(not hand.ready for hand in self.hands)
        for _ in range(min(self.workers - len(self.hands), len(self.waiting) - coming)):
            self.hands.append(start_hand(self.work.settings))

    def listen(self, seconds: float | None) -> None:
        """Hear what the workers have to say, and wait for one of them so long (None: until there is one)."""
        by_pipe = {hand.pipe: hand for hand in self.hands}
        for pipe in wait(list(by_pipe), seconds) if by_pipe else ():
            hand = by_pipe[pipe]  # type: ignore[index]
            try:
                self.take(hand, hand.pipe.recv())
            except (EOFError, OSError):
                self.bury(hand)

    def take(self, hand: Hand, message: object) -> None:
        """What a worker says: None once it is ready, a number of texts tagged, a shard, or why there is none."""
        if isinstance(message, StanceError):
            raise message
        if message is None:
            hand.ready, self.stillborn = True, 0
        elif isinstance(message, int):
            self.work.report(News(posts=message))
        elif hand.job is not None:
            job, hand.job = hand.job, None
            if isinstance(message, Shard):
                self.work.add(message)
            else:
                self.work.fail(job.part, str(message))

    def bury(self, hand: Hand) -> None:
        """A worker has died: its part is tried once more, by another."""
        self.hands.remove(hand)
        hand.pipe.close()
        hand.process.join(PATIENCE)
        code = hand.process.exitcode
        why = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        if not hand.ready:
            self.stillborn += 1
            if self.stillborn >= MOST_STILLBORN:
                raise StanceError(f"workers end before they have loaded the tagger ({why}): give them more memory")
        elif hand.job is not None and hand.job.tries < TRIES:
            self.waiting.appendleft(hand.job)
        elif hand.job is not None:
            part = hand.job.part
            self.work.fail(
                part, f"{part}: its worker died twice ({why}): give it more memory or a smaller --shard-size"
            )

    def close(self) -> None:
        """End the workers: idle ones at once, others in the middle of what they do."""
        for hand in self.hands:
            hand.pipe.close()
            if hand.job is not None or not hand.ready:
                hand.process.kill()
        for hand in self.hands:
            hand.process.join(PATIENCE)
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
        self.hands.clear()


def start_hand(settings: Settings) -> Hand:
    """A new worker. Ctrl-C reaches this process alone, which ends the others."""
    context = multiprocessing.get_context("spawn")
    own, other = context.Pipe()
    process = context.Process(target=work_alone, args=(other, settings), daemon=True)
    with block_interrupts():
        process.start()
    other.close()
    return Hand(process, own)


@contextmanager
def block_interrupts() -> Iterator[None]:
    """Processes started inside never hear SIGINT, from their first moment on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def work_alone(pipe: Connection, settings: Settings) -> None:
    """The life of a worker: load the tagger, then make shard after shard until the pipe is closed."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    os.environ.update(SINGLE)  # before torch is loaded, which reads it then
    from stance.run.cache import open_tagger

    # The main process may go at any moment, with messages unread in the pipe, and Ctrl-C is its business.
    with suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            tagger = open_tagger(settings)
        except StanceError as error:
            pipe.send(error)
            return
        gc.freeze()  # what the tagger is made of need not be searched for garbage again and again
        tagger.hear = pipe.send
        pipe.send(None)
        while True:
            try:
                part: Part = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from the process that started this one
            except MemoryError:
                os._exit(1)
            answer = try_part(part, settings, tagger)
            pipe.send(answer)


def try_part(part: Part, settings: Settings, tagger: CachedTagger) -> Shard | str:
    """The shard of a part, or why there is none, in one line. Out of memory, the process ends."""
    try:
        return write_part(part, settings, tagger)
    except StanceError as error:
        return str(error)
    except Exception as error:  # a night's run must not end with one odd part
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            os._exit(1)  # a fresh process may have enough
        return _describe(part, error)


def _describe(part: Part, error: Exception) -> str:
    """A bug in one line."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"{part.name}: {what} ({place.filename}:{place.lineno}): please report this"


def _leave_with_parent() -> None:
    """End this process when the one that started it is gone, killed for instance."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
