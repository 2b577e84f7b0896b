"""ConvoKit's corpus folders, read and written: what `convokit.Corpus(filename=folder)` loads.

utterances.jsonl has a post a line; speakers.json, conversations.json and corpus.json what is known of speakers, threads
and the whole; index.json which types that has. Old corpora say user and root for speaker and conversation_id.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args

from stance.files import open_replacing
from stance.read.compressed import open_plain, read_plain, split_lines
from stance.read.rejects import Refuse, Reject
from stance.read.rows import NO_NAME, find_parents, repair_surrogates
from stance.read.sorter import Kept, Sorter
from stance.read.times import from_epoch, parse_time
from stance.records import Basis, Post, Quote, Reading, Reply, StanceError, Thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MAXIMUM_BYTES = 2**30  # of the files that are read whole
OPENING = ("title", "article", "blurb", "source", "sha256")  # of a thread, in the meta of its conversation
OWN_META = ("named", "post_id", "number", "quotes", "replies")  # of a post, in the meta of its utterance
MATCHES = frozenset(("markup", "exact", "close"))

BASES = frozenset(get_args(Basis))


def is_corpus(folder: Path) -> bool:
    return (folder / "utterances.jsonl").is_file() or (folder / "utterances.json").is_file()


def read_corpus(folder: Path, reject: Refuse | None = None) -> Iterator[Thread]:
    """A thread for each conversation, in the order in which they come up, its posts as they stand in the file."""
    unnamed = {name for name, about in _read_about(folder / "speakers.json").items() if about.get("named") is False}
    conversations = _read_about(folder / "conversations.json")
    with Sorter(folder) as sorter:
        places: dict[str, int] = {}
        broken = first = 0
        for line, row in _read_utterances(folder, reject is not None):
            kept = _keep_utterance(row, line)
            if kept is None:
                broken, first = broken + 1, first or line
                if reject is not None:
                    fault = "not JSON" if row is None else "no utterance with an id, a speaker and a text"
                    reject(Reject(f"line {line}", fault))
            else:
                sorter.add(str(places.setdefault(kept[1], len(places))), kept)
        if not sorter.rows:
            raise StanceError(f"{folder}: no utterance in this corpus has an id, a speaker and a text: dump it again")
        warnings = [f"{broken} broken utterances (first on line {first}): left out"] if broken else []
        for _, rows in sorter.merge():
            single = _pick_single(rows, reject)
            about = conversations.get(rows[0][1], {})
            thread = _make_thread(single, folder, unnamed, about)
            if doubles := len(rows) - len(single):
                warnings.append(f"{doubles} utterances have the id of one before: left out")
            yield replace(thread, warnings=(*warnings, *thread.warnings))
            warnings = []


def write_corpus(threads: Iterable[Thread], folder: Path) -> None:
    """Write the threads as a corpus. Whoever shows no name is a speaker of their own, with named false in the meta."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StanceError(f"{folder}: cannot be made ({error.strerror or error}): name another folder") from error
    speakers: dict[str, dict[str, Any]] = {}
    conversations: dict[str, dict[str, Any]] = {}
    types: dict[str, dict[str, list[str]]] = {"utterances": {}, "speakers": {}, "conversations": {}, "overall": {}}
    posts = 0
    with open_replacing(folder / "utterances.jsonl") as file:
        for thread in threads:
            name = _name_conversation(thread.id, conversations)
            about = {part: getattr(thread, part) for part in OPENING if getattr(thread, part) is not None}
            conversations[name] = {"meta": about, "vectors": []}
            _note_types(types["conversations"], about)
            names = {post.author for post in thread.posts}
            for position, post in enumerate(thread.posts):
                speaker = post.author
                if speaker is None:
                    speaker = f"unknown-{name}-{position}"
                    while speaker in names:
                        speaker += "-"
                row = _make_utterance(thread, position, name, speaker)
                meta = {"named": post.author is not None}
                speakers.setdefault(row["speaker"], {"meta": meta, "vectors": []})
                _note_types(types["utterances"], row["meta"])
                _note_types(types["speakers"], meta)
                file.write(_to_json(row) + b"\n")
                posts += 1
    overall = {"written_by": "threadstance", "posts": posts, "threads": len(conversations)}
    _note_types(types["overall"], overall)
    index = {f"{part}-index": found for part, found in types.items()} | {"version": 1, "vectors": []}
    for name, content in (
        ("speakers", speakers),
        ("conversations", conversations),
        ("corpus", overall),
        ("index", index),
    ):
        with open_replacing(folder / f"{name}.json") as file:
            file.write(_to_json(content) + b"\n")


