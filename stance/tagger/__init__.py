"""Taggers: texts and sides in, probabilities out. The only package that imports torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stance.records import StanceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHIPPED = "minilm-l6"  # the folder in models/ that is used where none is named
DECISIVE = ("tagger.json", "model.safetensors", "tokenizer.json")  # files of a folder that decide what it says


@dataclass(frozen=True, slots=True)
class Predictions:
    """Probabilities in the order of the texts; NaN: not judged, which only taggers other than a folder's have."""

    stance: NDArray[np.float64]  # (texts, sides, 3), last axis as STANCES, sums to 1
    toxicity: NDArray[np.float64]  # (texts, 5), last axis as TOXICITY, each of its own
    sentiment: NDArray[np.float64]  # (texts, 3), last axis as SENTIMENTS, sums to 1
    mention: NDArray[np.float64] | None = None  # (texts,): hostile words are reported or condemned; None: not judged
    toxic_spans: Sequence[tuple[tuple[int, int], ...]] = ()  # a text: stretches of its characters; (): not judged


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How a tagger's probabilities become labels."""

    stance: float  # below this probability of the likeliest label, none is given
    sentiment: float  # the same
    toxicity: tuple[float, ...]  # from this probability an attribute counts as present; as TOXICITY
    mention: float = 0.5  # from this probability hostile words count as reported or condemned, not used
    toxic_token: float = 0.5  # from this probability a token is part of a toxic span


class Tagger(Protocol):
    """What every tagger offers."""

    name: str
    sha256: str  # of everything that decides its answers
    thresholds: Thresholds
    languages: tuple[str, ...]  # of the texts that it judges, as ISO 639-1; (): any
    errors: dict[str, Any]  # what it scored: data set -> measure -> {value, low, high, n}

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        """Judge each text toward each side (the words of a side); ``advance`` hears how many texts are done."""
        ...


def models_folder() -> Path:
    """Where the shipped taggers lie: beside the package in a checkout, inside it where a wheel was installed."""
    package = Path(__file__).parent.parent
    checkout = package.parent / "models"
    return checkout if (package.parent / "pyproject.toml").is_file() and checkout.is_dir() else package / "models"


def find_folder(name: str | Path) -> Path | None:
    """The folder of a tagger that is one, or of a shipped one by name; None where there is none."""
    if Path(name).is_dir():
        return Path(name)
    shipped = models_folder() / str(name)
    return shipped if str(name).strip("./") and shipped.is_dir() else None


def hash_folder(folder: Path) -> str:
    """SHA-256 over the files that decide what the tagger says."""
    digest = hashlib.sha256()
    for name in DECISIVE:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def load_tagger(name: str | Path = SHIPPED) -> Tagger:
    """The tagger in a folder, a shipped one by name, ``hub:NAME`` or ``openai:URL#MODEL``.

    StanceError where it is missing or damaged.
    """
    kind, _, rest = str(name).partition(":")
    if kind == "hub":
        from stance.tagger.hub import load_hub

        return load_hub(rest)
    if kind == "openai":
        from stance.tagger.chat import load_chat

        return load_chat(rest)
    from stance.tagger.shipped import load_folder

    folder = find_folder(name)
    if folder is None:
        known = ", ".join(sorted(path.name for path in models_folder().glob("*") if path.is_dir())) or "none"
        raise StanceError(f"{name}: no such tagger: name a model folder, a shipped tagger ({known}), hub: or openai:")
    return load_folder(folder)
