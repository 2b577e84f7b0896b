"""What the machine can do at best: measured rates of matrix products, and what the network's pass needs of them."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from stance.tagger.network import Shape

GIGA = 1e9
ROWS = 4096  # tokens in a full batch
SQUARE = 2048
SECONDS = 0.4  # a measurement; short, because a machine that others use changes its speed


@dataclass(frozen=True, slots=True)
class Rates:
    """Operations a second, a multiply-add counted as two."""

    layers: float  # of the products of one encoder layer, a full batch
    square: float  # of a large square

    @property
    def best(self) -> float:
        """The machine's ceiling: whichever kind of product was faster."""
        return max(self.layers, self.square)


def say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def describe_machine(*packages: str) -> str:
    """Date, processor, cores that this process may use, their load and versions, in one line."""
    names = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    model = names[0].split(":")[1].strip() if names else platform.machine()
    versions = " ".join(f"{name} {version(name)}" for name in packages)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {model}, {cores} cores, load {load:.1f}; {versions}"


def encoder_weights(shape: Shape) -> int:
    """Weights that every token is multiplied with: the matrices of all layers, no embeddings, heads or biases."""
    return shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.inner)


def needed_operations(shape: Shape, tokens: int) -> float:
    """Operations that a pass over so many tokens cannot do without: two a weight and token, attention left out."""
    return 2.0 * encoder_weights(shape) * tokens


def measure_rates(bf16: bool, device: str = "cpu") -> Rates:
    """Rates with the threads that torch has now."""
    import torch

    kind = torch.bfloat16 if bf16 else torch.float32
    products = [(384, 1152), (384, 384), (384, 1536), (1536, 384)]
    inputs = {width: torch.randn(ROWS, width, device=device).to(kind) for width in (384, 1536)}
    weights = [torch.randn(out, width, device=device).to(kind) for width, out in products]
    left, right = (torch.randn(SQUARE, SQUARE, device=device).to(kind) for _ in range(2))

    def run_layer() -> None:
        for weight in weights:
            torch.nn.functional.linear(inputs[weight.shape[1]], weight)

    with torch.inference_mode():
        layers = measure_rate(run_layer, 2.0 * ROWS * sum(a * b for a, b in products), device)
        square = measure_rate(lambda: torch.mm(left, right), 2.0 * SQUARE**3, device)
    return Rates(layers, square)


def measure_rate(call: Callable[[], object], operations: float, device: str) -> float:
    """Operations a second over about ``SECONDS``."""
    import torch

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize()

    call()
    call()
    wait()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for _ in range(1 if device == "cpu" else 50):
            call()
            calls += 1
        wait()
    return operations * calls / (time.perf_counter() - start)
