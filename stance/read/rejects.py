"""Records of a file that were left out, one by one: where each stands and what was wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stance.records import StanceError


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was left out."""

    position: str  # in its file: "line 17", "row 4", "record 3", "member x.txt"
    reason: str  # one line


Refuse = Callable[[Reject], None]  # what a reader calls for each of them; None in its place: errors and warnings only


def name_reason(error: StanceError, path: Path) -> str:
    """What an error says without the path and the place, which a reject has beside it."""
    text = str(error).removeprefix(str(path)).lstrip(":")
    place, divided, rest = text.partition(":")
    return " ".join((rest if divided and place.isdecimal() else text).split())
