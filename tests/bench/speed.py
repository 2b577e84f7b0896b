"""Choices of the tagger's pass on a CPU, each measured beside the others in one run.

    python tests/bench/speed.py [--data DIR] [--texts 256] [--threads 1 2] [--only plain,ready]

A row a choice: milliseconds a text (three sides, tokenising left out), its share of the bf16 matrix rate measured in
the same run, the labels that equal those of fp32 as trained, and macro-F1 on tweets_dev where --data is given. What
is not in the package lives here: int8, OpenVINO, ONNX Runtime, torch.compile; those whose package or compiler is
missing are left out. Then the tokeniser alone, ``predict`` as a whole, and one text alone.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).parent))

from comments import make_texts, read_comments  # noqa: E402
from machine import GIGA, describe_machine, measure_rates, needed_operations, say  # noqa: E402

from stance.tagger import inference, load_tagger  # noqa: E402
from stance.tagger import score as scoring  # noqa: E402
from stance.tagger.batch import Row, batches_by_length, cut_windows, make_batch, row_length, tokenize  # noqa: E402
from stance.tagger.network import Batch, Logits, Network  # noqa: E402
from stance.topic import load_topic  # noqa: E402

if TYPE_CHECKING:
    from stance.tagger.score import Reader, Scores
    from stance.tagger.shipped import FolderTagger

PADDED = 4096  # tokens in a padded batch, as it was
ONE = "That is a fair point, but the article does not say who fired first, and I would like to see a source for it."
SCORE_ROWS = scoring.score_rows  # as it is; ``using`` puts others in its place
Judge = Callable[[Sequence[Row]], "Scores"]
Run = Callable[[Batch], Logits]


def score_padded(reader: Reader, run: Run, rows: Sequence[Row]) -> Scores:
    """Padded batches in order of length through ``run``."""

    def judge(_: Reader, rows: Sequence[Row]) -> Iterator[tuple[list[int], inference.Judged]]:
        for indices in batches_by_length([row_length(row) for row in rows], PADDED):
            chosen = [rows[index] for index in indices]
            yield indices, scoring.fetch_logits(run(make_batch(chosen)), chosen)

    with patch.object(scoring, "judge_blocks", judge), torch.inference_mode():
        return SCORE_ROWS(reader, rows)


def padded(run_of: Callable[[Network], Run]) -> Callable[[Reader], Judge]:
    """A choice that reads padded batches."""

    def make(reader: Reader) -> Judge:
        run = run_of(reader.network)
        return lambda rows: score_padded(reader, run, rows)

    return make


def ready(kind: torch.dtype, pack: bool = True) -> Callable[[Reader], Judge]:
    """The package's own layout."""

    def make(reader: Reader) -> Judge:
        with patch.object(inference, "pack_affine", inference.pack_affine if pack else lambda affine: affine):
            mine = replace(reader, ready=inference.make_ready(reader.network, kind))
        return lambda rows: SCORE_ROWS(mine, rows)

    return make


def autocast(bf16: bool) -> Callable[[Network], Run]:
    def make(network: Network) -> Run:
        def run(batch: Batch) -> Logits:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                return network(batch)  # type: ignore[no-any-return]

        return run

    return make


def cast(network: Network) -> Run:
    return copy.deepcopy(network).to(torch.bfloat16)


def compiled(network: Network) -> Run:
    return torch.compile(copy.deepcopy(network).to(torch.bfloat16), dynamic=True)


def int8(network: Network) -> Run:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(copy.deepcopy(network), {nn.Linear}, torch.qint8)  # type: ignore[no-any-return]


