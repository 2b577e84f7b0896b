"""The web application of a queue: one moderator a session, one post a page, every decision a plain form.

Forms work without JavaScript; the script only lets keys press their buttons. Database calls run in the event loop:
each takes about a millisecond and the disk's time to sync, and nothing needs a lock of its own.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import sqlite3
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stance.html import page_environment
from stance.records import StanceError
from stance.triage.goals import describe_goal
from stance.triage.guard import LOOPBACK, guard
from stance.triage.metrics import measure_queue
from stance.triage.page import (
    TEMPLATES,
    Policy,
    describe_bands,
    describe_calibration,
    describe_rates,
    describe_reasons,
    page_context,
)
from stance.triage.store import (
    Choice,
    RefusedError,
    check_moderator,
    count_progress,
    decide,
    last_decisions,
    next_item,
    release,
    undo,
)
from stance.triage.transfer import list_decisions, write_csv

MOST_SESSIONS = 1000  # the oldest goes
WRONG_KEY_WAIT = 1.0  # seconds, so that keys cannot be guessed quickly

# The forms of the pages are few and short.
_MOST_FIELDS = 12
_TYPES = {"triage.css": "text/css", "keys.js": "text/javascript"}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the application works with."""

    store: sqlite3.Connection
    policy: Policy
    suggested: str = ""  # name in the sign-in form
    key: str | None = None  # that everybody must give who signs in


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks: the session's cookie, and the moderator where there is one."""

    cookie: str
    moderator: str | None


def make_app(desk: Desk, hosts: tuple[str, ...] = LOOPBACK) -> ASGIApp:
    """The guarded application; ``hosts`` are the names that it answers to."""
    pages = Pages(desk)
    routes = [
        Route("/", pages.show_queue),
        Route("/sign-in", pages.sign_in, methods=["POST"]),
        Route("/sign-out", pages.sign_out, methods=["POST"]),
        Route("/decide", pages.take_decision, methods=["POST"]),
        Route("/undo", pages.take_back, methods=["POST"]),
        Route("/progress", pages.show_progress),
        Route("/decisions.jsonl", pages.export),
        Route("/decisions.csv", pages.export),
        *(Route(f"/{name}", pages.show_file) for name in _TYPES),
    ]
    errors: Any = {HTTPException: pages.show_error, StanceError: pages.show_error}
    return guard(Starlette(routes=routes, exception_handlers=errors), hosts)


