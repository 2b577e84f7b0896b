"""What a power cut leaves of a folder: data and names that were not synced are lost, or not, by chance.

The processes under test load ``RECORDER`` as sitecustomize: it notes what they sync, rename and remove below a folder,
keeps what they remove or replace, and waits a little before each, so that a kill finds them there. ``cut_power`` then
gives the folder a state that a disk may be in after a cut:

- a file keeps the bytes that it had when it was last synced; what was never synced is cut short,
  or zeros from its start; or not, as the system may have written it by itself
- a new name, a rename or a removal whose folder was not synced afterwards is undone, or not

SQLite syncs in C, unseen here: its files are left as they are or lost as a whole.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

RECORDER = '''
import json, os, stat, time
DELAY = 0.02
LOG, ROOT, KEPT = (os.environ.get(f"POWERCUT_{name}") for name in ("LOG", "ROOT", "KEPT"))
real = {name: getattr(os, name) for name in ("fsync", "fdatasync", "replace", "rename", "unlink", "remove")}
count = 0

def note(**event):
    handle = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(handle, (json.dumps(event) + "\\n").encode())
    os.close(handle)

def inside(path):
    full = os.path.abspath(os.fspath(path))
    return full if isinstance(full, str) and (full + os.sep).startswith(ROOT + os.sep) else None

def keep(path):
    """A second name for a file, so that it can come back and its inode is not used again."""
    global count
    count += 1
    name = os.path.join(KEPT, f"{os.getpid()}-{count}")
    try:
        os.link(path, name)
    except OSError:
        return None
    return name

def sync(name):
    def call(file):
        time.sleep(DELAY)
        real[name](file)
        number = file if isinstance(file, int) else file.fileno()
        status = os.fstat(number)
        path = inside(os.readlink(f"/proc/self/fd/{number}"))
        if path is None:
            return
        if stat.S_ISDIR(status.st_mode):
            note(kind="names", path=path)
        else:
            note(kind="data", inode=status.st_ino, size=status.st_size)
    return call

def move(name):
    def call(source, target, **more):
        path = inside(target)
        if path is not None and os.path.isfile(source):
            old = keep(path)
            note(kind="move", source=inside(source), target=path, inode=os.stat(source).st_ino, old=old)
            time.sleep(DELAY)
        return real[name](source, target, **more)
    return call

def drop(name):
    def call(path, **more):
        full = None if more else inside(path)
        if full is not None and os.path.isfile(full):
            note(kind="drop", target=full, old=keep(full))
        return real[name](path, **more)
    return call

if LOG:
    for name, wrap in zip(real, (sync, sync, move, move, drop, drop)):
        setattr(os, name, wrap(name))
'''
OF_SQLITE = ".sqlite"


@dataclass(slots=True)
class Disk:
    """A folder whose files are recorded."""

    root: Path  # of the folder
    work: Path  # where the recorder, its log and what is kept lie; on the same file system
    durable: dict[int, int] = field(default_factory=dict)  # inode to bytes that a cut before left
    lost: Counter[str] = field(default_factory=Counter)  # what cuts did

    def prepare(self) -> dict[str, str]:
        """Begin a log; the environment of a process that is to be recorded, PYTHONPATH left to be joined."""
        kept = self.work / "kept"
        kept.mkdir(parents=True, exist_ok=True)
        for path in kept.iterdir():
            path.unlink()
        (self.work / "sitecustomize.py").write_text(RECORDER, encoding="utf-8")
        self.log.unlink(missing_ok=True)
        named = {"LOG": self.log, "ROOT": self.root.absolute(), "KEPT": kept}
        return {f"POWERCUT_{name}": str(path) for name, path in named.items()}

    @property
    def log(self) -> Path:
        return self.work / "log.jsonl"

    def cut_power(self, draw: random.Random) -> None:
        """Lose by chance what was not synced since ``prepare``."""
        lines = self.log.read_bytes().splitlines() if self.log.exists() else []
        events = [json.loads(line) for line in lines if line.endswith(b"}")]
        synced = {**self.durable}
        for event in events:
            if event["kind"] == "data":
                synced[event["inode"]] = event["size"]
        named = {event["path"]: number for number, event in enumerate(events) if event["kind"] == "names"}
        for number, event in reversed(list(enumerate(events))):
            if event["kind"] in ("move", "drop"):
                folder = os.path.dirname(event["target"])  # noqa: PTH120 - as recorded
                if named.get(folder, -1) < number and draw.random() < 0.5:
                    self._undo(event)
        self._lose_cache(draw)
        for path in self._list_files():
            self._lose_data(path, synced, draw)
        self.durable = {path.stat().st_ino: path.stat().st_size for path in self._list_files()}

    def _undo(self, event: dict[str, str | int | None]) -> None:
        """Take back a rename or a removal, where it had been done and nothing came after it."""
        target = Path(str(event["target"]))
        if event["kind"] == "move" and target.exists() and target.stat().st_ino == event["inode"]:
            if event["source"] is None:
                target.unlink()
            else:
                target.rename(str(event["source"]))
            self.lost["renames undone"] += 1
        if event["old"] is not None and not target.exists():
            Path(str(event["old"])).rename(target)
            self.lost["removals undone"] += event["kind"] == "drop"

    def _lose_cache(self, draw: random.Random) -> None:
        files = [path for path in self.root.rglob("*") if OF_SQLITE in path.name]
        if files and draw.random() < 0.25:
            self.lost["caches lost"] += 1
            for path in files:
                path.unlink()

    def _lose_data(self, path: Path, synced: dict[int, int], draw: random.Random) -> None:
        status = path.stat()
        size = synced.get(status.st_ino)
        if status.st_size == 0 or (size is not None and size >= status.st_size) or draw.random() < 0.5:
            return
        self.lost["files cut"] += 1
        with path.open("r+b") as file:
            if size is not None:
                file.truncate(size)
            elif draw.random() < 0.5:
                file.truncate(draw.randrange(status.st_size + 1))
            else:
                file.write(bytes(draw.randrange(status.st_size + 1)))

    def _list_files(self) -> list[Path]:
        """All but SQLite's."""
        return [path for path in self.root.rglob("*") if path.is_file() and OF_SQLITE not in path.name]
