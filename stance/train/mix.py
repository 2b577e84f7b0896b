"""Data sets to training examples: which labels a set really has, which splits may be learned from, how much of each.

A set that lacks a label says nothing about it (None): it is never filled with zeros. What is known to be wrong with a
set stands at its reader.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError

Row = dict[str, Any]  # one line of a data file
Attributes = tuple[int | None, ...]  # one of 0, 1, None (unknown) an attribute, in the order of TOXICITY

UNKNOWN: Attributes = (None,) * len(TOXICITY)


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what is known of it."""

    text: str
    sides: tuple[tuple[str, int], ...] = ()  # the words of a side, the position of its label in STANCES
    toxicity: Attributes = UNKNOWN
    sentiment: int | None = None  # position in SENTIMENTS


def read_rows(data: Path, name: str) -> Iterator[Row]:
    """The rows of ``data``/``name``.jsonl.gz ("conflict/tweets_train"). StanceError where it is missing or broken."""
    path = data / f"{name}.jsonl.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise StanceError(f"{path}:{number}: not a JSON line ({error.msg}): restore the file") from error
    except (OSError, EOFError) as error:
        message = f"{path}: cannot be read ({error}): name the folder of data sets with --data"
        raise StanceError(message) from error


def read_set(data: Path, name: str) -> list[Example]:
    """All training examples of a set, in file order. StanceError for an unknown set or an empty one."""
    reader = READERS.get(name)
    if reader is None:
        raise StanceError(f"recipe: unknown set {name!r}: use one of {', '.join(sorted(READERS))}")
    examples = list(reader(read_rows(data, name)))
    if reader is read_unlabelled:
        examples = leave_out_labelled(examples, data)
    if not examples:
        raise StanceError(f"{data / name}: no training rows: take it out of the recipe or restore the file")
    return examples


LABELLED = [f"conflict/{name}_{split}" for name in ("tweets", "authored", "forum") for split in ("train", "dev")]


def leave_out_labelled(examples: list[Example], data: Path) -> list[Example]:
    """The texts that no labelled set has: most of tweets_dev stands among the unlabelled tweets as well."""

    def start(text: str) -> str:  # the ends differ: links, and where a copy was cut
        return " ".join(re.findall(r"\w+", text.lower()))[:60]

    labelled = {start(row["text"]) for name in LABELLED for row in read_rows(data, name)}
    return [example for example in examples if start(example.text) not in labelled]


def read_conflict(rows: Iterable[Row]) -> Iterator[Example]:
    """Labelled by hand to the codebook: every label is known."""
    for row in rows:
        yield Example(
            text=row["text"],
            sides=tuple((side, STANCES.index(label)) for side, label in row["stance"].items()),
            toxicity=tuple(int(attribute in row["toxicity"]) for attribute in TOXICITY),
            sentiment=SENTIMENTS.index(row["sentiment"]),
        )


def read_targets(splits: tuple[str, ...]) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """A public stance set: the rows of one text are joined, so that its targets share a pass."""

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        by_text: dict[str, dict[str, int]] = {}
        for row in rows:
            if row["split"] in splits:
                by_text.setdefault(row["text"], {})[row["target"]] = STANCES.index(row["label"])
        for text, targets in by_text.items():
            yield Example(text, tuple(targets.items()))

    return read


def read_jigsaw(rows: Iterable[Row]) -> Iterator[Example]:
    names = ("toxic", "insult", "threat", "obscene", "identity_hate")  # in the order of TOXICITY
    for row in rows:
        if row["split"] == "train":
            yield Example(row["text"], toxicity=tuple(row["labels"].get(name) for name in names))


def read_civil_types(rows: Iterable[Row]) -> Iterator[Example]:
    """Shares of annotators who marked a span of a type: evidence that it is there, never that it is not.

    The splits tsd_trial and tsd_test are the trial and test of Toxic Spans.
    """
    for row in rows:
        if row["split"] in ("tsd_none", "tsd_train"):
            found = [row["labels"].get(name, 0) >= 0.5 for name in TOXICITY[1:]]
            if any(found):
                yield Example(row["text"], toxicity=(1, *(1 if yes else None for yes in found)))


