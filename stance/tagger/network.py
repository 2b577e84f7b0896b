"""The network: a BERT encoder that reads a text and any number of sides in one pass, and its heads.

One row of input is ``[CLS] text [SEP] [CLS] side [SEP] [CLS] side [SEP] ...``. Text tokens see the text; the tokens
of a side see the text and themselves, never another side; the positions of every side go on right after the text.
So what the network says of one side cannot depend on which other sides are asked about.

Shapes: B rows, L tokens a row, S sides, W the width of the encoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from stance.records import SENTIMENTS, STANCES, TOXICITY

PADDING, TEXT, FIRST_SIDE = 0, 1, 2  # values of Batch.part; the second side is FIRST_SIDE + 1, and so on


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of an encoder (defaults: MiniLM-L6)."""

    vocabulary: int = 30522
    width: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536  # width of the feed-forward part
    positions: int = 512


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of tokens, padded to one length."""

    tokens: Tensor  # (B, L) int64
    positions: Tensor  # (B, L) int64
    part: Tensor  # (B, L) int64: PADDING, TEXT or FIRST_SIDE + number of the side
    side_starts: Tensor  # (B, S) int64: where the [CLS] of each side is; 0 for a side that a row lacks

    def to(self, device: torch.device) -> Batch:
        return Batch(*(getattr(self, name).to(device, non_blocking=True) for name in self.__slots__))

    def pin(self) -> Batch:
        """In memory from which a GPU fetches by itself."""
        return Batch(*(getattr(self, name).pin_memory() for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Logits:
    """What the heads say, before calibration."""

    stance: Tensor  # (B, S, 3), last axis as STANCES
    toxicity: Tensor  # (B, 5), last axis as TOXICITY
    sentiment: Tensor  # (B, 3), last axis as SENTIMENTS
    mention: Tensor  # (B, 1): hostile words are reported, quoted or condemned rather than used
    toxic_token: Tensor  # (B, L): the token is part of what makes the text toxic; of text tokens only


class Layer(nn.Module):
    """One post-norm transformer layer, as in BERT."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.attention_out = nn.Linear(shape.width, shape.width)
        self.attention_norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.expand = nn.Linear(shape.width, shape.inner)
        self.contract = nn.Linear(shape.inner, shape.width)
        self.output_norm = nn.LayerNorm(shape.width, eps=1e-12)

    def forward(self, hidden: Tensor, bias: Tensor, dropout: float) -> Tensor:
        """hidden (B, L, W), bias (B, 1, L, L): 0 where a token may look, very low elsewhere -> (B, L, W)."""
        rows, length, width = hidden.shape
        mixed = self.query_key_value(hidden).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)  # each (B, heads, L, W / heads)
        if self.training:
            # The fused kernel's backward pass on a CPU is slow: a training step takes 1.5 times as long with it.
            scores = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-1, -2)) + bias.to(query.dtype)
            context = torch.matmul(torch.softmax(scores, dim=-1).to(value.dtype), value)
        else:
            context = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        context = self.attention_out(context.transpose(1, 2).reshape(rows, length, width))
        hidden = self.attention_norm(hidden + self.drop(context, dropout))
        inner = self.contract(functional.gelu(self.expand(hidden)))
        return self.output_norm(hidden + self.drop(inner, dropout))  # type: ignore[no-any-return]

    def drop(self, hidden: Tensor, share: float) -> Tensor:
        """Dropout of whole features of a row, (B, L, W): one draw a row costs a hundredth of one draw a token."""
        if not self.training or share == 0:
            return hidden
        kept = torch.full((hidden.shape[0], 1, hidden.shape[2]), 1 - share, device=hidden.device)
        return hidden * (torch.bernoulli(kept) / (1 - share)).to(hidden.dtype)


class Network(nn.Module):
    """The encoder and its heads: stance at each side, toxic tokens at each token, the rest at the text."""

    def __init__(self, shape: Shape, dropout: float = 0.1) -> None:
        super().__init__()
        self.shape = shape
        self.dropout = dropout  # of hidden states while training; attention itself has none (a third of the time)
        self.token_embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.position_embedding = nn.Embedding(shape.positions, shape.width)
        self.embedding_norm = nn.LayerNorm(shape.width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.stance_head = head(2 * shape.width, shape.width, len(STANCES))
        self.toxicity_head = head(2 * shape.width, shape.width, len(TOXICITY))
        self.sentiment_head = head(2 * shape.width, shape.width, len(SENTIMENTS))
        self.mention_head = head(2 * shape.width, shape.width, 1)
        self.token_head = nn.Linear(shape.width, 1)

    def encode(self, batch: Batch) -> Tensor:
        """(B, L, W): the last hidden state of every token."""
        looking, looked_at = batch.part[:, :, None], batch.part[:, None, :]
        mask = ((looked_at == TEXT) | (looking == looked_at)) & (looked_at != PADDING)  # (B, L, L)
        bias = torch.zeros(mask.shape, device=mask.device).masked_fill_(~mask, -1e4)[:, None]
        hidden = self.token_embedding(batch.tokens) + self.position_embedding(batch.positions)
        hidden = self.embedding_norm(hidden)
        for layer in self.layers:
            hidden = layer(hidden, bias, self.dropout)
        return hidden  # type: ignore[no-any-return]

    def forward(self, batch: Batch) -> Logits:
        """Logits of all heads; the stance of a side that a row lacks is noise, to be left out by the caller."""
        hidden = self.encode(batch)
        sides = batch.side_starts.shape[1]
        text = torch.cat([hidden[:, 0], part_means(hidden, batch.part, TEXT, 1)[:, 0]], dim=-1)  # (B, 2W)
        starts = batch.side_starts[:, :, None].expand(-1, -1, hidden.shape[2])
        means = part_means(hidden, batch.part, FIRST_SIDE, sides)
        side = torch.cat([hidden.gather(1, starts), means], dim=-1)  # (B, S, 2W)
        return Logits(
            stance=self.stance_head(side),
            toxicity=self.toxicity_head(text),
            sentiment=self.sentiment_head(text),
            mention=self.mention_head(text),
            toxic_token=self.token_head(hidden)[:, :, 0],
        )


def head(width: int, inner: int, labels: int) -> nn.Sequential:
    """(..., width) -> (..., labels)."""
    return nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Dropout(0.1), nn.Linear(inner, labels))


def part_means(hidden: Tensor, part: Tensor, first: int, count: int) -> Tensor:
    """hidden (B, L, W), part (B, L) -> (B, count, W): the mean of each part from ``first`` on, 0 of a missing one."""
    numbers = torch.arange(first, first + count, device=part.device)
    member = (part[:, None, :] == numbers[None, :, None]).to(hidden.dtype)  # (B, count, L)
    return torch.bmm(member, hidden) / member.sum(-1, keepdim=True).clamp(min=1)
