"""What the inputs hold: their SHA-256, remembered with size and time, so that unchanged files are not read again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from stance.read.source import hash_file
from stance.run.folder import write_durably

REMEMBERED = "inputs.json"  # path -> [size, time of change in ns, SHA-256]
SETTLED = 2 * 10**9  # ns: a younger file may change once more within what its system counts as one moment

Known = dict[str, list[int | str]]  # as the file has it


def list_content(path: Path) -> list[tuple[Path, os.stat_result]]:
    """An input's files: itself, or what lies in a ConvoKit folder. None of them where it cannot be looked at."""
    try:
        status = path.stat()
        if not path.is_dir():
            return [(path, status)]
        return [(file, file.stat()) for file in sorted(path.iterdir()) if file.is_file()]
    except OSError:
        return []


def find_digests(paths: Sequence[Path], output: Path, whole: bool) -> dict[Path, str]:
    """The SHA-256 of each input, of a folder that of its files' names and hashes; "" for what cannot be read.

    With ``whole`` these are all inputs, and what is remembered of others is dropped.
    """
    known, seen = _read_known(output), Known()
    found = {path: _hash_input(path, known, seen) for path in paths}
    now = seen if whole else known | seen
    if now != known:
        write_durably(output / REMEMBERED, json.dumps(now).encode())
    return found


def _read_known(output: Path) -> Known:
    try:
        known = json.loads((output / REMEMBERED).read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _hash_input(path: Path, known: Known, seen: Known) -> str:
    content = list_content(path)
    try:
        digests = [(file.name, _hash_content(file, status, known, seen)) for file, status in content]
    except OSError:
        return ""
    if [file for file, _ in content] == [path]:
        return digests[0][1]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest() if digests else ""


def _hash_content(file: Path, status: os.stat_result, known: Known, seen: Known) -> str:
    facts = [status.st_size, status.st_mtime_ns]
    entry = known.get(str(file))
    if isinstance(entry, list) and entry[:2] == facts:
        seen[str(file)] = entry
        return str(entry[2])
    digest = hash_file(file)
    if time.time_ns() - status.st_mtime_ns > SETTLED:
        seen[str(file)] = [*facts, digest]
    return digest
