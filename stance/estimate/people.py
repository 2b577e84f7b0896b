"""What people, rather than posts, make of a difference between threads: a test that moves people, and who drives it.

Posts of one person are alike, so a test that moves posts one by one finds differences that are a few people's. Here a
person's posts in a thread are a block that moves as a whole. All of this is on the tagger's labels: it says nothing of
the tagger's mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stance.estimate.members import NOT_JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stance.estimate.members import Member

LEAST_PEOPLE = 10  # on either side of a comparison: fewer can be moved about in too few ways
_NO_CHANGE = 1e-12  # rounding
_MOST_AT_ONCE = 500_000  # blocks that are moved in one step: bounds the memory


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Each person's posts in each of k threads: b blocks in the order of the threads, q quantities."""

    threads: int  # k
    thread: NDArray[np.int64]  # (b,), ascending
    person: NDArray[np.int64]  # (b,), places in ``names``
    names: tuple[str | None, ...]  # a post of an unknown author is a person of its own, without a name
    posts: NDArray[np.float32]  # (b, q): judged posts
    having: NDArray[np.float32]  # (b, q): of these, how many have it

    @property
    def people(self) -> NDArray[np.int64]:
        """(k,): blocks in each thread."""
        return np.bincount(self.thread, minlength=self.threads)


@dataclass(frozen=True, slots=True)
class Influence:
    """How a difference changes when one named author's posts are left out, in all threads that it is about."""

    author: str
    quantity: int  # place among the quantities
    posts: tuple[int, int]  # the author's judged posts in the thread and in what it is compared with
    difference: float  # of the tagger's labels, with everybody, -1 to 1
    without: float  # the same without this author

    @property
    def change(self) -> float:
        """How far apart the two are, 0 to 2."""
        return abs(self.without - self.difference)


def build_blocks(members: Sequence[Member]) -> Blocks:
    """The same name is taken for the same person in all threads."""
    codes: dict[str, int] = {}
    names: list[str | None] = []
    parts = []
    for place, member in enumerate(members):
        own = np.empty(member.judged, np.int64)
        for post, author in enumerate(member.authors):
            if author is None or author not in codes:
                if author is not None:
                    codes[author] = len(names)
                own[post] = len(names)
                names.append(author)
            else:
                own[post] = codes[author]
        order = np.argsort(own, kind="stable")
        person, starts = np.unique(own[order], return_index=True)
        has = member.has[order]
        counted = [(has != NOT_JUDGED), (has == 1)]
        sums = [np.add.reduceat(one.astype(np.float32), starts, axis=0) if len(starts) else one for one in counted]
        parts.append((np.full(len(person), place, np.int64), person, *sums))
    thread, person, posts, having = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Blocks(len(members), thread, person, tuple(names), posts.astype(np.float32), having.astype(np.float32))


