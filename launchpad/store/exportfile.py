"""The file of an export: one line of JSON per document, so that it can be written and read as a stream.

The first line says what it is, the last how many documents there are: a file that was cut off is found out. Documents are in
MongoDB's Extended JSON, canonical, which keeps every type. The few that do not come back from it exactly as they are, for their
keys look like its own, are written as BSON in base 64.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import json
import os
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timezone
from pathlib import Path
from typing import IO, Any

from bson import json_util
from bson.codec_options import DatetimeConversion
from bson.errors import BSONError

from launchpad.errors import BadDocument, LaunchpadError, UsageError
from launchpad.store.encoding import decode, encode

FORMAT = "lpad export"
VERSION = 1

#: What lines of files stored beside the documents (GridFS) are counted as.
FILES = "files"

_OPTIONS = json_util.JSONOptions(
    json_mode=json_util.JSONMode.CANONICAL,
    tz_aware=True,
    tzinfo=timezone.utc,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


@dataclass(frozen=True)
class Line:
    """One document of a collection; or of FILES: `_id`, `metadata`, `text`."""

    number: int
    collection: str
    document: dict[str, Any]
    #: How many bytes it takes in the file.
    size: int = 0


@dataclass
class ExportWriter:
    """Writes an export's lines. `written`: how many documents of each collection."""

    stream: IO[bytes]
    written: Counter[str] = field(default_factory=Counter)

    def begin(self, header: Mapping[str, Any]) -> None:
        self._line({"format": FORMAT, "version": VERSION, **header})

    def add(self, collection: str, document: Mapping[str, Any]) -> None:
        """Write a document. One that Extended JSON would change is written as BSON; a file is plain JSON of any size."""
        self.written[collection] += 1
        if collection == FILES:
            self._line({"collection": collection, "document": document})
            return
        data = encode(document)
        text = json_util.dumps(document, json_options=_OPTIONS)
        if _reads_back(text, data):
            self._write('{"collection": ' + json.dumps(collection) + ', "document": ' + text + "}")
        else:
            self._line({"collection": collection, "bson": base64.b64encode(data).decode("ascii")})

    def end(self) -> None:
        self._line({"end": dict(self.written)})

    def _line(self, content: Mapping[str, Any]) -> None:
        self._write(json.dumps(content))

    def _write(self, text: str) -> None:
        self.stream.write(text.encode("utf-8") + b"\n")


def _reads_back(text: str, data: bytes) -> bool:
    try:
        return encode(json_util.loads(text, json_options=_OPTIONS)) == data
    except (LaunchpadError, BSONError, ValueError, TypeError, KeyError, AttributeError):
        return False


@contextlib.contextmanager
def writing(path: Path, *, overwrite: bool) -> Iterator[ExportWriter]:
    """Yield a writer whose file takes its place when all is written; it is for its owner only, and compressed if named *.gz.

    Raises UsageError for a file that is there already, unless `overwrite`, and for a place that cannot be written to.
    """
    if path.is_dir() or (path.exists() and not overwrite):
        hint = "Name a file in it." if path.is_dir() else "Add --force to replace it."
        raise UsageError(f"{path} {'is a folder' if path.is_dir() else 'exists already'}.", hint=hint)
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is a device or a pipe, which is not replaced.", hint="Name a file.")
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as problem:
        raise UsageError(f"Cannot write {path}: {problem.strerror}.") from None
    try:
        with open(handle, "wb") as raw:
            with _compressed(raw) if path.suffix == ".gz" else contextlib.nullcontext(raw) as stream:
                yield ExportWriter(stream)
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(temporary, path)
    except OSError as problem:
        raise LaunchpadError(f"Cannot write {path}: {problem.strerror or problem}.") from None
    finally:
        Path(temporary).unlink(missing_ok=True)


def _compressed(raw: IO[bytes]) -> Any:
    return gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0)


class ExportReader:
    """An export that can be read again and again. Raises BadDocument, naming the line, for what is no export or is damaged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = self._header()

    def _header(self) -> dict[str, Any]:
        with self._open() as stream:
            first = next(self._texts(stream), (0, b""))[1]
        try:
            header = json.loads(first)
        except (ValueError, RecursionError):
            header = None
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise BadDocument(f"{self.path} is no export of lpad.", hint="Workflow files are taken in by `lpad add`.")
        if header.get("version") != VERSION:
            raise BadDocument(f"{self.path} is an export of version {header.get('version')}; this program reads {VERSION}.")
        if not isinstance(header.get("id"), str):
            raise self._bad(1, "has no id")
        return header

    def lines(self) -> Iterator[Line]:
        """Yield all documents. Raises BadDocument, at the end if the end is missing."""
        found: Counter[str] = Counter()
        with self._open() as stream:
            for number, text in self._texts(stream):
                if number == 1:
                    continue
                content = self._content(number, text)
                if "end" in content:
                    if content["end"] != dict(found):
                        raise self._bad(number, f"tells of {content['end']}, but there are {dict(found)}")
                    return
                line = self._line(number, content, len(text))
                found[line.collection] += 1
                yield line
        raise BadDocument(f"{self.path} is cut off: its last line is missing.", hint="Copy or export it again.")

    def _texts(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        try:
            yield from enumerate(stream, start=1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
            raise BadDocument(f"{self.path} is damaged or cut off: {problem}.", hint="Copy or export it again.") from None

    def _content(self, number: int, text: bytes) -> dict[str, Any]:
        try:
            # The hook turns what lies inside, too, into BSON's types, from the innermost on.
            content = json_util.loads(text, json_options=_OPTIONS)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, BSONError):
            content = None
        if not isinstance(content, dict) or not {"end", "collection"} & set(content):
            raise self._bad(number, "cannot be read")
        return content

    def _line(self, number: int, content: dict[str, Any], size: int) -> Line:
        try:
            if "bson" in content:
                document = decode(base64.b64decode(content["bson"], validate=True))
            else:
                document = content["document"]
        except (BSONError, binascii.Error, ValueError, TypeError, KeyError, AttributeError):
            raise self._bad(number, "holds no document") from None
        if not isinstance(document, dict) or not isinstance(content["collection"], str):
            raise self._bad(number, "holds no document")
        return Line(number, content["collection"], document, size)

    def _bad(self, number: int, what: str) -> BadDocument:
        return BadDocument(f"{self.path}, line {number}, {what}.", hint="The file was changed or damaged; export it again.")

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        try:
            with open(self.path, "rb") as raw:
                packed = raw.read(2) == b"\x1f\x8b"
                raw.seek(0)
                if packed:
                    with gzip.GzipFile(fileobj=raw) as stream:
                        yield stream  # type: ignore[misc]
                else:
                    yield raw
        except OSError as problem:
            if isinstance(problem, gzip.BadGzipFile):
                raise
            raise UsageError(f"Cannot read {self.path}: {problem.strerror or problem}.") from None
