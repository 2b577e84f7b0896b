"""A report holds what the table says, shows hostile text as text, and opens with nothing but itself."""

import hashlib
import html
import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree
from lxml import html as lxml_html

from stance.records import SENTIMENTS, STANCES, Judgement, Post, Quote, Reply, Side, StanceError, Tag, Thread
from stance.report import write_index, write_report
from stance.table import Manifest, build_table, read_manifest, read_table

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'></script><!--${{7*7}}{% x %}javascript:alert(3)"
SIDES = (Side("North", "pro-North", "the North"), Side("South", "pro-South", "the South"))
ERRORS = {
    "dev": {"stance_macro_f1": {"value": 0.81, "low": 0.78, "high": 0.84, "n": 348}},
    "other": {"auc": 0.9, "confusion": [[1, 2]], "note": "x"},
}
MANIFEST = Manifest("minilm", "ab" * 32, "north-south", SIDES, "0.1.0", (0.5, 0.5, 0.4, 0.5, 0.5), 0.45, ERRORS)


def make_judgement(label, labels):
    """Sure of the label, or of none of them."""
    if label is None:
        return Judgement(None, (0.36, 0.34, 0.3))
    return Judgement(label, tuple(0.8 if name == label else 0.1 for name in labels))


def make_tag(north, south, sentiment="neutral", toxicity=0.1, words=5):
    stance = (make_judgement(north, STANCES), make_judgement(south, STANCES))
    return Tag(words, stance, (toxicity, 0.1, 0.1, 0.1, 0.1), make_judgement(sentiment, SENTIMENTS))


THREAD = Thread(
    id="talk",
    source="threads/talk.txt",
    sha256="cd" * 32,
    title="A talk",
    article="Opening words.",
    blurb=None,
    posts=(
        Post("0", "Hold the line.", "1", "Ann", datetime(2020, 11, 10, 12, 30, tzinfo=UTC)),
        Post("1", "Hold the line.\n\nNever, you clown.", "3", quotes=(Quote(0, 14, 0, "exact"),),
             replies=(Reply(0, "quote"),)),
        Post("2", "Opening\n\nelsewhere\n\nA fact.", "4", "Bo", None,
             (Quote(0, 7, "article", "close"), Quote(9, 18, None, "markup"))),
        Post("3", "Hold the line.", "5", None, None, (Quote(0, 14, 0, "exact"),)),
        Post("4", "Perhaps a zebra.", None, "Ann"),
    ),
    gaps=("2",),
    warnings=("read as latin-1",),
)  # fmt: skip
TAGS = [
    make_tag("favor", "none", "positive"),
    make_tag("against", "favor", "negative", 0.9),
    make_tag("none", "none"),
    Tag(0, (Judgement(None, (0.2, 0.2, 0.6)),) * 2, (0.1,) * 5, Judgement(None, (0.1, 0.8, 0.1))),
    make_tag(None, "against"),
]


def make_table(thread=THREAD, tags=None, article_tag=TAGS[2], manifest=MANIFEST):
    return build_table(thread, TAGS if tags is None else tags, article_tag, manifest)


def read_page(path):
    return lxml_html.fromstring(path.read_text("utf-8"))


def text_of(element):
    return " ".join(element.text_content().split())


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(make_table(), tmp_path_factory.mktemp("reports") / "talk")


@pytest.fixture(scope="module")
def page(report):
    return read_page(report)


def test_folder_holds_page_tables_and_figures(report):
    names = {path.relative_to(report.parent).as_posix() for path in report.parent.rglob("*") if path.is_file()}
    drawn = ("stance", "thread", "crossing", "replies", "network")
    figures = {f"figures/{name}.{ending}" for name in drawn for ending in ("svg", "png", "csv")}
    files = {"index.html", "summary.md", "tags.parquet", "tags.csv", "tags.jsonl", "network.gexf", "network.graphml"}
    assert names == files | figures | {"figures/tone.csv"}
    assert read_manifest(read_table(report.parent / "tags.parquet")).thread_id == "talk"


