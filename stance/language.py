"""The language of a text, by py3langid's model: many texts at a time, and without unpacking it at every start.

The model is a naive Bayes over sequences of bytes: an automaton reads a text byte by byte, most of its states count as
a feature, and a feature has a weight for each language. What is said here of a text is what py3langid says of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

# Names, links and hashtags are of no language: "@user #Karabakh https://..." would be one all the same.
NAMES = re.compile(r"(?:https?://|www\.)\S+|[@#]\w+")
LETTER = re.compile(r"[^\W\d_]")
# No text of the English development sets is taken for another language above this (tests/test_language.py).
SURE = 0.7
MOST_CHARACTERS = 400  # enough to tell by; the time rises with the length

END = b"\xff"  # between texts: in no UTF-8, and it leads the automaton back to where it starts
DEPTH = 6  # bytes that a state remembers
LANE = 16  # bytes that are read one after the other, all lanes side by side
AT_ONCE = 1024  # texts; their bytes take about 20 times the memory
ARRAYS = ("languages", "prior", "weights", "following", "rows", "features")


def detect_language(text: str) -> str | None:
    """The ISO 639-1 (else 639-3) code of a text's language; None: too little of it to tell."""
    return detect_languages([text])[0]


def detect_languages(texts: Sequence[str]) -> list[str | None]:
    """``detect_language`` of each text; what is said of one does not depend on the others."""
    found: list[str | None] = [None] * len(texts)
    words = {number: NAMES.sub(" ", text[:MOST_CHARACTERS]) for number, text in enumerate(texts)}
    asked = {number: _encode(part) for number, part in words.items() if LETTER.search(part)}
    places = list(asked)
    for start in range(0, len(places), AT_ONCE):
        part = places[start : start + AT_ONCE]
        for number, language in zip(part, _load_model().classify([asked[number] for number in part]), strict=True):
            found[number] = language
    return found


@dataclass(frozen=True, slots=True)
class Model:
    """The arrays of py3langid's model."""

    languages: tuple[str, ...]
    doubles: tuple[tuple[int, int], ...]  # places of a language that is there twice, as it has two scripts
    prior: NDArray[np.float32]  # (languages,)
    weights: NDArray[np.float16]  # (features, languages)
    following: NDArray[np.uint32]  # (rows * 256,): the state after a byte
    rows: NDArray[np.int64]  # (states,): where a state's row begins in ``following``
    features: NDArray[np.int32]  # (states,): the feature that a state counts for, or -1

    def classify(self, texts: Sequence[bytes]) -> list[str | None]:
        """The language of each text, None where the model is not SURE."""
        import numpy as np

        lengths = np.array([len(text) for text in texts], np.float64)
        scores = np.zeros((len(texts), len(self.prior)), np.float32)
        owners, features, counts = self._count_features(texts)
        times = np.log1p(counts.astype(np.float32))
        for text, (first, last) in enumerate(pairwise(np.searchsorted(owners, np.arange(len(texts) + 1)).tolist())):
            if first < last:  # not by @, which would wake the threads of the matrix library
                weights = _widen(self.weights.take(features[first:last], axis=0))
                scores[text] = np.einsum("f,fl->l", times[first:last], weights) + self.prior
        scores *= (1 / np.sqrt(lengths)).astype(np.float32)[:, None]  # keeps short and long texts comparable
        np.exp(scores - scores.max(axis=1, keepdims=True), out=scores)
        scores /= scores.sum(axis=1, keepdims=True)
        for kept, again in self.doubles:
            scores[:, kept] += scores[:, again]
            scores[:, again] = 0
        best = np.where(scores.max(axis=1) >= SURE, scores.argmax(axis=1), -1).tolist()
        return [self.languages[place] if place >= 0 else None for place in best]

    def _count_features(self, texts: Sequence[bytes]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The features of the texts in order: number of the text, number of the feature, how often it occurs there.

        A state depends on the DEPTH bytes before it alone, so the texts are cut into lanes that are read side by side.
        """
        import numpy as np

        joined = END.join(texts)
        lanes = -(-len(joined) // LANE)
        data = np.frombuffer(END * DEPTH + joined + END * (lanes * LANE - len(joined)), np.uint8)
        state = np.zeros(lanes, np.uint32)
        states = np.zeros((lanes, LANE), np.uint32)
        for step in range(DEPTH + LANE):
            state = self.following.take(self.rows.take(state) + data[step::LANE][:lanes])
            if step >= DEPTH:
                states[:, step - DEPTH] = state
        found = self.features.take(states.ravel())
        places = np.flatnonzero(found >= 0)
        ends = np.cumsum([len(text) + len(END) for text in texts])
        most = len(self.weights)
        keys = np.searchsorted(ends, places, side="right") * most + found[places]
        keys.sort()
        firsts = np.flatnonzero(np.diff(keys, prepend=-1))
        owners, features = np.divmod(keys[firsts], most)
        return owners, features, np.diff(firsts, append=len(keys))


def _widen(halves: NDArray[np.float16]) -> NDArray[np.float32]:
    """The same numbers as float32, four times as fast as numpy's way: their bits moved, then the exponent put right."""
    import numpy as np

    bits = halves.view(np.int16).astype(np.int32) << 13
    bits &= np.int32(-0x70000001)  # all but the sign's copies, bits 28 to 30
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


def _encode(text: str) -> bytes:
    """The bytes that the model reads."""
    text = text.lower() if text.isupper() else text
    return unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")


@cache
def _load_model() -> Model:
    """The model from the copy in the user's cache folder; where there is none, from the package, and it is made."""
    import numpy as np

    packed = Path(next(iter(find_spec("py3langid").submodule_search_locations))) / "data" / "model.npz.xz"  # type: ignore[union-attr,arg-type]
    folder = _find_cache() / f"language-{hashlib.sha256(packed.read_bytes()).hexdigest()[:16]}"
    try:
        arrays = {name: np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ARRAYS}
    except (OSError, ValueError):  # not there yet, or damaged
        arrays = _unpack(packed)
        _keep(arrays, folder)
    languages = tuple(arrays.pop("languages").tolist())
    doubles = tuple((languages.index(name), at) for at, name in enumerate(languages) if languages.index(name) < at)
    return Model(languages, doubles, **arrays)


def _find_cache() -> Path:
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "threadstance"
    try:
        return caches.expanduser()
    except RuntimeError:  # a user without a home
        return Path(os.devnull)


def _unpack(packed: Path) -> dict[str, NDArray[Any]]:
    """The arrays of ARRAYS from py3langid's file; 0.3 seconds."""
    import numpy as np
    from py3langid.modelio import load_model

    weights, prior, languages, following, rows, features = load_model(packed)
    return {
        "languages": np.array(languages),
        "prior": prior,
        "weights": weights,
        "following": np.asarray(following, np.uint32),
        "rows": np.asarray(rows, np.int64) * 256,
        "features": np.asarray(features, np.int32),
    }


def _keep(arrays: Mapping[str, NDArray[Any]], folder: Path) -> None:
    """Write the arrays, to be read in place by later starts and shared by processes; nothing where that fails."""
    import numpy as np

    part = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        for name, array in arrays.items():
            with (part / f"{name}.npy").open("wb") as file:
                np.save(file, array)
                file.flush()
                os.fsync(file.fileno())  # a power cut must not leave a file of zeros under the right name
        shutil.rmtree(folder, ignore_errors=True)  # where it is damaged
        part.rename(folder)
    except OSError:  # no room, or a folder that may not be written
        pass
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
