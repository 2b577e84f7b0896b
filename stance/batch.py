"""Tags for rows that engines hand over by the batch: one pure function for Spark, Ray Data and datasets."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from stance.records import StanceError, Topic
from stance.table import table_schema
from stance.table.columns import make_array, tag_columns
from stance.tag import WINDOW, tag_posts
from stance.thread import read_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    import datasets
    import pyarrow as pa

    from stance.tagger import Tagger

COLUMNS = ("language", "words", "stance", "toxicity", "sentiment", "mention", "evidence")  # that a text gets


def batch_schema() -> pa.Schema:
    """The columns of ``tag_batch``: id as text, the rest as in ``table_schema``."""
    import pyarrow as pa

    return pa.schema([pa.field("id", pa.string()), *(table_schema().field(name) for name in COLUMNS)])


def tag_batch(rows: pa.Table, topic: Topic, tagger: Tagger) -> pa.Table:
    """A row out for each row in, in order, of the columns ``id`` and ``text``; each text is a post of its own.

    What a row gets does not depend on the others. A null text gets nulls. StanceError for other columns.
    """
    import pyarrow as pa

    for name in ("id", "text"):
        if rows.schema.get_all_field_indices(name) == [] or len(rows.schema.get_all_field_indices(name)) > 1:
            raise StanceError(f"rows with the columns {', '.join(rows.column_names)}: need one {name}: name them so")
    try:
        ids = rows.column("id").cast(pa.string()).combine_chunks()
    except pa.ArrowException as error:
        raise StanceError(f"column id: holds {rows.schema.field('id').type}: make it text or a number") from error
    columns = _tag_texts(rows.column("text").to_pylist(), topic, tagger)
    return pa.Table.from_arrays([ids, *columns.values()], schema=batch_schema())


def map_dataset(dataset: datasets.Dataset, topic: Topic, tagger: Tagger, text: str = "text") -> datasets.Dataset:
    """The data set with what ``tag_batch`` says of a column of texts added as columns; an IterableDataset goes too.

    StanceError where it lacks that column or has one of the names that are added.
    """
    import datasets

    names = dataset.column_names
    taken = sorted({*COLUMNS}.intersection(names or ()))
    if names is not None and text not in names:
        raise StanceError(f"the data set has no column {text}: name the texts' of {', '.join(names)}")
    if taken:
        raise StanceError(f"the data set has columns {', '.join(taken)} already: rename or remove them")
    added = datasets.Features.from_arrow_schema(batch_schema().remove(0))
    given: dict[str, Any] = {"features": dataset.features and datasets.Features({**dataset.features, **added})}
    if isinstance(dataset, datasets.Dataset):  # else it would hash the tagger's weights to know the result again
        given["new_fingerprint"] = _name_result(dataset, topic, tagger, text)

    def tag(texts: Sequence[str | None]) -> dict[str, list[Any]]:
        return {name: column.to_pylist() for name, column in _tag_texts(texts, topic, tagger).items()}

    return dataset.map(tag, batched=True, batch_size=WINDOW, input_columns=[text], **given)


def _tag_texts(texts: Sequence[str | None], topic: Topic, tagger: Tagger) -> dict[str, pa.Array]:
    """The COLUMNS of the texts."""
    wrong = next((text for text in texts if not isinstance(text, str | None)), None)
    if wrong is not None:
        raise StanceError(f"a text is of the type {type(wrong).__name__}: pass the column that holds the words")
    posts = read_each([text or "" for text in texts])
    there = [number for number, text in enumerate(texts) if text is not None]
    judged = iter(tag_posts([posts[number] for number in there], topic, tagger) if there else ())
    tags = [None if text is None else next(judged) for text in texts]
    language = make_array([post.language for post in posts], table_schema().field("language").type)
    return {"language": language, **tag_columns(posts, tags, topic.sides)}


def _name_result(dataset: datasets.Dataset, topic: Topic, tagger: Tagger, text: str) -> str:
    """What the data set that comes out is known by in the cache of `datasets`."""
    from stance import __version__

    decides = (dataset._fingerprint, __version__, tagger.sha256, getattr(tagger, "precision", ""), topic, text)
    return hashlib.sha256(repr(decides).encode()).hexdigest()[:32]
