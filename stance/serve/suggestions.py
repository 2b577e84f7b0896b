"""Suggested scores, kept as JSON lines: one suggestion a line, added at the end, on the disk before it is answered."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stance.serve.refusal import refuse_for_now

RETRY_SECONDS = 5


def keep_suggestion(path: Path, suggestion: dict[str, Any]) -> None:
    """Add a line. Refusal 503 where it cannot be written: what was acknowledged is on the disk.

    The file is opened each time, so that one that was moved away, or whose disk came back, is written again. Half a
    line, which a kill can leave, is ended first.
    """
    line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), **suggestion})
    try:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            torn = False
            if os.fstat(file).st_size:
                os.lseek(file, -1, os.SEEK_END)
                torn = os.read(file, 1) != b"\n"
            written = (b"\n" if torn else b"") + line.encode("ascii") + b"\n"
            if os.write(file, written) < len(written):
                raise OSError("the disk is full")
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise refuse_for_now(503, "Suggestions cannot be stored at the moment.", RETRY_SECONDS) from error


def read_suggestions(path: Path) -> list[dict[str, Any]]:
    """All whole lines, in order."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # half a line: it was never acknowledged
            continue
    return found
