"""No name survives in any file, every mark stays on its words, and a person has one name under one key."""

from __future__ import annotations

import json
import re
import stat
import unicodedata
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stance import pseudonyms as module
from stance.cli.batch import rename_gold
from stance.estimate.judged import Drawn, Gold, GoldLabel, Stratum, read_judged
from stance.pseudonyms import make_pseudonyms, read_key, rename_table
from stance.records import SENTIMENTS, STANCES, Judgement, Post, Quote, Reply, Side, StanceError, Tag, Thread
from stance.report import write_index, write_report
from stance.table import Manifest, build_table, read_manifest, table_rows

KEY = b"0123456789abcdef0123456789abcdef"
SIDES = (Side("Northland", "pro-Northland", "the North", ("Norders",)),)
MANIFEST = Manifest("tiny", "ab" * 32, "north", SIDES, "0.1.0", (0.5,) * 5, 0.4)
TAG = Tag(5, (Judgement("favor", (0.8, 0.1, 0.1)),), (0.9, 0.1, 0.1, 0.1, 0.1), Judgement("neutral", (0.1, 0.8, 0.1)))
PERSON = re.compile(r"Person [0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}")


def make_table(posts, **facts):
    thread = Thread("talk", "talk.txt", "cd" * 32, "A talk", None, None, tuple(posts))
    return build_table(replace(thread, **facts), [TAG] * len(posts), None, MANIFEST)


def rename(*tables):
    pseudonyms = make_pseudonyms(tables, KEY)
    return pseudonyms, [table_rows(rename_table(table, pseudonyms)) for table in tables]


def body_of(text, *authors):
    """A text, renamed, beside its authors' pseudonyms."""
    table = make_table([Post(str(place), text, author=author) for place, author in enumerate(authors)])
    pseudonyms, (rows,) = rename(table)
    return rows[0]["body"], [pseudonyms.names[author] for author in authors]


def test_a_person_has_one_name_in_every_thread_of_a_key():
    first, second = (make_table([Post("0", "x", author="Zebulon Quist")], id=name) for name in ("a", "b"))
    _, (one,) = rename(first)
    _, (other,) = rename(second)
    assert one[0]["author"] == other[0]["author"]
    assert PERSON.fullmatch(one[0]["author"])
    assert make_pseudonyms([first], KEY[::-1]).names != make_pseudonyms([first], KEY).names


def test_unknown_authors_stay_unknown():
    _, (rows,) = rename(make_table([Post("0", "x"), Post("1", "y", author="Zebulon")]))
    assert rows[0]["author"] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I saw Zebulon there", "I saw {0} there"),
        ("zebulon, ZEBULON and Zebulon's", "{0}, {0} and {0}'s"),
        ("@Zebulon: no", "@{0}: no"),
        ("u/Zebulon", "u/{0}"),
        ("Zebulonian and preZebulon", "Zebulonian and preZebulon"),
        ("Mary  Quist and mary\nquist, /mary-quist/, mary%20quist", "{1} and {1}, /{1}/, {1}"),
        ("Zebulon Mary Quist", "{0} {1}"),
        ("Zebulon Fane", "{2}"),  # the longest first
        ("José José".replace("é", "e\u0301"), "{3} {3}"),
        (quote("José"), "{3}"),
        ("張偉說好", "{4}說好"),  # no space to tell where a name ends
        ("[x]Doe* is here", "{5} is here"),
    ],
)
def test_names_are_replaced_in_text(text, expected):
    body, names = body_of(text, "Zebulon", "Mary Quist", "Zebulon Fane", "José", "張偉", "[x]Doe*")
    assert body == expected.format(*names)


def test_names_that_differ_in_capitals_only_are_told_apart():
    body, (upper, lower) = body_of("Zeb and zeb", "Zeb", "zeb")
    assert body == f"{upper} and {lower}"
    assert upper != lower


