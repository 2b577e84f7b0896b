"""Texts through a network: tokens, windows, blocks of rows, and the logits of each text in the texts' order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from stance.records import SENTIMENTS, STANCES, TOXICITY
from stance.tagger.batch import Row, batches_by_length, cut_windows, make_batch, row_length
from stance.tagger.inference import LENGTHS_BY, TOKENS_A_BLOCK, Judged, Ready, find_overflows, judge_rows, pad_length
from stance.tagger.network import Batch, Logits, Network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.tagger.words import Words

MOST_SIDE_TOKENS = 32
MOST_STRETCHED = 1.1  # times its longest row, a block
TOKENS_ON_GPU = 65_536  # a batch: enough to keep a large GPU busy


@dataclass(frozen=True, slots=True)
class Scores:
    """Uncalibrated logits, one entry a text or row."""

    stance: list[NDArray[np.float32]]  # each (sides of the text, 3)
    toxicity: NDArray[np.float32]  # (texts, 5)
    sentiment: NDArray[np.float32]  # (texts, 3)
    mention: NDArray[np.float32]  # (texts, 1)
    toxic_token: list[NDArray[np.float32]]  # each (tokens of the text,)


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads texts: a network with its vocabulary, on one device and in one precision."""

    network: Network
    words: Words
    window: int  # tokens of a text that are read at once
    bf16: bool
    ready: Ready | None  # the network made ready for this CPU; None where it is on a GPU


def score_texts(reader: Reader, texts: Sequence[str], sides: Sequence[Sequence[str]]) -> Scores:
    """Logits of whole texts, each with its own sides.

    A text longer than a window is read in overlapping windows: toxicity, also of a token, is the maximum over them,
    the rest the mean weighted by their lengths.
    """
    names = sorted({name for row in sides for name in row})
    side_tokens = {name: ids[:MOST_SIDE_TOKENS] for name, ids in zip(names, reader.words.read(names), strict=True)}
    rows: list[Row] = []
    owners: list[range] = []
    for tokens, row_sides in zip(reader.words.read(texts), sides, strict=True):
        windows = cut_windows(tokens, reader.window)
        owners.append(range(len(rows), len(rows) + len(windows)))
        named = [side_tokens[name] for name in row_sides]
        rows += [(part, named) for part in windows]
    scores = score_rows(reader, rows)
    firsts = [owned[0] for owned in owners]
    whole = Scores(
        [scores.stance[first] for first in firsts],
        scores.toxicity[firsts],
        scores.sentiment[firsts],
        scores.mention[firsts],
        [scores.toxic_token[first] for first in firsts],
    )
    for place, owned in enumerate(owners):
        if len(owned) > 1:
            several = list(owned)
            weights = np.array([len(rows[i][0]) + 1.0 for i in owned], np.float32)
            weights /= weights.sum()
            whole.stance[place] = np.einsum("w,wsl->sl", weights, np.stack([scores.stance[i] for i in owned]))
            whole.toxicity[place] = scores.toxicity[several].max(axis=0)
            whole.sentiment[place] = weights @ scores.sentiment[several]
            whole.mention[place] = weights @ scores.mention[several]
            whole.toxic_token[place] = join_windows([scores.toxic_token[i] for i in owned], reader.window)
    return whole


def join_windows(parts: Sequence[NDArray[np.float32]], window: int) -> NDArray[np.float32]:
    """One number a token of the whole text from those of its ``cut_windows``: the maximum where windows overlap."""
    step = window - window // 4
    joined = np.full((len(parts) - 1) * step + len(parts[-1]), -np.inf, np.float32)
    for number, part in enumerate(parts):
        place = slice(number * step, number * step + len(part))
        joined[place] = np.maximum(joined[place], part)
    return joined


