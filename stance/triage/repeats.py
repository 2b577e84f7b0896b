"""Posts that say the same thing again, so that a moderator decides once for all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from math import ceil

SIMILAR = 0.8  # Jaccard similarity of shingles from which two posts are one
SHINGLE = 3  # words
# Fewer words say the same thing in many places and mean another each time ("you too"): these count as repeats only
# where one author posts them again.
LEAST_WORDS = 8

_WORD = re.compile(r"\w+")


def group_repeats(texts: Sequence[str], authors: Sequence[str | None]) -> list[int]:
    """For each text the position of the one that leads its group, itself where it is alone.

    Texts come in order of rank: a leader stands before its members, and members are like their leader, not only like
    each other, so that groups do not drift. Candidates are found by prefix filtering (Bayardo, Ma and Srikant 2007),
    which misses none; their similarity is exact. The same texts give the same groups.
    """
    words = [_WORD.findall(text.casefold()) for text in texts]
    leaders = list(range(len(texts)))
    first: dict[tuple[object, ...], int] = {}
    for place, (own, author) in enumerate(zip(words, authors, strict=True)):
        if len(own) >= LEAST_WORDS:
            leaders[place] = first.setdefault(tuple(own), place)
        elif own and author is not None:
            leaders[place] = first.setdefault((author, *own), place)
    alone = [place for place, own in enumerate(words) if leaders[place] == place and len(own) >= LEAST_WORDS]
    shingles = {place: _cut_shingles(words[place]) for place in alone}
    near = dict(_match_near(alone, shingles))
    return [near.get(leader, leader) for leader in leaders]


def _cut_shingles(words: Sequence[str]) -> frozenset[int]:
    runs = (" ".join(words[start : start + SHINGLE]) for start in range(len(words) - SHINGLE + 1))
    return frozenset(int.from_bytes(blake2b(run.encode("utf-8", "replace"), digest_size=8).digest()) for run in runs)


def _match_near(places: Sequence[int], shingles: dict[int, frozenset[int]]) -> Iterator[tuple[int, int]]:
    """Each place that is like an earlier leader, with that leader.

    Two sets at least SIMILAR share one of the rarest len - ceil(SIMILAR * len) + 1 shingles of each.
    """
    counts = Counter(shingle for place in places for shingle in shingles[place])
    index: dict[int, list[int]] = {}  # shingle -> leaders that have it in their prefix
    for place in places:
        own = shingles[place]
        prefix = sorted(own, key=lambda shingle: (counts[shingle], shingle))[: len(own) - ceil(SIMILAR * len(own)) + 1]
        best, leader = 0.0, -1
        for other in sorted({other for shingle in prefix for other in index.get(shingle, ())}):
            shared = len(own & shingles[other])
            similarity = shared / (len(own) + len(shingles[other]) - shared)
            if similarity > best:
                best, leader = similarity, other
        if best >= SIMILAR:
            yield place, leader
            continue
        for shingle in prefix:
            if counts[shingle] > 1:
                index.setdefault(shingle, []).append(place)
