"""A command in processes of its own, and what it took: time, processor time, and the memory of each process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
STANCE = (sys.executable, "-m", "stance.cli")
BETWEEN = 0.25  # seconds between two looks at the memory
KILO = 1024


@dataclass(slots=True)
class Watched:
    """What a command took. Memory in bytes."""

    seconds: float = 0.0
    processor: float = 0.0  # seconds of all its processes that it waited for
    code: int = 0
    output: str = ""  # stdout and stderr
    own_peak: int = 0  # resident, of the command's own process, as the kernel counts it
    other_peaks: dict[int, int] = field(default_factory=dict)  # the same of each process below it
    together: int = 0  # largest sum over all processes at one look, shared pages counted once (PSS)

    @property
    def other_peak(self) -> int:
        """Of the largest process below the command's own."""
        return max(self.other_peaks.values(), default=0)


def watch(command: Sequence[str], environment: dict[str, str] | None = None) -> Watched:
    """Run a command to its end."""
    found = Watched()
    start = time.perf_counter()
    process = start_group(command, environment)
    reader, found_output = process.stdout, bytearray()
    assert reader is not None
    os.set_blocking(reader.fileno(), False)
    while True:
        look(process.pid, found)
        with suppress(BlockingIOError):
            found_output += os.read(reader.fileno(), 1 << 16)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(BETWEEN)
    found.seconds = time.perf_counter() - start
    found.processor = usage.ru_utime + usage.ru_stime
    found.code = process.returncode = os.waitstatus_to_exitcode(status)
    with suppress(BlockingIOError):
        while more := os.read(reader.fileno(), 1 << 16):
            found_output += more
    reader.close()
    found.output = found_output.decode("utf-8", "replace")
    return found


def start_group(command: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command as the head of a process group of its own."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )


def list_below(pid: int) -> list[psutil.Process]:
    """The processes that a process started, and theirs."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 of the command and everything below it, all at once, as a power cut ends them."""
    below = list_below(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for other in below:  # those with a session of their own
        with suppress(psutil.NoSuchProcess):
            other.kill()
    psutil.wait_procs(below, timeout=10)
    process.communicate()


def look(pid: int, found: Watched) -> None:
    """Take the memory of all processes now."""
    together = 0
    for number in [pid, *(below.pid for below in list_below(pid))]:
        with suppress(OSError):  # it has ended
            together += read_kilobytes(Path(f"/proc/{number}/smaps_rollup"), "Pss")
            peak = read_kilobytes(Path(f"/proc/{number}/status"), "VmHWM")
            if number == pid:
                found.own_peak = max(found.own_peak, peak)
            else:
                found.other_peaks[number] = max(found.other_peaks.get(number, 0), peak)
    found.together = max(found.together, together)


def read_kilobytes(path: Path, name: str) -> int:
    """A line "NAME: 12 kB" of a file in /proc, in bytes."""
    match = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    return int(match[1]) * KILO if match else 0
