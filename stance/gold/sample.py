"""``sample.json``: what was drawn, how, from which tables, for whom. It goes with the labels wherever they go."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stance.estimate.judged import Drawn, Gold, Stratum
from stance.files import open_replacing
from stance.records import StanceError

FORMAT = 1
NAME = "sample.json"
DRAW = "Make the folder with `stance gold draw`."


def write_sample(folder: Path, gold: Gold, more: Mapping[str, Any] | None = None) -> None:
    """Write the file from the sample; ``more`` holds what is told beyond it (method, tables, posts of each coder)."""
    from stance import __version__

    check_coders(gold.coders)
    count = len(gold.drawn)
    values = {
        "format": FORMAT,
        "version": __version__,
        "topic": gold.topic,
        "sides": [{"name": side} for side in gold.sides],
        "seed": gold.seed,
        "coders": [{"name": coder, "posts": count} for coder in gold.coders],  # the first so many of those drawn
        **(more or {}),
        "strata": [asdict(stratum) for stratum in gold.strata],
        "drawn": [asdict(one) for one in gold.drawn],  # in the order of labelling
    }
    with open_replacing(folder / NAME) as file:
        file.write(json.dumps(values, ensure_ascii=False, indent=1).encode("utf-8", "replace") + b"\n")


def read_sample(folder: Path) -> Gold:
    """The sample without its labels; StanceError where the file is none of ours or damaged."""
    path = folder / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise StanceError(f"{folder}: no {NAME} in it, so it is no gold folder. {DRAW}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise StanceError(f"{path}: cannot be read ({error}). {DRAW}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        given = values.get("format") if isinstance(values, dict) else None
        raise StanceError(f"{path}: format {given}, this program reads {FORMAT}. {DRAW}")
    try:
        gold = Gold(
            topic=_take(values, "topic", str),
            sides=_names(values, "sides"),
            seed=_take(values, "seed", int),
            strata=tuple(
                Stratum(_take(one, "thread", str), _take(one, "name", str), _take(one, "posts", int))
                for one in _take(values, "strata", list)
            ),
            drawn=tuple(_read_drawn(one) for one in _take(values, "drawn", list)),
            labels=(),
            coders=_names(values, "coders"),
        )
        check_coders(gold.coders)
    except ValueError as error:
        raise StanceError(f"{path}: {error}. It was changed since it was written: take it from a copy.") from error
    if len({(one.thread, one.post) for one in gold.drawn}) < len(gold.drawn):
        raise StanceError(f"{path}: a post is drawn twice. It was changed since it was written: take it from a copy.")
    return gold


def check_coders(coders: Sequence[str]) -> None:
    """StanceError where a name cannot be part of a file's name, or two would be the same file on some systems."""
    for coder in coders:
        if not re.fullmatch(r"\w[\w-]{0,39}", coder):
            raise StanceError(f"coder {coder!r}: a name has letters, digits, _ and -, 40 at most. Name another.")
    if not coders or len({coder.casefold() for coder in coders}) < len(coders):
        raise StanceError(f"coders {', '.join(coders)!r}: name at least one, and each once.")


def _read_drawn(one: Any) -> Drawn:
    probability = float(_take(one, "probability", (int, float)))
    if not 0 < probability <= 1:
        raise ValueError(f"a probability of {probability}")
    return Drawn(_take(one, "thread", str), _take(one, "post", str), _take(one, "stratum", str), probability)


def _names(values: Mapping[str, Any], key: str) -> tuple[str, ...]:
    found: Sequence[Any] = _take(values, key, list)
    return tuple(_take(one, "name", str) for one in found)


def _take(values: Any, key: str, kind: type | tuple[type, ...]) -> Any:
    """The value of a key; ValueError where it is missing or of another kind."""
    found = values.get(key) if isinstance(values, dict) else None
    if not isinstance(found, kind) or isinstance(found, bool):
        raise ValueError(f"{key} is missing or of another kind")
    return found
