"""How often reply links are right, by how they are known: the figures behind CONFIDENCE in stance/replies.py.

    python tests/bench/replies.py [FOLDER]

Of each post the first link counts, in the development threads that have links in gold, and its first quote in the forum
threads of iac_quotes_dev, whose gold is the post that it was sent as an answer to.
"""

import gzip
import json
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path

from parsing import DATA, Part, score_folder

from stance.records import Post, Thread
from stance.replies import CONFIDENCE
from stance.thread import link_posts


def count_threads(data: Path, counts: dict[str, Counter[str]]) -> None:
    for part in (Part.html, Part.text):
        for scored in score_folder(data, part):
            if all(post["reply_to"] is None for post in scored.gold):
                continue
            back = {gold: found for found, gold in scored.pairs.items()}
            for found, gold in scored.pairs.items():
                expected = scored.gold[gold]["reply_to"]
                if scored.thread.posts[found].replies and (expected is None or expected in back):
                    reply = scored.thread.posts[found].replies[0]
                    counts[name_kind(reply.basis, reply.confidence)][part] += 1
                    counts[name_kind(reply.basis, reply.confidence)][f"{part} right"] += (
                        scored.pairs.get(reply.to) == expected
                    )


def count_forum(data: Path, counts: dict[str, Counter[str]]) -> None:
    with gzip.open(data / "iac_quotes_dev.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            gold = json.loads(line)["posts"]
            posts = tuple(Post(str(at), post["body"], author=post["author"]) for at, post in enumerate(gold))
            for post, its in zip(link_posts(Thread("", None, None, None, None, None, posts)).posts, gold, strict=True):
                if post.replies and its["parent"] is not None:
                    kind = name_kind(post.replies[0].basis, post.replies[0].confidence)
                    counts[kind]["forum"] += 1
                    counts[kind]["forum right"] += post.replies[0].to == its["parent"]


def name_kind(basis: str, confidence: float) -> str:
    kinds = [kind for kind, its in CONFIDENCE.items() if its == (basis, confidence)]
    return kinds[0] if kinds else f"{basis} (the source's)"


def main() -> None:
    warnings.simplefilter("ignore")
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    count_threads(data, counts)
    count_forum(data, counts)
    for kind, its in counts.items():
        shown = ", ".join(f"{part} {its[f'{part} right']} of {its[part]}" for part in ("html", "text", "forum"))
        every = sum(its[part] for part in ("html", "text", "forum"))
        right = sum(its[f"{part} right"] for part in ("html", "text", "forum"))
        sys.stdout.write(f"{kind:<24} {right / every:.3f}, by succession {(right + 1) / (every + 2):.3f}  {shown}\n")


if __name__ == "__main__":
    main()
