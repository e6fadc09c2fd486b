"""The launchpad: the one object through which scripts, workers and the command line reach the database."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launchpad.adding import Adding
from launchpad.analysing import Analysing
from launchpad.checkout import Working
from launchpad.config import find_settings, settings_from_values
from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.deleting import Deleting
from launchpad.describing import Describing
from launchpad.detecting import Detecting
from launchpad.errors import UsageError
from launchpad.explaining import Explaining
from launchpad.hearing import Hearing
from launchpad.holding import Holding
from launchpad.moving import Moving
from launchpad.notifying import Notifying
from launchpad.operating import Operating
from launchpad.reading import Reading
from launchpad.recovering import Recovering
from launchpad.retrying import Retrying
from launchpad.settings import Settings
from launchpad.store.backend import Backend, DeleteMany, Replace
from launchpad.store.indexes import INDEXES, user_indexes
from launchpad.store.names import COUNTERS, ENTRIES, FOLDERS, NOTIFICATIONS, PLANS, RERUNS, SUPERVISIONS
from launchpad.store.store import Store
from launchpad.supervising import Supervising
from launchpad.tending import Tending
from launchpad.tracing import Tracing
from launchpad.undoing import Undoing
from launchpad.upkeep import Upkeep

logger = logging.getLogger("launchpad")

#: What a reset empties.
COLLECTIONS = (
    *(FIREWORKS, WORKFLOWS, LAUNCHES, ARCHIVED_LAUNCHES, "offline_runs"),
    *(RERUNS, ENTRIES, PLANS, FOLDERS, SUPERVISIONS, NOTIFICATIONS),
)


class LaunchPad(
    Reading,
    Explaining,
    Analysing,
    Adding,
    Detecting,
    Hearing,
    Supervising,
    Notifying,
    Operating,
    Holding,
    Deleting,
    Undoing,
    Recovering,
    Retrying,
    Tracing,
    Upkeep,
    Working,
    Describing,
    Moving,
    Tending,
):
    """Workflows in a database: added, read, checked out, completed, rerun.

    The arguments are FireWorks'. `host` may also be a MongoDB address, or ``sqlite:///path`` for the embedded store. Without
    any argument the configured database is opened, as by `auto_load`. Nothing is connected before the first call that needs it.

    >>> first, second = Firework(ScriptTask(script="true"), fw_id=-1), Firework(ScriptTask(script="true"), fw_id=-2)
    >>> ids = launchpad.add_wf(Workflow([first, second], {first: [second]}))
    >>> launchpad.get_fw_by_id(ids[-1]).state, launchpad.get_fw_by_id(ids[-2]).state
    ('READY', 'WAITING')
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        name: str | None = None,
        username: str | None = None,
        password: str | None = None,
        logdir: str | None = None,
        strm_lvl: str | None = None,
        user_indices: list[Any] | None = None,
        wf_user_indices: list[Any] | None = None,
        authsource: str | None = None,
        uri_mode: bool = False,
        mongoclient_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        given = {key: value for key, value in locals().items() if key != "self" and key in _ARGUMENTS and value}
        self._open(settings_from_values(given) if given else find_settings())

    def _open(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(make_backend(settings))

    @classmethod
    def from_settings(cls, settings: Settings) -> LaunchPad:
        """Open the database these settings name."""
        launchpad = cls.__new__(cls)
        launchpad._open(settings)
        return launchpad

    @classmethod
    def from_file(cls, filename: str | os.PathLike[str], f_format: str | None = None) -> LaunchPad:
        """Open the database that a my_launchpad.yaml (or .json) names. Raises ConfigurationError."""
        return cls.from_settings(find_settings(launchpad_file=str(filename)))

    @classmethod
    def auto_load(cls) -> LaunchPad:
        """Open the database that is configured, else the embedded one in the user's data folder."""
        return cls.from_settings(find_settings())

    @classmethod
    def open(cls, uri: str) -> LaunchPad:
        """Open a database by its address: mongodb://…, mongodb+srv://…, sqlite:///path, or the path of a .db file."""
        return cls.from_settings(find_settings(uri=uri))

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> LaunchPad:
        """Open the database that a dictionary with the keys of my_launchpad.yaml names."""
        return cls.from_settings(settings_from_values(d))

    @classmethod
    def from_format(cls, f_str: str, f_format: str = "json") -> LaunchPad:
        """Open the database that a text, "json" or "yaml", with the keys of my_launchpad.yaml names."""
        return cls._read(f_str, f_format, "The text")

    @property
    def name(self) -> str:
        """What a reset asks for: the database's name, or the embedded file's."""
        return self.settings.name if self.settings.kind == "mongodb" else Path(self.settings.path or "launchpad").stem

    def close(self) -> None:
        """Let go of connections and files."""
        self.store.backend.close()

    def __enter__(self) -> LaunchPad:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def reset(self, password: str = "", require_password: bool = True, max_reset_wo_password: int = 25) -> None:
        """Empty the database, set the id counters to 1 and make the indexes.

        password: today's date, YYYY-MM-DD, or the database's name; needed for more than `max_reset_wo_password` workflows, and
        whenever `require_password`. Raises UsageError when it is wrong: then nothing was changed.
        """
        backend = self.store.backend
        confirmed = password in (f"{dt.datetime.now().astimezone():%Y-%m-%d}", self.name)
        if not confirmed and (require_password or backend.count(WORKFLOWS, {}) > max_reset_wo_password):
            raise UsageError(
                f"Emptying {backend.where} needs its name or today's date as password.",
                hint="Nothing was changed.",
            )
        for collection in COLLECTIONS:
            self.store.write(collection, [DeleteMany({})])
        backend.delete_files({})
        self.store.write(
            COUNTERS, [DeleteMany({}), Replace({"_id": -1}, {"_id": -1, "next_fw_id": 1, "next_launch_id": 1})], ordered=True
        )
        self.tuneup()
        logger.info("The database %s is empty now.", backend.where)

    def tuneup(self, bkground: bool = True) -> None:
        """Make the indexes that are missing; those of FireWorks, or anybody's, are left in place.

        bkground: without effect, as in any MongoDB since 4.2: nobody is held up meanwhile.
        """
        for collection, indexes in INDEXES.items():
            self.store.backend.create_indexes(collection, indexes)
        self.store.backend.create_indexes(FIREWORKS, user_indexes(self.settings.user_indices))
        self.store.backend.create_indexes(WORKFLOWS, user_indexes(self.settings.wf_user_indices))

    def compact(self) -> None:
        """Give the space of deleted documents back to the disk, as far as the database can. Raises AccessDenied."""
        self.store.backend.compact((*COLLECTIONS, COUNTERS))

    def get_new_fw_id(self, quantity: int = 1) -> int:
        """Reserve ids for fireworks and return the first."""
        return self.store.next_ids("fw_id", quantity)[0]

    def get_new_launch_id(self) -> int:
        """Reserve an id for a launch."""
        return self.store.next_ids("launch_id", 1)[0]


_ARGUMENTS = frozenset(
    (
        "host",
        "port",
        "name",
        "username",
        "password",
        "logdir",
        "strm_lvl",
        "user_indices",
        "wf_user_indices",
        "authsource",
        "uri_mode",
        "mongoclient_kwargs",
    )
)


def make_backend(settings: Settings) -> Backend:
    """Return the backend that settings name; the driver is loaded only here."""
    if settings.kind == "embedded":
        from launchpad.store.embedded import EmbeddedBackend

        assert settings.path is not None
        return EmbeddedBackend(settings.path)
    from launchpad.store.mongo import MongoBackend

    return MongoBackend.from_arguments(
        settings.client_arguments(),
        database=settings.name,
        where=settings.where,
        chosen_by=settings.chosen_by,
        bucket=settings.gridfs_fallback_collection,
    )
