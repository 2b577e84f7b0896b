"""The training loop: stages of a recipe, checkpoints that a killed run goes on from, a blend of the stages' ends.

Everything random is drawn from (seed, stage, epoch) or (seed, step), never from a running state: a resumed run takes
the steps that the unbroken one would have taken.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from stance.records import StanceError
from stance.tagger.batch import make_batch
from stance.tagger.network import Logits, Network
from stance.train.loss import Guesser, batch_loss
from stance.train.mix import Drawn, Mixer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from stance.train.recipe import Recipe

CHECKPOINT_SECONDS = 180
LOG_STEPS = 50

Measures = dict[str, float]


def learning_factor(step: int, steps: int) -> float:
    """One cycle: up over the first tenth, then a straight line to zero."""
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else (steps - step) / (steps - warm)


def parameter_groups(network: Network, guesser: Guesser, decay: float) -> list[dict[str, Any]]:
    """Parameters of one learning rate each: ``scale`` is a layer's share of the encoder's rate, None for the heads."""
    layers = len(network.layers)
    below = [*network.token_embedding.parameters(), *network.position_embedding.parameters()]
    groups: list[dict[str, Any]] = [{"params": [*below, *network.embedding_norm.parameters()], "scale": decay**layers}]
    for depth, layer in enumerate(network.layers, start=1):
        groups.append({"params": list(layer.parameters()), "scale": decay ** (layers - depth)})
    heads = [value for name, value in network.named_parameters() if "head" in name]
    return [*groups, {"params": [*heads, *guesser.parameters()], "scale": None}]


class Run:
    """Network, optimizer and running mean, with where they are in the recipe."""

    def __init__(self, recipe: Recipe, folder: Path, network: Network) -> None:
        self.recipe = recipe
        self.folder = folder
        self.network = network
        self.average = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self.device = network.token_embedding.weight.device
        self.guesser = Guesser(network.shape).to(self.device)
        self.optimizer = self.make_optimizer()
        self.stage, self.step = 0, 0  # the next step to take, counted within its stage

    def make_optimizer(self) -> torch.optim.Optimizer:
        groups = parameter_groups(self.network, self.guesser, self.recipe.layer_decay)
        return torch.optim.AdamW(groups, weight_decay=0.01, fused=True)

    def go_back(self, stage: str) -> None:
        """Start from an earlier stage's end, without what the optimizer remembers of later ones."""
        end = load_end(self, stage)
        self.network.load_state_dict(end)
        self.average = {name: value.to(self.device) for name, value in end.items()}
        self.optimizer = self.make_optimizer()

    def save(self) -> None:
        """Weights, mean and moments in one safetensors file, replaced whole."""
        from safetensors.torch import save_file

        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        tensors |= {f"guesser.{name}": value for name, value in self.guesser.state_dict().items()}
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
        found: dict[str, dict[str, Tensor]] = {"network": {}, "average": self.average, "guesser": {}}
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
                    found[group][rest] = file.get_tensor(name).to(self.device)
        self.network.load_state_dict(found["network"])
        self.guesser.load_state_dict(found["guesser"])
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.stage, self.step = int(place["stage"]), int(place["step"])
        return True

    def take_step(self, batch: list[Drawn], factor: float) -> float:
        """One update; the loss before it."""
        stage = self.recipe.stages[self.stage]
        for group in self.optimizer.param_groups:
            peak = stage.head_learning_rate if group["scale"] is None else stage.learning_rate * group["scale"]
            group["lr"] = peak * factor
        torch.manual_seed(hash((self.recipe.seed, self.stage, self.step)))
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.add_gradients(batch, 1.0)
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        decay = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        return loss

    def add_gradients(self, batch: list[Drawn], share: float) -> float:
        """Add the gradients of a part of a step; where memory runs out, of its two halves one after the other."""
        try:
            loss = share * self.measure_loss(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            return float(loss.detach())
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                message = f"out of memory at one text of {self.recipe.cut} tokens: make cut smaller in the recipe"
                raise StanceError(message) from None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(batch) // 2
        parts = (batch[:half], batch[half:])
        return sum(self.add_gradients(part, share * len(part) / len(batch)) for part in parts)

    def measure_loss(self, batch: list[Drawn]) -> Tensor:
        stage, rows = self.recipe.stages[self.stage], make_batch([one.row for one in batch])
        with torch.autocast(self.device.type, torch.bfloat16):
            if stage.masked:
                return self.guesser(self.network, rows)  # type: ignore[no-any-return]
            logits = self.network(rows.to(self.device))
        names = Logits.__slots__
        logits = Logits(**{name: getattr(logits, name).float() for name in names})
        return batch_loss(logits, batch, stage.smoothing)


def fit(
    recipe: Recipe, data: Path, folder: Path, base: tuple[Network, Tokenizer], measure: Callable[[Network], Measures]
) -> Network:
    """Train by the recipe, or go on where ``folder`` holds a checkpoint; what comes back is the recipe's blend.

    ``measure`` gets the network with the mean weights after every epoch; what it returns goes into log.jsonl.
    """
    network, tokenizer = base
    network.to("cuda" if torch.cuda.is_available() else "cpu")
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


def averaged(run: Run) -> Network:
    """A network with the running mean of the weights."""
    network = Network(run.network.shape)
    network.load_state_dict(run.average)
    return network.eval()


def train_stage(run: Run, mixer: Mixer, measure: Callable[[Network], Measures], write: Callable[..., None]) -> None:
    """The rest of the run's stage, from its next step."""
    from safetensors.torch import save_file

    stage = run.recipe.stages[run.stage]
    epochs = [mixer.epoch(stage, number) for number in range(stage.epochs)]
    if run.step == 0 and stage.start is not None:
        run.go_back(stage.start)
    steps = sum(len(batches) for batches in epochs)
    first, saved = run.step, time.monotonic()
    losses: list[float] = []
    with show_progress(f"{run.recipe.name}: {stage.name}", steps, first) as advance:
        for step, (epoch, batch) in enumerate(in_order(epochs)):
            if step < first:
                continue
            losses.append(run.take_step(batch, learning_factor(step, steps)))
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


def in_order(epochs: list[list[list[Drawn]]]) -> Iterator[tuple[int, list[Drawn]]]:
    for number, batches in enumerate(epochs):
        for batch in batches:
            yield number, batch


@contextmanager
def show_progress(what: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr, in a terminal only."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, completed=done)
        yield lambda: bar.advance(task)
