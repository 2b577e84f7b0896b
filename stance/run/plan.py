"""What a run has to do: its settings, its inputs, and the units in which they are read.

Names depend on what is named and on nothing else: a unit's key on the paths and the bytes of its files, a thread's id
on its file's name and its own. So a run that is broken off, or goes on elsewhere, finds its own work again.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stance.read import ENDINGS, Options
from stance.read.corpus import is_corpus
from stance.read.source import decode_name
from stance.records import StanceError, Topic
from stance.run.digests import find_digests, list_content
from stance.tagger import find_folder, hash_folder, load_tagger

BYTES_A_POST = 400  # of an input, about: for cutting inputs into units before they are read
KEY_DIGITS = 16
MARK_DIGITS = 8  # of a path's hash, where its name alone would not do


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the tables beside the inputs; ``make_settings`` makes it."""

    output: Path
    topic: Topic
    tagger: str  # as load_tagger takes it
    options: Options
    shard_size: int  # posts from which a shard is full
    cache: bool
    tagger_sha256: str
    fingerprint: str  # SHA-256 of all that decides what stands in a table


@dataclass(frozen=True, slots=True)
class Input:
    """One file or ConvoKit folder."""

    path: Path  # as given
    size: int  # bytes
    name: str  # the id of its thread, if it holds one
    prefix: str  # what the ids of its threads begin with, if it holds several
    sha256: str = ""  # "": it could not be read


@dataclass(frozen=True, slots=True)
class Unit:
    """Inputs that are read one after the other: a large one alone, or small ones until they are about a shard."""

    number: int  # in the whole plan, from 0
    inputs: tuple[Input, ...]
    key: str  # what the names of its shards begin with

    @property
    def size(self) -> int:
        """Bytes of its inputs."""
        return sum(item.size for item in self.inputs)


def make_settings(
    output: Path, topic: Topic, tagger: str, options: Options, shard_size: int, cache: bool = True
) -> Settings:
    """The settings of a run. StanceError where there is no such tagger."""
    from stance import __version__

    folder = find_folder(tagger)
    digest = load_tagger(tagger).sha256 if folder is None else hash_tagger(folder)
    reading = asdict(replace(options, reject=None))
    parts = (digest, asdict(topic), __version__, reading, shard_size)
    fingerprint = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    name = tagger if folder is None else str(folder.absolute())
    return Settings(output, topic, name, options, shard_size, cache, digest, fingerprint)


def hash_tagger(folder: Path) -> str:
    """The ``sha256`` of the tagger in a folder, which is not loaded for it."""
    try:
        return hash_folder(folder)
    except OSError:
        return load_tagger(folder).sha256  # says what is wrong with it


def find_inputs(paths: Sequence[Path], output: Path) -> list[Path]:
    """The files and ConvoKit folders themselves; of other folders what can be read in them, at any depth, by name.

    What lies in the folder of the output is left out. StanceError for what is not there.
    """
    own = os.path.abspath(output)  # noqa: PTH100 - Path.absolute keeps ".."
    found: dict[str, Path] = {}
    for path in paths:
        try:
            inside = _search(path, own)
        except OSError as error:
            raise StanceError(f"{error.filename}: {error.strerror}: check the path and its permissions") from error
        if not inside:
            raise StanceError(f"{path}: a folder without threads: put files ending in {', '.join(ENDINGS)} there")
        for file in inside:
            found.setdefault(os.path.abspath(file), file)  # noqa: PTH100
    return list(found.values())


def list_units(paths: Sequence[Path], settings: Settings, share: tuple[int, int] = (1, 1)) -> list[Unit]:
    """The units of these inputs, in order. With share (i, n) every n-th of them, from the i-th on.

    Only those have their bytes hashed, and only where size or time has changed since.
    """
    first, every = share
    units = [Unit(number, group, "") for number, group in enumerate(_group(_name(paths), settings.shard_size))]
    mine = units[first - 1 :: every]
    digests = find_digests([item.path for unit in mine for item in unit.inputs], settings.output, every == 1)
    return [_sign(unit, digests) for unit in mine]


def _search(path: Path, own: str) -> list[Path]:
    """The inputs in a folder, or the path alone."""
    if not stat.S_ISDIR(path.stat().st_mode) or is_corpus(path):
        return [path]
    found: list[Path] = []
    for root, folders, files in os.walk(path, onerror=_raise):
        here = Path(root)
        inside = sorted(name for name in folders if not name.startswith("."))
        inside = [name for name in inside if os.path.abspath(here / name) != own]  # noqa: PTH100
        corpora = [name for name in inside if is_corpus(here / name)]
        folders[:] = [name for name in inside if name not in corpora]
        kept = [name for name in files if Path(name).suffix.lower() in ENDINGS and not name.startswith(".")]
        found += (here / name for name in sorted([*kept, *corpora]))
    return found


def _raise(error: OSError) -> None:
    raise error


def _name(paths: Sequence[Path]) -> list[Input]:
    """Inputs whose threads cannot have the same id: a name that would be ambiguous is marked with its path's hash.

    The id of one of several threads is its file's name, a hyphen and its own, so a file "a-b" may clash with "a".
    """
    stems = Counter(decode_name(path.stem) for path in paths)
    heads = {stem[:place] for stem in stems for place, sign in enumerate(stem) if sign == "-"}
    inputs = []
    for path in paths:
        stem = decode_name(path.stem)
        marked = f"{stem}-{_mark(path)}"
        name = stem if stems[stem] == 1 else marked
        size = sum(status.st_size for _, status in list_content(path))
        inputs.append(Input(path, size, name, marked if stem in heads else name))
    return inputs


def _group(inputs: Iterable[Input], shard_size: int) -> Iterator[tuple[Input, ...]]:
    """Small inputs by about a shard's bytes. Where they end is drawn from the paths: a new file moves no border."""
    target = shard_size * BYTES_A_POST
    group: list[Input] = []
    for item in inputs:
        if item.size >= target:
            yield from filter(None, (tuple(group), (item,)))
            group = []
            continue
        group.append(item)
        if item.size / target > int(_mark(item.path), 16) / 16**MARK_DIGITS:
            yield tuple(group)
            group = []
    if group:
        yield tuple(group)


def _sign(unit: Unit, digests: dict[Path, str]) -> Unit:
    inputs = tuple(replace(item, sha256=digests[item.path]) for item in unit.inputs)
    content = json.dumps([[str(item.path), item.name, item.prefix, item.sha256] for item in inputs])
    return replace(unit, inputs=inputs, key=hashlib.sha256(content.encode()).hexdigest()[:KEY_DIGITS])


def _mark(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:MARK_DIGITS]
