"""The wheel carries all that the main job needs, and its numbers agree wherever they stand."""

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import stance

ROOT = Path(__file__).parent.parent
SEED = ROOT / "seeds" / "karabakh-2020.txt"
MOST_BYTES = 100_000_000  # what the package index takes
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built as pip builds it but without a network."""
    if not list((ROOT / "models").glob("*/tagger.json")):
        pytest.skip("models/ holds no tagger: stance train makes one")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def shipped_files():
    """What must be in the wheel: its path there -> the file here."""
    files = [path for path in (ROOT / "stance").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    found = {path.relative_to(ROOT).as_posix(): path for path in files}
    models = [path for path in (ROOT / "models").rglob("*") if path.is_file()]
    return found | {f"stance/{path.relative_to(ROOT).as_posix()}": path for path in models}


def test_what_must_ship_is_here():
    """So that the next test cannot pass by an empty list."""
    names = shipped_files().keys()
    assert {"stance/py.typed", "stance/train/recipe.toml", "stance/topics/karabakh-2020.toml"} <= names
    assert [name for name in names if name.startswith("stance/report/templates/")]


def test_the_wheel_carries_everything_and_nothing_else(wheel):
    wanted = shipped_files()
    with zipfile.ZipFile(wheel) as archive:
        packed = [name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")]
        assert sorted(packed) == sorted(wanted)
        assert all(archive.read(name) == path.read_bytes() for name, path in wanted.items())


def test_the_wheel_is_small_enough(wheel):
    assert wheel.stat().st_size < MOST_BYTES


def test_the_wheel_says_what_it_is(unpacked):
    (folder,) = unpacked.glob("*.dist-info")
    metadata = message_from_string((folder / "METADATA").read_text(encoding="utf-8"))
    assert metadata["Name"] == PROJECT["name"]
    assert metadata["Version"] == PROJECT["version"]
    assert metadata["License-Expression"] == PROJECT["license"]
    assert (folder / "licenses" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "stance = stance.cli:main" in (folder / "entry_points.txt").read_text(encoding="utf-8")


def run_elsewhere(unpacked, folder, *arguments):
    """Python with the unpacked wheel before anything else, in a folder outside the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_unpacked_wheel_uses_its_own_files(unpacked, tmp_path):
    code = "import stance, stance.tagger as t; print(stance.__file__, t.models_folder(), stance.__version__, sep='\\n')"
    file, models, version = run_elsewhere(unpacked, tmp_path, "-c", code).splitlines()
    assert Path(file) == unpacked / "stance" / "__init__.py"
    assert Path(models) == unpacked / "stance" / "models"
    assert version == PROJECT["version"]


def test_the_main_job_runs_from_the_wheel(unpacked, tmp_path):
    run_elsewhere(unpacked, tmp_path, "-m", "stance.cli", "report", SEED, "-o", tmp_path / "reports")
    page = (tmp_path / "reports" / SEED.stem / "index.html").read_text(encoding="utf-8")
    assert "Armenia" in page
    assert "not validated" in page


@pytest.mark.parametrize(
    "found",
    [
        stance.__version__,
        re.findall(r"^version: (.+)$", CITATION, re.M)[0],
        re.findall(r"^## \[(.+?)\]", CHANGELOG, re.M)[0],
    ],
    ids=["stance.__version__", "CITATION.cff", "CHANGELOG.md"],
)
def test_versions_agree(found):
    assert found == PROJECT["version"]


def test_the_installed_version_agrees():
    try:
        found = importlib.metadata.version(PROJECT["name"])
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("threadstance is not installed in this environment: pip install -e .")
    assert found == PROJECT["version"]


def test_the_citation_is_of_the_release():
    released = re.findall(r'^date-released: "(.+)"$', CITATION, re.M)
    assert released == re.findall(r"^## \[.+?\] - (\S+)$", CHANGELOG, re.M)[:1]
    assert re.findall(r"^license: (.+)$", CITATION, re.M) == [PROJECT["license"]]
