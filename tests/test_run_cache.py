"""The cache of a run: what it holds, what it may do, and what happens where it fails."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from math import isnan, nan
from pathlib import Path

import numpy as np
import pytest

from stance.records import StanceError
from stance.run import cache
from stance.run.cache import CachedTagger
from stance.tagger import Predictions, Thresholds

SIDES = ["North", "South"]
ROOT = Path(__file__).parent.parent


class Counting:
    """A tagger whose answer is a text's hash; it remembers what it was asked."""

    name, sha256, languages, errors = "counting", "f" * 64, ("en",), {"set": {}}
    thresholds = Thresholds(0.4, 0.4, (0.5,) * 5)

    def __init__(self, judges_all=True):
        self.calls = []
        self.judges_all = judges_all

    def predict(self, texts, sides, advance=None):
        self.calls.append(list(texts))
        count = len(texts)
        draws = [hashlib.sha512(f"{sides}{text}".encode("utf-8", "surrogatepass")).digest() for text in texts]
        found = np.array([list(draw) for draw in draws], dtype=np.float64).reshape(count, 64) / 255 / 3
        stance = found[:, : 3 * len(sides)].reshape(count, len(sides), 3)
        if not self.judges_all:
            return Predictions(stance, np.full((count, 5), nan), found[:, 20:23])
        spans = [tuple((start, start + len(text)) for start in range(len(text) % 3)) for text in texts]
        return Predictions(stance, found[:, 10:15], found[:, 20:23], found[:, 30], spans)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache.sqlite"


def plain(found):
    """Comparable values: NaN as None."""
    arrays = (found.stance, found.toxicity, found.sentiment, found.mention)
    values = [None if array is None else np.where(np.isnan(array), None, array).tolist() for array in arrays]
    return [*values, list(found.toxic_spans)]


def test_a_text_is_judged_once(file):
    tagger = Counting()
    cached = CachedTagger(tagger, file)
    first = cached.predict(["a", "bb", "a", "ccc"], SIDES)
    assert tagger.calls == [["a", "bb", "ccc"]]
    second = cached.predict(["ccc", "d", "a"], SIDES)
    assert tagger.calls[1:] == [["d"]]
    assert (cached.asked, cached.cached) == (7, 3)
    assert plain(second)[1][0] == plain(first)[1][3]
    assert plain(second)[4][0] == plain(first)[4][3]


def test_known_and_fresh_answers_are_the_same(file):
    texts = ["a", "bb", "half a pair \ud83d", "", "ccc"]
    fresh = CachedTagger(Counting(), None).predict(texts, SIDES)
    CachedTagger(Counting(), file).predict(texts[::-1], SIDES)
    tagger = Counting()
    known = CachedTagger(tagger, file).predict(texts, SIDES)
    assert tagger.calls == []
    assert plain(known) == plain(fresh)
    exact = Counting().predict(texts, SIDES)
    assert np.abs(known.stance - exact.stance).max() < 1e-7
    assert plain(known)[4] == plain(exact)[4]


def test_what_is_not_judged_stays_so(file):
    CachedTagger(Counting(judges_all=False), file).predict(["a", "bb"], SIDES)
    known = CachedTagger(Counting(), file).predict(["a"], SIDES)
    assert known.mention is None
    assert known.toxic_spans == ()
    assert all(isnan(value) for value in known.toxicity[0])


def test_other_sides_and_other_taggers_are_judged_anew(file):
    tagger = Counting()
    CachedTagger(tagger, file).predict(["a"], SIDES)
    CachedTagger(tagger, file).predict(["a"], SIDES[::-1])
    CachedTagger(tagger, file).predict(["a"], SIDES[:1])
    tagger.sha256 = "e" * 64
    CachedTagger(tagger, file).predict(["a"], SIDES)
    tagger.bf16 = True
    CachedTagger(tagger, file).predict(["a"], SIDES)
    assert tagger.calls == [["a"]] * 5


def test_nothing_asked(file):
    found = CachedTagger(Counting(), file).predict([], SIDES)
    assert found.stance.shape == (0, 2, 3)


def test_no_sides(file):
    found = [CachedTagger(Counting(), file).predict(["a", "bb"], []) for _ in range(2)]
    assert found[0].stance.shape == (2, 0, 3)
    assert plain(found[0]) == plain(found[1])


def test_without_a_file_a_call_knows_only_itself(file):
    tagger = Counting()
    cached = CachedTagger(tagger, None)
    cached.predict(["a", "a"], SIDES)
    cached.predict(["a"], SIDES)
    assert tagger.calls == [["a"], ["a"]]


@pytest.mark.parametrize(
    "broken", [b"no data base, but long enough to be read as one" * 100, b"SQLite format 3\0" * 300]
)
def test_a_broken_file_costs_no_run(file, broken):
    file.write_bytes(broken)
    cached = CachedTagger(Counting(), file)
    assert cached.predict(["a"], SIDES).stance.shape == (1, 2, 3)
    note = cached.take_note()
    assert note.startswith(f"{file}: the cache fails (")
    assert "\n" not in note
    assert cached.take_note() is None


def test_a_full_file_still_serves(file, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 8 * cache.PAGE)
    tagger = Counting()
    cached = CachedTagger(tagger, file)
    cached.predict(["a"], SIDES)
    cached.predict([f"text {number}" for number in range(2000)], SIDES)
    assert cached.take_note() is None
    cached.predict(["a"], SIDES)
    assert len(tagger.calls) == 2
    del cached
    assert file.stat().st_size <= 8 * cache.PAGE


def test_an_error_of_the_tagger_is_its_own(file):
    class Failing(Counting):
        def predict(self, texts, sides, advance=None):
            raise StanceError("tagger: it fails: look")

    with pytest.raises(StanceError, match="it fails"):
        CachedTagger(Failing(), file).predict(["a"], SIDES)


def test_several_processes_at_once(file):
    """Each writes and reads; all answers are there at the end, and the file is whole."""
    code = """
import sys
from pathlib import Path
from test_run_cache import SIDES, Counting
from stance.run.cache import CachedTagger
cached = CachedTagger(Counting(), Path(sys.argv[1]))
for start in range(0, 400, 20):
    cached.predict([f"text {number}" for number in range(start, start + 40)], SIDES)
assert cached.take_note() is None
"""
    surroundings = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-c", code, str(file)]
    for process in [subprocess.Popen(command, env=surroundings, cwd=ROOT) for _ in range(3)]:
        assert process.wait(60) == 0
    tagger = Counting()
    CachedTagger(tagger, file).predict([f"text {number}" for number in range(420)], SIDES)
    assert tagger.calls == []
    assert sqlite3.connect(file).execute("pragma integrity_check").fetchone() == ("ok",)


def test_the_real_tagger_says_the_same_in_any_company(tiny_tagger, file):
    """What the tables rest on: rounded to six digits, a text's answer is that of the text alone."""
    texts = [f"the war is {word} " * count for count, word in enumerate(("right", "wrong", "good", "bad"), start=1)]
    together = CachedTagger(tiny_tagger, None).predict(texts, SIDES)
    alone = [CachedTagger(tiny_tagger, file).predict([text], SIDES) for text in texts]
    for row, found in enumerate(alone):
        assert np.abs(found.stance[0] - together.stance[row]).max() < 2e-6
        assert found.toxic_spans[0] == together.toxic_spans[row]
