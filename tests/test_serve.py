"""`stance serve` without a network: what each route answers, and whom it turns away."""

import hashlib
import hmac
import json
import time
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from stance.records import TOXICITY, Judgement, StanceError, Tag, Topic
from stance.serve import MOST_BODY, MOST_TEXT, Options
from stance.serve.app import create_app, raise_failure
from stance.serve.coral import write_coral
from stance.serve.perspective import find_sentences, severe_toxicity, utf16_places
from stance.serve.suggestions import keep_suggestion, read_suggestions
from stance.tag import tag_texts
from stance.tagger import Thresholds

ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"
NO_SIDES = Topic("", ())
TEXT = "we hate the war and love the people of this land"


@contextmanager
def serving(tagger, **options):
    """A client of an application with this tagger, once it is loaded."""
    app, _ = create_app(lambda: tagger, NO_SIDES, Options(**options))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        until = time.monotonic() + 30
        while client.get("/healthz").status_code != 200 and time.monotonic() < until:
            time.sleep(0.02)
        yield client


@pytest.fixture(scope="module")
def client(tiny_tagger):
    with serving(tiny_tagger) as client:
        yield client


def asked(text=TEXT, attributes=("TOXICITY",), **more):
    return {"comment": {"text": text}, "requestedAttributes": {name: {} for name in attributes}, **more}


def error_of(answer):
    error = answer.json()["error"]
    assert answer.status_code == error["code"]
    kinds = [detail.get("errorType") for detail in error.get("details", [])]
    return error["code"], error["status"], kinds[0] if kinds else None


def test_a_score_is_the_taggers(client, tiny_tagger):
    names = ("TOXICITY", "INSULT", "THREAT", "PROFANITY", "IDENTITY_ATTACK", "SEVERE_TOXICITY")
    more = {"clientToken": "mine", "sessionId": "s", "communityId": "c", "languages": ["en-GB"], "doNotStore": True}
    answer = client.post(ANALYZE, json=asked(attributes=names, **more))
    assert answer.status_code == 200
    (tag,) = tag_texts([TEXT], NO_SIDES, tiny_tagger)
    found = answer.json()
    values = {name: scores["summaryScore"]["value"] for name, scores in found["attributeScores"].items()}
    own = dict(zip(TOXICITY, tag.toxicity, strict=True))
    wanted = {**own, "profanity": own["obscene"], "severe_toxicity": severe_toxicity(own)}
    assert values == {name: pytest.approx(wanted[name.lower()], abs=1e-5) for name in names}
    assert found["clientToken"] == "mine"
    assert found["languages"] == ["en-GB"]
    assert found["detectedLanguages"] == ["en"]
    assert found["attributeScores"]["INSULT"]["spanScores"] == [
        {"begin": 0, "end": len(TEXT), "score": found["attributeScores"]["INSULT"]["summaryScore"]}
    ]
    assert answer.headers["x-stance-derived"] == "SEVERE_TOXICITY"


def test_experimental_names_ask_for_the_same(client):
    found = client.post(ANALYZE, json=asked(attributes=("THREAT", "THREAT_EXPERIMENTAL"))).json()["attributeScores"]
    assert found["THREAT"] == found["THREAT_EXPERIMENTAL"]


def test_scores_under_their_threshold_are_left_out(client):
    request = asked() | {"requestedAttributes": {"TOXICITY": {"scoreThreshold": 1.0, "scoreType": "PROBABILITY"}}}
    assert client.post(ANALYZE, json=request).json() == {"languages": ["en"], "detectedLanguages": ["en"]}


def test_each_sentence_is_scored_on_its_own(client, tiny_tagger):
    text = "Love the people. 😀 Hate the war!\nStop."
    found = client.post(ANALYZE, json=asked(text, spanAnnotations=True)).json()["attributeScores"]["TOXICITY"]
    # In UTF-16 the emoji is two.
    units = text.encode("utf-16-le")
    spans = [(span["begin"], span["end"], span["score"]["value"]) for span in found["spanScores"]]
    parts = [units[2 * begin : 2 * end].decode("utf-16-le") for begin, end, _ in spans]
    assert parts == ["Love the people.", "😀 Hate the war!", "Stop."]
    tags = tag_texts(parts, NO_SIDES, tiny_tagger)
    assert [value for *_, value in spans] == [pytest.approx(tag.toxicity[0], abs=1e-5) for tag in tags]


