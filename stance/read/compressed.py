"""Files that may be packed (gzip, zstd, zip) as plain bytes, never more of them at a time than a bound allows.

What a file is shows in its first bytes; its ending may be anything. Nothing is written, so names in an archive do no
harm.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO

from stance.read.source import check_file
from stance.records import StanceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CHUNK = 2**20  # bytes read from a file, or taken from an archive, at a time
LEAST = 2**16  # bytes given at a time, so that the first of them show what a file is
# Bytes of a zstd file unpacked at a time. Four of them may hold 128 kB of zeros, and what comes out has no bound.
ZSTD_SLICE = 1024
MAXIMUM_WINDOW = 2**31  # that of the Reddit dumps, which are packed with --long=31
MAXIMUM_LINE = 16 * 2**20  # bytes; the longest text that Reddit takes is 40,000 characters
OVERLONG = b"a line of more than %d MB" % (MAXIMUM_LINE // 2**20)  # stands in the place of one that was passed over
OFFICE = ("[Content_Types].xml", "mimetype", "META-INF/MANIFEST.MF")  # files that only some programs' archives have
CLUTTER = re.compile(r"__MACOSX/|(?:.*/)?\.[^/]*$|(?:.*/)?Thumbs\.db$", re.DOTALL)  # what computers add of themselves


def find_packing(start: bytes) -> str | None:
    """What the first four bytes of a file say it is packed with."""
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    # A zstd file may begin with a frame to be passed over, as parallel packers write it.
    if start.startswith(b"\x28\xb5\x2f\xfd") or (start[1:4] == b"\x2a\x4d\x18" and 0x50 <= start[0] <= 0x5F):
        return "zstd"
    return None


def open_plain(path: Path, most: int | None) -> Iterator[bytes]:
    """The unpacked bytes in chunks, those of an archive's files one after another, each from a line of its own.

    StanceError as soon as there are more than `most` (None: as many as there are), and where an archive is broken:
    what came before has been given by then.
    """
    last = b"\n"
    for _, chunks in open_members(path, most):
        if not last.endswith(b"\n"):
            yield b"\n"
        for last in chunks:
            yield last


def read_plain(path: Path, most: int) -> bytes:
    """The unpacked bytes, all of them or a StanceError."""
    return b"".join(open_plain(path, most))


def open_members(path: Path, most: int | None) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The name and the chunks of each file in an archive, to be read in turn; a file that is no archive holds itself.

    No chunk is empty, and all but the last have at least LEAST bytes. `most` is for all files together.
    """
    count = _Count(path, most)
    check_file(path)
    with path.open("rb") as file:
        packing = find_packing(file.read(4))
        file.seek(0)
        if packing == "zip":
            for name, chunks in _open_zip(file, path):
                yield name, _refuse_nested(_gather(count.watch(chunks)), path)
        elif packing is not None:
            unpack = _unpack_gzip if packing == "gzip" else _unpack_zstd
            yield path.stem, _refuse_nested(_gather(count.watch(_name_breaks(unpack(file), path))), path)
        else:
            yield path.name, count.watch(iter(lambda: file.read(CHUNK), b""))


def split_lines(
    chunks: Iterable[bytes], path: Path, most: int | None = MAXIMUM_LINE, pass_over: bool = False
) -> Iterator[bytes]:
    """The lines without their ends. For one of more than `most` bytes, before it fills the memory, a StanceError, or
    with pass_over the very object OVERLONG in its place.
    """
    parts: list[bytes] = []  # of the line that is not over
    length = 0
    is_over = False  # whether OVERLONG was given for it
    pieces = (chunk[at : at + CHUNK] for chunk in chunks for at in range(0, len(chunk), CHUNK))
    for piece in pieces:  # a bomb of line ends is split piece by piece, too
        first, *rest = piece.split(b"\n")
        if not is_over:
            parts.append(first)
            length += len(first)
        if most is not None and length > most:
            if not pass_over:
                raise StanceError(f"{path}: {OVERLONG.decode()}: not rows of posts, write one object a line")
            yield OVERLONG
            parts, length, is_over = [], 0, True
        if rest:
            if not is_over:
                yield b"".join(parts)
            yield from rest[:-1]
            parts, length, is_over = [rest[-1]], len(rest[-1]), False
    if length:
        yield b"".join(parts)


