"""The queue before the tagger: who gets which answer, who is turned away, who is left out."""

import asyncio
import threading
import time

import pytest

from stance.records import Judgement, Post, Side, Tag, Topic
from stance.serve.batch import UNIT, UNITS_A_PASS, Batcher
from stance.serve.metrics import Metrics
from stance.serve.refusal import RefusalError

NO_SIDES = Topic("", ())
ONE_SIDE = Topic("t", (Side("a", "pro-a", "a"),))


class Judge:
    """Counts the words of each text; waits where told; fails at "bad"."""

    def __init__(self):
        self.calls = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, posts, topic):
        self.free.wait(10)
        self.calls.append(([post.body for post in posts], topic.name))
        if any("bad" in post.body for post in posts):
            raise RuntimeError("a text that breaks the tagger")
        return [Tag(len(post.body.split()), (), (), Judgement(None, ())) for post in posts]


def run(work, most_texts=64, most_waiting=512):
    """Run ``work(batcher, judge, metrics)`` with a fresh batcher."""

    async def with_batcher():
        judge, metrics = Judge(), Metrics()
        batcher = Batcher(judge, most_texts, most_waiting, metrics)
        try:
            return await work(batcher, judge, metrics)
        finally:
            judge.free.set()
            await batcher.close()

    return asyncio.run(asyncio.wait_for(with_batcher(), 30))


def posts_of(*texts):
    return [Post(str(number), text) for number, text in enumerate(texts)]


async def hold(batcher, judge):
    """Keep the worker busy with one text; its task."""
    judge.free.clear()
    first = asyncio.create_task(batcher.judge(posts_of("first"), NO_SIDES))
    while batcher._queue or not first:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)  # the worker has it
    return first


def test_each_gets_its_own_answer_in_few_passes():
    async def work(batcher, judge, metrics):
        asked = [batcher.judge(posts_of(*["word " * (n % 40 + 1)] * (n % 3 + 1)), NO_SIDES) for n in range(60)]
        answers = await asyncio.gather(*asked)
        assert [[tag.words for tag in tags] for tags in answers] == [[n % 40 + 1] * (n % 3 + 1) for n in range(60)]
        assert len(judge.calls) < 20
        assert metrics.waiting == 0

    run(work)


def test_one_by_one_where_batching_is_off():
    async def work(batcher, judge, metrics):
        await asyncio.gather(*(batcher.judge(posts_of(f"text {n}"), NO_SIDES) for n in range(10)))
        assert [len(texts) for texts, _ in judge.calls] == [1] * 10
        assert [texts[0] for texts, _ in judge.calls] == [f"text {n}" for n in range(10)]

    run(work, most_texts=1)


def test_topics_are_not_mixed_and_keep_their_order():
    async def work(batcher, judge, metrics):
        first = await hold(batcher, judge)
        topics = [NO_SIDES, ONE_SIDE, NO_SIDES, ONE_SIDE]
        asked = [
            asyncio.create_task(batcher.judge(posts_of(f"{number}"), topic)) for number, topic in enumerate(topics)
        ]
        await asyncio.sleep(0.01)
        judge.free.set()
        await asyncio.gather(first, *asked)
        assert judge.calls[1:] == [(["0", "2"], ""), (["1", "3"], "t")]

    run(work)


def test_past_capacity_all_of_a_request_or_nothing():
    async def work(batcher, judge, metrics):
        first = await hold(batcher, judge)
        fits = asyncio.create_task(batcher.judge(posts_of(*"abc"), NO_SIDES))
        await asyncio.sleep(0.01)
        with pytest.raises(RefusalError) as refused:
            await batcher.judge(posts_of("d"), NO_SIDES)
        assert refused.value.code == 429
        assert int(refused.value.headers["Retry-After"]) >= 1
        judge.free.set()
        await asyncio.gather(first, fits)
        assert len(await batcher.judge(posts_of("e"), NO_SIDES)) == 1
        assert metrics.waiting == 0

    run(work, most_waiting=4)


def test_a_long_request_gets_in_where_nothing_waits():
    async def work(batcher, judge, metrics):
        (tag,) = await batcher.judge(posts_of("word " * UNIT * 10), NO_SIDES)
        assert tag.words == UNIT * 10

    run(work, most_waiting=4)


def test_who_is_gone_is_not_judged():
    async def work(batcher, judge, metrics):
        first = await hold(batcher, judge)
        gone = asyncio.create_task(batcher.judge(posts_of("gone", "gone too"), NO_SIDES))
        stays = asyncio.create_task(batcher.judge(posts_of("stays"), NO_SIDES))
        await asyncio.sleep(0.01)
        gone.cancel()
        await asyncio.sleep(0.01)
        assert metrics.waiting == 2
        judge.free.set()
        await asyncio.gather(first, stays)
        assert [texts for texts, _ in judge.calls] == [["first"], ["stays"]]

    run(work)


def test_one_bad_text_takes_no_other_with_it():
    async def work(batcher, judge, metrics):
        asked = [batcher.judge(posts_of(text), NO_SIDES) for text in ("good one", "bad", "another good one")]
        first, bad, last = await asyncio.gather(*asked, return_exceptions=True)
        assert (first[0].words, last[0].words) == (2, 3)
        assert isinstance(bad, RefusalError)
        assert bad.code == 500
        assert "bad" not in bad.message

    run(work)


def test_like_lengths_go_together():
    async def work(batcher, judge, metrics):
        first = await hold(batcher, judge)
        texts = [("short " if number % 2 else "long " * UNIT)[: 4 * UNIT] for number in range(UNITS_A_PASS)]
        asked = asyncio.create_task(batcher.judge(posts_of(*texts), NO_SIDES))
        await asyncio.sleep(0.01)
        judge.free.set()
        await asyncio.gather(first, asked)
        sizes = [{len(text) for text in passed} for passed, _ in judge.calls[1:]]
        assert all(len(size) == 1 for size in sizes)
        assert min(map(max, sizes)) == len("short ")

    run(work)


def test_closing_refuses_what_waits():
    async def work():
        judge, metrics = Judge(), Metrics()
        batcher = Batcher(judge, 1, 512, metrics)
        first = await hold(batcher, judge)
        waits = asyncio.create_task(batcher.judge(posts_of("waits"), NO_SIDES))
        await asyncio.sleep(0.01)
        threading.Timer(0.05, judge.free.set).start()
        await batcher.close()
        (tag,) = await first
        assert tag.words == 1
        with pytest.raises(RefusalError, match="stopping"):
            await waits

    begin = time.monotonic()
    asyncio.run(work())
    assert time.monotonic() - begin < 10
