"""A result that the database could not take: kept in a file of the launch folder, taken in by `lpad recover_results` later."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from launchpad.errors import BadDocument

RESULT_FILE = "FW_result.json"
#: What a result file is called once the database has it.
TAKEN_FILE = "FW_result_taken.json"

KEYS = ("launch_id", "token", "state", "action", "cause")
#: What newer ones have besides.
MORE_KEYS = ("usage",)


class Acceptor(Protocol):
    """What takes results in: the launchpad."""

    def accept_result(self, document: Mapping[str, Any]) -> Any: ...


def write_result(folder: Path, document: Mapping[str, Any], name: str = RESULT_FILE) -> Path:
    """Write a result where only the user can read it, durably, and return where that is.

    If the launch folder cannot be written, another place is taken: better an odd place than a lost result. Raises OSError if
    there is none.
    """
    odd_name = f"{Path(name).stem}_{document['launch_id']}.json"
    places = [folder / name, Path.cwd() / odd_name, Path.home() / odd_name, Path(tempfile.gettempdir()) / odd_name]
    for path in places[:-1]:
        try:
            return _write(path, document)
        except OSError:
            continue
    return _write(places[-1], document)


def _write(path: Path, document: Mapping[str, Any]) -> Path:
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file, indent=4)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return path


def find_results(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the result files among and below these paths. Links are not followed."""
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders.sort()
                yield from (Path(folder, name) for name in sorted(names) if _is_result(name))
        else:
            yield path


def _is_result(name: str) -> bool:
    return name == RESULT_FILE or (name.startswith("FW_result_") and name.endswith(".json") and name != TAKEN_FILE)


def read_result(path: Path) -> dict[str, Any]:
    """Return the document in a result file. Raises BadDocument, OSError."""
    try:
        document = json.loads(path.read_text())
    except ValueError as error:
        raise BadDocument(f"{path} is no result of a launch: {error}.") from None
    missing = [key for key in KEYS if not isinstance(document, dict) or key not in document]
    if missing:
        raise BadDocument(f"{path} is no result of a launch: it has no {missing[0]}.")
    return dict(document)


def recover_result(launchpad: Acceptor, path: Path) -> dict[str, Any]:
    """Have the launchpad take in one result file, rename the file, and return the document.

    Raises Fenced if the launch has gone another way meanwhile, BadDocument, OSError, StoreError; then the file stays as it is.
    """
    document = read_result(path)
    launchpad.accept_result({key: document[key] for key in (*KEYS, *MORE_KEYS) if key in document})
    path.rename(path.with_name(TAKEN_FILE))
    return document
