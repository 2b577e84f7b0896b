"""The pages of a queue: what they show, whom they answer, and that an acknowledged decision outlives the process."""

import http.client
import json
import re
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import pytest
from lxml import html as lxml_html
from starlette.testclient import TestClient
from test_triage import fill_store, make_many, make_table, make_tag

from stance.records import Post, Quote, Reply
from stance.triage.app import Desk, make_app
from stance.triage.guard import MOST_BODY, guard, host_name
from stance.triage.page import Policy, parse_policy, read_policy, write_file_page
from stance.triage.store import open_store
from stance.triage.transfer import import_decisions, list_decisions

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'></script></textarea><!--{{7*7}}{% x %}"
START = f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r}); " + (
    "from stance.cli.triage import triage; triage()"
)


def make_talk(count=20):
    """Strong posts, quotes, replies, repeats, hostile names: whatever a page can show."""
    posts, tags = [], []
    for place in range(count):
        body = f"Never mind, you clown number {place}, said somebody {'very ' * (place % 4)}loudly."
        strong = place % 3 == 0
        posts.append(
            Post(str(place), f"Quoted words.\n\n{body}" if place % 2 else body, author=("Ann", "Bo", None)[place % 3],
                 quotes=(Quote(0, 13, None, "markup"),) if place % 2 else (),
                 replies=(Reply(place - 1, "markup"),) if place else ())
        )  # fmt: skip
        value = 0.95 - place / 50
        tags.append(make_tag((value, value, 0.1, 0.9 if strong else 0.1, 0.1), 0.9 if place == 4 else 0.1, ((16, 21),)))
    return make_table(posts, tags)


@pytest.fixture
def store(tmp_path):
    return fill_store(tmp_path / "q.sqlite", make_talk())


@pytest.fixture
def client(store):
    return make_client(store)


def make_client(store, **more):
    desk = Desk(store, parse_policy("# Rules\n- **Be** fair"), **more)
    return TestClient(make_app(desk), base_url="http://localhost:8470", raise_server_exceptions=True)


def read(response):
    return lxml_html.fromstring(response.text)


def fields(response, action):
    form = read(response).xpath(f"//form[@action='{action}']")[0]
    return {one.get("name"): one.get("value", "") for one in form.xpath(".//input[@type='hidden']")}


def sign_in(client, name="Ann", **more):
    page = client.get("/")
    return client.post("/sign-in", data={**fields(page, "/sign-in"), "moderator": name, **more})


def decide(client, page, action="hide", **more):
    return client.post("/decide", data={**fields(page, "/decide"), "action": action, **more})


def test_a_moderator_signs_in_decides_and_takes_back(client, store):
    page = sign_in(client)
    first = fields(page, "/decide")["item"]
    page = decide(client, page, "warn", reason="insult", note="twice\r\nsaid")
    assert fields(page, "/decide")["item"] != first
    assert "Last: warn, Post 1" in " ".join(read(page).text_content().split())
    page = client.post("/undo", data=fields(page, "/undo"))
    assert fields(page, "/decide")["item"] == first
    rows = list(list_decisions(store))
    assert [(row["action"], row["moderator"], row["note"]) for row in rows] == [
        ("warn", "Ann", "twice\nsaid"), ("undo", "Ann", ""),
    ]  # fmt: skip


def test_two_sessions_get_two_posts(store):
    desk = make_app(Desk(store, Policy(())))
    ann, bo = (TestClient(desk, base_url="http://localhost:8470") for _ in range(2))
    pages = sign_in(ann), sign_in(bo, "Bo")
    items = [fields(page, "/decide")["item"] for page in pages]
    assert items[0] != items[1]
    stolen = bo.post("/decide", data={**fields(pages[1], "/decide"), "item": items[0], "action": "hide"})
    assert stolen.status_code == 409
    assert "Another moderator has this post now" in stolen.text
    assert list(list_decisions(store)) == []
    ann.post("/sign-out", data=fields(ann.get("/"), "/sign-out"))
    assert store.execute("SELECT moderator FROM leases").fetchall()[0][0] == "Bo"


