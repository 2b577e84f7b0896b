"""How fast a large table of posts is read, and in how much memory.

    python tests/bench/tables.py rows|csv|parquet [ROWS] [--loose] [--folder FOLDER]

Makes a file of the comments of tests/bench/reddit.py (1,000,000 of them) unless it is there, with a thread column or
with --loose without one, and reads it in a process of its own.
"""

import argparse
import csv
import itertools
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import reddit

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

MEGABYTE = 1e6
ENDINGS = {"rows": "jsonl", "csv": "csv", "parquet": "parquet"}
COLUMNS = ("id", "author", "text", "time", "reply_to", "thread")


def make_rows(count, is_loose):
    for row in reddit.make_comments(count):
        link, parent = str(row["link_id"]), str(row["parent_id"])
        time_text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["created_utc"]))
        made = (row["id"], row["author"], row["body"], time_text, parent[3:] if parent != link else None, link[3:])
        yield made[:4] if is_loose else made


def write_table(path, form, count, is_loose):
    rows = make_rows(count, is_loose)
    names = COLUMNS[:4] if is_loose else COLUMNS
    if form == "rows":
        with path.open("wb") as file:
            file.writelines(orjson.dumps(dict(zip(names, row, strict=True))) + b"\n" for row in rows)
    elif form == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(itertools.chain([names], rows))
    else:
        schema = pa.schema([(name, pa.string()) for name in names])
        with pq.ParquetWriter(path, schema) as writer:
            while some := list(itertools.islice(rows, 100_000)):
                writer.write_table(pa.table(list(map(list, zip(*some, strict=True))), schema=schema))


def read_table(path):
    """Read all of it and print the figures of this process."""
    from stance.read import Options, read_threads

    rejects = []
    start, clock = time.process_time(), time.perf_counter()
    threads = posts = replies = 0
    for thread in read_threads(path, Options(reject=rejects.append)):
        threads += 1
        posts += len(thread.posts)
        replies += sum(len(post.replies) for post in thread.posts)
    seconds, waited = time.process_time() - start, time.perf_counter() - clock
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss has the process before exec in it
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024
    size = path.stat().st_size
    print(f"{path.suffix}: {posts:,} posts, {threads:,} threads, {replies:,} replies, {size / MEGABYTE:,.0f} MB")  # noqa: T201
    print(f"{posts / seconds:,.0f} rows/s, {size / seconds / MEGABYTE:.1f} MB/s of processor time, {waited:.1f} s")  # noqa: T201
    print(f"peak memory {peak / MEGABYTE:,.0f} MB, {len(rejects)} rejects")  # noqa: T201


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=ENDINGS, nargs="?")
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--loose", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--read", type=Path, help="read this table and print the figures")
    given = parser.parse_args()
    if given.read:
        read_table(given.read)
        return
    path = given.folder / f"{given.rows}{'-loose' * given.loose}.{ENDINGS[given.form]}"
    if not path.exists():
        write_table(path, given.form, given.rows, given.loose)
    subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)


if __name__ == "__main__":
    main()