def test_markup_is_not_read(client):
    marked = "<p class='hate'>we hate the war</p>"
    plain = client.post(ANALYZE, json=asked("we hate the war")).json()["attributeScores"]
    request = asked(marked) | {"comment": {"text": marked, "type": "HTML"}}
    found = client.post(ANALYZE, json=request).json()["attributeScores"]
    assert found["TOXICITY"]["summaryScore"] == plain["TOXICITY"]["summaryScore"]


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        ({}, (400, "INVALID_ARGUMENT", "COMMENT_EMPTY")),
        (asked(" \n"), (400, "INVALID_ARGUMENT", "COMMENT_EMPTY")),
        (
            asked() | {"comment": {"text": "<b></b>", "type": "HTML"}},
            (400, "INVALID_ARGUMENT", "COMMENT_EMPTY"),
        ),
        (asked("é" * (MOST_TEXT // 2 + 1)), (400, "INVALID_ARGUMENT", "COMMENT_TOO_LONG")),
        ({"comment": {"text": TEXT}}, (400, "INVALID_ARGUMENT", "NO_REQUESTED_ATTRIBUTES")),
        (asked(attributes=("FLIRTATION",)), (400, "INVALID_ARGUMENT", "INVALID_REQUEST")),
        (
            asked() | {"requestedAttributes": {"TOXICITY": {"scoreType": "RAW"}}},
            (400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ),
        (asked(languages=["xx"]), (400, "INVALID_ARGUMENT", "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE")),
        (
            asked("Das ist ein ganz gewöhnlicher deutscher Satz über das Wetter."),
            (400, "INVALID_ARGUMENT", "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"),
        ),
        (
            asked(context={"entries": [{}], "articleAndParentComment": {"article": {}}}),
            (400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
        ),
        (asked(unknown=1), (400, "INVALID_ARGUMENT", None)),
        (asked(languages="en"), (400, "INVALID_ARGUMENT", None)),
        (asked() | {"comment": 5}, (400, "INVALID_ARGUMENT", None)),
        ([], (400, "INVALID_ARGUMENT", None)),
    ],
)  # fmt: skip
def test_errors_have_googles_shape(client, request_, wanted):
    assert error_of(client.post(ANALYZE, json=request_)) == wanted


def test_the_details_name_attribute_and_language(client):
    error = client.post(ANALYZE, json=asked(languages=["fr", "de"])).json()["error"]
    assert error["message"] == "Attribute TOXICITY does not support request languages: fr, de"
    assert error["details"][0]["languageNotSupportedByAttributeError"] == {
        "requestedLanguages": ["fr", "de"],
        "attribute": "TOXICITY",
    }
    dropped = client.post(ANALYZE, json=asked(languages=["fr"], dropUnsupportedAttributes=True))
    assert (dropped.status_code, dropped.json()["languages"]) == (200, ["fr"])
    assert "attributeScores" not in dropped.json()


@pytest.mark.parametrize(
    "body", [b"{", b"\xff{}", b'{"a": NaN}', b"[" * 100_000, b"[" * 40 + b"]" * 40, b"1" * 5000, b"nul"]
)
def test_what_is_not_json_is_refused(client, body):
    assert error_of(client.post(ANALYZE, content=body))[:2] == (400, "INVALID_ARGUMENT")


def test_long_bodies_are_refused(client):
    assert client.post("/v1/tag", content=b" " * (MOST_BODY + 1)).status_code == 413
    parts = (b" " * 2**16 for _ in range(MOST_BODY // 2**16 + 1))  # its length is not told beforehand
    assert client.post("/v1/tag", content=parts).status_code == 413


def test_half_an_emoji_is_scored_and_echoed(client):
    request = json.dumps(asked("we love \ud83d the land", clientToken="\ud83d"))
    assert client.post(ANALYZE, content=request).json()["clientToken"] == "\ud83d"


def test_severe_toxicity_rises_with_each_of_the_five():
    low = dict.fromkeys(TOXICITY, 0.3)
    for name in TOXICITY:
        assert severe_toxicity(low | {name: 0.6}) > severe_toxicity(low)
    assert severe_toxicity(dict.fromkeys(TOXICITY, 1.0)) == 1
    assert severe_toxicity(dict.fromkeys(TOXICITY, 1.0) | {"toxicity": 0.0}) == 0


def test_sentences_cover_a_long_text():
    text = "No. " * 5000
    places = find_sentences(text)
    assert len(places) < 40
    assert places[-1][1] == len(text.rstrip())
    assert find_sentences(" \n ") == ()
    assert utf16_places("a😀b", [(0, 1), (1, 3)]) == [(0, 1), (1, 4)]


def test_suggestions_are_kept_where_told(tiny_tagger, tmp_path):
    path = tmp_path / "suggestions.jsonl"
    scores = {"APPROVED": {"summaryScore": {"value": 1}}, "TOXICITY": {"spanScores": [{"begin": 0, "end": 2}]}}
    suggestion = {"comment": {"text": TEXT}, "attributeScores": scores, "clientToken": "t1", "communityId": "c"}
    with serving(tiny_tagger, suggestions=path) as client:
        assert client.post(SUGGEST, json=suggestion).json() == {"clientToken": "t1"}
        assert client.post(SUGGEST, json=suggestion | {"doNotStore": True}).json() == {"clientToken": "t1"}
        path.unlink()  # as when somebody takes the file away for reading
        assert client.post(SUGGEST, json=suggestion | {"clientToken": "t2"}).status_code == 200
        path.unlink()
        path.mkdir()
        answer = client.post(SUGGEST, json=suggestion)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        path.rmdir()
        assert client.post(SUGGEST, json=suggestion | {"clientToken": "t3"}).status_code == 200
    (kept,) = read_suggestions(path)
    assert kept.pop("time")
    assert kept == suggestion | {"clientToken": "t3"}


def test_a_line_that_a_kill_cut_loses_no_other(tmp_path):
    path = tmp_path / "suggestions.jsonl"
    keep_suggestion(path, {"clientToken": "a"})
    with path.open("ab") as file:
        file.write(b'{"clientToken": "cut')
    keep_suggestion(path, {"clientToken": "b"})
    assert [kept["clientToken"] for kept in read_suggestions(path)] == ["a", "b"]


def test_without_a_file_suggestions_are_refused(client):
    answer = client.post(SUGGEST, json={"comment": {"text": TEXT}, "attributeScores": {"TOXICITY": {}}})
    assert error_of(answer) == (501, "UNIMPLEMENTED", None)


class Stern:
    """A tagger that finds every text toxic."""

    name, sha256, languages, errors = "stern", "0" * 64, (), {}
    thresholds = Thresholds(0.4, 0.4, (0.5,) * 5)

    def predict(self, texts, sides, advance=None):
        import numpy as np

        from stance.tagger import Predictions

        shape = np.full((len(texts), len(sides), 3), 1 / 3)
        return Predictions(shape, np.full((len(texts), 5), 0.9), np.full((len(texts), 3), 1 / 3))


def test_coral_gets_a_flag_or_nothing(client):
    comment = {"action": "NEW", "comment": {"body": "<b>Love</b> the land", "parentID": None}, "more": {"of": "theirs"}}
    answer = client.post("/coral", json=comment)
    assert answer.status_code in (200, 204)  # of the tiny tagger either
    with serving(Stern()) as stern:
        flag = {"actions": [{"actionType": "FLAG", "reason": "COMMENT_DETECTED_TOXIC"}]}
        assert stern.post("/coral", json=comment).json() == flag
        nothing = stern.post("/coral", json=comment | {"comment": {"body": "<img src=x>"}})
        assert (nothing.status_code, nothing.content) == (204, b"")
    with serving(Stern(), coral_withhold=True) as stern:
        assert stern.post("/coral", json=comment).json() == flag | {"status": "SYSTEM_WITHHELD"}
    assert error_of(client.post("/coral", json={"comment": {}}))[0] == 400


def test_a_comment_that_reports_is_never_withheld():
    judged = Judgement(None, (0.3, 0.3, 0.4))
    thresholds = Thresholds(0.4, 0.4, (0.5,) * 5)
    reported, meant = (Tag(3, (), (0.9,) * 5, judged, mention) for mention in (0.9, 0.1))
    assert "status" not in write_coral(reported, thresholds, True)
    assert write_coral(meant, thresholds, True)["status"] == "SYSTEM_WITHHELD"
    assert write_coral(Tag(3, (), (float("nan"),) * 5, judged), thresholds, True) is None


def test_coral_signs_what_it_sends(tiny_tagger):
    body = json.dumps({"comment": {"body": TEXT}}, indent=2).encode()
    right, old = (hmac.new(secret, body, hashlib.sha256).hexdigest() for secret in (b"new", b"old"))
    with serving(tiny_tagger, coral_secret="new", api_key="k") as client:

        def post(header, sent=body):
            headers = {} if header is None else {"X-Coral-Signature": header.encode("latin-1")}
            return client.post("/coral", content=sent, headers=headers).status_code

        assert post(f"sha256={right}") in (200, 204)
        assert post(f"sha256={old},sha256={right}") in (200, 204)
        assert {post(None), post(f"sha256={old}"), post(f"sha1={right}"), post("sha256="), post("sha256=é")} == {401}
        assert post(f"sha256={right}", body + b" ") == 401


def test_tag_answers_as_the_command_does(client, tiny_tagger):
    sides = [{"name": "Armenia"}, {"name": "Azerbaijan", "target": "azerbaijan"}]
    posts = [{"id": 7, "text": TEXT}, {"text": "> we love war\n\nno, stop it"}]
    found = client.post("/v1/tag", json={"sides": sides, "posts": posts}).json()
    assert [row["id"] for row in found["posts"]] == [7, None]
    first = found["posts"][0]
    assert {*first} == {"id", "stance", "toxicity", "sentiment", "mention", "evidence"}
    assert {*first["stance"]} == {"Armenia", "Azerbaijan"}
    assert found["run"]["tagger_sha256"] == tiny_tagger.sha256
    assert found["sides"][1]["label"] == "pro-Azerbaijan"
    named = client.post("/v1/tag", json={"topic": "karabakh-2020", "posts": posts}).json()
    assert len(named["sides"]) > 1
    alone = client.post("/v1/tag", json={"posts": posts}).json()
    assert alone["posts"][0]["stance"] == {}


def test_a_thread_is_linked(client):
    posts = [
        {"id": "a", "author": "Ann", "body": "The people of this land want the truce to hold."},
        {"id": "b", "author": "Bob", "body": "The people of this land want the truce to hold.\n\nNo, never."},
        {"body": "Right.", "reply_to": "a"},
    ]
    found = client.post("/v1/tag", json={"thread": {"title": "Truce", "article": "War.", "posts": posts}}).json()
    assert [row["reply_to"] for row in found["posts"]] == [None, 0, 0]
    assert found["posts"][1]["quotes"] == [{"start": 0, "end": 47, "source": 0, "match": "exact"}]
    assert found["posts"][1]["author"] == "Bob"
    assert found["article"]["id"] == "article"


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"posts": []},
        {"posts": [{"text": 1}]},
        {"posts": [{"text": "a"}], "thread": {"posts": [{"body": "a"}]}},
        {"posts": [{"text": "a"}], "topic": "../../../etc/passwd"},
        {"posts": [{"text": "a"}], "topic": "/etc/passwd"},
        {"posts": [{"text": "a"}], "sides": [{"name": "x"}, {"name": "x"}]},
        {"posts": [{"text": "a"}], "sides": [{"name": " "}]},
        {"posts": [{"text": "a" * (MOST_TEXT + 1)}]},
        {"thread": {"posts": [{"id": "1", "body": "a"}, {"id": "1", "body": "a"}]}},
        {"thread": {"posts": [{"body": "a", "reply_to": "0"}]}},
        {"thread": {"posts": [{"body": "a", "reply_to": "nobody"}]}},
    ],
)
def test_tag_refuses(client, request_):
    assert error_of(client.post("/v1/tag", json=request_))[:2] == (400, "INVALID_ARGUMENT")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::2]"])
def test_other_names_are_not_answered(client, host):
    assert error_of(client.get("/", headers={"Host": host}))[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "mine.example:80"])
