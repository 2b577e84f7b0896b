"""Posts a second: this program's one pass against the models that a user would put together today, on the same texts.

    python -m tests.bench.throughput [--posts 256] [--rounds 2] [--peers all|toxicity|none] [--peer-posts 32]
                                     [--threads 1 2] [--data ../shared/data]

ours       three sides, toxicity and sentiment: `load_tagger().predict`, and the whole of `tag_texts`
toxicity   BERT-base with 6 labels, the architecture of Detoxify
sentiment  RoBERTa-base with 3 labels
stance     DeBERTa-v3-base NLI, zero-shot classification with three hypotheses

The peers run through the pipelines of transformers in fp32, as installed, without gradients, truncated at 512 tokens,
with the batch size of `--batch-sizes` that suits each best; a pipeline takes texts in the order given. Their weights
are random, which their speed does not depend on, so nothing is downloaded. The tokenizer of BERT is the original's;
RoBERTa's is a byte-level BPE trained on texts of the same kind, DeBERTa's a Unigram model of BERT's words. The
embeddings have the originals' sizes. Tokens a post are printed for each.

A peer takes up to a second a post, so it gets only some batches of the texts (`--peer-posts`): those whose mean length
is nearest the mean of all. Each number of threads is a process of its own that may use so many cores. Rates of the
machine are measured before and after each round.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

import comments
import machine
from machine import GIGA, say

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import Pipeline, PreTrainedModel

GROUP = 32  # a peer's texts are whole groups of the shuffled texts, as its largest batch has them
LONGEST = 512  # tokens that the peers can read
OURS_A_ROUND = 3  # calls of ours in a round, of which the median counts
CORPUS = 6000  # texts that a tokenizer is trained on
ALONE = 24  # texts of the latency of one post
HYPOTHESES = ["supports Armenia", "supports Azerbaijan", "supports Russia"]
TEMPLATE = "The author of this comment {}."
PEERS = {"toxicity": "BERT-base, 6 labels", "sentiment": "RoBERTa-base, 3 labels", "stance": "DeBERTa-v3-base, 3 pairs"}


@dataclass(frozen=True, slots=True)
class Peer:
    """A pipeline as a user calls it."""

    pipeline: Pipeline
    labels: tuple[str, ...] = ()  # hypotheses of zero-shot classification

    def run(self, texts: Sequence[str], batch_size: int) -> list[Any]:
        if self.labels:
            options = {"candidate_labels": list(self.labels), "hypothesis_template": TEMPLATE, "multi_label": True}
            return list(self.pipeline(list(texts), batch_size=batch_size, **options))
        return list(self.pipeline(list(texts), batch_size=batch_size, truncation=True, top_k=None))

    def count_tokens(self, texts: Sequence[str]) -> float:
        """Mean tokens a post that the model reads, over all its pairs."""
        tokenizer = self.pipeline.tokenizer
        pairs = [TEMPLATE.format(label) for label in self.labels] or [None]
        counts = [
            len(tokenizer(text, pair, truncation="only_first" if pair else True)["input_ids"])
            for text in texts
            for pair in pairs
        ]
        return sum(counts) / len(texts)


def make_peer(task: str, corpus: Sequence[str], device: str) -> Peer:
    """The peer of a task with random weights; its tokenizer learns from the corpus where it must."""
    import torch
    import transformers
    from transformers import pipeline

    transformers.logging.set_verbosity_error()
    torch.manual_seed(1)
    make = {"toxicity": make_bert, "sentiment": make_roberta, "stance": make_deberta}[task]
    model, tokenizer = make(corpus)
    kind = "zero-shot-classification" if task == "stance" else "text-classification"
    made = pipeline(kind, model=model.eval(), tokenizer=tokenizer, device=device)
    return Peer(made, tuple(HYPOTHESES) if task == "stance" else ())


def make_bert(corpus: Sequence[str]) -> tuple[PreTrainedModel, Any]:
    from tokenizers import Tokenizer, processors
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = Tokenizer.from_file(str(comments.SHIPPED / "tokenizer.json"))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    config = BertConfig(num_labels=6, problem_type="multi_label_classification")
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return BertForSequenceClassification(config), wrap(tokenizer, names, ["input_ids", "token_type_ids"])


def make_roberta(corpus: Sequence[str]) -> tuple[PreTrainedModel, Any]:
    from tokenizers import ByteLevelBPETokenizer, processors
    from transformers import RobertaConfig, RobertaForSequenceClassification

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(corpus, vocab_size=50265, min_frequency=2, special_tokens=special, show_progress=False)
    tokenizer = trained._tokenizer  # the wrapper cannot be given to transformers
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    config = RobertaConfig(vocab_size=50265, num_labels=3, max_position_embeddings=514, type_vocab_size=1)
    names = {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"}
    return RobertaForSequenceClassification(config), wrap(tokenizer, names, ["input_ids"])


def make_deberta(corpus: Sequence[str]) -> tuple[PreTrainedModel, Any]:
    """The sizes and options of microsoft/deberta-v3-base."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

    vocabulary = json.loads((comments.SHIPPED / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    ordered = [word for word in sorted(vocabulary, key=vocabulary.__getitem__) if word[:1] + word[-1:] != "[]"]
    pieces = dict.fromkeys(word[2:] if word.startswith("##") else f"▁{word}" for word in ordered)
    signs = dict.fromkeys(character for piece in pieces for character in piece)  # so that any word can be spelt out
    # The likelier a piece, the higher its score; a spelt-out word loses against any whole one.
    scores = [(piece, -8.0 - number / 10_000) for number, piece in enumerate(pieces)]
    special = [(name, 0.0) for name in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")]
    rest = [(sign, -20.0) for sign in signs if sign not in pieces]
    tokenizer = Tokenizer(models.Unigram([*special, *scores, *rest], unk_id=3))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    config = DebertaV2Config(
        vocab_size=128100,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        relative_attention=True,
        position_buckets=256,
        max_relative_positions=-1,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
        pooler_hidden_size=768,
        layer_norm_eps=1e-7,
        id2label={0: "entailment", 1: "neutral", 2: "contradiction"},
        label2id={"entailment": 0, "neutral": 1, "contradiction": 2},
    )
    names = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    return DebertaV2ForSequenceClassification(config), wrap(tokenizer, names, ["input_ids", "token_type_ids"])


def wrap(tokenizer: Tokenizer, names: dict[str, str], inputs: list[str]) -> Any:
    """The tokenizer as a pipeline takes it."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=LONGEST, model_input_names=[*inputs, "attention_mask"], **names
    )


def pick_groups(texts: Sequence[str], counts: Sequence[int], wanted: int) -> list[str]:
    """Whole groups of the texts, at least ``wanted`` texts: those whose mean length is nearest the mean of all."""
    capped = [min(count, LONGEST) for count in counts]
    middle = mean(capped)
    size = min(GROUP, wanted)
    nearest = sorted(range(0, len(texts), size), key=lambda start: abs(mean(capped[start : start + size]) - middle))
    picked: list[str] = []
    for start in nearest:
        if len(picked) < wanted:
            picked += texts[start : start + size]
    return picked


def take_seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def take_latencies(call: Callable[[str], object], texts: Sequence[str]) -> list[float]:
    """Milliseconds of each text alone, warm."""
    for text in texts[:3]:
        call(text)
    return [1000 * take_seconds(lambda text=text: call(text)) for text in texts]  # type: ignore[misc]


def measure(given: argparse.Namespace, threads: int) -> dict[str, Any]:
    """All figures with so many threads; milliseconds a post, one entry a round."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import torch

    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    texts = comments.draw_texts(given.posts, given.data)
    counts = comments.count_tokens(texts)
    few = pick_groups(texts, counts, given.peer_posts)
    from stance.tag import tag_texts
    from stance.tagger import load_tagger
    from stance.topic import load_topic

    tagger, topic = load_tagger(), load_topic("karabakh-2020")
    sides = [side.target for side in topic.sides]
    peers = {"all": list(PEERS), "toxicity": ["toxicity"], "none": []}[given.peers]
    taken: dict[str, Any] = {"ours": [], "tag_texts": [], "bf16": [], "fp32": []}
    taken |= {"device": torch.cuda.get_device_name() if device == "cuda" else "cpu", "peers": {}}
    corpus = comments.draw_texts(CORPUS, given.data, seed=3)
    made = {task: make_peer(task, corpus, device) for task in peers}
    tagger.predict(texts, sides)  # what is prepared once is prepared here
    for task, peer in made.items():
        peer.run(few[:4], 4)
        taken["peers"][task] = {"tokens": peer.count_tokens(few), "ms": {str(size): [] for size in given.batch_sizes}}
    for _ in range(given.rounds):
        note_rates(taken, device)
        ours = [take_seconds(lambda: tagger.predict(texts, sides)) for _ in range(OURS_A_ROUND)]
        whole = [take_seconds(lambda: tag_texts(texts, topic, tagger)) for _ in range(OURS_A_ROUND)]
        taken["ours"].append(1000 * median(ours) / len(texts))
        taken["tag_texts"].append(1000 * median(whole) / len(texts))
        for task, peer in made.items():
            for size in given.batch_sizes:
                seconds = take_seconds(lambda peer=peer, size=size: peer.run(few, size))  # type: ignore[misc]
                taken["peers"][task]["ms"][str(size)].append(1000 * seconds / len(few))
        note_rates(taken, device)
    alone = random.Random(2).sample(texts, min(ALONE, len(texts)))
    taken["alone"] = take_latencies(lambda text: tag_texts([text], topic, tagger), alone)
    if "toxicity" in made:
        taken["alone toxicity"] = take_latencies(lambda text: made["toxicity"].run([text], 1), alone[: ALONE // 2])
    side_tokens = comments.count_side_tokens(sides)
    shape = tagger.settings.shape  # type: ignore[attr-defined]
    taken["lengths"] = comments.describe_lengths(counts)
    taken["lengths of peers"] = comments.describe_lengths(comments.count_tokens(few))
    taken["tokens"] = mean(counts) + side_tokens
    taken["operations"] = machine.needed_operations(shape, sum(counts) + side_tokens * len(texts)) / len(texts)
    taken["precision"] = "bf16" if tagger.bf16 else "fp32"  # type: ignore[attr-defined]
    return taken


def note_rates(taken: dict[str, Any], device: str) -> None:
    for name in ("bf16", "fp32"):
        rates = machine.measure_rates(name == "bf16", device)
        taken[name].append([rates.layers, rates.square])


def choose_sizes(taken: dict[str, Any]) -> dict[str, tuple[str, list[float]]]:
    """By task the batch size that was fastest over the rounds, and its milliseconds a post."""
    return {
        task: min(found["ms"].items(), key=lambda pair: mean(pair[1]))
        for task, found in taken["peers"].items()
        if found
    }


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The mean and the range over the rounds."""
    return f"{mean(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def ratios(peer: Sequence[float], ours: Sequence[float]) -> list[float]:
    """How many times as long as ours, round by round."""
    return [theirs / own for theirs, own in zip(peer, ours, strict=True)]


def print_figures(threads: int, taken: dict[str, Any]) -> None:
    ceiling = {name: [max(pair) for pair in taken[name]] for name in ("bf16", "fp32")}
    say(f"\n## {threads} thread{'s' * (threads > 1)}, {taken['device']}")
    for name in ("bf16", "fp32"):
        layers, square = ([pair[place] / GIGA for pair in taken[name]] for place in (0, 1))
        say(f"matrix rate {name}, GFLOP/s: our layers {spread(layers)}, square {spread(square)}")
    own = ceiling[taken["precision"]]
    pairs = [max(own[2 * place : 2 * place + 2]) for place in range(len(taken["ours"]))]
    for name, values in (("predict", taken["ours"]), ("tag_texts", taken["tag_texts"])):
        shares = [100 * taken["operations"] / (value / 1000) / rate for value, rate in zip(values, pairs, strict=True)]
        say(
            f"ours, {name}: {spread(values, 2)} ms a post, {1000 / mean(values):,.0f} posts/s, "
            f"{spread(shares)} % of the {taken['precision']} rate"
        )
    alone = taken["alone"]
    say(f"  one post alone, warm, tag_texts: median {median(alone):.1f} ms, longest {max(alone):.1f} ms")
    chosen = choose_sizes(taken)
    for task, (size, values) in chosen.items():
        against = ratios(values, taken["tag_texts"])
        say(
            f"{task} ({PEERS[task]}): {spread(values)} ms a post at batch size {size}, "
            f"{taken['peers'][task]['tokens']:.0f} tokens a post: {spread(against)} times ours (tag_texts)"
        )
    if "alone toxicity" in taken:
        say(f"  one post alone, warm, toxicity: median {median(taken['alone toxicity']):.1f} ms")
    if len(chosen) == len(PEERS):
        summed = [sum(values) for values in zip(*(values for _, values in chosen.values()), strict=True)]
        say(f"the three together: {spread(summed)} ms a post")
        for name in ("ours", "tag_texts"):
            label = "predict" if name == "ours" else name
            say(f"  times {label}: {spread(ratios(summed, taken[name]))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--posts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--peers", choices=("all", "toxicity", "none"), default="all")
    parser.add_argument("--peer-posts", type=int, default=GROUP, help="texts that the peers get, in groups of 32")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8, 32], help="of the peers")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--data", type=Path, help="folder of data sets; made texts of the same lengths without it")
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)  # the process that measures so many threads
    given = parser.parse_args()
    if given.measure:
        say(json.dumps(measure(given, given.measure)))
        return
    say(machine.describe_machine("torch", "transformers", "tokenizers"))
    found: dict[str, Any] = {}
    for threads in given.threads:
        command = [sys.executable, __file__, *sys.argv[1:], "--measure", str(threads)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[str(threads)] = taken = json.loads(done.stdout)
        if len(found) == 1:
            say(f"ours:  {taken['lengths']} and {taken['tokens']:.1f} with the sides")
            say(f"peers: {taken['lengths of peers']}")
        print_figures(threads, taken)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
