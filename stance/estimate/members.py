"""The threads of a comparison, each cut down to what comparisons need, so that hundreds fit in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate.correct import estimate_quantity
from stance.estimate.judged import Gold, Quantity, labels, list_quantities, read_judged
from stance.estimate.words import Uses, find_uses
from stance.records import StanceError
from stance.table import read_manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from stance.estimate import Share

NOT_JUDGED = -1  # beside 0 and 1 in ``Member.has``


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One thread of a comparison: n judged posts, q quantities in the order of ``list_quantities(sides)``."""

    name: str  # the thread's id
    title: str | None
    source: str | None  # path as given
    digest: str | None  # of the source's bytes
    sides: tuple[str, ...]
    tagger: str  # name, start of its hash, version of this program
    posts: int  # judged or not
    labelled: int  # judged posts with a hand label of any kind
    has: NDArray[np.int8]  # (n, q): 1 where the tagger's label says so, 0 where not, NOT_JUDGED
    authors: tuple[str | None, ...]  # (n,)
    times: NDArray[np.float64]  # (n,), seconds since 1970, NaN where not known
    shares: tuple[Share | None, ...]  # (q,); None where no post is judged
    words: Uses

    @property
    def judged(self) -> int:
        """How many posts are judged."""
        return len(self.authors)

    @property
    def people(self) -> int:
        """How many named authors wrote them."""
        return len({author for author in self.authors if author is not None})

    @property
    def label(self) -> str:
        """Title, else id, on one line."""
        return " ".join((self.title or self.name).split()) or self.name


def read_members(table: pa.Table, gold: Gold | None, vocabulary: dict[str, int]) -> list[Member]:
    """The threads of a table, those without a judged post among them.

    ``vocabulary`` holds the words of the threads read so far, by their places; those of this table are added to it.
    """
    manifest = read_manifest(table)
    tagger = f"{manifest.tagger} {manifest.tagger_sha256[:12]}, stance {manifest.version}"
    names = table.column("thread").to_pylist()
    kinds = table.column("kind").to_pylist()
    posts = dict.fromkeys(names, 0)
    for name, kind in zip(names, kinds, strict=True):
        posts[name] += kind == "post"
    found = []
    for judged in read_judged(table):
        quantities = list_quantities(judged.sides)
        values = [labels(judged, quantity) for quantity in quantities]
        has = np.stack([np.where(np.isnan(one), NOT_JUDGED, one) for one in values], axis=1).astype(np.int8)
        own = None if gold is None else narrow_gold(gold, judged.thread)
        said = set() if own is None else {label.post for label in own.labels}
        shares = tuple(
            estimate_quantity(judged, quantity, own, manifest.errors) if len(judged.ids) else None
            for quantity in quantities
        )
        found.append(
            Member(
                name=judged.thread,
                title=judged.title,
                source=manifest.source,
                digest=manifest.source_sha256,
                sides=judged.sides,
                tagger=tagger,
                posts=posts[judged.thread],
                labelled=len(said.intersection(judged.ids)),
                has=has,
                authors=judged.authors,
                times=judged.times,
                shares=shares,
                words=find_uses(table, judged, vocabulary),
            )
        )
    return found


def narrow_gold(gold: Gold, thread: str) -> Gold:
    """What concerns one thread: of hundreds, each would be searched for its labels once a quantity."""
    return replace(
        gold,
        strata=tuple(one for one in gold.strata if one.thread == thread),
        drawn=tuple(one for one in gold.drawn if one.thread == thread),
        labels=tuple(one for one in gold.labels if one.thread == thread),
    )


def check_sides(first: Member, other: Member) -> None:
    """StanceError where two threads were not judged toward the same sides in the same order."""
    if first.sides != other.sides:
        raise StanceError(
            f"{other.source or other.name}: its sides are {', '.join(other.sides) or 'none'}, those of"
            f" {first.source or first.name} are {', '.join(first.sides) or 'none'}. Compare threads of one topic."
        )


def quantities_of(members: Sequence[Member]) -> list[Quantity]:
    """The quantities that all the threads are compared by."""
    return list_quantities(members[0].sides) if members else []
