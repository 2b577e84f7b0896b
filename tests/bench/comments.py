"""Texts for the benches of speed: comments from data where it is given, else made ones of the same lengths.

Lengths are of the Jigsaw comments (Wikipedia talk pages): half have under 42 tokens, one in eleven more than the
tagger's window. Made words are those of the shipped vocabulary, common ones more often; every text is distinct.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SHIPPED = ROOT / "models" / "minilm-l6"
JIGSAW = "toxicity/jigsaw_multilabel.jsonl.gz"
# Share of 12,982 Jigsaw comments that have at most so many tokens of the shipped vocabulary, specials left out.
SHARES = (0, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 0.999)
TOKENS = (2, 7, 8, 11, 16, 22, 29, 41, 54, 71, 99, 121, 156, 183, 222, 473, 800, 1500)
SHORT = 16  # tokens; longer texts are distinct without being compared
COMPOUNDS = 0.1  # of the words are two of the vocabulary in one, as names and misspellings are
MARKS = 0.1  # of the tokens are punctuation
BLOCK = 2048  # texts drawn at once


def read_comments(folder: Path) -> list[str]:
    """The distinct comments of the Jigsaw set in a folder of data."""
    with gzip.open(folder / JIGSAW, "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    return [text for text in dict.fromkeys(texts) if text.strip()]


def make_texts(count: int, seed: int = 1) -> Iterator[str]:
    """Distinct invented texts with the lengths of comments."""
    draw = np.random.default_rng(seed)
    words, chances = _list_words()
    seen: set[int] = set()
    made = 0
    while made < count:
        lengths = _draw_lengths(draw, BLOCK)
        picked = np.searchsorted(chances, draw.random(int(lengths.sum())))
        ends = np.cumsum(lengths)
        for start, end in zip(ends - lengths, ends, strict=True):
            text = " ".join([words[index] for index in picked[start:end]]).replace(" .", ".").replace(" ,", ",")
            if end - start < SHORT:
                if hash(text) in seen:
                    continue
                seen.add(hash(text))
            yield text
            made += 1
            if made == count:
                return


def _draw_lengths(draw: np.random.Generator, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Words and marks of each text; a compound is two tokens."""
    logs = np.interp(draw.random(count) * SHARES[-1], SHARES, np.log(TOKENS))
    return np.asarray(np.maximum(2, np.exp(logs) / (1 + COMPOUNDS)).round().astype(np.int64))


@cache
def _list_words() -> tuple[list[str], np.ndarray[Any, np.dtype[np.float64]]]:
    """Words and marks, and the chance that a draw is one of those up to each."""
    vocabulary = json.loads((SHIPPED / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)  # the vocabulary is in order of frequency
    whole = [word for word in ordered if word.isascii() and word.isalpha() and len(word) > 1]
    whole = [*whole[:2], "a", "i", *whole[2:]]
    fixed = random.Random(1)
    joined = ["".join(fixed.choices(whole[500:8000], k=2)) for _ in range(5000)]
    rank = np.arange(len(whole))
    common = 1 / (rank + 2.7)
    parts = [
        (1 - MARKS - COMPOUNDS) * common / common.sum(),
        np.full(len(joined), COMPOUNDS / len(joined)),
        np.full(2, MARKS / 2),
    ]
    chances = np.cumsum(np.concatenate(parts))
    return [*whole, *joined, ".", ","], chances / chances[-1]


def draw_texts(count: int, data: Path | None, seed: int = 1) -> list[str]:
    """So many texts in no order: comments spread evenly over the lengths in ``data``, else made ones."""
    if data is None:
        return list(make_texts(count, seed))
    texts = sorted(read_comments(data), key=len)
    if count > len(texts):
        raise SystemExit(f"{data}: {len(texts)} comments, {count} asked for: leave --data out")
    picked = [texts[int((place + 0.5) * len(texts) / count)] for place in range(count)]
    random.Random(seed).shuffle(picked)
    return picked


def load_shipped_tokenizer() -> Tokenizer:
    from stance.tagger.batch import load_tokenizer

    return load_tokenizer(str(SHIPPED / "tokenizer.json"))


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens of each text as the network reads it, [CLS] and [SEP] counted."""
    from stance.tagger.batch import normalise_text

    tokenizer, counts = load_shipped_tokenizer(), []
    for start in range(0, len(texts), BLOCK):
        part = [normalise_text(text) for text in texts[start : start + BLOCK]]
        counts += [len(found.ids) + 2 for found in tokenizer.encode_batch(part, add_special_tokens=False)]
    return counts


def count_side_tokens(sides: Iterable[str]) -> int:
    """Tokens that the sides add to every text, [CLS] and [SEP] of each counted."""
    return sum(count_tokens(list(sides)))


def describe_lengths(counts: Sequence[int]) -> str:
    """The length distribution in one line."""
    tenths = np.quantile(counts, [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99])
    names = ("10%", "25%", "50%", "75%", "90%", "95%", "99%")
    spread = ", ".join(f"{name} {value:.0f}" for name, value in zip(names, tenths, strict=True))
    return f"{len(counts):,} texts, mean {np.mean(counts):.1f} tokens; {spread}; longest {max(counts)}"


def write_dumps(folder: Path, posts: int, files: int = 1, seed: int = 1) -> list[Path]:
    """So many comments in Reddit dumps, 25 a submission on average, one in ten with a quote before its made words.

    Dumps that are there already are taken as they are.
    """
    import zstandard
    from reddit import make_comments

    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"made-{posts}-{files}-{seed}-{number}.ndjson.zst" for number in range(files)]
    if all(path.is_file() for path in paths):
        return paths
    texts, before = make_texts(posts, seed), ""
    for number, path in enumerate(paths):
        count = posts // files + (number < posts % files)
        part = path.with_suffix(".part")
        with part.open("wb") as file, zstandard.ZstdCompressor(level=3).stream_writer(file) as writer:
            for row in make_comments(count, seed + number):
                text = next(texts)
                row["body"] = f"&gt; {before[:60]}\n\n{text}" if str(row["body"]).startswith("&gt;") else text
                before = text
                for name in ("id", "link_id", "parent_id"):
                    row[name] = f"{row[name]}z{number}"  # no two files talk about one submission
                writer.write(json.dumps(row, separators=(",", ":")).encode() + b"\n")
        part.rename(path)
    return paths


def make_tiny_tagger(folder: Path) -> Path:
    """A tagger's folder like the shipped one, its random network so small that all but the network takes the time."""
    import torch

    from stance.tagger import Thresholds
    from stance.tagger.network import Network, Shape
    from stance.tagger.shipped import LABELS, Calibration, Settings, save_folder

    if (folder / "metrics.json").is_file():
        return folder
    shape = Shape(width=32, layers=1, heads=2, inner=32)
    plain = {head: Calibration((0.1,), (0.0,) * len(labels)) for head, labels in LABELS.items()}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = Network(shape)
    thresholds = Thresholds(0.4, 0.4, (0.5,) * len(LABELS["toxicity"]))
    save_folder(folder, Settings("tiny", shape, 192, plain, thresholds), network, load_shipped_tokenizer())
    (folder / "metrics.json").write_text("{}", encoding="utf-8")
    return folder
