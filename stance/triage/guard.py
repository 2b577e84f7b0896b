"""What every request passes first: the host it names, where it comes from, how large it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST_BODY = 64 * 1024  # bytes

# Pages load their own style and script and nothing else, and send forms to this server alone.
_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def guard(app: ASGIApp, hosts: Collection[str], most_body: int = MOST_BODY) -> ASGIApp:
    """The application behind the checks.

    A request must name one of ``hosts``: else a foreign name that resolves to this machine (DNS rebinding) could read
    the pages through a visitor's browser. One that changes something must come from this site, as far as the browser
    tells. A body over ``most_body`` bytes is refused before it is read. Every answer carries the headers above.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refused = _refuse(scope["method"], headers, hosts, most_body)
        if refused is not None:
            await _answer(send, *refused)
            return
        body = await _read_body(receive, most_body) if scope["method"] not in ("GET", "HEAD") else b""
        if body is None:
            await _answer(send, 413, "The request is too large.")
            return
        await app(scope, _replay(body, receive), _add_headers(send))

    return guarded


def host_name(host: str) -> str:
    """A Host header without its port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _refuse(method: str, headers: dict[str, str], hosts: Collection[str], most_body: int) -> tuple[int, str] | None:
    host = headers.get("host", "")
    if host_name(host) not in {host_name(f"[{one}]" if ":" in one else one) for one in hosts}:
        return 421, "This server does not answer to that name. Name it with --allow-host."
    if method not in ("GET", "HEAD", "POST"):
        return 405, "Not a method of this server."
    if method == "POST":
        origin = headers.get("origin", "")
        foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        if foreign or (origin and origin.partition("://")[2].lower() != host.strip().lower()):
            return 403, "The request comes from another site."
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:12]) > most_body:
        return 413, "The request is too large."
    return None


async def _read_body(receive: Receive, most: int) -> bytes | None:
    """None: more than ``most`` bytes came, whatever the header said."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            return None
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replayed() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _add_headers(send: Send) -> Send:
    async def added(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message.get("headers", ())}
            more = [(name.encode(), value.encode()) for name, value in _HEADERS.items() if name.encode() not in own]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return added


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await _add_headers(send)(start)
    await send({"type": "http.response.body", "body": body})
