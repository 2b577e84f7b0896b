"""The recipes in stance/run/README.md, run: that for Spark on pandas frames as Spark hands them over."""

import json
import os
import re
import shlex
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import stance
from stance.batch import batch_schema, tag_batch
from stance.cli import app
from stance.topic import load_topic

RECIPES = (Path(__file__).parent.parent / "stance" / "run" / "README.md").read_text(encoding="utf-8")
TEXTS = [
    "We want peace.",
    None,
    "",
    "Russia must stop the war!",
    *(f"Text {number}: hate is wrong." for number in range(9)),
]
ID_AND_TEXT = pa.schema([("id", pa.string()), ("text", pa.string())])


def find_code(heading, language):
    """The code blocks of a section."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", RECIPES, re.DOTALL | re.MULTILINE)[1]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)


@pytest.fixture
def run_code(tiny_tagger, monkeypatch):
    """Run a block with the small tagger in the place of the shipped one; gives its names."""

    def run_code(code):
        names = {"__name__": "recipe"}
        exec(code, names)
        return names

    monkeypatch.setattr(stance, "load_tagger", lambda: tiny_tagger)
    return run_code


@pytest.fixture
def tag_partition(run_code):
    (code,) = find_code("Spark", "python")
    return run_code(code)["tag_partition"]


def test_spark_gets_the_rows_of_tag_batch(tag_partition, tiny_tagger):
    frame = pd.DataFrame({"id": [f"p{number}" for number in range(len(TEXTS))], "text": TEXTS, "other": 1})
    frames = [frame[:2], frame[2:3], frame[3:3], frame[3:]]
    rows = [
        pa.Table.from_pandas(got, batch_schema(), preserve_index=False).to_pylist()
        for got in tag_partition(iter(frames))
    ]
    tables = [pa.table({"id": [*part["id"]], "text": pa.array(part["text"], pa.string())}) for part in frames]
    topic = load_topic("karabakh-2020")
    assert rows == [tag_batch(table.cast(ID_AND_TEXT), topic, tiny_tagger).to_pylist() for table in tables]
    assert [row["words"] for part in rows for row in part][:4] == [3, None, 0, 5]


def test_spark_is_told_the_schema_of_tag_batch(run_code):
    def declare(kind):
        if pa.types.is_list(kind):
            return f"array<{declare(kind.value_type)}>"
        if pa.types.is_struct(kind):
            return f"struct<{', '.join(f'{field.name}: {declare(field.type)}' for field in kind)}>"
        return {pa.string(): "string", pa.int32(): "int", pa.float64(): "double"}[kind]

    (code,) = find_code("Spark", "python")
    told = run_code(code)["SCHEMA"].split()
    assert told == ", ".join(f"{field.name} {declare(field.type)}" for field in batch_schema()).split()


def test_a_data_set_gets_the_columns_of_tag_batch(run_code, tiny_tagger):
    pytest.importorskip("datasets", reason="the package datasets is not installed")
    (code,) = find_code("datasets", "python")
    tagged = run_code(code)["tagged"]
    table = pa.table({"id": ["0", "1"], "text": tagged["text"]})
    expected = tag_batch(table, load_topic("karabakh-2020"), tiny_tagger).drop_columns("id").to_pylist()
    assert [{name: row[name] for name in batch_schema().names[1:]} for row in tagged] == expected


def test_the_jobs_of_a_slurm_array_do_everything_once(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # how inputs are put together depends on their paths, as given
    Path("archive").mkdir()
    for name in "abcdefgh":
        row = {"thread": name, "id": "1", "text": f"We of {name} want peace."}
        Path("archive", f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    script, whole = find_code("Slurm", "sh")
    count = int(re.search(r"--array=1-([0-9]+)$", script, re.MULTILINE)[1])

    def run_line(line, job):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(job))
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
        line = os.path.expandvars(line.replace("/shared/", ""))
        command, *arguments = shlex.split(line.replace(f"/{count}", "/2"))
        assert command == "stance"
        done = CliRunner().invoke(app, [*arguments, "--tagger", str(tiny_folder), "--shard-size", "1"])
        assert done.exit_code == 0, done.output
        return done.output

    line = script.strip().splitlines()[-1]
    assert f"{count}" in line
    made = [int(run_line(line, job).split()[0]) for job in (1, 2)]
    assert min(made) > 0
    assert sum(made) == len(list(Path("tags", "tags").iterdir()))
    assert "nothing to do" in run_line(whole, 0)
