"""The shares of a report, each with what it rests on, and the words in which the page says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stance.estimate import (
    CORRECTED,
    GOLD_ONLY,
    HEADS,
    IN_FULL,
    PREDICTED,
    STANCE_OUTCOMES,
    Row,
    Share,
    judged_heads,
    present_attributes,
    stance_outcome,
)
from stance.html import percent
from stance.records import SENTIMENTS, STANCES, TOXICITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from stance.estimate.judged import Gold, Judged, Quantity
    from stance.table import Manifest

ANY = "any"  # attribute of toxicity, or more
RANK_FLOOR = 10  # judged posts that an author must have to stand in a ranking
NEXT_STEP = (
    "Draw a sample with `stance gold draw`, label it by hand, and make the report again with --gold: then the shares"
    " are corrected for the tagger's errors."
)


@dataclass(frozen=True, slots=True)
class RankLine:
    """A named author's share of toxic posts."""

    author: str
    share: Share


@dataclass(frozen=True, slots=True)
class Numbers:
    """Every share of a report."""

    stance: tuple[dict[str, Share], ...]  # by STANCES, one a side; empty where no post is judged
    toxicity: dict[str, Share]  # by attribute, of those that are judged, and ANY
    sentiment: dict[str, Share]  # by SENTIMENTS
    crossings: tuple[dict[str, Share], ...]  # by STANCE_OUTCOMES the share of toxic posts, one a side
    ranked: tuple[RankLine, ...]  # named authors with RANK_FLOOR judged posts or more; empty unless asked for
    gold: Gold | None  # what people say of the thread's posts; None where they labelled none of them

    @property
    def shares(self) -> list[Share]:
        """Those of the whole thread."""
        return [share for group in (*self.stance, self.toxicity, self.sentiment) for share in group.values()]


@dataclass(frozen=True, slots=True)
class Status:
    """What a group of shares rests on, in words for the page."""

    pill: str
    validated: bool  # whether people labelled posts for all of them
    banded: bool  # whether one has a sensitivity band


def estimate_numbers(
    table: pa.Table, rows: Sequence[Row], manifest: Manifest, gold: Gold | None, rank: bool
) -> Numbers:
    """The shares of the one thread of a table; ``rank`` asks for those of authors too."""
    from stance.estimate.judged import read_judged

    found = read_judged(table)
    if not found or not len(found[0].rows):
        return Numbers((), {}, {}, (), (), None)
    judged, heads = found[0], judged_heads(rows)
    gold = None if gold is None else _gold_of(gold, judged)
    stance = tuple(
        _estimate_group(judged, "stance", side.name, gold, manifest.errors)
        for side in (manifest.sides if "stance" in heads else ())
    )
    toxicity = _estimate_group(judged, "toxicity", "", gold, manifest.errors)
    return Numbers(
        stance=stance,
        toxicity=toxicity,
        sentiment=_estimate_group(judged, "sentiment", "", gold, manifest.errors),
        crossings=tuple(_cross(judged, rows, side, gold, manifest) for side in range(len(stance))) if toxicity else (),
        ranked=tuple(_rank_authors(judged, gold, manifest)) if rank and toxicity else (),
        gold=gold,
    )


def describe_status(shares: Iterable[Share]) -> Status:
    """The words of the mark that stands over figures and tables."""
    found = list(shares)
    labelled = max((share.labelled for share in found), default=0)
    hands = "1 hand label" if labelled == 1 else f"{labelled} hand labels"
    words = {
        CORRECTED: f"Corrected by {hands}",
        GOLD_ONLY: f"From {hands} alone",
        IN_FULL: "All posts labelled by hand",
    }
    bases = [basis for basis in (CORRECTED, GOLD_ONLY, IN_FULL, PREDICTED) if basis in {one.basis for one in found}]
    pill = "Partly by hand labels: see the numbers"
    if bases in ([], [PREDICTED]):
        pill = "Not validated: predicted shares"
    elif len(bases) == 1:
        pill = words[bases[0]]
    elif bases == [CORRECTED, GOLD_ONLY]:
        pill = f"{words[CORRECTED]}, rare ones from these alone"
    return Status(pill, PREDICTED not in bases and bool(bases), any(share.band is not None for share in found))


def share_words(share: Share) -> str:
    """A share with its interval: "29% (17 to 44)"; without one where every post was labelled by hand."""
    return f"{share.share:.0%}" if share.basis == IN_FULL else percent(share)


def band_words(share: Share) -> str:
    """The sensitivity band in percent, "0 to 31"; empty where there is none."""
    return "" if share.band is None else f"{share.band[0] * 100:.0f} to {share.band[1] * 100:.0f}"


