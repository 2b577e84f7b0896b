"""Comment HTML becomes text with its paragraphs, and quote boxes of every platform become stretches of it."""

import pytest

from stance.read.markup import MarkedQuote, link_quotes, read_markup, read_name
from stance.records import Post, Quote, Reply


@pytest.mark.parametrize(
    ("fragment", "body"),
    [
        ("<p>Hi <b>there</b>,<br>you</p>\n<p>Two &amp; three</p>", "Hi there,\nyou\n\nTwo & three"),
        ("<div>a</div><div>b</div>", "a\nb"),
        ("a<br><br><br>b", "a\n\nb"),
        ("<ul><li>a</li><li>b</li></ul>c", "a\nb\n\nc"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
        ("<pre>a\n  b</pre>c", "a\n  b\n\nc"),
        ("a\n b\xa0 c", "a b c"),
        ("x &lt;b&gt; y", "x <b> y"),
        ("x &lt;b&gt; <i>y</i>", "x <b> y"),
        ("a<script>x()</script><style>p{}</style><template>t</template><noscript>n</noscript>b", "ab"),
        ('a<span hidden>x</span><div style="display: none">y</div>b', "ab"),
        (
            'good <img alt=":-)"> <img class="emoji" alt="🙂"> <img alt="photo.jpg"><img alt=":mad:">',
            "good :-) 🙂",
        ),
        ("<p>never closed<p>nor this", "never closed\n\nnor this"),
        ("a\0b<i>\ud800</i>", "ab\ufffd"),
        ("", ""),
    ],
)
def test_body(fragment, body):
    assert read_markup(fragment).body == body


def test_keep_lines():
    assert read_markup("a\n\nb\nc <br />\nd<p>e</p>\n\nf", keep_lines=True).body == "a\n\nb\nc\nd\n\ne\n\nf"
    assert read_markup("a\r\n\r\nb\nc", keep_lines=True).body == "a\n\nb\nc"


XENFORO = (
    '<blockquote class="bbCodeBlock bbCodeBlock--quote" data-quote="Bob" data-source="post: 12">'
    '<div class="bbCodeBlock-title"><a href="/goto/post?id=12">Bob hat gesagt.:</a></div>'
    '<div class="bbCodeBlock-content">one <blockquote>two</blockquote>'
    '</div><div class="bbCodeBlock-expandLink"><a>Zum Vergrößern anklicken</a></div></blockquote>own'
)
VBULLETIN_3 = (
    '<div style="margin:20px"><div class="smallfont">Quote:</div><table><tr><td class="alt2"><div>Originally Posted by '
    '<strong>Al B</strong> <a href="showthread.php?p=99#post99"><img alt="View Post"></a></div><div>one</div></td></tr>'
    "</table></div>own"
)
CODE_BOX = '<div><div class="smallfont">Code:</div><pre class="alt2">x = 1</pre></div>own'
DISCOURSE = (
    '<aside class="quote" data-username="ann" data-post="3" data-topic="77"><div class="title">ann:</div><blockquote>'
    "<p>one</p></blockquote></aside><p>own</p>"
)
SMF = (
    '<div class="quoteheader"><a href="index.php?topic=1.msg55#msg55">Quote from: Zed on May 1</a></div>'
    '<blockquote class="bbc_standard_quote">one</blockquote><div class="quotefooter"></div>own'
)
PHPBB = (
    '<blockquote><div><cite><a href="./memberlist.php?u=2">Kim</a> sanoi: <a href="./viewtopic.php?p=31#p31">↑</a>'
    "</cite>one</div></blockquote>own"
)
VBULLETIN_4 = (
    '<div class="bbcode_container"><div class="bbcode_quote"><div class="bbcode_postedby">Originally Posted by <strong>'
    'Ray</strong> <a href="showthread.php?p=12#post12"></a></div><div class="message">one</div></div></div>own'
)
IPBOARD = (
    '<blockquote class="ipsQuote" data-ipsquote-username="Pia" data-ipsquote-contentcommentid="7">one</blockquote>own'
)


@pytest.mark.parametrize(
    ("fragment", "words", "ref", "author"),
    [
        (XENFORO, "Bob hat gesagt.:\none\n\ntwo", "12", "Bob"),
        (VBULLETIN_3, "Quote:\n\nOriginally Posted by Al B\none", "99", None),
        (DISCOURSE, "ann:\n\none", "3", "ann"),
        (SMF, "Quote from: Zed on May 1\n\none", "55", "Zed"),
        (PHPBB, "Kim sanoi: ↑\none", "31", "Kim"),
        (VBULLETIN_4, "Originally Posted by Ray\none", "12", "Ray"),
        (IPBOARD, "one", "7", "Pia"),
        ("<blockquote>one</blockquote>own", "one", None, None),
        ("<blockquote><p>Kim wrote:</p><p>one</p></blockquote>own", "Kim wrote:\n\none", None, "Kim"),
    ],
)
def test_quote_box(fragment, words, ref, author):
    marked = read_markup(fragment)
    (quote,) = marked.quotes
    assert marked.body == f"{words}\n\nown"
    assert (marked.body[quote.start : quote.end], quote.ref, quote.author) == (words, ref, author)


def test_two_boxes_stay_two_and_an_empty_one_is_none():
    marked = read_markup("<blockquote>a</blockquote><blockquote>b</blockquote><blockquote> </blockquote>c")
    assert [marked.body[quote.start : quote.end] for quote in marked.quotes] == ["a", "b"]


def test_a_code_box_is_no_quote():
    assert read_markup(CODE_BOX).quotes == ()


def test_topic_of_a_quote():
    assert read_markup(DISCOURSE).quotes[0].topic == "77"


def test_deep_nesting():
    marked = read_markup("<blockquote>x" * 100_000)
    assert marked.body.count("x") == 100_000
    assert [(quote.start, quote.end) for quote in marked.quotes] == [(0, len(marked.body))]


def test_read_name():
    assert read_name(" Ann\u200b \n Lee\u202e ") == "Ann Lee"
    assert read_name("\u200b") is None
    assert read_name(None) is None


def test_link_quotes():
    posts = [Post("5", "one"), Post("6", "one\n\ntwo"), Post("7", "one\n\nthree", replies=(Reply(1, "nesting"),))]
    marked = [(), (MarkedQuote(0, 3, "5"),), (MarkedQuote(0, 3, "5"),)]
    first, second, third = link_quotes(posts, marked, {"5": 0, "6": 1, "7": 2})
    assert first == posts[0]
    assert second.quotes == (Quote(0, 3, 0, "markup"),)
    assert second.replies == (Reply(0, "quote", 0.95),)
    assert third.quotes == (Quote(0, 3, 0, "markup"),)
    assert third.replies == (Reply(1, "nesting"),)


@pytest.mark.parametrize(
    "quote", [MarkedQuote(0, 3, "9"), MarkedQuote(0, 3, "6"), MarkedQuote(0, 3, "5", None, "other")]
)
def test_a_quote_from_elsewhere_has_no_source(quote):
    posts = [Post("5", "one"), Post("6", "one\n\ntwo")]
    linked = link_quotes(posts, [(), (quote,)], {"5": 0, "6": 1}, "this")
    assert linked[1].quotes == (Quote(0, 3, None, "markup"),)
    assert linked[1].replies == ()


def test_two_posts_that_quote_each_other_do_not_answer_in_a_circle():
    posts = [Post("1", "a\n\nmine"), Post("2", "b\n\nmine")]
    marked = [[MarkedQuote(0, 1, "2", None)], [MarkedQuote(0, 1, "1", None)]]
    linked = link_quotes(posts, marked, {"1": 0, "2": 1})
    assert [post.quotes[0].source for post in linked] == [1, 0]
    assert sorted(len(post.replies) for post in linked) == [0, 1]
