"""Runs that are broken off: by a signal to everything, to the main process alone, to a worker."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stance.read import Options
from stance.records import StanceError
from stance.run import local, run_inputs
from stance.run.folder import KINDS, make_folders
from stance.run.local import run_local
from stance.run.plan import list_units, make_settings
from stance.topic import load_topic

ROOT = Path(__file__).parent.parent
POSTS, SHARD = 800, 20
WORDS = ("the", "a", "of", "is", "are", "not", "with", "this", "they", "we", "you", "war", "peace", "land", "people")
COMMAND = "import typer; from stance.cli.run import run; typer.run(run)"
SECONDS = 60  # until something that is waited for has failed


@pytest.fixture
def archive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = random.Random(5)
    rows = [
        {"id": number, "thread": number // 5, "text": " ".join(draw.choices(WORDS, k=draw.randint(1, 30)))}
        for number in range(POSTS)
    ]
    Path("in").mkdir()
    for name in "ab":
        some = rows[: POSTS // 3] if name == "a" else rows[POSTS // 3 :]
        Path(f"in/{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    return Path("in")


@pytest.fixture
def settings(tiny_folder):
    def make(output, shard_size=SHARD):
        topic = load_topic("karabakh-2020")
        return make_settings(Path(output), topic, str(tiny_folder), Options(), shard_size)

    return make


def run_all(archive, settings, workers=1, report=None):
    lines = []

    def hear(news):
        if news.line:
            lines.append(news.line)
        if report:
            report(news)

    def engine(units, given, told):
        return run_local(units, given, workers, told)

    return run_inputs([archive], settings, engine, hear), lines


def content(output):
    files = sorted(path for kind in KINDS for path in (Path(output) / kind).iterdir())
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def start(tiny_folder, output="out"):
    """The command in a process group of its own."""
    arguments = ["in", "-o", output, "--tagger", str(tiny_folder), "--shard-size", str(SHARD), "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(true):
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def wait_for_parts(more):
    """Until there are so many more parts than now."""
    folder = Path("out/manifest")
    count = len(list(folder.iterdir())) if folder.is_dir() else 0
    wait_until(lambda: folder.is_dir() and len(list(folder.iterdir())) >= count + more)


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_was_killed_goes_on(archive, settings, tiny_folder):
    run_all(archive, settings("whole"))
    draw = random.Random()
    for kill in (os.killpg, os.kill):  # the second leaves the workers alone
        process = start(tiny_folder)
        wait_for_parts(draw.randint(1, 8))
        time.sleep(draw.random() / 20)
        assert process.poll() is None
        kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        wait_until(lambda group=process.pid: is_gone(group))
    kept = len(list(Path("out/manifest").iterdir()))
    summary, _ = run_all(archive, settings("out"))
    assert summary.kept == kept
    assert summary.posts == POSTS
    assert content("out") == content("whole")
    assert not list(Path("out").rglob("*.part"))


def test_an_interrupt_says_how_to_go_on(archive, tiny_folder):
    process = start(tiny_folder)
    wait_for_parts(2)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=SECONDS)
    assert (process.returncode, told) == (130, "stance: out: stopped: run the same command again to go on\n")
    wait_until(lambda: is_gone(process.pid))


def kill_workers(times):
    """A report that kills whatever works on the first parts that are tagged, so often."""
    left = times

    def report(news):
        nonlocal left
        if news.posts and left:
            left -= 1
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

    return report


def test_a_worker_that_dies_costs_nothing(archive, settings):
    run_all(archive, settings("whole", 270))
    summary, lines = run_all(archive, settings("out", 270), report=kill_workers(1))
    assert (summary.made, summary.failed, lines) == (3, 0, [])
    assert content("out") == content("whole")


def test_a_part_that_kills_its_workers_is_given_up(archive, settings):
    summary, lines = run_all(archive, settings("out", 270), report=kill_workers(2))
    assert (summary.made, summary.failed) == (2, 1)
    (line,) = lines
    assert "its worker died twice (signal 9): give it more memory or a smaller --shard-size" in line


def test_workers_that_cannot_begin(archive, settings, monkeypatch):
    begin = local.start_hand

    def begin_dead(given):
        hand = begin(given)
        hand.process.kill()
        return hand

    monkeypatch.setattr(local, "start_hand", begin_dead)
    with pytest.raises(StanceError, match=r"workers end before .* \(signal 9\)"):
        run_all(archive, settings("out"))
    assert not multiprocessing.active_children()


def test_few_parts_wait(archive, settings, monkeypatch):
    """What is read ahead is bounded: so is the memory."""
    output = settings("out", 100)
    make_folders(output.output)
    most, shop_of = 0, local.Shop

    class Watched(shop_of):
        def hand_out(self):
            nonlocal most
            most = max(most, len(self.waiting))
            super().hand_out()

    monkeypatch.setattr(local, "Shop", Watched)
    summary = run_local(list_units([archive / "a.jsonl", archive / "b.jsonl"], output), output, 1, lambda _: None)
    assert summary.posts == POSTS
    assert most == 2


@pytest.fixture(autouse=True)
def no_worker_stays():
    yield
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not multiprocessing.active_children())
    assert not multiprocessing.active_children()
