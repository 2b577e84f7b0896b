"""The pass without gradients on a CPU: what ``Network`` says, laid out so that little of the work is wasted.

Weights are held in the type that is computed in, and where oneDNN can, in the order that its kernels read, with GELU
and the residual sum done inside the products. The rows of a block have sides of the same lengths, which stand before
the text, so no text token is compared with the sides that it must not see. Attention is two batched products around
a power of two, since softmax is slow on rows that are no multiple of 32 long: softmax(x) = 2^(x log2 e) / sum, where
log2 e is part of the query's weights and the sum is one more column of the values. No maximum is subtracted: what
leaves the range of numbers comes out as NaN, and the caller asks ``Network`` instead (a text in a thousand).

Every figure of this is in ``tests/bench/speed.py``. Shapes: B rows, L tokens a row, W the width of the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2, sqrt
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stance.records import STANCES
from stance.tagger.batch import CLS, SEP, Row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stance.tagger.network import Layer, Network

TOKENS_A_BLOCK = 1024  # what the products make of more leaves a core's cache before it is used
# oneDNN prepares every new shape for a millisecond and keeps it, in half a megabyte: so there are to be few.
LENGTHS_BY = 4
TOKENS_BY = 32
ROWS_BY = 16  # of the heads' input
# Values are this small so that a sum over all positions overflows only where one of its parts did.
SMALL = 2.0**-10
SUM_COLUMNS = 8  # beside the values of a head; the first is the sum, the others keep the products' rows aligned


@dataclass(frozen=True, slots=True)
class Affine:
    """A linear layer's weights, made ready."""

    weight: Tensor  # (outputs, inputs), or what oneDNN made of it
    bias: Tensor
    packed: bool


@dataclass(frozen=True, slots=True)
class Norm:
    """A layer norm's weights."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True, slots=True)
class ReadyLayer:
    """One layer, made ready: queries times log2 e / sqrt(width of a head), values times SMALL."""

    query_key_value: Affine
    attention_out: Affine
    attention_norm: Norm
    expand: Affine
    contract: Affine
    output_norm: Norm


@dataclass(frozen=True, slots=True)
class Ready:
    """A network made ready for one type of numbers; it does not follow later changes of the network's weights."""

    kind: torch.dtype
    attention_heads: int
    token_embedding: Tensor
    position_embedding: Tensor
    embedding_norm: Norm
    layers: tuple[ReadyLayer, ...]
    heads: dict[str, tuple[Affine, Affine]]  # stance, toxicity, sentiment, mention
    token_head: Affine


@dataclass(frozen=True, slots=True)
class Block:
    """Rows whose sides have the same lengths: [CLS] side [SEP] of each, then [CLS] text [SEP], then padding."""

    tokens: Tensor  # (B, L) int64
    positions: Tensor  # (B, L) int64; every side's go on right after the text's
    kept: Tensor  # (B, L) bool: not padding
    sides: tuple[tuple[int, int], ...]  # where each side starts and ends
    lengths: NDArray[np.int64]  # (B,): tokens of the text with [CLS] and [SEP]

    @property
    def text(self) -> int:
        """Where the text starts."""
        return self.sides[-1][1] if self.sides else 0


@dataclass(frozen=True, slots=True)
class Judged:
    """Logits of the rows of a block; NaN in every one of a row that left the range of numbers."""

    stance: NDArray[np.float32]  # (B, sides, 3), last axis as STANCES
    toxicity: NDArray[np.float32]  # (B, 5), last axis as TOXICITY
    sentiment: NDArray[np.float32]  # (B, 3), last axis as SENTIMENTS
    mention: NDArray[np.float32]  # (B, 1)
    toxic_token: list[NDArray[np.float32]]  # each (tokens of the text,)

    def take(self, rows: Sequence[int]) -> Judged:
        tokens = [self.toxic_token[row] for row in rows]
        return Judged(self.stance[rows], self.toxicity[rows], self.sentiment[rows], self.mention[rows], tokens)


def make_ready(network: Network, kind: torch.dtype) -> Ready:
    """Copies of the network's weights; the embeddings stay float32, since they cost nothing."""
    with torch.inference_mode():
        heads = {name: getattr(network, f"{name}_head") for name in ("stance", "toxicity", "sentiment", "mention")}
        return Ready(
            kind,
            network.shape.heads,
            network.token_embedding.weight.detach(),
            network.position_embedding.weight.detach(),
            ready_norm(network.embedding_norm, torch.float32),
            tuple(ready_layer(layer, kind) for layer in network.layers),  # type: ignore[arg-type]
            {name: (ready_affine(head[0], kind), ready_affine(head[3], kind)) for name, head in heads.items()},
            ready_affine(network.token_head, kind),
        )


