"""How many toxic posts the first tenth of a queue holds, against chance: on rows that the shipped tagger never saw.

    python tests/bench/ranking.py [--data FOLDER] [--only SET ...] [--draws 200] [--seed 1]

From each set posts are drawn so that 5% are toxic (by the set's own labels), then ranked as `stance triage` ranks them.
Ten times chance is the most that there can be: every toxic post in the first tenth. The value is the mean over draws;
the interval holds 95% of draws, so it is of one queue of that size.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from stance.records import Post, Thread, Topic
from stance.table import build_table, make_manifest
from stance.tag import tag_posts
from stance.tagger import SHIPPED, Tagger, load_tagger
from stance.triage.severity import score_table

DATA = Path(__file__).parents[3] / "shared" / "data"
QUEUE = 1000  # posts
RATE = 0.05  # of them that are toxic
FIRST = 0.1  # of the queue that is looked at
TARGET = 6.0
MOST = {True: 300, False: 1200}  # rows of a set that are tagged, toxic and not

Row = dict[str, Any]


def says_toxic(row: Row) -> bool:
    """By the label of Jigsaw, of the sets of 0 and 1, and of the sets of words."""
    if "labels" in row:
        return bool(row["labels"]["toxic"])
    return row["label"] not in (0, "neither", "normal", "NOT")


# The splits whose rows no recipe trains on, by set. The weights of severity were chosen on the first five. The
# sets do not mean the same: Davidson and OLID count foul language, HateXplain hate in tweets
# and posts, Kaggle's insults only those to somebody in the talk (other abuse is 0 there).
SETS: dict[str, tuple[str, ...]] = {
    "kaggle_insults, choosing": ("test",),
    "hatexplain, choosing": ("valid",),
    "davidson, choosing": ("all",),
    "olid, choosing": ("train",),
    "context_toxicity, choosing": ("all_gc", "all_small"),
    "kaggle_insults": ("verification",),
    "hatexplain": ("test",),
    "olid": ("test",),
    "jigsaw_test_toxic": ("test",),
    "jigsaw_multilabel": ("test",),
    "wiki_toxicity_fuzzed": ("test_nonfuzzed",),
}


def read_rows(data: Path, name: str) -> list[tuple[str, bool]]:
    """Texts with labels, each text once."""
    found: dict[str, bool] = {}
    path = data / "toxicity" / f"{name.partition(',')[0]}.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["split"] in SETS[name]:
                found[row["text"]] = says_toxic(row)
    return list(found.items())


def pick_rows(rows: list[tuple[str, bool]], seed: int) -> list[tuple[str, bool]]:
    """The rows that are tagged: some toxic, more not."""
    generator = np.random.default_rng(seed)
    kept: list[tuple[str, bool]] = []
    for toxic, most in MOST.items():
        own = [row for row in rows if row[1] == toxic]
        order = generator.permutation(len(own))[:most]
        kept += [own[place] for place in sorted(order.tolist())]
    return kept


def score_rows(tagger: Tagger, rows: list[tuple[str, bool]]) -> np.ndarray:
    """(rows,): the severity that the queue ranks by; NaN where a post is not judged."""
    topic = Topic("none", ())
    posts = tuple(Post(str(place), text) for place, (text, _) in enumerate(rows))
    thread = Thread("bench", None, None, None, None, None, posts)
    table = build_table(thread, tag_posts(posts, topic, tagger), None, make_manifest(tagger, topic))
    scores = np.full(len(rows), np.nan)
    for scored in score_table(table):
        scores[int(scored.post)] = scored.severity
    return scores


def measure(scores: np.ndarray, toxic: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws,): how many times chance the first tenth holds toxic posts, in each draw of a queue.

    A set too small for QUEUE gives as large a queue as its posts allow; ties are broken at random.
    """
    generator = np.random.default_rng(seed)
    bad, good = np.flatnonzero(toxic), np.flatnonzero(~toxic)
    size = min(QUEUE, int(len(bad) / RATE), int(len(good) / (1 - RATE)))
    hits = round(size * RATE)
    found = []
    for _ in range(draws):
        chosen = np.concatenate(
            [
                generator.choice(bad, hits, replace=False),
                generator.choice(good, size - hits, replace=False),
            ]
        )
        order = np.lexsort((generator.random(size), -scores[chosen]))
        first = order[: round(size * FIRST)]
        found.append((first < hits).sum() / hits / FIRST)
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    tagger = load_tagger(SHIPPED)
    write = sys.stdout.write
    write(f"{date.today()}, {platform.machine()}, {tagger.name} {tagger.sha256[:8]}, seed {given.seed}\n")  # noqa: DTZ011
    write(f"{'set':27} {'toxic':>6} {'others':>6} {'queue':>6}  times chance in the first tenth (95% of draws)\n")
    for name in given.only:
        rows = pick_rows(read_rows(given.data, name), given.seed)
        scores = score_rows(tagger, rows)
        judged = ~np.isnan(scores)
        toxic = np.array([label for _, label in rows])[judged]
        found = measure(scores[judged], toxic, given.draws, given.seed)
        low, high = np.quantile(found, [0.025, 0.975])
        size = min(QUEUE, int(toxic.sum() / RATE), int((~toxic).sum() / (1 - RATE)))
        verdict = "" if found.mean() >= TARGET else "  MISSED"
        shown = f"{found.mean():.2f} ({low:.1f} to {high:.1f})"
        write(f"{name:27} {toxic.sum():6} {(~toxic).sum():6} {size:6}  {shown}  target {TARGET:.0f}{verdict}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
