"""Serve: HTTP in, tags out. A local stand-in for Perspective API, Coral's moderation phase, and our own `/v1/tag`.

``app`` has the routes, ``batch`` judges what came in together, ``guard`` turns away what must not come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MOST_BODY = 2**20  # bytes of a request's body
MOST_TEXT = 20_480  # bytes of one text in UTF-8, as Perspective API has it
MOST_DEPTH = 32  # of JSON
MOST_POSTS = 1000  # of one request to /v1/tag
MOST_SIDES = 16


@dataclass(frozen=True, slots=True)
class Options:
    """What `stance serve` is told."""

    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")  # names in the Host header that are answered
    origins: tuple[str, ...] = ()  # pages elsewhere whose scripts may ask
    api_key: str | None = None  # None: nobody has to show one
    coral_secret: str | None = None  # with which Coral signs; None: signatures are not looked at
    coral_withhold: bool = False  # hold toxic comments back until a moderator has seen them, not only flag them
    suggestions: Path | None = None  # JSON lines; None: suggested scores are refused
    log_content: bool = False  # write texts and scores to stderr
    batch: int = 64  # texts that are judged together at most; 1: one by one
    queue: int = 512  # half kilobytes of text that may wait, each text at least one
    timeout: float = 30.0  # seconds until a request is given up
