"""Words and their tokens: a word that came before is looked up, so most texts never see the tokenizer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stance.tagger.batch import normalise_text, place_tokens

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# BERT's rules part such a text at white space and at every mark, whatever its words are.
SIMPLE = re.compile(r"[\t\n\r -~]*")
PIECE = re.compile(r"[0-9A-Za-z]+|[!-/:-@\[-`{-~]")
MOST_WORDS = 200_000  # about 30 MB; a call adds its own before they are forgotten
LONGEST = 100  # characters of a word


class Words:
    """A tokenizer that remembers the tokens of words; ``read`` gives exactly what ``tokenize`` gives."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.known: dict[str, list[int]] = {}
        self.parts_as_bert = parts_as_bert(tokenizer)

    def read(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, without [CLS] and [SEP]."""
        normal = [normalise_text(text) for text in texts]
        pieces = [self.split(text) for text in normal]
        known = self.known if len(self.known) < MOST_WORDS else {}  # a new one: another thread may be reading the old
        self.known = known
        new = {piece for parts in pieces if parts is not None for piece in parts if piece not in known}
        words = [*new, *(text for text, parts in zip(normal, pieces, strict=True) if parts is None)]
        asked = [encoding.ids for encoding in self.tokenizer.encode_batch(words, add_special_tokens=False)]
        known.update(zip(words, asked[: len(new)], strict=False))
        rest = iter(asked[len(new) :])
        return [next(rest) if parts is None else [i for piece in parts for i in known[piece]] for parts in pieces]

    def place(self, text: str) -> list[tuple[int, int]]:
        """Where the word of each token, or a part of the word, stands in the text as given."""
        if normalise_text(text) != text or self.split(text) is None:
            return place_tokens(self.tokenizer, text)
        self.read([text])
        return [match.span() for match in PIECE.finditer(text) for _ in self.known[match.group()]]

    def split(self, text: str) -> list[str] | None:
        """The words and marks of a text of which that is sure; None: the tokenizer has to read it whole."""
        if not (self.parts_as_bert and SIMPLE.fullmatch(text)):
            return None
        pieces: list[str] = PIECE.findall(text)
        return pieces if max(map(len, pieces), default=0) <= LONGEST else None


def parts_as_bert(tokenizer: Tokenizer) -> bool:
    """Whether the tokenizer parts a text into words as BERT does, so that each can be asked about alone."""
    from tokenizers import models, normalizers, pre_tokenizers

    return (
        isinstance(tokenizer.normalizer, normalizers.BertNormalizer)
        and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        and isinstance(tokenizer.model, models.WordPiece)
        and tokenizer.encode_special_tokens
        and all(token.special for token in tokenizer.get_added_tokens_decoder().values())
    )
