"""How often unrelated networks are called related, and how often the interval of the disagreement rate holds the truth.

Invented authors of uneven activity lean to a stance and answer anybody, often the one who answered them. Run
`python tests/bench/network.py`; a minute or two.
"""

import sys

import numpy as np

from stance.estimate.network import measure_chance, measure_disagreement, read_network
from stance.records import SENTIMENTS, STANCES, TOXICITY

NETWORKS, DRAWS = 300, 200
LEVEL = 0.05
LABELS = ("favor", "against", "none")


def make_talk(authors, posts, lean, choosy, generator):
    """``lean`` small: authors say the same in all posts; ``choosy``: how often agreement is passed over."""
    weight = generator.pareto(1.3, authors) + 1
    author = generator.choice(authors, posts, p=weight / weight.sum())
    favor = generator.beta(0.6 * lean, 0.4 * lean, authors)[author]
    code = np.where(generator.random(posts) < 0.35, 2, np.where(generator.random(posts) < favor, 0, 1))
    rows, answers = [], {}
    for place in range(posts):
        target = None
        if place and generator.random() < 0.75:
            mine = answers.get(author[place])
            target = mine if mine is not None and generator.random() < 0.6 else None
            for _ in range(20 if target is None else 0):
                target = int(generator.integers(max(0, place - 40), place))
                agree = code[target] == code[place] != 2
                if not (agree and generator.random() < choosy):
                    break
            answers[author[target]] = place
        rows.append(make_row(place, f"A{author[place]}", LABELS[code[place]], target))
    return rows


def make_row(place, author, label, target):
    return {
        "thread": "t", "kind": "post", "position": place, "id": str(place), "author": author, "reply_to": target,
        "words": 5, "stance": [{"label": label, **dict.fromkeys(STANCES, 0.3)}],
        "toxicity": dict.fromkeys(TOXICITY), "sentiment": dict.fromkeys(SENTIMENTS),
    }  # fmt: skip


def main():
    generator = np.random.default_rng(1)
    head = ("authors", "posts", "lean", "choosy", "related: authors kept", "posts swapped", "covers", "links known")
    sys.stdout.write("\t".join(head) + "\n")
    for authors, posts in ((25, 120), (80, 400)):
        for lean, choosy in ((50.0, 0.0), (5.0, 0.0), (1.0, 0.0), (1.0, 0.6)):
            found, rates = [], []
            for _ in range(NETWORKS):
                network = read_network(make_talk(authors, posts, lean, choosy, generator), ("side",))
                kept, swapped = (measure_chance(network, DRAWS, keep)[0] for keep in (True, False))
                if kept is None or swapped is None:
                    continue
                found.append((kept.p <= LEVEL, swapped.p <= LEVEL))
                rates.append(measure_disagreement(network, draws=1)[0].share)
            truth = np.mean([share.share for share in rates])
            covered = np.mean([share.low <= truth <= share.high for share in rates])
            known = np.mean([share.n for share in rates])
            together, apart = np.mean(found, axis=0)
            figures = (f"{value:.3f}" for value in (together, apart, covered))
            line = (authors, posts, lean, choosy, *figures, round(known))
            sys.stdout.write("\t".join(map(str, line)) + "\n")


if __name__ == "__main__":
    main()