def test_allowed_names_are_answered(tiny_tagger, host):
    with serving(tiny_tagger, hosts=("localhost", "127.0.0.1", "::1", "mine.example")) as client:
        assert client.get("/", headers={"Host": host}).status_code == 200


def test_pages_elsewhere_are_kept_out(tiny_tagger):
    with serving(tiny_tagger, origins=("https://ours.example",)) as client:

        def post(origin):
            return client.post(ANALYZE, json=asked(), headers={"Origin": origin})

        assert {post("https://evil.example").status_code, post("null").status_code} == {403}
        assert post("http://localhost").status_code == 200
        allowed = post("https://ours.example")
        assert allowed.headers["access-control-allow-origin"] == "https://ours.example"
        assert "access-control-allow-origin" not in client.post(ANALYZE, json=asked()).headers
        preflight = client.options(ANALYZE, headers={"Origin": "https://ours.example"})
        assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (204, "GET, POST")
        assert client.options(ANALYZE).status_code == 405


def test_a_key_is_asked_for(tiny_tagger):
    with serving(tiny_tagger, api_key="secret") as client:
        for path in ("/", "/healthz", "/openapi.json", "/$discovery/rest"):
            assert client.get(path).status_code == 200
        assert client.get("/metrics").status_code == 401
        answer = client.post(ANALYZE, json=asked())
        assert error_of(answer)[:2] == (401, "UNAUTHENTICATED")
        assert answer.json()["error"]["details"][0]["reason"] == "API_KEY_INVALID"
        assert client.post("/coral", json={"comment": {"body": TEXT}}).status_code == 401
        for shown in ({"params": {"key": "secret"}}, {"headers": {"X-Goog-Api-Key": "secret"}}):
            assert client.post(ANALYZE, json=asked(), **shown).status_code == 200
        bearer = {"Authorization": "Bearer secret"}
        assert client.post(ANALYZE, json=asked(), headers=bearer).status_code == 200
        for key in ("secre", "secretx", "é", ""):
            assert client.post(ANALYZE, json=asked(), params={"key": key}).status_code == 401


