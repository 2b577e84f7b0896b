"""Where each platform's pages have their posts: one record a platform, the more particular first.

A selector may end in "@name": the attribute of that node instead of its text. "@name" alone is an attribute of the
post's own node, "." the node itself. Selectors name classes without their surroundings where that is enough: each is
run once over the whole page, and what it finds belongs to the innermost post around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """Where a post shows something: the first selector that finds it, and what of the text found counts."""

    selectors: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None  # its first group counts; no match: not shown


def show(*selectors: str, pattern: str | None = None) -> Shown:
    return Shown(selectors, re.compile(pattern, re.DOTALL) if pattern else None)


LAST_NUMBER = r"(\d{1,20})\D*$"
HASH_NUMBER = r"#\s*(\d{1,7})\b"
NOTHING = Shown()
ID_NUMBER = show("@id", pattern=LAST_NUMBER)


@dataclass(frozen=True, slots=True)
class Platform:
    """How to find the posts of one platform's pages and what each shows."""

    name: str  # as --platform takes it
    mark: str  # a page without a node of this selector is none of the platform's
    posts: tuple[str, ...]  # one selector is right for a page: the one that finds the most whole posts
    author: Shown
    body: Shown
    time: Shown = NOTHING
    id: Shown = ID_NUMBER
    number: Shown = NOTHING
    parent: Shown = NOTHING  # id of the post answered; "0" for none
    depth: Shown = NOTHING
    is_nested: bool = True  # a post inside another answers it
    answers_first: bool = False  # what answers no other post answers the first
    follows: tuple[str, ...] = ()  # tags of the nodes after the post's own that belong to it
    keeps_lines: bool = False  # line feeds in the source are line breaks
    skip: str = ""  # inside a body but not of it
    drop: str = ""  # no posts, though they stand among them: pingbacks
    article: tuple[str, ...] = ()  # where the opening text stands
    has_article: bool = True  # else the first post is the opening
    topic: str = ""  # pattern of the thread's id in the page's address, where quotes name threads
    certainty: float = 0.98  # that a page with these marks is read right


WORDPRESS_DROP = "li.pingback, li.trackback, div.pingback, div.trackback, .comment_type_pingback"
WORDPRESS_ARTICLE = (".entry-content", ".post-content", ".entry", ".post-entry", "[itemprop=articleBody]")

