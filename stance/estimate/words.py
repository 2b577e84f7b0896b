"""Which words set two groups of posts apart: log-odds ratios with an informative Dirichlet prior.

Monroe, B. L., Colaresi, M. P. and Quinn, K. M. (2008). Fightin' words: lexical feature selection and evaluation for
identifying the content of political conflict. Political Analysis 16(4), 372-403.

A word counts once a post, so that a slogan repeated in one post is one use. Own words only: quotes are cut out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stance.records import OWN_GAP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from stance.estimate.judged import Judged

PRIOR_USES = 500  # the prior weighs as much as so many uses of words, spread over words as all posts spread them
LEAST_POSTS = 5  # that hold a word, both groups together: rarer ones say nothing
LEAST_AUTHORS = 2  # of the group that a word is typical of: else it is one person's habit, not the group's
LEAST_Z = 1.96  # a weaker word is not listed
MOST_WORDS = 50_000  # the commonest: what a hostile input may cost

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_LEAST_LETTERS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Uses:
    """Which of n posts holds which word, a word once a post: u uses."""

    word: NDArray[np.int32]  # (u,), places in the vocabulary
    post: NDArray[np.int32]  # (u,), places among the posts


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How a group of posts uses v words."""

    posts: NDArray[np.int64]  # (v,): how many posts hold each word
    authors: NDArray[np.int64]  # (v,): how many people use it; a post of an unknown author counts as one more
    total: int  # uses of all words, of those too that are not among the v

    def __add__(self, other: Counts) -> Counts:
        """Both groups together; a person who is in both counts as two."""
        return Counts(self.posts + other.posts, self.authors + other.authors, self.total + other.total)

    def __sub__(self, part: Counts) -> Counts:
        """The group without a part of it."""
        return Counts(self.posts - part.posts, self.authors - part.authors, self.total - part.total)


@dataclass(frozen=True, slots=True, eq=False)
class Lexicon:
    """The words that are compared: v of a vocabulary."""

    words: tuple[str, ...]  # the commonest first
    places: NDArray[np.int64]  # (vocabulary,): place among the words, -1 where left out


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word that is typical of the first of two groups where ``z`` is over 0, of the second where it is under."""

    word: str
    z: float
    log_odds: float  # of the first against the second, shrunk by the prior
    first: int  # posts that hold it
    second: int
    authors: int  # people who use it in the group that it is typical of


def split_words(text: str) -> set[str]:
    """The words of a text in lower case, each once; links, digits and single letters are left out."""
    return {word for word in _WORD.findall(_LINK.sub(" ", text).lower()) if len(word) >= _LEAST_LETTERS}


def find_uses(table: pa.Table, judged: Judged, vocabulary: dict[str, int]) -> Uses:
    """The words of the judged posts. New ones are added to the vocabulary, which the threads of a comparison share."""
    chosen = table.select(["body", "quotes"]).take(judged.rows)
    words: list[int] = []
    lengths: list[int] = []
    for body, quotes in zip(chosen.column("body").to_pylist(), chosen.column("quotes").to_pylist(), strict=True):
        own = sorted(split_words(_cut_quotes(body, quotes)))  # in order: the same tables give the same page
        words += [vocabulary.setdefault(word, len(vocabulary)) for word in own]
        lengths.append(len(own))
    return Uses(np.array(words, np.int32), np.repeat(np.arange(len(lengths), dtype=np.int32), lengths))


def build_lexicon(uses: Sequence[Uses], vocabulary: Mapping[str, int]) -> Lexicon:
    """The words that LEAST_POSTS posts or more hold, MOST_WORDS at most."""
    total = np.zeros(len(vocabulary), np.int64)
    for one in uses:
        total += np.bincount(one.word, minlength=len(vocabulary))
    order = np.argsort(-total, kind="stable")[:MOST_WORDS]
    order = order[total[order] >= LEAST_POSTS]
    places = np.full(len(vocabulary), -1, np.int64)
    places[order] = np.arange(len(order))
    names = list(vocabulary)
    return Lexicon(tuple(names[place] for place in order.tolist()), places)


def count_uses(
    uses: Uses, authors: Sequence[str | None], lexicon: Lexicon, chosen: NDArray[np.bool_] | None = None
) -> Counts:
    """The words of the posts, or of the ``chosen`` (n,) among them."""
    word, post = uses.word, uses.post
    if chosen is not None:
        word, post = word[chosen[post]], post[chosen[post]]
    place = lexicon.places[word]
    known, size = place >= 0, len(lexicon.words)
    codes: dict[str, int] = {}
    person = np.array(
        [
            codes.setdefault(author, len(codes)) if author is not None else len(authors) + number
            for number, author in enumerate(authors)
        ],
        np.int64,
    )
    pairs = np.unique(person[post[known]] * size + place[known])
    return Counts(
        np.bincount(place[known], minlength=size),
        np.bincount(pairs % size if size else pairs, minlength=size),
        len(word),
    )


def contrast_words(first: Counts, second: Counts, background: Counts, lexicon: Lexicon, most: int) -> list[Keyword]:
    """The words most typical of the first group, then of the second, up to ``most`` each, the strongest first.

    ``background`` gives the prior its shape: the uses of all posts in question.
    """
    if not first.total or not second.total:
        return []
    odds, z = log_odds(first, second, background)
    z = np.where(first.posts + second.posts >= LEAST_POSTS, z, 0)
    found = []
    for sign, group in ((1, first), (-1, second)):
        strong = np.flatnonzero((sign * z >= LEAST_Z) & (group.authors >= LEAST_AUTHORS)).tolist()
        strong.sort(key=lambda place: (-abs(z[place]), lexicon.words[place]))
        found += [
            Keyword(
                word=lexicon.words[place],
                z=float(z[place]),
                log_odds=float(odds[place]),
                first=int(first.posts[place]),
                second=int(second.posts[place]),
                authors=int(group.authors[place]),
            )
            for place in strong[:most]
        ]
    return found


def log_odds(first: Counts, second: Counts, background: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-odds ratios (v,) and their z scores (v,): the paper's section 3.3, with a prior from all posts."""
    prior = PRIOR_USES * np.maximum(background.posts, 0.5) / background.total
    weighed = [np.log((one.posts + prior) / (one.total + PRIOR_USES - one.posts - prior)) for one in (first, second)]
    odds = weighed[0] - weighed[1]
    return odds, odds / np.sqrt(1 / (first.posts + prior) + 1 / (second.posts + prior))


def _cut_quotes(body: str, quotes: Sequence[Mapping[str, int]] | None) -> str:
    if not quotes:
        return body
    edges = [0, *(edge for quote in quotes for edge in (quote["start"], quote["end"])), len(body)]
    return OWN_GAP.join(body[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
