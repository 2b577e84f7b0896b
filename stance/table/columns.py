"""Posts and tags as Arrow columns, built a column at a time: a dict a row costs several times as much."""

from __future__ import annotations

import itertools
from functools import cache
from math import nan
from typing import TYPE_CHECKING, Any

from stance.records import SENTIMENTS, STANCES, TOXICITY, Post, Side, Tag, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

DECIMALS = 6  # of a probability
_NO_TOXICITY, _NO_SENTIMENT = (nan,) * len(TOXICITY), (nan,) * len(SENTIMENTS)
NEAR_HALF = 1e-6  # of the last decimal: so near to a half only Python's exact rounding is sure


@cache
def table_schema() -> pa.Schema:
    """The columns of version ``SCHEMA_VERSION``, without a manifest."""
    import pyarrow as pa

    number, text, place = pa.float64(), pa.string(), pa.int32()
    quote = pa.struct([("start", place), ("end", place), ("source", text), ("match", text)])
    judgement = pa.struct([("side", text), ("label", text), *((name, number) for name in STANCES)])
    return pa.schema(
        [
            pa.field("thread", text, nullable=False),
            pa.field("kind", text, nullable=False),  # "article" or "post"
            ("position", place),  # from 0; null for the article
            pa.field("id", text, nullable=False),
            ("number", text),
            ("author", text),
            ("time", pa.timestamp("us", tz="UTC")),
            pa.field("body", text, nullable=False),
            ("quotes", pa.list_(quote)),  # source: "article", a position as text, or null: from outside the thread
            ("reply_to", place),
            ("reply_basis", text),
            ("language", text),  # of the own words, ISO 639-1; null: too few words to tell
            ("words", place),  # judged; null where the row has no tag
            ("stance", pa.list_(judgement)),
            ("toxicity", pa.struct([(name, number) for name in TOXICITY])),
            ("sentiment", pa.struct([("label", text), *((name, number) for name in SENTIMENTS)])),
            ("mention", number),  # probability that hostile words are reported or condemned, not used
            ("evidence", pa.list_(pa.struct([("start", place), ("end", place)]))),  # in the body; null: not judged
        ]
    )


def list_rows(thread: Thread, tags: Sequence[Tag | None], article_tag: Tag | None) -> list[tuple[Post, Tag | None]]:
    """The rows of a thread: the article, if there is one, and the posts, each with its tag."""
    if len(tags) != len(thread.posts):
        raise ValueError(f"{len(tags)} tags for {len(thread.posts)} posts")
    article = [] if thread.article is None else [(Post(id="article", body=thread.article), article_tag)]
    return [*article, *zip(thread.posts, tags, strict=True)]


def make_columns(
    threads: Iterable[tuple[Thread, Sequence[Tag | None], Tag | None]], sides: Sequence[Side]
) -> list[pa.Array]:
    """The columns of ``table_schema``: the rows of each thread, with the tags of its posts and of its article."""
    names: list[str] = []
    positions: list[int | None] = []
    rows: list[tuple[Post, Tag | None]] = []
    for thread, tags, article_tag in threads:
        found = list_rows(thread, tags, article_tag)
        names += [thread.id] * len(found)
        positions += [None] * (len(found) - len(thread.posts))
        positions += range(len(thread.posts))
        rows += found
    posts = [post for post, _ in rows]
    quotes = [quote for post in posts for quote in post.quotes]
    columns = {
        "thread": names,
        "kind": ["article" if position is None else "post" for position in positions],
        "position": positions,
        "id": [post.id for post in posts],
        "number": [post.number for post in posts],
        "author": [post.author for post in posts],
        "time": [post.time for post in posts],
        "body": [post.body for post in posts],
        "quotes": _make_lists(
            "quotes",
            [len(post.quotes) for post in posts],
            [
                [quote.start for quote in quotes],
                [quote.end for quote in quotes],
                [None if quote.source is None else str(quote.source) for quote in quotes],
                [quote.match for quote in quotes],
            ],
        ),
        "reply_to": [post.reply_to for post in posts],
        "reply_basis": [post.reply_basis for post in posts],
        "language": [post.language for post in posts],
        **tag_columns(posts, [tag for _, tag in rows], sides),
    }
    return [make_array(columns[field.name], field.type) for field in table_schema()]


