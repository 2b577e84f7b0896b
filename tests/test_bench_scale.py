"""The benches of speed, scale and kills count what they say they count."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent / "bench"))

import comments
import costs
import kills
import machine
import powercut
import scale
import throughput
import watching

from stance.tagger.network import Network, Shape

MEGA = 1_000_000


def test_made_texts_are_distinct_and_as_long_as_comments() -> None:
    texts = list(comments.make_texts(3000))
    assert texts == list(comments.make_texts(3000))
    assert len(set(texts)) == 3000
    counts = sorted(comments.count_tokens(texts))
    assert 80 < sum(counts) / 3000 < 100
    assert 35 < counts[1500] < 55
    assert 140 < counts[2700] < 220


def test_tokens_are_those_that_the_network_reads() -> None:
    assert comments.count_tokens(["", "peace", "A war."]) == [2, 3, 5]
    assert comments.count_side_tokens(["Armenia", "Russia"]) == 6


def test_weights_are_those_of_the_layers_matrices() -> None:
    shape = Shape(vocabulary=10, width=8, layers=3, heads=2, inner=16, positions=4)
    matrices = [value for name, value in Network(shape).layers.named_parameters() if value.dim() == 2]
    assert machine.encoder_weights(shape) == sum(value.numel() for value in matrices)
    assert machine.needed_operations(shape, 5) == 10 * machine.encoder_weights(shape)


def test_peers_get_the_groups_of_middling_length() -> None:
    texts = [str(number) for number in range(96)]
    counts = [10] * 32 + [100] * 32 + [60] * 32
    assert throughput.pick_groups(texts, counts, 32) == texts[64:]
    assert throughput.pick_groups(texts, counts, 33) == [*texts[64:], *texts[32:64]]
    assert len(throughput.pick_groups(texts, counts, 8)) == 8


def test_ratios_take_the_better_batch_size_round_by_round() -> None:
    taken = {"peers": {"toxicity": {"ms": {"8": [40.0, 60.0], "32": [45.0, 45.0]}}}}
    assert throughput.choose_sizes(taken) == {"toxicity": ("32", [45.0, 45.0])}
    assert throughput.ratios([45.0, 45.0], [9.0, 5.0]) == [5.0, 9.0]


@pytest.fixture(scope="module")
def rates() -> dict[str, Any]:
    """Figures as ``scale.py`` keeps them: 4 ms of a worker, two workers 1.9 times one, 0.01 ms of reading."""
    run = {
        "engine": "processes",
        "tagger": "minilm-l6",
        "starting": 4.0,
        "processor": 40.0,
        "main_peak": 90 * MEGA,
        "worker_peak": 500 * MEGA,
        "together": 900 * MEGA,
        "table_bytes": 4 * MEGA,
        "cache_bytes": 2 * MEGA,
        "rate": 9e11,
        "needed": 2e13,
    }
    one = {**run, "posts": 10_000, "workers": 1, "seconds": 4.0 + 38.0, "rate": 4.8e11}
    two = {**run, "posts": 10_000, "workers": 2, "seconds": 4.0 + 20.0}
    large = {**run, "posts": 40_000, "workers": 2, "seconds": 4.0 + 80.0, "needed": 8e13, "processor": 160.0}
    names = {"hashing": 1e7, "decompression": 2e6, "JSON": 1e6, "reading, with them": 1e5, "linking": 1e4}
    names |= {"tokeniser": 1e4, "network, with heads": 300.0, "rows of tables": 1e4}
    stages = [{"name": name, "posts": posts, "megabytes": None} for name, posts in names.items()]
    parts = {
        "speed": [one, two, large],
        "memory": [{**two, "posts": 10_000}, {**two, "posts": 1_000_000}],
        "stages": {"posts": 4000, "stages": stages, "disk": 1000.0},
    }
    return {
        part: {"machine": "made up", "command": f"scale.py {part}", "figures": found} for part, found in parts.items()
    }


def test_estimates_follow_from_the_rates(rates: dict[str, Any]) -> None:
    found = costs.take_rates(rates)
    assert found.gain == pytest.approx(1.9)
    assert found.measured == pytest.approx(0.002)
    assert found.reading == pytest.approx(1e-5 + 1e-7)  # the parts of reading are not counted again
    assert found.beside == pytest.approx(3e-4)
    assert found.operations == pytest.approx(2e9)
    places = {(one.place, one.posts): one for one in costs.estimate(found, costs.Prices(0.1, 2.0))}
    assert len(places) == 12
    here = places["2 cores, this machine", 10**6]
    assert here.seconds == pytest.approx(4 + 2000)
    assert here.dollars == pytest.approx(2 * 2004 / 3600 * 0.1)
    assert here.slowest == "network, with heads"
    large = places["64 cores", 10**8]
    assert large.seconds == pytest.approx(4 + 1e8 * 0.0038 / (1 + 63 * 0.9))
    device = places[costs.GPU, 10**8]
    assert device.slowest == "all but the network, on the cores"
    assert device.seconds == pytest.approx(4 + 1e8 * 3e-4 / 15)
    cluster = places["Ray, 16 nodes of 64 cores", 10**10]
    assert cluster.seconds == pytest.approx(4 + 1e10 * 0.0038 / (1 + 63 * 0.9) / 16 * 1.25)


def test_the_report_names_sizes_places_and_what_is_not_measured(rates: dict[str, Any]) -> None:
    text = costs.write_text(rates, costs.Prices())
    assert all(f"| 10^{power} | 64 cores | about" in text for power in (6, 8, 10))
    assert "| 10^6 | 2 cores, this machine | 33.4 minutes |" in text
    assert "none was at hand" in text
    assert "Ray adds 25 % past start-up (assumed" in text
    assert "| 1,000,000 | 90 MB | 500 MB | 900 MB |" in text


def test_a_report_without_figures_says_which_are_missing(tmp_path: Path) -> None:
    given = argparse.Namespace(rates=tmp_path / "none.json", report=None, core_hour=1.0, gpu_hour=1.0)
    with pytest.raises(SystemExit, match="no figures of speed, memory, stages"):
        scale.write_report(given)


def test_memory_and_time_of_a_command_and_those_below_it() -> None:
    code = "x = bytearray(60_000_000); import time; time.sleep(0.8); print(len(x))"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}]); sys.exit(3)"
    watched = watching.watch([sys.executable, "-c", outer])
    assert watched.code == 3
    assert watched.output == "60000000\n"
    assert watched.seconds > 0.8
    assert watched.other_peak > 60 * MEGA > watched.own_peak
    assert watched.together > 60 * MEGA


def test_own_words_leave_quotes_out() -> None:
    row = {"body": "a quote\n\nmine", "quotes": [{"start": 0, "end": 7, "source": None, "match": "markup"}]}
    assert scale.own_words(row).split() == ["mine"]


def record(disk: powercut.Disk, code: str) -> None:
    """Run code in the folder, recorded."""
    environment = {**os.environ, **disk.prepare(), "PYTHONPATH": str(disk.work)}
    subprocess.run([sys.executable, "-c", f"import os\n{code}"], cwd=disk.root, env=environment, check=True)


@pytest.fixture
def disk(tmp_path: Path) -> powercut.Disk:
    (tmp_path / "folder").mkdir()
    return powercut.Disk(tmp_path / "folder", tmp_path / "work")


WRITE = """
def write(name, synced):
    with open(name, "wb") as file:
        file.write(b"12345")
        file.flush()
        if synced:
            os.fsync(file.fileno())