class Pages:
    """The pages of a desk and the sessions of its moderators."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.secret = secrets.token_bytes(32)
        self.sessions: OrderedDict[str, str] = OrderedDict()  # cookie -> moderator
        self.environment = page_environment(TEMPLATES)

    async def show_queue(self, request: Request) -> Response:
        """The next post, or the form to sign in."""
        visit = self.find_visit(request)
        return self.ask_name(request, visit) if visit.moderator is None else self.show_next(request, visit)

    async def sign_in(self, request: Request) -> Response:
        visit, form = self.find_visit(request), await self.read_form(request)
        given = str(form.get("key", ""))
        if self.desk.key is not None and not hmac.compare_digest(given.encode(), self.desk.key.encode()):
            await asyncio.sleep(WRONG_KEY_WAIT)
            return self.ask_name(request, visit, "The access key is not right.", 403)
        try:
            moderator = check_moderator(str(form.get("moderator", "")))
        except StanceError as error:
            return self.ask_name(request, visit, str(error), 400)
        cookie = secrets.token_urlsafe(32)  # a new one: whoever set the old one does not come along
        self.sessions[cookie] = moderator
        while len(self.sessions) > MOST_SESSIONS:
            self.sessions.popitem(last=False)
        return self.keep_cookie(request, RedirectResponse("/", 303), cookie)

    async def sign_out(self, request: Request) -> Response:
        visit, _ = self.find_visit(request), await self.read_form(request)
        moderator = self.sessions.pop(visit.cookie, None)
        if moderator is not None:
            release(self.desk.store, moderator)
        return RedirectResponse("/", 303)

    async def take_decision(self, request: Request) -> Response:
        visit, form = self.find_visit(request), await self.read_form(request)
        if visit.moderator is None:
            return self.ask_name(request, visit, "Sign in again: nothing was kept of that decision.", 403)
        names = ("action", "reason", "note", "token")
        action, reason, note, token = (str(form.get(name, "")).replace("\r\n", "\n").strip() for name in names)
        if not action:  # Enter in a field of the form: nothing is decided
            return RedirectResponse("/", 303)
        item = str(form.get("item", ""))
        if not item.isdecimal() or len(item) > 15:
            raise HTTPException(400, "No such post.")
        try:
            decide(self.desk.store, int(item), visit.moderator, Choice(action, reason, note, token))
        except RefusedError as error:
            return self.show_next(request, visit, str(error), 409)
        return RedirectResponse("/", 303)

    async def take_back(self, request: Request) -> Response:
        visit, form = self.find_visit(request), await self.read_form(request)
        if visit.moderator is None:
            return self.ask_name(request, visit, "Sign in again.", 403)
        token = str(form.get("token", ""))
        if not 8 <= len(token) <= 100:
            raise HTTPException(400, "An undo without its token.")
        if undo(self.desk.store, visit.moderator, token) is None:
            return self.show_next(request, visit, "There is nothing to undo.", 409)
        return RedirectResponse("/", 303)

    async def show_progress(self, request: Request) -> Response:
        visit = self.find_visit(request)
        if visit.moderator is None:
            return self.ask_name(request, visit)
        metrics = measure_queue(self.desk.store)
        context = {
            "metrics": metrics,
            "precision": describe_rates(metrics.precision),
            "goals": [describe_goal(goal) for goal in metrics.goals],
            "found": describe_rates({"found": metrics.found})[0],
            "calibration": describe_calibration(self.desk.store),
            "last": last_decisions(self.desk.store, visit.moderator, 20),
        }
        return self.render(request, visit, "progress.html", context)

    async def export(self, request: Request) -> Response:
        visit = self.find_visit(request)
        if visit.moderator is None:
            return self.ask_name(request, visit)
        name, rows = request.url.path.removeprefix("/"), list(list_decisions(self.desk.store))
        written = write_csv(rows) if name.endswith(".csv") else "".join(json.dumps(row) + "\n" for row in rows)
        kind = "text/csv" if name.endswith(".csv") else "application/x-ndjson"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(written.encode("utf-8", "replace"), media_type=kind, headers=headers)

    async def show_file(self, request: Request) -> Response:
        """The style of all pages and the keys: the only things that a page loads."""
        name = request.url.path.removeprefix("/")
        text = (TEMPLATES / name).read_text(encoding="utf-8")
        if name.endswith(".css") and self.environment.loader is not None:
            text = self.environment.loader.get_source(self.environment, "style.css")[0] + text
        return Response(text, media_type=_TYPES[name], headers={"cache-control": "no-cache"})

    async def show_error(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 400
        text = error.detail if isinstance(error, HTTPException) else str(error)
        return self.render(request, self.find_visit(request), "error.html", {"text": text}, status)

    def show_next(self, request: Request, visit: Visit, notice: str = "", status: int = 200) -> Response:
        """The post that the moderator is to decide now, or that there is none."""
        store, moderator = self.desk.store, visit.moderator or ""
        shown = next_item(store, moderator)
        own, left, items = count_progress(store, moderator)
        context = {
            "notice": notice,
            "shown": shown,
            "why": None if shown is None else describe_reasons(shown, describe_bands(store)),
            "progress": {"own": own, "left": left, "items": items},
            "last": last_decisions(store, moderator, 1),
            "token": secrets.token_urlsafe(16),
            "calibration": describe_calibration(store),
            **page_context(self.desk.policy),
        }
        return self.render(request, visit, "queue.html", context, status)

    def ask_name(self, request: Request, visit: Visit, notice: str = "", status: int = 200) -> Response:
        context = {"notice": notice, "suggested": self.desk.suggested, "locked": self.desk.key is not None}
        response = self.render(request, visit, "sign.html", context, status)
        return self.keep_cookie(request, response, visit.cookie)

    def render(self, request: Request, visit: Visit, name: str, context: dict[str, Any], status: int = 200) -> Response:
        common = {"moderator": visit.moderator, "csrf": self.make_csrf(visit.cookie), "path": request.url.path}
        page = self.environment.get_template(name).render(common | context)
        return Response(page.encode("utf-8", "replace"), status, media_type="text/html; charset=utf-8")

    def find_visit(self, request: Request) -> Visit:
        """The session of the request's cookie; a new cookie, without a moderator, where it has none."""
        cookie = request.cookies.get(self.name_cookie(request), "")
        if not 20 <= len(cookie) <= 100:
            cookie = secrets.token_urlsafe(32)
        return Visit(cookie, self.sessions.get(cookie))

    async def read_form(self, request: Request) -> FormData:
        """The form of a page of this session; 403 where its token is another's."""
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            raise HTTPException(415, "Not a form of these pages.")
        form = await request.form(max_fields=_MOST_FIELDS)
        given, right = str(form.get("csrf", "")), self.make_csrf(self.find_visit(request).cookie)
        if not hmac.compare_digest(given.encode("utf-8", "replace"), right.encode()):
            raise HTTPException(403, "This form is out of date: go back to the queue and try again.")
        return form

    def make_csrf(self, cookie: str) -> str:
        """The token of a session's forms, which no other site can read or guess."""
        return hmac.digest(self.secret, cookie.encode("utf-8", "replace"), "sha256").hex()

    def keep_cookie(self, request: Request, response: Response, cookie: str) -> Response:
        name = self.name_cookie(request)
        response.set_cookie(name, cookie, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return response

    def name_cookie(self, request: Request) -> str:
        """Cookies do not tell ports apart: two queues on one machine must not share a name."""
        return f"stance_triage_{request.url.port or 80}"
