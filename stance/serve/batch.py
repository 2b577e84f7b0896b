"""Texts that arrive at the same time are judged together: one queue, one worker thread that holds the tagger.

A pass of the network over many texts costs less a text than a pass over one. Requests put their texts in the queue and
wait; the worker takes what is there, in the order it came, and answers each text on its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import TYPE_CHECKING

from stance.serve.refusal import RefusalError, refuse_for_now

if TYPE_CHECKING:
    from stance.records import Post, Tag, Topic
    from stance.serve.metrics import Metrics

    Judge = Callable[[Sequence[Post], Topic], list[Tag]]

LOG = logging.getLogger("stance.serve")

UNIT = 512  # characters; the weight of a text is how many of these it fills, at least one
# Texts of like lengths go through the network together, for padding is work. More at once gains nothing on two cores
# (tests/bench/serve.py), and the first of a round would wait for the last.
UNITS_A_PASS = 16
UNITS_A_ROUND = 128  # bounds how long those wait that come while a round of long texts is judged
GATHER = 0.002  # seconds that an idle worker waits for company after the first text


@dataclass(eq=False, slots=True)
class _Asked:
    """One text that waits for its tag."""

    post: Post
    topic: Topic
    weight: int
    answer: asyncio.Future[Tag]


class Batcher:
    """The queue and its worker. All methods belong to the event loop; only ``judge`` runs in the worker's thread.

    ``most_texts`` 1 switches batching off. ``most_waiting`` is in units of text.
    """

    def __init__(self, judge: Judge, most_texts: int, most_waiting: int, metrics: Metrics) -> None:
        self._judge = judge
        self._most_texts = most_texts
        self._most_waiting = most_waiting
        self._metrics = metrics
        self._queue: deque[_Asked] = deque()
        self._arrived = asyncio.Event()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="tagger")
        self._seconds_a_unit = 0.01  # lately; a guess until something is measured
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def judge(self, posts: Sequence[Post], topic: Topic) -> list[Tag]:
        """The tags of the posts, in order. Refusal 429 where the queue is full: all of them, or none, get in.

        A request that is alone gets in however long it is. One that is cancelled leaves the queue.
        """
        loop = asyncio.get_running_loop()
        weights = [1 + len(post.body) // UNIT for post in posts]
        waiting = self._metrics.waiting
        if waiting and waiting + sum(weights) > self._most_waiting:
            seconds = max(1, ceil(waiting * self._seconds_a_unit))
            raise refuse_for_now(429, "Too many texts are waiting. Ask again later.", seconds)
        asked = []
        for post, weight in zip(posts, weights, strict=True):
            one = _Asked(post, topic, weight, loop.create_future())
            self._metrics.waiting += weight
            one.answer.add_done_callback(partial(self._release, weight))
            asked.append(one)
        self._queue.extend(asked)
        self._arrived.set()
        try:
            return list(await asyncio.gather(*(one.answer for one in asked)))
        finally:
            for one in asked:
                one.answer.cancel()  # nothing happens to those that are done

    async def close(self) -> None:
        """Refuse what waits, and let the worker end."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        for one in self._queue:
            if not one.answer.done():
                one.answer.set_exception(RefusalError(503, "The server is stopping."))
        self._queue.clear()
        await asyncio.to_thread(self._worker.shutdown)

    def _release(self, weight: int, _: asyncio.Future[Tag]) -> None:
        self._metrics.waiting -= weight

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                if self._most_texts > 1:
                    await asyncio.sleep(GATHER)
            taken = self._take()
            if taken:
                self._metrics.batches.add(len(taken))
                await loop.run_in_executor(self._worker, self._judge_round, taken, loop)

    def _take(self) -> list[_Asked]:
        """The oldest texts that go together: of one topic, as many as are judged in a round; the rest stay in order."""
        taken: list[_Asked] = []
        rest: list[_Asked] = []
        units = 0
        while self._queue and len(taken) < self._most_texts and units < UNITS_A_ROUND:
            one = self._queue.popleft()
            if one.answer.done():  # cancelled: its client is gone, or has waited too long
                continue
            if taken and one.topic != taken[0].topic:
                rest.append(one)
                continue
            taken.append(one)
            units += one.weight
        self._queue.extendleft(reversed(rest))
        return taken

    def _judge_round(self, taken: list[_Asked], loop: asyncio.AbstractEventLoop) -> None:
        """In the worker's thread: judge the texts in passes of like lengths, and hand each pass over as it is done."""
        begin = time.perf_counter()
        for together in cut_passes(taken):
            alive = [one for one in together if not one.answer.done()]
            if alive:
                found = self._judge_pass(alive)
                loop.call_soon_threadsafe(_answer, alive, found)
        seconds = (time.perf_counter() - begin) / sum(one.weight for one in taken)
        self._seconds_a_unit += 0.1 * (seconds - self._seconds_a_unit)

    def _judge_pass(self, asked: Sequence[_Asked]) -> list[Tag | Exception]:
        """A tag, or what went wrong, for each text: one that breaks the tagger must not take the others with it."""
        try:
            return list(self._judge([one.post for one in asked], asked[0].topic))
        except Exception as error:
            if len(asked) == 1:
                LOG.exception("the tagger failed")
                return [error]
            return [found for one in asked for found in self._judge_pass([one])]


def cut_passes(asked: Sequence[_Asked]) -> list[list[_Asked]]:
    """The texts in order of length, cut where the longest times their number passes ``UNITS_A_PASS``."""
    passes: list[list[_Asked]] = []
    for one in sorted(asked, key=lambda one: len(one.post.body)):
        if not passes or one.weight * (len(passes[-1]) + 1) > UNITS_A_PASS:
            passes.append([])
        passes[-1].append(one)
    return passes


def _answer(asked: Sequence[_Asked], found: Sequence[Tag | Exception]) -> None:
    for one, tag in zip(asked, found, strict=True):
        if one.answer.done():
            continue
        if isinstance(tag, Exception):
            one.answer.set_exception(RefusalError(500, "The tagger failed at this text."))
        else:
            one.answer.set_result(tag)
