"""Who runs fireworks: a worker's name, which fireworks it takes, and what its surroundings are called."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Mapping
from typing import Any

from launchpad.errors import ConfigurationError, LaunchpadError
from launchpad.model.serialization import FileName, Serializable, read_document, to_storable

_KEYS = ("name", "category", "query", "env", "allowed_tasks")
_DEFAULT_NAME = "Automatically generated Worker"


class FWorker(Serializable):
    """A worker.

    name (str)               takes fireworks whose `_fworker` is it, or is not set
    category (str | [str])   takes fireworks with this `_category`, or one of these; "" takes all, "__none__" those without one
    query (dict)             takes fireworks this matches; as given: name and category come in where fireworks are looked for
    env (dict)               what tasks find in `fw_spec["_fw_env"]`
    allowed_tasks ([str])    runs no other tasks: names, with wild cards, as in `_fw_name`; None allows all
    """

    _error: type[LaunchpadError] = ConfigurationError

    def __init__(
        self,
        name: str = _DEFAULT_NAME,
        category: str | list[str] = "",
        query: dict[str, Any] | None = None,
        env: dict[str, Any] | None = None,
        allowed_tasks: list[str] | None = None,
    ) -> None:
        self.name = name
        self.category = category
        self.query = query or {}
        self.env = env or {}
        self.allowed_tasks = allowed_tasks

    def to_dict(self) -> dict[str, Any]:
        """Return the worker as launches hold it: the query is a JSON text, since its keys could not be stored."""
        query = json.dumps(self.query, default=str)
        category = self.category if isinstance(self.category, str) else list(self.category or ())
        return {"name": self.name, "category": category, "query": query, "env": to_storable(self.env, "env")}

    @classmethod
    def from_dict(cls, m_dict: Mapping[str, Any]) -> FWorker:
        """Read a worker; its query may be a mapping or a JSON text. Raises ConfigurationError."""
        category = m_dict.get("category") or ""
        if not isinstance(category, str) and not _is_list_of_texts(category):
            raise ConfigurationError(f"A worker's category is a text or a list of texts, not {category!r}.")
        allowed = m_dict.get("allowed_tasks")
        if allowed is not None and not _is_list_of_texts(allowed):
            raise ConfigurationError(f"A worker's allowed_tasks is a list of names, not {allowed!r}.")
        name = str(m_dict.get("name") or _DEFAULT_NAME)
        return cls(
            name, category, _query(m_dict.get("query")), _env(m_dict.get("env")), None if allowed is None else list(allowed)
        )

    @classmethod
    def from_file(cls, filename: FileName, f_format: str | None = None) -> FWorker:
        """Read a worker's file (my_fworker.yaml). Raises ConfigurationError, also for keys no worker has."""
        try:
            content = read_document(filename, f_format)
        except LaunchpadError as error:
            raise ConfigurationError(str(error), hint=error.hint) from None
        if not isinstance(content, dict):
            raise ConfigurationError(f"{filename} must hold a worker's keys and values: {', '.join(_KEYS)}.")
        for key in content:
            if key not in _KEYS:
                near = difflib.get_close_matches(str(key), _KEYS, 1)
                hint = f"Do you mean {near[0]}?" if near else f"A worker has {', '.join(_KEYS)}."
                raise ConfigurationError(f"{filename} has the key {key!r}, which no worker has.", hint=hint)
        try:
            return cls.from_dict(content)
        except ConfigurationError as error:
            raise ConfigurationError(f"{filename}: {error}", hint=error.hint) from None

    @classmethod
    def auto_load(cls) -> FWorker:
        """Return the worker of the my_fworker.yaml that holds here, or a default one that takes everything."""
        config = importlib.import_module("launchpad.config")  # by name: settings stand above the model
        found = config.find_fworker_file()
        return cls.from_file(found.value) if found else cls()

    def __str__(self) -> str:
        return f"FWorker {self.name!r}"


def _query(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError as error:
            raise ConfigurationError(f"A worker's query must be JSON, such as {{}}: {error}.") from None
    if not isinstance(value or {}, dict):
        raise ConfigurationError(f"A worker's query must be a mapping, not {value!r}.")
    return value or {}


def _env(value: Any) -> dict[str, Any]:
    if not isinstance(value or {}, Mapping):
        raise ConfigurationError(f"A worker's env must be a mapping, not {value!r}.")
    return dict(value or {})


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