def list_unjudged(rows: Sequence[Row], numbers: Numbers, manifest: Manifest) -> list[str]:
    """What the tagger judges on no post: heads and attributes by name; empty where it judges no post at all."""
    heads = judged_heads(rows)
    missing = [head for head in HEADS if head not in heads and (head != "stance" or manifest.sides)]
    missing += [name for name in TOXICITY if numbers.toxicity and name not in numbers.toxicity]
    return missing if heads else []


def select_judged(judged: Judged, chosen: NDArray[np.bool_]) -> Judged:
    """Some of the posts, as if they were the thread."""
    places = chosen.nonzero()[0].tolist()
    return replace(
        judged,
        rows=judged.rows[chosen],
        ids=tuple(judged.ids[place] for place in places),
        authors=tuple(judged.authors[place] for place in places),
        times=judged.times[chosen],
        stance=judged.stance[chosen],
        stance_label=judged.stance_label[chosen],
        toxicity=judged.toxicity[chosen],
        present=judged.present[chosen],
        sentiment=judged.sentiment[chosen],
        sentiment_label=judged.sentiment_label[chosen],
    )


def _estimate_group(
    judged: Judged, head: str, subject: str, gold: Gold | None, errors: Mapping[str, object]
) -> dict[str, Share]:
    """The shares of a head that is judged, by outcome, of toxicity by attribute."""
    from stance.estimate.correct import estimate_quantity
    from stance.estimate.judged import Quantity, labels

    names = {"stance": STANCES, "sentiment": SENTIMENTS, "toxicity": (ANY, *TOXICITY)}[head]
    found = {}
    for name in names:
        quantity = Quantity(head, name, "toxic") if head == "toxicity" else Quantity(head, subject, name)
        values = labels(judged, quantity)
        if (values == values).any():  # NaN is not itself: not judged
            share = estimate_quantity(judged, quantity, gold, errors)
            if share is not None:
                found[name] = share
    return found


def _gold_of(gold: Gold, judged: Judged) -> Gold | None:
    """The gold where it has a label of this thread."""
    known = set(judged.ids)
    own = any(label.thread == judged.thread and label.post in known for label in gold.labels)
    return gold if own else None


def _toxic(judged: Judged, gold: Gold | None, manifest: Manifest) -> Share | None:
    from stance.estimate.correct import estimate_quantity
    from stance.estimate.judged import Quantity, labels

    quantity: Quantity = Quantity("toxicity", ANY, "toxic")
    values = labels(judged, quantity)
    return estimate_quantity(judged, quantity, gold, manifest.errors) if (values == values).any() else None


def _cross(judged: Judged, rows: Sequence[Row], side: int, gold: Gold | None, manifest: Manifest) -> dict[str, Share]:
    """The share of toxic posts among those of each label, ANY of the attributes.

    Of a simple random sample what falls among these posts is a simple random sample of them. Of a stratified one it is
    not known how many posts of a stratum lie among them, so there the hand labels are left out.
    """
    import numpy as np

    strata = [one for one in gold.strata if one.thread == judged.thread] if gold is not None else []
    found = {}
    for outcome in STANCE_OUTCOMES:
        chosen = np.array([stance_outcome(rows[row], side) == outcome for row in judged.rows], bool)
        part = select_judged(judged, chosen)
        simple = None if gold is None or len(strata) != 1 else _narrow_gold(gold, part)
        share = _toxic(part, simple, manifest) if len(part.rows) else None
        if share is not None:
            found[outcome] = share
    return found


def _narrow_gold(gold: Gold, part: Judged) -> Gold | None:
    """A simple sample of a thread as one of some of its posts."""
    known = set(part.ids)
    narrow = replace(
        gold,
        strata=tuple(replace(one, posts=len(part.rows)) for one in gold.strata if one.thread == part.thread),
        drawn=tuple(one for one in gold.drawn if one.thread == part.thread and one.post in known),
        labels=tuple(one for one in gold.labels if one.thread == part.thread and one.post in known),
    )
    return narrow if narrow.labels else None


def _rank_authors(judged: Judged, gold: Gold | None, manifest: Manifest) -> list[RankLine]:
    """Named authors by share of toxic posts, from the predictions; by hand only where all posts of one are labelled."""
    import numpy as np

    names = np.array(judged.authors, object)
    lines = []
    for name in dict.fromkeys(author for author in judged.authors if author is not None):
        part = select_judged(judged, names == name)
        if len(part.rows) < RANK_FLOOR:
            continue
        share = _toxic(part, None, manifest)
        full = None if gold is None else _narrow_gold(gold, part)
        if full is not None and len({label.post for label in full.labels}) == len(part.rows):
            share = _toxic(part, full, manifest)
        if share is not None:
            lines.append(RankLine(name, share))
    return sorted(lines, key=lambda line: (-line.share.share, line.author))


def present_codes(row: Row, manifest: Manifest) -> str:
    """Which attributes a post has, as their places in TOXICITY: "02"."""
    return "".join(str(TOXICITY.index(name)) for name in present_attributes(row, manifest.toxicity_threshold))