@pytest.mark.parametrize("name", ["Al", "Truth", "Northland", "norders", "the North", "1848", "The One"])
def test_short_and_everyday_names_are_replaced_only_where_they_are_marked(name):
    text = f"I like {name} much. @{name} hi! {name} wrote: ok"
    table = make_table([Post("0", text, author=name)])
    pseudonyms, (rows,) = rename(table)
    new = pseudonyms.names[name]
    assert pseudonyms.kept == (name,)
    assert rows[0]["author"] == new
    assert rows[0]["body"] == f"I like {name} much. @{new} hi! {new} wrote: ok"
    (note,) = read_manifest(rename_table(table, pseudonyms)).warnings
    assert "1 names that are short or everyday words stay" in note
    assert name not in note


def test_names_in_ids_titles_paths_and_warnings_are_replaced():
    post = Post("zebulon-1", "x", number="1 by Zebulon", author="Zebulon")
    twin = Post("ZEBULON-1", "y", author="Zebulon")
    table = make_table(
        [post, twin], id="zebulon-blog", source="in/Zebulon/x.txt", title="Zebulon asks", blurb="Zebulon lives here",
        gaps=("Zebulon 2",), warnings=("no time beside Zebulon",),
    )  # fmt: skip
    pseudonyms = make_pseudonyms([table], KEY)
    renamed = rename_table(table, pseudonyms)
    rows, manifest = table_rows(renamed), read_manifest(renamed)
    assert "zebulon" not in json.dumps([rows, str(manifest)], default=str).lower()
    assert len({row["id"] for row in rows}) == 2
    assert " " not in manifest.thread_id + rows[0]["id"]
    assert rows[0]["thread"] == manifest.thread_id


def test_two_who_would_share_a_name_get_longer_ones(monkeypatch):
    monkeypatch.setattr(module, "_hash_name", lambda author, key: "ABCDEFGH" + ("1" if author == "Zed" else "2") * 8)
    names = make_pseudonyms([make_table([Post("0", "x", author="Zed"), Post("1", "y", author="Yon")])], KEY).names
    assert names == {"Zed": "Person ABCD-EFGH-1111-1111", "Yon": "Person ABCD-EFGH-2222-2222"}


NAMES = ["Zebulon", "Zebulon Fane", "Öckl", "張偉", "x.y-z", "Al", "[m]"]
PIECE = st.one_of(st.sampled_from([*NAMES, *map(str.upper, NAMES)]), st.text("ab é\n@ß.", max_size=6))


@settings(max_examples=150)
@given(st.lists(PIECE, max_size=8), st.data())
def test_marks_stay_on_their_words(pieces, data):
    """Spans between pieces hold the renamed pieces; spans anywhere stay in order and inside the text."""
    body = "".join(pieces)
    places = st.integers(0, len(body))
    edges = sorted(data.draw(st.lists(places, max_size=6, unique=True)))
    spans = [{"start": low, "end": high} for low, high in zip(edges[::2], edges[1::2], strict=False)]
    table = make_table([Post(str(place), "x", author=name) for place, name in enumerate(NAMES)])
    pseudonyms = make_pseudonyms([table], KEY)
    renamed, moves = pseudonyms.rename_places(body)
    moved = module._move_spans(spans, moves)
    assert renamed == pseudonyms.rename(body)
    last = 0
    for span in moved:
        assert last <= span["start"] < span["end"] <= len(renamed)
        last = span["end"]
    cut = {place for first, past, _ in moves for place in range(first + 1, past)}
    if not cut & set(edges):  # no span begins or ends inside a name
        assert len(moved) == len(spans)
        for old, new in zip(spans, moved, strict=True):
            parts, position = [], old["start"]
            for first, past, length in moves:
                if old["start"] <= first and past <= old["end"]:
                    start = module._move(first, moves, end=False)
                    parts += [body[position:first], renamed[start : start + length]]
                    position = past
            assert renamed[new["start"] : new["end"]] == "".join([*parts, body[position : old["end"]]])