def keep():
    handle = os.open(".", os.O_RDONLY)
    os.fsync(handle)
"""


def test_what_was_synced_survives_every_cut_and_the_rest_does_not(disk: powercut.Disk) -> None:
    code = """
write("part", True); os.replace("part", "safe"); keep()
write("old", True); write("loose", False); write("other", True); os.replace("other", "unkept")
"""
    seen, harmed = set(), 0
    for seed in range(12):
        for path in disk.root.iterdir():
            path.unlink()
        disk.durable = {}  # a new file may have the inode of one that is gone
        record(disk, WRITE + code)
        disk.cut_power(random.Random(seed))
        left = {path.name: path.read_bytes() for path in disk.root.iterdir()}
        assert left["safe"] == left["old"] == b"12345"
        harmed += left["loose"] != b"12345"
        assert left.get("unkept", left.get("other")) == b"12345"
        seen.add("unkept" in left)
    assert seen == {True, False}
    assert 2 < harmed < 10


def test_what_one_cut_left_survives_the_next(disk: powercut.Disk) -> None:
    record(disk, WRITE + 'write("first", True); keep()')
    disk.cut_power(random.Random(1))
    record(disk, 'os.unlink("first")')
    backs, durable = 0, disk.durable
    for seed in range(20):
        disk.durable = durable
        disk.cut_power(random.Random(seed))
        backs += (disk.root / "first").exists()
    assert backs
    assert (disk.root / "first").read_bytes() == b"12345"


def test_outputs_that_differ_are_seen(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(name: str, ids: list[str]) -> Path:
        for kind in (*kills.OF_A_PART, "manifest"):
            (tmp_path / name / kind).mkdir(parents=True)
        table = pa.table({"thread": ["t"] * len(ids), "id": ids})
        pq.write_table(table, tmp_path / name / "tags" / "0-0.parquet")
        return tmp_path / name

    whole = write("whole", ["1", "2"])
    kills.compare(write("same", ["1", "2"]), whole)
    with pytest.raises(kills.NotSoError, match="another content"):
        kills.compare(write("lost", ["1"]), whole)
    (write("damaged", ["1"]) / "tags" / "0-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(kills.NotSoError, match="damaged"):
        kills.compare(tmp_path / "damaged", whole)
    with pytest.raises(kills.NotSoError, match="twice"):
        kills.compare(write("double", ["1", "1"]), write("doubled", ["1", "1"]))
    (write("more", ["1", "2"]) / "manifest" / "0-0.json").write_text("{}")
    with pytest.raises(kills.NotSoError, match="other files"):
        kills.compare(tmp_path / "more", whole)


def test_a_run_is_watched_and_killed(tmp_path: Path) -> None:
    tagger = comments.make_tiny_tagger(tmp_path / "tiny")
    place = scale.Place(tmp_path, "processes", str(tagger))
    run = scale.take_run(place, 120, 1, 0.5, rated=False)
    assert run.seconds > 0.5
    assert run.worker_peak > run.main_peak > 20 * MEGA
    assert run.table_bytes > 120 * 50
    assert scale.count_operations(tmp_path / "output") == pytest.approx(2e9 * 120, rel=0.4)
    (dump,) = comments.write_dumps(tmp_path / "inputs", 120)
    trial = kills.Trial((dump,), tagger, tmp_path, "processes")
    assert len(set(kills.read_posts(tmp_path / "output"))) == 120
    disk = powercut.Disk(tmp_path / "killed", tmp_path / "disk")
    disk.root.mkdir()
    assert not kills.run_until(trial, disk, 1.5)
    disk.cut_power(random.Random(1))
    kills.run_to_end(trial, disk.root)
    assert len(set(kills.read_posts(disk.root))) == 120
