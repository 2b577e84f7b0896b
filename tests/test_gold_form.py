"""The form is worked by keyboard alone, loses nothing, shows hostile text as text, and its file is read back."""

import json
import re
import shutil
from pathlib import Path

import pytest
from lxml import html as lxml_html

from stance.gold.draw import Design
from stance.gold.folder import draw_folder
from stance.gold.form import render_codebook
from stance.gold.labels import read_gold
from stance.gold.sample import read_sample
from stance.records import TOXICITY, Judgement, Post, Quote, Reply, Side, Tag, Thread
from stance.table import Manifest, build_table, write_table

HOSTILE = "=1+1\n<script>alert(1)</script><img src=x onerror=alert(2)>\"'</script><!--${{7*7}}{% x %}\u2028]]>"
SIDES = (
    Side("North", "pro-North", "the North", ("Northerners",)),
    Side('So"u</th>, "', "pro-South", "the South"),
    Side("East", "pro-East", "the East"),
)


@pytest.fixture
def open_form(browser):
    """Open a form in a browser that has seen none; at the end nothing may have been logged, nor asked for elsewhere."""
    problems, contexts = [], []

    def open_file(path: Path, before="", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: problems.append(dialog.message))
        allowed = (f"{path.parent.as_uri()}/form-", "blob:")
        page.on("request", lambda request: request.url.startswith(allowed) or problems.append(request.url))
        if before:
            page.add_init_script(before)
        page.goto(path.as_uri())
        return page

    yield open_file
    for context in contexts:
        context.close()
    assert problems == []


def make_folder(folder, design=Design(3, seed=2, coders=("ann", "ben"), shared=2), thread="talk"):  # noqa: B008
    judgement = Judgement("favor", (0.987654, 0.01, 0.01))
    tag = Tag(5, (judgement,) * 3, (0.1,) * 5, Judgement("neutral", (0.1, 0.8, 0.1)))
    posts = (
        Post("0", "Hold the line.", author="Secret Name"),
        Post("1", "Hold the line.\n\nNever, you clown.\n\nOpening", quotes=(Quote(0, 14, 0, "exact"),
             Quote(35, 42, "article", "exact")), replies=(Reply(0, "quote"),)),
        Post("=2", HOSTILE),
    )  # fmt: skip
    table = build_table(
        Thread(thread, None, None, "A talk", "Opening words.", None, posts),
        [tag] * 3, tag, Manifest("tiny", "ab" * 32, "north & <south>", SIDES, "0.1.0", (0.5,) * 5),
    )  # fmt: skip
    path = folder.parent / f"{folder.name}.parquet"
    write_table(table, path)
    return draw_folder([path], folder, design, "## Rules\n\nBe **kind** & <b>fair</b>.\n\n- one\n- two")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gold") / "sample"
    make_folder(folder)
    return folder


@pytest.fixture
def folder(drawn, tmp_path):
    """A folder of one's own, to save labels in."""
    return Path(shutil.copytree(drawn, tmp_path / "gold"))


def press(page, keys):
    """Press keys one after the other, and say how many they were."""
    for key in keys.split():
        page.keyboard.press(key)
    return len(keys.split())


def focus_button(page, name):
    """Tab to a button, with no mouse."""
    for _ in range(60):
        if page.evaluate("document.activeElement.textContent.trim()").startswith(name):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached by Tab")


def save(page, folder):
    focus_button(page, "Save labels")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def show_post(page, post):
    """Go to a post by its id, from the first on."""
    order = [one["post"] for one in json.loads(page.locator("#data").text_content())["posts"]]
    press(page, " ".join(["b"] * len(order) + ["n"] * order.index(post)))
    assert page.locator("h2").text_content() == f"Post {order.index(post) + 1} of {len(order)}"


def test_from_an_empty_form_to_a_saved_file_by_keyboard_alone(open_form, folder):
    page = open_form(folder / "form-ann.html", accept_downloads=True)
    pressed = press(page, "1 2 3 0 2 Enter")  # three sides, toxicity, sentiment, on
    assert pressed == 6
    assert page.locator("#count").text_content() == "1 of 3 labelled"
    assert page.locator("h2").text_content() == "Post 2 of 3"
    press(page, "3 u 2 2 5 Enter 1 Enter")  # an insult and an attack on identity
    assert press(page, "3 3 3 0 u Enter") == 6
    assert page.locator("#count").text_content() == "3 of 3 labelled"
    assert page.locator("#message").text_content() == "All posts are labelled. Save the labels to a file."
    assert page.evaluate("document.activeElement.id") == "save"
    path = save(page, folder)
    assert path.name == "labels-ann.csv"
    gold = read_gold(folder)
    order = [one.post for one in read_sample(folder).drawn]
    assert [(one.post, one.coder) for one in gold.labels] == [(post, "ann") for post in order]
    assert [one.stance for one in gold.labels] == [
        ("favor", "against", "none"), ("none", None, "against"), ("none",) * 3,
    ]  # fmt: skip
    assert gold.labels[0].toxicity == gold.labels[2].toxicity == (False,) * 5
    assert gold.labels[1].toxicity == tuple(name in ("toxicity", "insult", "identity_attack") for name in TOXICITY)
    assert [one.sentiment for one in gold.labels] == ["neutral", "negative", None]