class _Count:
    """How many bytes came out of a file so far."""

    def __init__(self, path: Path, most: int | None) -> None:
        self._path = path
        self._most = most
        self._seen = 0

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks as far as the bound allows, and then a StanceError."""
        for chunk in chunks:
            self._seen += len(chunk)
            if self._most is not None and self._seen > self._most:
                size = f"{self._most / 2**20:.0f} MB" if self._most >= 2**20 else f"{self._most} bytes"
                raise StanceError(
                    f"{self._path}: more than {size} unpacked: split it into its threads, or raise --max-size"
                )
            yield chunk


def _gather(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of LEAST and more; those before a StanceError come before it."""
    parts: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            parts.append(chunk)
            size += len(chunk)
            if size >= LEAST:
                yield b"".join(parts)
                parts, size = [], 0
    except StanceError:
        if size:
            yield b"".join(parts)
        raise
    if size:
        yield b"".join(parts)


def _unpack_gzip(file: BinaryIO) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=31)
    data = file.read(CHUNK)
    while data:
        yield unpacker.decompress(data, CHUNK)
        data = unpacker.unconsumed_tail
        if unpacker.eof:  # another part may follow, or the zeros that a tape was filled up with
            data = unpacker.unused_data.lstrip(b"\0")
            while not data and (more := file.read(CHUNK)):
                data = more.lstrip(b"\0")
            unpacker = zlib.decompressobj(wbits=31)
            if not data:
                return
        data = data or file.read(CHUNK)
    raise EOFError


def _unpack_zstd(file: BinaryIO) -> Iterator[bytes]:
    import zstandard

    unpacker = None
    while data := file.read(CHUNK):
        at = 0
        while at < len(data):
            piece = data[at : at + ZSTD_SLICE]
            unpacker = unpacker or zstandard.ZstdDecompressor(max_window_size=MAXIMUM_WINDOW).decompressobj()
            yield unpacker.decompress(piece)
            at += len(piece)
            if unpacker.eof:
                at -= len(unpacker.unused_data)
                unpacker = None
    if unpacker is not None:
        raise EOFError


def _open_zip(file: BinaryIO, path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError, EOFError):
        raise StanceError(f"{path}: a broken zip archive: fetch or pack it again") from None
    with archive:
        names = {entry.filename for entry in archive.infolist()}
        if names & set(OFFICE):
            raise StanceError(f"{path}: an office document or a program, not an archive of texts: save it as .txt")
        entries = [e for e in archive.infolist() if not e.is_dir() and not CLUTTER.match(e.filename)]
        if not entries:
            raise StanceError(f"{path}: an empty archive: pack it again")
        for entry in entries:
            yield entry.filename, _name_breaks(_unpack_entry(archive, entry, path), path)


def _unpack_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Iterator[bytes]:
    if entry.flag_bits & 1:
        raise StanceError(f"{path}: an archive under a password: unpack it and pass what is in it")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # the others have no bound
        raise StanceError(f"{path}: packed in a way that is not read: unpack it and pass what is in it")
    with archive.open(entry) as file:
        while data := file.read(CHUNK):
            yield data


def _name_breaks(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The chunks, and a StanceError where unpacking fails."""
    import zstandard

    given = 0
    try:
        for chunk in chunks:
            given += len(chunk)
            yield chunk
    except EOFError:
        problem = "cut off"
    except (zlib.error, zstandard.ZstdError, zipfile.BadZipFile, OSError, ValueError, RuntimeError, MemoryError):
        problem = "broken"
    else:
        return
    raise StanceError(f"{path}: an archive that is {problem} after {given} unpacked bytes: fetch or pack it again")


def _refuse_nested(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """The chunks, if they are not packed once more."""
    for number, chunk in enumerate(chunks):
        if not number and find_packing(chunk[:4]):
            raise StanceError(f"{path}: an archive inside an archive: unpack it once and pass what is in it")
        yield chunk
