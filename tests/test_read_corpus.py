"""ConvoKit's corpus folders: what is written comes back, and broken ones do no harm."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance.read.corpus import is_corpus, read_corpus, write_corpus
from stance.records import Post, Quote, Reply, StanceError, Thread

FILES = ("utterances.jsonl", "speakers.json", "conversations.json", "corpus.json", "index.json")
THREAD = Thread(
    id="truce",
    source="saved/truce.html",
    sha256="ab" * 32,
    title="Truce signed",
    article="Both sides signed.",
    blurb=None,
    posts=(
        Post("0", "It will not hold.", number="1", author="Ann", time=datetime(2020, 11, 10, 9, tzinfo=UTC)),
        Post("c7", "It will not hold.\n\nWhy?", quotes=(Quote(0, 17, 0, "exact"),), replies=(Reply(0, "quote", 0.9),)),
        Post("c9", "“Both sides signed.” 😀", quotes=(Quote(0, 20, "article", "markup"),), author="Ann"),
        Post(
            "last",
            "",
            author="unknown-truce-1",  # the name that the nameless post before would get
            replies=(Reply(1, "markup"), Reply(0, "mention", 0.5)),
        ),
    ),
)


def save(folder: Path, *rows: object, **files: object) -> Path:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / "utterances.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def utterance(name: object, text: object = "x", **more: object) -> dict[str, object]:
    return {
        "id": name,
        "speaker": "ann",
        "conversation_id": "c",
        "reply_to": None,
        "timestamp": None,
        "text": text,
    } | more


def posts_of(thread: Thread) -> list[tuple[object, ...]]:
    return [
        (post.id, post.body, post.number, post.author, post.time, post.quotes, post.replies) for post in thread.posts
    ]


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "corpus"
    nameless = Thread("other", None, None, None, None, None, (Post("0", "a"), Post("1", "b")))
    write_corpus([THREAD, nameless], folder)
    assert is_corpus(folder)
    first, second = read_corpus(folder)
    for part in ("id", "source", "sha256", "title", "article", "blurb"):
        assert getattr(first, part) == getattr(THREAD, part)
    assert posts_of(first) == posts_of(THREAD)
    assert first.warnings == ()
    assert (second.id, second.source) == ("other", str(folder))
    assert [post.author for post in second.posts] == [None, None]


def test_files_have_what_the_loader_asks_for(tmp_path: Path) -> None:
    write_corpus([THREAD], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    loaded = {name: (tmp_path / name).read_bytes() for name in FILES}
    assert all(content.isascii() for content in loaded.values())
    rows = [json.loads(line) for line in loaded["utterances.jsonl"].splitlines()]
    assert all(
        {"id", "speaker", "conversation_id", "reply_to", "timestamp", "text", "meta"} <= set(row) for row in rows
    )
    assert [row["reply_to"] for row in rows] == [None, "truce/0", None, "truce/1"]
    assert [row["timestamp"] for row in rows] == [1604998800, None, None, None]
    speakers = json.loads(loaded["speakers.json"])
    assert {row["speaker"] for row in rows} == set(speakers)
    assert [row["speaker"] for row in rows] == ["Ann", "unknown-truce-1-", "Ann", "unknown-truce-1"]
    index = json.loads(loaded["index.json"])
    assert set(index) >= {"utterances-index", "speakers-index", "conversations-index", "overall-index", "version"}
    assert index["utterances-index"]["quotes"] == ["<class 'list'>"]
    assert set(index["conversations-index"]) == {"title", "article", "source", "sha256"}
    assert set(json.loads(loaded["corpus.json"])) == set(index["overall-index"])


def test_nameless_authors_are_never_one(tmp_path: Path) -> None:
    posts = tuple(Post(str(number), "x") for number in range(3))
    write_corpus(
        [Thread("a", None, None, None, None, None, posts), Thread("a", None, None, None, None, None, posts)], tmp_path
    )
    speakers = json.loads((tmp_path / "speakers.json").read_text())
    assert len(speakers) == 6
    assert all(about["meta"] == {"named": False} for about in speakers.values())
    assert [thread.id for thread in read_corpus(tmp_path)] == ["a", "a-2"]


def test_old_corpus(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "user": "ann", "root": "1", "reply-to": None, "timestamp": "1604998800", "text": "a"},
        {"id": 2, "user": "[deleted]", "root": "1", "reply-to": 1, "timestamp": 3, "text": "b"},
    ]
    (tmp_path / "utterances.json").write_text(json.dumps(rows))
    (thread,) = read_corpus(tmp_path)
    assert [(post.id, post.author, post.reply_to) for post in thread.posts] == [("1", "ann", None), ("2", None, 0)]
    assert [post.time for post in thread.posts] == [datetime(2020, 11, 10, 9, tzinfo=UTC), None]


def test_conversations_that_lie_apart_are_brought_together(tmp_path: Path) -> None:
    rows = [utterance(str(number), conversation_id=f"c{number % 3}") for number in range(9)]
    threads = list(read_corpus(save(tmp_path, *rows, conversations={"c1": {"meta": {"title": "One"}}, "c2": 7})))
    assert [(thread.id, thread.title, [post.id for post in thread.posts]) for thread in threads] == [
        ("c0", None, ["0", "3", "6"]),
        ("c1", "One", ["1", "4", "7"]),
        ("c2", None, ["2", "5", "8"]),
    ]


def test_broken_utterances_are_left_out_with_a_warning(tmp_path: Path) -> None:
    rows = ["{", "7", "[" * 100_000, utterance(None), utterance("a", 7), utterance(True), utterance("b"), "\0", ""]
    (thread,) = read_corpus(save(tmp_path, *rows, utterance("b", "again")))
    assert [(post.id, post.body, post.line) for post in thread.posts] == [("b", "x", 7)]
    assert thread.warnings == (
        "7 broken utterances (first on line 1): left out",
        "1 utterances have the id of one before: left out",
    )


def test_parents_that_are_missing_or_go_round(tmp_path: Path) -> None:
    rows = [utterance("a", reply_to="c"), utterance("b", reply_to="a"), utterance("c", reply_to="b")]
    (thread,) = read_corpus(save(tmp_path, *rows, utterance("d", reply_to="gone"), utterance("e", reply_to="e")))
    assert [post.reply_to for post in thread.posts] == [2, None, 1, None, None] or [
        post.reply_to for post in thread.posts
    ] == [2, 0, None, None, None]
    assert thread.warnings == (
        "2 utterances answer one that is not in their conversation: left open",
        "1 utterances answer each other in a circle: left open",
    )


@pytest.mark.parametrize(
    "meta",
    [
        7,
        {"quotes": 7, "replies": {}, "number": [], "post_id": 3, "named": "no"},
        {"quotes": [{"start": 0, "end": 9, "source": None, "match": "exact"}]},
        {"quotes": [{"start": True, "end": "1", "source": None, "match": "exact"}, None]},
        {"quotes": [{"start": 0, "end": 1, "source": 5, "match": "exact"}]},
        {"quotes": [{"start": 0, "end": 1, "source": [], "match": "exact"}]},
        {"quotes": [{"start": 0, "end": 1, "source": None, "match": []}]},
        {"quotes": [{"start": 0, "end": 2, "source": None, "match": "exact"}] * 2},
        {"replies": [{"to": 0, "basis": "markup", "confidence": 1.0}]},
        {"replies": [{"to": 4, "basis": "markup", "confidence": 1e999}, 7]},
    ],
)
def test_meta_that_makes_no_sense_is_passed_over(tmp_path: Path, meta: object) -> None:
    (thread,) = read_corpus(save(tmp_path, utterance("a", "xyz", meta=meta)))
    assert posts_of(thread) == [("a", "xyz", None, "ann", None, (), ())]


def test_half_surrogates_are_replaced(tmp_path: Path) -> None:
    (thread,) = read_corpus(save(tmp_path, utterance("\ud800", "a\udc00", speaker="\ud801", meta={"number": "\ud802"})))
    assert posts_of(thread) == [("\ufffd", "a\ufffd", "\ufffd", "\ufffd", None, (), ())]


def test_a_folder_without_a_corpus_is_an_error(tmp_path: Path) -> None:
    assert not is_corpus(tmp_path)
    with pytest.raises(StanceError, match=r"no utterances\.jsonl in it"):
        list(read_corpus(tmp_path))
    with pytest.raises(StanceError, match="no utterance in this corpus"):
        list(read_corpus(save(tmp_path, "{}")))
    (tmp_path / "speakers.json").write_text("{")
    with pytest.raises(StanceError, match=r"speakers\.json: broken JSON"):
        list(read_corpus(tmp_path))


def test_nothing_is_left_of_a_corpus_that_fails(tmp_path: Path) -> None:
    def threads():
        yield THREAD
        raise StanceError("x: broken: y")

    with pytest.raises(StanceError):
        write_corpus(threads(), tmp_path)
    assert list(tmp_path.iterdir()) == []


TEXTS = st.text(st.characters(blacklist_categories=["Cs"]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(TEXTS, TEXTS.map(str.strip), st.none() | st.integers(0, 5)), min_size=1, max_size=6), TEXTS)
def test_any_thread_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int | None]], name: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    posts = tuple(
        Post(
            f"p{position}",
            body,
            author=author if author not in ("", "[deleted]", "[removed]") else None,
            replies=() if to is None or to >= position else (Reply(to, "markup"),),
        )
        for position, (body, author, to) in enumerate(rows)
    )
    thread = Thread(name, None, None, None, None, None, posts)
    write_corpus([thread], folder)
    (found,) = read_corpus(folder)
    assert posts_of(found) == posts_of(thread)
    assert found.id == (name or "any")
