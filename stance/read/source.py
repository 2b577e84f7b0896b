"""A file's bytes to text: what may be read at all, in which encoding, how much of it."""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import stat
from typing import TYPE_CHECKING

from stance.records import StanceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

HEAD = 4096  # bytes of a page that may name its encoding
CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)

MAGIC = (  # first bytes, what they mean
    (b"%PDF-", "a PDF file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
)
BYTE_ORDER_MARKS = (  # UTF-32 before UTF-16: the little-endian mark of one begins like the other's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"
MAXIMUM_CONTROL_SHARE = 0.05
STRAY_BYTES = {  # as _decode_utf8 finds them -> Windows-1252, and Latin-1 for the five values that it leaves open
    0xDC00 + byte: bytes([byte]).decode("cp1252", errors="ignore") or chr(byte) for byte in range(128, 256)
}
# Western European text in Windows-1252 has under a tenth of its bytes above 127; Cyrillic or Chinese in an old
# encoding has most of them there, and would come out as noise.
MAXIMUM_LEGACY_SHARE = 0.2


def decode_name(name: str) -> str:
    """The name with U+FFFD for what is not UTF-8: a file's name may hold bytes that no output can be written with."""
    return os.fsencode(name).decode(errors="replace")


def check_file(path: Path) -> None:
    """StanceError for what is no regular file or has nothing in it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise StanceError(f"{path}: no such file: check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise StanceError(f"{path}: cannot be read ({reason}): check the path") from None
    if stat.S_ISDIR(status.st_mode):
        raise StanceError(f"{path}: a directory: pass the files in it, e.g. {path}/*.txt")
    if not stat.S_ISREG(status.st_mode):
        # A pipe or device would be waited for without end.
        raise StanceError(f"{path}: not a regular file: save its content to a file and pass that")
    if not status.st_size:
        raise StanceError(f"{path}: an empty file: save the thread again")


def hash_file(path: Path) -> str:
    """SHA-256 of the bytes as they are, packed or not."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def decode_page(data: bytes, path: Path) -> tuple[str, list[str]]:
    """As ``decode_bytes``, in the encoding that the page names where it is not UTF-8."""
    named = CHARSET.search(data[:HEAD])
    if named is None or data.startswith(tuple(mark for mark, _ in BYTE_ORDER_MARKS)):
        return decode_bytes(data, path)
    try:
        data.decode("utf-8")  # what is UTF-8 by its bytes is that, whatever the page says
        return decode_bytes(data, path)
    except UnicodeDecodeError:
        pass
    encoding = named[1].decode("ascii").lower()
    try:
        return decode_bytes(data, path) if encoding in ("utf-8", "utf8") else (data.decode(encoding, "replace"), [])
    except (LookupError, UnicodeError):  # no encoding, or one of other things than text
        return decode_bytes(data, path)


def decode_bytes(data: bytes, path: Path) -> tuple[str, list[str]]:
    """The text and what to warn of. No character is lost: a byte that is not UTF-8 is read as Windows-1252."""
    encoding = _find_encoding(data, path)
    warnings: list[str] = []
    if encoding is None or encoding == "utf-8":
        _refuse_binary(data, path)
        text, warnings = _decode_utf8(data.removeprefix(codecs.BOM_UTF8), path)
    else:
        try:
            text = data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError:
            raise StanceError(f"{path}: broken {encoding.upper()}: save the file again as UTF-8") from None
    if not text.strip():
        raise StanceError(f"{path}: nothing but blank space: save the thread again")
    return text, warnings


def open_text(chunks: Iterable[bytes], path: Path) -> Iterator[bytes]:
    """The chunks of a file of any size as UTF-8, where a byte order mark says that they are not. StanceError for one
    whose first chunk shows no text; of what comes later, each line shows for itself.
    """
    waiting = iter(chunks)
    first = next(waiting, b"")
    encoding = _find_encoding(first, path)
    if encoding in (None, "utf-8"):
        first = first.removeprefix(codecs.BOM_UTF8)
        if _count_controls(first) > MAXIMUM_CONTROL_SHARE * len(first):
            raise StanceError(f"{path}: a binary file (many control characters): export the posts as .jsonl in UTF-8")
        _decode_utf8(first, path)
        yield first
        yield from waiting
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).removeprefix("\ufeff").encode()
        for chunk in waiting:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError:
        raise StanceError(f"{path}: broken {encoding.upper()}: save the file again as UTF-8") from None


def decode_line(line: bytes) -> tuple[str, int]:
    """The text, and how many of its bytes are not UTF-8 and were read as Windows-1252."""
    try:
        return line.decode(), 0
    except UnicodeDecodeError:
        text = line.decode(errors="surrogateescape")  # a byte that is not UTF-8 is U+DC00 and its value
        return text.translate(STRAY_BYTES), len(line) - len(text.encode(errors="ignore"))


def _find_encoding(data: bytes, path: Path) -> str | None:
    """What a byte order mark says. StanceError for what the first bytes say is no text."""
    for start, kind in MAGIC:
        if data.startswith(start):
            raise StanceError(f"{path}: {kind}, not text: export the thread as .txt or .jsonl and pass that")
    return next((name for mark, name in BYTE_ORDER_MARKS if data.startswith(mark)), None)


def _count_controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, CONTROL_BYTES))


def _refuse_binary(data: bytes, path: Path) -> None:
    if b"\0" in data:
        sign = "it has NUL bytes"
    elif _count_controls(data) > MAXIMUM_CONTROL_SHARE * len(data):
        sign = "many control characters"
    else:
        return
    raise StanceError(f"{path}: a binary file ({sign}): export the thread as .txt or .jsonl in UTF-8 and pass that")


def _decode_utf8(data: bytes, path: Path) -> tuple[str, list[str]]:
    try:
        return data.decode(), []
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    text, stray = decode_line(data)
    if stray > MAXIMUM_LEGACY_SHARE * len(data):
        raise StanceError(f"{path}:{line}: neither UTF-8 nor Windows-1252: convert it, e.g. iconv -f CP1251 -t UTF-8")
    # Byte by byte and not the whole file: pages joined from several sources mix both encodings.
    warning = f"not UTF-8 throughout ({stray} bytes, first on line {line}): those were read as Windows-1252"
    return text, [warning]