def read_identity_debias(rows: Iterable[Row]) -> Iterator[Example]:
    """Sentences of encyclopedia articles that name a group: neither toxic nor an attack on it."""
    for row in rows:
        if row["split"] == "train":
            yield Example(row["text"], toxicity=(0, None, None, None, 0))


def read_insults(rows: Iterable[Row]) -> Iterator[Example]:
    """Only insults to somebody in the conversation count: a 0 is not clean, so it says nothing of toxicity."""
    for row in rows:
        if row["split"] == "train":
            yield Example(row["text"], toxicity=(1 if row["label"] else None, row["label"], None, None, None))


def read_hate(label: Callable[[Row], int | None]) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """A set of hate against groups: it knows identity_attack, and nothing of rudeness."""

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        for row in rows:
            value = label(row)
            if value is not None:
                yield Example(row["text"], toxicity=(None, None, None, None, value))

    return read


def label_hatexplain(row: Row) -> int | None:
    known = {"hatespeech": 1, "normal": 0}  # "offensive" may or may not attack a group
    return known.get(row["label"]) if row["split"] == "train" else None


def label_dynahate(row: Row) -> int | None:
    return int(row["label"]) if row["split"] == "valid" else None


def read_sentiment(split: str) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """Labels outside SENTIMENTS ("ambiguous", "mixed") are left out."""

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        for row in rows:
            if row["split"] == split and row["label"] in SENTIMENTS:
                yield Example(row["text"], sentiment=SENTIMENTS.index(row["label"]))

    return read


def read_unlabelled(rows: Iterable[Row]) -> Iterator[Example]:
    """Texts alone: the recipe says who labels them."""
    for row in rows:
        yield Example(row["text"])


READERS: dict[str, Callable[[Iterable[Row]], Iterator[Example]]] = {
    "conflict/tweets_train": read_conflict,
    "conflict/authored_train": read_conflict,
    "conflict/forum_train": read_conflict,
    "stance/vast": read_targets(("train",)),
    "stance/pstance": read_targets(("train",)),
    "stance/mt_csd": read_targets(("train",)),
    "stance/ruw": read_targets(("train",)),
    "stance/newsmtsc": read_targets(("train",)),
    "stance/mtsd": read_targets(("train",)),
    "stance/gwsd": read_targets(("train",)),
    "stance/iac_4forums": read_targets(("train",)),
    "stance/spinos": read_targets(("all",)),
    "stance/karabakh_tweets_unlabelled": read_unlabelled,
    "toxicity/jigsaw_multilabel": read_jigsaw,
    "toxicity/jigsaw_train_nontoxic": read_jigsaw,
    "toxicity/civil_toxic_types": read_civil_types,
    "toxicity/wiki_identity_debias": read_identity_debias,
    "toxicity/kaggle_insults": read_insults,
    "toxicity/hatexplain": read_hate(label_hatexplain),
    "toxicity/dynahate_subset": read_hate(label_dynahate),
    "sentiment/semeval2017_sentiment": read_sentiment("train"),
    "sentiment/goemotions": read_sentiment("train"),
    "sentiment/sst5": read_sentiment("train"),
}


def draw_epoch(examples: list[Example], passes: float, chance: random.Random) -> list[Example]:
    """``passes`` times over a set: whole passes, then a random part of one."""
    whole = int(passes)
    part = chance.sample(examples, round((passes - whole) * len(examples)))
    return examples * whole + part