def test_same_table_gives_the_same_report(report, tmp_path):
    again = write_report(make_table(), tmp_path)
    for path in report.parent.rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (again.parent / path.relative_to(report.parent)).read_bytes(), path.name


def test_header_counts_what_was_read(page):
    counts = {text_of(one.find("dt")): text_of(one.find("dd")) for one in page.xpath("//dl[@class='counts']/div")}
    assert counts == {
        "posts": "5",
        "named authors": "2",
        "posts of unknown authors": "2",
        "posts judged": "4",
        "words judged": "20",
        "posts tagged toxic": "1",
    }
    header = text_of(page.find(".//header"))
    assert "Missing from the source: number 2." in header
    assert "read as latin-1" in header


def test_shares_are_marked_as_predicted(page):
    assert "Not validated: predicted shares" in text_of(page)
    rows = [[text_of(cell) for cell in row] for row in page.xpath("//figure[@id='figure-stance']//tbody/tr")]
    assert rows[0] == ["North", "favor", "1", "4", "0.250", "0.046", "0.699", "", "", "predicted, not validated", "0"]
    assert rows[3] == ["North", "abstained", "1", "4", "0.250", "", "", "", "", "count of the tagger's", ""]
    assert [row[2] for row in rows[:4]] == ["1", "1", "1", "1"]
    assert [row[2] for row in rows[4:]] == ["1", "1", "2"]
    assert "stance gold draw" in text_of(page)


def test_figures_tell_their_numbers(page):
    drawings = page.xpath("//figure//*[local-name()='svg']")
    assert len(drawings) == 10  # five, wide and narrow
    for drawing in drawings:
        assert drawing.get("role") == "img"
        for name in drawing.get("aria-labelledby").split():
            assert text_of(page.get_element_by_id(name))
    assert "favor 1, 25% (5 to 70)" in text_of(page.get_element_by_id("stance-wide-desc"))


def test_ids_are_unique_and_links_find_them(page):
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.xpath("//a/@href") if link.startswith("#")} <= set(ids)
    markup = etree.tostring(page, encoding="unicode")
    assert set(re.findall(r"url\(#([^)]+)\)", markup)) <= set(ids)
    assert {link[1:] for link in page.xpath("//*[local-name()='use']/@href")} <= set(ids)


def test_quotes_are_apart_and_linked_to_their_source(page):
    reply = page.get_element_by_id("p1")
    assert text_of(reply.xpath(".//blockquote")[0]) == "Hold the line.quoted from No. 1"
    assert reply.xpath(".//blockquote//a/@href") == ["#p0"]
    assert [text_of(own) for own in reply.xpath(".//p[@class='own']")] == ["Never, you clown."]
    assert "answers No. 1 (known by what it quotes)" in text_of(reply)
    third = page.get_element_by_id("p2")
    assert third.xpath(".//blockquote//a/@href") == ["#article"]
    assert "quoted from outside the thread" in text_of(third)
    assert "No words of its own: not judged." in text_of(page.get_element_by_id("p3"))
    assert text_of(page.get_element_by_id("p4").find(".//h3")) == "Post 5 Ann"


def test_unknown_authors_are_never_one_person(page):
    authors = page.get_element_by_id("authors")
    assert [text_of(name) for name in authors.xpath(".//tbody//bdi")] == ["Ann", "Bo"]
    assert "2 of 5 posts show no author" in text_of(authors)


def test_queue_starts_with_the_toxic_post(page):
    first, *rest = page.xpath("//ol[@class='queue']/li")
    assert not rest
    assert "No. 3, unknown author toxicity .90" in text_of(first)
    assert text_of(first.xpath(".//p[@class='excerpt']")[0]) == "Never, you clown."


