"""What a tagger must get right whatever it was trained on: short cases of our own, in families of one behaviour each.

The cases stand in ``selftest.jsonl``, one JSON line a case, written by the codebook and from no data set. Their share
says where a tagger breaks, not how often it errs on real threads: that takes a drawn gold sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stance.estimate import wilson_interval
from stance.language import detect_language
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tag import judge, reads

if TYPE_CHECKING:
    from stance.tagger import Predictions, Tagger, Thresholds

CASES = Path(__file__).with_name("selftest.jsonl")
KEYS = ("family", "text", "stance", "toxic", "attributes", "mention", "sentiment", "same_as", "sides", "mirror")
SIDES_OF_NONE = ("Armenia",)  # asked with a case that asks none: a tagger need not take an empty list

Answer = str | bool | None  # a label; whether an attribute or a mention is there; None: the tagger abstained
# A subject is "toward " and a side, an attribute of TOXICITY, "mention" or "sentiment"; absent where it is not judged.
Answers = dict[str, Answer]


@dataclass(frozen=True, slots=True)
class Case:
    """A text and what a tagger must say of it."""

    line: int  # of the file, from 1
    family: str
    text: str
    sides: tuple[str, ...]  # all that are asked, sorted
    expected: tuple[tuple[str, tuple[Answer, ...]], ...]  # subject, answers that are right
    twin: str | None  # a second text, judged like the first
    pairs: tuple[tuple[str, str], ...]  # a side of the text, and the side of the twin that must have the same label


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How a tagger did on a case."""

    case: Case
    passed: bool | None  # whether all that it judges is right; None: it judges nothing that the case asks
    misses: tuple[tuple[str, tuple[Answer, ...], Answer], ...]  # subject, answers that are right, the one given
    skipped: tuple[str, ...]  # subjects that it does not judge


@dataclass(frozen=True, slots=True)
class Score:
    """The cases of a family, or all, with the 95% Wilson interval of the share that passed."""

    name: str
    passed: int
    n: int  # cases of which something was judged
    skipped: int  # cases of which nothing was judged; not in n
    low: float  # 0 to 1; 0 where n is 0
    high: float  # 0 to 1; 1 where n is 0


def load_cases(path: Path = CASES) -> tuple[Case, ...]:
    """The cases of a file in its order. StanceError names the line that is no case."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StanceError(f"{path}: the cases cannot be read ({error}): restore the file") from error
    cases = []
    for line, text in enumerate(lines, start=1):
        try:
            if text.strip():
                cases.append(read_case(json.loads(text), line))
        except (ValueError, RecursionError) as error:
            raise StanceError(f"{path}:{line}: not a case: {error}: mend the line") from error
    if not cases:
        raise StanceError(f"{path}: holds no cases: restore the file")
    return tuple(cases)


def read_case(row: Any, line: int) -> Case:
    """A case from its JSON object. ValueError says what is wrong with it."""
    demand(isinstance(row, dict) and {*row} <= {*KEYS}, f"an object with keys of {', '.join(KEYS)} is needed")
    demand(isinstance(row.get("family"), str) and isinstance(row.get("text"), str), "family and text are texts")
    stance, flags = row.get("stance", {}), row.get("attributes", {})
    demand(isinstance(stance, dict) and isinstance(flags, dict), "stance and attributes are objects")
    demand({*flags} <= {*TOXICITY}, f"attributes are {', '.join(TOXICITY)}")
    flags = flags | {name: row[key] for key, name in (("toxic", "toxicity"), ("mention", "mention")) if key in row}
    demand(all(isinstance(flag, bool) for flag in flags.values()), "toxic, attributes and mention are true or false")
    expected = [(f"toward {side}", read_labels(given, STANCES)) for side, given in stance.items()]
    expected += [(name, (flag,)) for name, flag in flags.items()]
    expected += [("sentiment", read_labels(row["sentiment"], SENTIMENTS))] if "sentiment" in row else []
    twin, pairs = read_twin(row, [*stance])
    demand(bool(expected or pairs), "nothing is expected")
    sides = sorted({*stance, *(side for pair in pairs for side in pair)})
    return Case(line, row["family"], row["text"], tuple(sides), tuple(expected), twin, pairs)


def read_twin(row: dict[str, Any], asked: list[str]) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The second text of a case's JSON object and the paired sides; ValueError as ``read_case``."""
    if "same_as" not in row and "mirror" not in row:
        return None, ()
    swapped = "mirror" in row
    demand(not (swapped and "same_as" in row), "same_as and mirror exclude each other")
    given = row["mirror"] if swapped else {"text": row["same_as"], "sides": row.get("sides", asked)}
    demand(isinstance(given, dict) and {*given} == {"text", "sides"}, "a mirror has text and sides")
    twin, sides = given["text"], given["sides"]
    demand(isinstance(twin, str) and isinstance(sides, list) and bool(sides), "a second text needs sides")
    demand(all(isinstance(side, str) for side in sides), "sides are names")
    demand(not swapped or len(sides) == 2, "a mirror has two sides")
    return twin, tuple(zip(sides, reversed(sides) if swapped else sides, strict=True))


