"""How fast a large Reddit dump is read, and in how much memory.

    python tests/bench/reddit.py [COMMENTS] [--sorted] [--folder FOLDER]

Makes COMMENTS.ndjson.zst of invented comments (1,000,000 of them, 590 bytes each) unless it is there, in order of time
as the dumps are or with --sorted in order of submission, and reads it in a process of its own.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import zstandard

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

MEGABYTE = 1e6
FIRST_ID, FIRST_TIME = 36**6, 1_600_000_000
OPEN = 400  # submissions that are talked about at the same time
WORDS = (
    "the", "of", "and", "to", "a", "in", "that", "is", "was", "for", "it", "with", "as", "his", "on", "be", "at", "by",
    "had", "not", "are", "but", "from", "or", "have", "they", "which", "you", "were", "all", "would", "their", "when",
    "there", "we", "been", "who", "will", "no", "more", "if", "out", "said", "up", "about", "than", "into", "them",
    "only", "other", "time", "some", "could", "these", "first", "then", "do", "any", "like", "now", "over", "people",
    "because", "through", "years", "much", "should", "government", "never", "against", "thought", "however", "country",
)  # fmt: skip


def to_base_36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def make_comments(count: int, seed: int = 1) -> Iterator[dict[str, object]]:
    """Rows as Pushshift has them, in order of time; a submission has 25 on average, among those of many others."""
    draw = random.Random(seed)
    opened = OPEN
    threads: list[tuple[int, list[str]]] = [(number, []) for number in range(OPEN)]
    for number in range(count):
        if draw.random() < 0.04:
            threads[draw.randrange(OPEN)] = (opened, [])
            opened += 1
        thread, comments = threads[draw.randrange(OPEN)]
        link = f"t3_{to_base_36(FIRST_ID + 97 * thread)}"
        parent = f"t1_{draw.choice(comments)}" if comments and draw.random() < 0.7 else link
        name = to_base_36(FIRST_ID + 7 * number)
        body = " ".join(draw.choices(WORDS, k=draw.randrange(4, 80)))
        if draw.random() < 0.1:
            body = f"&gt; {body[:60]}\n\nI don&apos;t think so. {body}"
        gone = draw.random() < 0.05
        comments.append(name)
        yield {
            "id": name,
            "author": "[deleted]" if gone else f"user_{draw.randrange(50_000)}",
            "author_flair_text": None,
            "body": "[removed]" if gone else body,
            "controversiality": 0,
            "created_utc": FIRST_TIME + number,
            "distinguished": None,
            "edited": False,
            "gilded": 0,
            "is_submitter": False,
            "link_id": link,
            "parent_id": parent,
            "permalink": f"/r/news/comments/{link[3:]}/a_title_of_some_words/{name}/",
            "retrieved_on": FIRST_TIME + number + 1000,
            "score": draw.randrange(-5, 100),
            "stickied": False,
            "subreddit": "news",
            "subreddit_id": "t5_2qh3l",
        }


def write_dump(path: Path, count: int, is_sorted: bool) -> None:
    rows: Iterator[dict[str, object]] | list[dict[str, object]] = make_comments(count)
    if is_sorted:
        rows = sorted(rows, key=lambda row: str(row["link_id"]))
    with path.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as writer:
        for row in rows:
            writer.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")


def read_dump(path: Path) -> None:
    """Read all of it and print the figures of this process."""
    from stance.read.compressed import open_plain, split_lines
    from stance.read.streams import read_reddit

    size = sum(map(len, open_plain(path, None)))
    start, clock = time.process_time(), time.perf_counter()
    threads = posts = replies = 0
    for thread in read_reddit(split_lines(open_plain(path, None), path), path):
        threads += 1
        posts += len(thread.posts)
        replies += sum(len(post.replies) for post in thread.posts)
    seconds, waited = time.process_time() - start, time.perf_counter() - clock
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss has the process before exec in it
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
    print(f"{posts:,} comments, {threads:,} submissions, {replies:,} replies, {size / MEGABYTE:,.0f} MB of JSON")  # noqa: T201
    print(f"{size / seconds / MEGABYTE:.1f} MB/s of processor time, {size / waited / MEGABYTE:.1f} MB/s by the clock")  # noqa: T201
    print(f"peak memory {peak / MEGABYTE:,.0f} MB")  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comments", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--sorted", action="store_true", dest="is_sorted")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--read", type=Path, help="read this dump and print the figures")
    given = parser.parse_args()
    if given.read:
        read_dump(given.read)
        return
    path = given.folder / f"{given.comments}{'-sorted' * given.is_sorted}.ndjson.zst"
    if not path.exists():
        write_dump(path, given.comments, given.is_sorted)
    subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)


if __name__ == "__main__":
    main()
