"""How well threads are read: boundaries, names, links, quotes, speed and calibration, each beside its target.

    python tests/bench/parsing.py [--only html --only quotes] [--details] [--data ../shared/threads]

README.md beside this file says what each row means.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import itertools
import json
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from stance.read.tables import read_json_lines
from stance.records import Post, StanceError, Thread
from stance.thread import link_posts, read_thread

ROOT = Path(__file__).parent.parent.parent
DATA = ROOT.parent / "shared" / "threads"
SEED, SEED_GOLD = ROOT / "seeds" / "karabakh-2020.txt", ROOT / "tests" / "gold" / "seed_parse.json"
VERSIONS = ("threadstance", "selectolax", "lxml", "trafilatura")
ROUNDS = 5  # of the speed comparison, each over all pages; the median counts
BINS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0001)  # of confidence
QUOTE_WORDS = 4  # least in a line of the plain baseline
WORST = 10  # threads shown in detail
TARGETS = {"quotes": (0.985, 0.995), "quotes, no breaks": (0.95, 0.99)}  # character F1, source right among found

WORD = re.compile(r"[^\W_]+")
BREAKS = re.compile(r"\s*[\r\n]\s*")
LINE = re.compile(r"[^\r\n]+")


class Part(StrEnum):
    """What --only may name."""

    html = "html"
    text = "text"
    quotes = "quotes"
    speed = "speed"
    confidence = "confidence"
    seed = "seed"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    what: str
    n: int  # posts, names, links, ... that the value is a share of
    value: float
    target: float | None  # None: no target, for comparison only
    at_most: bool = False  # the target is a ceiling
    note: str = ""

    def show(self) -> str:
        if self.target is None:
            verdict = target = ""
        else:
            met = self.value <= self.target if self.at_most else self.value >= self.target
            target, verdict = f"{self.target:g}", "met" if met else "MISSED"
        return f"{self.what:<46} {self.n:>8} {self.value:>9.4f} {target:>7}  {verdict:<6} {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class Scored:
    """A thread read and matched against its gold."""

    name: str
    thread: Thread
    gold: list[dict[str, Any]]
    pairs: dict[int, int]  # position of a found post -> position of the gold post that it is

    @property
    def boundary_f1(self) -> float:
        both = len(self.thread.posts) + len(self.gold)
        return 2 * len(self.pairs) / both if both else 1.0

    @property
    def lenient_f1(self) -> float:
        """The same where a post may also begin with a quote that gold knows: some are of texts that the file lacks."""
        pairs = match_posts(self.thread.posts, self.gold, lenient=True)
        both = len(self.thread.posts) + len(self.gold)
        return 2 * len(pairs) / both if both else 1.0

    def pick_names(self) -> tuple[int, int, int]:
        """Among matched posts: names that gold shows, those of them read right, names invented."""
        shown = right = invented = 0
        for found, gold in self.pairs.items():
            name, expected = self.thread.posts[found].author, self.gold[gold]["author"]
            shown += expected is not None
            right += expected is not None and squeeze(name or "") == squeeze(expected)
            invented += expected is None and name is not None
        return shown, right, invented

    def pick_links(self) -> tuple[int, int, int, int]:
        """Links found from matched posts, those of them right, links in gold, links found where gold has one."""
        found = right = expected = 0
        for position, gold in self.pairs.items():
            target = self.thread.posts[position].reply_to
            if target is not None:
                found += 1
                right += self.pairs.get(target, -1) == self.gold[gold]["reply_to"]
                expected += self.gold[gold]["reply_to"] is not None
        return found, right, sum(post["reply_to"] is not None for post in self.gold), expected

    def pick_quotes(self) -> tuple[int, int, int]:
        """Quotes in gold whose source is known, those of them found, and with the right source."""
        known = found = right = 0
        back = {gold: position for position, gold in self.pairs.items()}
        for position, gold in enumerate(self.gold):
            for quote in gold["quotes"]:
                source = quote["of"] if quote["of"] is not None else quote.get("source")
                if not isinstance(source, int) and source != "article":
                    continue
                known += 1
                post = self.thread.posts[back[position]] if position in back else None
                for mine in post.quotes if post else ():
                    if bare(quote["first_words"]) in bare(post.body[mine.start : mine.end]):
                        found += 1
                        named = self.pairs.get(mine.source) if isinstance(mine.source, int) else mine.source
                        right += named == source
                        break
        return known, found, right

    def judge_posts(self) -> Iterator[tuple[float, bool]]:
        """The confidence of every found post, and whether it is a gold post with the right name or rightly none."""
        for position, post in enumerate(self.thread.posts):
            gold = self.pairs.get(position)
            yield (
                post.confidence,
                gold is not None and squeeze(post.author or "") == squeeze(self.gold[gold]["author"] or ""),
            )


def squeeze(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def bare(text: str) -> str:
    return " ".join(WORD.findall(text.casefold()))


def match_posts(posts: Sequence[Post], gold: Sequence[dict[str, Any]], lenient: bool = False) -> dict[int, int]:
    """As many found posts as can be paired with gold posts in order, each once."""
    own = [squeeze(post.own_words) for post in posts]
    whole = [squeeze(post.body) for post in posts]
    words = [(squeeze(post["first_words"]),) for post in gold]
    if lenient:
        words = [
            (*own, *(squeeze(q["first_words"]) for q in post["quotes"])) for own, post in zip(words, gold, strict=True)
        ]
    same = [[o.startswith(w) or b.startswith(w) for w in words] for o, b in zip(own, whole, strict=True)]
    best = [[0] * (len(words) + 1) for _ in range(len(posts) + 1)]  # longest common subsequence, from the end
    for at in range(len(posts) - 1, -1, -1):
        for to in range(len(words) - 1, -1, -1):
            best[at][to] = max(best[at + 1][to], best[at][to + 1], same[at][to] + best[at + 1][to + 1])
    pairs = {}
    at = to = 0
    while at < len(posts) and to < len(words):
        if same[at][to] and best[at][to] == 1 + best[at + 1][to + 1]:
            pairs[at] = to
            at, to = at + 1, to + 1
        elif best[at][to] == best[at + 1][to]:
            at += 1
        else:
            to += 1
    return pairs


def score_file(path: Path, gold_path: Path) -> Scored:
    gold = json.loads(gold_path.read_text(encoding="utf-8"))["posts"]
    try:
        thread = read_thread(path)
    except StanceError as error:
        typer.echo(f"{path.name}: not read: {error}", err=True)
        thread = Thread(path.stem, None, None, None, None, None, ())
    return Scored(path.name, thread, gold, match_posts(thread.posts, gold))


def score_folder(data: Path, part: Part) -> list[Scored]:
    """The development threads of a part: pages, or text dumps and the pages as inscriptis leaves them."""
    pages = sorted(data.glob("[0-9][0-9].html"))
    if part is Part.html:
        return [score_file(page, page.with_suffix(".gold.json")) for page in pages]
    texts = [(path, path.with_suffix(".gold.json")) for path in sorted(data.glob("[0-9][0-9].txt"))]
    texts += [(page.with_suffix(".inscriptis.txt"), page.with_suffix(".gold.json")) for page in pages]
    return [score_file(*pair) for pair in texts]


def share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def rate_threads(scored: Sequence[Scored], part: Part) -> list[Row]:
    """Boundaries, names, links and quotes of the development threads."""
    boundary, names, precision, recall = (0.97, 0.98, 0.97, 0.90) if part is Part.html else (0.93, 0.93, 0.95, 0.80)
    shown, right, invented = (sum(counts) for counts in zip(*(one.pick_names() for one in scored), strict=True))
    found, good, linked, expected = (sum(counts) for counts in zip(*(one.pick_links() for one in scored), strict=True))
    known, seen, sourced = (sum(counts) for counts in zip(*(one.pick_quotes() for one in scored), strict=True))
    gold, matched = sum(len(one.gold) for one in scored), sum(len(one.pairs) for one in scored)
    mean, lenient = (
        statistics.fmean(f1s) for f1s in zip(*((one.boundary_f1, one.lenient_f1) for one in scored), strict=True)
    )
    boundaries = f"{matched} of {gold} posts; {lenient:.4f} with a quote of gold's first"
    links = f"{found - good} wrong; {share(good, expected):.4f} where gold has a link"
    return [
        Row(f"{part}: post boundary F1, mean", len(scored), mean, boundary, note=boundaries),
        Row(f"{part}: authors right", shown, share(right, shown), names, note=f"{shown - right} wrong or missing"),
        Row(f"{part}: names invented", matched - shown, invented, 0, at_most=True),
        Row(f"{part}: reply links, precision", found, share(good, found), precision, note=links),
        Row(f"{part}: reply links, recall", linked, share(good, linked), recall, note=f"{linked - good} missing"),
        Row(f"{part}: quotes found", known, share(seen, known), None),
        Row(f"{part}: quotes, source right among found", seen, share(sourced, seen), None),
    ]


def show_threads(scored: Sequence[Scored]) -> Iterator[str]:
    """A line a thread, then what differs from gold, post by post."""
    heads = ("F1", "found", "gold", "both", "names", "right", "invent", "links", "right", "gold", "conf", "layout")
    yield f"{'':<20}" + "".join(f"{head:>7}" for head in heads)
    for one in scored:
        counts = (len(one.thread.posts), len(one.gold), len(one.pairs), *one.pick_names(), *one.pick_links())
        reading = one.thread.reading
        line = f"{one.name:<20}{one.boundary_f1:>7.3f}" + "".join(f"{count:>7}" for count in counts)
        yield line + (f"{reading.confidence:>7.2f} {reading.layout} ({reading.format})" if reading else "      -")
    for one in scored:
        yield from (f"  {one.name} {line}" for line in show_differences(one))


def show_differences(one: Scored) -> Iterator[str]:
    known = set(one.pairs.values())
    for position, post in enumerate(one.gold):
        if position not in known:
            yield f"gold {position} not found: {post['author']!r} {post['first_words']!r}"
    for position, post in enumerate(one.thread.posts):
        gold = one.gold[one.pairs[position]] if position in one.pairs else None
        where = f"post {position}" + (f" (line {post.line})" if post.line else "")
        if gold is None:
            yield f"{where} is no gold post: {post.author!r} {squeeze(post.body)[:70]!r}"
            continue
        if squeeze(post.author or "") != squeeze(gold["author"] or ""):
            yield f"{where}: author {post.author!r}, gold {gold['author']!r}"
        target = None if post.reply_to is None else one.pairs.get(post.reply_to, f"post {post.reply_to}, no gold post")
        if target != gold["reply_to"]:
            yield f"gold {one.pairs[position]}: answers {target} by {post.reply_basis}, gold {gold['reply_to']}"


Bodies = list[tuple[dict[str, Any], list[dict[str, Any]]]]  # of a thread: its row, and its gold quotes


def load_quoted(data: Path) -> list[Bodies]:
    """The threads of iac_quotes_dev as rows of a table."""
    threads = []
    with gzip.open(data / "iac_quotes_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            posts = json.loads(line)["posts"]
            rows = [{"id": at, "author": post["author"], "text": post["body"]} for at, post in enumerate(posts)]
            threads.append([(row, post["quotes"]) for row, post in zip(rows, posts, strict=True)])
    return threads


def drop_breaks(thread: Bodies) -> Bodies:
    """The thread with every run of line breaks and the blank space around it as one space; gold moves along."""
    return [(row | {"text": BREAKS.sub(" ", row["text"])}, move_quotes(row["text"], quotes)) for row, quotes in thread]


def move_quotes(text: str, quotes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The quotes at their places in the text without breaks."""
    places, last = [], 0  # of every character, and one past the last
    length = 0
    for gap in BREAKS.finditer(text):
        places += range(length, length + gap.start() - last)
        length += gap.start() - last
        places += [length] + [length + 1] * (len(gap[0]) - 1)
        length, last = length + 1, gap.end()
    places += range(length, length + len(text) - last + 1)
    return [quote | {"start": places[quote["start"]], "end": places[quote["end"]]} for quote in quotes]


