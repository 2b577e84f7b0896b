"""Texts and sides to padded rows of tokens: lengths, windows and the order that wastes least padding."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import torch

from stance.tagger.network import FIRST_SIDE, PADDING, TEXT, Batch

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CLS, SEP = 101, 102  # of the uncased BERT vocabulary; load_tokenizer checks them

Row = tuple[list[int], list[list[int]]]  # tokens of the text, tokens of each side, both without [CLS] and [SEP]


def load_tokenizer(path: str) -> Tokenizer:
    """The tokenizer in a tokenizer.json file, without truncation or padding of its own."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True  # a "[SEP]" that somebody wrote is text
    if (tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")) != (CLS, SEP):
        raise ValueError(f"{path}: not an uncased BERT vocabulary")
    return tokenizer


PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "–": "-", "—": "-", "…": "..."})


def normalise_text(text: str) -> str:
    """The text as the network reads it, in training and after: one kind of quote and dash, no handles, no addresses.

    Handles would teach who was attacked in the training tweets, and a name after @ is never the post's own content.
    """
    if not text.isascii() or "&" in text:
        text = re.sub("[\ud800-\udfff]", "\ufffd", text)  # half an emoji, cut in two by who exported it
        text = html.unescape(unicodedata.normalize("NFKC", text)).translate(PLAIN)
    if "http" in text or "www." in text:
        text = re.sub(r"https?://\S+|www\.\S+", "http", text)
    return re.sub(r"@\w+", "@user", text) if "@" in text else text


def place_tokens(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """Where each token of ``tokenize`` stands in the text as given: its first character and one past its last.

    Words that ``normalise_text`` changed ("&amp;", an address) are one piece: each token of it has all of it.
    """
    normal = normalise_text(text)
    (encoding,) = tokenizer.encode_batch([normal], add_special_tokens=False)
    if normal == text:
        return list(encoding.offsets)
    starts, ends = match_characters(normal, text)
    return [(starts[start], ends[max(start, end - 1)]) for start, end in encoding.offsets]


def match_characters(normal: str, text: str) -> tuple[list[int], list[int]]:
    """For each character of ``normal``, where what it was made of starts and ends in ``text``."""
    chunks = re.findall(r"\s+|\S+", text)
    made = [normalise_text(chunk) for chunk in chunks]
    if "".join(made) != normal:  # what a letter became depends on white space beside it
        chunks, made = [text], [normal]
    starts: list[int] = []
    ends: list[int] = []
    place = 0
    for chunk, part in zip(chunks, made, strict=True):
        if part == chunk:
            starts += range(place, place + len(chunk))
            ends += range(place + 1, place + len(chunk) + 1)
        else:
            chunk_starts, chunk_ends = match_chunk(part, chunk)
            starts += [place + start for start in chunk_starts]
            ends += [place + end for end in chunk_ends]
        place += len(chunk)
    return starts, ends


def match_chunk(normal: str, text: str) -> tuple[list[int], list[int]]:
    """As ``match_characters``, of a short piece: time grows with its square."""
    pieces, originals = (re.findall(r"\w+|\s+|[^\w\s]", part) for part in (normal, text))
    starts: list[int] = []
    ends: list[int] = []
    place = 0
    for kind, a, b, c, d in SequenceMatcher(None, pieces, originals, autojunk=False).get_opcodes():
        made, source = sum(map(len, pieces[a:b])), sum(map(len, originals[c:d]))
        single = kind == "equal"
        starts += [place + i if single else place for i in range(made)]
        ends += [place + i + 1 if single else place + source for i in range(made)]
        place += source
    return starts, ends


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The tokens of each text, without [CLS] and [SEP]."""
    normal = [normalise_text(text) for text in texts]
    return [encoding.ids for encoding in tokenizer.encode_batch(normal, add_special_tokens=False)]


def cut_windows(tokens: list[int], length: int) -> list[list[int]]:
    """Stretches of at most ``length`` tokens that overlap by a quarter; one where all tokens fit."""
    step = length - length // 4
    return [tokens[start : start + length] for start in range(0, max(1, len(tokens) - length // 4), step)]


def row_length(row: Row) -> int:
    """How many tokens a row takes in a batch."""
    text, sides = row
    return len(text) + 2 + sum(len(side) + 2 for side in sides)


def make_batch(rows: Sequence[Row]) -> Batch:
    """Rows padded to the longest, or a little over; every side's positions start right after the text's."""
    # oneDNN keeps what it prepares for every shape: by eights there are fewer, and a server's memory stays flat
    length = -(-max(row_length(row) for row in rows) // 8) * 8
    count = max(len(sides) for _, sides in rows)
    tokens, positions, part, starts = [], [], [], []
    for text, sides in rows:
        ids, places, parts, begin = [CLS, *text, SEP], list(range(len(text) + 2)), [TEXT] * (len(text) + 2), []
        for number, side in enumerate(sides):
            begin.append(len(ids))
            ids += [CLS, *side, SEP]
            places += range(len(text) + 2, len(text) + 4 + len(side))
            parts += [FIRST_SIDE + number] * (len(side) + 2)
        rest = length - len(ids)
        tokens.append(ids + [0] * rest)
        positions.append(places + [0] * rest)
        part.append(parts + [PADDING] * rest)
        starts.append(begin + [0] * (count - len(begin)))
    side_starts = torch.tensor(starts, dtype=torch.int64).view(len(rows), count)
    return Batch(torch.tensor(tokens), torch.tensor(positions), torch.tensor(part), side_starts)


def batches_by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in order of length, cut so that rows times the longest row stays within ``budget`` tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batch and lengths[index] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
