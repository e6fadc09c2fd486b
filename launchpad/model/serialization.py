"""Writing objects to files and reading them back: YAML or JSON, by the name's ending, with an error that says where.

Also what a spec's values become on their way: `to_storable` into the database, `decode_for_running` into a task.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from launchpad.errors import BadDocument, BadTask, LaunchpadError
from launchpad.model.storable import MAX_DEPTH, to_storable

__all__ = ["MAX_BYTES", "Serializable", "decode_for_running", "parse", "read_document", "to_storable"]

#: Larger files are refused.
MAX_BYTES = 64 * 1024 * 1024
FORMATS = {"json": "json", "yaml": "yaml", "yml": "yaml"}

FileName = str | os.PathLike[str]
Self = TypeVar("Self", bound="Serializable")


class Serializable:
    """Base of what can be written and read: a class gives `to_dict` and `from_dict`, the rest follows."""

    #: What reading raises.
    _error: type[LaunchpadError] = BadDocument

    @property
    def fw_name(self) -> str:
        """The name a stored object is found by again."""
        cls = type(self)
        return getattr(cls, "_fw_name", None) or f"{cls.__module__.split('.')[0]}::{cls.__name__}"

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} has no to_dict().")

    @classmethod
    def from_dict(cls: type[Self], m_dict: Mapping[str, Any]) -> Self:
        raise NotImplementedError(f"{cls.__name__} has no from_dict().")

    def to_db_dict(self) -> dict[str, Any]:
        """Return the document as the database holds it."""
        return self.to_dict()

    def as_dict(self) -> dict[str, Any]:
        """Return `to_dict()`, under the name other libraries use."""
        return self.to_dict()

    def to_format(self, f_format: str = "json", **kwargs: Any) -> str:
        """Return the object as text, "json" (`kwargs` go to json.dumps) or "yaml"."""
        if FORMATS.get(f_format) == "yaml":
            from launchpad.model.yaml_text import write_yaml

            return write_yaml(to_storable(self.to_dict()))
        _known_format(f_format)
        return json.dumps(to_storable(self.to_dict()), **kwargs)

    def to_file(self, filename: FileName, f_format: str | None = None, **kwargs: Any) -> None:
        """Write the object to a file, in the format its name ends in unless one is given."""
        text = self.to_format(f_format or format_of(filename), **kwargs)
        try:
            Path(filename).write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadDocument(f"Cannot write {filename}: {error.strerror}.") from None

    @classmethod
    def from_format(cls: type[Self], f_str: str, f_format: str = "json") -> Self:
        """Read the object from a text. Raises BadDocument, or the class's own kind of it, saying where."""
        return cls._read(f_str, f_format, "The text")

    @classmethod
    def from_file(cls: type[Self], filename: FileName, f_format: str | None = None) -> Self:
        """Read the object from a file of at most MAX_BYTES, in the format its name ends in unless one is given."""
        try:
            text = _read_text(filename)
        except BadDocument as error:
            raise cls._error(str(error), hint=error.hint) from None
        return cls._read(text, f_format or format_of(filename), str(filename))

    @classmethod
    def _read(cls: type[Self], text: str, f_format: str, where: str) -> Self:
        try:
            document = parse(text, f_format, where)
        except BadDocument as error:
            raise cls._error(str(error), hint=error.hint) from None
        if not isinstance(document, dict):
            raise cls._error(f"{where} holds {_kind(document)}, not the keys and values of a {cls.__name__}.")
        try:
            return cls.from_dict(document)
        except LaunchpadError as error:
            raise type(error)(f"{where}: {error}", hint=error.hint) from None

    def __repr__(self) -> str:
        return json.dumps(to_storable(self.to_dict()))


def read_document(filename: FileName, f_format: str | None = None) -> Any:
    """Return what a YAML or JSON file holds, as plain Python values. Raises BadDocument saying where."""
    return parse(_read_text(filename), f_format or format_of(filename), str(filename))


def parse(text: str, f_format: str = "json", where: str = "The text") -> Any:
    """Return what a JSON or YAML text holds. Raises BadDocument with line and column; `where` begins its sentence."""
    if len(text) > MAX_BYTES:
        raise BadDocument(f"{where} is larger than {MAX_BYTES >> 20} MB.")
    if _known_format(f_format) == "yaml":
        from launchpad.model.yaml_text import read_yaml

        return read_yaml(text, where)
    return _read_json(text, where)


def _read_json(text: str, where: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        content = dict(items)
        if len(content) < len(items):
            names = [name for name, _ in items]
            double = next(name for name in content if names.count(name) > 1)
            raise BadDocument(f"{where}: the key {double!r} stands twice in one object.")
        return content

    too_deep = BadDocument(f"{where} is nested more than {MAX_DEPTH} levels deep.")
    try:
        document = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise BadDocument(f"{where}, line {error.lineno}, column {error.colno}: this is no valid JSON ({error.msg}).") from None
    except RecursionError:
        raise too_deep from None
    except BadDocument:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise BadDocument(f"{where} holds a number that cannot be read ({error}).") from None
    if _deeper_than(document, MAX_DEPTH):
        raise too_deep
    return document


def _deeper_than(document: Any, levels: int) -> bool:
    layer = [document]
    for _ in range(levels + 1):
        layer = [
            item
            for outer in layer
            if isinstance(outer, (dict, list))
            for item in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(layer)


def _read_text(filename: FileName) -> str:
    try:
        with open(filename, "rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadDocument(f"Cannot read {filename}: {error.strerror}.") from None
    if len(raw) > MAX_BYTES:
        raise BadDocument(f"{filename} is larger than {MAX_BYTES >> 20} MB.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadDocument(f"{filename} is no text in UTF-8: byte {error.start + 1} does not belong there.") from None


def format_of(filename: FileName) -> str:
    """Return the format that a file's name ends in. Raises BadDocument."""
    ending = Path(filename).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise BadDocument(f"Cannot tell the format of {filename}: its name must end in .json, .yaml or .yml.")
    return FORMATS[ending]


def _known_format(f_format: str) -> str:
    if f_format not in FORMATS:
        raise BadDocument(f"The format {f_format!r} is not known; give 'json' or 'yaml'.")
    return FORMATS[f_format]


def _kind(value: Any) -> str:
    return {"NoneType": "nothing", "list": "a list", "str": "a text"}.get(type(value).__name__, f"a {type(value).__name__}")


def decode_for_running(value: Any) -> Any:
    """Return a spec as a task sees it: dictionaries with `@module` and `@class` become objects, if monty is installed.

    This imports the modules they name, so it is done where a firework runs and nowhere else. `value` itself stays as it is.
    Raises BadTask if an object cannot be made.
    """
    if importlib.util.find_spec("monty") is None:
        return value
    return _decode(value, "spec")


def _decode(value: Any, path: str) -> Any:
    if isinstance(value, dict):
        if "@module" in value and "@class" in value:
            return _decode_object(value, path)
        return {key: _decode(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, f"{path}[{position}]") for position, item in enumerate(value)]
    return value


def _decode_object(value: dict[str, Any], path: str) -> Any:
    from monty.json import MontyDecoder  # type: ignore[import-not-found]

    try:
        return MontyDecoder().process_decoded(value)
    except Exception as error:  # whatever the foreign class raises
        name = f"{value['@module']}.{value['@class']}"
        raise BadTask(f"{path} holds a {name}, which cannot be made: {type(error).__name__}: {error}.") from error
