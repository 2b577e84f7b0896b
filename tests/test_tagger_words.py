"""Looked-up words give exactly the tokens that the tokenizer gives."""

import pytest
from conftest import tiny_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from stance.tagger import words as module
from stance.tagger.batch import place_tokens, tokenize
from stance.tagger.words import Words

ASCII = st.text(st.characters(max_codepoint=127), max_size=80)
HARD = [
    "The WAR isn't over... (or is it?) a_b-c",
    "",
    " \t\r\n ",
    "tab\tline\nform\x0cbell\x07zero\x00one\x7f",
    "[SEP] [CLS] ##s",
    "thanks @Some_One &amp; https://a.example/x?y=1 http",
    "caf\u00e9 \u201cwar\u201d \u0430\u0440\u043c\u0438\u044f \u4e2d\u6587",
    "a" * 101 + " b",
    "a" * 100 + " b",
]


def read_words():
    tokenizer = tiny_tokenizer()
    tokenizer.encode_special_tokens = True  # as load_tokenizer makes it
    return Words(tokenizer)


@pytest.fixture(scope="module")
def words():
    return read_words()


@pytest.mark.parametrize("text", HARD)
def test_hard_texts(words, text):
    assert words.read([text]) == tokenize(words.tokenizer, [text])
    assert words.read([text, "the war", text])[2] == tokenize(words.tokenizer, [text])[0]


@given(st.lists(st.one_of(ASCII, st.text(max_size=60)), max_size=4))
def test_any_texts(words, texts):
    assert words.read(texts) == tokenize(words.tokenizer, texts)


def test_most_texts_are_looked_up(words, monkeypatch):
    """Else the module would be for nothing."""
    texts = ["Peace, love & war!", "we LOVE peace"]
    before = words.read(texts)

    class Silent:
        def encode_batch(self, texts, add_special_tokens):
            assert texts == []
            return []

    monkeypatch.setattr(words, "tokenizer", Silent())
    assert words.read(texts[::-1]) == before[::-1]


def test_words_are_forgotten_before_memory_fills(monkeypatch):
    monkeypatch.setattr(module, "MOST_WORDS", 10)
    words = read_words()
    for number in range(20):
        texts = [f"a{number} b{number} c{number}", "the war"]
        assert words.read(texts) == tokenize(words.tokenizer, texts)
        assert len(words.known) <= 10 + 5


def test_a_tokenizer_that_parts_otherwise_is_asked_for_every_text():
    from tokenizers import pre_tokenizers

    tokenizer = read_words().tokenizer
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words = Words(tokenizer)
    assert words.read(["it's war,peace"]) == tokenize(tokenizer, ["it's war,peace"])
    assert words.known == {}


def test_marks_of_the_network_that_are_not_text_are_left_to_the_tokenizer():
    words = Words(tiny_tokenizer())
    assert words.read(["bad [SEP]"]) == tokenize(words.tokenizer, ["bad [SEP]"])
    assert words.known == {}


@pytest.mark.parametrize("text", [*HARD, "we love peace, isn't it"])
def test_each_token_is_placed_within_its_word(words, text):
    places, exact = words.place(text), place_tokens(words.tokenizer, text)
    assert len(places) == len(exact)
    assert all(start <= inner and end >= outer for (start, end), (inner, outer) in zip(places, exact, strict=True))
    assert all("\n" not in text[start:end] and " " not in text[start:end] for start, end in places)
