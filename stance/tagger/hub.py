"""Models of the Hugging Face hub as a tagger: stance by NLI hypotheses, toxicity and sentiment by a model's labels.

``hub:`` takes one model or several apart by commas, each ``KIND=NAME@REVISION``. NAME is a folder or OWNER/NAME in the
hub's cache on this machine; nothing is downloaded. KIND (stance, toxicity, sentiment) may be left out where the labels
tell it. Weights are read from safetensors only, and code that comes with a model is never run.

A head without a model, and a toxicity attribute that the model has no label for, are NaN in ``Predictions``: not
judged, which is not the same as 0. Mention and toxic spans are never judged. Models read texts as ``normalise_text``
leaves them. Their probabilities are their own, not calibrated here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import Predictions, Thresholds
from stance.tagger.batch import normalise_text
from stance.tagger.classifier import (
    HYPOTHESES,
    Model,
    find_kind,
    has_own_probabilities,
    judge_sentiment,
    judge_stance,
    judge_toxicity,
    plain_label,
)

KINDS = ("stance", "toxicity", "sentiment")
THRESHOLDS = Thresholds(stance=0.45, sentiment=0.45, toxicity=(0.5,) * len(TOXICITY))
TEXTS_A_ROUND = 64  # between two reports of progress: a large model takes seconds for a text
MOST_TOKENS = 512  # read at once, even by models that could take more: they were trained on short texts
LEAST_TOKENS = 32  # fewer leave no room for a hypothesis beside a text


@dataclass(frozen=True, slots=True)
class Wanted:
    """One model as the user named it."""

    kind: str | None  # of KINDS; None: as its labels tell
    name: str  # a folder or OWNER/NAME
    revision: str | None  # branch, tag or commit; None: the one in the cache


class HubTagger:
    """One model for each of some kinds (see ``stance.tagger.Tagger``)."""

    thresholds = THRESHOLDS
    languages: tuple[str, ...] = ()  # whatever the models read

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = {model.kind: model for model in models}
        self.name = "hub:" + ",".join(f"{model.kind}={model.name}" for model in models)
        parts = [*HYPOTHESES, *(f"{model.kind}={model.sha256}" for model in models)]
        self.sha256 = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        self.errors: dict[str, Any] = {}  # not measured

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        """Probabilities of each text toward each side, a round of texts at a time; NaN: not judged."""
        stance = np.full((len(texts), len(sides), len(STANCES)), np.nan)
        toxicity = np.full((len(texts), len(TOXICITY)), np.nan)
        sentiment = np.full((len(texts), len(SENTIMENTS)), np.nan)
        for start in range(0, len(texts), TEXTS_A_ROUND):
            part = [normalise_text(text) for text in texts[start : start + TEXTS_A_ROUND]]
            place = slice(start, start + len(part))
            if "stance" in self.models:
                stance[place] = judge_stance(self.models["stance"], part, sides)
            if "toxicity" in self.models:
                toxicity[place] = judge_toxicity(self.models["toxicity"], part)
            if "sentiment" in self.models:
                sentiment[place] = judge_sentiment(self.models["sentiment"], part)
            if advance is not None:
                advance(start + len(part))
        return Predictions(stance, toxicity, sentiment)


def load_hub(spec: str) -> HubTagger:
    """The tagger of what stands after ``hub:``. StanceError where a model is absent, damaged or of another kind."""
    models: dict[str, Model] = {}
    for wanted in parse_spec(spec):
        model = load_model(wanted)
        if model.kind in models:
            raise StanceError(f"hub:{spec}: two models for {model.kind}: name one for each of {', '.join(KINDS)}")
        models[model.kind] = model
    return HubTagger([models[kind] for kind in KINDS if kind in models])


def parse_spec(spec: str) -> list[Wanted]:
    """``KIND=NAME@REVISION``, apart by commas; KIND and REVISION may be absent."""
    found = []
    for part in spec.split(","):
        kind, equals, name = part.strip().partition("=")
        if not equals or kind not in KINDS:
            kind, name = "", part.strip()
        base, at, revision = name.rpartition("@")
        if not at or Path(name).expanduser().is_dir():  # a folder may have any name
            base, revision = name, ""
        if not base or (at and base != name and not revision):
            raise StanceError(f"hub:{spec}: a name is missing: write hub:OWNER/NAME or hub:stance=OWNER/NAME@REVISION")
        found.append(Wanted(kind or None, base, revision or None))
    return found


def find_folder(wanted: Wanted) -> tuple[Path, str | None]:
    """The model's folder and commit (None for the user's own folder); never over the network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    folder = Path(wanted.name).expanduser()
    if folder.is_dir():
        if wanted.revision is not None:
            raise StanceError(f"{wanted.name}: a folder has no revisions: leave out @{wanted.revision}")
        return folder, None
    try:
        snapshot = Path(snapshot_download(wanted.name, revision=wanted.revision, local_files_only=True))
    except HFValidationError as error:
        raise StanceError(f"hub:{wanted.name}: no such folder, and no name on the hub: write OWNER/NAME") from error
    except LocalEntryNotFoundError as error:
        raise StanceError(
            f"hub:{wanted.name}: not on this machine, and nothing is downloaded unasked: run `{fetch_command(wanted)}`"
        ) from error
    return snapshot, snapshot.name


