"""What the figures show, in words: for those who hear a page instead of seeing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stance.estimate import ABSTAINED, PREDICTED, Crossing, Row, Share, judged_heads, split_thread
from stance.report.numbers import share_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.table import Manifest

_LONGEST_NAME = 42  # characters of a side's name that fit a narrow figure


def describe_stance(names: Sequence[str], shares: Sequence[dict[str, Share]], abstained: Sequence[int]) -> str:
    """Every share with its interval; predicted ones of no post are left out."""
    sentences = []
    for name, side, without in zip(names, shares, abstained, strict=True):
        told = [(outcome, share) for outcome, share in side.items() if share.count or share.basis != PREDICTED]
        parts = [f"{outcome} {share.count}, {share_words(share)}" for outcome, share in told]
        parts += [f"{ABSTAINED} {without}"] if without else []
        sentences.append(f"{name}: {'; '.join(parts)}.")
    return f"Posts judged: {max(share.n for side in shares for share in side.values())}. {' '.join(sentences)}"


def describe_thread(rows: Sequence[Row], manifest: Manifest) -> str:
    """Counts in the first and the second half: the shortest words for a course."""
    parts = []
    for half, stretch in zip(("First", "Second"), split_thread(rows, 2, manifest.toxicity_threshold), strict=True):
        sides = [
            f"{shorten_name(side.name)} favor {counts['favor']}, against {counts['against']}"
            for side, counts in zip(manifest.sides, stretch.stance, strict=False)
        ]
        toxic = [f"toxic {stretch.toxic}"] if "toxicity" in judged_heads(rows) else []
        parts.append(f"{half} half, {stretch.n} posts judged: {'; '.join([*sides, *toxic])}.")
    return " ".join(parts)


def describe_crossings(names: Sequence[str], crossings: Sequence[list[Crossing]]) -> str:
    """Of each stance that posts take, how many have which sentiment and how many are toxic."""
    sentences = []
    for name, side in zip(names, crossings, strict=True):
        for crossing in side:
            if crossing.toxic is not None:
                tones = ", ".join(f"{tone} {count}" for tone, count in crossing.sentiment.items() if count)
                toxic = f"toxic {crossing.toxic.count}"
                sentences.append(f"{name} {crossing.stance}, {crossing.toxic.n} posts: {tones}; {toxic}.")
    return " ".join(sentences)


def shorten_name(name: str) -> str:
    """A side's name that fits a figure and XML, which forbids control characters."""
    name = "".join(letter for letter in name if letter.isprintable())
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
