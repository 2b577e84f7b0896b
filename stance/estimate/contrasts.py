"""The words that set the threads of a comparison apart, and those for a side from those against it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import add
from typing import TYPE_CHECKING

from stance.estimate.compare import MOST_PAIRED
from stance.estimate.members import quantities_of
from stance.estimate.words import Counts, Keyword, Lexicon, build_lexicon, contrast_words, count_uses
from stance.records import STANCES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stance.estimate.members import Member

MOST_KEYWORDS = 25  # of each group
_LEAST_GROUP = 10  # posts for a side, and against it: fewer have no words of their own


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two groups of posts and the words typical of each: two threads, or those for and against a side."""

    keywords: tuple[Keyword, ...]
    first: int | None = None  # place among the members
    second: int | None = None  # None: all the others together
    side: str | None = None  # favor against against, in all threads together, by the tagger's labels


def contrast_members(members: Sequence[Member], vocabulary: Mapping[str, int]) -> list[Contrast]:
    """Threads in the same pairs as their shares are compared, then sides."""
    lexicon = build_lexicon([member.words for member in members], vocabulary)
    if not lexicon.words:
        return []
    counts = [count_uses(member.words, member.authors, lexicon) for member in members]
    whole = reduce(add, counts)
    found = []
    if len(members) <= MOST_PAIRED:
        for first, second in combinations(range(len(members)), 2):
            both = counts[first] + counts[second]
            words = contrast_words(counts[first], counts[second], both, lexicon, MOST_KEYWORDS)
            found.append(Contrast(tuple(words), first, second))
    else:
        for first, own in enumerate(counts):
            words = contrast_words(own, whole - own, whole, lexicon, MOST_KEYWORDS)
            found.append(Contrast(tuple(words), first, None))
    columns = {(one.subject, one.outcome): place for place, one in enumerate(quantities_of(members))}
    for side in members[0].sides:
        chosen = [columns[side, outcome] for outcome in STANCES[:2]]
        if all(sum(int((member.has[:, column] == 1).sum()) for member in members) >= _LEAST_GROUP for column in chosen):
            favor, against = (_count_chosen(members, lexicon, column) for column in chosen)
            found.append(Contrast(tuple(contrast_words(favor, against, whole, lexicon, MOST_KEYWORDS)), side=side))
    return found


def _count_chosen(members: Sequence[Member], lexicon: Lexicon, column: int) -> Counts:
    """The words of all posts that have a quantity."""
    return reduce(add, (count_uses(one.words, one.authors, lexicon, one.has[:, column] == 1) for one in members))
