"""Languages are told where there are words enough, and names are of none."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stance import language
from stance.language import SURE, detect_language, detect_languages
from stance.measure.sets import DEVELOPMENT, read_dev

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_language_of_a_text(text, expected):
    assert detect_language(text) == expected


@pytest.mark.parametrize("text", ["lol", "No!", "Artsakh", "President Aliyev", "God bless our army and Nikol"])
def test_few_words_in_english_are_not_taken_for_another_language(text):
    assert detect_language(text) in (None, "en")


def test_a_long_text_takes_no_longer_than_its_beginning():
    assert detect_language("the cat sat on the mat " * 500_000) == "en"


@pytest.mark.parametrize("name", DEVELOPMENT)
@pytest.mark.skipif(not DATA.is_dir(), reason="the data sets are not beside the checkout")
def test_no_english_text_of_the_development_sets_is_left_unjudged(name):
    assert {detect_language(example.text) for example in read_dev(DATA, name)} <= {"en", None}


def draw_texts(count: int) -> list[str]:
    """Pieces of several languages, cut anywhere and mixed, some in capitals or decomposed letters."""
    draw = random.Random(3)
    said = [
        "They were told to leave their village by the end of the week, and nobody knows when they may come back.",
        "Sie mussten ihr Dorf bis zum Ende der Woche verlassen; niemand weiß, wann sie zurückkehren dürfen.",
        "Им велели покинуть деревню до конца недели, и никто не знает, когда им можно будет вернуться.",
        "Նրանք պետք է լքեն գյուղը մինչև շաբաթվա վերջ։",
        "Həftənin sonuna qədər kəndi tərk etmələri tapşırıldı. 🙂",
        "Tuvieron que abandonar su pueblo antes del fin de la semana. \ud83d",
    ]
    texts = []
    for _ in range(count):
        parts = [draw.choice(said) for _ in range(draw.randrange(1, 4))]
        text = " ".join(part[draw.randrange(40) : draw.randrange(40, 130)] for part in parts) + " a"
        texts.append(draw.choice((str, str, str.upper, lambda text: unicodedata.normalize("NFD", text)))(text))
    return texts


def test_it_says_what_py3langid_says() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    classify = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).classify
    texts = draw_texts(400)
    expected = [name if probability >= SURE else None for name, probability in (classify(text[:400]) for text in texts)]
    assert detect_languages(texts) == expected
    assert {None, "en", "de", "ru", "hy", "az", "es"} <= set(expected)


def test_what_is_said_of_a_text_does_not_depend_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*draw_texts(60), "", "a", "x" * 1000]
    together = detect_languages(texts)
    assert [detect_language(text) for text in texts] == together
    assert detect_languages(texts[::-1]) == together[::-1]
    monkeypatch.setattr(language, "LANE", 5)
    monkeypatch.setattr(language, "AT_ONCE", 7)
    assert detect_languages(texts) == together
    assert detect_languages([]) == []


def test_half_floats_are_widened_to_the_bit() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    expected = halves.astype(np.float32)
    assert np.array_equal(language._widen(halves).view(np.uint32), expected.view(np.uint32))


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A cache folder that is not there yet, and no model in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    language._load_model.cache_clear()
    yield tmp_path / "caches" / "threadstance"
    language._load_model.cache_clear()


def test_the_model_is_unpacked_once(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert detect_language("They were told to leave.") == "en"
    (folder,) = caches.iterdir()
    assert sorted(path.stem for path in folder.iterdir()) == sorted(language.ARRAYS)
    language._load_model.cache_clear()
    monkeypatch.setattr(language, "_unpack", None)
    assert detect_language("They were told to leave.") == "en"


def test_a_damaged_copy_is_made_again(caches: Path) -> None:
    detect_language("They were told to leave.")
    (folder,) = caches.iterdir()
    whole = (folder / "following.npy").stat().st_size
    with (folder / "following.npy").open("r+b") as file:
        file.truncate(whole // 2)
    (folder / "rows.npy").unlink()
    language._load_model.cache_clear()
    assert detect_language("They were told to leave.") == "en"
    assert (folder / "following.npy").stat().st_size == whole
    assert [*caches.iterdir()] == [folder]


def test_without_a_folder_to_write_it_goes_on(caches: Path) -> None:
    caches.parent.write_text("a file is in the way")
    assert detect_language("They were told to leave.") == "en"


def test_without_room_nothing_is_left(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.save", fill_disk)
    assert detect_language("They were told to leave.") == "en"
    assert [*caches.iterdir()] == []
