"""Reading and writing the files that hold settings: YAML as FireWorks reads it (version 1.2), or JSON."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launchpad.errors import BadDocument, ConfigurationError

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


def _from_yaml(text: str, path: Path) -> Any:
    from launchpad.model.yaml_text import read_yaml  # late, for it loads yaml: a command with --uri does without

    try:
        return read_yaml(text, str(path))
    except BadDocument as problem:
        raise ConfigurationError(str(problem)) from None


def write_settings_file(path: Path, values: Mapping[str, Any], *, overwrite: bool) -> None:
    """Write a settings file that only the user can read, whole or not at all. Raises ConfigurationError."""
    from launchpad.model.yaml_text import write_yaml

    write_private_file(path, write_yaml(dict(values)), overwrite=overwrite)


def write_private_file(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text that only the user can read, whole or not at all. Raises ConfigurationError."""
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is no file, so it is not replaced.", hint="Choose another name.")
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