def tag_columns(posts: Sequence[Post], tags: Sequence[Tag | None], sides: Sequence[Side]) -> dict[str, pa.Array]:
    """The columns from words to evidence."""
    made = [tag for tag in tags if tag is not None]
    judged = [one for tag in made for one in tag.stance]
    if len(judged) != len(sides) * len(made):
        raise ValueError(f"tags of other sides than the {len(sides)} given")
    stretches = [None if tag is None else place_evidence(post, tag) for post, tag in zip(posts, tags, strict=True)]
    places = [place for found in stretches if found for place in found]
    columns = {
        "words": [tag and tag.words for tag in tags],
        "stance": _make_lists(
            "stance",
            [None if tag is None else len(sides) for tag in tags],
            [
                [side.name for side in sides] * len(made),
                [one.label for one in judged],
                *_make_numbers([one.probabilities for one in judged], len(STANCES)),
            ],
        ),
        "toxicity": _make_structs(
            "toxicity",
            tags,
            _make_numbers([_NO_TOXICITY if tag is None else tag.toxicity for tag in tags], len(TOXICITY)),
        ),
        "sentiment": _make_structs(
            "sentiment",
            tags,
            [
                [tag and tag.sentiment.label for tag in tags],
                *_make_numbers(
                    [_NO_SENTIMENT if tag is None else tag.sentiment.probabilities for tag in tags], len(SENTIMENTS)
                ),
            ],
        ),
        "mention": _make_numbers([(nan if tag is None or tag.mention is None else tag.mention,) for tag in tags], 1)[0],
        "evidence": _make_lists(
            "evidence",
            [None if found is None else len(found) for found in stretches],
            [[start for start, _ in places], [end for _, end in places]],
        ),
    }
    return {name: make_array(values, table_schema().field(name).type) for name, values in columns.items()}


def place_evidence(post: Post, tag: Tag) -> list[tuple[int, int]] | None:
    """The stretches of the body that make it toxic; None: not judged."""
    if tag.evidence is None:
        return None
    return [place for stretch in tag.evidence for place in post.find_in_body(*stretch)]


def round_numbers(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """As Python's round(value, DECIMALS) of each, to the last bit, for values of -1000 to 1000."""
    import numpy as np

    scaled = values * 10**DECIMALS
    rounded = np.asarray(np.rint(scaled) / 10**DECIMALS)
    near = np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < NEAR_HALF
    rounded[near] = [round(value, DECIMALS) for value in values[near].tolist()]
    return rounded


def make_array(values: Any, kind: pa.DataType) -> pa.Array:
    """A list of plain values as an array; what is one already stays."""
    import pyarrow as pa

    if isinstance(values, pa.Array):
        return values
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:  # lone surrogates: Arrow holds valid UTF-8 only, and quotes keep their places
        return pa.array([value and value.encode("utf-8", "replace").decode("utf-8") for value in values], kind)


def _make_numbers(rows: Sequence[tuple[float, ...]], count: int) -> list[pa.Array]:
    """The columns of rows of ``count`` probabilities; NaN, which stands for what is not judged, becomes null."""
    import numpy as np
    import pyarrow as pa

    columns = round_numbers(np.array(rows, np.float64).reshape(-1, count)).T
    return [pa.array(np.ascontiguousarray(column), mask=np.isnan(column)) for column in columns]


def _make_structs(name: str, tags: Sequence[Tag | None], children: Sequence[Any]) -> pa.Array:
    """The column of that name from its parts, null where there is no tag."""
    import pyarrow as pa

    fields = list(table_schema().field(name).type)
    arrays = [make_array(values, field.type) for values, field in zip(children, fields, strict=True)]
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=pa.array([tag is None for tag in tags], pa.bool_()))


def _make_lists(name: str, lengths: Sequence[int | None], children: Sequence[Any]) -> pa.Array:
    """The column of that name: lists of these lengths, None for null, of the structs whose parts are given."""
    import pyarrow as pa

    kind = table_schema().field(name).type
    fields = list(kind.value_type)
    arrays = [make_array(values, field.type) for values, field in zip(children, fields, strict=True)]
    ends = list(itertools.accumulate((length or 0 for length in lengths), initial=0))
    offsets = [None if length is None else end for length, end in zip(lengths, ends, strict=False)]
    values = pa.StructArray.from_arrays(arrays, fields=fields)
    return pa.ListArray.from_arrays(pa.array([*offsets, ends[-1]], pa.int32()), values, type=kind)