def test_arrows_tab_and_space_do_what_single_keys_do(open_form, folder):
    page = open_form(folder / "form-ann.html", accept_downloads=True)
    page.locator("input[name=side0]").first.focus()
    press(page, "Space ArrowDown Tab ArrowDown Tab Space Tab Space Tab Tab Space Tab Tab Tab Tab Tab")
    press(page, "Space Tab")
    page.keyboard.type("1 n u +")  # the note takes letters and digits
    assert page.locator("h2").text_content() == "Post 1 of 3"
    save(page, folder)
    (label,) = read_gold(folder).labels
    assert label.stance == ("against", "against", "favor")
    assert label.toxicity == (True, False, True, False, False)
    assert label.sentiment == "negative"
    assert ",1 n u +\r\n" in (folder / "labels-ann.csv").read_text("utf-8-sig").replace("\n", "\r\n")


def test_single_keys_can_be_turned_off(open_form, folder):
    page = open_form(folder / "form-ann.html")
    page.locator("#keys summary").click()
    page.locator("#shortcuts").uncheck()
    press(page, "1 2 n Enter")
    assert page.locator("fieldset input:checked").count() == 0
    assert page.locator("h2").text_content() == "Post 1 of 3"


def test_keys_with_a_modifier_belong_to_the_browser(open_form, folder):
    page = open_form(folder / "form-ann.html")
    press(page, "Control+1 Alt+2 Control+u")
    assert page.locator("fieldset input:checked").count() == 0


def test_reload_keeps_labels_and_place(open_form, folder):
    page = open_form(folder / "form-ann.html")
    press(page, "1 2 3 3 Enter 2 Enter 3")
    page.locator("#note").fill("odd")
    page.reload()
    assert page.locator("h2").text_content() == "Post 2 of 3"
    assert page.locator("#count").text_content() == "1 of 3 labelled"
    assert page.locator("#unsaved").text_content() == "changes not saved to a file yet"
    assert page.locator("input[name=side0]:checked").get_attribute("value") == "none"
    assert page.locator("#note").input_value() == "odd"
    press(page, "b")
    ticked = page.locator("fieldset input:checked")
    values = [ticked.nth(index).get_attribute("value") for index in range(ticked.count())]
    assert values == ["favor", "against", "none", "toxicity", "threat", "neutral"]
    # Another coder's form on the same machine has labels of its own, and so has another sample.
    page.goto((folder / "form-ben.html").as_uri())
    assert page.locator("#count").text_content() == "0 of 2 labelled"


def test_a_saved_file_is_loaded_again(open_form, folder, tmp_path):
    page = open_form(folder / "form-ann.html", accept_downloads=True)
    press(page, "1 2 3 0 2 Enter 2 u 1 4 Enter 3 Enter")
    page.locator("#back").click()
    page.locator("#note").fill('=a "b", c\nd')
    first = save(page, folder).read_bytes()
    other = open_form(folder / "form-ann.html", accept_downloads=True)
    other.on("filechooser", lambda chooser: None)  # else Playwright may begin to listen after the key is pressed
    focus_button(other, "Load a saved file")
    with other.expect_file_chooser() as chooser:
        other.keyboard.press("Enter")
    chooser.value.set_files(folder / "labels-ann.csv")
    other.locator("#message:has-text('Labels of 2 posts read from labels-ann.csv.')").wait_for()
    assert other.locator("h2").text_content() == "Post 3 of 3"
    press(other, "b")
    assert other.locator("#note").input_value() == '=a "b", c\nd'
    (tmp_path / "again").mkdir()
    assert save(other, tmp_path / "again").read_bytes() == first


def test_a_file_of_another_sample_is_told_apart(open_form, folder, tmp_path):
    page = open_form(folder / "form-ben.html")
    for text, said in (
        ("a,b\n1,2\n", "x.csv is no file of labels: it has no columns thread and post."),
        ("", "x.csv is no file of labels"),
        (
            "thread;post;sentiment\nold;0;neutral\n",
            "Labels of 0 posts read from x.csv. 1 rows are of posts that are not",
        ),
        ("thread;post;sentiment\ntalk;0;fine\ntalk;1;\n", "1 rows hold words that are no labels"),
    ):
        (tmp_path / "x.csv").write_text(text, "utf-8-sig")
        page.locator("#file").set_input_files(tmp_path / "x.csv")
        page.locator(f"#message:has-text('{said}')").wait_for()
    assert page.locator("fieldset input:checked").count() == 0


def test_next_unlabelled_goes_round(open_form, folder):
    page = open_form(folder / "form-ann.html")
    press(page, "n 1 1 1 0 1 b j")
    assert page.locator("h2").text_content() == "Post 3 of 3"
    press(page, "j")
    assert page.locator("h2").text_content() == "Post 1 of 3"
    press(page, "n n n")
    assert "This was the last post. 2 have open questions" in page.locator("#message").text_content()


