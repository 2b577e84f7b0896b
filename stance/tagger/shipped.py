"""A tagger in a folder: weights, tokenizer, and everything needed to read its scores.

``tagger.json`` holds the format number, sizes, labels, calibration and thresholds; ``model.safetensors`` the weights
in bf16; ``tokenizer.json`` the vocabulary; ``metrics.json`` what it scored and on what; ``README.md`` the card.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import DECISIVE, Predictions, Thresholds, hash_folder
from stance.tagger.batch import load_tokenizer
from stance.tagger.inference import make_ready
from stance.tagger.network import Network, Shape
from stance.tagger.score import MOST_SIDE_TOKENS, Reader, Scores, score_texts
from stance.tagger.words import Words

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

# Of the folder. 1: one network, one affine calibration a head; 2: heads for mention and toxic tokens too, languages.
FORMAT = 2
LABELS = {
    "stance": list(STANCES),
    "toxicity": list(TOXICITY),
    "sentiment": list(SENTIMENTS),
    "mention": ["mention"],
    "toxic_token": ["toxic_token"],
}
TEXTS_A_ROUND = 2048  # between two reports of progress; the more, the less their lengths differ in a block


@dataclass(frozen=True, slots=True)
class Calibration:
    """How the logits of one head become probabilities: softmax or sigmoid of ``logits / temperature + bias``."""

    temperature: tuple[float, ...]  # one for all labels, or one a label
    bias: tuple[float, ...]  # one a label

    def apply(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """(..., labels) -> (..., labels): scaled and shifted logits."""
        return np.asarray(logits.astype(np.float64) / np.array(self.temperature) + np.array(self.bias))


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``tagger.json`` holds."""

    name: str
    shape: Shape
    window: int  # tokens of a text that are read at once; what training cut texts to
    calibration: dict[str, Calibration]  # by head, as LABELS
    thresholds: Thresholds
    languages: tuple[str, ...] = ("en",)  # of the texts that it was trained on


def join_tokens(places: Sequence[tuple[int, int]], toxic: NDArray[np.bool_], text: str) -> tuple[tuple[int, int], ...]:
    """The toxic tokens as stretches of the text: a part of a word makes the word, and neighbours are one stretch."""
    spans: list[tuple[int, int]] = []
    for (start, end), hit in zip(places, toxic, strict=True):
        if not hit or start >= end:
            continue
        while start > 0 and text[start - 1].isalnum() and text[start].isalnum():
            start -= 1
        while end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
            end += 1
        if spans and not text[spans[-1][1] : start].strip():
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return tuple(spans)


class FolderTagger:
    """The tagger of one folder (see ``stance.tagger.Tagger``)."""

    def __init__(self, settings: Settings, network: Network, tokenizer: Tokenizer) -> None:
        self.settings = settings
        self.network = network
        self.tokenizer = tokenizer
        self.name = settings.name
        self.thresholds = settings.thresholds
        self.languages = settings.languages
        self.sha256 = ""
        self.errors: dict[str, Any] = {}
        self.device = network.token_embedding.weight.device
        self.bf16 = torch.cuda.is_bf16_supported() if self.device.type == "cuda" else runs_bf16()
        self._words = Words(tokenizer)
        self._readers: dict[bool, Reader] = {}  # by bf16, made when first asked

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        """Probabilities of each text toward each side, a round of texts at a time."""
        stance, toxicity, sentiment, mention = [], [], [], []
        spans: list[tuple[tuple[int, int], ...]] = []
        for start in range(0, len(texts), TEXTS_A_ROUND):
            part = texts[start : start + TEXTS_A_ROUND]
            scores = self.score(part, [sides] * len(part))
            calibration = self.settings.calibration
            stance.append(self.stance_probabilities(np.stack(scores.stance)))
            toxicity.append(sigmoid(calibration["toxicity"].apply(scores.toxicity)))
            sentiment.append(softmax(calibration["sentiment"].apply(scores.sentiment)))
            mention.append(sigmoid(calibration["mention"].apply(scores.mention))[:, 0])
            spans += [self.find_spans(text, tokens) for text, tokens in zip(part, scores.toxic_token, strict=True)]
            if advance is not None:
                advance(start + len(part))
        return Predictions(
            np.concatenate([np.zeros((0, len(sides), len(STANCES))), *stance]),
            np.concatenate([np.zeros((0, len(TOXICITY))), *toxicity]),
            np.concatenate([np.zeros((0, len(SENTIMENTS))), *sentiment]),
            np.concatenate([np.zeros(0), *mention]),
            spans,
        )

    def find_spans(self, text: str, scores: NDArray[np.float32]) -> tuple[tuple[int, int], ...]:
        """The stretches of the text whose tokens reach the threshold; scores (tokens of the text,)."""
        probabilities = sigmoid(self.settings.calibration["toxic_token"].apply(scores[:, None]))[:, 0]
        toxic = probabilities >= self.thresholds.toxic_token
        return join_tokens(self._words.place(text), toxic, text) if toxic.any() else ()

    def stance_probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """(..., 3) -> (..., 3), last axis as STANCES."""
        return softmax(self.settings.calibration["stance"].apply(logits))

    def score(self, texts: Sequence[str], sides: Sequence[Sequence[str]]) -> Scores:
        """Logits before calibration, each text with its own sides."""
        return score_texts(self.reader(), texts, sides)

    def reader(self) -> Reader:
        """The network as it was when first asked: a tagger is made after training."""
        if self.bf16 not in self._readers:
            kind = torch.bfloat16 if self.bf16 else torch.float32
            ready = make_ready(self.network, kind) if self.device.type == "cpu" else None
            self._readers[self.bf16] = Reader(self.network, self._words, self.settings.window, self.bf16, ready)
        return self._readers[self.bf16]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-logits)))


