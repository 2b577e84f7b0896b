"""Rows of engines: a row out for each row in, and the text alone decides what it gets; data sets keep their columns."""

import subprocess
import sys

import datasets
import pyarrow as pa
import pytest

from stance.batch import batch_schema, map_dataset, tag_batch
from stance.records import Side, StanceError, Topic
from stance.table import post_row
from stance.tag import tag_posts
from stance.thread import read_alone

TOPIC = Topic("test", (Side("North", "pro-North", "the north"), Side("South", "pro-South", "the south")))
TEXTS = [
    "Peace for the people of the north, and stop the war.",
    "> Peace for the people of the north\n\nNo, the soldiers are right.",
    "",
    None,
    "Die Soldaten haben das Dorf gestern verlassen und niemand weiß, wohin sie gegangen sind.",
    "12 : 30",
]


@pytest.fixture(scope="module")
def tagger(tiny_folder):
    """In one thread, as the workers of an engine run it."""
    import torch

    from stance.tagger.shipped import load_folder

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield load_folder(tiny_folder)
    torch.set_num_threads(threads)


@pytest.fixture
def rows():
    return pa.table({"id": [*range(len(TEXTS))], "text": TEXTS, "score": [1.5] * len(TEXTS)})


def test_a_row_out_for_each_row_in(rows, tagger):
    table = tag_batch(rows, TOPIC, tagger)
    assert table.schema.equals(batch_schema())
    assert table.column("id").to_pylist() == ["0", "1", "2", "3", "4", "5"]
    assert table.column("language").to_pylist() == ["en", "en", None, None, "de", None]
    assert table.column("words").to_pylist() == [11, 5, 0, None, 14, 3]
    null = {name: None for name in table.column_names if name != "id"}
    assert table.to_pylist()[3] == {"id": "3", **null}
    assert table.column("toxicity").to_pylist()[4] == dict.fromkeys(table.column("toxicity").to_pylist()[4])


def test_cells_are_those_of_a_row_of_the_command(rows, tagger):
    posts = [read_alone(text) for text in TEXTS if text is not None]
    tags = tag_posts(posts, TOPIC, tagger)
    expected = [post_row(None, post, tag, TOPIC.sides) for post, tag in zip(posts, tags, strict=True)]
    found = [row for row in tag_batch(rows, TOPIC, tagger).to_pylist() if row["words"] is not None]
    for row, other in zip(found, expected, strict=True):
        stance = {one.pop("side"): one for one in row["stance"]}
        assert {**row, "stance": stance} == {
            **{name: row[name] for name in ("id", "language", "words")},
            **{name: other[name] for name in ("stance", "toxicity", "sentiment", "mention", "evidence")},
        }


def test_what_a_row_gets_does_not_depend_on_the_others(rows, tagger):
    whole = tag_batch(rows, TOPIC, tagger)
    one_by_one = pa.concat_tables([tag_batch(rows.slice(at, 1), TOPIC, tagger) for at in range(len(rows))])
    if tagger.bf16:  # fp32 differs in the last digits
        assert one_by_one.combine_chunks().equals(whole.combine_chunks())
    backwards = tag_batch(rows.take([*reversed(range(len(rows)))]), TOPIC, tagger)
    assert backwards.column("words").to_pylist()[::-1] == whole.column("words").to_pylist()
    assert one_by_one.select(["id", "language", "words"]).equals(whole.select(["id", "language", "words"]))


def test_other_ways_to_hold_texts_are_the_same(rows, tagger):
    whole = tag_batch(rows, TOPIC, tagger)
    packed = pa.table(
        {"text": pa.array(TEXTS).dictionary_encode(), "id": pa.array([str(at) for at in range(6)], pa.large_string())}
    )
    assert tag_batch(packed, TOPIC, tagger).equals(whole)
    chunks = pa.concat_tables([rows.slice(0, 2), rows.slice(2)])
    assert tag_batch(chunks, TOPIC, tagger).equals(whole)
    empty = tag_batch(rows.slice(0, 0), TOPIC, tagger)
    assert len(empty) == 0
    assert empty.schema.equals(batch_schema())


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"text": ["a"]}, "need one id"),
        ({"id": [1]}, "need one text"),
        ({"id": [1], "text": [2]}, "a text is of the type int"),
        ({"id": [[1]], "text": ["a"]}, "column id: holds list"),
    ],
)
def test_other_rows_are_refused_in_one_line(columns, told, tagger):
    with pytest.raises(StanceError, match=told) as caught:
        tag_batch(pa.table(columns), TOPIC, tagger)
    assert "\n" not in str(caught.value)


def test_a_data_set_keeps_its_columns(tagger, tmp_path):
    given = datasets.Dataset.from_dict({"said": TEXTS, "score": [*range(len(TEXTS))]})
    found = map_dataset(given, TOPIC, tagger, text="said")
    rows = pa.table({"id": given["score"][:], "text": TEXTS})
    expected = tag_batch(rows, TOPIC, tagger).to_pylist()
    assert found["score"][:] == given["score"][:]
    assert [
        {"id": str(row["score"]), **{name: row[name] for name in expected[0] if name != "id"}} for row in found
    ] == (expected)
    assert map_dataset(given, TOPIC, tagger, text="said")._fingerprint == found._fingerprint
    other = Topic("other", TOPIC.sides[:1])
    assert map_dataset(given, other, tagger, text="said")._fingerprint != found._fingerprint


def test_a_stream_of_examples_goes_too(tagger):
    given = datasets.Dataset.from_dict({"text": TEXTS[:3]})
    found = [*map_dataset(given.to_iterable_dataset(), TOPIC, tagger)]
    assert found == [*map_dataset(given, TOPIC, tagger)]


def test_columns_are_not_written_over(tagger):
    with pytest.raises(StanceError, match="columns sentiment already"):
        map_dataset(datasets.Dataset.from_dict({"text": ["a"], "sentiment": [1]}), TOPIC, tagger)
    with pytest.raises(StanceError, match="no column said"):
        map_dataset(datasets.Dataset.from_dict({"text": ["a"]}), TOPIC, tagger, text="said")


def test_importing_is_free():
    code = "import sys, stance.batch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"datasets", "numpy", "pyarrow", "torch"} & set(done.stdout.split())
