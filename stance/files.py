"""Files written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stance.records import StanceError


@contextmanager
def open_replacing(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that takes its place at ``path`` when the block ends well; otherwise nothing is left.

    Raises StanceError where the place cannot be written. A pipe or a device is written straight through.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as stream:
                yield stream
            return
        target = path.resolve()  # a link stays a link
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as stream:
                yield stream
            part.replace(target)
        finally:
            if part.exists():
                part.unlink()
    except OSError as error:
        raise StanceError(f"{path}: cannot be written ({error.strerror or error}). Name another place.") from error