def test_answers_carry_what_protects_the_reader(client):
    for answer in (client.get("/"), client.post(ANALYZE, json=asked()), client.get("/nope")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
    assert error_of(client.get("/nope"))[:2] == (404, "NOT_FOUND")
    assert error_of(client.get(ANALYZE))[0] == 405


def test_the_page_says_how_to_point_here(client):
    page = client.get("/", headers={"Host": "127.0.0.1:8080"}).text
    assert "http://127.0.0.1:8080/$discovery/rest?version=v1alpha1" in page
    assert "http://127.0.0.1:8080/coral" in page
    assert "<script" not in page


def test_content_is_logged_only_where_told(tiny_tagger, capfd):
    words = "we love the truce and the border"
    with serving(tiny_tagger) as client:
        client.post(ANALYZE, json=asked(words))
        client.post(ANALYZE, content=b'{"comment": {"text": "' + words.encode())
        client.post("/v1/tag", json={"posts": [{"text": words}]})
    assert words not in "".join(capfd.readouterr())
    with serving(tiny_tagger, log_content=True) as client:
        client.post(ANALYZE, json=asked(words))
    line = json.loads(capfd.readouterr().err.strip().splitlines()[-1])
    assert (line["route"], line["asked"]) == ("analyze", words)


def test_metrics_count_what_was_answered(tiny_tagger):
    with serving(tiny_tagger) as client:
        client.post(ANALYZE, json=asked())
        client.post(ANALYZE, json={})
        client.get("/secret/path")
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert f'stance_requests_total{{route="{ANALYZE}",code="200"}} 1' in lines
    assert f'stance_requests_total{{route="{ANALYZE}",code="400"}} 1' in lines
    assert 'stance_requests_total{route="other",code="404"} 1' in lines
    assert f'stance_request_seconds_bucket{{route="{ANALYZE}",le="+Inf"}} 2' in lines
    assert "stance_batch_texts_count 1" in lines
    assert "stance_queue_halfkilobytes 0" in lines
    assert "secret" not in answer.text


def test_until_the_tagger_is_loaded_nothing_is_scored():
    release = []

    def load():
        while not release:
            time.sleep(0.01)
        return Stern()

    app, _ = create_app(load, NO_SIDES, Options())
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/healthz").json() == {"status": "loading"}
        early = client.post(ANALYZE, json=asked())
        assert (early.status_code, early.headers["retry-after"]) == (503, "1")
        assert client.get("/").status_code == 200
        release.append(True)
        until = time.monotonic() + 30
        while client.get("/healthz").status_code == 503 and time.monotonic() < until:
            time.sleep(0.02)
        assert client.get("/healthz").json() == {"status": "ready", "tagger": "stern"}


def test_a_tagger_that_cannot_be_loaded_stops_the_server():
    def load():
        raise StanceError("no such tagger: name another")

    app, service = create_app(load, NO_SIDES, Options())
    stopped = []
    service.failed = lambda: stopped.append(True)
    with TestClient(app, base_url="http://localhost") as client:
        until = time.monotonic() + 10
        while not stopped and time.monotonic() < until:
            client.get("/healthz")
    assert stopped
    with pytest.raises(StanceError, match="no such tagger"):
        raise_failure(service)
