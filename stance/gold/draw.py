"""Drawing a sample of judged posts for people to label, each post with its probability of being drawn.

A simple random sample of all posts, or a stratified one; both without replacement. With the same tables and seed a
larger sample holds the smaller one, so labels are never lost by drawing more. Picks made to train a tagger (the
least sure posts, say) are no such sample: their probabilities are not known, and no share may be estimated from them.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stance.estimate.judged import (
    ANY,
    Drawn,
    Gold,
    Judged,
    Quantity,
    Stratum,
    labels,
    list_quantities,
    probabilities,
)
from stance.records import StanceError

BY = ("thread", "label", "uncertainty")
ALLOCATIONS = ("equal", "proportional")
SURENESS = ("sure", "less sure", "unsure")  # thirds of the posts
UNLABELLED = "no stance, not toxic"
_LEAST = 2  # posts of a stratum: one alone has no variance


@dataclass(frozen=True, slots=True)
class Design:
    """How a sample is drawn and who labels it."""

    n: int  # posts; all of them where there are fewer
    seed: int = 1
    by: tuple[str, ...] = ()  # of BY; (): a simple random sample
    allocation: str = "equal"  # of ALLOCATIONS: how many posts each stratum gives
    coders: tuple[str, ...] = ("coder1",)  # the first labels every post
    shared: int = 50  # how many of these the others label as well


def draw_sample(judged: Sequence[Judged], topic: str, design: Design) -> Gold:
    """The posts to label, without labels, in the order of labelling.

    Within a stratum that order is random, and each beginning of it holds about as much of every stratum as the whole:
    whoever stops early leaves a stratified random sample with fewer posts, and the shared part is one too.
    The order of the threads given does not matter. StanceError where the design cannot be met.
    """
    judged = sorted(judged, key=lambda one: one.thread)
    _check_threads(judged)
    threads = np.repeat(np.arange(len(judged)), [len(one.ids) for one in judged])  # (posts,)
    posts = [post for one in judged for post in one.ids]
    if not posts:
        raise StanceError("the tables hold no judged post, so none can be drawn. Name tables of threads with text.")
    names = _name_strata(judged, design.by)
    cells = list(zip(threads.tolist(), names, strict=True))  # by thread and stratum, as Gold counts them
    strata = cells if "thread" in design.by else [(0, name) for name in names]
    order = {stratum: place for place, stratum in enumerate(sorted(set(strata)))}
    codes = np.array([order[stratum] for stratum in strata])
    sizes = np.bincount(codes, minlength=len(order))
    taken = np.array(allocate(sizes.tolist(), design.n, design.allocation))
    chosen = _pick_posts(codes, taken, design.seed)
    probability = (taken / sizes)[codes]
    return Gold(
        topic=topic,
        sides=judged[0].sides,
        seed=design.seed,
        strata=tuple(Stratum(judged[t].thread, name, count) for (t, name), count in sorted(Counter(cells).items())),
        drawn=tuple(
            Drawn(judged[threads[place]].thread, posts[place], names[place], float(probability[place]))
            for place in chosen
        ),
        labels=(),
        coders=design.coders,
    )


def allocate(sizes: Sequence[int], n: int, allocation: str) -> list[int]:
    """How many of ``n`` posts each stratum gives: two or all it has at least, and never more than it has.

    "equal" gives threads and rare labels the same precision as others; what a small stratum lacks the others get.
    "proportional" goes by size (Sainte-Laguë's divisors). No stratum gives fewer posts when n grows.
    """
    taken = [min(_LEAST, size) for size in sizes]
    if sum(taken) > n:
        raise StanceError(
            f"-n {n}: too few posts: {len(sizes)} strata with two posts each need {sum(taken)}. "
            "Raise -n or leave out a --by."
        )
    weights = sizes if allocation == "proportional" else [1] * len(sizes)
    waiting = [((taken[h] + 0.5) / weights[h], h) for h in range(len(sizes)) if taken[h] < sizes[h]]
    heapq.heapify(waiting)
    for _ in range(n - sum(taken)):
        if not waiting:
            break
        _, place = heapq.heappop(waiting)
        taken[place] += 1
        if taken[place] < sizes[place]:
            heapq.heappush(waiting, ((taken[place] + 0.5) / weights[place], place))
    return taken


def _pick_posts(codes: NDArray[np.int64], taken: NDArray[np.int64], seed: int) -> list[int]:
    """The positions of the posts drawn, in the order of labelling."""
    key = np.random.default_rng(seed).random(len(codes))
    turns: list[tuple[float, float, int]] = []
    for code, count in enumerate(taken):
        members = np.flatnonzero(codes == code)
        picked = members[np.argsort(key[members], kind="stable")[:count]]
        # its place in the stratum as a part of the stratum; of two strata the one with the smaller key comes first
        turns += [((rank + 0.5) / count, float(key[place]), int(place)) for rank, place in enumerate(picked)]
    return [place for _, _, place in sorted(turns)]


def _check_threads(judged: Sequence[Judged]) -> None:
    """Posts are known by thread and id, and labels by side: both must be clear over all tables."""
    counts = Counter(one.thread for one in judged)
    for thread, count in counts.items():
        if count > 1:
            raise StanceError(f"{thread}: {count} tables hold a thread with this id. Name one of them only.")
    for one in judged:
        if one.sides != judged[0].sides:
            raise StanceError(
                f"{one.thread}: its sides ({', '.join(one.sides)}) are not those of {judged[0].thread} "
                f"({', '.join(judged[0].sides)}). Draw from tables of one topic."
            )
        if len(set(one.ids)) < len(one.ids):
            twice = next(post for post, count in Counter(one.ids).items() if count > 1)
            raise StanceError(f"{one.thread}: two posts have the id {twice}. Make the table again from the source.")


def _name_strata(judged: Sequence[Judged], by: Sequence[str]) -> list[str]:
    """The stratum of each post of all threads, the thread left out; "" where nothing else divides them."""
    parts = []
    if "label" in by:
        parts.append(_rarest_labels(judged))
    if "uncertainty" in by:
        parts.append(_sureness(judged))
    if not parts:
        return [""] * sum(len(one.ids) for one in judged)
    return ["; ".join(names) for names in zip(*parts, strict=True)]


def _rarest_labels(judged: Sequence[Judged]) -> list[str]:
    """Of each post the predicted label, among stances for or against a side and toxicity, that fewest posts have.

    A post has many labels and belongs to one stratum; by the rarest, the labels short of posts keep all of theirs.
    """
    quantities = [one for one in list_quantities(judged[0].sides) if one.head == "stance" and one.outcome != "none"]
    quantities.append(Quantity("toxicity", ANY, "toxic"))
    has = np.array([np.concatenate([labels(one, quantity) == 1 for one in judged]) for quantity in quantities])
    found = np.full(has.shape[1], UNLABELLED, object)
    for place in np.argsort(-has.sum(1), kind="stable"):  # the rarest writes last
        found[has[place]] = quantities[place].name
    return [str(name) for name in found]


def _sureness(judged: Sequence[Judged]) -> list[str]:
    """In which third of all posts each is, by how unsure the tagger is of it.

    That is 1 less the probability of the likeliest answer, as a mean over what is judged: each side, any toxicity,
    sentiment.
    """
    places = np.empty(sum(len(one.ids) for one in judged), int)
    doubt = np.concatenate([_doubt(one) for one in judged])
    places[np.argsort(doubt, kind="stable")] = np.arange(len(doubt)) * len(SURENESS) // len(doubt)
    return [SURENESS[place] for place in places]


def _doubt(one: Judged) -> NDArray[np.float64]:
    """(n,), 0 to 1."""
    toxic = probabilities(one, Quantity("toxicity", ANY, "toxic"))
    likeliest = [np.maximum(toxic, 1 - toxic), one.sentiment.max(1)]
    likeliest += [one.stance[:, side].max(1) for side in range(len(one.sides))]
    values = 1 - np.stack(likeliest)
    return np.asarray(np.nansum(values, 0) / np.maximum((~np.isnan(values)).sum(0), 1))
