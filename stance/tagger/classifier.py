"""A classifier that somebody else trained: what its labels mean here, and what it says of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stance.records import SENTIMENTS, STANCES, TOXICITY
from stance.tagger.batch import batches_by_length, normalise_text
from stance.tagger.shipped import runs_bf16, sigmoid, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

HYPOTHESES = ("The author supports {side}.", "The author is against {side}.")  # of favor and against; none is the rest
TOKENS_A_BATCH = 4096
MOST_SIDE_TOKENS = 32

# What other people's labels mean here, in lower case and words joined by "_". A label that is in no list, as "male" or
# "sexual_explicit", is left out.
ATTRIBUTES = {
    **dict.fromkeys(("toxic", "toxicity", "severe_toxic", "severe_toxicity", "offensive"), "toxicity"),
    **dict.fromkeys(("offensive_language", "abusive", "abuse", "hate_offensive"), "toxicity"),
    **dict.fromkeys(("insult", "insulting", "insults"), "insult"),
    **dict.fromkeys(("threat", "threats", "threatening"), "threat"),
    **dict.fromkeys(("obscene", "obscenity", "profane", "profanity", "vulgar", "vulgarity"), "obscene"),
    **dict.fromkeys(("identity_hate", "identity_attack", "identity_based_attack"), "identity_attack"),
    **dict.fromkeys(("hate", "hateful", "hate_speech", "hatespeech"), "identity_attack"),
}
TONES = {
    **dict.fromkeys(("negative", "neg", "very_negative", "1_star", "2_stars"), "negative"),
    **dict.fromkeys(("neutral", "neu", "3_stars"), "neutral"),
    **dict.fromkeys(("positive", "pos", "very_positive", "4_stars", "5_stars"), "positive"),
}


@dataclass(frozen=True, slots=True)
class Model:
    """One loaded model."""

    kind: str  # of KINDS
    name: str  # the folder's name, or OWNER/NAME@ with the beginning of the commit
    sha256: str  # of its folder's files
    labels: tuple[str, ...]  # plain, in the order of its outputs
    apart: bool  # whether each label has a probability of its own (sigmoid)
    window: int  # tokens read at once, special ones and a hypothesis included
    network: Any
    tokenizer: Any


@dataclass(frozen=True, slots=True)
class Windows:
    """What a model says of the windows of some texts."""

    logits: NDArray[np.float64]  # (windows, labels)
    text: NDArray[np.int64]  # (windows,): the index of the text
    weight: NDArray[np.float64]  # (windows,): its part of the text's tokens

    def average(self, values: NDArray[np.float64], texts: int) -> NDArray[np.float64]:
        """(windows, columns) -> (texts, columns): the mean weighted by length."""
        sums = np.zeros((texts, values.shape[1]))
        np.add.at(sums, self.text, values * self.weight[:, None])
        return sums

    def maximum(self, values: NDArray[np.float64], texts: int) -> NDArray[np.float64]:
        """(windows, columns) -> (texts, columns)."""
        highest = np.full((texts, values.shape[1]), -np.inf)
        np.maximum.at(highest, self.text, values)
        return highest


def plain_label(label: str) -> str:
    """ "Hate-Speech" -> "hate_speech"."""
    return re.sub(r"\W+|_+", "_", str(label).lower()).strip("_")


def find_kind(labels: Sequence[str]) -> str | None:
    """What a model with these labels can judge; None: nothing that this program asks for."""
    if len(labels) > 1 and sum(label.startswith("entail") for label in labels) == 1:
        return "stance"
    if any(label in ATTRIBUTES for label in labels):
        return "toxicity"
    if all(label in TONES for label in labels) and {TONES[label] for label in labels} == set(SENTIMENTS):
        return "sentiment"
    return None


def has_own_probabilities(kind: str, labels: Sequence[str], problem: str | None) -> bool:
    """Whether each label has a probability of its own, by the ``problem_type`` of the model's config.

    Old models give none: toxicity labels without one for a clean text cannot exclude each other, or all texts would be
    toxic.
    """
    if problem is not None and len(labels) > 1:
        return problem == "multi_label_classification"
    return kind == "toxicity" and all(label in ATTRIBUTES for label in labels)


def judge_stance(model: Model, texts: Sequence[str], sides: Sequence[str]) -> NDArray[np.float64]:
    """(texts, sides, 3), last axis as STANCES.

    Each hypothesis has odds of being entailed, and neither has odds of 1: where the model finds both as likely as not,
    the three labels get a third each, however many labels the model has for what is not entailed.
    """
    judged = np.zeros((len(texts), len(sides), len(STANCES)))
    entailed = [index for index, label in enumerate(model.labels) if label.startswith("entail")]
    for number, side in enumerate(cut_sides(model, sides)):
        for column, hypothesis in enumerate(HYPOTHESES):
            windows = score_windows(model, texts, hypothesis.replace("{side}", side))
            others = np.delete(windows.logits, entailed, axis=1)
            odds = windows.logits[:, entailed] - np.logaddexp.reduce(others, axis=1, keepdims=True)
            judged[:, number, column] = windows.average(odds, len(texts))[:, 0]
    return softmax(judged)


def judge_toxicity(model: Model, texts: Sequence[str]) -> NDArray[np.float64]:
    """(texts, 5), as TOXICITY; NaN where no label of the model means the attribute.

    Labels that exclude each other add up: hate is no less toxic for having a label of its own.
    """
    windows = score_windows(model, texts)
    probabilities = (sigmoid if model.apart else softmax)(windows.logits)
    meanings = [ATTRIBUTES.get(label) for label in model.labels]
    judged = np.full((len(probabilities), len(TOXICITY)), np.nan)
    for column, attribute in enumerate(TOXICITY):
        meant = [index for index, meaning in enumerate(meanings) if meaning == attribute]
        if meant and attribute == "toxicity" and not model.apart:
            meant = [index for index, meaning in enumerate(meanings) if meaning is not None]
        if meant:
            chosen = probabilities[:, meant]
            judged[:, column] = chosen.max(axis=1) if model.apart else chosen.sum(axis=1).clip(0, 1)
    return windows.maximum(judged, len(texts))


def judge_sentiment(model: Model, texts: Sequence[str]) -> NDArray[np.float64]:
    """(texts, 3), as SENTIMENTS; labels of one tone, as "4 stars" and "5 stars", add up."""
    windows = score_windows(model, texts)
    probabilities = (sigmoid if model.apart else softmax)(windows.average(windows.logits, len(texts)))
    tones = np.array([[TONES[label] == tone for tone in SENTIMENTS] for label in model.labels], np.float64)
    judged = probabilities @ tones
    return np.asarray(judged / judged.sum(axis=1, keepdims=True))


def score_windows(model: Model, texts: Sequence[str], hypothesis: str | None = None) -> Windows:
    """Read texts, each with the hypothesis behind it, in windows that overlap by a quarter."""
    pairs = None if hypothesis is None else [hypothesis] * len(texts)
    taken = len(model.tokenizer("", hypothesis)["input_ids"])
    encoded = model.tokenizer(
        list(texts),
        pairs,
        truncation="only_first",
        max_length=model.window,
        stride=(model.window - taken) // 4,
        return_overflowing_tokens=True,
        split_special_tokens=True,  # a "[SEP]" that somebody wrote is text
    )
    owners = np.array(encoded.pop("overflow_to_sample_mapping"), np.int64)
    lengths = [len(ids) for ids in encoded["input_ids"]]
    device = model.network.device
    bf16 = device.type == "cuda" or runs_bf16()
    logits = np.zeros((len(owners), len(model.labels)))
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for indices in batches_by_length(lengths, TOKENS_A_BATCH):
            rows = {name: [values[index] for index in indices] for name, values in encoded.items()}
            batch = model.tokenizer.pad(rows, return_tensors="pt").to(device)
            logits[indices] = model.network(**batch).logits.float().cpu().numpy()
    weights = np.array(lengths, np.float64)
    return Windows(logits, owners, weights / np.bincount(owners, weights)[owners])


def cut_sides(model: Model, sides: Sequence[str]) -> list[str]:
    """The words of each side, a very long one cut so that a text finds room beside it."""
    most = min(MOST_SIDE_TOKENS, model.window // 4)
    cut = []
    for side in map(normalise_text, sides):
        encoded = model.tokenizer(side, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        offsets = encoded["offset_mapping"]
        cut.append(side if len(offsets) <= most else side[: offsets[most - 1][1]])
    return cut
