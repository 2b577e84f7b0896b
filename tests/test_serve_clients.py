"""`stance serve` over a real connection: the clients that people have, and a server that is stopped or killed."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stance.records import Topic
from stance.serve import Options
from stance.serve.app import create_app
from stance.serve.suggestions import read_suggestions

ROOT = Path(__file__).parent.parent
ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"
COMMAND = "import typer; from stance.cli.serve import serve; typer.run(serve)"  # of the command alone
TEXT = "we hate the war and love the people of this land"


@pytest.fixture(scope="module")
def suggestions(tmp_path_factory):
    return tmp_path_factory.mktemp("serve") / "suggestions.jsonl"


@pytest.fixture(scope="module")
def address(tiny_tagger, suggestions):
    """Of a server in this process, on a free port of loopback."""
    import uvicorn

    options = Options(suggestions=suggestions, api_key="the-key")
    app, service = create_app(lambda: tiny_tagger, Topic("", ()), options)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while (not server.started or service.tagger is None) and time.monotonic() < until:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def google(address):
    """Google's own client, told nothing but where the discovery document is."""
    discovery = pytest.importorskip("googleapiclient.discovery")
    client = discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey="the-key",
        discoveryServiceUrl=f"{address}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
    )
    yield client
    client.close()


def test_googles_client_scores_a_comment(google):
    asked = {"comment": {"text": "friendly greetings to the people"}, "requestedAttributes": {"TOXICITY": {}}}
    answer = google.comments().analyze(body=asked).execute()
    assert 0 < answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] < 1
    assert answer["attributeScores"]["TOXICITY"]["summaryScore"]["type"] == "PROBABILITY"


def test_googles_client_suggests_a_score(google, suggestions):
    scores = {"TOXICITY": {"summaryScore": {"value": 0.2}}}
    asked = {"comment": {"text": TEXT}, "attributeScores": scores, "clientToken": "from-google", "communityId": "c"}
    assert google.comments().suggestscore(body=asked).execute() == {"clientToken": "from-google"}
    assert read_suggestions(suggestions)[-1]["attributeScores"] == scores


def test_googles_client_reads_the_errors(google):
    errors = pytest.importorskip("googleapiclient.errors")
    asked = {"comment": {"text": TEXT}, "requestedAttributes": {"TOXICITY": {}}, "languages": ["fr"]}
    with pytest.raises(errors.HttpError) as raised:
        google.comments().analyze(body=asked).execute()
    assert raised.value.status_code == 400
    assert raised.value.reason == "Attribute TOXICITY does not support request languages: fr"
    assert raised.value.error_details[0]["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"


def test_the_way_of_4cat(address):
    """All that its processor does with the client: one attribute after the other, errors as JSON, scores by name."""
    discovery = pytest.importorskip("googleapiclient.discovery")
    errors = pytest.importorskip("googleapiclient.errors")
    client = discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey="wrong",
        discoveryServiceUrl=f"{address}/$discovery/rest?version=v1alpha1",
        static_discovery=False,
    )
    asked = {"comment": {"text": TEXT}, "requestedAttributes": {"INSULT": {}, "SEVERE_TOXICITY": {}}}
    with pytest.raises(errors.HttpError) as raised:
        client.comments().analyze(body=asked).execute()
    assert json.loads(raised.value.content)["error"]["message"].startswith("API key not valid")
    client.close()


def test_the_client_perspective(address, suggestions):
    """The PyPI package of that name, unmodified but for the address."""
    perspective = pytest.importorskip("perspective")
    client = perspective.PerspectiveAPI("the-key")
    client.api_client.url = f"{address}/v1alpha1/{{endpoint}}"
    assert 0 < client.score(TEXT)["TOXICITY"] < 1
    assert {*client.score(TEXT, tests=["INSULT", "PROFANITY"])} == {"INSULT", "PROFANITY"}
    answer = client.analyze_comment(
        TEXT,
        comment_type="PLAIN_TEXT",
        context=[{"text": "an article", "type": "PLAIN_TEXT"}],
        requested_attributes={"TOXICITY": {"scoreType": "PROBABILITY", "scoreThreshold": 0.0}},
        span_annotations=True,
        languages=["en"],
        do_not_store=True,
        client_token="t",
        session_id="s",
        community_id="c",
    )
    assert answer["attributeScores"]["TOXICITY"]["spanScores"][0]["end"] == len(TEXT)
    assert answer["clientToken"] == "t"
    suggested = {"TOXICITY": {"summaryScore": {"value": 0.5, "type": "PROBABILITY"}}}
    assert client.suggest_score(TEXT, suggested, client_token="from-it") == {"clientToken": "from-it"}
    assert read_suggestions(suggestions)[-1]["clientToken"] == "from-it"