def _read_about(path: Path) -> dict[str, dict[str, Any]]:
    """What a corpus says of its speakers or conversations; nothing where it has no such file."""
    if not path.is_file():
        return {}
    content = _load_json(read_plain(path, MAXIMUM_BYTES), path)
    if not isinstance(content, dict):
        return {}
    found = {}
    for name, about in content.items():
        meta = about.get("meta", about) if isinstance(about, dict) else {}
        found[name] = meta if isinstance(meta, dict) else {}
    return found


def _read_utterances(folder: Path, pass_over: bool) -> Iterator[tuple[int, object]]:
    """The line, or from an old corpus the place in its list, and the row. With pass_over no line is too long."""
    path = folder / "utterances.jsonl"
    if path.is_file():
        for line, content in enumerate(split_lines(open_plain(path, None), path, pass_over=pass_over), start=1):
            if content.strip():
                yield line, _parse(content)
        return
    path = folder / "utterances.json"
    if not path.is_file():
        raise StanceError(f"{folder}: no utterances.jsonl in it: pass the folder that Corpus.dump wrote, or the files")
    listed = _load_json(read_plain(path, MAXIMUM_BYTES), path)
    yield from enumerate(listed if isinstance(listed, list) else [], start=1)


def _parse(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _load_json(content: bytes, path: Path) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise StanceError(f"{path}: broken JSON: dump the corpus again") from None


def _keep_utterance(row: object, line: int) -> Kept | None:
    if not isinstance(row, dict):
        return None
    name, text, meta = _read_id(row.get("id")), row.get("text"), row.get("meta")
    if name is None or not isinstance(text, str | None):
        return None
    speaker = _read_id(row.get("speaker", row.get("user")))
    parent = _read_id(row.get("reply_to", row.get("reply-to")))
    conversation = _read_id(row.get("conversation_id", row.get("root")))
    if conversation is None:
        conversation = name if parent is None else ""
    time = row.get("timestamp")
    found = from_epoch(time) or (parse_time(time) if isinstance(time, str) else None)
    seconds = found.timestamp() if found else None
    given = {key: meta[key] for key in OWN_META if key in meta} if isinstance(meta, dict) else {}
    # The parts that are kept of an utterance; seconds are those since 1970.
    return [line, conversation, name, speaker, parent, seconds, repair_surrogates(text or ""), json.dumps(given)]


def _read_id(value: object) -> str | None:
    return repair_surrogates(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _pick_single(rows: list[Kept], reject: Refuse | None) -> list[Kept]:
    """The rows without those that have the id of one before."""
    by_id: dict[str, Kept] = {}
    for row in rows:
        if by_id.setdefault(row[2], row) is not row and reject is not None:
            reject(Reject(f"line {row[0]}", f"its id is that of line {by_id[row[2]][0]}"))
    return list(by_id.values())


def _make_thread(kept: list[Kept], folder: Path, unnamed: set[str], about: dict[str, Any]) -> Thread:
    positions = {row[2]: position for position, row in enumerate(kept)}
    links = find_parents(positions, [row[4] for row in kept])
    posts: list[Post] = []
    ids: set[str] = set()
    for row, parent in zip(kept, links.to, strict=True):
        meta = json.loads(row[7])
        own = meta.get("post_id")
        name = own if isinstance(own, str) and own not in ids and own not in positions else row[2]
        ids.add(name)
        said = meta.get("named")  # a speaker's name may be that of a nameless one, the post knows better
        is_named = row[3] is not None and row[3] not in NO_NAME and (said is True or row[3] not in unnamed)
        posts.append(
            Post(
                id=name,
                body=row[6],
                number=_take_text(meta, "number"),
                author=(row[3].strip() or None) if is_named and said is not False else None,
                time=None if row[5] is None else datetime.fromtimestamp(row[5], UTC),
                quotes=_read_quotes(meta.get("quotes"), len(row[6]), len(kept)),
                replies=_read_replies(meta.get("replies"), parent, len(kept)),
                line=row[0],
            )
        )
    counts = (
        (len(links.missing), "utterances answer one that is not in their conversation: left open"),
        (len(links.circular), "utterances answer each other in a circle: left open"),
    )
    opening = {part: _take_text(about, part) for part in OPENING}
    return Thread(
        id=kept[0][1] or folder.name,
        source=opening["source"] or str(folder),
        sha256=opening["sha256"],
        title=opening["title"],
        article=opening["article"],
        blurb=opening["blurb"],
        posts=tuple(posts),
        warnings=tuple(f"{count} {what}" for count, what in counts if count),
        reading=Reading("convokit", "convokit", "a folder with utterances", 1.0),
    )


def _take_text(meta: dict[str, Any], key: str) -> str | None:
    value = meta.get(key)
    return repair_surrogates(value) if isinstance(value, str) else None


def _read_quotes(given: object, length: int, posts: int) -> tuple[Quote, ...]:
    """The quotes in the meta, if all of them can be."""
    found = []
    for item in given if isinstance(given, list) else []:
        if not isinstance(item, dict):
            return ()
        start, end, source, match = (item.get(key) for key in ("start", "end", "source", "match"))
        if not (isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= length):
            return ()
        if source not in (None, "article") and not _is_place(source, posts):
            return ()
        if not isinstance(match, str) or match not in MATCHES:
            return ()
        found.append(Quote(start, end, source, match))  # type: ignore[arg-type]  # MATCHES has it
    in_order = all(before.end <= after.start for before, after in pairwise(found))
    return tuple(found) if in_order else ()


def _read_replies(given: object, parent: int | None, posts: int) -> tuple[Reply, ...]:
    """The replies in the meta, if they agree with what the utterance answers; else that."""
    found = []
    for item in given if isinstance(given, list) else []:
        if not isinstance(item, dict) or not _is_place(item.get("to"), posts):
            break
        basis, confidence = item.get("basis"), item.get("confidence")
        if not (isinstance(basis, str) and basis in BASES and type(confidence) is float and 0 <= confidence <= 1):
            break
        found.append(Reply(item["to"], basis, confidence))  # type: ignore[arg-type]  # BASES has it
    if found and found[0].to == parent:
        return tuple(found)
    return () if parent is None else (Reply(parent, "markup"),)


def _is_place(value: object, end: int) -> bool:
    return type(value) is int and 0 <= value < end


def _name_conversation(name: str, taken: dict[str, dict[str, Any]]) -> str:
    """The thread's id, and a number behind it where one before has the same."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def _make_utterance(thread: Thread, position: int, conversation: str, speaker: str) -> dict[str, Any]:
    post = thread.posts[position]
    meta: dict[str, Any] = {"named": post.author is not None, "post_id": post.id}
    if post.number is not None:
        meta["number"] = post.number
    if post.quotes:
        meta["quotes"] = [
            {"start": quote.start, "end": quote.end, "source": quote.source, "match": quote.match}
            for quote in post.quotes
        ]
    if post.replies:
        meta["replies"] = [
            {"to": reply.to, "basis": reply.basis, "confidence": float(reply.confidence)} for reply in post.replies
        ]
    return {
        "id": f"{conversation}/{position}",  # unique in the corpus, as an id of a post is in its thread only
        "speaker": speaker,
        "conversation_id": conversation,
        "reply_to": None if post.reply_to is None else f"{conversation}/{post.reply_to}",
        "timestamp": _write_time(post.time),
        "text": post.body,
        "meta": meta,
        "vectors": [],
    }


def _write_time(time: datetime | None) -> int | float | None:
    if time is None:
        return None
    seconds = time.timestamp()
    return int(seconds) if seconds.is_integer() else seconds


def _note_types(index: dict[str, list[str]], meta: dict[str, Any]) -> None:
    for key, value in meta.items():
        index[key] = [str(type(value))]


def _to_json(content: object) -> bytes:
    """JSON in ASCII, as ConvoKit opens its files in whatever encoding the computer has."""
    return json.dumps(content).encode("ascii")
