"""Reading and writing the files that hold settings: YAML as FireWorks reads it (version 1.2), or JSON."""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from launchpad.errors import ConfigurationError

#: Nobody writes this much by hand; more is another kind of file.
LARGEST_FILE = 1_000_000


def read_settings_file(path: Path, origin: str, *, found: bool = False) -> dict[str, Any]:
    """Return the keys and values of a settings file that `origin` named.

    A file that was `found` in the current folder, not named, must belong to the user and be writable by nobody else: it says
    which database to change and what code to import. Raises ConfigurationError, which says where in the file.
    """
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if found:
                _check_trust(path, status)
            raw = stream.read(LARGEST_FILE + 1)
        text = raw.decode("utf-8")
    except OSError as problem:
        raise ConfigurationError(f"Cannot read {path} ({origin}): {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} ({origin}) is not a text file.") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigurationError(f"{path} ({origin}) is too big for a settings file.")
    content = _from_json(text, path) if path.suffix == ".json" else _from_yaml(text, path)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} ({origin}) must hold `key: value` lines.")
    return content


def _check_trust(path: Path, status: os.stat_result) -> None:
    if not hasattr(os, "getuid"):
        return
    hint = f"Name it if you trust it: `-l {path}`, `-w {path}`, or FW_CONFIG_FILE={path}."
    if status.st_uid != os.getuid():
        raise ConfigurationError(f"{path} in the current folder belongs to somebody else and is not used.", hint=hint)
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid)):
        hint = f"Take that right away: `chmod go-w {path}`."
        raise ConfigurationError(f"{path} in the current folder can be written by others and is not used.", hint=hint)


def _is_own_group(group_id: int) -> bool:
    """Tell whether the group is the user's private one, as many systems give each user (files are then group-writable)."""
    import grp
    import pwd

    try:
        user, group = pwd.getpwuid(os.getuid()), grp.getgrgid(group_id)
    except KeyError:
        return False
    return group_id == user.pw_gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


def _from_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise ConfigurationError(f"{path} is not valid JSON: {problem}.") from None


# YAML 1.2: `NO` is text and 012 is twelve, where PyYAML by itself goes by version 1.1.
_SCALARS = {
    "null": re.compile(r"^(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"),
    "float": re.compile(r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF))$"),
}


def _from_yaml(text: str, path: Path) -> Any:
    import yaml  # late: a command with --uri or no settings at all does without

    loader = _loader(yaml)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, loader)):
            raise ConfigurationError(f"{path} uses a YAML alias (*name), which settings files may not.")
        return yaml.load(text, loader)  # noqa: S506 (a safe loader with other scalars)
    except RecursionError:
        raise ConfigurationError(f"{path} is nested too deeply.") from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigurationError(f"{path} is not valid YAML{where}: {problem.problem}.") from None
    except (yaml.YAMLError, ValueError):
        raise ConfigurationError(f"{path} is not valid YAML.") from None


def _loader(yaml: Any) -> Any:
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            keys = [key.value for key, _ in node.value]
            for number, (key, _) in enumerate(node.value):
                if key.value in keys[:number]:
                    problem = f"the key {key.value} stands there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
            return mapping

        def construct_whole(self, node: Any) -> int:
            return int(node.value, 0 if node.value[:2] in ("0o", "0x") else 10)

    for kind, pattern in _SCALARS.items():
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", pattern, None)
    Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_whole)
    return Loader


def write_settings_file(path: Path, values: Mapping[str, Any], *, overwrite: bool) -> None:
    """Write a settings file that only the user can read, whole or not at all. Raises ConfigurationError."""
    # Values as JSON, which is YAML in quotes: whatever reads them gets the same text back.
    text = "".join(f"{key}: {_as_yaml(value)}\n" for key, value in values.items())
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with open(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            _put_in_place(temporary, path, overwrite)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already.", hint="Choose another name, or allow it to be replaced.") from None
    except OSError as problem:
        raise ConfigurationError(f"Cannot write {path}: {problem.strerror}.") from None


def _put_in_place(temporary: str, path: Path, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # unlike a rename, fails if the name is taken
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError from None
        os.replace(temporary, path)


def _as_yaml(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\ufeff\ufffe\uffff\ud800-\udfff\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)
