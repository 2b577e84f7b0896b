"""The network is BERT where it reads a text, and what it says of a side depends on the text and that side alone."""

import itertools
from dataclasses import replace

import pytest
import torch

from stance.tagger.batch import make_batch
from stance.tagger.network import PADDING, TEXT, Network, Shape, part_means

SHAPE = Shape(vocabulary=300, width=32, layers=3, heads=4, inner=48, positions=64)
TEXTS = ([7, 8, 9, 10, 11], [200], [], list(range(20, 50)))
SIDES = ([5], [6, 12], [13, 14, 15], [200])
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Network(SHAPE).eval()


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A random BertModel of SHAPE, and a folder with its checkpoint."""
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=SHAPE.vocabulary,
        hidden_size=SHAPE.width,
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=SHAPE.heads,
        intermediate_size=SHAPE.inner,
        max_position_embeddings=SHAPE.positions,
        initializer_range=0.3,  # the default leaves every token much alike
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = BertModel(config).eval()
        for parameter in model.parameters():  # norms and biases start at 0 and 1, where a swap would not show
            parameter.data += 0.1 * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp("bert")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / "model.safetensors")
    return model, folder


def probabilities(network, rows):
    """(rows, sides, 3), (rows, 5), (rows, 3) without calibration; logits drawn apart, so that a difference shows."""
    with torch.inference_mode():
        logits = network(make_batch(rows))
    return (4 * logits.stance).softmax(-1), (4 * logits.toxicity).sigmoid(), (4 * logits.sentiment).softmax(-1)


@pytest.mark.parametrize("sides", [[], [[5], [6, 12]]], ids=["text only", "beside sides"])
def test_encoder_reads_a_text_as_bert_does(bert, sides):
    from stance.train.base import fill_encoder

    model, folder = bert
    network = Network(SHAPE).eval()
    fill_encoder(network, folder)
    batch = make_batch([(text, sides) for text in TEXTS])
    mask = batch.part == TEXT
    with torch.inference_mode():
        ours = network.encode(batch)
        theirs = model(input_ids=batch.tokens * mask, attention_mask=mask.long()).last_hidden_state
    assert theirs[mask].std() > 0.5
    torch.testing.assert_close(ours[mask], theirs[mask], **CLOSE)


def test_fill_encoder_refuses_another_shape(bert):
    from stance.train.base import fill_encoder

    with pytest.raises((RuntimeError, KeyError)):
        fill_encoder(Network(replace(SHAPE, layers=4)), bert[1])


@pytest.mark.parametrize("chosen", [c for n in (1, 2, 3, 4) for c in itertools.permutations(range(4), n)])
def test_a_side_does_not_depend_on_the_others(network, chosen):
    for text in TEXTS:
        together, *_ = probabilities(network, [(text, list(SIDES))])
        stance, toxicity, sentiment = probabilities(network, [(text, [SIDES[number] for number in chosen])])
        torch.testing.assert_close(stance[0], together[0, list(chosen)], **CLOSE)
        _, toxicity_alone, sentiment_alone = probabilities(network, [(text, [])])
        torch.testing.assert_close(toxicity, toxicity_alone, **CLOSE)
        torch.testing.assert_close(sentiment, sentiment_alone, **CLOSE)


def test_a_side_depends_on_its_words_and_on_the_text(network):
    """Else the test above would pass for a network that says the same of everything."""
    stance, *_ = probabilities(network, [(text, list(SIDES)) for text in TEXTS])
    for one, other in itertools.combinations(stance.flatten(0, 1), 2):
        assert (one - other).abs().max() > 1e-3


def test_one_row_is_read_as_many_are(network):
    rows = [(text, list(SIDES[:number])) for text, number in zip(TEXTS, (4, 1, 0, 2), strict=True)]
    many = probabilities(network, rows)
    for number, row in enumerate(rows):
        alone = probabilities(network, [row])
        torch.testing.assert_close(many[0][number, : len(row[1])], alone[0][0], **CLOSE)
        torch.testing.assert_close(many[1][number], alone[1][0], **CLOSE)
        torch.testing.assert_close(many[2][number], alone[2][0], **CLOSE)


@pytest.mark.parametrize("filler", [0, 77])
def test_padding_changes_nothing(network, filler):
    batch = make_batch([(text, list(SIDES)) for text in TEXTS])

    def widen(values, value):
        return torch.nn.functional.pad(values, (0, 13), value=value)

    tokens = widen(batch.tokens, filler).masked_fill(widen(batch.part, PADDING) == PADDING, filler)
    wide = replace(batch, tokens=tokens, positions=widen(batch.positions, 3), part=widen(batch.part, PADDING))
    with torch.inference_mode():
        one, other = network(batch), network(wide)
    for name in ("stance", "toxicity", "sentiment"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), **CLOSE)


def test_attention_is_the_same_in_training(network):
    batch = make_batch([(text, list(SIDES)) for text in TEXTS])
    twin = Network(SHAPE, dropout=0.0)
    twin.load_state_dict(network.state_dict())
    real = batch.part != PADDING
    with torch.inference_mode():
        torch.testing.assert_close(twin.train().encode(batch)[real], network.encode(batch)[real], **CLOSE)


def test_dropout_is_drawn_in_training_only(network):
    batch = make_batch([(TEXTS[0], [])])
    twin = Network(SHAPE, dropout=0.3)
    twin.load_state_dict(network.state_dict())
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(4)
        twin.train()
        assert not torch.allclose(twin.encode(batch), twin.encode(batch))
        twin.eval()
        torch.testing.assert_close(twin.encode(batch), network.encode(batch), **CLOSE)


def test_logits_have_a_row_for_every_text_and_side(network):
    for rows, sides in ((1, 0), (1, 1), (1, 3), (3, 0), (3, 1), (3, 3)):
        with torch.inference_mode():
            logits = network(make_batch([([9], list(SIDES[:sides]))] * rows))
        assert logits.stance.shape == (rows, sides, 3)
        assert logits.toxicity.shape == (rows, 5)
        assert logits.sentiment.shape == (rows, 3)


def test_part_means_are_taken_over_the_part():
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [10.0, 20.0], [99.0, 99.0]]])
    means = part_means(hidden, torch.tensor([[TEXT, TEXT, 2, PADDING]]), TEXT, 3)
    assert means.tolist() == [[[2.0, 3.0], [10.0, 20.0], [0.0, 0.0]]]
