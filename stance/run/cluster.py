"""The engine of a cluster: Ray Data reads the units as a stream, and a pool of actors writes the shards.

Inputs, output and tagger lie where every node sees them under the same path (NFS, Lustre). Parts travel through Ray;
shards are written by the actors themselves, with the function that every engine calls, and only counts come back.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from platform import node
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from stance.records import StanceError
from stance.run.local import SINGLE, TRIES, count_cores, try_part
from stance.run.parts import read_parts
from stance.run.plan import Settings, Unit
from stance.run.shards import Shard
from stance.run.work import News, Report, Summary, Work, measure_place

if TYPE_CHECKING:
    import pyarrow as pa
    from ray.data import Dataset

MOST_READS = 1000  # tasks into which the reading of all units is cut
WORKERS_A_READER = 8  # reading rows is some fifty times as fast as tagging them, pages ten times
STORE = 512 * 2**20  # bytes of the object store of a cluster started here
# Of Ray, unless they are set: no report to its makers, no lines from its inside, actors of a cluster started here as
# urgent as other processes, and one try at reaching a cluster, which takes most of a minute, not twenty.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_worker_niceness": "0",
    "RAY_NUM_REDIS_GET_RETRIES": "1",
}
OF_RAY_DATA = {
    "target_max_block_size": 1,
    "max_errored_blocks": -1,
    "execution_no_progress_timeout_s": -1,
    "memory_usage_poll_interval_s": None,
    "enable_progress_bars": False,
}


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a part, or of a unit once it is read."""

    name: str  # of the part; of a unit its key
    parts: int | None = None  # of a unit: how many were read
    place: float | None = None  # of a part: so much of its unit is read with it, 0 to 1
    shard: Shard | None = None  # of a part; None: there is none, for this reason
    reason: str = ""
    ends_run: bool = False  # the reason holds for every part


def run_ray(
    units: Sequence[Unit], settings: Settings, workers: int | None, report: Report, address: str | None = None
) -> Summary:
    """Make all shards that are not there yet, as ``run_local`` does, on the cluster at the address or on one made here.

    Workers are actors with a processor each, None: as many as there are; or with a GPU each, where the tagger uses one.
    StanceError where Ray is missing or the cluster cannot be reached, and where no actor can begin.
    """
    out = sys.stdout

    def tell(news: News) -> None:
        with redirect_stdout(out):
            report(news)

    work = Work(units, settings, tell)
    waiting = list(work.list_open())
    if waiting:
        with connect_ray(workers or count_cores(), address):
            hear_all(stream_done(waiting, settings, workers), waiting, work)
    return work.sum_up()


def hear_all(stream: Iterable[Done], waiting: Sequence[tuple[Unit, frozenset[str]]], work: Work) -> None:
    """Count what comes back, and in the end what does not: parts whose process was killed more often than is tried."""
    heard = {name for _, standing in waiting for name in standing}
    parts: dict[str, int | None] = {}
    for done in stream:
        if done.ends_run:
            raise StanceError(done.reason)
        if "-" not in done.name:
            parts[done.name] = done.parts
            if done.reason:
                work.fail(done.name, done.reason)
            continue
        heard.add(done.name)
        work.expect(done.name, done.place)
        if done.shard is None:
            work.fail(done.name, done.reason)
        else:
            work.report(News(posts=done.shard.texts))
            work.add(done.shard)
    for unit, _ in waiting:
        if unit.key not in parts:
            path = unit.inputs[0].path
            work.fail(unit.key, f"{path}: the process that read it was killed: give it more memory and run it again")
        for number in range(parts.get(unit.key) or 0):
            name = f"{unit.key}-{number:06}"
            if name not in heard:
                work.fail(name, f"{name}: it was lost with its process or node: run it again")


