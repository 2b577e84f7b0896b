"""`/openapi.json`: the routes as OpenAPI 3.1, from the schemas that requests are checked with."""

from __future__ import annotations

from typing import Any

from stance.serve.schema import SCHEMAS, Schema, ref

REFUSED = {
    "400": "The request is not understood, or not answered for what it holds.",
    "401": "The API key is missing or wrong.",
    "403": "The page that asks may not.",
    "413": "The body is too long.",
    "421": "The server does not go by that name.",
    "429": "Too many texts are waiting; Retry-After says how many seconds.",
    "501": "The loaded tagger does not judge this.",
    "503": "Not ready, or stopping.",
    "504": "It took too long.",
}


def openapi_document(version: str, keyed: bool) -> dict[str, Any]:
    """``keyed``: whether the server asks for an API key."""
    key = {"type": "apiKey", "in": "query", "name": "key"}
    header = {"type": "apiKey", "in": "header", "name": "X-Goog-Api-Key"}
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "stance serve",
            "version": version,
            "description": "Toxicity, stance and sentiment of comments, judged on this machine.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        **({"security": [{"key": []}, {"header": []}, {"bearer": []}]} if keyed else {}),
        "paths": {
            "/v1alpha1/comments:analyze": _post(
                "analyze",
                "Scores a comment, as Perspective API does.",
                "AnalyzeCommentRequest",
                "AnalyzeCommentResponse",
            ),
            "/v1alpha1/comments:suggestscore": _post(
                "suggestscore",
                "Keeps a suggested score in the server's own file.",
                "SuggestCommentScoreRequest",
                "SuggestCommentScoreResponse",
            ),
            "/v1/tag": _post("tag", "Tags the posts of a thread, or loose posts.", "TagRequest", "TagResponse"),
            "/coral": _post(
                "coral",
                "An external moderation phase of Coral. 204: nothing to do.",
                "CoralRequest",
                "CoralResponse",
                {"204": {"description": "Nothing to do."}},
            ),
            "/healthz": {
                "get": {
                    "operationId": "health",
                    "summary": "200 once the tagger is loaded.",
                    "security": [],
                    "responses": {
                        "200": _answer("Ready.", ref("Health")),
                        "503": _answer("Loading.", ref("Health")),
                        **_refused("403", "421"),
                    },
                }
            },
            "/metrics": {
                "get": {
                    "operationId": "metrics",
                    "summary": "Counts for Prometheus.",
                    "responses": {
                        "200": {"description": "Counts.", "content": {"text/plain": {"schema": {"type": "string"}}}},
                        **_refused("401", "403", "421"),
                    },
                }
            },
        },
        "components": {"schemas": SCHEMAS, "securitySchemes": {"key": key, "header": header, "bearer": bearer}},
    }


def _post(name: str, summary: str, request: str, response: str, more: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {"required": True, "content": {"application/json": {"schema": ref(request)}}},
            "responses": {
                "200": _answer("Answered.", ref(response)),
                **(more or {}),
                **_refused(*REFUSED),
            },
        }
    }


def _refused(*codes: str) -> dict[str, Any]:
    return {code: _answer(REFUSED[code], ref("Error")) for code in codes}


def _answer(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}
