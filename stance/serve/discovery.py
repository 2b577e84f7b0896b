"""The discovery document, from which Google's API clients build themselves."""

from __future__ import annotations

from typing import Any

from stance.serve.schema import PERSPECTIVE, Schema


def discovery_document(root: str, version: str) -> dict[str, Any]:
    """The document of commentanalyzer v1alpha1 at the address ``root`` ("http://127.0.0.1:8000/").

    It names no way to log in: a client of Google's would look for credentials where no key is given.
    """
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "commentanalyzer:v1alpha1",
        "name": "commentanalyzer",
        "canonicalName": "Comment Analyzer",
        "version": "v1alpha1",
        "revision": version,
        "title": "Comment analyzer of threadstance",
        "description": "Scores of toxicity from a local model, in the shape of Perspective API.",
        "documentationLink": root,
        "protocol": "rest",
        "rootUrl": root,
        "baseUrl": root,
        "basePath": "",
        "servicePath": "",
        "batchPath": "batch",
        "parameters": {
            "key": {"type": "string", "location": "query", "description": "API key, where the server asks for one."},
            "alt": {"type": "string", "location": "query", "enum": ["json"], "default": "json"},
            "prettyPrint": {"type": "boolean", "location": "query"},
            "fields": {"type": "string", "location": "query"},
            "quotaUser": {"type": "string", "location": "query"},
        },
        "schemas": {name: {"id": name, **_plain(schema)} for name, schema in PERSPECTIVE.items()},
        "resources": {
            "comments": {
                "methods": {
                    "analyze": _method("analyze", "AnalyzeComment", "Scores a comment."),
                    "suggestscore": _method("suggestscore", "SuggestCommentScore", "Suggests scores of a comment."),
                }
            }
        },
    }


def _method(name: str, message: str, description: str) -> dict[str, Any]:
    path = f"v1alpha1/comments:{name}"
    return {
        "id": f"commentanalyzer.comments.{name}",
        "httpMethod": "POST",
        "path": path,
        "flatPath": path,
        "description": description,
        "parameters": {},
        "parameterOrder": [],
        "request": {"$ref": f"{message}Request"},
        "response": {"$ref": f"{message}Response"},
    }


def _plain(schema: Schema) -> dict[str, Any]:
    """A schema in the dialect of discovery documents: no null, references by name alone."""
    if "$ref" in schema:
        return {"$ref": schema["$ref"].rpartition("/")[2]}
    if "anyOf" in schema:
        return _plain(schema["anyOf"][0])
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    plain: dict[str, Any] = {"type": kind}
    if "enum" in schema:
        plain["enum"] = [choice for choice in schema["enum"] if choice is not None]
    if kind == "number":
        plain["format"] = "double"
    if kind == "integer":
        plain["format"] = "int32"
    if "properties" in schema:
        plain["properties"] = {name: _plain(part) for name, part in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        plain["additionalProperties"] = _plain(schema["additionalProperties"])
    if "items" in schema:
        plain["items"] = _plain(schema["items"])
    return plain
