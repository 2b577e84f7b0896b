"""Coral's external moderation phase: a comment in, what Coral is to do with it out."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from stance.language import detect_language
from stance.records import Post, Tag
from stance.serve import MOST_TEXT
from stance.serve.perspective import TAGS
from stance.serve.refusal import RefusalError
from stance.serve.schema import check_value
from stance.tagger import Thresholds

SIGNATURE = "x-coral-signature"


def check_signature(secret: str, body: bytes, header: str | None) -> None:
    """Refusal 401 unless one of the header's signatures ("sha256=HEX,sha256=HEX") is that of the body as sent."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
    given = [part.strip().partition("=") for part in (header or "").split(",")]
    fits = [hmac.compare_digest(value.encode(), expected) for kind, _, value in given if kind == "sha256"]
    if not any(fits):
        raise RefusalError(401, "The signature in X-Coral-Signature is missing or not right.")


def read_coral(request: Any) -> Post | None:
    """The comment's words without markup; None: there are none, or too many to judge."""
    check_value(request, "CoralRequest")
    text = TAGS.sub(" ", request["comment"]["body"]).strip()
    if not text or len(text.encode("utf-8", "surrogatepass")) > MOST_TEXT:
        return None
    return Post("0", text, language=detect_language(text))


def write_coral(tag: Tag, thresholds: Thresholds, withhold: bool) -> dict[str, Any] | None:
    """The answer; None: nothing to do. Judged toxic: a flag, and where wanted the comment waits for a moderator.

    A comment that reports or condemns hostile words is flagged and never withheld.
    """
    if not any(value >= cut for value, cut in zip(tag.toxicity, thresholds.toxicity, strict=True)):
        return None
    answer: dict[str, Any] = {"actions": [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}]}
    mentioned = tag.mention is not None and tag.mention >= thresholds.mention
    if withhold and not mentioned:
        answer["status"] = "SYSTEM_WITHHELD"
    return answer
