"""A language model behind an OpenAI-compatible chat endpoint as a tagger: ``openai:URL#MODEL``.

Texts go to that URL and nowhere else: a redirect is an error. ``OPENAI_API_KEY`` is the key (none: none is sent),
``STANCE_OPENAI_BUDGET`` the most requests of a run, failed ones included, and ``STANCE_OPENAI_CACHE`` the file that
keeps the answers, though not the texts: a run that was cut off goes on, and a rerun asks nothing.

A text without words, one that the model refuses and one that it gives no valid answer for are NaN in ``Predictions``:
not judged. Mention and toxic spans are never judged. Probabilities are the model's own, not calibrated here; sides are
asked about together, so one may colour another; and who answers to a model's name can change from day to day.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import random
import re
import sqlite3
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stance import __version__
from stance.records import SENTIMENTS, STANCES, TOXICITY, StanceError
from stance.tagger import Predictions, Thresholds
from stance.tagger.question import INSTRUCTIONS, Answer, Unfit, hash_request, make_predictions, make_request, read_reply

THRESHOLDS = Thresholds(stance=0.45, sentiment=0.45, toxicity=(0.5,) * len(TOXICITY))
BUDGET = 1000  # requests a run, where STANCE_OPENAI_BUDGET is not set
WORKERS = 4  # requests at a time
TRIES = 5  # for one text
FIRST_WAIT = 1.0  # seconds before the second try; then twice as long each time
MOST_WAIT = 120.0  # seconds that an endpoint may ask to wait; more is an error
TIMEOUT = 120.0  # seconds without a byte
MOST_BYTES = 4_000_000  # of a reply
MOST_UNFIT = 3  # texts without an answer beside one in ten: more, and the fault is not theirs
UNFIT = (400, 403, 413, 422)  # how endpoints refuse a text: too long, or flagged

_log = logging.getLogger(__name__)


class Again(Exception):  # noqa: N818 - not an error of the program
    """A try that failed and may be repeated after some seconds (None: as usual)."""

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """urllib would send the key on to wherever a redirect points."""

    def redirect_request(self, *_: Any) -> None:
        return None


class ChatTagger:
    """One model behind one URL (see ``stance.tagger.Tagger``). StanceError where the endpoint cannot be used."""

    thresholds = THRESHOLDS
    languages: tuple[str, ...] = ()  # whatever the model reads

    def __init__(self, url: str, model: str, key: str, budget: int, cache: Path) -> None:
        self.url = url
        self.address = url if url.endswith("/chat/completions") else f"{url}/chat/completions"
        self.model = model
        self.key = key
        self.budget = self.left = budget
        self.cache = cache
        self.name = f"openai:{url}#{model}"
        self.sha256 = hashlib.sha256(f"{self.name}\n{INSTRUCTIONS}".encode()).hexdigest()
        self.errors: dict[str, Any] = {}  # not measured
        self.cold = True  # whether the endpoint takes a temperature; some models do not
        self.lock = threading.Lock()
        self.opener = urllib.request.build_opener(_NoRedirect)

    def predict(
        self, texts: Sequence[str], sides: Sequence[str], advance: Callable[[int], None] | None = None
    ) -> Predictions:
        """Probabilities of each text toward each side, from the cache or the endpoint; NaN: not judged."""
        keys = [hash_request(self.url, make_request(self.model, text, sides)) for text in texts]
        asked = {key: text for key, text in zip(keys, texts, strict=True) if text.split()}
        copies = Counter(keys)
        with open_cache(self.cache) as cache:
            answers = read_answers(cache, asked, len(sides))
            waiting = {key: text for key, text in asked.items() if key not in answers}
            done = sum(count for key, count in copies.items() if key not in waiting)
            report = advance or (lambda _: None)
            report(done)
            try:
                for key, answer in self.ask_all(waiting, sides, len(answers)):
                    if answer is not None:
                        cache.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))
                        answers[key] = answer
                    done += copies[key]
                    report(done)
            except StanceError as error:
                kept = f"{len(answers)} of {len(asked)} different texts have answers, which {self.cache} keeps"
                raise StanceError(f"{self.name}: {error}. {kept}: run it again to go on") from error
        return make_predictions([answers.get(key) for key in keys], len(sides))

    def ask_all(
        self, waiting: Mapping[str, str], sides: Sequence[str], answered: int
    ) -> Iterator[tuple[str, Answer | None]]:
        """Each key with the answer to its text as it comes, None where the text gets none.

        After a failure no more are sent, but those under way are waited for: they are paid for.
        """
        stop, unfit = threading.Event(), list[str]()
        failure: StanceError | None = None
        for key, future in self.run(waiting, sides, stop):
            error = future.exception()
            answered += error is None
            if isinstance(error, Unfit):
                unfit.append(str(error))
            elif error is not None:
                failure = failure or as_failure(error)
            if len(unfit) > MOST_UNFIT + answered // 10:
                failure = failure or StanceError(f"{len(unfit)} texts get no answer ({unfit[-1]})")
            if failure is not None:
                stop.set()
            yield key, None if error else future.result()
        if unfit and not answered:
            failure = failure or StanceError(f"no text gets an answer ({unfit[-1]})")
        if failure is not None:
            raise failure
        if unfit:
            _log.warning("%s: %d texts are not judged: they get no answer (%s)", self.name, len(unfit), unfit[-1])

    def run(
        self, waiting: Mapping[str, str], sides: Sequence[str], stop: threading.Event
    ) -> Iterator[tuple[str, Future[Answer]]]:
        """Ask for some texts at a time until ``stop``, and yield each key with what became of it."""
        queue, running = iter(waiting.items()), dict[Future[Answer], str]()
        with ThreadPoolExecutor(WORKERS) as pool:
            try:
                for _ in waiting:
                    while not stop.is_set() and len(running) < WORKERS and (item := next(queue, None)) is not None:
                        running[pool.submit(self.ask, item[1], sides, stop)] = item[0]
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        yield running.pop(future), future
            finally:
                stop.set()  # whoever waits for the next try gives up

    def ask(self, text: str, sides: Sequence[str], stop: threading.Event) -> Answer:
        """The answer for one text after as many tries as it takes, up to TRIES.

        Unfit where the text gets none, StanceError where the endpoint fails or the budget is spent.
        """
        request = make_request(self.model, text, sides)
        last: Again | Unfit = Again("")
        for number in range(TRIES):
            seconds = last.seconds if isinstance(last, Again) else None
            if seconds is None:
                seconds = FIRST_WAIT * 2 ** (number - 1) * random.uniform(0.75, 1.25)
            if number and stop.wait(seconds):
                break
            self.spend()
            try:
                return read_reply(self.post(request), len(sides))
            except Again as error:
                last = error
            except ValueError as error:
                last = Unfit(f"not a valid answer: {error}")
        raise last if isinstance(last, Unfit) else StanceError(str(last))

    def spend(self) -> None:
        """One request of the budget."""
        with self.lock:
            if self.left <= 0:
                raise StanceError(f"the budget of {self.budget} requests is spent (STANCE_OPENAI_BUDGET)")
            self.left -= 1

    def post(self, request: dict[str, Any]) -> Any:
        """The endpoint's reply, decoded. Again, Unfit or StanceError say what else became of it."""
        body = {**request, "temperature": 0} if self.cold else request
        headers = {"Content-Type": "application/json", "User-Agent": f"threadstance/{__version__}"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        asked = urllib.request.Request(self.address, json.dumps(body).encode(), headers)  # noqa: S310 - checked
        try:
            with self.opener.open(asked, timeout=TIMEOUT) as response:
                return json.loads(response.read(MOST_BYTES))
        except urllib.error.HTTPError as error:
            with closing(error):
                raise self.explain(error, body) from error
        except ValueError as error:
            raise Again(f"the reply is no JSON: {str(error)[:100]}") from error
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, TimeoutError | ConnectionResetError | BrokenPipeError | http.client.HTTPException):
                raise Again(f"no reply ({cause!r})") from error
            raise StanceError(f"cannot be reached ({cause}): check the URL, and that the server runs") from error

    def explain(self, error: urllib.error.HTTPError, body: Mapping[str, Any]) -> Exception:
        """What an HTTP error means for the try, the text or the whole run."""
        said = self.read_message(error)
        words = f"HTTP {error.code} {said}".strip()
        if error.code == 400 and "temperature" in body and "temperature" in said:
            self.cold = False
            return Again(words, 0.0)
        if error.code in (408, 429) or error.code >= 500:
            seconds = read_wait(error.headers.get("Retry-After"))
            if seconds is not None and seconds > MOST_WAIT:
                return StanceError(f"{words}: asks to wait {seconds:.0f} seconds")
            return Again(words, seconds)
        if error.code in UNFIT:
            return Unfit(words)
        if 300 <= error.code < 400:
            return StanceError(f"sends on to {error.headers.get('Location')}: name that URL if you trust it")
        return StanceError(f"{words}: check URL, MODEL and OPENAI_API_KEY")

    def read_message(self, error: urllib.error.HTTPError) -> str:
        """The beginning of what the endpoint says, in one line, without the key."""
        try:
            said = error.read(MOST_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return ""
        said = " ".join(said.split())
        return (said.replace(self.key, "...") if self.key else said)[:200]


def load_chat(spec: str) -> ChatTagger:
    """The tagger of what stands after ``openai:``, with key, budget and cache from the environment."""
    url, _, model = spec.partition("#")
    url, model = url.strip().rstrip("/"), model.strip()
    try:
        parts = urlsplit(url)
        fit = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        fit = False
    if not fit or not model or parts.username is not None or parts.query or re.search(r"[^!-~]", url):
        raise StanceError(f"openai:{spec}: write openai:URL#MODEL, as openai:http://localhost:8000/v1#MODEL")
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if re.search(r"[^!-~]", key):
        raise StanceError("OPENAI_API_KEY: holds blank space or letters that no key has: set it again")
    budget = os.environ.get("STANCE_OPENAI_BUDGET", "").strip() or str(BUDGET)
    if not re.fullmatch(r"\d{1,9}", budget, re.ASCII):
        raise StanceError(f"STANCE_OPENAI_BUDGET: {budget} is not a number of requests: set it to one, as {BUDGET}")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "threadstance"
    cache = Path(os.environ.get("STANCE_OPENAI_CACHE") or caches / "openai.sqlite3").expanduser()
    return ChatTagger(url, model, key, int(budget), cache)


def as_failure(error: BaseException) -> StanceError:
    """The StanceError itself; anything else is a bug and keeps its traceback."""
    if isinstance(error, StanceError):
        return error
    raise error


def read_wait(header: str | None) -> float | None:
    """The seconds of a Retry-After header, which gives them or a date; None where it gives neither."""
    if header is None or header.strip().isdecimal():
        return None if header is None else float(header)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


@contextmanager
def open_cache(path: Path) -> Iterator[sqlite3.Connection]:
    """The answers on disk; each is kept as soon as it is written. StanceError where the file is of no use."""
    remedy = "set STANCE_OPENAI_CACHE to another file"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StanceError(f"{path}: cannot keep answers ({error.strerror}): {remedy}") from error
    try:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as cache:
            cache.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")
            yield cache
    except sqlite3.Error as error:
        raise StanceError(f"{path}: cannot keep answers ({error}): {remedy}") from error


def read_answers(cache: sqlite3.Connection, keys: Collection[str], sides: int) -> dict[str, Answer]:
    """The answers that are kept for these keys."""
    found: dict[str, Answer] = {}
    for key in keys:
        for (written,) in cache.execute("SELECT answer FROM answers WHERE key = ?", (key,)):
            answer = json.loads(written)
            if len(answer) == len(STANCES) * sides + len(TOXICITY) + len(SENTIMENTS):
                found[key] = answer
    return found