def augment(example: Example, swap: float, chance: random.Random) -> Example:
    """The example as an epoch shows it: hashtags, nations and the words of its sides vary, labels do not.

    Half of the texts with hashtags lose them: they give the side away in tweets and are missing elsewhere. A share
    ``swap`` of Karabakh texts have their two nations swapped, so that what is said decides, not who is named. Half of
    the sides are read with other names beside their own, as a topic may give them.
    """
    if "#" in example.text and chance.random() < 0.5:
        bare = re.sub(r"#\w+", " ", example.text)
        if len(bare.split()) >= 4:
            example = replace(example, text=bare)
    names = {name for name, _ in example.sides}
    if swap and {"Armenia", "Azerbaijan"} <= names and chance.random() < swap:
        example = swap_nations(example)
    return replace(example, sides=tuple((add_aliases(name, chance), label) for name, label in example.sides))


ALIASES = {
    "Armenia": ("Armenians", "Armenian", "Artsakh", "Yerevan", "Pashinyan", "Stepanakert"),
    "Azerbaijan": ("Azerbaijanis", "Azerbaijani", "Azeris", "Azeri", "Baku", "Aliyev"),
    "Russia": ("Russians", "Russian", "Moscow", "Kremlin", "Putin"),
    "Ukraine": ("Ukrainians", "Ukrainian", "Kyiv", "Kiev", "Zelensky"),
    "Turkey": ("Turks", "Turkish", "Ankara", "Erdogan"),
    "Iran": ("Iranians", "Iranian", "Tehran", "Ahmadinejad"),
    "Iraq": ("Iraqis", "Iraqi", "Baghdad", "Saddam"),
    "Israel": ("Israelis", "Israeli", "Tel Aviv", "Netanyahu"),
    "China": ("Chinese", "Beijing", "Xi"),
    "India": ("Indians", "Indian", "Delhi", "Modi"),
    "Pakistan": ("Pakistanis", "Pakistani", "Islamabad"),
    "Afghanistan": ("Afghans", "Afghan", "Kabul", "Karzai"),
    "Germany": ("Germans", "German", "Berlin"),
    "France": ("French", "Paris", "Macron"),
    "Britain": ("British", "Brits", "London", "UK"),
    "United States": ("Americans", "American", "USA", "Washington"),
    "United Nations": ("UN", "Security Council"),
    "European Union": ("EU", "Brussels"),
    "Muslims": ("Muslim", "Islam", "Islamic"),
    "Japan": ("Japanese", "Tokyo"),
    "Vietnam": ("Vietnamese", "Hanoi"),
    "Saudi Arabia": ("Saudis", "Saudi", "Riyadh"),
    "Serbia": ("Serbs", "Serbian", "Belgrade"),
    "Greece": ("Greeks", "Greek", "Athens"),
}


def add_aliases(name: str, chance: random.Random) -> str:
    """Half of the time, a few of a side's other names behind its own."""
    others = ALIASES.get(name, ())
    if not others or chance.random() < 0.5:
        return name
    return ", ".join([name, *chance.sample(others, chance.randint(2, min(5, len(others))))])


SWAPS = [
    ("Armenia", "Azerbaijan"),
    ("Armenian", "Azerbaijani"),
    ("Armenians", "Azerbaijanis"),
    ("Yerevan", "Baku"),
    ("Pashinyan", "Aliyev"),
    ("Nikol", "Ilham"),
    ("Shushi", "Shusha"),
    ("Stepanakert", "Khankendi"),
    ("Artsakh", "Qarabag"),
    ("Hayastan", "Azerbaycan"),
]
SWAPPED = {one.lower(): other for pair in SWAPS for one, other in (pair, pair[::-1])} | {
    "azeri": "Armenian",
    "azeris": "Armenians",
}
SWAP_PATTERN = re.compile(rf"(?<![A-Za-z])({'|'.join(sorted(SWAPPED, key=len, reverse=True))})(?![a-z])", re.I | re.A)


def swap_nations(example: Example) -> Example:
    """Armenia for Azerbaijan and back, with peoples, leaders and places, in the text and in its labels."""
    text = SWAP_PATTERN.sub(lambda found: SWAPPED[found.group().lower()], example.text)
    other = {"Armenia": "Azerbaijan", "Azerbaijan": "Armenia"}
    return replace(example, text=text, sides=tuple((other.get(name, name), label) for name, label in example.sides))
