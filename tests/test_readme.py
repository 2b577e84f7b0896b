"""What the README says is so: its commands, its examples, its links."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

from stance.cli import app
from stance.tagger import SHIPPED, models_folder
from stance.topic import load_topic

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECONDS_FOR_THE_SEEDS = 15

HAS_TAGGER = (models_folder() / SHIPPED).is_dir()
needs_tagger = pytest.mark.skipif(not HAS_TAGGER, reason="the shipped tagger is not there yet")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_each_of_the_two_commands_is_one_line():
    report, tests = (block.strip() for block in blocks("sh"))
    assert report == (
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/stance report seeds/*.txt -o reports"
    )
    assert tests == 'python3 -m venv .venv && .venv/bin/pip install -e ".[dev]" && .venv/bin/pytest'


def test_the_check_of_a_clean_clone_runs_the_test_command():
    check = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for step in blocks("sh")[1].strip().split(" && "):
        assert re.search(rf"^{re.escape(step)}$", check, re.MULTILINE), step


@needs_tagger
def test_the_first_command_takes_its_time_and_makes_the_showcase(tmp_path):
    command = [sys.executable, "-m", "stance.cli", "report", *sorted(map(str, Path("seeds").glob("*.txt")))]
    begun = time.monotonic()
    done = subprocess.run([*command, "-o", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < SECONDS_FOR_THE_SEEDS
    shown = json.loads((ROOT / "reports/karabakh-2020/tags.jsonl").read_text(encoding="utf-8").splitlines()[0])
    made = json.loads((tmp_path / "karabakh-2020/tags.jsonl").read_text(encoding="utf-8").splitlines()[0])
    # Probabilities differ in the last digits between CPUs; what made them does not.
    assert made["run"] == shown["run"], "make reports/ again with the README's first command and commit it"


def test_the_table_of_commands_is_complete():
    assert set(re.findall(r"^\| `stance (\w+)", README, re.MULTILINE)) == set(get_command(app).commands)


def test_the_topic_of_the_readme_loads(tmp_path):
    (tmp_path / "topic.toml").write_text(blocks("toml")[0])
    topic = load_topic(tmp_path / "topic.toml")
    assert [side.label for side in topic.sides] == ["pro-port", "pro-Residents"]


def test_the_row_of_the_readme_has_the_keys_of_a_row():
    (row,) = map(json.loads, blocks("json"))
    assert set(row) == {"id", "stance", "toxicity", "sentiment", "mention", "evidence", "run"}
    assert set(row["stance"]["Armenia"]) == {"label", "favor", "against", "none"}


@needs_tagger
def test_the_python_of_the_readme_runs(tmp_path):
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + blocks("python")[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports/karabakh-2020/index.html").is_file()


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert "://" in link or (ROOT / link).exists(), link