Found = list[tuple[int, int, Any]]  # start, end, source of the quotes of a post


def find_quotes(thread: Bodies) -> list[Found]:
    """The quotes as the program finds them in the thread, read as JSON lines."""
    table = "\n".join(json.dumps(row) for row, _ in thread)
    (loose,) = read_json_lines(table, Path("iac.jsonl"))
    return [[(quote.start, quote.end, quote.source) for quote in post.quotes] for post in link_posts(loose).posts]


def find_plainly(thread: Bodies) -> list[Found]:
    """The baseline: lines of some words that stand in an earlier post, whose post is the first that has them."""
    earlier: list[str] = []
    found = []
    for row, _ in thread:
        quotes: Found = []
        for line in LINE.finditer(row["text"]):
            words = f" {bare(line[0])} "
            if words.count(" ") > QUOTE_WORDS:
                source = next((at for at, text in enumerate(earlier) if words in text), None)
                if source is not None:
                    quotes.append((line.start(), line.end(), source))
        found.append(quotes)
        earlier.append(f" {bare(row['text'])} ")
    return found


@dataclass(slots=True)
class Tally:
    """Characters and quotes counted over threads."""

    both: int = 0  # characters
    missed: int = 0
    extra: int = 0
    right: int = 0
    quotes: int = 0  # gold quotes, at least half of whose characters are found
    sourced: int = 0  # those of them most of whose found characters have the right source

    def add(self, text: str, gold: list[dict[str, Any]], found: Found) -> None:
        """Count a post. Blank space does not count, nor does what gold has as quoted from outside the thread."""
        expected: list[Any] = [None] * len(text)
        for quote in gold:
            source = "outside" if quote["source"] is None else quote["source"]
            expected[quote["start"] : quote["end"]] = [source] * (quote["end"] - quote["start"])
        covered: list[Any] = [None] * len(text)
        for start, end, source in found:
            covered[start:end] = ["outside" if source is None else source] * (end - start)
        for character, its, mine in zip(text, expected, covered, strict=True):
            if character.isspace() or its == "outside":
                continue
            self.both += its is not None and mine is not None
            self.missed += its is not None and mine is None
            self.extra += its is None and mine is not None
            self.right += its is not None and mine == its
        for quote in gold:
            inside = [mine for mine in covered[quote["start"] : quote["end"]] if mine is not None]
            if quote["source"] is not None and 2 * len(inside) >= quote["end"] - quote["start"]:
                self.quotes += 1
                self.sourced += bool(inside) and max(set(inside), key=inside.count) == quote["source"]

    @property
    def f1(self) -> float:
        return share(2 * self.both, 2 * self.both + self.missed + self.extra)


