"""What the page of a comparison says in words: names, warnings, how it was done."""

from __future__ import annotations

from collections import Counter
from string import ascii_uppercase
from typing import TYPE_CHECKING

from stance.estimate import CORRECTED, GOLD_ONLY, IN_FULL, PREDICTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stance.estimate.compare import Comparison
    from stance.estimate.contrasts import Contrast
    from stance.estimate.members import Member

LEVEL = 0.05
OTHERS = "all others"


def name_members(members: Sequence[Member]) -> list[str]:
    """What each thread is called: its title, with its id and if need be its place behind it where titles repeat."""
    titles = Counter(member.label for member in members)
    names = [one.label if titles[one.label] == 1 else f"{one.label} ({one.name})" for one in members]
    again = Counter(names)
    return [name if again[name] == 1 else f"{name}, no. {place}" for place, name in enumerate(names, start=1)]


def list_keys(count: int) -> list[str]:
    """Short names in the order of the threads: letters as far as they go, else numbers."""
    return list(ascii_uppercase[:count]) if count <= len(ascii_uppercase) else [str(one + 1) for one in range(count)]


def contrast_titles(one: Contrast, names: Sequence[str]) -> tuple[str, str]:
    """What the two groups of posts are called."""
    if one.side is not None:
        return f"favor {one.side}", f"against {one.side}"
    return names[one.first or 0], OTHERS if one.second is None else names[one.second]


def list_warnings(members: Sequence[Member]) -> list[str]:
    """What a reader of the comparison must know, one line each."""
    taggers = list(dict.fromkeys(member.tagger for member in members))
    if len(taggers) < 2:
        return []
    return [
        "The threads were not tagged by one tagger in one version, so that a predicted difference may be the taggers'"
        f" own: {'; '.join(taggers)}. Tag them again with one, or label a sample of each."
    ]


def describe_method(found: Comparison) -> str:
    """How the comparison was made, to be pasted into a paper."""
    from stance import __version__
    from stance.estimate.compare import LEAST_LABELS, LEAST_POSTS
    from stance.estimate.people import LEAST_PEOPLE

    members = found.members
    judged, labelled = (sum(getattr(one, name) for one in members) for name in ("judged", "labelled"))
    parts = [
        f"We compared {len(members)} threads with {judged:,} judged posts (stance {__version__};"
        f" tagger: {'; '.join(dict.fromkeys(one.tagger for one in members))}).",
        _describe_pairs(found),
        *_describe_shares(found, labelled),
        "Whether other people of the same kind would show a difference was tested on predicted labels by"
        f" {found.permutations:,} permutations of authors between threads (seed {found.seed}): each author's posts in a"
        " thread stay together, authors of several threads have theirs exchanged among these threads, and posts of"
        " unknown authors move one by one; the statistic is the difference over its standard error with authors as"
        " clusters (Chung and Romano 2013).",
        "P values are adjusted within each quantity, by Holm's method (1979)"
        + ("." if found.paired else "; those of permutations by the largest statistic (Westfall and Young 1993)."),
        f"Threads with fewer than {LEAST_POSTS} judged posts have no p value and no rank, nor have corrected"
        f" differences with fewer than {LEAST_LABELS} hand labels in a thread; the permutation test takes"
        f" {LEAST_PEOPLE} authors on either side.",
        "Words are compared by log-odds ratios with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008), a"
        " word counted once a post.",
    ]
    return " ".join(parts)


def _describe_pairs(found: Comparison) -> str:
    if found.paired:
        return "Each pair of threads was compared." if len(found.members) > 2 else ""
    return "Each thread was compared with the posts of all the others together."


def _describe_shares(found: Comparison, labelled: int) -> list[str]:
    bases = {one.basis for one in found.differences}
    parts = []
    if bases & {CORRECTED, GOLD_ONLY, IN_FULL}:
        parts.append(
            f"From {labelled:,} hand-labelled posts, shares were corrected for the tagger's errors by the tuned"
            " difference estimator for finite populations, or taken from the hand labels alone where one outcome is"
            " rare. Differences of corrected shares have intervals and z tests from their standard errors; others that"
            " rest on hand labels have Newcombe's hybrid score interval (1998) and the test that goes with it."
        )
    if PREDICTED in bases:
        which = "Other differences" if parts else "Differences"
        parts.append(
            f"{which} are of predicted shares, with Newcombe's hybrid score interval (1998): they are not validated,"
            " and the intervals hold the chance of so many posts only, not the tagger's mistakes."
        )
    return parts
