"""The page of a long thread: how large it is, how long it takes to write, to open and to filter.

    python tests/bench/report.py [--posts 5000] [--authors 300] [--keep FOLDER]

The thread is made up: invented words, quotes, replies and probabilities from a fixed seed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stance.records import SENTIMENTS, STANCES, Judgement, Post, Quote, Reply, Side, Tag, Thread
from stance.report import write_report
from stance.table import Manifest, build_table

SIDES = (
    Side("North", "pro-North", "the North"),
    Side("South", "pro-South", "the South"),
    Side("East", "pro-East", "it"),
)
MANIFEST = Manifest("made-up", "ab" * 32, "north-south", SIDES, "0", (0.5,) * 5, 0.45)
NOUNS = """bridge river harvest winter market lantern meadow sailor copper orchard thunder valley candle forest mirror
garden hammer island kettle ladder needle ocean pepper quarry ribbon saddle timber velvet willow anchor barley cellar
dagger ember falcon gravel hollow ivory jacket kernel linen mantle nickel oyster pillow quiver rocket sickle tunnel"""
WORDS = NOUNS.split()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a page takes in Chromium, in seconds: by the clock, and of the work of the page's own thread."""

    loaded: float  # by the clock, from the start of navigation to DOMContentLoaded
    work: float  # until the second frame after it
    clocked: dict[str, float]  # by the clock, from a choice in the form to the frame that shows it
    filtered: dict[str, float]  # the work for it


def make_thread(posts: int, authors: int) -> Thread:
    """Posts of about sixty words; a third quote an earlier one, half are replies."""
    draw = random.Random(5)
    start, made = datetime(2024, 3, 1, tzinfo=UTC), []
    for place in range(posts):
        own = " ".join(draw.choice(WORDS) for _ in range(max(5, round(draw.gauss(60, 25))))).capitalize() + "."
        quotes: tuple[Quote, ...] = ()
        replies: tuple[Reply, ...] = ()
        if place and draw.random() < 0.5:
            to = max(0, place - draw.randint(1, 40))
            replies = (Reply(to, "markup"),)
            if draw.random() < 0.6:
                quoted = made[to].own_words[:120]
                own, quotes = f"{quoted}\n\n{own}", (Quote(0, len(quoted), to, "exact"),)
        author = f"{WORDS[(rank := int(authors * draw.random() ** 2)) % len(WORDS)]}{rank}"
        time_of = start + timedelta(minutes=7 * place)
        made.append(Post(str(place), own, str(place + 1), author, time_of, quotes, replies, language="en"))
    return Thread("long", "long.txt", "cd" * 32, "A long talk", "Opening words. " * 60, None, tuple(made))


def make_tag(draw: random.Random, post: Post) -> Tag:
    def judge(labels: tuple[str, ...]) -> Judgement:
        weights = [draw.random() ** 3 for _ in labels]
        shares = tuple(weight / sum(weights) for weight in weights)
        return Judgement(labels[shares.index(max(shares))] if max(shares) >= 0.45 else None, shares)

    toxicity = tuple(draw.random() ** 6 for _ in range(5))
    words = post.own_words
    evidence = ((0, len(words.split()[0])),) if max(toxicity) >= 0.5 else ()
    stance = tuple(judge(STANCES) for _ in SIDES)
    return Tag(len(words.split()), stance, toxicity, judge(SENTIMENTS), 0.1, evidence)


def make_table(posts: int = 5000, authors: int = 300):
    thread, draw = make_thread(posts, authors), random.Random(6)
    return build_table(thread, [make_tag(draw, post) for post in thread.posts], None, MANIFEST)


@contextmanager
def open_browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


def measure_opening(browser, page_file: Path) -> Opened:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def read_work() -> float:
        return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}["ThreadTime"]

    before = read_work()
    page.goto(page_file.as_uri(), wait_until="domcontentloaded")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    work = read_work() - before
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd") / 1000
    clocked, filtered = {}, {}
    for name, value in (("stance", "0f"), ("author", "3"), ("text", "lantern"), ("toxic", "any")):
        before = read_work()
        # By the clock with the pause for which the form waits while somebody types.
        clocked[name] = page.evaluate(
            """([name, value]) => new Promise((done) => {
              const form = document.getElementById("filter"), status = form.querySelector("output");
              const shown = status.textContent, begun = performance.now();
              const seen = () => status.textContent === shown ? setTimeout(seen, 1)
                : requestAnimationFrame(() => requestAnimationFrame(() => done((performance.now() - begun) / 1000)));
              form.elements[name].value = value;
              form.elements[name].dispatchEvent(new Event("input", {bubbles: true}));
              seen();
            })""",
            [name, value],
        )
        filtered[name] = read_work() - before
        page.evaluate("document.querySelector('#filter button[type=reset]').click()")
    page.close()
    return Opened(loaded, work, clocked, filtered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=5000)
    parser.add_argument("--authors", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = given.keep or Path(folder)
        table = make_table(given.posts, given.authors)
        begun = time.monotonic()
        path = write_report(table, place)
        print(f"{given.posts} posts, {given.authors} authors")  # noqa: T201
        print(f"written in {time.monotonic() - begun:.1f} s, the page {path.stat().st_size / 1e6:.2f} MB")  # noqa: T201
        with open_browser() as browser:
            for _ in range(3):
                print(measure_opening(browser, path))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