def ready_layer(layer: Layer, kind: torch.dtype) -> ReadyLayer:
    width = layer.attention_out.in_features
    query, value = log2(np.e) / sqrt(width // layer.heads), SMALL
    scale = torch.tensor([query, 1.0, value]).repeat_interleave(width)
    mixed = nn.Linear(width, 3 * width)
    mixed.weight.copy_(layer.query_key_value.weight * scale[:, None])
    mixed.bias.copy_(layer.query_key_value.bias * scale)
    return ReadyLayer(
        pack_affine(ready_affine(mixed, kind)),
        pack_affine(ready_affine(layer.attention_out, kind)),
        ready_norm(layer.attention_norm, kind),
        pack_affine(ready_affine(layer.expand, kind)),
        pack_affine(ready_affine(layer.contract, kind)),
        ready_norm(layer.output_norm, kind),
    )


def ready_affine(linear: nn.Linear, kind: torch.dtype) -> Affine:
    return Affine(linear.weight.detach().to(kind), linear.bias.detach().to(kind), packed=False)


def ready_norm(norm: nn.LayerNorm, kind: torch.dtype) -> Norm:
    return Norm(norm.weight.detach().to(kind), norm.bias.detach().to(kind))


def pack_affine(affine: Affine) -> Affine:
    """In the order that oneDNN's kernels read, where this build of torch has them (private to torch, so asked for)."""
    available = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not (available and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return affine
    packed = torch.ops.mkldnn._reorder_linear_weight(affine.weight.contiguous(), TOKENS_A_BLOCK)
    return Affine(packed, affine.bias, packed=True)


def pad_length(row: Row) -> int:
    """How many tokens a row takes in a block of rows like it."""
    text, sides = row
    return -(-(len(text) + 2) // LENGTHS_BY) * LENGTHS_BY + sum(len(side) + 2 for side in sides)


def make_block(rows: Sequence[Row], length: int) -> Block:
    """Rows whose sides have the same lengths, padded to a length that is at least each one's ``pad_length``."""
    lengths = np.array([len(text) + 2 for text, _ in rows])
    edges = np.cumsum([0, *(len(side) + 2 for side in rows[0][1])]).tolist()
    sides = tuple(pairwise(edges))
    text = edges[-1]
    places = np.arange(length - text)
    inside = places < lengths[:, None]  # (B, longest text)
    tokens = np.zeros((len(rows), text + len(places)), np.int64)
    positions = np.zeros_like(tokens)
    tokens[:, text:][inside] = np.array([token for words, _ in rows for token in (CLS, *words, SEP)])
    positions[:, text:] = places * inside
    if sides:
        tokens[:, :text] = [[token for side in row for token in (CLS, *side, SEP)] for _, row in rows]
        positions[:, :text] = lengths[:, None] + np.concatenate([np.arange(end - start) for start, end in sides])
    kept = np.ones(tokens.shape, bool)
    kept[:, text:] = inside
    return Block(torch.from_numpy(tokens), torch.from_numpy(positions), torch.from_numpy(kept), sides, lengths)


def judge_rows(ready: Ready, rows: Sequence[Row], length: int) -> Judged:
    """The logits of rows whose sides have the same lengths; ``length`` as in ``make_block``."""
    block = make_block(rows, length)
    with torch.inference_mode():
        flat = encode(ready, block)
        count = len(rows)
        hidden = flat[: count * length].view(count, length, -1)
        text = hidden[:, block.text :]
        # Row by row: a sum over padding too would add in another order, and the last bit would depend on the padding.
        means = torch.stack([row[:own].mean(0) for row, own in zip(text, block.lengths.tolist(), strict=True)])
        pooled = torch.cat([text[:, 0], means], dim=-1)  # (B, 2W)
        about = [torch.cat([hidden[:, start], hidden[:, start:end].mean(1)], -1) for start, end in block.sides]
        shape = (count, len(about), len(STANCES))
        stance = ask_head(ready, "stance", torch.stack(about, 1).flatten(0, 1)) if about else torch.zeros(0)
        tokens = multiply(ready.token_head, flat)[: count * length].float().view(count, length)[:, block.text :].numpy()
        return Judged(
            stance.reshape(shape).numpy(),
            ask_head(ready, "toxicity", pooled).numpy(),
            ask_head(ready, "sentiment", pooled).numpy(),
            ask_head(ready, "mention", pooled).numpy(),
            [row[1 : own - 1] for row, own in zip(tokens, block.lengths.tolist(), strict=True)],
        )


def ask_head(ready: Ready, name: str, hidden: Tensor) -> Tensor:
    """(rows, 2W) -> (rows, labels) float32."""
    first, second = ready.heads[name]
    wide = functional.pad(hidden, (0, 0, 0, -len(hidden) % ROWS_BY))
    return multiply(second, functional.gelu(multiply(first, wide))).float()[: len(hidden)]


def encode(ready: Ready, block: Block) -> Tensor:
    """(B * L or a little over, W): the last hidden state of every token; what is over is noise."""
    rows, length = block.tokens.shape
    count, width, heads = rows * length, ready.token_embedding.shape[1], ready.attention_heads
    size = width // heads
    embedded = functional.embedding(block.tokens, ready.token_embedding)
    embedded += functional.embedding(block.positions, ready.position_embedding)
    embedded = normalise(ready.embedding_norm, embedded).flatten(0, 1)
    hidden = functional.pad(embedded, (0, 0, 0, -count % TOKENS_BY)).to(ready.kind)
    kept = block.kept.to(ready.kind)[:, None, :, None]
    # Written over by each layer: queries and keys, values beside the column that sums, and what attention gathers.
    pair = torch.empty((2, rows, heads, length, size), dtype=ready.kind)
    values = torch.zeros((rows, heads, length, size + SUM_COLUMNS), dtype=ready.kind)
    values[..., size : size + 1] = kept * SMALL
    gathered = torch.zeros_like(hidden)
    context = gathered[:count].view(rows, length, heads, size)
    start, seen = block.text, see_sides(block, ready.kind)
    for layer in ready.layers:
        mixed = multiply(layer.query_key_value, hidden)[:count].view(rows, length, 3, heads, size)
        mixed = mixed.permute(2, 0, 3, 1, 4)  # (3, B, heads, L, size)
        torch.mul(mixed[:2], kept, out=pair)  # a padding token's key is 0, lest it overflow
        torch.mul(mixed[2], kept, out=values[..., :size])
        query, key, value = pair[0].flatten(0, 1), pair[1].flatten(0, 1), values.flatten(0, 1)
        attend(query[:, start:], key[:, start:], value[:, start:], None, context[:, start:])
        if start:
            attend(query[:, :start], key, value, seen, context[:, :start])
        hidden = normalise(layer.attention_norm, multiply_add(layer.attention_out, gathered, hidden))
        inner = multiply_gelu(layer.expand, hidden)
        hidden = normalise(layer.output_norm, multiply_add(layer.contract, inner, hidden))
    return hidden


def see_sides(block: Block, kind: torch.dtype) -> Tensor:
    """(tokens of the sides, L): 1 where a side's token may look, at itself and the text, 0 at the other sides."""
    seen = torch.ones((block.text, block.tokens.shape[1]), dtype=kind)
    seen[:, : block.text] = 0
    for start, end in block.sides:
        seen[start:end, start:end] = 1
    return seen


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, context: Tensor) -> None:
    """Fill context (B, Q, heads, size) from query (B * heads, Q, size), key and value (B * heads, K, ...)."""
    rows, asking, heads, size = context.shape
    powers = torch.bmm(query, key.transpose(1, 2)).exp2_()
    if seen is not None:
        powers *= seen
    mixed = torch.bmm(powers, value).view(rows, heads, asking, -1).transpose(1, 2)
    torch.div(mixed[..., :size], mixed[..., size : size + 1], out=context)


def multiply(affine: Affine, hidden: Tensor) -> Tensor:
    """(tokens, inputs) -> (tokens, outputs)."""
    if affine.packed:
        return torch.ops.mkldnn._linear_pointwise(hidden, affine.weight, affine.bias, "none", [], "")  # type: ignore[no-any-return]
    return functional.linear(hidden, affine.weight, affine.bias)


def multiply_gelu(affine: Affine, hidden: Tensor) -> Tensor:
    if affine.packed:
        return torch.ops.mkldnn._linear_pointwise(hidden, affine.weight, affine.bias, "gelu", [], "none")  # type: ignore[no-any-return]
    return functional.gelu(functional.linear(hidden, affine.weight, affine.bias))


def multiply_add(affine: Affine, hidden: Tensor, residual: Tensor) -> Tensor:
    if affine.packed:
        return torch.ops.mkldnn._linear_pointwise.binary(hidden, residual, affine.weight, affine.bias, "add")  # type: ignore[no-any-return]
    return functional.linear(hidden, affine.weight, affine.bias).add_(residual)


def normalise(norm: Norm, hidden: Tensor) -> Tensor:
    return functional.layer_norm(hidden, hidden.shape[-1:], norm.weight, norm.bias, 1e-12)


def find_overflows(judged: Judged) -> list[int]:
    """The rows that left the range of numbers: a token's NaN reaches the mean of the text, or of its side."""
    heads = np.concatenate([judged.stance.reshape(len(judged.toxicity), -1), judged.toxicity], axis=1)
    return np.flatnonzero(~np.isfinite(heads).all(axis=1)).tolist()