def stream_done(
    waiting: Sequence[tuple[Unit, frozenset[str]]], settings: Settings, workers: int | None
) -> Iterator[Done]:
    """What becomes of each part, as the actors get to it."""
    import ray

    resources: Any = ray.cluster_resources  # which has no types
    kind = "GPU" if may_use_gpu(settings) and resources().get("GPU") else "CPU"
    most = int(resources().get(kind, 1))
    size = most if workers is None or (kind == "GPU" and workers > most) else workers
    with _set_up_ray_data():
        tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tries).remote()
        folder = Path.cwd()
        units = ray.data.from_items(
            [{"unit": pickle.dumps(pair)} for pair in waiting], override_num_blocks=min(len(waiting), MOST_READS)
        )
        # Without a processor of its own: with as many actors as processors, reading would never have its turn.
        parts = units.flat_map(
            partial(read_unit, settings=settings, folder=folder),
            num_cpus=0,
            concurrency=-(-size // WORKERS_A_READER),
        )
        done: Dataset = parts.map_batches(
            ShardWriter,
            fn_constructor_args=(settings, folder, "cuda" if kind == "GPU" else "cpu", tries),
            batch_size=1,
            batch_format="pyarrow",
            # One part at a time: a second in the queue of an actor that dies would count as tried too.
            compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=1 if kind == "GPU" else None,
        )
        for row in done.iter_rows():
            yield pickle.loads(row["done"])  # noqa: S301 - from the actors


def read_unit(row: dict[str, bytes], settings: Settings, folder: Path) -> Iterator[dict[str, bytes]]:
    """Rows of a unit: its parts that do not stand, pickled, each with what is known of it; the unit itself at the end.

    A read that Ray repeats must give the same rows in the same order, so what stands was looked up before.
    """
    unit, standing = pickle.loads(row["unit"])  # noqa: S301 - from the process that began the run
    number = 0
    try:
        enter_folder(folder)
        gone = [item.path for item in unit.inputs if item.sha256 and not item.path.exists()]
        for part in () if gone else read_parts(unit, settings):
            number += 1
            if part.name not in standing:
                done = Done(part.name, place=measure_place(part, unit))
                yield {"part": pickle.dumps(part, pickle.HIGHEST_PROTOCOL), "done": pickle.dumps(done)}
        reason = f"{gone[0]}: not there on {node()}: put inputs where all nodes see them" if gone else ""
        end = Done(unit.key, number, reason=reason)
    except StanceError as error:
        end = Done(unit.key, reason=str(error), ends_run=True)
    except Exception as error:  # a night's run must not end with one odd input
        end = Done(unit.key, number, reason=f"{unit.inputs[0].path}: reading broke off ({error!r}): please report this")
    yield {"part": b"", "done": pickle.dumps(end)}


class ShardWriter:
    """An actor: it loads the tagger once and makes a shard of each part that it is given."""

    def __init__(self, settings: Settings, folder: Path, device: str, tries: Any) -> None:
        os.environ.update(SINGLE, STANCE_DEVICE=device)  # before torch is loaded, which reads some of it then
        from stance.run.cache import open_tagger

        self.settings = settings
        self.tries = tries
        self.trouble: StanceError | None = None
        try:
            enter_folder(folder)
            self.tagger = open_tagger(settings)
        except StanceError as error:
            self.trouble = error

    def __call__(self, row: pa.Table) -> pa.Table:
        import pyarrow as pa

        done: Done = pickle.loads(row["done"][0].as_py())  # noqa: S301 - from `read_unit`
        if self.trouble is not None:
            done = replace(done, reason=str(self.trouble), ends_run=True)
        elif row["part"][0].as_buffer():
            done = self.make_shard(done, row["part"][0].as_buffer())
        return pa.table({"done": pa.array([pickle.dumps(done)], pa.binary())})

    def make_shard(self, done: Done, data: pa.Buffer) -> Done:
        """Write it, unless that killed too many actors already: Ray itself would go on for ever."""
        import ray

        if ray.get(self.tries.begin.remote(done.name)) > TRIES:
            why = "its actor died twice: give it more memory or a smaller --shard-size"
            return replace(done, reason=f"{done.name}: {why}")
        made = try_part(pickle.loads(data), self.settings, self.tagger)  # noqa: S301 - from `read_unit`
        self.tries.end.remote(done.name)
        return replace(done, shard=made) if isinstance(made, Shard) else replace(done, reason=made)


class Tries:
    """An actor: it counts how often a part was begun and not ended."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()

    def begin(self, part: str) -> int:
        """How often, this time included."""
        self.begun[part] += 1
        return self.begun[part]

    def end(self, part: str) -> None:
        del self.begun[part]


def enter_folder(folder: Path) -> None:
    """Go to where the run was begun, since paths may be relative to it. StanceError where there is no such folder."""
    try:
        os.chdir(folder)
    except OSError as error:
        raise StanceError(f"{folder}: not there on {node()}: begin the run where all nodes see it") from error


def may_use_gpu(settings: Settings) -> bool:
    """Whether the tagger runs here and would use a GPU."""
    return not settings.tagger.startswith("openai:") and os.environ.get("STANCE_DEVICE") != "cpu"


@contextmanager
def connect_ray(workers: int, address: str | None) -> Iterator[None]:
    """A connection to the cluster at the address, to the one this process is connected to, or to one made here.

    Nothing of the last stays behind, and nothing of what Ray prints is seen.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise StanceError('Ray is not installed: pip install "threadstance[ray]"') from error
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(stack.enter_context(open(os.devnull, "w"))))  # noqa: PTH123
        if not ray.is_initialized():
            given: dict[str, Any] = {"address": address}
            if address is None:
                place = stack.enter_context(TemporaryDirectory(prefix="stance-ray-", ignore_cleanup_errors=True))
                given = {"address": "local", "num_cpus": workers, "object_store_memory": STORE, "_temp_dir": place}
                given["include_dashboard"] = False
            stack.callback(ray.shutdown)
            try:
                with _close_stderr():
                    ray.init(**given, log_to_driver=False, logging_level=logging.CRITICAL)
            except (OSError, RuntimeError, ValueError) as error:
                first = str(error).strip().partition("\n")[0]
                where = "cannot be started here" if address is None else f"cannot be reached at {address}"
                raise StanceError(f"Ray: {where} ({first}): see `ray status`, or leave --engine ray away") from error
        try:
            yield
        except ray.exceptions.RayError as error:
            first = str(error).strip().partition("\n")[0]
            raise StanceError(f"Ray: the cluster broke off ({first}): run it again, what is done stays") from error


@contextmanager
def _set_up_ray_data() -> Iterator[None]:
    """Ray Data as a run needs it: a row a block, whatever its size; errors counted and not shown; no time limit."""
    from ray.data import DataContext

    context, logger = DataContext.get_current(), logging.getLogger("ray.data")
    before = {name: getattr(context, name, None) for name in OF_RAY_DATA}
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    for name, value in OF_RAY_DATA.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def _close_stderr() -> Iterator[None]:
    """Keep out what native code prints; what Python raises still comes through."""
    sys.stderr.flush()
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)
