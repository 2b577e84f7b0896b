"""What requests and answers look like, as JSON Schema: what is checked, what `/openapi.json` and the discovery say.

One description for all three, so that they cannot come apart.
"""

from __future__ import annotations

import re
from typing import Any

from stance.records import SENTIMENTS, STANCES, TOXICITY
from stance.serve import MOST_POSTS, MOST_SIDES, MOST_TEXT
from stance.serve.refusal import RefusalError

Schema = dict[str, Any]

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
MOST_NAME = 200  # characters of names, ids and tokens
FILLED = r"\S"

# Ours by Perspective's name. It has no head of its own: see stance.serve.perspective.
DERIVED = "SEVERE_TOXICITY"
OWN_NAMES = {
    "TOXICITY": "toxicity",
    "INSULT": "insult",
    "THREAT": "threat",
    "PROFANITY": "obscene",
    "IDENTITY_ATTACK": "identity_attack",
}
ATTRIBUTES = (*OWN_NAMES, DERIVED)
EXPERIMENTAL = "_EXPERIMENTAL"  # behind a name it asks for the same


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def fields(properties: Schema, required: tuple[str, ...] = (), closed: bool = True, **more: Any) -> Schema:
    """An object; fields that are not required may be null, which is the same as not there."""
    shown = {name: part if name in required else nullable(part) for name, part in properties.items()}
    return {
        "type": "object",
        "properties": shown,
        **({"required": list(required)} if required else {}),
        **({"additionalProperties": False} if closed else {}),
        **more,
    }


def nullable(schema: Schema) -> Schema:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return {**schema, "type": [*dict.fromkeys([*kinds, "null"])], **more}


def listed(items: Schema, most: int = MOST_POSTS) -> Schema:
    return {"type": "array", "items": items, "maxItems": most}


TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "maxLength": MOST_NAME}
FULL_NAME: Schema = {**NAME, "pattern": FILLED}
NUMBER: Schema = {"type": "number"}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
PLACE: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
FLAG: Schema = {"type": "boolean"}
COMMENT_TEXT: Schema = {"type": "string", "maxLength": MOST_TEXT, "pattern": FILLED}
TEXT_TYPE: Schema = {"type": "string", "enum": ["TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML"]}
SCORE_TYPE: Schema = {"type": "string", "enum": ["SCORE_TYPE_UNSPECIFIED", "PROBABILITY"]}
POST_ID: Schema = {"type": ["string", "number", "null"], "maxLength": MOST_NAME}

_ENTRY = fields({"text": TEXT, "type": TEXT_TYPE})
_COMMENT = fields({"text": COMMENT_TEXT, "type": TEXT_TYPE}, ("text",))
_PARAMETERS = fields({"scoreType": SCORE_TYPE, "scoreThreshold": SHARE})
_COMMON = {
    "comment": ref("Comment"),
    "context": ref("Context"),
    "languages": listed(NAME, 16),
    "clientToken": TEXT,
    "communityId": TEXT,
    "sessionId": TEXT,
    "doNotStore": FLAG,
}

PERSPECTIVE: dict[str, Schema] = {
    "TextEntry": _ENTRY,
    "Comment": _COMMENT,
    "ArticleAndParentComment": fields({"article": ref("TextEntry"), "parentComment": ref("TextEntry")}),
    "Context": fields({"entries": listed(ref("TextEntry")), "articleAndParentComment": ref("ArticleAndParentComment")}),
    "AttributeParameters": _PARAMETERS,
    "AnalyzeCommentRequest": fields(
        {
            **_COMMON,
            "requestedAttributes": {
                "type": "object",
                "properties": {
                    name + ending: ref("AttributeParameters") for ending in ("", EXPERIMENTAL) for name in ATTRIBUTES
                },
                "additionalProperties": False,
                "minProperties": 1,
            },
            "spanAnnotations": FLAG,
            "dropUnsupportedAttributes": FLAG,
        },
        ("comment", "requestedAttributes"),
    ),
    "Score": fields({"value": NUMBER, "type": SCORE_TYPE}),
    "SpanScore": fields({"begin": PLACE, "end": PLACE, "score": ref("Score")}),
    "AttributeScores": fields({"summaryScore": ref("Score"), "spanScores": listed(ref("SpanScore"))}),
    "AnalyzeCommentResponse": fields(
        {
            "attributeScores": {"type": "object", "additionalProperties": ref("AttributeScores")},
            "languages": listed(TEXT),
            "detectedLanguages": listed(TEXT),
            "clientToken": TEXT,
        }
    ),
    "SuggestCommentScoreRequest": fields(
        {
            **_COMMON,
            # Any name: Coral sends its own ("APPROVED", "DELETED").
            "attributeScores": {
                "type": "object",
                "additionalProperties": ref("AttributeScores"),
                "minProperties": 1,
                "maxProperties": 64,
            },
        },
        ("comment", "attributeScores"),
    ),
    "SuggestCommentScoreResponse": fields({"clientToken": TEXT}),
}

_SIDE = fields(
    {"name": FULL_NAME, "label": FULL_NAME, "target": FULL_NAME, "aliases": listed(FULL_NAME, 64)}, ("name",)
)
_TAGGED = {
    "stance": {"type": ["object", "null"], "additionalProperties": ref("Stance")},
    "toxicity": fields(dict.fromkeys(TOXICITY, SHARE)),
    "sentiment": fields({"label": TEXT, **dict.fromkeys(SENTIMENTS, SHARE)}),
    "mention": SHARE,
    "evidence": listed(fields({"start": PLACE, "end": PLACE}), 2**20),
}

