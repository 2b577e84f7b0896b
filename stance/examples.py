"""Labelled sets as examples: which labels a set really has, and which of its splits may be learned from.

A set that lacks a label says nothing about it (None): it is never filled with zeros. What is known to be wrong with a
set stands at its reader.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
    mention: int | None = None  # 1: hostile words are reported, quoted or condemned; 0: used, or there are none
    spans: tuple[tuple[int, int], ...] | None = None  # first character and one past the last of what is toxic
    two_way: bool = False  # its stances are favor or against by construction: nothing is said of "none"


def read_rows(data: Path, name: str) -> Iterator[Row]:
    """The rows of ``data``/``name``.jsonl.gz ("conflict/tweets_train"); "own/NAME" is in this package.

    StanceError where the file is missing or broken.
    """
    path = OWN / f"{name.removeprefix('own/')}.jsonl.gz" if name.startswith("own/") else data / f"{name}.jsonl.gz"
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
    """All training examples of a set, in file order. StanceError for an unknown set, an unknown label or no rows."""
    reader = READERS.get(name)
    if reader is None:
        raise StanceError(f"recipe: unknown set {name!r}: use one of {', '.join(sorted(READERS))}")
    rows = read_rows(data, name)
    if name in TEXTS_OF:
        texts = {row["id"]: row["text"] for row in read_rows(data, TEXTS_OF[name])}
        rows = ({**row, "text": texts[row["id"]]} for row in rows if row["id"] in texts)
    try:
        examples = list(reader(rows))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise StanceError(f"{data / name}: a row lacks a field or has an unknown label ({error!r}): mend it") from error
    if name in TEXTS_OF or reader is read_texts:
        examples = leave_out_held(examples, data)
    if not examples:
        raise StanceError(f"{data / name}: no training rows: take it out of the recipe or restore the file")
    return examples


OWN = Path(__file__).parent / "train" / "data"  # written or labelled for this project
TEXTS_OF = {  # labels of our own whose texts are others' and stay where they are
    "own/tweet_labels": "stance/karabakh_tweets_unlabelled",
    "own/forum_labels": "toxicity/iac_posts_unlabelled",
}
HELD = [f"conflict/{name}_dev" for name in ("tweets", "authored", "forum")]


def leave_out_held(examples: list[Example], data: Path) -> list[Example]:
    """The texts that no set for development has: most of tweets_dev stands among the unlabelled tweets as well."""

    def start(text: str) -> str:  # the ends differ: links, and where a copy was cut
        return " ".join(re.findall(r"\w+", text.lower()))[:60]

    held = {start(row["text"]) for name in HELD for row in read_rows(data, name)}
    return [example for example in examples if start(example.text) not in held]


def read_conflict(rows: Iterable[Row]) -> Iterator[Example]:
    """Labelled by hand to the codebook: every label is known."""
    for row in rows:
        yield Example(
            text=row["text"],
            sides=tuple((side, STANCES.index(label)) for side, label in row["stance"].items()),
            toxicity=tuple(int(attribute in row["toxicity"]) for attribute in TOXICITY),
            sentiment=SENTIMENTS.index(row["sentiment"]),
            mention=int(row["mention"]) if "mention" in row else None,
        )


def read_targets(*splits: str, two_way: bool = False) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """A public stance set: the rows of one text are joined, so that its targets share a pass."""

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        by_text: dict[str, dict[str, int]] = {}
        for row in rows:
            if row["split"] in splits:
                by_text.setdefault(row["text"], {})[row["target"]] = STANCES.index(row["label"])
        for text, targets in by_text.items():
            yield Example(text, tuple(targets.items()), two_way=two_way)

    return read


def read_inference(rows: Iterable[Row]) -> Iterator[Example]:
    """Natural language inference: a premise is for, against or silent about what the hypothesis says."""
    labels = {"entailment": "favor", "contradiction": "against", "neutral": "none"}
    for row in rows:
        if row["split"] == "train":
            yield Example(row["premise"], ((row["hypothesis"], STANCES.index(labels[row["label"]])),))


def read_spans(*splits: str) -> Callable[[Iterable[Row]], Iterator[Example]]:
    """Posts of Civil Comments, all of them chosen for being toxic; ``spans`` lists the toxic characters."""

    def read(rows: Iterable[Row]) -> Iterator[Example]:
        for row in rows:
            if row["split"] in splits:
                yield Example(row["text"], spans=tuple(join_characters(row["spans"])))

    return read


def join_characters(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Places of characters as stretches."""
    start, end = -1, -1
    for place in sorted(places):
        if place != end:
            if end > start:
                yield start, end
            start = place
        end = place + 1
    if end > start:
        yield start, end


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


def read_offence(rows: Iterable[Row]) -> Iterator[Example]:
    """Tweets: swearing, or an attack on somebody."""
    for row in rows:
        if row["split"] == "train":
            yield Example(row["text"], toxicity=(int(row["label"] == "OFF"), None, None, None, None))


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


def read_texts(rows: Iterable[Row]) -> Iterator[Example]:
    """Texts alone, for a stage that guesses hidden words."""
    for row in rows:
        yield Example(row["text"])


READERS: dict[str, Callable[[Iterable[Row]], Iterator[Example]]] = {
    "conflict/tweets_train": read_conflict,
    "conflict/forum_train": read_conflict,
    "stance/vast": read_targets("train"),
    "stance/pstance": read_targets("train"),
    "stance/mt_csd": read_targets("train"),
    "stance/ruw": read_targets("train"),
    "stance/newsmtsc": read_targets("train"),
    "stance/mtsd": read_targets("train"),
    "stance/gwsd": read_targets("train"),
    "stance/iac_4forums": read_targets("train"),
    "stance/spinos": read_targets("all"),
    "stance/ibm_argq30k": read_targets("train", two_way=True),
    "stance/perspectrum": read_targets("train", two_way=True),
    "stance/procon20": read_targets("train", two_way=True),
    "stance/iam": read_targets("train", two_way=True),
    "stance/nli_cad": read_inference,
    "stance/nli_conjnli": read_inference,
    "stance/nli_taxinli": read_inference,
    "stance/karabakh_tweets_unlabelled": read_texts,
    "toxicity/iac_posts_unlabelled": read_texts,
    "own/authored_train": read_conflict,
    "own/authored_more": read_conflict,
    "own/tweet_labels": read_conflict,
    "own/forum_labels": read_conflict,
    "toxicity/jigsaw_multilabel": read_jigsaw,
    "toxicity/jigsaw_train_nontoxic": read_jigsaw,
    "toxicity/civil_toxic_types": read_civil_types,
    "toxicity/toxic_spans": read_spans("train"),
    "toxicity/wiki_identity_debias": read_identity_debias,
    "toxicity/kaggle_insults": read_insults,
    "toxicity/hatexplain": read_hate(label_hatexplain),
    "toxicity/olid": read_offence,
    "toxicity/dynahate_subset": read_hate(label_dynahate),
    "sentiment/semeval2017_sentiment": read_sentiment("train"),
    "sentiment/goemotions": read_sentiment("train"),
    "sentiment/sst5": read_sentiment("train"),
    "sentiment/vader_tweets": read_sentiment("all"),
}
