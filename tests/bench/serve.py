"""How much `stance serve` answers, how fast, and what it does past its capacity and under abuse.

    python tests/bench/serve.py [--seconds 15] [--rounds 3] [--clients 64] [--minutes 0] [--tagger NAME]

Comments of 40 to 80 invented words, --clients of them asked for at once over HTTP; the server is a process of its own.

throughput  batching on against off (`--batch 1`), by turns in one run; wrk from Debian where it is installed, else the
            client of this file, which takes more of the processor from the server
half load   p99 at half of the throughput just measured, requests at fixed times whether or not the last was answered
overload    a queue of 16 half kilobytes: every answer must be 200 or 429
soak        with --minutes: the same load, and beside it clients that go away in the middle, malformed bodies, and the
            file of suggestions taken away and put back; the server's memory every tenth of the time

The ratio is of one run on one machine: when others use it, both sides suffer, and the load is printed.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
COMMAND = "import typer; from stance.cli.serve import serve; typer.run(serve)"
WORDS = (
    "the", "council", "says", "that", "roads", "are", "mended", "every", "winter", "but", "nobody", "here", "believes",
    "it", "because", "money", "goes", "to", "other", "towns", "and", "we", "wait", "again", "while", "they", "argue",
    "about", "names", "of", "streets", "which", "is", "sad", "or", "funny", "if", "you", "do", "not", "live", "near",
    "river", "people", "talk", "a", "lot", "then", "vote", "same", "way", "as", "before", "so", "what", "changes",
)  # fmt: skip
MALFORMED = (
    b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"comment": 5}', b'{"comment": {"text": ""}}', b"[" * 5000, b"null",
    b'{"comment": {"text": "a"}, "requestedAttributes": {"NOPE": {}}}', b'{"a": NaN}', b'{"comment": {"text": [1]}}',
)  # fmt: skip
ANALYZE = "/v1alpha1/comments:analyze?key=none"
SUGGEST = "/v1alpha1/comments:suggestscore"
STARTING_SECONDS = 60


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def make_bodies(count: int, seed: int = 1) -> list[bytes]:
    draw = random.Random(seed)
    asked = {"languages": ["en"], "requestedAttributes": {"TOXICITY": {}}, "doNotStore": True}
    texts = (" ".join(draw.choices(WORDS, k=draw.randint(40, 80))) + "." for _ in range(count))
    return [json.dumps({"comment": {"text": text}, **asked}).encode() for text in texts]


@contextmanager
def running(*flags: str) -> Iterator[tuple[int, int]]:
    """A server with these flags: its port and the id of its process."""
    command = [sys.executable, "-c", COMMAND, "--port", "0", *flags]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline().rpartition(":")[2])
        until = time.monotonic() + STARTING_SECONDS
        while asyncio.run(ask_once(port, b"GET", "/healthz", b"")) != 200:
            if time.monotonic() > until:
                raise TimeoutError("the server does not get ready")
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def build_request(method: bytes, path: str, body: bytes) -> bytes:
    head = (
        f" {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return method + head.encode() + body


async def read_answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    await reader.readexactly(int(length[1]) if length else 0)
    return int(head.split(b" ", 2)[1])


async def ask_once(port: int, method: bytes, path: str, body: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(build_request(method, path, body))
        return await read_answer(reader)
    finally:
        writer.close()


async def ask_in_turn(port: int, bodies: list[bytes], until: float, path: str = ANALYZE) -> Counter[int]:
    """One client on one connection that asks as soon as it was answered: how often it got which code."""
    codes: Counter[int] = Counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    draw = random.Random(len(bodies))
    while time.monotonic() < until:
        writer.write(build_request(b"POST", path, draw.choice(bodies)))
        codes[await read_answer(reader)] += 1
    writer.close()
    return codes


async def ask_at_once(port: int, clients: int, seconds: float) -> Counter[int]:
    until, bodies = time.monotonic() + seconds, make_bodies(500)
    counted = await asyncio.gather(*(ask_in_turn(port, bodies[number:], until) for number in range(clients)))
    return sum(counted, Counter())


def measure_rate(port: int, clients: int, seconds: float) -> tuple[float, str]:
    """Requests a second, and what went wrong."""
    if not shutil.which("wrk"):
        codes = asyncio.run(ask_at_once(port, clients, seconds))
        return codes[200] / seconds, str({code: count for code, count in codes.items() if code != 200} or "")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        listed = ",\n".join(f"[==[{body.decode()}]==]" for body in make_bodies(500))
        script.write(f'bodies = {{{listed}}}\nlocal n = 0\nwrk.headers["Content-Type"] = "application/json"\n')
        script.write(
            f'function request() n = n % #bodies + 1 return wrk.format("POST", "{ANALYZE}", nil, bodies[n]) end'
        )
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}", "--timeout", "30s", "-s", script.name]
        shown = subprocess.run(
            [*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=True
        ).stdout
    wrong = re.findall(r"(?:Non-2xx|Socket errors).*", shown)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", shown)[1]), " ".join(wrong)


async def ask_at_times(port: int, rate: float, seconds: float, clients: int) -> tuple[list[float], Counter[int]]:
    """Requests ``rate`` times a second over at most ``clients`` connections: seconds from when each was due."""
    bodies, taken, codes = make_bodies(500, seed=2), [], Counter()
    begin = time.monotonic() + 0.1
    due = iter([begin + number / rate for number in range(int(rate * seconds))])

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for moment in due:
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            writer.write(build_request(b"POST", ANALYZE, random.choice(bodies)))
            codes[await read_answer(reader)] += 1
            taken.append(time.monotonic() - moment)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return sorted(taken), codes


def memory_megabytes(process: int) -> float:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1]) / 1024


async def go_away(port: int, bodies: list[bytes], until: float) -> int:
    """A client that hangs up: in the middle of its request, or before the answer."""
    gone = 0
    while time.monotonic() < until:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        request = build_request(b"POST", ANALYZE, random.choice(bodies))
        writer.write(request[: random.choice((20, len(request) // 2, len(request)))])
        await writer.drain()
        await asyncio.sleep(random.choice((0.0, 0.02, 0.1)))
        writer.transport.abort()
        gone += 1
    return gone


async def send_rubbish(port: int, until: float) -> Counter[int]:
    codes: Counter[int] = Counter()
    while time.monotonic() < until:
        for path in (ANALYZE, SUGGEST, "/v1/tag", "/coral"):
            codes[await ask_once(port, b"POST", path, random.choice(MALFORMED))] += 1
        await asyncio.sleep(0.05)
    return codes


async def suggest(port: int, until: float) -> list[str]:
    """Tokens of the suggestions that were acknowledged; what is refused is asked again."""
    kept = []
    number = 0
    while time.monotonic() < until:
        number += 1
        asked = {"comment": {"text": "not so bad"}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 0.1}}}}
        if await ask_once(port, b"POST", SUGGEST, json.dumps({**asked, "clientToken": f"t{number}"}).encode()) == 200:
            kept.append(f"t{number}")
        await asyncio.sleep(0.05)
    return kept


async def move_store(path: Path, until: float) -> list[Path]:
    """Take the file of suggestions away every few seconds; where each went."""
    moved = []
    while time.monotonic() < until:
        await asyncio.sleep(3)
        with suppress(FileNotFoundError):
            moved.append(path.rename(path.with_suffix(f".{len(moved)}")))
    return moved


async def watch(process: int, seconds: float) -> None:
    for _ in range(10):
        await asyncio.sleep(seconds / 10)
        say(f"  memory {memory_megabytes(process):7.1f} MB")


async def soak(port: int, process: int, path: Path, seconds: float, clients: int) -> bool:
    until, bodies = time.monotonic() + seconds, make_bodies(500)
    tasks: list[Awaitable] = [ask_at_once(port, clients, seconds), send_rubbish(port, until), suggest(port, until)]
    tasks += [go_away(port, bodies, until), move_store(path, until), watch(process, seconds)]
    codes, rubbish, kept, gone, moved, _ = await asyncio.gather(*tasks)
    files = [*moved, *([path] if path.exists() else [])]
    found = {json.loads(line)["clientToken"] for file in files for line in file.read_text().splitlines()}
    lost = [token for token in kept if token not in found]
    say(f"soak: load {dict(codes)}, rubbish {dict(rubbish)}, {gone} clients went away")
    say(f"soak: {len(kept)} suggestions acknowledged, {len(lost)} of them lost; the file was taken {len(moved)} times")
    return not lost and not any(code >= 500 for code in codes | rubbish)


def report(what: str, value: str, fine: bool) -> None:
    say(f"{what:52} {value:28} {'met' if fine else 'MISSED'}")


def measure_throughput(options: argparse.Namespace, flags: list[str]) -> float:
    rates: dict[str, list[float]] = {"64": [], "1": []}
    for _ in range(options.rounds):
        for batch, measured in rates.items():
            with running("--batch", batch, *flags) as (port, _):
                measure_rate(port, options.clients, 2)
                rate, wrong = measure_rate(port, options.clients, options.seconds)
            measured.append(rate)
            say(f"  batch {batch:>2}: {rate:6.1f} requests/s {wrong}")
    ratios = [on / off for on, off in zip(rates["64"], rates["1"], strict=True)]
    middle = median(ratios)
    report("throughput, batching on / off (median of the rounds)", f"{middle:.2f} times", middle >= 3)
    return median(rates["64"])


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--seconds", type=float, default=15)
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--clients", type=int, default=64)
    flags.add_argument("--minutes", type=float, default=0)
    flags.add_argument("--tagger", default="minilm-l6")
    options = flags.parse_args()
    tool = "wrk" if shutil.which("wrk") else "own client"
    say(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before, {options.clients} clients, {tool}")
    named = ["--tagger", options.tagger]
    rate = measure_throughput(options, named)
    show: Callable[[list[float], float], float] = lambda taken, share: taken[int(share * (len(taken) - 1))] * 1000  # noqa: E731
    with running(*named) as (port, _):
        taken, codes = asyncio.run(ask_at_times(port, rate / 2, options.seconds, options.clients))
    fine = show(taken, 0.99) < 500 and not {*codes} - {200}
    report(
        f"p99 at half load ({rate / 2:.0f} requests/s)", f"{show(taken, 0.99):.0f} ms, p50 {show(taken, 0.5):.0f}", fine
    )
    with running("--queue", "16", *named) as (port, _):
        codes = asyncio.run(ask_at_once(port, options.clients, 5))
    report("past capacity: codes", str(dict(codes)), {*codes} == {200, 429})
    if options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "suggestions.jsonl"
            with running("--suggestions", str(path), *named) as (port, process):
                fine = asyncio.run(soak(port, process, path, options.minutes * 60, options.clients))
        report("soak: no 5xx, nothing lost", "", fine)


if __name__ == "__main__":
    main()