def test_the_words_that_make_a_post_toxic_are_marked(tmp_path):
    toxic = replace(TAGS[1], evidence=((11, 16),), mention=0.2)
    told = replace(TAGS[1], evidence=((0, 1), (2, 6)), mention=0.9)
    calm = replace(TAGS[0], toxicity=(0.01,) * 5, mention=0.9)  # nothing hostile in it that could be reported
    write_report(make_table(tags=[calm, toxic, told, *TAGS[3:]]), tmp_path)
    page = lxml_html.fromstring((tmp_path / "index.html").read_text(encoding="utf-8"))
    marks = {post.get("id"): [mark.text for mark in post.findall(".//mark")] for post in page.findall(".//article")}
    assert marks["p1"] == ["clown"]
    assert marks["p2"] == ["A", "fact"]
    assert marks["p0"] == []
    (post,) = [post for post in page.findall(".//article") if "reported or condemned" in post.text_content()]
    assert post.get("id") == "p2"
    assert "A fact." in post.text_content()


def test_known_error_is_printed(page):
    rows = [[text_of(cell) for cell in row] for row in page.xpath("//section[@id='made']//div/table/tbody/tr")]
    assert rows == [["dev", "stance macro f1", "0.810", "0.780 to 0.840", "348"], ["other", "auc", "0.900", "", ""]]


def test_hostile_text_stays_text(tmp_path):
    posts = (
        Post("0", HOSTILE, HOSTILE, HOSTILE),
        Post(
            "1",
            HOSTILE + "\n\n" + HOSTILE,
            None,
            "=" + HOSTILE,
            None,
            (Quote(0, len(HOSTILE), 0, "exact"),),
            (Reply(0, "markup"),),
        ),
    )
    sides = (Side(HOSTILE + " $\\frac{1}{$ \x07", HOSTILE, "x"), SIDES[1])
    manifest = replace(
        MANIFEST, tagger=HOSTILE, topic=HOSTILE, sides=sides, version=HOSTILE, errors={HOSTILE: {HOSTILE: 1}}
    )
    thread = Thread(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, posts, (HOSTILE,), (HOSTILE, "\ud800"))
    table = build_table(thread, TAGS[:2], TAGS[2], manifest)
    path = write_report(table, tmp_path / "talk")
    index = write_index([(table, tmp_path / "talk")], [(HOSTILE, HOSTILE)], tmp_path)
    for written in (path, index):
        page = read_page(written)
        assert len(page.xpath("//script")) == (written == path)
        assert not page.xpath("//img | //iframe | //object | //embed | //base")
        assert not page.xpath("//@*[starts-with(name(), 'on')]")
        assert not [link for link in page.xpath("//@href") if re.match(r"\s*javascript:", link, re.IGNORECASE)]
        assert html.escape("<script>alert(1)</script>") in written.read_text("utf-8")
        assert "49" not in text_of(page.find(".//h1"))
    for figure in (tmp_path / "talk" / "figures").glob("*.svg"):
        names = {etree.QName(one).localname for one in etree.parse(figure).getroot().iter() if isinstance(one.tag, str)}
        assert not names & {"script", "img", "foreignObject", "image"}


