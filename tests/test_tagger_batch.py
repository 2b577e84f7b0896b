"""Texts become rows without losing a token, and rows become batches without losing a row."""

import html
import itertools

import pytest
import torch
from conftest import tiny_tokenizer
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stance.tagger.batch import (
    CLS,
    SEP,
    batches_by_length,
    cut_windows,
    load_tokenizer,
    make_batch,
    normalise_text,
    place_tokens,
    row_length,
    tokenize,
)
from stance.tagger.network import FIRST_SIDE, PADDING, TEXT

ROW = ([11, 12, 13], [[21], [31, 32]])
LENGTHS = st.integers(0, 6)


@given(count=st.integers(0, 400), length=st.integers(1, 60))
def test_windows_cover_every_token(count, length):
    tokens = list(range(count))
    windows = cut_windows(tokens, length)
    assert sorted({token for window in windows for token in window}) == tokens
    assert all(len(window) <= length for window in windows)
    assert all(window == tokens[window[0] : window[0] + len(window)] for window in windows if window)
    assert len(windows) == 1 or count > length


@given(count=st.integers(0, 400), length=st.integers(4, 60))
def test_windows_overlap_by_a_quarter(count, length):
    windows = cut_windows(list(range(count)), length)
    for one, other in itertools.pairwise(windows):
        assert len(one) == length
        assert one[-(length // 4) :] == other[: length // 4]
        assert len(other) > length // 4  # the last one has something new in it


def test_windows_of_nothing():
    assert cut_windows([], 8) == [[]]
    assert cut_windows([1] * 8, 8) == [[1] * 8]
    assert cut_windows(list(range(9)), 8) == [list(range(8)), [6, 7, 8]]


@given(lengths=st.lists(st.integers(1, 300)), budget=st.integers(1, 1000))
def test_batches_hold_every_row_once_within_the_budget(lengths, budget):
    batches = list(batches_by_length(lengths, budget))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or max(lengths[index] for index in batch) * len(batch) <= budget
    flat = [lengths[index] for batch in batches for index in batch]
    assert flat == sorted(flat)


def test_batches_are_as_full_as_they_may_be():
    assert list(batches_by_length([3, 1, 2, 9, 3], 6)) == [[1, 2], [0, 4], [3]]
    assert list(batches_by_length([], 6)) == []


def test_a_row_in_a_batch():
    batch = make_batch([ROW, ([41], [])])
    assert row_length(ROW) == 12
    assert batch.tokens.tolist() == [  # as long as the next multiple of eight
        [CLS, 11, 12, 13, SEP, CLS, 21, SEP, CLS, 31, 32, SEP, *[0] * 4],
        [CLS, 41, SEP, *[0] * 13],
    ]
    assert batch.positions[0, :12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8]  # every side goes on from the text
    assert batch.part.tolist() == [
        [*[TEXT] * 5, *[FIRST_SIDE] * 3, *[FIRST_SIDE + 1] * 4, *[PADDING] * 4],
        [*[TEXT] * 3, *[PADDING] * 13],
    ]
    assert batch.side_starts.tolist() == [[5, 8], [0, 0]]


def test_a_batch_without_sides():
    assert make_batch([([1], []), ([], [])]).side_starts.shape == (2, 0)


@given(st.lists(st.tuples(LENGTHS, st.lists(LENGTHS, max_size=3)), min_size=1))
def test_rows_in_a_batch_keep_their_tokens(rows):
    rows = [([9] * text, [[7] * side for side in sides]) for text, sides in rows]
    batch = make_batch(rows)
    for number, (text, sides) in enumerate(rows):
        part, tokens = batch.part[number], batch.tokens[number]
        assert tokens[part == TEXT].tolist() == [CLS, *text, SEP]
        for place, side in enumerate(sides):
            assert tokens[part == FIRST_SIDE + place].tolist() == [CLS, *side, SEP]
            assert part[batch.side_starts[number, place]] == FIRST_SIDE + place
        assert int((part != PADDING).sum()) == row_length((text, sides))
    assert batch.tokens.dtype == batch.positions.dtype == torch.int64


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("It’s “over” – or «not»…", 'It\'s "over" - or "not"...'),
        ("thanks @Some_One1, and @другу", "thanks @user, and @user"),
        ("see https://a.example/x?y=1#z) now", "see http now"),
        ("HTTP stays; www.a.example goes", "HTTP stays; http goes"),
        ("Tom &amp; Ann &lt;3 &quot;hi&quot; &#39;yes&#39;", "Tom & Ann <3 \"hi\" 'yes'"),
        ("ﬁne ｗｏｒｄｓ①", "fine words1"),
        ("#Artsakh stays", "#Artsakh stays"),
        ("line\none", "line\none"),
        ("", ""),
    ],
)
def test_normalise_text(text, read):
    assert normalise_text(text) == read


