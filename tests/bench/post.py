"""What a post costs outside the network, stage by stage and by kind of thread.

    python tests/bench/post.py [--posts 4000] [--rounds 5] [--data ../shared/threads] [--profile reddit]

The stages are those of `stance run` between a loose thread and a Parquet file; the tagger is one that answers at once,
so that its own time is not in them. Invented threads as tests/bench/reddit.py makes them, of 25 posts on average;
invented forum threads of 200 posts, each third with a quote that nothing marks; where the development threads are,
the posts of quoting debates and of saved pages. Processor time of one thread; the median over rounds.
"""

from __future__ import annotations

import argparse
import cProfile
import gzip
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from reddit import WORDS, make_comments

from stance.language import detect_languages
from stance.quotes import Finder
from stance.read.streams import read_reddit
from stance.records import Post, Tag, Thread
from stance.replies import link_replies
from stance.table import build_tables, make_manifest, write_table
from stance.tag import tag_stream
from stance.tagger import Predictions, Thresholds
from stance.thread import link_posts
from stance.topic import load_topic

DATA = Path(__file__).parents[3] / "shared" / "threads"
TOPIC = load_topic("karabakh-2020")
FORUM_POSTS = 200
GOAL = 0.25  # milliseconds a post, all stages together
STAGES = ("quotes", "language", "replies", "link, all", "tag", "table", "parquet", "together")


class Instant:
    """A tagger whose answers cost nothing: random, the same for the same number of texts."""

    name, sha256, errors, languages = "instant", "0" * 64, {}, ("en",)  # type: ignore[var-annotated]
    thresholds = Thresholds(stance=0.5, sentiment=0.5, toxicity=(0.5,) * 5)

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        draw, count = np.random.default_rng(len(texts)), len(texts)
        return Predictions(
            draw.dirichlet((1, 1, 2), (count, len(sides))),
            draw.random((count, 5)) ** 4,
            draw.dirichlet((1, 1, 1), count),
            draw.random(count),
            [((0, min(4, len(text))),) for text in texts],
        )


def make_forum(posts: int, seed: int = 1) -> Iterator[Thread]:
    """Threads of FORUM_POSTS posts by thirty authors, a third of them with a paragraph of an earlier post above."""
    draw = random.Random(seed)
    words = (*WORDS, *("".join(draw.choices("aeioubdgklmnprst", k=draw.randrange(4, 9))) for _ in range(4000)))
    weights = [1 / (rank + 3) for rank in range(len(words))]
    for number in range(-(-posts // FORUM_POSTS)):
        made: list[Post] = []
        for position in range(FORUM_POSTS):
            said = [" ".join(draw.choices(words, weights, k=draw.randrange(10, 60))) + "." for _ in range(2)]
            if made and draw.random() < 1 / 3:
                said.insert(0, draw.choice(made).body.rpartition("\n\n")[2])
            made.append(Post(str(position), "\n\n".join(said), author=f"User {draw.randrange(30)}"))
        yield Thread(f"forum-{number}", None, None, "A title", None, None, tuple(made))


def make_reddit(posts: int) -> Iterator[Thread]:
    """The first threads of a dump that is long enough for them to be whole."""
    rows = (json.dumps(row).encode() for row in make_comments(posts + 40_000))
    return read_reddit(rows, Path("dump.ndjson"))


def load_debates(data: Path) -> Iterator[Thread]:
    from stance.read.tables import read_json_lines

    with gzip.open(data / "iac_quotes_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            posts = json.loads(line)["posts"]
            rows = [{"id": at, "author": post["author"], "text": post["body"]} for at, post in enumerate(posts)]
            yield from read_json_lines("\n".join(map(json.dumps, rows)), Path("iac.jsonl"))


def load_pages(data: Path) -> Iterator[Thread]:
    from stance.read import read_threads

    for path in sorted(data.glob("[0-9][0-9].*")):
        if path.suffix in (".html", ".txt"):
            yield from read_threads(path)


def take(threads: Iterator[Thread], posts: int) -> list[Thread]:
    """The first threads until they have that many posts."""
    taken, count = [], 0
    for thread in threads:
        taken.append(thread)
        count += len(thread.posts)
        if count >= posts:
            break
    return taken


def run_stages(threads: Sequence[Thread], folder: Path) -> dict[str, float]:
    """Processor seconds of each stage over all the threads."""
    tagger, clock = Instant(), {}

    def timed(name: str, call: Callable[[], Any]) -> Any:
        begun = time.process_time()
        result = call()
        clock[name] = time.process_time() - begun
        return result

    openings = ["\n\n".join(filter(None, (thread.title, thread.article))) for thread in threads]
    quoted = timed("quotes", lambda: [find_all(*pair) for pair in zip(threads, openings, strict=True)])
    timed("language", lambda: [detect_languages([post.own_words for post in posts]) for posts in quoted])
    timed("replies", lambda: [link_replies(*three) for three in zip(quoted, openings, itertools.repeat(None))])
    linked = timed("link, all", lambda: list(map(link_posts, threads)))
    tagged: list[tuple[list[Tag], Tag | None]] = timed("tag", lambda: list(tag_stream(linked, TOPIC, tagger)))
    manifest = make_manifest(tagger, TOPIC)
    rows = [(thread, *tags) for thread, tags in zip(linked, tagged, strict=True)]
    table: pa.Table = timed("table", lambda: build_tables(rows, manifest))
    timed("parquet", lambda: write_table(table, folder / "tags.parquet"))
    clock["together"] = sum(clock[name] for name in ("link, all", "tag", "table", "parquet"))
    return clock


def find_all(thread: Thread, opening: str) -> list[Post]:
    finder = Finder(thread.posts, opening)
    return [finder.find_quotes(position) for position in range(len(thread.posts))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=4000, help="of each kind, at least")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--profile", help="profile one kind of thread instead")
    given = parser.parse_args()
    kinds = {"reddit": make_reddit(given.posts), "forum": make_forum(given.posts)}
    if given.data.is_dir():
        kinds |= {"debates": load_debates(given.data), "pages": load_pages(given.data)}
    pa.set_cpu_count(1)
    print(f"{'ms a post':<10}{'threads':>8}{'posts':>7}{'letters':>8}", *(f"{name:>9}" for name in STAGES))  # noqa: T201
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, made in kinds.items():
            if given.profile not in (None, kind):
                continue
            threads = take(made, given.posts)
            posts = [post for thread in threads for post in thread.posts]
            run_stages(threads[:2], folder)  # loads what is loaded once
            if given.profile:
                with cProfile.Profile() as profile:
                    run_stages(threads, folder)
                profile.print_stats("tottime")
                return
            rounds = [run_stages(threads, folder) for _ in range(given.rounds)]
            taken = (1000 * statistics.median(one[stage] for one in rounds) / len(posts) for stage in STAGES)
            letters = sum(len(post.body) for post in posts) // len(posts)
            print(f"{kind:<10}{len(threads):>8}{len(posts):>7}{letters:>8}", *(f"{value:>9.3f}" for value in taken))  # noqa: T201
    print(f"goal: {GOAL} together")  # noqa: T201


if __name__ == "__main__":
    main()
