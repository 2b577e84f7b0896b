"""The routes. Each takes a request's JSON and gives JSON back; a refusal is answered in Google's error shape."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from stance import __version__
from stance.html import render_page
from stance.language import detect_language
from stance.records import Post, StanceError, Tag, Topic
from stance.serve import MOST_BODY, MOST_DEPTH, Options
from stance.serve.batch import UNIT, UNITS_A_PASS, Batcher
from stance.serve.coral import SIGNATURE, check_signature, read_coral, write_coral
from stance.serve.discovery import discovery_document
from stance.serve.guard import Guard
from stance.serve.metrics import CONTENT_TYPE, Metrics
from stance.serve.openapi import openapi_document
from stance.serve.perspective import NO_SIDES, read_analysis, read_suggestion, write_analysis
from stance.serve.posts import read_asked, write_rows
from stance.serve.refusal import RefusalError, refuse_for_now
from stance.serve.schema import ATTRIBUTES, DERIVED
from stance.serve.suggestions import keep_suggestion
from stance.tag import tag_posts

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from stance.tagger import Tagger

    Load = Callable[[], Tagger]
    Handler = Callable[["Service", Request], Awaitable[Response]]

LOG = logging.getLogger("stance.serve")
TEMPLATES = Path(__file__).parent / "templates"
MOST_READING = 8  # requests to /v1/tag whose posts are being linked or wait for it
WARM_UP = "A few words, judged once before the first request comes."


class Service:
    """What the routes share: the tagger once it is loaded, the queue before it, what is counted."""

    def __init__(self, load: Load, topic: Topic, options: Options) -> None:
        self.load = load
        self.topic = topic  # of requests to /v1/tag that name none
        self.options = options
        self.metrics = Metrics()
        self.tagger: Tagger | None = None
        self.failure: Exception | None = None  # why the tagger could not be loaded
        self.failed: Callable[[], None] = lambda: None  # what to do then
        self.reading = 0
        self.storing = asyncio.Lock()
        self._batcher: Batcher | None = None

    @asynccontextmanager
    async def run(self, _: object = None) -> AsyncIterator[None]:
        """While the server runs: the tagger is loaded beside it, so that `/healthz` can say so."""
        loading = asyncio.create_task(self._load())
        try:
            yield
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
            if self._batcher is not None:
                await self._batcher.close()

    async def _load(self) -> None:
        try:
            tagger = await asyncio.to_thread(self.load)
            await asyncio.to_thread(warm_up, tagger)
        except Exception as error:
            self.failure = error
            self.failed()
            return

        def judge(posts: Sequence[Post], topic: Topic) -> list[Tag]:
            return tag_posts(posts, topic, tagger)

        self._batcher = Batcher(judge, self.options.batch, self.options.queue, self.metrics)
        self.tagger = tagger

    def ready(self) -> Tagger:
        """The tagger; Refusal 503 while it is being loaded."""
        if self.tagger is None:
            raise refuse_for_now(503, "The tagger is not loaded yet.", 1)
        return self.tagger

    async def judge(self, request: Request, posts: Sequence[Post], topic: Topic) -> list[Tag]:
        """The tags of the posts, in order, some at a time; none once the client is gone."""
        self.ready()
        if self._batcher is None:  # the two come together
            raise refuse_for_now(503, "The tagger is not loaded yet.", 1)
        gone = asyncio.ensure_future(wait_until_gone(request))
        tags: list[Tag] = []
        try:
            for part in cut_posts(posts):
                judged = asyncio.ensure_future(self._batcher.judge(part, topic))
                try:
                    await asyncio.wait({judged, gone}, return_when=asyncio.FIRST_COMPLETED)
                    if not judged.done():
                        raise ClientDisconnect
                    tags += await judged
                finally:
                    judged.cancel()
        finally:
            gone.cancel()
        return tags


def warm_up(tagger: Tagger) -> None:
    """The first call of a model takes longer than the later ones."""
    tag_posts([Post("0", WARM_UP, language=detect_language(WARM_UP))], NO_SIDES, tagger)


def cut_posts(posts: Sequence[Post]) -> list[list[Post]]:
    """Parts of a request that enter the queue one after the other: a long thread must not keep the others out."""
    parts: list[list[Post]] = []
    size = 0
    for post in posts:
        units = 1 + len(post.body) // UNIT
        if not parts or size + units > UNITS_A_PASS:
            parts.append([])
            size = 0
        parts[-1].append(post)
        size += units
    return parts


async def wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def analyze(service: Service, request: Request) -> Response:
    asked = read_analysis(await read_json(request), service.ready())
    tags = await service.judge(request, asked.posts, NO_SIDES) if asked.attributes else []
    answer = write_analysis(asked, tags)
    service_log(service, "analyze", asked.text, answer)
    derived = {"X-Stance-Derived": DERIVED} if any(name.startswith(DERIVED) for name in asked.attributes) else {}
    return answer_json(answer, headers=derived)


async def suggest(service: Service, request: Request) -> Response:
    asked = await read_json(request)
    suggestion = read_suggestion(asked)
    path = service.options.suggestions
    if path is None:
        raise RefusalError(501, "Suggestions are not stored: the server was started without --suggestions.")
    if not asked.get("doNotStore"):
        async with service.storing:
            await asyncio.to_thread(keep_suggestion, path, suggestion)
    token = suggestion.get("clientToken")
    return answer_json({"clientToken": token} if token else {})


async def tag(service: Service, request: Request) -> Response:
    tagger = service.ready()
    sent = await read_json(request)
    if service.reading >= MOST_READING:
        raise refuse_for_now(429, "Too many threads are waiting. Ask again later.", 1)
    service.reading += 1
    try:
        asked = await asyncio.to_thread(read_asked, sent, service.topic)
    finally:
        service.reading -= 1
    article = [] if asked.article is None else [asked.article]
    tags = await service.judge(request, [*asked.posts, *article], asked.topic)
    last = tags.pop() if article else None
    answer = write_rows(asked, tags, last, tagger)
    service_log(service, "tag", sent, answer)
    return answer_json(answer)


async def coral(service: Service, request: Request) -> Response:
    body = await read_body(request)
    if service.options.coral_secret is not None:
        check_signature(service.options.coral_secret, body, request.headers.get(SIGNATURE))
    post, tagger = read_coral(parse_json(body)), service.ready()
    if post is None:
        return Response(status_code=204)
    (tagged,) = await service.judge(request, [post], NO_SIDES)
    answer = write_coral(tagged, tagger.thresholds, service.options.coral_withhold)
    service_log(service, "coral", post.body, answer)
    return Response(status_code=204) if answer is None else answer_json(answer)


async def discovery(_: Service, request: Request) -> Response:
    version = request.query_params.get("version", "v1alpha1")
    if version != "v1alpha1":
        raise RefusalError(404, "There is no such version: ask for v1alpha1.")
    return answer_json(discovery_document(f"{request.url.scheme}://{request.headers['host']}/", __version__))


async def openapi(service: Service, _: Request) -> Response:
    return answer_json(openapi_document(__version__, service.options.api_key is not None))


async def healthz(service: Service, _: Request) -> Response:
    if service.tagger is None:
        return answer_json({"status": "loading"}, 503, {"Retry-After": "1"})
    return answer_json({"status": "ready", "tagger": service.tagger.name})


async def show_metrics(service: Service, _: Request) -> Response:
    return Response(service.metrics.show(), media_type=CONTENT_TYPE)


async def page(service: Service, request: Request) -> Response:
    """How to point other programs here, with the address under which the page was asked for."""
    context = {
        "address": f"{request.url.scheme}://{request.headers['host']}",
        "attributes": ATTRIBUTES,
        "keyed": service.options.api_key is not None,
        "signed": service.options.coral_secret is not None,
        "storing": service.options.suggestions is not None,
        "tagger": service.tagger,
        "topic": service.topic,
        "version": __version__,
    }
    return Response(
        render_page(TEMPLATES, "serve.html", context, style="serve.css"), media_type="text/html; charset=utf-8"
    )


ROUTES: dict[str, tuple[str, Handler]] = {
    "/v1alpha1/comments:analyze": ("POST", analyze),
    "/v1alpha1/comments:suggestscore": ("POST", suggest),
    "/v1/tag": ("POST", tag),
    "/coral": ("POST", coral),
    "/$discovery/rest": ("GET", discovery),
    "/openapi.json": ("GET", openapi),
    "/healthz": ("GET", healthz),
    "/metrics": ("GET", show_metrics),
    "/": ("GET", page),
}


def create_app(load: Load, topic: Topic, options: Options) -> tuple[ASGIApp, Service]:
    """The application, and what its routes share. ``load`` is called in a thread once the server runs."""
    service = Service(load, topic, options)
    routes = [Route(path, _endpoint(service, handler), methods=[method]) for path, (method, handler) in ROUTES.items()]
    inner = Starlette(routes=routes, lifespan=service.run, exception_handlers={HTTPException: _not_found})
    return Guard(inner, options, service.metrics, frozenset(ROUTES)), service


def _endpoint(service: Service, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """The handler with a time limit, whose refusals and failures are answers too."""

    async def answer(request: Request) -> Response:
        try:
            async with asyncio.timeout(service.options.timeout):
                return await handler(service, request)
        except RefusalError as refusal:
            return _refuse(refusal)
        except TimeoutError:
            return _refuse(RefusalError(504, "It took too long."))
        except ClientDisconnect:
            return _refuse(RefusalError(499, "The client is gone."))  # reaches nobody, but is counted
        except Exception:
            LOG.exception("a request failed")
            return _refuse(RefusalError(500, "The server failed at this request."))

    return answer


async def _not_found(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == 405:
        return _refuse(RefusalError(405, "That method is not allowed here.", headers=dict(error.headers or {})))
    return _refuse(RefusalError(404, "There is nothing here. / says what there is."))


def _refuse(refusal: RefusalError) -> Response:
    return answer_json(refusal.body, refusal.code, refusal.headers)


def answer_json(body: Any, code: int = 200, headers: dict[str, str] | None = None) -> Response:
    """In ASCII: whatever was echoed, half an emoji for one, it is valid UTF-8."""
    written = json.dumps(body, allow_nan=False).encode("ascii")
    return Response(written, code, headers, media_type="application/json")


async def read_body(request: Request) -> bytes:
    """The body; Refusal 413 as soon as it is known to be too long."""
    length = request.headers.get("content-length", "")
    parts, size = [], int(length) if length.isdecimal() else 0
    if size <= MOST_BODY:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > MOST_BODY:
                break
            parts.append(part)
    if size > MOST_BODY:
        raise RefusalError(413, f"The body is longer than {MOST_BODY} bytes.", headers={"Connection": "close"})
    return b"".join(parts)


async def read_json(request: Request) -> Any:
    return parse_json(await read_body(request))


def parse_json(body: bytes) -> Any:
    """The value; an empty body is an empty object, as Google's servers have it. Refusal 400."""

    def refuse_number(text: str) -> None:
        raise ValueError(text)

    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=refuse_number)
    except (ValueError, RecursionError) as error:
        raise RefusalError(400, "Invalid JSON payload received.") from error
    if is_deep(value):
        raise RefusalError(400, f"The JSON is nested more than {MOST_DEPTH} deep.")
    return value


def is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [
            part
            for whole in level
            if isinstance(whole, dict | list)
            for part in (whole.values() if isinstance(whole, dict) else whole)
        ]
    return any(isinstance(part, dict | list) for part in level)


def service_log(service: Service, route: str, text: Any, answer: Any) -> None:
    """A line of JSON with what was asked and answered, on stderr, where --log-content asks for it."""
    if service.options.log_content:
        sys.stderr.write(json.dumps({"route": route, "asked": text, "answered": answer}) + "\n")


def raise_failure(service: Service) -> None:
    """After the server has stopped: why, where the tagger was the reason."""
    if isinstance(service.failure, StanceError):
        raise service.failure
    if service.failure is not None:
        raise StanceError(f"the tagger cannot be loaded: {service.failure}") from service.failure
