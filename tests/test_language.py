"""Languages are told where there are words enough, and names are of none."""

from __future__ import annotations

from pathlib import Path

import pytest

from stance.language import detect_language
from stance.measure.sets import DEVELOPMENT, read_dev

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("They were told to leave their village by the end of the week.", "en"),
        ("Sie mussten ihr Dorf bis zum Ende der Woche verlassen.", "de"),
        ("Им велели покинуть деревню до конца недели.", "ru"),
        ("Նրանք պետք է լքեն գյուղը մինչև շաբաթվա վերջ։", "hy"),
        ("Həftənin sonuna qədər kəndi tərk etmələri tapşırıldı.", "az"),
        ("", None),
        ("12 : 30 !!!", None),
        ("@karabakh_now #Qarabağ https://example.org/az/xeber", None),
    ],
)
def test_language_of_a_text(text, language):
    assert detect_language(text) == language


@pytest.mark.parametrize("text", ["lol", "No!", "Artsakh", "President Aliyev", "God bless our army and Nikol"])
def test_few_words_in_english_are_not_taken_for_another_language(text):
    assert detect_language(text) in (None, "en")


def test_a_long_text_takes_no_longer_than_its_beginning():
    assert detect_language("the cat sat on the mat " * 500_000) == "en"


@pytest.mark.parametrize("name", DEVELOPMENT)
@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not beside the checkout")
def test_no_english_text_of_the_development_sets_is_left_unjudged(name):
    assert {detect_language(example.text) for example in read_dev(DATA, name)} <= {"en", None}
