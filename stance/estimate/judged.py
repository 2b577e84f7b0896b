"""The judged posts of a table as arrays, the things whose shares are estimated, and what people say of a sample.

A ``Quantity`` is something that a post has or has not: favor toward a side, an attribute of toxicity, a tone.
Estimates, comparisons and gold all ask a table for quantities through this module, so that they count the same posts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stance.records import SENTIMENTS, STANCES, TOXICITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

ABSTAINED_CODE, NOT_JUDGED_CODE = -1, -2  # beside the positions of a label
ANY = "any"  # attribute of toxicity, or more


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The posts of one thread that shares are taken over, in the order of the thread: n of them, s sides.

    A post that a head does not judge has NaN there and NOT_JUDGED_CODE for a label.
    """

    thread: str
    title: str | None
    sides: tuple[str, ...]
    rows: NDArray[np.int64]  # (n,), of the table
    ids: tuple[str, ...]  # of the posts
    authors: tuple[str | None, ...]
    times: NDArray[np.float64]  # (n,), seconds since 1970, NaN where not known
    stance: NDArray[np.float64]  # (n, s, 3), probabilities as STANCES
    stance_label: NDArray[np.int8]  # (n, s), positions in STANCES, or ABSTAINED_CODE, NOT_JUDGED_CODE
    toxicity: NDArray[np.float64]  # (n, 5), probabilities as TOXICITY
    present: NDArray[np.bool_]  # (n, 5), whether at or over the attribute's threshold
    sentiment: NDArray[np.float64]  # (n, 3), probabilities as SENTIMENTS
    sentiment_label: NDArray[np.int8]  # (n,), positions in SENTIMENTS, or a code as above


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something a post has or has not, and whose share may be asked for."""

    head: str  # of HEADS
    subject: str  # of stance the side's name, of toxicity the attribute or ANY, of sentiment ""
    outcome: str  # of STANCES, "toxic" or of SENTIMENTS

    @property
    def name(self) -> str:
        """In words: "Armenia: favor", "toxicity: insult", "sentiment: negative"."""
        if self.head == "stance":
            return f"{self.subject}: {self.outcome}"
        return f"{self.head}: {(self.subject or self.outcome).replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A post that was drawn to be labelled."""

    thread: str
    post: str  # id in the thread
    stratum: str  # name; "" in a simple sample
    probability: float  # of its being drawn, over 0 to 1


@dataclass(frozen=True, slots=True)
class Stratum:
    """How many judged posts of a thread a stratum holds."""

    thread: str
    name: str
    posts: int


@dataclass(frozen=True, slots=True)
class GoldLabel:
    """What one coder says of one post; None where the coder left it open."""

    thread: str
    post: str  # id in the thread
    coder: str
    stance: tuple[str | None, ...]  # of STANCES, one a side in the order of ``Gold.sides``
    toxicity: tuple[bool | None, ...]  # as TOXICITY
    sentiment: str | None  # of SENTIMENTS


@dataclass(frozen=True, slots=True)
class Gold:
    """A drawn sample and what coders say of it."""

    topic: str
    sides: tuple[str, ...]  # names
    seed: int
    strata: tuple[Stratum, ...]  # every one that was drawn from, by thread; a simple sample has one a thread
    drawn: tuple[Drawn, ...]  # in the order in which they are to be labelled, which is random
    labels: tuple[GoldLabel, ...]  # a post of the shared part has one a coder
    coders: tuple[str, ...]  # the first one's labels count; the others' are for agreement


def read_judged(table: pa.Table) -> list[Judged]:
    """The judged posts of each thread of a table, in the order of the table; of a thread without any, none of them."""
    from stance.table import read_manifest

    manifest = read_manifest(table)
    thread = table.column("thread").combine_chunks()
    names = list(dict.fromkeys(thread.to_pylist()))
    codes = {name: code for code, name in enumerate(names)}
    place = np.array([codes[name] for name in thread.to_pylist()], np.int64)
    sides = len(manifest.sides)
    stance, stance_label = _stance_columns(table, sides)
    toxicity = _struct_numbers(table.column("toxicity"), TOXICITY)
    sentiment = _struct_numbers(table.column("sentiment"), SENTIMENTS)
    sentiment_label = _code_labels(_field(table.column("sentiment"), "label"), SENTIMENTS, sentiment[:, 0])
    words = table.column("words").to_numpy().astype(float)
    post = np.array(table.column("kind").combine_chunks().to_pylist(), object) == "post"
    given = ~(np.isnan(stance).all((1, 2)) & np.isnan(toxicity).all(1) & np.isnan(sentiment).all(1))
    counts = post & (np.nan_to_num(words) > 0) & given
    ids, authors = table.column("id").to_pylist(), table.column("author").to_pylist()
    times = _times(table.column("time"))
    with np.errstate(invalid="ignore"):
        present = toxicity >= np.array(manifest.toxicity_threshold)
    found = []
    for code, name in enumerate(names):
        rows = np.flatnonzero(counts & (place == code))
        found.append(
            Judged(
                thread=name,
                title=manifest.title if len(names) == 1 else None,
                sides=tuple(side.name for side in manifest.sides),
                rows=rows,
                ids=tuple(ids[row] for row in rows),
                authors=tuple(authors[row] for row in rows),
                times=times[rows],
                stance=stance[rows],
                stance_label=stance_label[rows],
                toxicity=toxicity[rows],
                present=present[rows],
                sentiment=sentiment[rows],
                sentiment_label=sentiment_label[rows],
            )
        )
    return found


