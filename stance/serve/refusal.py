"""Requests that are not answered, in the shape of Google's APIs: ``{"error": {code, message, status, details}}``."""

from __future__ import annotations

from typing import Any

COMMENT_ANALYZER = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    413: "INVALID_ARGUMENT",
    421: "PERMISSION_DENIED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RefusalError(Exception):
    """Why a request is not answered. ``message`` never holds the text that was sent."""

    def __init__(
        self,
        code: int,
        message: str,
        details: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details or []
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": STATUSES[self.code]}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def refuse_comment(kind: str, message: str, **more: Any) -> RefusalError:
    """A refusal as Perspective API words it: ``kind`` is its errorType."""
    return RefusalError(400, message, [{"@type": COMMENT_ANALYZER, "errorType": kind, **more}])


def refuse_key() -> RefusalError:
    detail = {"@type": ERROR_INFO, "reason": "API_KEY_INVALID", "domain": "threadstance"}
    message = "API key not valid. Pass it as ?key=, X-Goog-Api-Key or Authorization: Bearer."
    return RefusalError(401, message, [detail], {"WWW-Authenticate": 'Bearer realm="stance"'})


def refuse_for_now(code: int, message: str, seconds: int) -> RefusalError:
    return RefusalError(code, message, headers={"Retry-After": str(seconds)})
