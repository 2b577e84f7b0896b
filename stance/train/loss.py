"""What training makes small: one masked loss over all heads, and the loss of guessing hidden words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from stance.records import STANCES
from stance.tagger.network import TEXT, Batch, Logits, Network, Shape
from stance.train.mix import Drawn

MASK = 103  # [MASK] of the uncased BERT vocabulary
ORDINARY = 1000  # tokens from here on are words and pieces of words, not marks
HIDDEN = 0.2  # share of tokens to be guessed
UNKNOWN = -100  # the target that cross_entropy leaves out
NONE = STANCES.index("none")


def batch_loss(logits: Logits, drawn: Sequence[Drawn], smoothing: float = 0.0) -> Tensor:
    """The loss of what is known, summed over heads and divided by the rows.

    A side counts 1, an attribute 1/2, a sentiment 1/2, a mention 1/2, the tokens of a text together 2: so the stance
    head leads where a text has labels of all heads.
    """
    examples = [one.example for one in drawn]
    total = logits.toxicity.new_zeros(())
    labels = [[label for _, label in example.sides] for example in examples]
    if any(labels):
        width = logits.stance.shape[1]
        target = torch.tensor([row + [UNKNOWN] * (width - len(row)) for row in labels], device=total.device)
        two_way = torch.tensor([example.two_way for example in examples], device=total.device)
        total = total + stance_loss(logits.stance, target, two_way, smoothing)
    known = [[-1 if value is None else value for value in example.toxicity] for example in examples]
    total = total + 0.5 * known_loss(logits.toxicity, torch.tensor(known, device=total.device))
    mention = [[-1 if example.mention is None else example.mention] for example in examples]
    total = total + 0.5 * known_loss(logits.mention, torch.tensor(mention, device=total.device))
    mood = torch.tensor(
        [UNKNOWN if example.sentiment is None else example.sentiment for example in examples], device=total.device
    )
    if (mood >= 0).any():
        total = total + 0.5 * functional.cross_entropy(logits.sentiment, mood, reduction="sum")
    for number, one in enumerate(drawn):
        if one.toxic:
            marks = torch.tensor([one.toxic], device=total.device)
            scores = logits.toxic_token[number, 1 : marks.shape[1] + 1]  # [CLS] stands before the text
            total = total + 2 * known_loss(scores[None], marks) / marks.shape[1]
    return total / len(drawn)


def stance_loss(logits: Tensor, target: Tensor, two_way: Tensor, smoothing: float) -> Tensor:
    """logits (B, S, 3), target (B, S) with UNKNOWN, two_way (B,): there "none" is no choice, and nothing is smoothed.

    Smoothing keeps the few texts that are seen often from being learned with certainty (Szegedy et al. 2016).
    """
    total = functional.cross_entropy(
        logits[~two_way].flatten(0, 1), target[~two_way].flatten(), reduction="sum", label_smoothing=smoothing
    )
    choice = logits[two_way][..., :NONE].flatten(0, 1)
    return total + functional.cross_entropy(choice, target[two_way].flatten(), reduction="sum")


def known_loss(logits: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy, summed; ``known`` has 0, 1 or -1: unknown."""
    each = functional.binary_cross_entropy_with_logits(logits, known.clamp(min=0).to(logits), reduction="none")
    return (each * (known >= 0)).sum()


class Guesser(nn.Module):
    """Hidden words from the last hidden states, against the encoder's own embeddings (Devlin et al. 2019)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.change = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))

    def forward(self, network: Network, batch: Batch) -> Tensor:
        """The mean cross-entropy of a fifth of the text's tokens; most are masked, some replaced, some left."""
        hidden = (batch.part == TEXT) & (batch.tokens >= ORDINARY) & (torch.rand(batch.tokens.shape) < HIDDEN)
        if not hidden.any():
            return self.bias.sum() * 0
        lot = torch.rand(batch.tokens.shape)
        words = torch.randint(ORDINARY, max(ORDINARY + 1, len(self.bias)), batch.tokens.shape)
        seen = torch.where(hidden & (lot < 0.8), torch.tensor(MASK), batch.tokens)
        seen = torch.where(hidden & (lot > 0.9), words, seen)
        device = self.bias.device
        states = network.encode(Batch(seen, batch.positions, batch.part, batch.side_starts).to(device))[hidden]
        scores = functional.linear(self.change(states), network.token_embedding.weight) + self.bias
        return functional.cross_entropy(scores.float(), batch.tokens[hidden].to(device))
