"""What an epoch shows: how much of each set, and how texts and sides vary from one epoch to the next."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from stance.examples import Example, read_set
from stance.nations import NATIONS, name_pattern, swap_names
from stance.records import STANCES
from stance.tagger.batch import Row, batches_by_length, place_tokens, row_length, tokenize
from stance.train.hub import read_hub_set

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from stance.train.recipe import Recipe, Stage

MOST_SIDES = 4  # of one text in one pass; some texts of VAST have thirty targets and would outweigh the rest
MOST_SIDE_TOKENS = 32
NONE = STANCES.index("none")


@dataclass(frozen=True, slots=True)
class Drawn:
    """An example as an epoch shows it."""

    row: Row
    example: Example  # its sides in the order of the row
    toxic: tuple[int, ...] | None  # one 0 or 1 a token of the text; None: unknown


class Mixer:
    """The batches of a stage's epochs, drawn anew each time from the seed."""

    def __init__(self, recipe: Recipe, data: Path, tokenizer: Tokenizer) -> None:
        self.recipe = recipe
        self.tokenizer = tokenizer
        names = {name for stage in recipe.stages for name in stage.passes}
        self.sets = {name: find_set(recipe, data, name) for name in sorted(names)}
        self.side_tokens: dict[str, list[int]] = {}

    def epoch(self, stage: Stage, epoch: int) -> list[list[Drawn]]:
        """Batches in random order, each of rows of about one length."""
        chance = random.Random(f"{self.recipe.seed} {stage.name} {epoch}")
        examples: list[Example] = []
        for name, passes in stage.passes.items():
            known = leave_out_sides(self.sets[name], stage.without)
            examples += cap_targets(draw_epoch(known, passes, chance), stage.most_per_target, chance)
        if stage.masked:
            examples = [Example(example.text) for example in examples]
        examples = [vary(limit_sides(example, chance), stage, chance) for example in examples]
        texts = tokenize(self.tokenizer, [example.text for example in examples])
        drawn = [self.draw(example, text) for example, text in zip(examples, texts, strict=True)]
        # A little noise in the lengths, so that the same texts do not meet in every epoch.
        lengths = [row_length(one.row) + chance.randrange(6) for one in drawn]
        batches = list(batches_by_length(lengths, self.recipe.tokens_per_batch))
        chance.shuffle(batches)
        return [[drawn[index] for index in batch] for batch in batches]

    def draw(self, example: Example, text: list[int]) -> Drawn:
        cut = text[: self.recipe.cut]
        toxic = None
        if example.spans is not None:
            toxic = tuple(mark_tokens(place_tokens(self.tokenizer, example.text), example.spans)[: len(cut)])
        return Drawn((cut, [self.tokenize_side(name) for name, _ in example.sides]), example, toxic)

    def tokenize_side(self, name: str) -> list[int]:
        if name not in self.side_tokens:
            self.side_tokens[name] = tokenize(self.tokenizer, [name])[0][:MOST_SIDE_TOKENS]
        return self.side_tokens[name]


def find_set(recipe: Recipe, data: Path, name: str) -> list[Example]:
    """A set of the folder, or "hub/NAME" as the recipe's ``hub`` describes it."""
    given = recipe.hub.get(name.removeprefix("hub/"))
    return read_hub_set(name, given) if name.startswith("hub/") and given else read_set(data, name)


def mark_tokens(places: list[tuple[int, int]], spans: tuple[tuple[int, int], ...]) -> list[int]:
    """1 for each token that has at least half of its characters in a span."""
    inside = {place for start, end in spans for place in range(start, end)}
    return [int(2 * len(inside.intersection(range(start, end))) >= max(1, end - start)) for start, end in places]


def draw_epoch(examples: list[Example], passes: float, chance: random.Random) -> list[Example]:
    """``passes`` times over a set: whole passes, then a random part of one."""
    whole = int(passes)
    part = chance.sample(examples, round((passes - whole) * len(examples)))
    return examples * whole + part


def leave_out_sides(examples: list[Example], names: tuple[str, ...]) -> list[Example]:
    """The examples that neither have nor mention any of these sides."""
    if not names:
        return examples
    words = [word for name in names for word in (name, *NATIONS.get(name, ()))]
    pattern = name_pattern(words)
    return [
        example
        for example in examples
        if not pattern.search(example.text) and not any(pattern.search(name) for name, _ in example.sides)
    ]


