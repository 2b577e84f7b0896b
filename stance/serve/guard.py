"""What stands before every route: whose requests come in, what every answer carries, what is counted.

A server on loopback is reached by every page that the user's browser opens. Two checks keep those out: the Host header
must name this machine (a page that lets its own name point to 127.0.0.1 sends its own name), and a script's Origin must
be allowed.
"""

from __future__ import annotations

import hmac
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from stance.serve import Options
from stance.serve.refusal import RefusalError, refuse_key
from stance.triage.guard import host_name

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from stance.serve.metrics import Metrics

OPEN = {"/", "/healthz", "/openapi.json", "/$discovery/rest"}  # without a key: they hold nothing of anybody's
SIGNED = "/coral"  # with a signing secret its signature is the key
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
ALWAYS = {
    "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "content-type, x-goog-api-key, authorization, x-goog-api-client",
    "access-control-max-age": "600",
}


class Guard:
    """The ASGI application with the checks before it."""

    def __init__(self, app: ASGIApp, options: Options, metrics: Metrics, routes: frozenset[str]) -> None:
        self.app = app
        self.options = options
        self.metrics = metrics
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        begin, code = time.perf_counter(), 499  # no answer was sent: the client is gone
        more = {**ALWAYS, **self._shared_with(headers)}

        async def send_guarded(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                added = [(name.encode(), value.encode()) for name, value in more.items() if name.encode() not in given]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        try:
            refusal = self._find_refusal(scope, headers)
            if refusal is not None:
                await send_answer(send_guarded, refusal.code, refusal.body, refusal.headers)
            elif scope["method"] == "OPTIONS" and headers.get("origin") in self.options.origins:
                await send_answer(send_guarded, 204, None, PREFLIGHT)
            else:
                await self.app(scope, receive, send_guarded)
        finally:
            route = scope["path"] if scope["path"] in self.routes else "other"
            self.metrics.count_request(route, code, time.perf_counter() - begin)

    def _shared_with(self, headers: dict[str, str]) -> dict[str, str]:
        """Headers for a page elsewhere that may read the answers."""
        origin = headers.get("origin")
        if origin is None or origin not in self.options.origins:
            return {"vary": "origin"} if self.options.origins else {}
        shared = {"access-control-allow-origin": origin, "vary": "origin"}
        return {**shared, "cross-origin-resource-policy": "cross-origin"}

    def _find_refusal(self, scope: Scope, headers: dict[str, str]) -> RefusalError | None:
        host = headers.get("host", "")
        if host_name(host) not in self.options.hosts:
            return RefusalError(421, "This server does not answer to that name. Allow it with --allow-host.")
        origin = headers.get("origin")
        if origin is not None and origin not in self.options.origins and urlsplit(origin).netloc != host:
            return RefusalError(403, "Pages of that origin may not ask here. Allow it with --allow-origin.")
        path = scope["path"]
        if path in OPEN or scope["method"] == "OPTIONS" or self.options.api_key is None:
            return None
        if path == SIGNED and self.options.coral_secret is not None:
            return None
        return None if shows_key(self.options.api_key, scope["query_string"], headers) else refuse_key()


def shows_key(key: str, query: bytes, headers: dict[str, str]) -> bool:
    """Whether the key is given as Google's clients do (``?key=``, X-Goog-Api-Key) or as a bearer token."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = [*parse_qs(query.decode("latin-1")).get("key", ()), headers.get("x-goog-api-key", "")]
    if scheme.lower() == "bearer":
        given.append(token.strip())
    # Each in a time that does not tell how much of it was right.
    fits = [hmac.compare_digest(one.encode("utf-8", "replace"), key.encode()) for one in given]
    return any(fits)


async def send_answer(send: Send, code: int, body: Any, headers: dict[str, str]) -> None:
    """An answer in JSON, ASCII alone: whatever was echoed, it is valid UTF-8. ``body`` None: none."""
    written = b"" if body is None else json.dumps(body).encode("ascii")
    shown = {"content-type": "application/json", **headers} if body is not None else headers
    if code != 204:
        shown = {**shown, "content-length": str(len(written))}
    raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in shown.items()]
    await send({"type": "http.response.start", "status": code, "headers": raw})
    await send({"type": "http.response.body", "body": written})
