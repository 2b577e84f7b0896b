"""The Ray engine: the same files as processes make, whatever dies on the way. One small cluster serves all tests."""

import json
import os
import shutil
import signal
import sqlite3
import threading
import time
from contextlib import chdir
from pathlib import Path

import psutil
import pytest

from stance.read import Options
from stance.records import StanceError
from stance.run import run_inputs
from stance.run.local import run_local
from stance.run.plan import make_settings
from stance.topic import load_topic

ray = pytest.importorskip("ray", reason="Ray is not installed")
SHARD_SIZE = 20
POSTS = 70  # of each of two inputs: 4 shards each


@pytest.fixture(scope="module")
def cluster():
    """A cluster of one actor's size that this process is connected to."""
    from stance.run.cluster import connect_ray

    with connect_ray(1, None):
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Two tables of short threads, a broken row in each, and an empty file, in the folder where we are from then on."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in "ab":
        rows = [
            json.dumps(
                {"thread": f"t{number // 7}", "id": str(number), "text": f"Post {number} of {name}: we want peace."}
            )
            for number in range(POSTS)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join([*rows[:30], "{broken", *rows[30:]]) + "\n")
    (folder / "c.csv").write_bytes(b"")
    with chdir(folder):
        yield Path()


@pytest.fixture(scope="module")
def begin(tiny_folder, inputs, tmp_path_factory):
    """Bring an output up to date with an engine; gives what came of it and the lines that were told."""

    def begin(output, engine):
        settings = make_settings(output, load_topic("karabakh-2020"), str(tiny_folder), Options(), SHARD_SIZE)
        lines = []
        summary = run_inputs([inputs], settings, engine, lambda news: lines.append(news.line))
        return summary, sorted(line for line in lines if line is not None)

    return begin


def by_processes(units, settings, report):
    return run_local(units, settings, 1, report)


def by_ray(units, settings, report):
    from stance.run.cluster import run_ray

    return run_ray(units, settings, 1, report)


def list_files(folder):
    """Path and bytes of every file of a shard."""
    kinds = ("tags", "threads", "rejects", "manifest")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for kind in kinds
        for path in (folder / kind).iterdir()
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(begin, tmp_path_factory):
    """A run by processes: its folder, summary and lines."""
    output = tmp_path_factory.mktemp("processes")
    return output, *begin(output, by_processes)


def test_the_same_files_as_processes(begin, undisturbed, cluster, tmp_path, capfd):
    output, summary, lines = undisturbed
    assert begin(tmp_path, by_ray) == (summary, lines)
    assert list_files(tmp_path) == list_files(output)
    assert (summary.made, summary.posts, summary.rejects, summary.unreadable) == (9, 2 * POSTS, 3, 1)
    assert capfd.readouterr() == ("", "")
    assert begin(tmp_path, by_ray)[0].kept == 9


def test_what_is_missing_is_made_and_a_part_that_fails_is_told_of(begin, undisturbed, cluster, tmp_path):
    output = tmp_path / "output"
    shutil.copytree(undisturbed[0], output)
    blocked, cut, gone = sorted((output / "tags").iterdir())[1:4]
    cut.write_bytes(b"cut")
    (output / "manifest" / f"{gone.stem}.json").unlink()
    blocked.unlink()
    (blocked / "something").mkdir(parents=True)
    told = []

    def engine(units, settings, report):
        told.append(by_ray(units, settings, told.append))
        return told[-1]

    with pytest.raises(StanceError, match=blocked.stem):  # since it cannot be cleared away either
        begin(output, engine)
    assert (told[-1].made, told[-1].kept, told[-1].failed) == (2, 6, 1)
    assert any(news.line and str(blocked) in news.line for news in told[:-1])
    missing = list_files(undisturbed[0]).keys() - list_files(output).keys()
    assert {Path(name).stem for name in missing} == {blocked.stem}


def test_an_actor_that_dies_is_replaced_and_its_part_tried_twice(begin, undisturbed, cluster, tmp_path):
    begin(tmp_path, lambda units, settings, report: by_processes(units[:1], settings, report))
    before = list_files(tmp_path)
    (cache,) = tmp_path.glob("cache-*.sqlite")
    outcome = []
    run = threading.Thread(target=lambda: outcome.append(begin(tmp_path, by_ray)))
    with sqlite3.connect(cache) as held:
        held.execute("begin immediate")  # no actor gets further than to what it wants to remember
        run.start()
        killed = [kill_actor(cache, [])]
        killed.append(kill_actor(cache, killed))
        held.rollback()
    run.join()
    summary, lines = outcome[0]
    assert summary.failed == 1
    assert any("died twice" in line for line in lines)
    assert len(list_files(tmp_path)) > len(before)
    assert begin(tmp_path, by_processes)[0].made == 1
    assert list_files(tmp_path) == list_files(undisturbed[0])


def kill_actor(cache, killed):
    """Kill the actor that waits to write the cache; its process id. Those already killed are not it."""
    for _ in range(1500):
        for process in psutil.process_iter(["pid", "name", "cmdline"]):
            if process.pid in killed or "ShardWriter)).submit" not in " ".join(process.info["cmdline"] or ()):
                continue
            opened = {file.path for file in process.open_files()}
            if str(cache) in opened:
                time.sleep(0.5)
                os.kill(process.pid, signal.SIGKILL)
                return process.pid
        time.sleep(0.1)
    raise AssertionError("no actor at work within a minute")