def cap_targets(examples: list[Example], most: int | None, chance: random.Random) -> list[Example]:
    """At most so many labels a target: a set of a few targets would teach their names."""
    if most is None:
        return examples
    chance.shuffle(examples)
    seen: Counter[str] = Counter()
    kept = []
    for example in examples:
        sides = tuple((name, label) for name, label in example.sides if seen[name] < most)
        seen.update(name for name, _ in sides)
        if sides or not example.sides:
            kept.append(replace(example, sides=sides))
    return kept


def limit_sides(example: Example, chance: random.Random) -> Example:
    if len(example.sides) <= MOST_SIDES:
        return example
    return replace(example, sides=tuple(chance.sample(example.sides, MOST_SIDES)))


def vary(example: Example, stage: Stage, chance: random.Random) -> Example:
    """The example as an epoch shows it: hashtags, nations and the words of its sides vary, labels do not.

    Half of the texts with hashtags lose them: they give the side away in tweets and are missing elsewhere. A share
    ``stage.swap`` has two of its nations swapped, a share ``stage.rename`` has one replaced, so that what is said
    decides, not who is named. A share ``stage.absent`` is also asked about a nation that it does not name, toward which
    it takes no stance. Half of the sides are read with other names beside their own, as a topic may give them.
    """
    if example.spans is None and "#" in example.text and chance.random() < 0.5:
        bare = re.sub(r"#\w+", " ", example.text)
        if len(bare.split()) >= 4:
            example = replace(example, text=bare)
    nations = [name for name, _ in example.sides if name in NATIONS]
    if len(nations) > 1 and chance.random() < stage.swap:
        example = swap_sides(example, *chance.sample(nations, 2))
    if nations and chance.random() < stage.rename:
        example = rename_side(example, chance.choice(nations), chance)
    if example.sides and not example.two_way and chance.random() < stage.absent:
        example = add_absent(example, stage.without, chance)
    return replace(example, sides=tuple((add_names(name, chance), label) for name, label in example.sides))


def swap_sides(example: Example, one: str, other: str) -> Example:
    """One nation for the other and back, in the text and in its labels.

    Unchanged where a nation with a stance is not named in the text: something else gives it away.
    """
    for name, label in example.sides:
        hidden = name in (one, other) and not name_pattern([name, *NATIONS[name]]).search(example.text)
        if hidden and label != NONE:
            return example
    turned = {one: other, other: one}
    sides = tuple((turned.get(name, name), label) for name, label in example.sides)
    return replace(example, text=swap_names(example.text, one, other), sides=sides)


def rename_side(example: Example, name: str, chance: random.Random) -> Example:
    """The example with another nation, which it does not name, in the place of this one."""
    other = chance.choice(list(NATIONS))
    named = name_pattern([other, *NATIONS[other]])
    hidden = not name_pattern([name, *NATIONS[name]]).search(example.text)
    if hidden or named.search(example.text) or any(named.search(side) for side, _ in example.sides):
        return example
    sides = tuple((other if side == name else side, label) for side, label in example.sides)
    return replace(example, text=swap_names(example.text, name, other), sides=sides)


def add_names(name: str, chance: random.Random) -> str:
    """Half of the time, a few of a nation's other names behind its own."""
    others = list(dict.fromkeys(NATIONS.get(name, ())))
    if not others or chance.random() < 0.5:
        return name
    return ", ".join([name, *chance.sample(others, chance.randint(2, min(5, len(others))))])


def add_absent(example: Example, without: tuple[str, ...], chance: random.Random) -> Example:
    """The example with one more side, a nation that it does not name: none.

    Sides that are left out elsewhere are left out here too: they would be known for "none" alone.
    """
    name = chance.choice([nation for nation in NATIONS if nation not in without])
    known = name_pattern([name, *NATIONS[name]])
    if known.search(example.text) or any(known.search(side) for side, _ in example.sides):
        return example
    sides = [*example.sides, (name, NONE)]
    chance.shuffle(sides)
    return replace(example, sides=tuple(sides))