def list_quantities(sides: Sequence[str]) -> list[Quantity]:
    """Every quantity of a topic: stance toward each side, toxicity (ANY first), sentiment."""
    stance = [Quantity("stance", side, outcome) for side in sides for outcome in STANCES]
    toxicity = [Quantity("toxicity", attribute, "toxic") for attribute in (ANY, *TOXICITY)]
    return [*stance, *toxicity, *(Quantity("sentiment", "", outcome) for outcome in SENTIMENTS)]


def probabilities(judged: Judged, quantity: Quantity) -> NDArray[np.float64]:
    """(n,): the tagger's probability that each post has it, of ANY the highest; NaN where not judged."""
    if quantity.head == "stance":
        return judged.stance[:, judged.sides.index(quantity.subject), STANCES.index(quantity.outcome)]
    if quantity.head == "sentiment":
        return judged.sentiment[:, SENTIMENTS.index(quantity.outcome)]
    if quantity.subject != ANY:
        return judged.toxicity[:, TOXICITY.index(quantity.subject)]
    return np.asarray(np.fmax.reduce(judged.toxicity, axis=1))


def labels(judged: Judged, quantity: Quantity) -> NDArray[np.float64]:
    """(n,): 1 where the tagger's label says that a post has it, 0 where it does not or the tagger abstains, NaN where
    not judged."""
    if quantity.head == "toxicity":
        places = range(len(TOXICITY)) if quantity.subject == ANY else [TOXICITY.index(quantity.subject)]
        found = judged.present[:, places].any(1).astype(float)
        found[np.isnan(judged.toxicity[:, places]).all(1)] = np.nan
        return found
    names: tuple[str, ...] = STANCES
    codes = judged.sentiment_label
    if quantity.head == "stance":
        codes = judged.stance_label[:, judged.sides.index(quantity.subject)]
    else:
        names = SENTIMENTS
    return np.where(codes == NOT_JUDGED_CODE, np.nan, (codes == names.index(quantity.outcome)).astype(float))


def gold_values(gold: Gold, judged: Judged, quantity: Quantity) -> NDArray[np.float64]:
    """(n,): 1 where the first coder says that a post has it, 0 where not, NaN where the post has no such label.

    The first coder is the first of ``Gold.coders`` who labelled the post.
    """
    order = {coder: place for place, coder in enumerate(gold.coders)}
    chosen: dict[str, tuple[int, float]] = {}
    for label in gold.labels:
        value = _label_value(label, gold.sides, quantity)
        if label.thread == judged.thread and value is not None:
            rank = order.get(label.coder, len(order))
            if label.post not in chosen or rank < chosen[label.post][0]:
                chosen[label.post] = rank, value
    return np.array([chosen[post][1] if post in chosen else np.nan for post in judged.ids], float)


def _label_value(label: GoldLabel, sides: Sequence[str], quantity: Quantity) -> float | None:
    if quantity.head == "toxicity":
        if quantity.subject != ANY:
            value = label.toxicity[TOXICITY.index(quantity.subject)]
            return None if value is None else float(value)
        known = [value for value in label.toxicity if value is not None]
        return float(any(known)) if known else None
    said = label.sentiment
    if quantity.head == "stance":
        said = label.stance[sides.index(quantity.subject)] if quantity.subject in sides else None
    return None if said is None else float(said == quantity.outcome)


def _field(column: pa.ChunkedArray, name: str) -> pa.Array:
    """A field of a column of structs, null where the struct is."""
    import pyarrow.compute as pc

    return pc.struct_field(column.combine_chunks(), name)


def _struct_numbers(column: pa.ChunkedArray, names: Sequence[str]) -> NDArray[np.float64]:
    """(rows, names), NaN for null."""
    return np.stack([_field(column, name).to_numpy(zero_copy_only=False).astype(float) for name in names], axis=1)


def _stance_columns(table: pa.Table, sides: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """(rows, sides, 3) probabilities and (rows, sides) labels; a row without a tag has NaN and NOT_JUDGED_CODE."""
    column = table.column("stance").combine_chunks()
    values = np.full((len(column), sides, len(STANCES)), np.nan)
    codes = np.full((len(column), sides), NOT_JUDGED_CODE, np.int8)
    tagged = np.asarray(column.is_valid())
    if sides and tagged.any():
        flat = column.flatten()
        numbers = [flat.field(name).to_numpy(zero_copy_only=False).astype(float) for name in STANCES]
        values[tagged] = np.stack(numbers, axis=1).reshape(-1, sides, len(STANCES))
        first = values[tagged][:, :, 0].ravel()
        codes[tagged] = _code_labels(flat.field("label"), STANCES, first).reshape(-1, sides)
    return values, codes


def _code_labels(column: pa.Array, names: Sequence[str], probability: NDArray[np.float64]) -> NDArray[np.int8]:
    """The position of each label in ``names``; where there is none, whether the tagger abstained or did not judge."""
    codes = {name: code for code, name in enumerate(names)}
    found = np.array([codes.get(label, ABSTAINED_CODE) for label in column.to_pylist()], np.int8)
    found[(found == ABSTAINED_CODE) & np.isnan(probability)] = NOT_JUDGED_CODE
    return found


def _times(column: pa.ChunkedArray) -> NDArray[np.float64]:
    import pyarrow as pa

    return np.asarray(column.cast(pa.int64()).to_numpy(), float) / 1e6