PLATFORMS = (
    Platform(
        name="stackexchange",
        mark="[data-questionid], .comment-copy",
        posts=(".question, .answer, li.comment[data-comment-id]",),
        author=show(".owner .user-details a", ".user-details[itemprop=author] a", ".user-details[itemprop=author]",
                    ".comment-user", ".user-details a"),
        body=show(".js-post-body", ".comment-copy", ".post-text"),
        time=show(".owner .relativetime@title", ".comment-date span@title", ".user-action-time .relativetime@title",
                  "time@datetime", pattern=r"([\d :T-]{10,}Z?)"),
        id=show("@data-comment-id", "@data-answerid", "@data-questionid", "@id"),
        answers_first=True,
        has_article=False,
    ),
    Platform(
        name="shreddit",
        mark="shreddit-comment",
        posts=("shreddit-comment",),
        author=show("@author"),
        body=show("[slot=comment]", "[id$=-comment-rtjson-content]", ".md"),
        time=show("time@datetime", "faceplate-timeago@ts", "@created"),
        id=show("@thingid", pattern=r"t1_(\w+)"),
        parent=show("@parentid", pattern=r"t1_(\w+)"),
        depth=show("@depth"),
        article=("shreddit-post [slot=text-body]",),
    ),
    Platform(
        name="reddit-2020",
        mark="[data-test-id=comment], .Comment[class*=t1_]",
        posts=("div[id^=t1_]", ".Comment"),
        author=show("a[href^=\"/user/\"]", "a[href*=\"reddit.com/user/\"]"),
        body=show("[data-test-id=comment]", ".RichTextJSON-root"),
        id=show("@id", "@class", pattern=r"t1_(\w+)"),
        depth=show("@style", "[style*=padding-left]@style", pattern=r"padding-left:\s*(\d+)px"),
        article=("[data-test-id=post-content] .RichTextJSON-root", "[data-click-id=text] .md"),
    ),
    Platform(
        name="reddit-old",
        mark=".usertext-body",
        posts=(".thing.comment",),
        author=show("@data-author", "a.author", ".tagline em"),
        body=show(".usertext-body .md", ".usertext-body"),
        time=show(".tagline time@datetime"),
        id=show("@data-fullname", "@id", pattern=r"t1_(\w+)"),
        article=(".thing.link .usertext-body .md",),
    ),
    Platform(
        name="hackernews",
        mark=".commtext, .athing",
        posts=("tr.comtr", "tr.athing"),
        author=show("a.hnuser"),
        body=show(".commtext", ".comment"),
        time=show(".age@title", pattern=r"(\S+)"),
        id=show("@id"),
        depth=show("td.ind@indent", "td.ind img@width"),
        is_nested=False,
        skip=".reply",
        article=(".toptext",),
    ),
    Platform(
        name="lemmy",
        mark=".person-listing",
        posts=("li.comment", ".comment-node", "article[id^=comment-]"),
        author=show(".person-listing"),
        body=show(".comment-content .md-div", ".comment-content", ".md-div"),
        time=show("time@datetime", ".moment-time@data-tippy-content"),
        id=show("@id", "article[id^=comment-]@id", "[id^=comment-]@id", pattern=LAST_NUMBER),
        article=("#postContent", ".post-listing .md-div"),
    ),
    Platform(
        name="discourse",
        mark=".crawler-post, .crawler-post-meta",
        posts=(".crawler-post", "[itemprop=comment]"),
        author=show(".creator [itemprop=name]", ".creator a", ".creator"),
        body=show("[itemprop=text]", "[itemprop=articleBody]", ".post"),
        time=show("time.post-time@datetime", "time@datetime"),
        id=show("@id", pattern=r"post_(\d+)"),
        number=show("[itemprop=position]", pattern=r"(\d+)"),
        is_nested=False,
        has_article=False,
        topic=r"/t/(?:[^/?#]+/)?(\d+)",
    ),
    Platform(
        name="xenforo",
        mark=".bbWrapper",
        posts=("article.message--post", "article.message[data-author]"),
        author=show("@data-author", ".message-name .username", ".message-name"),
        body=show(".message-body .bbWrapper", ".bbWrapper"),
        time=show(".message-attribution time@datetime", "time@datetime"),
        id=show("@data-content", "@id", pattern=r"post-(\d+)"),
        number=show(".message-attribution-opposite a", ".message-attribution-opposite", pattern=HASH_NUMBER),
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="xenforo-1",
        mark=".messageText",
        posts=("li.message[data-author]", "li.message"),
        author=show("@data-author", "a.username"),
        body=show(".messageText",),
        time=show(".DateTime@data-time", ".DateTime@title", ".DateTime"),
        number=show(".postNumber", pattern=r"(\d+)"),
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="vbulletin-4",
        mark=".postcontent, .postbit",
        posts=("li[id^=post_]", "li.postbit, li.postbitlegacy, li.postcontainer"),
        author=show(".username_container a.username", ".username_container .username", "a.username", ".username"),
        body=show(".postcontent", "[id^=post_message]"),
        time=show(".postdate .date", ".date"),
        number=show("a.postcounter", pattern=r"(\d+)"),
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="vbulletin-3",
        mark="[id^=post_message_]",
        posts=("table[id^=post]", "div[id^=edit]"),
        author=show("a.bigusername", "[id^=postmenu_]"),
        body=show("[id^=post_message_]",),
        time=show(".thead", "td.alt2 .smallfont", pattern=r"(?s)^\W*(.{6,60}?\d{1,2}:\d\d(?:\s*[AP]M)?)"),
        number=show("a[id^=postcount]", pattern=r"(\d+)"),
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="phpbb",
        mark=".postbody",
        posts=("div.post", ".post", "article.post"),
        author=show(".author a.username", ".author a.username-coloured", ".author .username",
                    ".author .username-coloured", ".author strong", ".postprofile .username",
                    ".postprofile .username-coloured", ".author"),
        body=show(".content", ".postbody"),
        time=show(".author time@datetime", ".author", pattern=r"(?:»\s*|^)(\d[^»]*|\w{3}\s[^»]*)$"),
        skip=".author, .signature, .notice, h3, .profile-icons, .post-buttons",
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="ipboard",
        mark=".ipsComment, [data-role=commentContent]",
        posts=("article.ipsComment", "[id^=elComment_]", ".ipsComment"),
        author=show(".cAuthorPane_author a", ".cAuthorPane_author", ".ipsComment_author a", ".ipsComment_author"),
        body=show("[data-role=commentContent]", ".cPost_contentWrap"),
        time=show("time@datetime"),
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="ipboard-3",
        mark=".post_block",
        posts=(".post_block",),
        author=show("[itemprop=\"creator name\"]", ".author"),
        body=show(".entry-content", ".post"),
        time=show("abbr.published@title", ".published"),
        number=show("a[itemprop=replyToUrl]", ".post_id a", pattern=HASH_NUMBER),
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="smf",
        mark=".post_wrapper",
        posts=(".post_wrapper",),
        author=show(".poster h4 a[href*=profile]", ".poster h4 a", ".poster h4", "h4 a"),
        body=show(".inner", ".post"),
        time=show(".keyinfo .smalltext", ".postinfo .smalltext", ".smalltext",
                  pattern=r"(?:on:|\bon\b|:)\s+(?!\d\d\b)(.+?)\s*(?:»|$)"),
        id=show(".inner@id", ".inner@data-msgid", pattern=LAST_NUMBER),
        number=show(".keyinfo .smalltext", ".page_number", pattern=r"#\s?(\d+)"),
        is_nested=False,
        has_article=False,
    ),
    Platform(
        name="disqus-plugin",
        mark="[id^=dsq-comment]",
        posts=("li[id^=dsq-comment-]", "#dsq-comments li"),
        author=show("[id^=dsq-author-user-]", "cite[id^=dsq-cite-]", "cite"),
        body=show(".dsq-comment-message", ".dsq-comment-body"),
        drop=WORDPRESS_DROP,
        article=WORDPRESS_ARTICLE,
    ),
    Platform(
        name="disqus-noscript",
        mark=".d-noscript-comments",
        posts=(".d-noscript-comments .comment",),
        author=show(".comment-author"),
        body=show(".comment-body"),
        id=NOTHING,
        is_nested=False,
        keeps_lines=True,
    ),
    Platform(
        name="disqus-frame",
        mark=".post-message",
        posts=("li.post", ".post[id^=post-]"),
        author=show(".author a", ".author", "[data-username]"),
        body=show(".post-message", ".post-body"),
        time=show("a.time-ago@title", ".time-ago@title"),
        parent=show("a.parent-link@href", pattern=LAST_NUMBER),
        has_article=False,
    ),
    Platform(
        name="wpdiscuz",
        mark=".wpd-comment-text",
        posts=("[id^=wpd-comm-]", ".wpd-comment"),
        author=show(".wpd-comment-author"),
        body=show(".wpd-comment-text"),
        time=show(".wpd-comment-date@title", ".wpd-comment-date"),
        id=show("@id", pattern=r"comm-(\d+)"),
        parent=show("@id", pattern=r"comm-\d+_(\d+)"),
        depth=show("@class", pattern=r"wpd_comment_level-(\d+)"),
        article=WORDPRESS_ARTICLE,
    ),
    Platform(
        name="wpdiscuz-5",
        mark=".wc-comment-text",
        posts=("[id^=wc-comm-]", ".wc-comment"),
        author=show(".wc-comment-author"),
        body=show(".wc-comment-text"),
        time=show(".wc-comment-date@title", ".wc-comment-date"),
        id=show("@id", pattern=r"comm-(\d+)"),
        parent=show("@id", pattern=r"comm-\d+_(\d+)"),
        depth=show("@class", pattern=r"wc_comment_level-(\d+)"),
        article=WORDPRESS_ARTICLE,
    ),
    Platform(
        name="blogger",
        mark=".comment-block, .comment-thread",
        posts=("li.comment[id]", "li.comment"),
        author=show("cite.user", ".comment-header cite"),
        body=show(".comment-content"),
        time=show(".datetime a@href", ".datetime a", ".datetime"),
        id=show("@id"),
        article=(".post-body",),
    ),
    Platform(
        name="blogger-old",
        mark=".comment-timestamp, #comments-block",
        posts=("dt.comment-author", "#comments-block dt"),
        author=show("dt a[href][rel]", ".", pattern=r"^(.+?)(?:\s(?:said|says|sagte?|hat gesagt|a dit|dijo|disse|dice"
                    r"|ha detto|a écrit|escribió|wrote|пишет|комментирует|dedi ki|powiedział\S*))?\s*(?:\.{3}|…|:)?$"),
        body=show("dd.comment-body", "dd"),
        time=show(".comment-timestamp a@href", ".comment-timestamp"),
        id=show("@id", "a[name]@name"),
        follows=("dd",),
        is_nested=False,
        article=(".post-body",),
    ),
    Platform(
        name="movabletype",
        mark=".byline, .commenter-name, .vcard.author",
        posts=("div.comment", ".comment", "li.comment"),
        author=show(".byline .vcard.author", ".byline .author", ".byline .fn", ".commenter-name", "p.author .vcard",
                    ".vcard.author", ".byline"),
        body=show(".comment-content", ".comment-body"),
        time=show("abbr.published@title", "time@datetime", ".published"),
        parent=show(".byline a[href*=\"#comment-\"]@href", pattern=r"#comment-(\d+)"),
        depth=show("@class", pattern=r"\bdepth-(\d+)"),
        article=(".asset-body", ".asset-content", ".entry-body"),
    ),
    Platform(
        name="typepad",
        mark=".comment-footer, .comment-header",
        posts=("div.comment", ".comment"),
        author=show(".comment-footer", ".comment-header",
                    pattern=r"^\s*(?:Posted by:?|Verfasst von:?|Geschrieben von:?|Rédigé par\s*:?|Publicado por:?"
                    r"|Scritto da:?)?\s*(.+?)\s*(?:\||said\b|on\s\w+ \d|—)"),
        body=show(".comment-content", ".comment-body"),
        time=show("abbr.published@title", ".comment-footer", pattern=r"^(?:.*[|—])?\s*(.{6,60}?)\s*$"),
        id=show("@id", pattern=r"comment-(\w+)"),
        parent=show(".comment-footer a[href*=\"#comment-\"]@href", pattern=r"#comment-(\w+)"),
        article=(".entry-body", ".entry-content"),
    ),
    Platform(
        name="wordpress-list",
        mark="dl",
        posts=("dl.comment_list dt", "dl.commentlist dt", "dl.comment-list dt", "dt.comment"),
        author=show(".comment_author", ".comment-author", "cite", ".fn"),
        body=show("dd"),
        time=show("time@datetime", ".comment_time", ".comment-date", ".comment_date"),
        depth=show("@class", pattern=r"\bdepth-(\d+)"),
        follows=("dd",),
        is_nested=False,
        skip=".reply, .comment-reply-link",
        drop="dt.pingback, dt.trackback",
        article=WORDPRESS_ARTICLE,
    ),
    Platform(
        name="wordpress",
        mark="[class*=comment]",
        posts=("li.comment", "article.comment", "div.comment", ".commentlist > li", ".comment-list > li"),
        author=show(".comment-author .fn", "cite.fn", ".fn", ".comment-author-name", ".comment_author", "cite",
                    ".comment-author a", ".comment-author"),
        body=show(".comment-content", ".comment-text", ".comment_text", ".comment-body", ".comment-entry",
                  ".commentbody", "."),
        time=show("time@datetime", ".comment-metadata a", ".comment-meta a", ".commentmetadata a", ".comment-date",
                  ".comment-meta", ".commentmetadata"),
        depth=show("@class", pattern=r"\bdepth-(\d+)"),
        skip=".comment-author, .comment-meta, .commentmetadata, .reply, .comment-reply-link, .comment-metadata, cite,"
        " .comment-awaiting-moderation, .sharedaddy, .says, ul.children, ol.children, .avatar, .comment-respond",
        drop=WORDPRESS_DROP,
        article=WORDPRESS_ARTICLE,
        certainty=0.97,
    ),
    Platform(
        name="schema.org",
        mark="[itemprop]",
        posts=("[itemtype*=\"schema.org/Comment\"], [itemtype*=\"schema.org/UserComments\"],"
               " [itemtype*=\"schema.org/Answer\"], [itemtype*=\"schema.org/Question\"]",),
        author=show("[itemprop=author] [itemprop=name]", "[itemprop=creator] [itemprop=name]",
                    "[itemprop=author] [itemprop=name]@content", "[itemprop=author]@content", "[itemprop=author]",
                    "[itemprop=creator]"),
        body=show("[itemprop=text]", "[itemprop=commentText]", "[itemprop=articleBody]", "[itemprop=description]"),
        time=show("[itemprop=dateCreated]@datetime", "[itemprop=dateCreated]@content",
                  "[itemprop=datePublished]@datetime", "[itemprop=datePublished]@content",
                  "[itemprop=commentTime]@datetime", "[itemprop=commentTime]@content", "time@datetime"),
        id=show("@id", "@itemid"),
        parent=show("[itemprop=parentItem]@href", "[itemprop=parentItem]@resource", pattern=r"#(.+)$"),
        article=("[itemprop=articleBody]",),
        certainty=0.85,
    ),
)  # fmt: skip
