"""Data sets by hub name: any set that `datasets` loads, told by the recipe what its columns mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from stance.examples import Example
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError

ATTRIBUTES = len(TOXICITY)


@dataclass(frozen=True, slots=True)
class HubSet:
    """One ``[hub.NAME]`` of a recipe; its stages name it "hub/NAME"."""

    path: str  # OWNER/NAME on the hub, or a folder
    split: str
    text: str  # column of the text
    label: str  # column of the label
    kind: Literal["stance", "toxicity", "sentiment"]  # what the label is of
    labels: dict[str, str]  # the set's label (a class's name, else its value as text) -> ours; others are left out
    target: str | None = None  # stance: column of what the stance is toward
    toward: str | None = None  # stance: what it is toward, where all rows have the same
    config: str | None = None
    revision: str | None = None


def read_hub_set(name: str, given: HubSet) -> list[Example]:
    """All examples of the set. ``labels`` maps to "favor", "against", "none", to "1" and "0", or to a sentiment.

    The hub is asked where the set is not on this machine. StanceError where it cannot be had or has other columns.
    """
    import datasets

    try:
        rows = datasets.load_dataset(given.path, given.config, split=given.split, revision=given.revision)
    except Exception as error:  # datasets has a dozen kinds of its own
        reason = " ".join(str(error).split())[:200]
        raise StanceError(f"hub.{name}: {given.path} cannot be loaded ({reason}): see its page for splits") from error
    if given.kind == "stance" and not (given.target or given.toward):
        raise StanceError(f"hub.{name}: stance toward what? give target (a column) or toward (a text)")
    missing = {given.text, given.label, *filter(None, [given.target])} - set(rows.column_names)
    if missing:
        raise StanceError(f"hub.{name}: no column {', '.join(sorted(missing))}: it has {', '.join(rows.column_names)}")
    examples = list(make_examples(given, rows))
    if not examples:
        raise StanceError(f"hub.{name}: no row has a label of {', '.join(given.labels)}: mend labels in the recipe")
    return examples


def make_examples(given: HubSet, rows: Any) -> Iterator[Example]:
    """The rows whose label is known."""
    names = getattr(rows.features[given.label], "names", None)  # a class is stored as its number
    for row in rows:
        value = row[given.label]
        label = given.labels.get(str(names[value] if names and value is not None else value))
        if label is None or not row[given.text]:
            continue
        if given.kind == "stance":
            toward = str(row[given.target]) if given.target else str(given.toward)
            yield Example(row[given.text], ((toward, STANCES.index(label)),))
        elif given.kind == "sentiment":
            yield Example(row[given.text], sentiment=SENTIMENTS.index(label))
        else:
            yield Example(row[given.text], toxicity=(int(label), *[None] * (ATTRIBUTES - 1)))


def check_labels(place: str, given: HubSet) -> None:
    """StanceError for a label that is not ours."""
    ours: tuple[str, ...] = {"stance": STANCES, "sentiment": SENTIMENTS, "toxicity": ("0", "1")}.get(given.kind, ())
    if not ours:
        raise StanceError(f"{place}: unknown kind {given.kind}: it is stance, toxicity or sentiment")
    if wrong := sorted(set(given.labels.values()) - set(ours)):
        raise StanceError(f"{place}: unknown label {', '.join(wrong)}: map to {', '.join(ours)}")
