"""Files that may be compressed: opened by what their names end in, and found when only the compressed one is left."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".lzma": lzma.open}

#: What reading a file that is damaged, or still being written, can raise.
READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)


def is_compressed(path: str | os.PathLike[str]) -> bool:
    return Path(path).suffix.lower() in OPENERS


def open_any(path: str | os.PathLike[str], mode: str = "rb") -> BinaryIO:
    """Open a file for its bytes as they are when not compressed. `mode`: "rb" or "wb"."""
    opener = OPENERS.get(Path(path).suffix.lower(), open)
    return cast(BinaryIO, opener(os.fspath(path), mode))


def find_any(path: Path) -> Path:
    """Return the path itself, or that of its compressed form if only that is there."""
    if not path.exists():
        for suffix in OPENERS:
            for name in (path.name + suffix, path.name + suffix.upper()):
                if path.with_name(name).exists():
                    return path.with_name(name)
    return path