def test_the_page_says_why_and_shows_what_stands_around(client):
    page = decide(client, sign_in(client))
    text = " ".join(read(page).text_content().split())
    assert read(page).xpath("string(//mark)") == "clown"
    assert "Post 4 of 20 in A talk" in text
    assert "quoted from outside the thread" in text
    assert "It answers" in text
    assert "First answer to it" in text
    assert "toxicity 89%, over the tagger's threshold of 40%" in text
    assert "the tagger expects 90%, not calibrated on your decisions" in text
    assert "By expected severity." in text
    assert "Be fair" in text


def test_hostile_text_is_text(tmp_path):
    posts = [Post("0", HOSTILE, author=HOSTILE), Post("1", HOSTILE, author=HOSTILE, replies=(Reply(0, "markup"),))]
    store = fill_store(tmp_path / "q.sqlite", make_table(posts, [make_tag(0.9), make_tag(0.8)], thread=HOSTILE))
    client = make_client(store, suggested=HOSTILE)
    for page in (client.get("/"), sign_in(client), client.get("/progress"), client.get("/decisions.jsonl")):
        if "html" in page.headers["content-type"]:
            found = read(page)
            assert not found.xpath("//img") + found.xpath("//script[not(@src)]")
            assert not [name for node in found.iter() for name in node.attrib if name.startswith("on")]
    assert HOSTILE in read(client.get("/")).text_content()
    made = lxml_html.fromstring(write_file_page(store, Policy(())).decode())
    assert len(made.xpath("//script")) == 1
    assert not made.xpath("//img")


# Security


def test_every_answer_has_the_headers(client):
    sign_in(client)
    for path in ("/", "/progress", "/triage.css", "/keys.js", "/decisions.csv", "/none"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    page = client.get("/").text
    assert "style=" not in page
    assert "http" not in re.sub(r"http-equiv|https?://localhost", "", page)


def test_cookie_is_strict_and_new_after_signing_in(client):
    before = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in before
    assert "samesite=strict" in before.lower()
    old = client.cookies["stance_triage_8470"]
    sign_in(client)
    assert client.cookies["stance_triage_8470"] != old


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::2]", ""])
def test_foreign_hosts_are_refused(client, host):
    assert client.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8470", "[::1]:8470", "LOCALHOST:1"])
