"""The arrays of judged posts say what the rows of the table say."""

from datetime import UTC, datetime

import numpy as np
import pytest

from stance.estimate import judged_posts, sentiment_shares, stance_shares, toxicity_shares
from stance.estimate.judged import (
    ANY,
    Gold,
    GoldLabel,
    Quantity,
    gold_values,
    labels,
    list_quantities,
    probabilities,
    read_judged,
)
from stance.records import Judgement, Post, Side, Tag, Thread
from stance.table import Manifest, build_table, join_tables, read_manifest, table_rows

NAN = float("nan")
SIDES = (Side("North", "pro-North", "the north"), Side("South", "pro-South", "the south"))
MANIFEST = Manifest("made-up", "0" * 64, "border", SIDES, "0", (0.5, 0.5, 0.5, 0.5, 0.5))
FAVOR, AGAINST, NEITHER = (
    Judgement(label, odds)
    for label, odds in (("favor", (0.7, 0.1, 0.2)), ("against", (0.1, 0.8, 0.1)), (None, (0.3, 0.4, 0.3)))
)
UNASKED = Judgement(None, (NAN, NAN, NAN))
CALM = Judgement("neutral", (0.1, 0.8, 0.1))


def make_table(name="one"):
    when = datetime(2020, 11, 10, 12, tzinfo=UTC)
    posts = tuple(Post(id=f"{name}{place}", body="some words", author="Ann", time=when) for place in range(5))
    posts = (*posts[:4], Post(id=f"{name}4", body="no time", author=None))
    tags = [
        Tag(2, (FAVOR, AGAINST), (0.9, 0.6, 0.1, 0.1, 0.1), CALM),
        Tag(2, (NEITHER, FAVOR), (0.1, 0.1, 0.1, 0.7, NAN), Judgement("negative", (0.9, 0.1, 0.0))),
        None,
        Tag(0, (FAVOR, FAVOR), (0.9,) * 5, CALM),
        Tag(3, (UNASKED, UNASKED), (NAN,) * 5, CALM),
    ]
    thread = Thread(name, f"{name}.txt", "1" * 64, name, "An article.", None, posts)
    return build_table(thread, tags, tags[0], MANIFEST)


def test_it_counts_the_posts_that_shares_count():
    table = make_table()
    (judged,) = read_judged(table)
    rows, cuts = table_rows(table), read_manifest(table).toxicity_threshold
    assert judged.ids == tuple(row["id"] for row in judged_posts(rows)) == ("one0", "one1", "one4")
    assert [rows[place]["id"] for place in judged.rows] == list(judged.ids)
    shares = {f"North: {name}": share for name, share in stance_shares(rows, 0).items()}
    shares |= {f"South: {name}": share for name, share in stance_shares(rows, 1).items()}
    shares |= {f"toxicity: {name}": share for name, share in toxicity_shares(rows, cuts).items()}
    shares |= {f"sentiment: {name}": share for name, share in sentiment_shares(rows).items()}
    compared = 0
    for quantity in list_quantities(judged.sides):
        if quantity.subject != "identity_attack":
            share, found = shares[quantity.name], labels(judged, quantity)
            assert (np.nansum(found), np.isfinite(found).sum()) == (share.count, share.n), quantity
            compared += 1
    assert compared == 14


def test_probabilities_are_those_of_the_rows():
    (judged,) = read_judged(make_table())
    np.testing.assert_array_equal(probabilities(judged, Quantity("stance", "South", "favor")), [0.1, 0.7, NAN])
    np.testing.assert_array_equal(probabilities(judged, Quantity("toxicity", ANY, "toxic")), [0.9, 0.7, NAN])
    np.testing.assert_array_equal(probabilities(judged, Quantity("sentiment", "", "neutral")), [0.8, 0.1, 0.8])
    np.testing.assert_array_equal(labels(judged, Quantity("toxicity", "identity_attack", "toxic")), [0, NAN, NAN])


def test_what_is_not_known_is_not_made_up():
    (judged,) = read_judged(make_table())
    assert judged.authors == ("Ann", "Ann", None)
    np.testing.assert_array_equal(judged.times, [1605009600, 1605009600, NAN])


def test_threads_of_one_table_stay_apart():
    first, second = read_judged(join_tables([make_table("one"), make_table("two")]))
    assert (first.thread, second.thread) == ("one", "two")
    assert second.ids == ("two0", "two1", "two4")


@pytest.mark.parametrize(
    ("quantity", "wanted"),
    [
        (Quantity("stance", "North", "favor"), [1, 0, NAN]),
        (Quantity("stance", "South", "against"), [NAN, 0, NAN]),
        (Quantity("stance", "East", "favor"), [NAN, NAN, NAN]),
        (Quantity("toxicity", ANY, "toxic"), [1, 0, NAN]),
        (Quantity("toxicity", "insult", "toxic"), [1, NAN, NAN]),
        (Quantity("sentiment", "", "negative"), [NAN, 1, NAN]),
    ],
)
def test_the_first_coder_counts(quantity, wanted):
    said = (
        GoldLabel("one", "one0", "second", ("against", None), (None,) * 5, None),
        GoldLabel("one", "one0", "first", ("favor", None), (False, True, None, None, None), None),
        GoldLabel("one", "one1", "second", ("none", "none"), (False, None, None, None, None), "negative"),
        GoldLabel("two", "one4", "first", ("favor", "favor"), (True,) * 5, "negative"),
    )
    gold = Gold("border", ("North", "South"), 1, (), (), said, ("first", "second"))
    (judged,) = read_judged(make_table())
    np.testing.assert_array_equal(gold_values(gold, judged, quantity), wanted)