def test_quotes_and_evidence_still_mark_the_same_words():
    text = "Zebulon said stop it\n\nNo, Zebulon, you clown Zebulon!"
    clown = text.index("you clown")
    posts = [
        Post("0", "stop it", author="Zebulon"),
        Post("1", text, author="Mary Quist", quotes=(Quote(0, 20, 0, "exact"),), replies=(Reply(0, "quote"),)),
    ]
    own = posts[1].own_words
    tag = replace(TAG, evidence=((own.index("you clown"), own.index("you clown") + 9),))
    thread = Thread("talk", None, None, None, None, None, tuple(posts))
    table = build_table(thread, [TAG, tag], None, MANIFEST)
    assert table_rows(table)[1]["evidence"] == [{"start": clown, "end": clown + 9}]
    _, (rows,) = rename(table)
    row, name = rows[1], rows[0]["author"]
    (found,), (quoted,) = row["evidence"], row["quotes"]
    assert row["body"][found["start"] : found["end"]] == "you clown"
    assert row["body"][quoted["start"] : quoted["end"]] == f"{name} said stop it"
    assert (quoted["source"], quoted["match"]) == ("0", "exact")


def test_no_name_survives_in_any_file_and_nor_does_the_key(tmp_path):
    names = ["Zebulon Quist", "Örjan_77", "Mädchen&Co", "<b>Kobold</b>"]
    text = " ".join(f"{name} and @{name.upper()}." for name in names)
    posts = [Post(f"{name}-{place}", text, author=name) for place, name in enumerate(names)]
    posts.append(Post("9", f"{names[0]} again", author=names[1], replies=(Reply(0, "mention"),)))
    table = make_table(posts, title=f"Of {names[0]}", source=f"{names[1]}.txt", warnings=(f"odd: {names[2]}",))
    key = tmp_path / "key"
    pseudonyms = make_pseudonyms([table], read_key(key))
    renamed = rename_table(table, pseudonyms)
    write_report(renamed, tmp_path / "out" / "talk")
    write_index([(renamed, tmp_path / "out" / "talk")], [], tmp_path / "out")
    forbidden = [key.read_bytes().strip().lower(), *(unicodedata.normalize("NFC", n).encode().lower() for n in names)]
    forbidden += [b"kobold", b"quist", "örjan".encode(), "mädchen".encode(), "mädchen&amp;co".encode()]
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        written = path.read_bytes().lower() + path.name.encode().lower()
        written += written.decode("utf-8", "replace").lower().encode()  # capitals beyond ASCII
        assert not [one for one in forbidden if one in written], path.name


def test_gold_finds_its_posts_under_their_new_ids():
    table = make_table([Post("zebulon-1", "x", author="Zebulon"), Post("2", "y")], id="zebulon")
    label = GoldLabel("zebulon", "zebulon-1", "ann", (STANCES[0],), (True,) * 5, SENTIMENTS[0])
    gold = Gold("north", ("Northland",), 1, (Stratum("zebulon", "", 2),), (Drawn("zebulon", "zebulon-1", "", 0.5),),
                (label,), ("ann",))  # fmt: skip
    renamed = rename_table(table, make_pseudonyms([table], KEY))
    moved = rename_gold(gold, [table], [renamed])
    (judged,) = read_judged(renamed)
    assert (moved.labels[0].thread, moved.labels[0].post) == (judged.thread, judged.ids[0])
    assert (moved.drawn[0].thread, moved.drawn[0].post) == (judged.thread, judged.ids[0])
    assert moved.strata[0].thread == judged.thread


def test_key_is_made_for_the_owner_alone_and_read_again(tmp_path):
    path = tmp_path / "key"
    key = read_key(path)
    assert len(key) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key(path) == key
    (tmp_path / "short").write_text("abc\n")
    for bad, words in (("short", "no secret"), ("none/key", "no key can be read or made")):
        with pytest.raises(StanceError, match=words) as error:
            read_key(tmp_path / bad)
        assert "\n" not in str(error.value)


def test_many_names_take_little_time():
    """By counting what is tried: a name that a text does not hold costs no pattern."""
    posts = [Post(str(place), "plain words and nothing else", author=f"writer{place}x") for place in range(2000)]
    pseudonyms = make_pseudonyms([make_table(posts)], KEY)
    module._compile.cache_clear()
    assert pseudonyms.rename("plain words, writer7x and nothing else " * 50).count("Person") == 50
    assert module._compile.cache_info().misses == 1
    assert len(pseudonyms.forms) == 2000
