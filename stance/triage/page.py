"""What the pages print around an item: why it is here, the policy, and the one-file queue."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stance.html import plain_name, render_page
from stance.records import StanceError
from stance.triage.goals import Rate, describe_rate, measure_precision, read_decided
from stance.triage.queue import AUDIT
from stance.triage.severity import BANDS, MOST_SEVERE
from stance.triage.store import ACTIONS, REASONS, Shown, list_items, read_cuts

TEMPLATES = Path(__file__).parent / "templates"
LEAST_DECISIONS = 10  # of a band, under which its precision so far is not told
MOST_POLICY = 100_000  # bytes

# What a key does on every page, in the order in which the page lists them.
KEYS = {
    "ignore": "i",
    "warn": "w",
    "hide": "h",
    "escalate": "e",
    "skip": "s",
    "undo": "u",
    "open": "o",
    "note": "n",
}

DEFAULT_POLICY = """# What to act on
- **Escalate** a threat, a call for violence, or a post that puts somebody in danger.
- **Hide** attacks on people for what they are (nation, faith, race, sex), and abuse that has no other content.
- **Warn** where a point is made and an insult goes with it.
- **Ignore** hard criticism, anger and foul words that are aimed at nobody.

# Before you decide
- Judge the post's own words. Grey words are quoted from others.
- Somebody who reports an insult, or answers one, is not its author.
- The marked words and the score are a suggestion. You decide.
- Skip what you cannot judge: somebody else gets it.
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules beside a post: blocks of a kind ("heading", "item" or "text") and their runs, each bold or not."""

    blocks: tuple[tuple[str, tuple[tuple[str, bool], ...]], ...]


def read_policy(path: Path | None) -> Policy:
    """The policy of a Markdown file: headings, lists, paragraphs and bold words; anything else stays as it is written.

    Without a file a short one of our own.
    """
    if path is None:
        return parse_policy(DEFAULT_POLICY)
    try:
        if path.stat().st_size > MOST_POLICY:
            raise StanceError(f"{path}: over {MOST_POLICY // 1000} kB: a policy stands beside the post, shorten it")
        return parse_policy(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise StanceError(f"{path}: cannot be read ({error}). Name a Markdown file in UTF-8.") from error


def parse_policy(text: str) -> Policy:
    blocks: list[tuple[str, str]] = []
    goes_on = False  # whether a line goes on with the block before
    for line in map(str.strip, text.splitlines()):
        if line.startswith("#"):
            blocks.append(("heading", line.lstrip("#").strip()))
        elif line[:2] in ("- ", "* ", "+ "):
            blocks.append(("item", line[2:].strip()))
        elif line and goes_on:
            blocks[-1] = (blocks[-1][0], f"{blocks[-1][1]} {line}")
        elif line:
            blocks.append(("text", line))
        goes_on = bool(line) and not line.startswith("#")
    return Policy(tuple((kind, _split_bold(text)) for kind, text in blocks))


def describe_bands(store: sqlite3.Connection) -> dict[str, str]:
    """For each band how often moderators acted on its posts so far, else what the tagger itself expects."""
    decided = read_decided(store, shown=True)
    found = {}
    for band in BANDS:
        chosen = [name == band for name in decided.band]
        rate = measure_precision(decided, _array(chosen))
        if rate.n >= LEAST_DECISIONS:
            found[band] = f"of {rate.n} decided so far, {describe_rate(rate)} were acted on"
    return found


def describe_reasons(shown: Shown, bands: Mapping[str, str]) -> dict[str, str]:
    """Why an item is here, in words: by what, in which band and what that means, how it was chosen."""
    scored = shown.scored
    name, value = plain_name(scored.attribute), f"{scored.probability:.0%}"
    place = "over" if scored.reach >= 1 else "under"
    expected = bands.get(shown.band) or f"the tagger expects {scored.expected:.0%}, not calibrated on your decisions"
    chosen = "By expected severity."
    if shown.stratum == AUDIT:
        chosen = (
            f"At random: {shown.chance:.1%} of the posts outside the queue are shown as an audit of what it misses."
        )
    return {
        "attribute": f"{name} {value}, {place} the tagger's threshold of {scored.threshold:.0%}",
        "band": shown.band,
        "severity": f"{scored.severity:.2f} expected, of {MOST_SEVERE:.1f}",
        "cut": f"{'under' if shown.band == 'clear' else 'from'} {plain_name(shown.threshold_on)} {shown.threshold:.2f}",
        "expected": expected,
        "chosen": chosen,
        "mention": "Hostile words look reported or condemned, not used: never called likely." if scored.mention else "",
        "tagger": f"{shown.tagger} {shown.tagger_sha256[:8]}",
    }


def describe_calibration(store: sqlite3.Connection) -> str:
    """On what the bands rest."""
    cuts = read_cuts(store)
    own = [name for name, cut in (("likely", cuts.likely), ("review", cuts.review)) if cut is not None]
    if len(own) == 2:
        return "bands calibrated on your decisions"
    return f"band {own[0]} calibrated on your decisions, the other not" if own else "not calibrated on your decisions"


def write_file_page(store: sqlite3.Connection, policy: Policy) -> bytes:
    """The open items as one page that works from a file: decisions stay in the browser until they are saved."""
    items = list_items(store, open_only=True)
    if not items:
        raise StanceError("no open posts, so there is no page to make: add tables, or export the decisions")
    bands = describe_bands(store)
    names = json.dumps([[one.view["thread"], one.view["post"]] for one in items], ensure_ascii=True)
    context: dict[str, Any] = {
        "items": [(one, describe_reasons(one, bands)) for one in items],
        "name": hashlib.sha256(names.encode()).hexdigest()[:16],
        "made": f"{datetime.now(UTC):%Y-%m-%d}",
        "calibration": describe_calibration(store),
        **page_context(policy),
    }
    return render_page(TEMPLATES, "file.html", context, script="file.js", style="triage.css")


def page_context(policy: Policy) -> dict[str, Any]:
    """What every page with a post on it needs."""
    return {"policy": policy, "keys": KEYS, "actions": ACTIONS, "reasons": REASONS}


def describe_rates(rates: Mapping[str, Rate]) -> list[tuple[str, str, int]]:
    return [(name, describe_rate(rate), rate.n) for name, rate in rates.items()]


def _array(values: list[bool]) -> Any:
    import numpy as np

    return np.array(values, bool)


def _split_bold(text: str) -> tuple[tuple[str, bool], ...]:
    parts = text.split("**")
    if len(parts) % 2 == 0:  # one mark stands alone: it is no mark
        return ((text, False),)
    return tuple((part, bool(place % 2)) for place, part in enumerate(parts) if part)
