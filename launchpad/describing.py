"""The façade's part that says what it is: its settings as FireWorks' LaunchPad gives them, and its log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchpad.core.addresses import is_secret, redact
from launchpad.model.serialization import FileName, Serializable, format_of
from launchpad.settingsfile import write_private_file

if TYPE_CHECKING:
    from launchpad.settings import Settings

logger = logging.getLogger("launchpad")

#: What both kinds of database have.
_COMMON = ("logdir", "strm_lvl", "user_indices", "wf_user_indices")
_OF_A_SERVER = ("port", "name", "username", "password", *_COMMON, "authsource", "uri_mode", "mongoclient_kwargs")


class Describing(Serializable):
    """What it is, in a form that opens it again. A part of `LaunchPad`."""

    settings: Settings

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of a my_launchpad.yaml that opens this database, **the password among them**.

        A server's: host, port, name, username, password, logdir, strm_lvl, user_indices, wf_user_indices, authsource, uri_mode,
        mongoclient_kwargs; an embedded file's: path, logdir, strm_lvl, user_indices, wf_user_indices.
        """
        settings = self.settings
        if settings.kind == "embedded":
            found: dict[str, Any] = {"path": str(settings.path)}
            keys: tuple[str, ...] = _COMMON
        else:
            found, keys = {"host": settings.uri or settings.host}, _OF_A_SERVER
        for key in keys:
            value = getattr(settings, key)
            found[key] = list(value) if isinstance(value, tuple) else dict(value) if key == "mongoclient_kwargs" else value
        return found

    def to_db_dict(self) -> dict[str, Any]:
        """Return `to_dict()` without secrets, for where others may read it."""
        shown = self.to_dict()
        if shown.get("password"):
            shown["password"] = None
        if shown.get("host"):
            shown["host"] = redact(shown["host"])
        if shown.get("mongoclient_kwargs"):
            shown["mongoclient_kwargs"] = {key: value for key, value in shown["mongoclient_kwargs"].items() if not is_secret(key)}
        return shown

    def as_dict(self) -> dict[str, Any]:
        """Return `to_db_dict()`: by this method a launchpad in a spec or an action would be stored."""
        return self.to_db_dict()

    def to_file(self, filename: FileName, f_format: str | None = None, **kwargs: Any) -> None:
        """Write a my_launchpad.yaml (or .json) that opens this database; only the user can read it, for the password's sake.

        An existing file is replaced. Raises BadDocument for an unknown format, ConfigurationError if it cannot be written.
        """
        text = self.to_format(f_format or format_of(filename), **kwargs)
        write_private_file(Path(filename), text, overwrite=True)

    def get_logdir(self) -> str | None:
        """Return the folder of the log that `logdir` names, None if there is none."""
        return self.settings.logdir

    def log_message(self, level: int, message: str) -> None:
        """Write a message into the log; level: as logging has them, such as logging.INFO."""
        logger.log(level, message)

    def __repr__(self) -> str:
        return f"LaunchPad({self.settings.where})"