def runs_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively; elsewhere bf16 is slower than fp32."""
    flags: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch lack it
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def choose_device() -> torch.device:
    """A GPU where there is one; the environment's STANCE_DEVICE, cpu or cuda, overrules that."""
    wanted = os.environ.get("STANCE_DEVICE", "")
    if wanted not in ("", "cpu", "cuda"):
        raise StanceError(f"STANCE_DEVICE={wanted}: no such device: set it to cpu or cuda, or leave it out")
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise StanceError("STANCE_DEVICE=cuda: torch finds no GPU here: leave it out, or install torch with CUDA")
    return torch.device("cuda" if there and wanted != "cpu" else "cpu")


def load_folder(folder: Path) -> FolderTagger:
    """Read a model folder strictly. StanceError names the file that is missing, damaged or of another format."""
    from safetensors.torch import load_file

    remedy = "restore the folder (git checkout, or install threadstance again)"
    for name in DECISIVE:
        if not (folder / name).is_file():
            raise StanceError(f"{folder / name}: missing from the tagger's folder: {remedy}")
    try:
        values = json.loads((folder / "tagger.json").read_text(encoding="utf-8"))
        if values["format"] != FORMAT or values["labels"] != LABELS:
            raise StanceError(
                f"{folder / 'tagger.json'}: format {values['format']} or its labels are not this version's: "
                "use the threadstance that made it"
            )
        settings = parse_settings(values)
        errors = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"  # repr would hold a whole file that is not UTF-8
        raise StanceError(f"{folder}: tagger.json or metrics.json is damaged ({reason}): {remedy}") from error
    network = Network(settings.shape)
    try:
        weights = load_file(folder / "model.safetensors")
        network.load_state_dict({name: value.float() for name, value in weights.items()})
        tokenizer = load_tokenizer(str(folder / "tokenizer.json"))
    except Exception as error:  # safetensors and tokenizers raise their own kinds, some of them bare Exception
        reason = " ".join(str(error).split())[:200]  # the names of wrong weights stand in the later lines
        raise StanceError(f"{folder}: model.safetensors or tokenizer.json is damaged ({reason}): {remedy}") from error
    tagger = FolderTagger(settings, network.eval().to(choose_device()), tokenizer)
    tagger.sha256 = hash_folder(folder)
    tagger.errors = errors
    return tagger


def parse_settings(values: dict[str, Any]) -> Settings:
    calibration = {
        head: Calibration(tuple(values["calibration"][head]["temperature"]), tuple(values["calibration"][head]["bias"]))
        for head in values["labels"]
    }
    limits = values["thresholds"]
    thresholds = Thresholds(**{**limits, "toxicity": tuple(limits["toxicity"])})
    shape = Shape(**values["shape"])
    settings = Settings(values["name"], shape, values["window"], calibration, thresholds, tuple(values["languages"]))
    check_settings(settings)
    return settings


def check_settings(settings: Settings) -> None:
    """ValueError where a number would fail only in the middle of a thread, or give nonsense."""
    shape = asdict(settings.shape)
    if not all(isinstance(size, int) and size > 0 for size in (*shape.values(), settings.window)):
        raise ValueError("a size is not a whole number above 0")
    if shape["width"] % shape["heads"]:
        raise ValueError("the heads do not divide the width")
    if settings.window + 2 + MOST_SIDE_TOKENS + 2 > shape["positions"]:
        raise ValueError("the window does not fit the positions")
    for head, calibration in settings.calibration.items():
        labels = LABELS[head]
        if len(calibration.temperature) not in (1, len(labels)) or len(calibration.bias) != len(labels):
            raise ValueError(f"the calibration of {head} is for other labels")
        if min(calibration.temperature) <= 0:
            raise ValueError(f"a temperature of {head} is not above 0")
    limits = settings.thresholds
    if len(limits.toxicity) != len(TOXICITY) or not all(
        isinstance(limit, int | float)
        for limit in (limits.stance, limits.sentiment, limits.mention, limits.toxic_token, *limits.toxicity)
    ):
        raise ValueError("a threshold is missing or not a number")


def save_folder(folder: Path, settings: Settings, network: Network, tokenizer: Tokenizer) -> None:
    """Write settings, weights (bf16) and tokenizer; metrics and card are written by who measures."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    values = {"format": FORMAT, "labels": LABELS, **asdict(settings)}
    (folder / "tagger.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    weights = {name: value.to(torch.bfloat16).contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
