"""The language of a text."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Names, links and hashtags are of no language: "@user #Karabakh https://..." would be one all the same.
NAMES = re.compile(r"(?:https?://|www\.)\S+|[@#]\w+")
LETTER = re.compile(r"[^\W\d_]")
# No text of the English development sets is taken for another language above this (tests/test_language.py).
SURE = 0.7
MOST_CHARACTERS = 400  # enough to tell by; the time rises with the length


def detect_language(text: str) -> str | None:
    """The ISO 639-1 (else 639-3) code of a text's language; None: too little of it to tell."""
    words = NAMES.sub(" ", text[:MOST_CHARACTERS])
    if not LETTER.search(words):
        return None
    language, probability = _classifier()(words)
    return language if probability >= SURE else None


@cache
def _classifier() -> Callable[[str], tuple[str, float]]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True).classify  # type: ignore[no-any-return]
