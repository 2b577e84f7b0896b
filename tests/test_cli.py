"""The commands as a user gives them: what they write, and one line and exit code 2 for what they cannot use."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stance.cli import app
from stance.cli.batch import name_folder
from stance.cli.flags import find_tables, list_folder
from stance.records import StanceError
from stance.table import read_manifest, read_table

ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds"


def run(*arguments, folder=None):
    """The command in a process of its own: exit code, stdout, stderr."""
    command = [sys.executable, "-m", "stance.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder or ROOT, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


def assert_one_line(result, *parts):
    code, _, errors = result
    assert code == 2, errors
    assert len(errors.splitlines()) == 1, errors
    for part in parts:
        assert part in errors


def test_report_makes_a_folder_a_thread_and_an_index(tmp_path, tiny_folder):
    code, out, errors = run("report", *sorted(SEEDS.glob("*.txt")), "-o", tmp_path / "made", "--tagger", tiny_folder)
    assert (code, errors) == (0, "")
    for name in ("index.html", "karabakh-2020/index.html", "ceasefire-2020/index.html"):
        assert (tmp_path / "made" / name).is_file()
        assert str(tmp_path / "made" / name) in out
    manifest = read_manifest(read_table(tmp_path / "made" / "karabakh-2020" / "tags.parquet"))
    assert (manifest.topic, manifest.gaps) == ("karabakh-2020", ("10",))
    assert len(manifest.tagger_sha256) == 64


def test_one_broken_file_is_reported_and_the_rest_goes_on(tmp_path, tiny_folder):
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"")
    result = run("report", broken, SEEDS / "karabakh-2020.txt", "-o", tmp_path / "made", "--tagger", tiny_folder)
    assert_one_line(result, str(broken))
    assert (tmp_path / "made" / "karabakh-2020" / "index.html").is_file()
    assert "broken.txt" in (tmp_path / "made" / "index.html").read_text()


def test_the_same_input_gives_the_same_bytes(tmp_path, tiny_folder):
    for name in ("one", "two"):
        run("report", SEEDS / "karabakh-2020.txt", "-o", tmp_path / name, "--tagger", tiny_folder)
    first = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(first) > 5
    for path in first:
        assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes(), path


def test_tag_writes_a_row_a_row_in_order(tmp_path, tiny_folder):
    rows = [{"id": "b", "text": "Down with them!"}, {"id": 7, "text": ""}, {"id": "a", "text": "x " * 2000}]
    posts, out, topic = tmp_path / "posts.jsonl", tmp_path / "out.jsonl", tmp_path / "topic.toml"
    posts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    topic.write_text('name = "own"\n[[side]]\nname = "North"\n[[side]]\nname = "South"\n')
    assert run("tag", posts, "--topic", topic, "-o", out, "--tagger", tiny_folder)[0] == 0
    made = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in made] == ["b", 7, "a"]
    for row in made:
        assert list(row["stance"]) == ["North", "South"]
        for judged in row["stance"].values():
            assert set(judged) == {"label", "favor", "against", "none"}
            assert judged["favor"] + judged["against"] + judged["none"] == pytest.approx(1, abs=1e-5)
        assert set(row["toxicity"]) == {"toxicity", "insult", "threat", "obscene", "identity_attack"}
        assert set(row["sentiment"]) == {"label", "negative", "neutral", "positive"}
        assert row["run"]["topic"] == "own"
    assert made[1]["stance"]["North"]["label"] is None


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_tag_writes_a_thread_as(ending, tmp_path, tiny_folder):
    out = tmp_path / f"out.{ending}"
    assert run("tag", SEEDS / "karabakh-2020.txt", "-o", out, "--tagger", tiny_folder)[0] == 0
    assert out.stat().st_size > 10_000


def test_read_writes_the_thread_as_json(tmp_path):
    code, _, errors = run("read", SEEDS / "karabakh-2020.txt", "-o", tmp_path / "thread.json")
    assert (code, errors) == (0, "")
    made = json.loads((tmp_path / "thread.json").read_text())
    assert (len(made["posts"]), made["gaps"]) == (42, ["10"])
    assert set(made["posts"][0]) >= {"number", "author", "time", "body", "quotes", "reply_to"}


def test_read_without_output_says_what_is_there():
    code, out, _ = run("read", SEEDS / "karabakh-2020.txt")
    assert code == 0
    assert "42 posts, 13 with a name" in out
    assert "missing numbers: 10" in out


def test_evaluate_prints_n_and_an_interval(tiny_folder):
    code, out, _ = run("evaluate", "--tagger", tiny_folder)
    assert code == 0
    (line,) = [line for line in out.splitlines() if "stance macro-F1" in line]
    assert "n=42" in line
    assert "[" in line


def test_evaluate_fails_under_a_floor(tmp_path, tiny_folder):
    floors = tmp_path / "floors.json"
    floors.write_text('{"karabakh-2020": {"stance macro-F1": 0.99}}')
    code, _, errors = run("evaluate", "--tagger", tiny_folder, "--floors", floors)
    assert code == 1
    assert "under its floor 0.99" in errors


def test_evaluate_pins_floors_and_a_suite_that_lacks_a_set_goes_on(tmp_path, tiny_folder):
    floors = tmp_path / "floors.json"
    code, out, _ = run("evaluate", "--tagger", tiny_folder, "--floors", floors, "--pin")
    assert code == 0
    assert "stance macro-F1" in json.loads(floors.read_text())["karabakh-2020"]
    made = [{"text": f"it is {word}", "label": label, "split": "test"} for word, label in (("good", 1), ("bad", 0))]
    (tmp_path / "sentiment").mkdir()
    with gzip.open(tmp_path / "sentiment" / "goemotions.jsonl.gz", "wt") as file:
        file.writelines(json.dumps({**row, "label": "neutral"}) + "\n" for row in made)
    code, out, errors = run("evaluate", "--tagger", tiny_folder, "--suite", tmp_path, "--floors", floors)
    assert code == 2
    assert "goemotions" in out
    assert "ruw.jsonl.gz: cannot be read" in errors


def test_selftest_prints_families_and_failures(tiny_folder):
    code, out, _ = run("selftest", "--tagger", tiny_folder, "--failures")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("all ")
    assert any(line.startswith("double negation ") for line in lines)
    assert any(line.startswith("line ") and "negation: toward " in line for line in lines)


def test_audit_prints_a_row_a_group(tiny_folder):
    code, out, errors = run("audit", "--tagger", tiny_folder)
    assert (code, errors) == (0, "")
    assert len([line for line in out.splitlines() if line.startswith(("Armenians ", "Kurds ", "women "))]) == 3


def test_bad_input_is_one_line(tmp_path, tiny_folder):
    seed, out = SEEDS / "karabakh-2020.txt", tmp_path / "out"
    assert_one_line(run("report", tmp_path / "none.txt", "-o", out, "--tagger", tiny_folder), "none.txt")
    (tmp_path / "empty").mkdir()
    assert_one_line(run("report", tmp_path / "empty", "-o", out, "--tagger", tiny_folder), "a folder without threads")
    assert_one_line(run("report", seed, "-o", out, "--tagger", "nothing"), "no such tagger", "minilm-l6")
    assert_one_line(run("report", seed, "-o", out, "--topic", "nothing"), "no such topic", "karabakh-2020")
    (tmp_path / "topic.toml").write_text('name = "x"\n[[side]]\nnames = "y"\n')
    assert_one_line(run("report", seed, "-o", out, "--topic", tmp_path / "topic.toml"), "topic.toml:2", "'names'")
    assert_one_line(run("tag", seed, "-o", tmp_path / "out.xls", "--tagger", tiny_folder), "out.xls")
    assert_one_line(run("tag", seed, "-o", tmp_path / "no" / "out.csv", "--tagger", tiny_folder), "out.csv")
    assert_one_line(run("evaluate", "--gold", tmp_path / "none", "--tagger", tiny_folder), "--gold")
    assert_one_line(run("evaluate", "--pin"), "--floors FILE")
    assert_one_line(run("evaluate", "--baseline"), "--suite DIR")
    (tmp_path / "none").write_text('{"number": 1, "stance": {"X": "pro"}, "toxicity": [], "sentiment": "neutral"}\n')
    assert_one_line(run("evaluate", "--gold", tmp_path / "none", "--tagger", tiny_folder), "none:1")
    (tmp_path / "file").write_text("")
    assert_one_line(run("report", seed, "-o", tmp_path / "file" / "x", "--tagger", tiny_folder), "file")
    assert_one_line(run("train", "--data", tmp_path, "-o", out, "--run", tmp_path / "run"))
    assert not out.exists()


def test_a_folder_is_named_by_its_thread_and_no_two_alike():
    assert name_folder("x", {}) == "x"
    assert name_folder("x", {"x", "x-2"}) == "x-3"
    assert name_folder("dump-https://a.example/b?c=1", {}) == "dump-https-a.example-b-c-1"
    assert name_folder("../..", {}) == "thread"
    assert len(name_folder("long" * 99, {})) <= 80


def test_every_command_and_option_has_help():
    from typer.main import get_command

    for name, command in get_command(app).commands.items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help or parameter.name == "help", f"{name} {parameter.name}"


def test_a_file_of_several_threads_is_read_tagged_and_reported_as_several(tmp_path, tiny_folder):
    rows = [("a", "1", "They held the bridge."), ("b", "1", "No road is open."), ("a", "2", "Nobody asked for it.")]
    lines = ["thread,id,who,words", *(f"{thread},{number},Ann,{text}" for thread, number, text in rows)]
    posts = tmp_path / "posts.csv"
    posts.write_text("\n".join(lines))
    columns = ["--column", "author=who", "--column", "text=words"]
    assert run("read", posts, "-o", tmp_path / "threads.jsonl", *columns)[0] == 0
    threads = [json.loads(line) for line in (tmp_path / "threads.jsonl").read_text().splitlines()]
    bodies = [[post["body"] for post in thread["posts"]] for thread in threads]
    assert bodies == [["They held the bridge.", "Nobody asked for it."], ["No road is open."]]
    assert run("read", posts, "-o", tmp_path / "corpus", *columns)[0] == 0
    assert run("read", tmp_path / "corpus")[1].count(" posts, ") == 2
    assert run("read", posts, "-o", tmp_path / "one.json", *columns)[0] == 2
    assert_one_line(run("read", posts, "--column", "body=words"), "PART=COLUMN")
    assert_one_line(run("read", posts, "--format", "word"), "--format word", "text, page", "telegram")
    tagger = ["--tagger", tiny_folder, *columns]
    assert run("tag", posts, "-o", tmp_path / "tags.parquet", *tagger)[0] == 0
    assert read_table(tmp_path / "tags.parquet").column("thread").to_pylist() == ["posts-a", "posts-a", "posts-b"]
    assert run("report", posts, tmp_path / "corpus", "-o", tmp_path / "made", *tagger)[0] == 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {
        *("comparison", "index.html", "posts-a", "posts-b", "corpus-posts-a", "corpus-posts-b")
    }


def test_explain_says_how_a_thread_was_read():
    code, out, errors = run("read", SEEDS / "karabakh-2020.txt", "--explain")
    assert (code, errors) == (0, "")
    assert "read as: text, numbered" in out
    assert "languages: en" in out


def test_tables_are_found_in_folders_of_reports(tmp_path):
    for name in ("b", "a"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "tags.parquet").touch()
    one = tmp_path / "all" / "b"
    inside = [tmp_path / "all" / name / "tags.parquet" for name in ("a", "b")]
    assert find_tables([tmp_path / "all", one, tmp_path / "x.parquet"]) == [*inside, tmp_path / "x.parquet"]
    (tmp_path / "run" / "tags").mkdir(parents=True)
    shards = [tmp_path / "run" / "tags" / f"{name}.parquet" for name in ("a-0", "a-1")]
    for shard in reversed(shards):
        shard.touch()
    assert find_tables([tmp_path / "run"]) == list_folder(tmp_path / "run") == shards
    (tmp_path / "empty").mkdir()
    with pytest.raises(StanceError, match=r"empty: no table in it"):
        find_tables([tmp_path / "empty"])