def test_the_client_pyperspective(address, monkeypatch):
    """Every call of its README, unmodified but for the address."""
    module = pytest.importorskip("PyPerspective.Perspective")
    errors = pytest.importorskip("PyPerspective.errors")
    monkeypatch.setattr(module, "base_url", f"{address}{ANALYZE}")
    with pytest.raises(errors.InvalidAuthKey):
        module.Perspective("wrong")
    client = module.Perspective("the-key", ratelimit=True, default_not_store=True)
    scores = client.get_score(TEXT, tests=["TOXICITY"], langs=["en"])
    assert (scores.text, str(scores)) == (TEXT, TEXT)
    assert (scores.detected_langs, scores.requests_langs) == (["en"], ["en"])
    attribute = scores["TOXICITY"]
    assert (attribute.name, attribute.score_type) == ("TOXICITY", "PROBABILITY")
    assert 0 < attribute.score < 1
    span = attribute.spans[0]
    assert (span.start, span.end, span.score, str(span)) == (0, len(TEXT), attribute.score, TEXT)


async def post(address, path, body, *, hang_up=False):
    """Status code and value of one request; with ``hang_up`` the connection breaks before the answer."""
    host, port = address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    sent = json.dumps(body).encode()
    head = f"POST {path}?key=the-key HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(sent)}"
    writer.write(f"{head}\r\n\r\n".encode() + sent)
    await writer.drain()
    if hang_up:
        writer.transport.abort()
        return None
    head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(answer)


def test_64_at_once_get_their_own_answers_while_others_hang_up(address, tiny_tagger):
    from stance.tag import tag_texts

    words = TEXT.split()
    texts = [" ".join(words[number % 7 :] + words[: number % 5] + ["war"] * (number % 9)) for number in range(64)]
    wanted = [tag.toxicity[0] for tag in tag_texts(texts, Topic("", ()), tiny_tagger)]
    bodies = [
        {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, "languages": ["en"], "clientToken": str(n)}
        for n, text in enumerate(texts)
    ]

    async def ask():
        gone = [post(address, ANALYZE, bodies[number], hang_up=True) for number in range(0, 64, 4)]
        stay = [post(address, ANALYZE, body) for body in bodies]
        return (await asyncio.gather(*gone, *stay))[len(gone) :]

    answers = asyncio.run(ask())
    assert [code for code, _ in answers] == [200] * 64
    assert [answer["clientToken"] for _, answer in answers] == [str(number) for number in range(64)]
    found = [answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"] for _, answer in answers]
    assert found == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("name", ["analyze", "suggestscore", "tag", "coral", "health", "metrics"])
def test_openapi_holds(address, name):
    """Requests that schemathesis makes from the document, right and wrong ones.

    Not checked: that every right one is accepted, for a comment may be in a language that is not read.
    """
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    with urllib.request.urlopen(f"{address}/openapi.json") as answer:
        schema = schemathesis.openapi.from_dict(json.load(answer))
    checks = schemathesis.checks
    wanted = [
        checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.negative_data_rejection,
    ]
    (operation,) = [
        found.ok() for found in schema.get_all_operations() if found.ok().definition.raw["operationId"] == name
    ]
    modes = [*schemathesis.GenerationMode] if operation.body else [schemathesis.GenerationMode.POSITIVE]
    quick = settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],
    )
    for mode in modes:

        @quick
        @given(case=operation.as_strategy(generation_mode=mode))
        def drive(case):
            response = case.call(base_url=address, headers={"X-Goog-Api-Key": "the-key"})
            # a body over the limit is refused with 413, which schemathesis does not count as a refusal
            case.validate_response(response, checks=wanted if response.status_code != 413 else wanted[:-1])

        drive()


@pytest.fixture
def started(tiny_folder, tmp_path):
    """Starts the command in a process of its own; where it listens, once it is ready."""
    running = []

    def start(*flags):
        command = [sys.executable, "-c", COMMAND, "--port", "0", "--tagger", str(tiny_folder), *flags]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(process)
        address = process.stdout.readline().strip()
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{address}/healthz").close()
                return process, address
            except (urllib.error.URLError, ValueError):
                time.sleep(0.05)
        raise AssertionError(process.stderr.read())

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_what_was_acknowledged_outlives_a_kill(started, tmp_path):
    path = tmp_path / "suggestions.jsonl"
    acknowledged = []
    for part in range(2):
        process, address = started("--suggestions", str(path))
        for number in range(5):
            body = {"comment": {"text": TEXT}, "attributeScores": {"TOXICITY": {}}, "clientToken": f"{part}-{number}"}
            code, answer = asyncio.run(post(address, SUGGEST, body))
            assert code == 200
            acknowledged.append(answer["clientToken"])
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert [kept["clientToken"] for kept in read_suggestions(path)] == acknowledged


def test_a_stopped_server_answers_what_it_has(started):
    process, address = started()
    body = {"posts": [{"text": f"{TEXT} {number}"} for number in range(200)]}

    async def ask_and_stop():
        asked = asyncio.create_task(post(address, "/v1/tag", body))
        await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        return await asked

    code, answer = asyncio.run(ask_and_stop())
    assert (code, len(answer["posts"])) == (200, 200)
    process.wait(20)
    assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(address, scheme):
    playwright = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium)
        page = browser.new_context(
            bypass_csp=True, color_scheme=scheme, viewport={"width": 390, "height": 800}
        ).new_page()
        said = []
        page.on("console", lambda message: said.append(message.text))
        page.goto(address)
        assert axe.Axe().run(page).violations_count == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert said == []
        browser.close()
