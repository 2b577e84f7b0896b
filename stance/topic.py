"""Topics: which sides a discussion has. Shipped ones lie in ``stance/topics``, a user's own in any TOML file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from stance.records import Side, StanceError, Topic

SHIPPED = Path(__file__).parent / "topics"
KEYS = {"name": str, "label": str, "target": str, "aliases": list}  # of a side
EXAMPLE = 'a topic holds name = "..." and for each side [[side]] with name = "..."'


def topic_names() -> list[str]:
    """The shipped topics."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_topic(name: str | Path) -> Topic:
    """A shipped topic by name, or the topic in a TOML file.

    Keys: ``name``, and for each side a ``[[side]]`` with ``name`` and optionally ``label`` (default "pro-" and the
    name), ``target`` (the words that the tagger reads; default the name) and ``aliases``. StanceError names the file,
    the line and the key.
    """
    path = SHIPPED / f"{name}.toml" if str(name) in topic_names() else Path(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        known = ", ".join(topic_names())
        raise StanceError(f"{name}: no such topic: name a TOML file or one of the shipped topics: {known}") from None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path that no system has
        raise StanceError(f"{path}: the topic cannot be read ({error}): name a TOML file in UTF-8") from error
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise StanceError(f"{path}: not TOML: {error}: {EXAMPLE}") from error
    return check_topic(path, text, values)


def check_topic(path: Path, text: str, values: dict[str, Any]) -> Topic:
    """The topic in a parsed file; ``text`` is for the line numbers of errors."""
    for key in values:
        if key not in ("name", "side"):
            raise broken(path, line_of(text, key), f"unknown key {key!r}", EXAMPLE)
    if not isinstance(values.get("name"), str) or not values["name"].strip():
        first = text[: text.index("[[side]]")] if "[[side]]" in text else text  # a side has a name as well
        raise broken(path, line_of(first, "name"), "the topic's name is missing or not text", EXAMPLE)
    tables = values.get("side")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise broken(path, line_of(text, "side"), "no [[side]]", EXAMPLE)
    lines = enumerate(text.splitlines(), start=1)
    starts = [number for number, line in lines if re.match(r"\s*\[\[\s*side\s*\]\]", line)]
    starts += [1] * len(tables)  # sides may be written inline
    sides = [check_side(path, start, table) for start, table in zip(starts, tables, strict=False)]
    names = [side.name for side in sides]
    for number, side in enumerate(sides):
        if side.name in names[:number]:
            raise broken(path, starts[number], f"a second side named {side.name!r}", "give each side its own name")
    return Topic(values["name"], tuple(sides))


def check_side(path: Path, line: int, table: dict[str, Any]) -> Side:
    """One ``[[side]]``, which begins at ``line``."""
    for key, value in table.items():
        if key not in KEYS:
            raise broken(path, line, f"unknown key {key!r} in [[side]]", f"a side has {', '.join(KEYS)}")
        if not isinstance(value, KEYS[key]) or (isinstance(value, str) and not value.strip()):
            kind = "a list of text" if key == "aliases" else "text"
            raise broken(path, line, f"{key!r} in [[side]] is not {kind}", f"write {key} as {kind}")
    aliases = table.get("aliases", [])
    if not all(isinstance(alias, str) and alias.strip() for alias in aliases):
        raise broken(path, line, "'aliases' in [[side]] is not a list of text", 'write aliases = ["...", "..."]')
    if "name" not in table:
        raise broken(path, line, "a [[side]] without 'name'", EXAMPLE)
    name = table["name"]
    return Side(name, table.get("label", f"pro-{name}"), table.get("target", name), tuple(aliases))


def line_of(text: str, key: str) -> int:
    """The line where a key stands, from 1; 1 where it stands nowhere."""
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if line.strip().strip("[").startswith(key)), 1)


def broken(path: Path, line: int, what: str, remedy: str) -> StanceError:
    return StanceError(f"{path}:{line}: {what}: {remedy}")
