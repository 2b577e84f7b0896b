"""The folder of a run: who may write in it, how a file comes to stand there, and what is cleared away."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stance.records import StanceError

KINDS = {"tags": ".parquet", "threads": ".parquet", "rejects": ".parquet", "manifest": ".json"}
PART_NAME = re.compile(r"\.?(([0-9a-f]{16})-[0-9]{6,})\.(?:parquet|json)(\.[0-9]+\.part)?")


def find_file(output: Path, kind: str, part: str) -> Path:
    """Where a part's file of one of KINDS stands."""
    return output / kind / f"{part}{KINDS[kind]}"


def make_folders(output: Path) -> None:
    """StanceError where they cannot be made."""
    try:
        for kind in KINDS:
            (output / kind).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StanceError(f"{output}: cannot be made ({error.strerror or error}): name another folder") from error


@contextmanager
def lock_folder(output: Path, share: tuple[int, int]) -> Iterator[None]:
    """Keep other runs out: all of them, or with a share those of the same share and those of everything.

    The system lets go of the lock when the process ends, however it ends.
    """
    import fcntl

    whole = share[1] == 1
    locks = [(".lock", fcntl.LOCK_EX if whole else fcntl.LOCK_SH)]
    if not whole:
        locks.append((f".lock-{share[0]}-of-{share[1]}", fcntl.LOCK_EX))
    with ExitStack() as stack:
        for name, kind in locks:
            try:
                file = stack.enter_context((output / name).open("a+b"))
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StanceError(
                    f"{output}: another run writes there: wait for its end, or name another folder"
                ) from None
            except OSError as error:
                raise StanceError(
                    f"{output / name}: cannot be locked ({error.strerror or error}): name another folder"
                ) from error
        yield


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, and on the disk. Its name lasts only after ``keep_names``."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StanceError(
            f"{path}: cannot be written ({error.strerror or error}): make room and run it again"
        ) from error
    finally:
        _remove(part)


def keep_names(folder: Path) -> None:
    """Have the disk keep the names of the files in a folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StanceError(f"{folder}: cannot be written ({error.strerror or error}): run it again") from error


def remove_part(output: Path, part: str) -> None:
    """Remove a part's files; its manifest first and for good, so that nothing takes the rest for whole."""
    manifest = find_file(output, "manifest", part)
    if manifest.exists():
        _remove(manifest)
        keep_names(manifest.parent)
    for kind in KINDS:
        _remove(find_file(output, kind, part))


def remove_leftovers(output: Path, keys: Collection[str]) -> None:
    """Remove the unfinished files of units that no other run is at."""
    for path, _, key, unfinished in _list_parts(output):
        if unfinished and key in keys:
            _remove(path)


def remove_others(output: Path, parts: Collection[str]) -> int:
    """Remove every part but these; how many had been finished."""
    others = {name: key for _, name, key, unfinished in _list_parts(output) if name not in parts and not unfinished}
    finished = sum(find_file(output, "manifest", name).exists() for name in others)
    for name in others:
        remove_part(output, name)
    for path in (*output.glob(".*.part"), *(path for path, _, _, unfinished in _list_parts(output) if unfinished)):
        _remove(path)
    return finished


def _list_parts(output: Path) -> Iterator[tuple[Path, str, str, bool]]:
    """Path, part, unit's key, and whether it is unfinished, of every file of a part."""
    for kind in KINDS:
        with os.scandir(output / kind) as entries:
            for entry in entries:
                match = PART_NAME.fullmatch(entry.name)
                if match:
                    yield Path(entry.path), match[1], match[2], match[3] is not None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StanceError(f"{path}: cannot be removed ({error.strerror or error}): remove it and run again") from error
