"""threadstance: reads saved discussion threads and says who stands where.

The way through, one function a stage::

    thread = read_thread("thread.txt")          # posts, authors, quotes, replies
    topic = load_topic("karabakh-2020")         # the sides
    tagger = load_tagger()                      # the shipped one
    tags, article_tag = tag_thread(thread, topic, tagger)
    table = build_table(thread, tags, article_tag, make_manifest(tagger, topic))
    write_report(table, "reports/thread")
"""

from __future__ import annotations

from stance.batch import map_dataset, tag_batch
from stance.records import Judgement, Post, Quote, Side, StanceError, Tag, Thread, Topic
from stance.report import write_index, write_report
from stance.table import Manifest, build_table, make_manifest, read_table, write_table
from stance.tag import tag_stream, tag_texts, tag_thread
from stance.tagger import load_tagger
from stance.thread import link_posts, read_thread, write_thread
from stance.topic import load_topic

__version__ = "0.5.0"

__all__ = [
    "Judgement",
    "Manifest",
    "Post",
    "Quote",
    "Side",
    "StanceError",
    "Tag",
    "Thread",
    "Topic",
    "build_table",
    "link_posts",
    "load_tagger",
    "load_topic",
    "make_manifest",
    "map_dataset",
    "read_table",
    "read_thread",
    "tag_batch",
    "tag_stream",
    "tag_texts",
    "tag_thread",
    "write_index",
    "write_report",
    "write_table",
    "write_thread",
]