def test_steps_back_and_changes_of_mind(open_form, folder):
    page = open_form(folder / "form-ann.html")
    press(page, "1 1 Backspace 2 3 1 0 Backspace 2 2 0 1")
    ticked = page.locator("fieldset input:checked")
    values = [ticked.nth(index).get_attribute("value") for index in range(ticked.count())]
    assert values == ["favor", "against", "none", "", "negative"]
    page.locator("label", has_text="leave open").nth(3).click()
    assert page.locator("#toxicity input:checked").get_attribute("value") == "?"
    page.locator("label", has_text="insult").click()
    ticked = page.locator("#toxicity input:checked")
    assert [ticked.nth(index).get_attribute("value") for index in range(ticked.count())] == ["toxicity", "insult"]
    for name in ("insult", "toxicity"):
        page.locator("#toxicity").get_by_label(name).uncheck()
    assert page.locator("#toxicity input:checked").count() == 0  # that none applies has to be said
    assert page.locator("#count").text_content() == "0 of 3 labelled"
    page.locator("#toxicity").get_by_label("none of these").check()
    assert page.locator("#count").text_content() == "1 of 3 labelled"


def test_a_post_is_shown_with_its_quotes_and_folded_parent(open_form, folder):
    page = open_form(folder / "form-ann.html")
    show_post(page, "1")
    assert page.locator("#title").text_content() == "In: A talk"
    assert page.locator("#words .own").text_content() == "Never, you clown."
    quotes = page.locator("#words blockquote")
    assert quotes.all_text_contents() == [
        "Hold the line.Quoted from an earlier post", "OpeningQuoted from the article",
    ]  # fmt: skip
    parent = page.locator("#parent div")
    assert not parent.is_visible()
    press(page, "p")
    assert parent.is_visible()
    assert parent.text_content() == "Hold the line."
    press(page, "n")
    assert not parent.is_visible()


def test_hostile_text_is_text(open_form, folder):
    page = open_form(folder / "form-ann.html", accept_downloads=True)
    show_post(page, "=2")
    assert page.locator("#words .own").evaluate("node => node.textContent") == HOSTILE
    assert page.locator("legend").nth(1).text_content() == f"Toward {SIDES[1].name}"
    press(page, "1 1 1 0 1")
    path = save(page, folder)
    assert ",'=2," in path.read_text("utf-8-sig")
    assert [one.post for one in read_gold(folder).labels] == ["=2"]


def test_the_data_cannot_break_out_of_its_element(drawn):
    text = (drawn / "form-ann.html").read_text("utf-8")
    inside = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert not set("<>&\u2028") & set(inside)
    assert any(post["passages"][0][0] == HOSTILE for post in json.loads(inside)["posts"])
    assert len(lxml_html.fromstring(text).xpath("//script")) == 2


def test_the_form_holds_nothing_that_the_tagger_said_nor_names(drawn):
    text = (drawn / "form-ann.html").read_text("utf-8").partition("<body>")[2]
    assert not [secret for secret in ("Secret Name", "987654", "probab", "stratum") if secret in text]
    posts = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])["posts"]
    assert {key for post in posts for key in post} == {"thread", "post", "title", "passages", "parent"}


def test_a_browser_that_keeps_nothing_is_told_of(open_form, folder):
    broken = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no storage'); }});"
    page = open_form(folder / "form-ann.html", before=broken, accept_downloads=True)
    assert "This browser does not keep your labels" in page.locator("#warning").text_content()
    press(page, "1 1 1 0 1 Enter")
    save(page, folder)
    assert len(read_gold(folder).labels) == 1


def test_two_tabs_of_one_form_do_not_overwrite_each_other(open_form, folder):
    page = open_form(folder / "form-ann.html")
    other = page.context.new_page()
    other.goto(page.url)
    press(other, "1 1 1 0 1 Enter")
    page.locator("#count:text-is('1 of 3 labelled')").wait_for()
    press(page, "2")
    other.reload()
    assert other.locator("#count").text_content() == "1 of 3 labelled"


def test_without_javascript_the_sheet_is_named(open_form, folder):
    page = open_form(folder / "form-ann.html", java_script_enabled=False)
    assert page.locator("noscript p").is_visible()
    assert "Fill in sample-ann.csv instead." in page.locator("noscript p").text_content()
    assert not page.locator("main").is_visible()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_form, folder, width, scheme):
    sync_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_form(folder / "form-ann.html", viewport={"width": width, "height": 800}, color_scheme=scheme)
    show_post(page, "1")
    press(page, "1 2 p 3 2")
    for details in ("keys", "codebook"):
        page.locator(f"#{details}").evaluate("node => { node.open = true; }")
    found = sync_playwright.Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_codebook_is_shown_as_text():
    found = render_codebook("# A\n\n## Rules & <b>\nBe **kind**.\n\n- one\n- <i>two</i>\r\n\r\nEnd\nof it")
    assert found == (
        "<h3>A</h3>\n<h3>Rules &amp; &lt;b&gt;</h3>\n<p>Be <b>kind</b>.</p>\n"
        "<ul><li>one</li><li>&lt;i&gt;two&lt;/i&gt;</li></ul>\n<p>End<br>of it</p>"
    )