OWN: dict[str, Schema] = {
    "Side": _SIDE,
    "LoosePost": fields({"id": POST_ID, "text": {"type": "string", "maxLength": MOST_TEXT}}, ("text",)),
    "ThreadPost": fields(
        {
            "id": NAME,
            "body": {"type": "string", "maxLength": MOST_TEXT},
            "author": NAME,
            "number": NAME,
            "reply_to": NAME,
        },
        ("body",),
    ),
    "Thread": fields(
        {
            "id": NAME,
            "title": {"type": "string", "maxLength": 2000},
            "article": {"type": "string", "maxLength": 10 * MOST_TEXT},
            "posts": {**listed(ref("ThreadPost")), "minItems": 1},
        },
        ("posts",),
    ),
    "TagRequest": fields(
        {
            "topic": NAME,
            "sides": {**listed(ref("Side"), MOST_SIDES), "minItems": 1},
            "posts": {**listed(ref("LoosePost")), "minItems": 1},
            "thread": ref("Thread"),
        }
    ),
    "Stance": fields({"label": TEXT, **dict.fromkeys(STANCES, SHARE)}),
    "TagRow": {"type": "object", "properties": {"id": POST_ID, **_TAGGED}, "required": ["id", *_TAGGED]},
    "TagResponse": fields(
        {
            "posts": listed(ref("TagRow")),
            "article": ref("TagRow"),
            "run": {"type": "object"},
            "sides": listed(ref("Side"), MOST_SIDES),
        }
    ),
    "CoralRequest": fields(
        {
            "action": TEXT,
            "comment": fields({"body": TEXT, "parentID": TEXT}, ("body",), closed=False),
            "author": {"type": "object"},
            "story": {"type": "object"},
            "site": {"type": "object"},
            "tenantID": TEXT,
            "tenantDomain": TEXT,
        },
        ("comment",),
        closed=False,
    ),
    "CoralResponse": fields(
        {
            "actions": listed(
                fields(
                    {
                        "actionType": {"type": "string", "enum": ["FLAG"]},
                        "reason": {"type": "string", "enum": ["COMMENT_DETECTED_TOXIC"]},
                    }
                )
            ),
            "status": {"type": "string", "enum": ["SYSTEM_WITHHELD"]},
            "tags": listed(TEXT),
        }
    ),
    "Health": fields({"status": {"type": "string", "enum": ["ready", "loading"]}, "tagger": TEXT}),
    "Error": fields(
        {
            "error": fields(
                {
                    "code": {"type": "integer"},
                    "message": TEXT,
                    "status": TEXT,
                    "details": listed({"type": "object"}),
                },
                ("code", "message", "status"),
            )
        },
        ("error",),
    ),
}

SCHEMAS = PERSPECTIVE | OWN

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def check_value(value: Any, name: str) -> None:
    """Refusal 400 where a value is not as the schema of that name; the message says where and what, not the value."""
    problem = find_problem(value, ref(name), "")
    if problem is not None:
        where, what = problem
        message = f"Invalid value at '{where}': {what}." if where else f"Invalid request: {what}."
        violation = {"field": where, "description": what}
        raise RefusalError(400, message, [{"@type": BAD_REQUEST, "fieldViolations": [violation]}])


def find_problem(value: Any, schema: Schema, where: str) -> tuple[str, str] | None:
    """Where a value breaks the schema, and how; None: nowhere. Knows the words of JSON Schema that are used here."""
    if "$ref" in schema:
        return find_problem(value, SCHEMAS[schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        found = [find_problem(value, part, where) for part in schema["anyOf"]]
        return None if None in found else found[0]
    wanted = schema.get("type", list(_TYPES))
    wanted = wanted if isinstance(wanted, list) else [wanted]
    if not any(_is_of(value, kind) for kind in wanted):
        return where, f"must be {' or '.join(wanted)}"
    if "enum" in schema and value not in schema["enum"]:
        return where, f"must be one of {', '.join(str(choice) for choice in schema['enum'] if choice is not None)}"
    if isinstance(value, dict):
        return _object_problem(value, schema, where)
    if isinstance(value, list):
        return _list_problem(value, schema, where)
    return _plain_problem(value, schema, where)


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _object_problem(value: dict[str, Any], schema: Schema, where: str) -> tuple[str, str] | None:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            return where, f"lacks '{name}'"
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value)):
        return where, "has too few or too many names"
    for name, part in value.items():
        inner = known.get(name, others)
        if inner is False:
            return where, f"has an unknown name, {name[:60]!r}"
        problem = None if inner is True else find_problem(part, inner, f"{where}.{name[:MOST_NAME]}".lstrip("."))
        if problem is not None:
            return problem
    return None


def _list_problem(value: list[Any], schema: Schema, where: str) -> tuple[str, str] | None:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        return where, f"must hold {schema.get('minItems', 0)} to {schema.get('maxItems')} items"
    found = (find_problem(part, schema["items"], f"{where}[{number}]") for number, part in enumerate(value))
    return next((problem for problem in found if problem is not None), None)


def _plain_problem(value: Any, schema: Schema, where: str) -> tuple[str, str] | None:
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)):
            return where, f"is longer than {schema['maxLength']} characters"
        return (where, "is blank") if not re.search(schema.get("pattern", ""), value) else None
    if isinstance(value, bool | None) or schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return None
    return where, f"must be from {schema['minimum']} to {schema['maximum']}"