class Flat(nn.Module):
    """The network with plain tensors in and out, as exporters want it."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Any, positions: Any, part: Any, starts: Any) -> tuple[Any, ...]:
        logits = self.network(Batch(tokens, positions, part, starts))
        return logits.stance, logits.toxicity, logits.sentiment, logits.mention, logits.toxic_token


EXAMPLE = make_batch([(list(range(1000, 1020)), [[2000]] * 3), ([1000] * 9, [[2000]] * 3)])


def fields_of(batch: Batch) -> list[torch.Tensor]:
    return [batch.tokens, batch.positions, batch.part, batch.side_starts]


def openvino(kind: str) -> Callable[[Network], Run]:
    def make(network: Network) -> Run:
        import openvino as ov

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ov.convert_model(Flat(network), example_input=tuple(fields_of(EXAMPLE)))
        hints = {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
        request = ov.Core().compile_model(model, "CPU", {**hints, "PERFORMANCE_HINT": "LATENCY"})

        def run(batch: Batch) -> Logits:
            found = request([part.numpy() for part in fields_of(batch)])
            return Logits(*(torch.from_numpy(np.array(found[place])) for place in range(5)))

        return run

    return make


def onnx_runtime(quantise: bool) -> Callable[[Network], Run]:
    def make(network: Network) -> Run:
        import onnxruntime

        folder = Path(tempfile.mkdtemp())
        names = ["tokens", "positions", "part", "starts"]
        axes = {name: {0: "rows"} if name == "starts" else {0: "rows", 1: "length"} for name in names}
        path = folder / "model.onnx"
        with warnings.catch_warnings(), torch.inference_mode(False):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Flat(copy.deepcopy(network)),
                tuple(fields_of(EXAMPLE)),
                str(path),
                input_names=names,
                dynamic_axes=axes,
                dynamo=False,
                opset_version=17,
            )
        if quantise:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(path, folder / "int8.onnx", weight_type=QuantType.QInt8, per_channel=True)
            path = folder / "int8.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def run(batch: Batch) -> Logits:
            inputs = dict(zip(names, (part.numpy() for part in fields_of(batch)), strict=True))
            return Logits(*map(torch.from_numpy, session.run(None, inputs)))

        return run

    return make


CHOICES: dict[str, tuple[str, Callable[[Reader], Judge]]] = {
    "fp32": ("fp32, padded, as trained", padded(autocast(False))),
    "fp32-ready": ("fp32, made ready (the package without bf16)", ready(torch.float32)),
    "plain": ("bf16 by autocast, padded (as it was)", padded(autocast(True))),
    "cast": ("  weights held in bf16", padded(cast)),
    "blocks": ("  blocks by length, attention by powers of two", ready(torch.bfloat16, pack=False)),
    "ready": ("  weights packed, gelu and sums fused (the package)", ready(torch.bfloat16)),
    "compile": ("bf16, padded, torch.compile", padded(compiled)),
    "int8": ("int8 dynamic, padded, torch.ao", padded(int8)),
    "openvino": ("bf16, padded, OpenVINO", padded(openvino("bf16"))),
    "onnx": ("fp32, padded, ONNX Runtime", padded(onnx_runtime(False))),
    "onnx-int8": ("int8 dynamic, padded, ONNX Runtime", padded(onnx_runtime(True))),
}
FIXED = {"openvino", "onnx", "onnx-int8"}  # exported for three sides


def decide(tagger: FolderTagger, scores: Scores) -> np.ndarray[Any, Any]:
    """(texts, sides + 5 + 1): every label of stance, toxicity and sentiment as ``make_tag`` gives it."""
    nothing = [np.zeros(0, np.float32)] * len(scores.toxicity)
    with using(lambda _: replace(scores, toxic_token=nothing)):
        found = tagger.predict([""] * len(scores.toxicity), ["a", "b", "c"])
    limits = tagger.thresholds
    stance = np.where(found.stance.max(-1) >= limits.stance, found.stance.argmax(-1), -1)
    sentiment = np.where(found.sentiment.max(-1) >= limits.sentiment, found.sentiment.argmax(-1), -1)
    return np.concatenate([stance, found.toxicity >= np.array(limits.toxicity), sentiment[:, None]], axis=1)


@contextmanager
def using(judge: Judge) -> Iterator[None]:
    """The tagger's rows go to this choice."""
    with patch.object(scoring, "score_rows", lambda _, rows: judge(rows)):
        yield