def permute_people(
    blocks: Blocks, ranked: NDArray[np.bool_], permutations: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two-sided p values (k, q) of each thread against the others together, and the same for all threads at once.

    Of two threads the first line is their comparison. NaN for threads that are not ``ranked`` (k,), and where there
    are fewer than LEAST_PEOPLE on either side.

    People who write in one thread only are moved between threads, each thread keeping as many as it has; of people
    who write in several, the blocks are moved among the threads that they write in, so that they are their own
    control. If threads make no difference, every such arrangement is as likely as the one that is there. The statistic
    is the difference of the shares over its standard error (people as clusters, the ratio estimator's linearised
    variance), so that the test holds about its level too where people in one thread write more than in another
    (Janssen 1997, Chung and Romano 2013). The second p values are the largest statistic's of all ranked threads
    (Westfall and Young 1993): they need no more permutations than the first, which Holm's would.
    """
    people = blocks.people
    able = ranked & (people >= LEAST_PEOPLE) & (people.sum() - people >= LEAST_PEOPLE)
    quantities = blocks.posts.shape[1]
    nothing = np.full((blocks.threads, quantities), np.nan)
    if not able.any():
        return nothing, nothing
    features, places = _list_features(blocks)
    seen = np.abs(_studentise(_sum_threads(blocks, features, np.arange(len(features))[None]), people, places)[0])
    reached = np.zeros_like(nothing)
    topped = np.zeros_like(nothing)
    for orders in _draw_orders(blocks, permutations, seed):
        found = np.abs(_studentise(_sum_threads(blocks, features, orders), people, places))
        reached += (found >= seen - 1e-9).sum(0)
        topped += (np.fmax.reduce(found[:, able], axis=1)[:, None] >= seen - 1e-9).sum(0)
    alone, together = ((1 + count) / (permutations + 1) for count in (reached, topped))
    kept = able[:, None] & np.isfinite(seen)
    return np.where(kept, alone, np.nan), np.where(kept, together, np.nan)


def leave_out(blocks: Blocks, thread: int, quantities: Sequence[int], most: int) -> list[Influence]:
    """Which named authors change the difference of a thread to the others together, up to ``most`` a quantity.

    The strongest first, a quantity after the other. Whoever changes nothing is not listed.
    """
    chosen = list(quantities)
    size, inside = len(blocks.names), blocks.thread == thread
    sums = []  # posts and posts that have it, in the thread and outside, by person
    for values in (blocks.posts[:, chosen], blocks.having[:, chosen]):
        for part in (inside, ~inside):
            one = np.zeros((size, len(chosen)))
            np.add.at(one, blocks.person[part], values[part])
            sums.append(one)
    posts, others, having, had = sums
    named = np.array([name is not None for name in blocks.names], bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = having.sum(0) / posts.sum(0) - had.sum(0) / others.sum(0)
        without = (having.sum(0) - having) / (posts.sum(0) - posts) - (had.sum(0) - had) / (others.sum(0) - others)
    change = np.where(np.isfinite(without) & named[:, None], np.abs(without - whole), 0)
    found = []
    for column, quantity in enumerate(chosen):
        best = np.argsort(-change[:, column], kind="stable")[:most].tolist()
        found += [
            Influence(
                author=blocks.names[person] or "",
                quantity=quantity,
                posts=(int(posts[person, column]), int(others[person, column])),
                difference=float(whole[column]),
                without=float(without[person, column]),
            )
            for person in best
            if change[person, column] > _NO_CHANGE
        ]
    return found


def _list_features(blocks: Blocks) -> tuple[NDArray[np.float32], tuple[NDArray[np.int64], int]]:
    """(b, f) what is summed over a thread's blocks, and where each quantity's numbers stand.

    Most quantities are judged on the same posts, so their columns of posts stand there once.
    """
    posts, which = np.unique(blocks.posts, axis=1, return_inverse=True)
    own, having = posts[:, which.ravel()], blocks.having
    columns = [posts, posts**2, having, having**2, having * own]
    return np.ascontiguousarray(np.concatenate(columns, axis=1)), (which.ravel(), posts.shape[1])


def _draw_orders(blocks: Blocks, permutations: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """(c, b) which block stands in each place, c permutations at a time."""
    generator = np.random.default_rng(seed)
    counts = np.bincount(blocks.person, minlength=len(blocks.names))
    group = np.where(counts[blocks.person] > 1, blocks.person + 1, 0).astype(float)  # 0: who may go anywhere
    places = np.argsort(group, kind="stable")
    step = max(1, _MOST_AT_ONCE // max(len(group), 1))
    for start in range(0, permutations, step):
        draws = generator.random((min(step, permutations - start), len(group)))
        orders = np.empty(draws.shape, np.int64)
        orders[:, places] = np.argsort(group + draws, axis=1)
        yield orders


def _sum_threads(blocks: Blocks, features: NDArray[np.float32], orders: NDArray[np.int64]) -> NDArray[np.float64]:
    """(c, k, f): the features of the blocks that each of c orders puts into each thread."""
    from scipy.sparse import csr_matrix

    count, size = orders.shape
    ends = np.cumsum(blocks.people)
    starts = np.concatenate([[0], (np.arange(count)[:, None] * size + ends).ravel()])
    ones = np.ones(orders.size, np.float32)
    chosen = csr_matrix((ones, orders.ravel(), starts), shape=(count * blocks.threads, size))
    return np.asarray(chosen @ features, float).reshape(count, blocks.threads, -1)


def _studentise(
    sums: NDArray[np.float64], people: NDArray[np.int64], places: tuple[NDArray[np.int64], int]
) -> NDArray[np.float64]:
    """(c, k, q): each thread's share less that of the others, over its standard error; NaN where one has no posts."""
    which, columns = places
    quantities = len(which)
    others = sums.sum(1, keepdims=True) - sums
    shares, variances = [], []
    for part, size in ((sums, people), (others, people.sum() - people)):
        posts, squares = part[:, :, which], part[:, :, columns + which]
        having, own, crossed = np.split(part[:, :, 2 * columns :], [quantities, 2 * quantities], axis=2)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = having / posts
            spread = own - 2 * share * crossed + share**2 * squares
            variances.append(np.maximum(spread, 0) / posts**2 * (size / np.maximum(size - 1, 1))[:, None])
        shares.append(share)
    difference, variance = shares[0] - shares[1], variances[0] + variances[1]
    difference = np.where(np.abs(difference) < 1e-12, 0, difference)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = difference / np.sqrt(variance)
    # no variance: all have it, or nobody has it, on each side
    return np.where(variance <= 1e-18, np.where(difference == 0, 0, np.copysign(1e9, difference)), found)