def rate_quotes(threads: Sequence[Bodies], finder: Callable[[Bodies], list[Found]], name: str) -> list[Row]:
    """Quotes found in the threads against gold, beside the targets of TARGETS."""
    f1_target, source_target = TARGETS.get(name, (None, None))
    tally = Tally()
    begun = time.process_time()
    results = [finder(thread) for thread in threads]
    taken = time.process_time() - begun
    for thread, found in zip(threads, results, strict=True):
        for (row, gold), quotes in zip(thread, found, strict=True):
            tally.add(row["text"], gold, quotes)
    precision, recall = share(tally.both, tally.both + tally.extra), share(tally.both, tally.both + tally.missed)
    split = f"precision {precision:.4f}, recall {recall:.4f}, {taken:.1f} s"
    by_quote = f"by quote {share(tally.sourced, tally.quotes):.4f} of {tally.quotes}"
    return [
        Row(f"{name}: character F1", tally.both + tally.missed, tally.f1, f1_target, note=split),
        Row(f"{name}: source right", tally.both, share(tally.right, tally.both), source_target, note=by_quote),
    ]


def bench_quotes(data: Path, details: bool) -> Iterator[str]:
    threads = load_quoted(data)
    without = [drop_breaks(thread) for thread in threads]
    for name, bodies in zip(TARGETS, (threads, without), strict=True):
        yield from (row.show() for row in rate_quotes(bodies, find_quotes, name))
    yield from (row.show() for row in rate_quotes(threads, find_plainly, "quotes, plain baseline"))
    if details:
        yield from show_worst(threads)


