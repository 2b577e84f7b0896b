"""The pass made ready says what the network says, and of a text the same whatever stands beside it."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.tagger.batch import make_batch
from stance.tagger.inference import LENGTHS_BY, find_overflows, judge_rows, make_block, make_ready, pad_length
from stance.tagger.network import Network, Shape
from stance.tagger.score import Reader, cut_blocks, score_rows
from stance.tagger.shipped import choose_device, runs_bf16

SHAPE = Shape(vocabulary=300, width=64, layers=3, heads=4, inner=96, positions=256)
SIDES = [[5], [6, 12], [13, 14, 15]]
CLOSE = {"rtol": 0, "atol": 1e-5}
ROWS = st.lists(st.tuples(st.integers(0, 30), st.lists(st.integers(0, 3), max_size=3)), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = Network(SHAPE).eval()
        for parameter in network.parameters():  # norms and biases start at 0 and 1, where a swap would not show
            parameter.data += 0.1 * torch.randn_like(parameter)
    return network


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def reader(network, kind):
    return Reader(network, None, 192, kind == torch.bfloat16, make_ready(network, kind))


def random_rows(count, sides=SIDES, seed=1):
    draw = random.Random(seed)
    return [(draw.choices(range(200, 300), k=draw.randint(0, 80)), list(sides)) for _ in range(count)]


def compare(network, scores, rows, **tolerance):
    for number, row in enumerate(rows):
        with torch.inference_mode():
            logits = network(make_batch([row]))
        np.testing.assert_allclose(scores.stance[number], logits.stance[0].numpy(), **tolerance)
        np.testing.assert_allclose(scores.toxicity[number], logits.toxicity[0].numpy(), **tolerance)
        np.testing.assert_allclose(scores.sentiment[number], logits.sentiment[0].numpy(), **tolerance)
        np.testing.assert_allclose(scores.mention[number], logits.mention[0].numpy(), **tolerance)
        tokens = logits.toxic_token[0, 1 : len(row[0]) + 1].numpy()
        np.testing.assert_allclose(scores.toxic_token[number], tokens, **tolerance)


@given(ROWS)
@settings(max_examples=40)
def test_rows_of_any_lengths_get_what_the_network_says(network, lengths):
    rows = [(list(range(200, 200 + text)), [[9 + size] * size for size in sides]) for text, sides in lengths]
    compare(network, score_rows(reader(network, torch.float32), rows), rows, **CLOSE)


def test_bf16_is_near(network):
    rows = random_rows(20)
    scores = score_rows(reader(network, torch.bfloat16), rows)
    assert np.std(scores.toxicity) > 0.1
    compare(network, scores, rows, rtol=0, atol=0.1)


@pytest.mark.parametrize("sides", [[], SIDES[:1], SIDES], ids=["no side", "one side", "three sides"])
@pytest.mark.skipif(not runs_bf16(), reason="this processor does not multiply bf16 natively")
def test_in_bf16_a_text_gets_the_same_bits_whatever_stands_beside_it(network, one_thread, sides):
    """The cache of `stance run`, and equal bytes after a kill, rest on it."""
    rows = random_rows(150, sides)
    asked = reader(network, torch.bfloat16)
    together = score_rows(asked, rows)
    draw = random.Random(2)
    for count in (1, 1, 1, 2, 3, 7, 20, 60):
        chosen = draw.sample(range(len(rows)), count)
        some = score_rows(asked, [rows[number] for number in chosen])
        for place, number in enumerate(chosen):
            np.testing.assert_array_equal(some.stance[place], together.stance[number])
            np.testing.assert_array_equal(some.toxicity[place], together.toxicity[number])
            np.testing.assert_array_equal(some.sentiment[place], together.sentiment[number])
            np.testing.assert_array_equal(some.mention[place], together.mention[number])
            np.testing.assert_array_equal(some.toxic_token[place], together.toxic_token[number])


def test_further_sides_take_their_own_tokens_only():
    """The text is read once for all of them, and a second topic is one call with the sides of both."""
    text = list(range(200, 260))
    alone, twelve = pad_length((text, [])), pad_length((text, [[5]] * 12))
    assert twelve == alone + 12 * 3
    assert make_block([(text, [[5]] * 12)], twelve).tokens.shape == (1, twelve)


def test_the_sides_of_two_topics_in_one_call(network):
    asked = reader(network, torch.float32)
    texts = [text for text, _ in random_rows(10)]
    both = score_rows(asked, [(text, [*SIDES, [40], [41, 42]]) for text in texts])
    first, second = (score_rows(asked, [(text, sides) for text in texts]) for sides in (SIDES, [[40], [41, 42]]))
    np.testing.assert_allclose(np.stack(both.stance)[:, :3], np.stack(first.stance), **CLOSE)
    np.testing.assert_allclose(np.stack(both.stance)[:, 3:], np.stack(second.stance), **CLOSE)


@given(lengths=st.lists(st.integers(1, 300)), budget=st.integers(1, 1000))
def test_blocks_hold_every_row_once_in_few_shapes(lengths, budget):
    blocks = list(cut_blocks(lengths, budget))
    flat = [lengths[index] for block, _ in blocks for index in block]
    assert sorted(index for block, _ in blocks for index in block) == list(range(len(lengths)))
    assert flat == sorted(flat)
    for block, padded in blocks:
        longest, count = max(lengths[index] for index in block), len(block)
        assert longest <= padded <= 1.1 * longest
        assert (padded - longest) % LENGTHS_BY == 0
        assert count == 1 or padded * count <= budget
        assert count == budget // padded or count.bit_count() == 1


@pytest.mark.parametrize(
    ("lengths", "budget", "wanted"),
    [
        ([], 6, []),
        ([12] * 23, 84, [(7, 12), (7, 12), (7, 12), (2, 12)]),
        ([40] * 10 + [100], 448, [(10, 44), (1, 100)]),  # a little more padding makes it full
        ([40] * 9 + [100], 480, [(8, 40), (2, 100)]),  # nine are neither full nor nearly
    ],
)
def test_blocks_are_full_or_powers_of_two(lengths, budget, wanted):
    assert [(len(block), padded) for block, padded in cut_blocks(lengths, budget)] == wanted


def test_a_block_of_rows():
    block = make_block([([11, 12, 13], [[21], [31, 32]]), ([14], [[22], [33, 34]])], 15)
    assert block.tokens[0].tolist() == [101, 21, 102, 101, 31, 32, 102, 101, 11, 12, 13, 102, 0, 0, 0]
    assert block.tokens[1, 7:].tolist() == [101, 14, 102, *[0] * (block.tokens.shape[1] - 10)]
    assert block.positions[0, :12].tolist() == [5, 6, 7, 5, 6, 7, 8, 0, 1, 2, 3, 4]
    assert block.positions[1, :10].tolist() == [3, 4, 5, 3, 4, 5, 6, 0, 1, 2]
    assert block.kept.sum(1).tolist() == [12, 10]
    assert block.sides == ((0, 3), (3, 7))
    assert (block.tokens.shape[1] - block.text) % LENGTHS_BY == 0


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("factor", [60.0, 3000.0], ids=["a few", "all"])
def test_what_leaves_the_range_of_numbers_is_judged_by_the_network(kind, factor):
    """Queries that many times larger: powers of two past 2^128, which a softmax with its maximum taken off is not."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = Network(SHAPE).eval()
    with torch.inference_mode():
        network.layers[1].query_key_value.weight[: SHAPE.width] *= factor
    rows = random_rows(30, seed=4)
    asked = reader(network, kind)
    block = [row for row in rows if len(row[0]) > 0]
    assert find_overflows(judge_rows(asked.ready, block, max(map(pad_length, block))))
    scores = score_rows(asked, rows)
    assert np.isfinite(np.stack(scores.stance)).all()
    assert np.isfinite(scores.toxicity).all()
    if kind == torch.float32:
        compare(network, scores, rows, rtol=0, atol=1e-3)


def test_the_device_is_the_one_that_the_environment_names(monkeypatch):
    from stance.records import StanceError

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.delenv("STANCE_DEVICE", raising=False)
    assert choose_device().type == "cuda"
    monkeypatch.setenv("STANCE_DEVICE", "cpu")
    assert choose_device().type == "cpu"
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.delenv("STANCE_DEVICE")
    assert choose_device().type == "cpu"
    for wanted in ("cuda", "tpu"):
        monkeypatch.setenv("STANCE_DEVICE", wanted)
        with pytest.raises(StanceError, match=f"STANCE_DEVICE={wanted}"):
            choose_device()
