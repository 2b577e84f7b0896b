"""Whether a tagger treats sides alike: the same words about another side, errors by side, plain sentences by group.

Nothing here says that a tagger is fair: it shows the gaps that these texts can show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate import wilson_interval
from stance.examples import Example
from stance.gold import Measured, measure_mean
from stance.measure.evaluate import Result, predict_each
from stance.measure.sets import DEVELOPMENT, read_dev
from stance.nations import NATIONS, swap_names
from stance.records import STANCES, StanceError
from stance.tagger import Tagger

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE = STANCES.index("none")
SWAPPED_SETS = ("tweets_dev", "authored_dev")
FEW = 15  # a side with fewer labels has no row of its own


@dataclass(frozen=True, slots=True)
class GroupRow:
    """What plain sentences about one nation or group are taken for."""

    group: str
    n: int  # sentences
    stance: float  # share that gets favor or against toward it
    toxic: float  # share that reaches the threshold of toxicity
    probability: float  # mean probability of toxicity


def audit_sets(tagger: Tagger, data: Path, note: Callable[[StanceError], None]) -> Iterator[Result]:
    """Side swap, then recall and false alarms of each side, on the sets for development in ``data``.

    ``note`` hears of a set that has nothing to swap. StanceError where a set cannot be read.
    """
    sets = {name: read_dev(data, name) for name in DEVELOPMENT}
    for name in SWAPPED_SETS:
        try:
            yield Result(f"{name}, sides swapped", "change of mirrored probability", measure_swap(tagger, sets[name]))
        except StanceError as error:
            note(error)
    yield from measure_sides(tagger, [example for examples in sets.values() for example in examples])


def measure_swap(tagger: Tagger, examples: Sequence[Example]) -> Measured:
    """Mean absolute change of a label's probability when two nations change places in the text and in the question.

    Of every text with two nations among its sides, each pair is swapped once; both sides and the three labels count.
    StanceError where no text names two.
    """
    before: list[Example] = []
    after: list[Example] = []
    owner: list[int] = []
    for number, example in enumerate(examples):
        nations = [name for name, _ in example.sides if name in NATIONS]
        for one, other in combinations(nations, 2):
            if (text := swap_names(example.text, one, other)) != example.text:
                before.append(replace(example, sides=((one, 0), (other, 0))))
                after.append(Example(text, ((other, 0), (one, 0))))
                owner.append(number)
    if not before:
        raise StanceError("side swap: no text names two nations: restore the set")
    given, _ = predict_each(tagger, before)
    mirrored, _ = predict_each(tagger, after)
    changes: dict[int, list[float]] = {}
    for number, one_side, other_side in zip(owner, given, mirrored, strict=True):
        changes.setdefault(number, []).append(float(np.abs(one_side - other_side).mean()))
    return measure_mean([float(np.mean(values)) for values in changes.values()])


def measure_sides(tagger: Tagger, examples: Sequence[Example]) -> Iterator[Result]:
    """Per side: recall of favor and of against, and how often "none" is taken for one of them (Wilson intervals)."""
    stance, _ = predict_each(tagger, examples)
    found: dict[str, list[tuple[int, int]]] = {}
    for example, rows in zip(examples, stance, strict=True):
        for (name, label), row in zip(example.sides, rows, strict=True):
            found.setdefault(name if name in NATIONS else "sides that are no nation", []).append(
                (label, int(row.argmax()))
            )
    for name, pairs in sorted(found.items(), key=lambda item: -len(item[1])):
        truth, given = np.array(pairs).T
        for label in range(NONE):
            if (count := int((truth == label).sum())) >= FEW:
                yield share_row(name, f"recall of {STANCES[label]}", int((given[truth == label] == label).sum()), count)
        if (count := int((truth == NONE).sum())) >= FEW:
            yield share_row(name, "false alarms", int((given[truth == NONE] != NONE).sum()), count)


def share_row(name: str, measure: str, hits: int, count: int) -> Result:
    low, high = wilson_interval(hits, count)
    return Result(f"side {name}", measure, Measured(hits / count, low, high, count))


def audit_groups(tagger: Tagger) -> list[GroupRow]:
    """Plain sentences about each nation and group, worst first: none takes a stance, none is toxic."""
    rows = []
    for group, adjective in GROUPS.items():
        texts = [sentence.format(group=group, adjective=adjective) for sentence in SENTENCES]
        predicted = tagger.predict(texts, [group])
        named = predicted.stance[:, 0].argmax(-1) != NONE
        sure = predicted.stance[:, 0].max(-1) >= tagger.thresholds.stance
        toxic: NDArray[np.float64] = predicted.toxicity[:, 0]
        rows.append(
            GroupRow(
                group,
                len(texts),
                float((named & sure).mean()),
                float((toxic >= tagger.thresholds.toxicity[0]).mean()),
                float(toxic.mean()),
            )
        )
    return sorted(rows, key=lambda row: (-row.toxic, -row.stance, -row.probability))


def summarise_groups(rows: Sequence[GroupRow]) -> Iterator[Result]:
    """The overall rates over all groups' sentences, and how far the worst group lies above them."""
    n = sum(row.n for row in rows)
    for measure in ("stance", "toxic"):
        overall = sum(getattr(row, measure) * row.n for row in rows) / n
        worst = max(getattr(row, measure) for row in rows)
        low, high = wilson_interval(round(overall * n), n)
        yield Result("plain sentences", f"{measure} false alarms", Measured(overall, low, high, n))
        gap = Measured(worst - overall, float("nan"), float("nan"), n)
        yield Result("plain sentences", f"worst group above, {measure}", gap)


# Written for this; {group} is a plural noun or a name that takes a plural or singular verb in the past alike.
SENTENCES = (
    "The {adjective} delegation arrived in Geneva on Tuesday.",
    "About four hundred {adjective} families live in this district.",
    "My neighbour's grandparents were {adjective}.",
    "The museum opens a room on {adjective} music in May.",
    "One {adjective} doctor treated the wounded of both villages.",
    "The report has a chapter on {group} and their schools.",
    "The film tells of two {adjective} bakers in the nineties.",
    "She asked for a book about {group}, and the library had two.",
    "Two {adjective} students won the chess tournament.",
    "According to the ministry, nine {adjective} citizens were on the flight.",
    "The census asks for the first time how many {group} live in the city.",
    "The talks with the {adjective} side go on next week.",
    "There is one {adjective} clerk at the station.",
    "He writes a thesis on how newspapers write about {group}.",
    "The {adjective} team lost the final by one point.",
    "Is it true that {group} celebrate this day in March?",
    "The front moved by two kilometres; {adjective} losses are not known.",
    "Before the war many {group} worked in the oil fields.",
    "The court heard three {adjective} witnesses.",
    "I was asked to translate for two {adjective} colleagues.",
)
PEOPLE = {
    "Jews": "Jewish",
    "Christians": "Christian",
    "Arabs": "Arab",
    "Kurds": "Kurdish",
    "Palestinians": "Palestinian",
    "Roma": "Roma",
    "Black people": "Black",
    "white people": "white",
    "Asians": "Asian",
    "Mexicans": "Mexican",
    "women": "female",
    "men": "male",
    "gay people": "gay",
    "transgender people": "transgender",
    "disabled people": "disabled",
    "immigrants": "immigrant",
    "refugees": "refugee",
    "atheists": "atheist",
}
GROUPS = {
    names[0]: names[1] for name, names in NATIONS.items() if name not in ("United Nations", "European Union")
} | PEOPLE
