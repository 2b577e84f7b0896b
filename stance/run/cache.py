"""The tagger of a run: behind a cache by content, so that a text that comes up again costs nothing.

What it says of a text is the same whether it was judged now or before, and with which others: every answer is rounded
to what the cache holds, and the process has one thread. In bf16 a text's logits do not depend on the rest of a batch,
bit for bit; in fp32 and on a GPU they may differ by 1e-6, and so may the sixth digit of a probability.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from platform import node
from typing import TYPE_CHECKING, Any

from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import Predictions, Tagger, load_tagger

if TYPE_CHECKING:
    from stance.run.plan import Settings

KEY_BYTES = 16  # of a SHA-256: two of a trillion texts have the same by chance in one case of 10^14
MOST_BYTES = 8 * 2**30  # of the file; when it is full, nothing more is added
PAGE = 4096  # bytes
HELD = 8 * 2**20  # bytes of it in a process's memory
ASKED_AT_ONCE = 500  # keys in one query
WAIT = 60.0  # seconds for another process's turn
MENTION, SPANS = 1, 2  # in the first byte of an answer: it has these


def open_tagger(settings: Settings) -> CachedTagger:
    """The tagger of the settings with its cache. StanceError where it is not the one that the run began with."""
    tagger = load_tagger(settings.tagger)
    if tagger.sha256 != settings.tagger_sha256:
        raise StanceError(f"{settings.tagger}: the tagger changed after the run had begun: run it again")
    return CachedTagger(tagger, settings.output / f"cache-{node()}.sqlite" if settings.cache else None)


class CachedTagger:
    """A tagger (see ``stance.tagger.Tagger``) that judges a text once."""

    def __init__(self, tagger: Tagger, file: Path | None) -> None:
        self.name = tagger.name
        self.sha256 = tagger.sha256
        self.thresholds = tagger.thresholds
        self.languages = tagger.languages
        self.errors = tagger.errors
        self.precision = _name_precision(tagger)
        self.asked = 0  # texts so far
        self.cached = 0  # of those, not judged: the cache had them, or the same call
        self.hear: Callable[[int], None] | None = None  # hears how many texts came in, call after call
        self._tagger = tagger
        self._file = file
        self._note: str | None = None
        self._connection = None if file is None else self._try(lambda: _open(file))

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        """As the tagger itself, rounded to 32 bits; ``advance`` hears of the texts that had to be judged."""
        if not texts:
            return self._tagger.predict(texts, sides, advance)
        keys = self._make_keys(texts, sides)
        places = dict(zip(reversed(keys), range(len(keys) - 1, -1, -1), strict=True))  # key -> its first text
        connection = self._connection
        found = {} if connection is None else self._try(lambda: _look_up(connection, [*places])) or {}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            fresh = self._tagger.predict([texts[places[key]] for key in missing], sides, advance)
            answers = dict(zip(missing, _pack(fresh), strict=True))
            if connection is not None:
                self._try(lambda: _store(connection, answers))
            found |= answers
        self.asked += len(texts)
        self.cached += len(texts) - len(missing)
        if self.hear is not None:
            self.hear(len(texts))
        return _unpack([found[key] for key in keys], len(sides))

    def take_note(self) -> str | None:
        """What went wrong with the cache since it was last asked, in one line."""
        note, self._note = self._note, None
        return note

    def _make_keys(self, texts: Sequence[str], sides: Sequence[str]) -> list[bytes]:
        start = hashlib.sha256(json.dumps([self.sha256, self.precision, [*sides]]).encode() + b"\0")
        keys = []
        for text in texts:
            digest = start.copy()
            digest.update(text.encode("utf-8", "surrogatepass"))
            keys.append(digest.digest()[:KEY_BYTES])
        return keys

    def _try(self, do: Callable[[], Any]) -> Any:
        """What the cache gives; where it fails, the run goes on without it."""
        try:
            return do()
        except sqlite3.Error as error:
            self._connection = None
            self._note = f"{self._file}: the cache fails ({error}), and the run goes on without it: delete the file"
            return None


def _name_precision(tagger: Tagger) -> str:
    """What decides an answer's last digits beside the tagger: the type that is computed in, and the kind of device."""
    kind = "bf16" if getattr(tagger, "bf16", False) else "fp32"
    device = getattr(getattr(tagger, "device", None), "type", "cpu")
    return kind if device == "cpu" else f"{kind} on {device}"


def _open(file: Path) -> sqlite3.Connection:
    """The cache in a file, made where there is none.

    With a write-ahead log several processes take turns, and neither kill -9 nor a power cut breaks it; its last
    answers may be lost.
    """
    # Ray makes an actor in one thread and calls it in others, one at a time.
    connection = sqlite3.connect(file, timeout=WAIT, isolation_level=None, check_same_thread=False)
    connection.execute(f"pragma page_size = {PAGE}")
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute(f"pragma cache_size = -{HELD // 1024}")
    connection.execute(f"pragma max_page_count = {MOST_BYTES // PAGE}")
    connection.execute("create table if not exists answers (key blob primary key, answer blob) without rowid")
    return connection


def _look_up(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), ASKED_AT_ONCE):
        some = keys[start : start + ASKED_AT_ONCE]
        marks = ",".join("?" * len(some))
        found |= dict(connection.execute(f"select key, answer from answers where key in ({marks})", some))  # noqa: S608
    return found


def _store(connection: sqlite3.Connection, answers: Mapping[bytes, bytes]) -> None:
    try:
        connection.execute("begin immediate")
        connection.executemany("insert or ignore into answers values (?, ?)", sorted(answers.items()))
        connection.execute("commit")
    except sqlite3.OperationalError as error:
        if connection.in_transaction:
            connection.execute("rollback")
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_FULL:  # full: what it has still serves
            raise


def _pack(found: Predictions) -> list[bytes]:
    """Each text's answer: a byte that says what it has, the probabilities as 32 bits each, the toxic spans."""
    import numpy as np

    texts = len(found.toxicity)
    mention = np.full(texts, np.nan) if found.mention is None else found.mention
    columns = [found.stance.reshape(texts, -1), found.toxicity, found.sentiment, mention[:, None]]
    numbers = np.concatenate(columns, axis=1).astype("<f4")
    has = bytes([MENTION * (found.mention is not None) + SPANS * bool(found.toxic_spans)])
    spans: Iterable[tuple[tuple[int, int], ...]] = found.toxic_spans or [()] * texts
    return [
        has + row.tobytes() + struct.pack(f"<{2 * len(own)}i", *(edge for span in own for edge in span))
        for row, own in zip(numbers, spans, strict=True)
    ]


def _unpack(answers: Sequence[bytes], sides: int) -> Predictions:
    import numpy as np

    widths = (sides * len(STANCES), len(TOXICITY), len(SENTIMENTS), 1)
    end = 1 + 4 * sum(widths)
    numbers = np.frombuffer(b"".join(answer[1:end] for answer in answers), "<f4").reshape(len(answers), -1)
    stance, toxicity, sentiment, mention = np.split(numbers.astype(np.float64), np.cumsum(widths)[:-1], axis=1)
    has = answers[0][0]
    return Predictions(
        stance.reshape(len(answers), sides, len(STANCES)),
        toxicity,
        sentiment,
        mention[:, 0] if has & MENTION else None,
        [_unpack_spans(answer[end:]) for answer in answers] if has & SPANS else (),
    )


def _unpack_spans(packed: bytes) -> tuple[tuple[int, int], ...]:
    edges = struct.unpack(f"<{len(packed) // 4}i", packed)
    return tuple(zip(edges[::2], edges[1::2], strict=True))