def test_normalise_text_takes_handles_out_that_markup_hides():
    assert normalise_text("&#64;someone") == "@user"


@given(st.text())
def test_normalise_text_never_fails(text):
    assert isinstance(normalise_text(text), str)


@given(st.text().map(normalise_text))
def test_normalise_text_is_done_after_once(text):
    """But for &, which may be escaped twice over."""
    assume("&" not in text)
    assert normalise_text(text) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_normalise_text_reads_escaped_text_as_its_own(text):
    assume("&" not in text)
    assert normalise_text(html.escape(text)) == normalise_text(text)


def test_tokens_of_texts(tiny_tagger):
    tokenizer = tiny_tagger.tokenizer
    tokens = tokenize(tokenizer, ["The WAR is bad", "", "@bob"])
    assert [tokenizer.decode(row) for row in tokens] == ["the war is bad", "", "@ user"]
    assert tokenize(tokenizer, []) == []


@given(st.text(max_size=60))
def test_any_text_has_tokens(tiny_tagger, text):
    (tokens,) = tokenize(tiny_tagger.tokenizer, [text])
    assert all(0 <= token < tiny_tagger.network.shape.vocabulary for token in tokens)


def test_half_a_surrogate_pair_has_tokens(tiny_tagger):
    """Posts cut in the middle of an emoji come so out of JSON."""
    assert len(tokenize(tiny_tagger.tokenizer, ["bad \ud83d", "bad"])) == 2


def test_marks_of_the_network_in_a_text_are_only_text(tiny_tagger):
    (tokens,) = tokenize(tiny_tagger.tokenizer, ["bad [SEP] [CLS] [PAD] good"])
    assert not set(tokens) & {0, CLS, SEP}


def test_another_vocabulary_is_refused(tmp_path, tiny_folder):
    path = tmp_path / "tokenizer.json"
    text = (tiny_folder / "tokenizer.json").read_text(encoding="utf-8")
    path.write_text(text.replace("[CLS]", "[BOS]"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        load_tokenizer(str(path))


def test_the_tokenizer_cuts_and_pads_nothing(tmp_path, tiny_tagger, tiny_folder):
    from tokenizers import Tokenizer

    cutting = Tokenizer.from_file(str(tiny_folder / "tokenizer.json"))
    cutting.enable_truncation(4)
    cutting.enable_padding(length=16)
    cutting.save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(str(tmp_path / "tokenizer.json"))
    assert [len(row) for row in tokenize(tokenizer, ["the " * 30, "a"])] == [30, 1]


@pytest.mark.parametrize(
    "text",
    [
        "We love peace.",
        "“We” love — peace… &amp; war &gt; all",
        "ask @somebody_else or https://example.org/a?b=c, then stop",
        "Ｗｉｄｅ letters and ﬁgures, you fool",
        "",
        "@a",
    ],
)
def test_tokens_are_placed_in_the_text_as_given(text):
    tokenizer = tiny_tokenizer()
    places = place_tokens(tokenizer, text)
    (tokens,) = tokenize(tokenizer, [text])
    assert len(places) == len(tokens)
    assert all(0 <= start <= end <= len(text) for start, end in places)
    assert [start for start, _ in places] == sorted(start for start, _ in places)
    pieces = [tokenizer.id_to_token(token).removeprefix("##") for token in tokens]
    same = [text[start:end].lower() == piece for (start, end), piece in zip(places, pieces, strict=True)]
    if normalise_text(text) == text:
        assert all(same)
    for word in ("fool", "stop", "peace", "love"):
        if word in text and word in pieces:
            assert text[slice(*places[pieces.index(word)])] == word


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_any_text_has_a_place_for_each_token(text):
    tokenizer = tiny_tokenizer()
    places = place_tokens(tokenizer, text)
    assert len(places) == len(tokenize(tokenizer, [text])[0])
    assert all(0 <= start <= end <= len(text) for start, end in places)