def test_own_hosts_are_answered(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


def test_host_names_are_read_without_ports():
    assert [host_name(one) for one in ("a.b:1", "[::1]:80", "[::1]", "A")] == ["a.b", "::1", "::1", "a"]


def test_forms_of_other_sites_are_refused(client, store):
    page = sign_in(client)
    good = {**fields(page, "/decide"), "action": "hide"}
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert client.post("/decide", data=good, headers=headers).status_code == 403
    for wrong in ("", "0" * 64, "\u00e9"):
        assert client.post("/decide", data={**good, "csrf": wrong}).status_code == 403
    assert client.post("/decide", json=good).status_code == 415
    assert client.post("/sign-in", data={"moderator": "Eve"}).status_code == 403
    assert list(list_decisions(store)) == []
    assert client.post("/decide", data=good, headers={"origin": "http://localhost:8470"}).status_code == 200


@pytest.mark.parametrize("more", [
    {"item": "x"}, {"item": "9" * 30}, {"item": "999"}, {"action": "ban"}, {"note": "x" * 3000}, {"token": ""},
    {"reason": "none of these"},
])  # fmt: skip
def test_bad_fields_get_a_page_that_says_so(client, store, more):
    page = sign_in(client)
    answer = client.post("/decide", data={**fields(page, "/decide"), "action": "hide", **more})
    assert answer.status_code == 400
    assert "Back to the queue" in answer.text
    assert list(list_decisions(store)) == []


def test_large_bodies_are_refused_whatever_their_length_says(client):
    assert client.post("/decide", content=b"x" * (MOST_BODY + 1)).status_code == 413

    def drip():
        for _ in range(20):
            yield b"x" * (MOST_BODY // 10)

    assert client.post("/decide", content=drip()).status_code == 413
    assert client.post("/decide", content=b"x", headers={"content-length": "-1"}).status_code == 413
    assert client.request("DELETE", "/").status_code == 405


def test_nothing_is_shown_to_who_is_not_signed_in(client):
    for path in ("/", "/progress", "/decisions.jsonl", "/decisions.csv"):
        page = client.get(path)
        assert "Who is deciding?" in page.text
        assert "clown" not in page.text
    page = client.get("/")
    assert client.post("/decide", data={**fields(page, "/sign-in"), "action": "hide"}).status_code == 403
    assert client.post("/undo", data=fields(page, "/sign-in")).status_code == 403


def test_a_key_opens_the_queue(store, monkeypatch):
    monkeypatch.setattr("stance.triage.app.WRONG_KEY_WAIT", 0.0)
    client = make_client(store, key="a key of many letters")
    assert sign_in(client).status_code == 403
    assert sign_in(client, key="a key of many letterz").status_code == 403
    assert "clown" not in client.get("/").text
    assert "Post 1 of 20" in " ".join(read(sign_in(client, key="a key of many letters")).text_content().split())


@pytest.mark.parametrize("name", ["", " ", "<b>", "x" * 41, "a\nb", "../x"])
def test_names_that_cannot_stand_in_a_log_are_refused(client, name):
    answer = sign_in(client, name)
    assert answer.status_code == 400
    assert "name has letters" in answer.text


def test_exports_come_as_files(client):
    decide(client, sign_in(client), note="=1+1")
    answer = client.get("/decisions.csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert "'=1+1" in answer.text
    assert json.loads(client.get("/decisions.jsonl").text)["note"] == "=1+1"


def test_sockets_that_are_not_http_get_nothing():
    asked = []

    async def application(scope, receive, send):
        asked.append(scope)

    guarded = guard(application, ("localhost",))
    with pytest.raises(StopIteration):
        guarded({"type": "websocket", "headers": []}, None, None).send(None)
    assert asked == []


# The policy


def test_policy_is_read_as_headings_items_and_bold_words(tmp_path):
    path = tmp_path / "rules.md"
    path.write_text("# Rules\nBe **very** fair\nand kind.\n\n- one\n  goes on\n* 2 ** 3\n<b>text</b>")
    assert read_policy(path).blocks == (
        ("heading", (("Rules", False),)),
        ("text", (("Be ", False), ("very", True), (" fair and kind.", False))),
        ("item", (("one goes on", False),)),
        ("item", (("2 ** 3 <b>text</b>", False),)),
    )
    assert len(read_policy(None).blocks) > 4


# A process that is killed


def ask(port, method, path, body=None, cookie=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"cookie": cookie or ""}
    if body is not None:
        headers["content-type"] = "application/x-www-form-urlencoded"
    connection.request(method, path, body and urllib.parse.urlencode(body), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    kept = answer.getheader("set-cookie")
    connection.close()
    return answer.status, text, kept and kept.partition(";")[0]


def hidden(text, action):
    form = lxml_html.fromstring(text).xpath(f"//form[@action='{action}']")[0]
    return {one.get("name"): one.get("value") for one in form.xpath(".//input[@type='hidden']")}


def start_server(db):
    command = [sys.executable, "-c", START, "serve", "--db", str(db), "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, int(re.search(r":(\d+)/", process.stdout.readline())[1])


def test_acknowledged_decisions_outlive_a_killed_process(tmp_path):
    db = tmp_path / "q.sqlite"
    fill_store(db, make_many(400), plan=None).close()
    store = open_store(db)
    store.execute("UPDATE items SET moderators = 50")  # plenty to decide for both
    store.close()
    process, port = start_server(db)
    acknowledged, ready = [], threading.Event()

    def work(name):
        _, text, cookie = ask(port, "GET", "/")
        _, _, cookie = ask(port, "POST", "/sign-in", {**hidden(text, "/sign-in"), "moderator": name}, cookie)
        while True:
            _, text, _ = ask(port, "GET", "/", cookie=cookie)
            form = hidden(text, "/decide")
            status, _, _ = ask(port, "POST", "/decide", {**form, "action": "hide", "note": name}, cookie)
            if status == 303:
                acknowledged.append(form["token"])
            if len(acknowledged) > 15:
                ready.set()

    def survive(name):
        try:
            work(name)
        except (OSError, http.client.HTTPException):
            ready.set()  # the server is gone

    workers = [threading.Thread(target=survive, args=(name,)) for name in ("Ann", "Bo", "Cy")]
    for worker in workers:
        worker.start()
    assert ready.wait(30)
    process.kill()
    process.wait()
    for worker in workers:
        worker.join(30)
    assert len(acknowledged) > 15
    kept = {row["token"] for row in list_decisions(open_store(db))}
    assert set(acknowledged) <= kept
    assert len(kept) <= len(acknowledged) + len(workers)  # at most one a worker was on its way
    process, port = start_server(db)
    try:
        assert ask(port, "GET", "/")[0] == 200
    finally:
        process.kill()
        process.wait()


# In a browser


@pytest.fixture
def open_page(browser):
    """Open an address; at the end nothing may have been logged."""
    problems, contexts = [], []

    def open_address(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(address)
        return page

    yield open_address
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def server(tmp_path):
    """The address of a queue of 20 posts in a process of its own, and its file."""
    fill_store(tmp_path / "q.sqlite", make_talk()).close()
    process, port = start_server(tmp_path / "q.sqlite")
    yield f"http://localhost:{port}/", tmp_path / "q.sqlite"
    process.kill()
    process.wait()


def find_faults(page):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    found = axe.Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]


def wait_done(page, count):
    """Until the page after so many decisions is there, its keys too."""
    page.wait_for_selector(f"text=/^{count} done/")
    page.wait_for_load_state()


def begin(page):
    """Sign in by Enter, once the name has the focus."""
    page.wait_for_selector("[name=moderator]:focus")
    page.keyboard.press("Enter")
    wait_done(page, 0)


class Keyboard:
    """Presses keys and counts them."""

    def __init__(self, page):
        self.page, self.presses = page, 0

    def press(self, key):
        self.presses += 1
        self.page.keyboard.press(key)


def test_twenty_posts_by_keyboard_in_under_forty_presses(open_page, server):
    address, db = server
    page = open_page(address)
    keys = Keyboard(page)
    page.wait_for_selector("[name=moderator]:focus")
    assert page.input_value("[name=moderator]")  # the user's name is there
    keys.press("Enter")
    opened = 0
    for done in range(20):
        wait_done(page, done)
        if page.locator("input.open").count():
            keys.press("o")
            opened += 1
        if done == 7:
            keys.press("3")  # a reason
        keys.press("iwhes"[done % 5])
    page.wait_for_selector("text=Nothing left to decide")
    assert opened == 7
    assert keys.presses < 40
    rows = list(list_decisions(open_store(db)))
    assert [row["action"] for row in rows] == ["ignore", "warn", "hide", "escalate", "skip"] * 4
    assert rows[7]["reason"] == "insult"


def test_keys_note_undo_and_the_veil(open_page, server):
    address, db = server
    page = open_page(address)
    begin(page)
    words = page.locator(".veil")
    assert "blur" in words.evaluate("node => getComputedStyle(node).filter")
    page.keyboard.press("h")
    assert page.inner_text("#notice") == "Open the post first: o. Or skip it: s."
    page.keyboard.press("o")
    page.wait_for_timeout(300)  # it fades
    assert words.evaluate("node => getComputedStyle(node).filter") == "none"
    page.keyboard.press("n")
    page.keyboard.type("hide it? i wish")  # typing is not deciding
    page.keyboard.press("Escape")
    page.keyboard.press("Control+h")  # the browser's own keys stay the browser's
    page.focus("[name=reason][value='']", timeout=2000)
    page.keyboard.press("Enter")  # in a field of the form, decides nothing
    page.wait_for_timeout(100)
    assert list(list_decisions(open_store(db))) == []
    page.keyboard.press("e")
    wait_done(page, 1)
    page.keyboard.press("u")
    wait_done(page, 0)
    rows = list(list_decisions(open_store(db)))
    assert [(row["action"], row["note"]) for row in rows] == [("escalate", "hide it? i wish"), ("undo", "")]


def test_forms_work_without_javascript(open_page, server):
    address, db = server
    page = open_page(address, java_script_enabled=False)
    page.click("text=Begin")
    page.click("text=Strong content")
    page.wait_for_timeout(200)
    page.click("summary:has-text('Reason and note')")
    page.fill("[name=note]", "by hand")
    page.click("button[value=hide]")
    wait_done(page, 1)
    page.click("text=Undo")
    wait_done(page, 0)
    assert [row["note"] for row in list_decisions(open_store(db))] == ["by hand", ""]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_and_have_no_serious_fault(open_page, server, width, scheme):
    page = open_page(server[0], viewport={"width": width, "height": 800}, color_scheme=scheme)

    def check():
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert find_faults(page) == []

    check()
    begin(page)
    page.keyboard.press("o")
    page.keyboard.press("h")
    wait_done(page, 1)
    check()
    page.keyboard.press("o")
    page.keyboard.press("1")
    buttons = page.locator(".actions").bounding_box()
    assert buttons["y"] + buttons["height"] <= 800  # at hand without scrolling
    check()
    page.goto(server[0] + "progress")
    check()


@pytest.fixture(scope="module")
def file_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("file")
    store = fill_store(folder / "q.sqlite", make_talk())
    (folder / "queue.html").write_bytes(write_file_page(store, read_policy(None)))
    return folder / "queue.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_one_file_page_fits_and_has_no_serious_fault(open_page, file_page, width, scheme):
    page = open_page(file_page.as_uri(), viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".desk:visible").count() == 1
    assert find_faults(page) == []


def test_one_file_page_decides_keeps_and_hands_over(open_page, file_page, tmp_path):
    page = open_page(file_page.as_uri(), accept_downloads=True)
    page.wait_for_selector("#moderator:focus")
    page.keyboard.press("Escape")
    page.keyboard.press("s")  # without a name nothing is decided
    assert "Write your name" in page.inner_text("#notice")
    page.fill("#moderator", "Cy Dee")
    page.keyboard.press("Enter")
    page.keyboard.press("h")
    assert "Open the post first" in page.inner_text("#notice")
    for key in ("o", "h", "o", "w", "u", "2", "i"):
        page.keyboard.press(key)
    assert page.inner_text("#progress") == "2 done, 18 left"
    page.reload()  # the browser keeps them
    assert page.inner_text("#progress") == "2 done, 18 left"
    with page.expect_download() as saved:
        page.keyboard.press("d")
    assert saved.value.suggested_filename == "decisions-Cy-Dee.jsonl"
    saved.value.save_as(tmp_path / "decisions.jsonl")
    store = open_store(file_page.parent / "q.sqlite")
    assert import_decisions(store, tmp_path / "decisions.jsonl").added == 4
    rows = [row for row in list_decisions(store) if row["standing"]]
    assert [(row["action"], row["reason"], row["moderator"]) for row in rows] == [
        ("hide", "", "Cy Dee"), ("ignore", "identity attack", "Cy Dee"),
    ]  # fmt: skip


def test_one_file_page_loads_nothing(file_page):
    text = file_page.read_text("utf-8")
    assert not re.findall(r'(?:src|href)="(?!#|data:)', text)
    assert "connect-src" not in text  # default-src 'none' stands
    assert "default-src 'none'" in text