def fetch_command(wanted: Wanted) -> str:
    """What the user runs to have the model."""
    return f"hf download {wanted.name}" + (f" --revision {wanted.revision}" if wanted.revision else "")


def load_model(wanted: Wanted) -> Model:
    """Read one model. StanceError says what is wrong with it."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    folder, commit = find_folder(wanted)
    check_files(wanted, folder, commit)
    own: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = AutoConfig.from_pretrained(folder, **own)
        kind, labels = read_labels(wanted, config)
        tokenizer = AutoTokenizer.from_pretrained(folder, **own)
        with silence_bars():
            network, report = AutoModelForSequenceClassification.from_pretrained(
                folder, use_safetensors=True, output_loading_info=True, **own
            )
    except StanceError:
        raise
    except Exception as error:  # of every kind, also where a model needs code of its own
        reason = " ".join(str(error).split())[:200]
        raise StanceError(f"{wanted.name}: cannot be read as a classifier ({reason}): name another model") from error
    window = longest_window(config, tokenizer)
    if report["missing_keys"]:  # transformers would go on with random numbers in their place
        raise StanceError(f"{wanted.name}: weights are missing ({min(report['missing_keys'])}): fetch it again")
    if window < LEAST_TOKENS or not tokenizer.is_fast or tokenizer.pad_token is None:
        raise StanceError(f"{wanted.name}: its tokenizer cannot cut and pad long texts: name another model")
    name = folder.resolve().name if commit is None else f"{wanted.name}@{commit[:12]}"
    apart = has_own_probabilities(kind, labels, config.problem_type)
    network = network.float().eval()  # many are stored in fp16, which CPUs compute slowly
    if torch.cuda.is_available():
        network = network.to("cuda")
    return Model(kind, name, hash_files(folder), labels, apart, window, network, tokenizer)


@contextmanager
def silence_bars() -> Iterator[None]:
    """Keep transformers from drawing bars of its own, which would run into the program's."""
    import transformers

    logging: Any = transformers.utils.logging  # it has no types
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def check_files(wanted: Wanted, folder: Path, commit: str | None) -> None:
    """StanceError where the folder lacks what is read, or has its weights as a pickle only."""
    weights = any(folder.glob("*.safetensors"))
    if not weights and any(path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl") for path in folder.iterdir()):
        raise StanceError(
            f"{wanted.name}: its weights are a pickle, which can run code when read: "
            "name a model or a revision with model.safetensors"
        )
    if not weights or not (folder / "config.json").is_file():
        remedy = "name another folder" if commit is None else f"run `{fetch_command(wanted)}`"
        raise StanceError(f"{wanted.name}: no config.json with a *.safetensors file in {folder}: {remedy}")


def read_labels(wanted: Wanted, config: Any) -> tuple[str, tuple[str, ...]]:
    """What the model can judge, where it is what was asked for, and its labels in the order of its outputs."""
    if getattr(config, "transformers_weights", None) is not None:
        raise StanceError(f"{wanted.name}: its config.json names a file of weights of its own: name another model")
    written = [str(config.id2label[index]) for index in range(len(config.id2label))]
    labels = tuple(plain_label(label) for label in written)
    kind = find_kind(labels)
    if kind is None or wanted.kind not in (None, kind) or config.problem_type == "regression":
        raise StanceError(
            f"{wanted.name}: cannot judge {wanted.kind or 'anything asked here'}: its labels are "
            f"{', '.join(written)[:300]}. Stance needs entailment and others, toxicity toxic, insult, hate or their "
            "like, sentiment negative, neutral and positive: see id2label in config.json"
        )
    return kind, labels


def longest_window(config: Any, tokenizer: Any) -> int:
    """Tokens that the model reads at once."""
    positions = getattr(config, "max_position_embeddings", None) or 0  # -1, 0 or absent: no limit
    own = int(positions) - 2 if positions > 0 else MOST_TOKENS  # RoBERTa and its kin number positions from 2
    return min(MOST_TOKENS, int(tokenizer.model_max_length), own)


def hash_files(folder: Path) -> str:
    """SHA-256 over settings, weights and tokenizer: every file of such an ending, with its name."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".txt", ".model") and path.is_file():
            with path.open("rb") as file:
                digest.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()