def test_nothing_comes_from_elsewhere(report):
    page, written = read_page(report), report.read_text("utf-8")
    links = page.xpath("//link/@href | //script/@src | //img/@src | //@srcset")
    assert links == ["data:,"]
    assert not re.search(r"url\((?!#)|@import", written)
    assert not [link for link in page.xpath("//a/@href") if re.match(r"\w+:|//", link)]
    policy = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")[0]
    digest = b64encode(hashlib.sha256(page.find(".//script").text.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "innerHTML" not in written


def test_article_alone_says_so(tmp_path):
    path = write_report(make_table(replace(THREAD, posts=(), gaps=()), []), tmp_path / "talk")
    page = read_page(path)
    assert "No comments were found in this file." in text_of(page)
    assert not page.xpath("//figure | //form | //script | //*[@id='posts']")
    assert len(page.xpath("//section[@id='article']//div[@class='tags']//tr")) == 2
    assert not (path.parent / "figures").exists()


def test_no_post_with_own_words(tmp_path):
    thread = replace(THREAD, posts=THREAD.posts[3:4], article=None)
    page = read_page(write_report(make_table(thread, TAGS[3:4], None), tmp_path))
    assert "No post could be judged" in text_of(page)
    assert not page.xpath("//figure | //*[@id='article']")


@pytest.mark.parametrize("label", ["none", None])
def test_thread_without_any_stance(tmp_path, label):
    page = read_page(write_report(make_table(tags=[make_tag(label, label)] * 5), tmp_path))
    told = "none 5, 100% (57 to 100)" if label else "abstained 5"
    assert told in text_of(page.get_element_by_id("stance-wide-desc"))
    assert "No post reaches the threshold" in text_of(page.get_element_by_id("queue"))


def test_topic_without_sides(tmp_path):
    tags = [replace(tag, stance=()) for tag in TAGS]
    table = make_table(tags=tags, article_tag=tags[2], manifest=replace(MANIFEST, sides=()))
    page = read_page(write_report(table, tmp_path))
    assert [figure.get("id") for figure in page.xpath("//figure")] == ["figure-thread", "figure-network"]


def test_untagged_posts_are_shown(tmp_path):
    page = read_page(write_report(make_table(tags=[*TAGS[:4], None]), tmp_path))
    assert "Not tagged." in text_of(page.get_element_by_id("p4"))


def drop_heads(tag, *heads):
    """The tag of a tagger that judges the other heads only."""
    nothing = Judgement(None, (float("nan"),) * 3)
    dropped = {"stance": (nothing,) * len(tag.stance), "toxicity": (float("nan"),) * 5, "sentiment": nothing}
    return replace(tag, **{head: dropped[head] for head in heads})


@pytest.mark.parametrize(
    ("missing", "figures", "copies"),
    [
        (("stance",), ["thread"], 1),
        (("stance",), ["thread"], 25),  # drawn in stretches
        (("toxicity",), ["stance", "thread"], 1),
        (("toxicity",), ["stance", "thread"], 25),
        (("sentiment",), ["stance", "thread"], 1),
        (("stance", "toxicity"), [], 1),
    ],
)
def test_what_is_not_judged_is_said_and_not_counted(tmp_path, missing, figures, copies):
    posts = tuple(replace(post, id=str(number)) for number, post in enumerate(THREAD.posts * copies))
    tags = [drop_heads(tag, *missing) for tag in TAGS * copies]
    table = make_table(replace(THREAD, posts=posts), tags, drop_heads(TAGS[2], *missing))
    page = read_page(write_report(table, tmp_path / "talk"))
    assert f"Not judged by this tagger: {', '.join(missing)}." in text_of(page.find(".//header"))
    drawn = [figure.get("id").removeprefix("figure-") for figure in page.xpath("//figure")]
    assert [name for name in drawn if name not in ("replies", "network")] == figures
    first, whole = text_of(page.get_element_by_id("p0")), text_of(page)
    assert ("Toxicity: not judged" in first) == ("toxicity" in missing)
    assert ("Sentiment: not judged" in first) == ("sentiment" in missing)
    assert ("favor" in first) == ("stance" not in missing)
    counts = {text_of(one.find("dt")): text_of(one.find("dd")) for one in page.xpath("//dl[@class='counts']/div")}
    assert counts["posts tagged toxic"] == ("not judged" if "toxicity" in missing else str(copies))
    if "stance" in missing:
        assert "0 favor" not in whole
        assert "0 / 0" not in whole
    if "toxicity" in missing:
        assert "No post was judged for toxicity." in whole
        assert "toxic 0" not in whole
    index = read_page(write_index([(table, tmp_path / "talk")], [], tmp_path))
    cells = [text_of(cell) for cell in index.xpath("//tbody/tr/td")]
    assert cells.count("–") == 2 * ("stance" in missing) + ("toxicity" in missing)
    assert not [cell for cell in cells if cell.startswith("0%")]


def test_attributes_that_are_not_judged_are_said(tmp_path):
    nan = float("nan")
    tags = [replace(tag, toxicity=(nan, nan, nan, nan, tag.toxicity[0])) for tag in TAGS]
    page = read_page(write_report(make_table(tags=tags), tmp_path))
    assert "Not judged by this tagger: toxicity, insult, threat, obscene." in text_of(page.find(".//header"))
    (first,) = page.xpath("//ol[@class='queue']/li")
    assert "No. 3, unknown author identity attack .90" in text_of(first)


def test_a_post_without_an_answer_is_counted_nowhere(tmp_path):
    tags = [drop_heads(TAGS[0], "stance", "toxicity", "sentiment"), *TAGS[1:]]
    page = read_page(write_report(make_table(tags=tags), tmp_path))
    assert "Not judged: the tagger gave no answer." in text_of(page.get_element_by_id("p0"))
    assert "Not judged by this tagger" not in text_of(page)
    assert "favor 1, 33%" in text_of(page.get_element_by_id("stance-wide-desc"))
    assert "Posts judged: 3." in text_of(page.get_element_by_id("stance-wide-desc"))


def make_long_thread(number):
    words = ("peace", "war", "land", "corridor", "army", "village", "road", "treaty", "line", "border")
    posts = tuple(
        Post(
            str(index), " ".join(words[(index + step) % 10] for step in range(40)), str(index + 1), f"user{index % 300}"
        )
        for index in range(number)
    )
    tags = [
        make_tag(STANCES[index % 3], STANCES[index // 3 % 3], SENTIMENTS[index % 3], index % 17 / 20)
        for index in range(number)
    ]
    return build_table(replace(THREAD, posts=posts), tags, TAGS[2], MANIFEST)


def test_long_thread_stays_small(tmp_path):
    path = write_report(make_long_thread(5000), tmp_path)
    page = read_page(path)
    assert len(page.xpath("//div[@id='posts']/article")) == 5000
    assert path.stat().st_size < 8e6
    rows = page.xpath("//figure[@id='figure-thread']//tbody/tr")
    assert len(rows) == 40
    assert text_of(rows[0][0]) == "1 to 125"
    assert (tmp_path / "figures" / "thread.svg").stat().st_size < 200_000


def test_unwritable_directory_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for write in (lambda place: write_report(make_table(), place), lambda place: write_index([], [], place)):
        with pytest.raises(StanceError, match="cannot be made") as error:
            write(tmp_path / "file" / "talk")
        assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_index_lists_threads_and_failures(tmp_path):
    alone = make_table(replace(THREAD, id="alone", title=None, posts=(), gaps=()), [])
    other = make_table(manifest=replace(MANIFEST, sides=(SIDES[0], Side("East", "pro-East", "East"))))
    reports = [(make_table(), tmp_path / "talk"), (alone, tmp_path / "a b#c"), (other, tmp_path / "other")]
    page = read_page(write_index(reports, [("x.html", "x.html:1: no comments. Pass another file.")], tmp_path))
    assert page.xpath("//tbody//a/@href") == ["./talk/index.html", "./a%20b%23c/index.html", "./other/index.html"]
    head = [text_of(cell) for cell in page.xpath("(//table)[1]/thead//th")]
    assert head == ["thread", "posts", "judged", "North", "South", "East", "toxic"]
    first = text_of(page.xpath("(//table)[1]/tbody/tr")[0])
    assert "25% (5 to 70)" in first
    assert "no comments" in text_of(page.xpath("(//table)[1]/tbody/tr")[1])
    assert "x.html:1: no comments. Pass another file." in text_of(page.get_element_by_id("failures"))