def time_call(call: Callable[[], object], rounds: int = 2) -> float:
    """Seconds, the best of rounds after one that is not counted."""
    call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_f1(tagger: FolderTagger, data: Path, judge: Judge) -> float:
    from stance.measure.evaluate import measure_stance, predict_each
    from stance.measure.sets import read_dev

    examples = read_dev(data, "tweets_dev")
    with using(judge):
        return measure_stance(examples, predict_each(tagger, examples)[0], "tweets_dev").measured.value


def compare_choices(tagger: FolderTagger, texts: list[str], only: list[str], data: Path | None) -> None:
    """The table with the threads that torch has now; a text is cut to its first window, so that rows are texts."""
    sides = [side.target for side in load_topic("karabakh-2020").sides]
    side_tokens = tokenize(tagger.tokenizer, sides)
    reader = replace(tagger.reader())
    rows = [(cut_windows(ids, reader.window)[0], side_tokens) for ids in tokenize(tagger.tokenizer, texts)]
    operations = needed_operations(tagger.network.shape, sum(map(row_length, rows)))
    rate = measure_rates(bf16=True).best
    truth = decide(tagger, padded(autocast(False))(reader)(rows))
    say(f"\n{torch.get_num_threads()} thread(s); bf16 matrix rate {rate / GIGA:.0f} GFLOP/s; {len(rows)} texts")
    say(f"{'choice':52} {'ms a text':>9} {'share':>6} {'as fp32':>8} {'F1':>6}")
    for name in only:
        label, make = CHOICES[name]
        try:
            judge = make(reader)
            seconds = time_call(lambda judge=judge: judge(rows))  # type: ignore[misc]
        except Exception as error:  # other runtimes raise what they like
            say(f"{label:52} left out: {type(error).__name__}: {' '.join(str(error).split())[:80]}")
            continue
        same = (decide(tagger, judge(rows)) == truth).mean()
        score = "-" if data is None or name in FIXED else f"{measure_f1(tagger, data, judge):.3f}"
        share = operations / seconds / rate
        say(f"{label:52} {seconds / len(rows) * 1e3:9.2f} {share:6.1%} {same:8.2%} {score:>6}")
    seconds = time_call(lambda: tagger.predict(texts, sides))
    tokens = sum(row_length((w, side_tokens)) for i in tokenize(tagger.tokenizer, texts) for w in cut_windows(i, 192))
    share = needed_operations(tagger.network.shape, tokens) / seconds / rate
    say(f"{'predict: all windows, tokens, calibration, spans':52} {seconds / len(texts) * 1e3:9.2f} {share:6.1%}")
    one = time_call(lambda: [tagger.predict([ONE], sides) for _ in range(20)]) / 20
    say(f"one text of {len(ONE.split())} words alone: {one * 1e3:.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of data sets; without it, texts are made up")
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default=",".join(CHOICES), help="choices, by comma")
    asked = parser.parse_args()
    say(describe_machine("torch", "tokenizers"))
    flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")).split()
    say("of its flags: " + " ".join(flag for flag in flags if flag.startswith(("avx", "amx"))))
    source = read_comments(asked.data)[: asked.texts] if asked.data else islice(make_texts(asked.texts), asked.texts)
    texts = list(source)
    tagger: FolderTagger = load_tagger()  # type: ignore[assignment]
    count = sum(map(len, tokenize(tagger.tokenizer, texts)))
    for name, read in (("tokenizer", tagger.tokenizer), ("known words", tagger.reader().words)):
        whole = time_call(lambda read=read: read.read(texts) if name == "known words" else tokenize(read, texts))  # type: ignore[misc]  # noqa: B023
        say(f"{name} alone: {count / whole:,.0f} tokens a second, {whole / len(texts) * 1e6:.0f} us a text")
    for threads in asked.threads:
        torch.set_num_threads(threads)
        compare_choices(tagger, texts, asked.only.split(","), asked.data)


if __name__ == "__main__":
    main()