def score_rows(reader: Reader, rows: Sequence[Row]) -> Scores:
    """Run the network over rows of any lengths; results in the order of the rows."""
    stance: list[NDArray[np.float32]] = [np.zeros((0, len(STANCES)), np.float32)] * len(rows)
    toxic_token: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(rows)
    toxicity = np.zeros((len(rows), len(TOXICITY)), np.float32)
    sentiment = np.zeros((len(rows), len(SENTIMENTS)), np.float32)
    mention = np.zeros((len(rows), 1), np.float32)
    for indices, judged in judge_on_gpu(reader, rows) if reader.ready is None else judge_blocks(reader, rows):
        for place, index in enumerate(indices):
            stance[index] = judged.stance[place, : len(rows[index][1])]
            toxic_token[index] = judged.toxic_token[place]
        toxicity[indices] = judged.toxicity
        sentiment[indices] = judged.sentiment
        mention[indices] = judged.mention
    return Scores(stance, toxicity, sentiment, mention, toxic_token)


def judge_blocks(reader: Reader, rows: Sequence[Row]) -> Iterator[tuple[list[int], Judged]]:
    """Blocks of rows whose sides have the same lengths, in order of the texts' lengths."""
    assert reader.ready is not None
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, (_, sides) in enumerate(rows):
        groups.setdefault(tuple(map(len, sides)), []).append(index)
    for group in groups.values():
        for places, length in cut_blocks([pad_length(rows[index]) for index in group], TOKENS_A_BLOCK):
            indices = [group[place] for place in places]
            judged = judge_rows(reader.ready, [rows[index] for index in indices], length)
            overflows = find_overflows(judged)
            if overflows:
                fine = [place for place in range(len(indices)) if place not in overflows]
                yield [indices[place] for place in fine], judged.take(fine)
            else:
                yield indices, judged
            for place in overflows:  # alone, so that the answer does not depend on the neighbours
                yield [indices[place]], judge_plainly(reader, [rows[indices[place]]])


def cut_blocks(lengths: Sequence[int], budget: int) -> Iterator[tuple[list[int], int]]:
    """Indices in order of length and the length to pad them to; at most ``budget`` tokens a block, or one row.

    A block has as many rows as the budget lets rows of its length be, or else a power of two: few shapes. Where a
    little more padding makes it a full one, it gets that.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    start = 0
    while start < len(order):
        count = 1
        while start + count < len(order) and lengths[order[start + count]] * (count + 1) <= budget:
            count += 1
        longest = lengths[order[start + count - 1]]
        stretched = longest + (budget // count - longest) // LENGTHS_BY * LENGTHS_BY
        if longest <= stretched <= longest * MOST_STRETCHED and budget // stretched == count:
            yield order[start : start + count], stretched
        else:
            count = 2 ** (count.bit_length() - 1)
            yield order[start : start + count], lengths[order[start + count - 1]]
        start += count


def judge_plainly(reader: Reader, rows: Sequence[Row]) -> Judged:
    """The network as it was trained, without anything made ready."""
    return fetch_logits(run_network(reader, make_batch(rows)), rows)


def judge_on_gpu(reader: Reader, rows: Sequence[Row]) -> Iterator[tuple[list[int], Judged]]:
    """All batches are sent off before the first answer is fetched: the GPU does not wait for this process."""
    sent = []
    for indices in batches_by_length([row_length(row) for row in rows], TOKENS_ON_GPU):
        batch = make_batch([rows[index] for index in indices])
        sent.append((indices, run_network(reader, batch.pin())))
    for indices, logits in sent:
        yield indices, fetch_logits(logits, [rows[index] for index in indices])


def run_network(reader: Reader, batch: Batch) -> Logits:
    device = reader.network.token_embedding.weight.device
    reader.network.eval()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=reader.bf16):
        return reader.network(batch.to(device))  # type: ignore[no-any-return]


def fetch_logits(logits: Logits, rows: Sequence[Row]) -> Judged:
    stance, toxicity, sentiment, mention, tokens = (
        part.float().cpu().numpy()
        for part in (logits.stance, logits.toxicity, logits.sentiment, logits.mention, logits.toxic_token)
    )
    toxic_token = [row[1 : len(text) + 1] for row, (text, _) in zip(tokens, rows, strict=True)]  # [CLS] stands first
    return Judged(stance, toxicity, sentiment, mention, toxic_token)
