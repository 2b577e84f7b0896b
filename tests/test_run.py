"""Runs: what stands in the output, and what a second run does. Workers are tested in test_run_kill."""

import errno
import json
import os
import random
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from stance.cli.batch import split_table
from stance.cli.run import describe_pace, read_share, run
from stance.read import Options
from stance.records import StanceError
from stance.run import run_inputs
from stance.run.cache import open_tagger
from stance.run.folder import KINDS, lock_folder, make_folders
from stance.run.local import run_local
from stance.run.plan import find_inputs, hash_tagger, list_units, make_settings
from stance.run.shards import write_part
from stance.run.work import Work
from stance.table import read_table
from stance.topic import load_topic

ROOT = Path(__file__).parent.parent
SHARD = 12  # posts
WORDS = ("the", "a", "of", "is", "are", "not", "with", "this", "they", "we", "you", "war", "peace", "land", "people")
COMMAND = "import typer; from stance.cli.run import run; typer.run(run)"
OLD = 10**18  # ns: a time of change that is settled


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker: the answer for a text then does not depend on the texts beside it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_rows(path, seed, posts, of_a_thread=4):
    """JSON lines of made-up posts, some of them alike."""
    draw = random.Random(seed)
    rows = []
    for number in range(posts):
        words = draw.choices(WORDS, k=draw.randint(1, 30))
        row = {
            "id": number,
            "thread": f"t{number // of_a_thread}",
            "author": draw.choice("ABC"),
            "text": " ".join(words),
        }
        rows.append(json.dumps(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    os.utime(path, ns=(OLD, OLD))
    return path


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """Files in folders, two of one name, and one that cannot be read; the tests run beside it."""
    monkeypatch.chdir(tmp_path)
    write_rows(Path("in/first.jsonl"), 1, 50)
    write_rows(Path("in/deep/second.jsonl"), 2, 30)
    write_rows(Path("in/deep/first.jsonl"), 3, 7)
    Path("in/deep/talk.txt").write_text("Anna\nNov 10, 2020\nhate this war\n\nBen\nNov 11, 2020\nlove this peace\n")
    Path("in/broken.parquet").write_bytes(b"PAR1 cut off")
    Path("in/notes.md").write_text("not an input")
    return Path("in")


@pytest.fixture
def settings(tiny_folder):
    def make(output="out", **changes):
        given = {"topic": load_topic("karabakh-2020"), "tagger": str(tiny_folder), "options": Options()}
        return make_settings(Path(output), **{**given, "shard_size": SHARD, **changes})

    return make


def run_here(units, settings, report):
    """An engine without workers."""
    work = Work(units, settings, report)
    tagger = None
    for part in work.read_parts():
        tagger = tagger or open_tagger(settings)
        try:
            work.add(write_part(part, settings, tagger))
        except StanceError as error:
            work.fail(part.name, str(error))
    return work.sum_up()


def finish(paths, settings, share=(1, 1), engine=run_here):
    """The summary of a run and the lines that it told."""
    lines = []

    def hear(news):
        if news.line:
            lines.append(news.line)

    return run_inputs(paths, settings, engine, hear, share), lines


def content(output):
    """Every file of every part, by name."""
    files = sorted(path for kind in KINDS for path in (Path(output) / kind).iterdir())
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def rows_of(output, kind="tags"):
    return [row for path in sorted(Path(output, kind).iterdir()) for row in pq.read_table(path).to_pylist()]


def test_a_run_holds_every_post_once(archive, settings):
    summary, lines = finish([archive], settings())
    assert (summary.posts, summary.failed, summary.unreadable, summary.rejects) == (89, 0, 1, 1)
    assert summary.made == len(list(Path("out/manifest").iterdir())) > 5
    rows = [row for row in rows_of("out") if row["kind"] == "post"]
    given = [json.loads(line)["text"] for path in archive.rglob("*.jsonl") for line in path.read_text().splitlines()]
    given += ["hate this war", "love this peace"]
    assert sorted(row["body"] for row in rows) == sorted(given)
    assert all(row["toxicity"]["toxicity"] is not None for row in rows if row["language"] in (None, "en"))
    assert len({(row["thread"], row["id"]) for row in rows}) == len(rows) == 89
    assert lines == [f"in/broken.parquet: {rows_of('out', 'rejects')[0]['reason']}"]


def test_a_shard_is_full_and_divides_no_thread(archive, settings):
    finish([archive], settings())
    seen = set()
    for path in sorted(Path("out/manifest").iterdir()):
        manifest = json.loads(path.read_bytes())
        assert manifest["last"] or SHARD <= manifest["posts"] < SHARD + 4
        if "tags" in manifest["files"]:
            threads = set(read_table(f"out/tags/{path.stem}.parquet")["thread"].to_pylist())
            assert not threads & seen
            seen |= threads


def test_threads_are_told_of(archive, settings):
    finish([archive], settings())
    threads = {row["thread"]: row for row in rows_of("out", "threads")}
    assert len(threads) == 13 + 8 + 2 + 1
    assert threads["talk"]["source"] == "in/deep/talk.txt"
    assert threads["talk"]["layout"].startswith("text: ")
    assert sum(row["posts"] for row in threads.values()) == 89


def test_a_shard_is_a_table_of_this_program(archive, settings):
    finish([archive], settings())
    table = read_table(next(path for path in sorted(Path("out/tags").iterdir()) if len(pq.read_table(path)) > 4))
    parts = split_table(table)
    assert len(parts) == len(set(table["thread"].to_pylist())) > 1
    assert sum(map(len, parts)) == len(table)


def test_ids_stay_apart_where_names_clash(tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for path, threads in (("in/a.jsonl", ("b", "c")), ("in/a-b.jsonl", ("x", "x")), ("in/a-b.csv", ("1", "2"))):
        rows = [{"id": 1, "thread": threads[0], "text": "war"}, {"id": 2, "thread": threads[1], "text": "peace"}]
        if path.endswith("csv"):
            Path(path).write_text("id,thread,text\n1,1,war\n2,2,peace\n")
        else:
            Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))
    finish([Path("in")], settings())
    ids = [row["thread"] for row in rows_of("out", "threads")]
    assert len(ids) == len(set(ids)) == 5
    again = settings("again")
    finish([Path("in")], again)
    assert content("again").keys() == content("out").keys()


def test_a_second_run_does_nothing(archive, settings, tiny_folder):
    """It loads no tagger, and reads no input, not even its bytes: others of the same length and time pass unseen."""
    (archive / "broken.parquet").unlink()
    os.utime(archive / "deep/talk.txt", ns=(OLD, OLD))
    finish([archive], settings())
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    for path in archive.rglob("*.jsonl"):
        path.write_bytes(b"?" * path.stat().st_size)
        os.utime(path, ns=(OLD, OLD))
    code = "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules)); " + COMMAND
    arguments = ["in", "-o", "out", "--tagger", str(tiny_folder), "--shard-size", str(SHARD)]
    command, surroundings = [sys.executable, "-c", code, *arguments], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
    assert "nothing to do" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_changed_and_dropped_inputs(archive, settings):
    first, _ = finish([archive], settings())
    path = archive / "first.jsonl"
    path.write_text(path.read_text().replace('"id": 49', '"id": 490'))
    (archive / "deep/second.jsonl").unlink()
    write_rows(archive / "new.jsonl", 9, 5)
    second, _ = finish([archive], settings())
    assert second.posts == first.posts - 30 + 5
    assert second.kept > 0
    assert second.removed > 0
    finish([archive], settings("fresh"))
    assert content("out") == content("fresh")
    assert second.texts - second.cached <= 5  # what has changed, and the cache knows the rest


def test_other_settings_make_everything_anew(archive, settings):
    finish([archive], settings())
    other = settings(shard_size=2 * SHARD)
    summary, _ = finish([archive], other)
    assert summary.kept == 0
    finish([archive], settings("fresh", shard_size=2 * SHARD))
    assert content("out") == content("fresh")


def test_shares_make_up_the_whole(archive, settings):
    finish([archive], settings("whole"))
    made = [finish([archive], settings(), (number, 3))[0] for number in (1, 2, 3)]
    assert sum(summary.posts for summary in made) == 89
    assert max(summary.posts for summary in made) < 89
    assert content("out") == content("whole")
    assert finish([archive], settings())[0].made == 0


def test_two_runs_at_once(archive, settings):
    make_folders(Path("out"))
    with lock_folder(Path("out"), (1, 1)), pytest.raises(StanceError, match=r"^out: another run"):
        finish([archive], settings())
    with lock_folder(Path("out"), (1, 3)):
        for share in ((1, 1), (1, 3)):
            with pytest.raises(StanceError, match=r"^out: another run"):
                finish([archive], settings(), share)
        finish([archive], settings(), (2, 3))


DAMAGES = {
    "no table": lambda files: files["tags"].unlink(),
    "cut off": lambda files: os.truncate(files["tags"], files["tags"].stat().st_size // 2),
    "empty": lambda files: os.truncate(files["threads"], 0),
    "zeros at the end": lambda files: files["tags"].write_bytes(files["tags"].read_bytes()[:-64] + bytes(64)),
    "no manifest": lambda files: files["manifest"].unlink(),
    "half a manifest": lambda files: os.truncate(files["manifest"], 40),
    "an empty manifest": lambda files: os.truncate(files["manifest"], 0),
    "a left-over": lambda files: files["tags"].with_name(f".{files['tags'].name}.123.part").write_bytes(b"half"),
}


def test_damage_is_mended(archive, settings):
    finish([archive], settings())
    before = content("out")
    parts = sorted(path.stem for path in Path("out/tags").iterdir())
    for part, damage in zip(parts, DAMAGES.values(), strict=False):
        damage({kind: Path("out", kind, part + ending) for kind, ending in KINDS.items()})
    summary, _ = finish([archive], settings())
    assert summary.made == min(len(parts), len(DAMAGES) - 1) >= 7
    assert content("out") == before


def test_files_are_on_the_disk_before_they_count(archive, settings, monkeypatch):
    """A power cut takes what was not synced: files before they are named, names before the manifest's."""
    events = []
    sync, rename = os.fsync, Path.replace

    def log_sync(handle):
        events.append(("sync", Path(f"/proc/self/fd/{handle}").readlink().relative_to(Path.cwd())))
        sync(handle)

    def log_rename(path, target):
        events.append(("rename", path, target))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", log_sync)
    monkeypatch.setattr(Path, "replace", log_rename)
    finish([archive], settings())
    counted = [place for place, event in enumerate(events) if event[0] == "rename" and "manifest" in event[2].parts]
    assert len(counted) == len(list(Path("out/manifest").iterdir()))
    for place in counted:
        manifest = json.loads(events[place][2].read_bytes())
        assert events[place + 1] == ("sync", Path("out/manifest"))
        for kind in manifest["files"]:
            table = Path("out", kind, f"{events[place][2].stem}.parquet")
            named = next(at for at, event in enumerate(events) if event[0] == "rename" and event[2] == table)
            assert ("sync", events[named][1]) in events[:named]
            assert ("sync", table.parent) in events[named:place]


@contextmanager
def files_at_most(size):
    """A disk that takes no longer files; Python ignores the signal that comes with it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_what_it_holds_no_place_for(archive, settings):
    finish([archive], settings("whole", cache=False))
    sizes = sorted(len(found) for name, found in content("whole").items() if name.startswith("tags"))
    with files_at_most(sizes[-2]):
        summary, lines = finish([archive], settings(cache=False))
    assert (summary.failed, summary.made) == (1, len(sizes))  # one that holds rejects alone
    assert os.strerror(errno.EFBIG) in lines[-1]
    assert not list(Path("out").rglob("*.part"))
    assert finish([archive], settings(cache=False))[0].made == 1
    assert content("out") == content("whole")


def test_rejects_are_listed(archive, settings):
    path = archive / "first.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:20], "{not json", *lines[20:], '{"id": 7}']) + "\n")
    summary, told = finish([path], settings())
    assert (summary.posts, summary.rejects, summary.unreadable, told) == (50, 2, 0, [])
    rejects = rows_of("out", "rejects")
    assert [(row["source"], row["position"]) for row in rejects] == [(str(path), "line 21"), (str(path), "line 52")]
    assert all(row["reason"] and "\n" not in row["reason"] for row in rejects)


def test_a_reader_that_fails_costs_its_input_alone(archive, settings, monkeypatch):
    from stance.run import parts

    read = parts.read_threads

    def fail(path, options):
        if path.name == "second.jsonl":
            raise ZeroDivisionError("odd")
        return read(path, options)

    monkeypatch.setattr(parts, "read_threads", fail)
    summary, lines = finish([archive], settings())
    assert (summary.posts, summary.unreadable) == (59, 2)
    assert any("second.jsonl: the reader broke off (ZeroDivisionError: odd)" in line for line in lines)


def test_an_input_that_changes_meanwhile(archive, settings):
    path = archive / "first.jsonl"
    output = settings()
    make_folders(output.output)
    units = list_units([path], output)
    path.write_text(path.read_text().replace("war", "raw"))
    lines = []
    summary = run_here(units, output, lambda news: lines.append(news.line))
    assert (summary.posts, summary.unreadable) == (0, 1)
    assert any("changed after the run had begun" in (line or "") for line in lines)


def test_a_new_file_moves_no_border(tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    paths = [write_rows(Path(f"in/{number:02}.jsonl"), number, 6) for number in range(40)]
    output = settings()
    make_folders(output.output)
    before = {unit.key: unit for unit in list_units(paths, output)}
    assert 5 < len(before) < 35
    after = {unit.key: unit for unit in list_units([write_rows(Path("in/0.jsonl"), 99, 6), *paths], output)}
    assert len(after.keys() - before.keys()) <= 2
    assert len(before.keys() - after.keys()) <= 1


def test_inputs(archive, tmp_path):
    corpus = archive / "deep/corpus"
    corpus.mkdir()
    (corpus / "utterances.jsonl").write_text("{}")
    write_rows(Path("in/out/tags/x.jsonl"), 1, 1)
    (archive / ".hidden").mkdir()
    write_rows(archive / ".hidden/x.jsonl", 1, 1)
    found = find_inputs([archive, archive / "../in/first.jsonl"], Path("in/out"))
    names = ["broken.parquet", "first.jsonl", "deep/corpus", "deep/first.jsonl", "deep/second.jsonl", "deep/talk.txt"]
    assert found == [archive / name for name in names]
    with pytest.raises(StanceError, match=r"^nowhere: No such file"):
        find_inputs([Path("nowhere")], Path("out"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(StanceError, match=r"^empty: a folder without threads"):
        find_inputs([Path("empty")], Path("out"))


def test_the_tagger_is_known_by_its_files(tiny_folder, tiny_tagger):
    assert hash_tagger(tiny_folder) == tiny_tagger.sha256


def test_tables_of_this_program_are_not_tagged_again(archive, settings):
    finish([archive / "first.jsonl"], settings())
    table = next(Path("out/tags").iterdir()).rename("in/table.parquet")
    summary, lines = finish([table], settings("other"))
    assert (summary.unreadable, summary.posts) == (1, 0)
    assert "pass what it was made from" in lines[0]


def test_workers_make_no_difference(archive, settings, tiny_folder):
    finish([archive], settings("here"))
    app = typer.Typer()
    app.command()(run)
    arguments = ["in", "--tagger", str(tiny_folder), "--shard-size", str(SHARD), "-o"]
    done = CliRunner().invoke(app, [*arguments, "one", "--workers", "1"])
    assert done.exit_code == 1
    assert "stance: in/broken.parquet: " in done.stderr
    assert "89 posts, 1 rejects, 1 of them inputs" in done.stdout
    done = CliRunner().invoke(app, [*arguments, "two", "--workers", "2", "--no-cache"])
    assert done.exit_code == 1
    assert content("one") == content("two") == content("here")
    assert not list(Path("two").glob("*.sqlite*"))


def test_a_tagger_that_changes_meanwhile(archive, settings):
    from dataclasses import replace

    output = replace(settings(), tagger_sha256="0" * 64)
    with pytest.raises(StanceError, match="changed after the run had begun"):
        finish([archive], output, engine=lambda units, given, report: run_local(units, given, 1, report))


@pytest.mark.parametrize("share", ["0/3", "4/3", "1", "1/0", "a/b", "-1/2"])
def test_shares_that_are_none(share):
    with pytest.raises(StanceError, match=f"^--shard {share}: write i/n"):
        read_share(share)


def test_pace():
    assert describe_pace(2_000, 0.25, 100.0) == "2,000 posts, 20 a second, 0:05:00 left"
    assert describe_pace(2_000, 0.0, 100.0) == "2,000 posts, 20 a second"