def show_worst(threads: Sequence[Bodies]) -> Iterator[str]:
    """The threads with the most characters wrong, and their quotes that are found alone or missed whole."""
    tallies = []
    for number, thread in enumerate(threads):
        found = find_quotes(thread)
        tally = Tally()
        for (row, gold), quotes in zip(thread, found, strict=True):
            tally.add(row["text"], gold, quotes)
        tallies.append((tally.missed + tally.extra, number, tally, found))
    for _, number, tally, found in sorted(tallies, key=lambda entry: entry[0], reverse=True)[:WORST]:
        counts = f"{tally.missed} characters missed, {tally.extra} extra, {tally.both - tally.right} of a wrong source"
        yield f"  thread {number}: F1 {tally.f1:.3f}, {counts}"
        for position, ((row, gold), quotes) in enumerate(zip(threads[number], found, strict=True)):
            for start, end, source in quotes:
                if not any(quote["start"] < end and start < quote["end"] for quote in gold):
                    yield f"    post {position} extra from {source}: {squeeze(row['text'][start:end])[:90]!r}"
            for quote in gold:
                start, end = quote["start"], quote["end"]
                if quote["source"] is not None and not any(a < end and start < b for a, b, _ in quotes):
                    yield f"    post {position} missed from {quote['source']}: {squeeze(row['text'][start:end])[:90]!r}"