def read_labels(given: Any, labels: Sequence[str]) -> tuple[str | None, ...]:
    """A label or a list of labels, null for an abstention; ValueError for anything else."""
    accepted = given if isinstance(given, list) else [given]
    demand(bool(accepted) and all(one is None or one in labels for one in accepted), f"labels are {', '.join(labels)}")
    return tuple(accepted)


def demand(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def plan_batches(cases: Sequence[Case]) -> dict[tuple[str, ...], list[str]]:
    """The texts to judge by the sides asked, each text once for a set of sides."""
    batches: dict[tuple[str, ...], dict[str, None]] = {}
    for case in cases:
        texts = [case.text] if case.twin is None else [case.text, case.twin]
        batches.setdefault(case.sides or SIDES_OF_NONE, {}).update(dict.fromkeys(texts))
    return {sides: [*texts] for sides, texts in batches.items()}


def run_selftest(
    tagger: Tagger, advance: Callable[[int], None] | None = None, cases: Sequence[Case] | None = None
) -> list[CaseResult]:
    """The results in the order of the cases (default: the shipped ones), by the labels that ``stance.tag`` would give.

    The tagger is called once for each set of sides; ``advance`` hears how many texts of ``plan_batches`` are done.
    """
    cases = load_cases() if cases is None else cases
    answers: dict[tuple[str, ...], dict[str, Answers]] = {}
    for sides, texts in plan_batches(cases).items():
        readable = [text for text in texts if reads(tagger, detect_language(text))]
        read = read_answers(tagger.predict(readable, sides), readable, sides, tagger.thresholds)
        abstained: Answers = {"sentiment": None, **{f"toward {side}": None for side in sides}}
        answers[sides] = dict.fromkeys(texts, abstained) | dict(zip(readable, read, strict=True))
        if advance is not None:
            advance(sum(map(len, answers.values())))
    return [check_case(case, answers[case.sides or SIDES_OF_NONE]) for case in cases]


def read_answers(
    predicted: Predictions, texts: Sequence[str], sides: Sequence[str], cuts: Thresholds
) -> Iterator[Answers]:
    """What is said of each text; NaN is what the tagger does not judge. A text without words has no attribute."""
    mentions = [nan] * len(texts) if predicted.mention is None else predicted.mention.tolist()
    for number, text in enumerate(texts):
        words = len(text.split())
        stances = zip((f"toward {side}" for side in sides), predicted.stance[number].tolist(), strict=True)
        choices = [(subject, STANCES, row, cuts.stance) for subject, row in stances]
        choices.append(("sentiment", SENTIMENTS, predicted.sentiment[number].tolist(), cuts.sentiment))
        flags = [*zip(TOXICITY, predicted.toxicity[number].tolist(), cuts.toxicity, strict=True)]
        flags.append(("mention", mentions[number], cuts.mention))
        labels = {name: judge(of, row, cut, words).label for name, of, row, cut in choices if not any(map(isnan, row))}
        yield labels | {name: words > 0 and value >= cut for name, value, cut in flags if not isnan(value)}


def check_case(case: Case, answers: dict[str, Answers]) -> CaseResult:
    """Compare the answers, by text, with what the case expects."""
    found, second = answers[case.text], {} if case.twin is None else answers[case.twin]
    questions = [(subject, subject, accepted) for subject, accepted in case.expected]
    for side, other in case.pairs:
        accepted = (second[f"toward {other}"],) if f"toward {other}" in second else ()
        questions.append((f"toward {side}", f"toward {side} as in the second text", accepted))
    judged = [(told, accepted, found[asked]) for asked, told, accepted in questions if asked in found and accepted]
    skipped = [told for asked, told, accepted in questions if asked not in found or not accepted]
    misses = [one for one in judged if one[2] not in one[1]]
    return CaseResult(case, not misses if judged else None, tuple(misses), tuple(skipped))


def summarise(results: Sequence[CaseResult]) -> list[Score]:
    """The score of all cases (named "all"), then that of each family in the order of the cases."""
    scores = []
    for name in ("all", *dict.fromkeys(result.case.family for result in results)):
        outcomes = [result.passed for result in results if name in ("all", result.case.family)]
        judged = [passed for passed in outcomes if passed is not None]
        low, high = wilson_interval(sum(judged), len(judged)) if judged else (0.0, 1.0)
        scores.append(Score(name, sum(judged), len(judged), len(outcomes) - len(judged), low, high))
    return scores