def bench_speed(data: Path) -> Iterator[Row]:
    """Pages a second, ours against trafilatura's, round by round on the same pages."""
    import trafilatura

    from stance.read.pages import read_page

    pages = [(path, path.read_text(encoding="utf-8")) for path in sorted(data.glob("[0-9][0-9].html"))]

    def read_all() -> None:
        for path, text in pages:
            link_posts(read_page(text, path))

    def read_loose() -> None:
        for path, text in pages:
            read_page(text, path)

    def extract_all() -> None:
        for _, text in pages:
            trafilatura.extract(text, include_comments=True)

    calls = (read_all, extract_all, read_loose)
    rounds = [tuple(map(take_time, calls)) for _ in range(ROUNDS + 1)][1:]  # the first one imports
    ours, theirs, loose = (len(pages) / statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(taken[1] / taken[0] for taken in rounds)
    note = f"{ours:.1f} against {theirs:.1f} pages/s; {loose:.1f} without linking"
    yield Row("speed: times trafilatura's", len(pages), ratio, 5.0, note=note)


def take_time(call: Callable[[], None]) -> float:
    """Processor seconds: the machine may be busy with other things."""
    begun = time.process_time()
    call()
    return time.process_time() - begun


def show_calibration(scored: Sequence[Scored], name: str) -> Iterator[str]:
    """Confidence beside what is right: of posts by bin, of threads one by one."""
    judged = [pair for one in scored for pair in one.judge_posts()]
    if not judged:
        return
    brier = statistics.fmean((confidence - right) ** 2 for confidence, right in judged)
    error = 0.0
    lines = []
    for low, high in itertools.pairwise(BINS):
        inside = [pair for pair in judged if low <= pair[0] < high]
        if inside:
            said, was = (statistics.fmean(values) for values in zip(*inside, strict=True))
            error += abs(said - was) * len(inside) / len(judged)
            lines.append(
                f"  {low:>5.2f} to {min(high, 1):.2f} {len(inside):>6} posts  said {said:.3f}  right {was:.3f}"
            )
    right = statistics.fmean(right for _, right in judged)
    yield f"{name}: confidence of {len(judged)} posts, {right:.3f} right: Brier {brier:.4f}, ECE {error:.4f}"
    yield from lines
    for one in sorted(scored, key=lambda one: one.boundary_f1):
        confidence = one.thread.reading.confidence if one.thread.reading else float("nan")
        yield f"  {one.name:<20} confidence {confidence:.2f}  F1 {one.boundary_f1:.3f}"


def rate_seed() -> Row:
    """The seed thread: how many of its posts differ from gold in number, name, quotes' sources or link."""
    gold = json.loads(SEED_GOLD.read_text(encoding="utf-8"))
    thread = read_thread(SEED)
    wrong = abs(len(thread.posts) - len(gold["posts"])) + (list(thread.gaps) != gold["missing_numbers"])
    for post, expected in zip(thread.posts, gold["posts"], strict=False):
        known = [quote for quote in expected["quotes"] if quote["of"] is not None]
        same = (post.number, post.author, post.reply_to) == tuple(
            expected[key] for key in ("number", "author", "reply_to")
        )
        same = same and [quote.source for quote in post.quotes] == [quote["of"] for quote in known]
        for quote, its in zip(post.quotes, known, strict=False):
            same = same and post.body[quote.start : quote.end].startswith(its["first_words"])
        if len(known) == len(expected["quotes"]):
            same = same and squeeze(post.own_words).startswith(expected["first_words"])
        wrong += not same
    return Row("seed: posts that differ from gold", len(gold["posts"]), wrong, 0, at_most=True)


def describe_machine() -> str:
    versions = " ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{date}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def main(
    only: Annotated[list[Part] | None, typer.Option(help="These parts; may be given several times.")] = None,
    details: Annotated[bool, typer.Option("--details", help="Also a line a thread, and every difference.")] = False,
    data: Annotated[Path, typer.Option(help="The folder of development threads.")] = DATA,
) -> None:
    """Print the targets of reading and whether they are met."""
    if not data.is_dir():
        typer.echo(f"{data}: no such folder: pass the development threads with --data", err=True)
        sys.exit(2)
    parts = set(only or Part)
    typer.echo(describe_machine())
    typer.echo(f"{'what':<46} {'n':>8} {'value':>9} {'target':>7}")
    for part in (Part.html, Part.text):
        if part in parts or Part.confidence in parts:
            scored = score_folder(data, part)
            if part in parts:
                show(row.show() for row in rate_threads(scored, part))
                show(show_threads(scored) if details else ())
            if Part.confidence in parts:
                show(show_calibration(scored, part))
    if Part.quotes in parts:
        show(bench_quotes(data, details))
    if Part.seed in parts:
        typer.echo(rate_seed().show())
    if Part.speed in parts:
        show(row.show() for row in bench_speed(data))


def show(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
