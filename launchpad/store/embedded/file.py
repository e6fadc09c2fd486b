"""The SQLite file: opening it, a connection per process and thread, transactions that wait for each other, errors as sentences.

Every operation is one transaction. Writers wait for the file's lock (write-ahead log, `BEGIN IMMEDIATE`); readers never wait.
A committed transaction is on the disk (`synchronous = FULL`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from launchpad.errors import AccessDenied, ConfigurationError, NewerFormat, NotADatabase, StoreError, StoreUnreachable
from launchpad.store.embedded import catalog
from launchpad.store.embedded.catalog import Collection
from launchpad.store.embedded.keys import NULL, ODD

Result = TypeVar("Result")

#: Seconds that SQLite waits for a lock by itself; short, for it does not see Ctrl-C meanwhile. We go on waiting.
_LOCK_WAIT = 1.0

#: All sessions of this process, and those taken over from a parent process: kept for ever, for closing them in the child
#: would let SQLite tidy up behind the parent's back.
_live: weakref.WeakSet[Session] = weakref.WeakSet()
_inherited: list[Session] = []


def _drop_own() -> None:
    _inherited[:] = [session for session in _inherited if session.pid != os.getpid()]


os.register_at_fork(before=lambda: _inherited.extend(_live), after_in_parent=_drop_own)


class Session:
    """One connection, with what is known of the file while a transaction lasts."""

    def __init__(self, connection: sqlite3.Connection, inode: tuple[int, int]) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.inode = inode
        self.pid = os.getpid()
        self._collections: dict[str, Collection] = {}
        self._schema: int | None = None
        self._side_rows: dict[int, tuple[bool, bool]] = {}
        _live.add(self)

    def begin(self, mode: str) -> None:
        self.execute(f"BEGIN {mode}")
        self._side_rows.clear()
        # Counts every change of a table's definition, by whichever process.
        schema = self.execute("PRAGMA schema_version").fetchone()[0]
        if schema != self._schema:
            self._collections = catalog.load_catalog(self.connection)
            self._schema = schema

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        self._schema = None  # tables made in this transaction are gone
        with contextlib.suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.execute("ROLLBACK")

    def collection(self, name: str) -> Collection | None:
        return self._collections.get(name)

    def collection_for_writing(self, name: str) -> Collection:
        """Return a collection, made if it is not there."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = catalog.create_collection(self.connection, name)
            self._schema = None
        return found

    def side_rows(self, number: int) -> tuple[bool, bool]:
        """Tell whether some document has rows in the side table for a path, and whether for more than being null."""
        known = self._side_rows.get(number)
        if known is None:
            odd = any(
                self.execute(f"SELECT 1 FROM lpad_side WHERE path = ? AND key {compare} ? LIMIT 1", (number, NULL)).fetchone()
                for compare in ("<", ">")
            )
            some = odd or self.execute("SELECT 1 FROM lpad_side WHERE path = ? LIMIT 1", (number,)).fetchone() is not None
            known = self._side_rows[number] = (some, odd)
        return known

    def forget_side_rows(self, numbers: set[int]) -> None:
        for number in numbers:
            self._side_rows.pop(number, None)

    def sorts_by_column(self, collection: Collection, path: str) -> bool:
        """Tell whether a path's column alone gives the order of the documents."""
        if path != "_id":
            return not self.side_rows(collection.paths[path].number)[1]
        odd = f"SELECT 1 FROM {collection.table} WHERE id {{}} ? LIMIT 1"
        return not any(self.execute(odd.format(compare), (key,)).fetchone() for compare, key in (("=", NULL), (">=", ODD)))

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.connection.close()


class EmbeddedFile:
    """A launchpad's SQLite file at `path`. Nothing is opened before it is needed.

    `patience` is how many seconds an operation waits for other processes before it gives up.
    """

    def __init__(self, path: str | os.PathLike[str], patience: float = 60.0) -> None:
        self.path = Path(path).expanduser().absolute()
        self.patience = patience
        self._local = threading.local()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()

    def read(self, work: Callable[[Session], Result]) -> Result:
        """Run `work` on one state of the file."""
        return self._transaction("DEFERRED", work)

    def write(self, work: Callable[[Session], Result]) -> Result:
        """Run `work` alone, and make what it did durable. If it raises, nothing of it remains."""
        return self._transaction("IMMEDIATE", work)

    def _transaction(self, mode: str, work: Callable[[Session], Result]) -> Result:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                return self._try_transaction(mode, work)
            except sqlite3.Error as error:
                if not _is_busy(error):
                    raise self._explained(error) from None
                if time.monotonic() > deadline:
                    raise StoreUnreachable(
                        f"Other processes have kept {self.path} locked for {self.patience:g} s.",
                        hint="Find out who holds it (for example with `lsof`), or use MongoDB where many work at once.",
                    ) from None
                time.sleep(0.005)

    def _try_transaction(self, mode: str, work: Callable[[Session], Result]) -> Result:
        session = self._session()
        try:
            session.begin(mode)
            result = work(session)
            session.commit()
        except BaseException:
            session.rollback()
            raise
        return result

    def vacuum(self) -> None:
        """Write the file anew without what was deleted. Raises StoreUnreachable while others keep it busy."""
        session = self._session()
        try:
            session.execute("VACUUM")
            session.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            if _is_busy(error):
                raise StoreUnreachable(f"Other processes are using {self.path}; try it again later.") from None
            raise self._explained(error) from None

    # connections

    def _session(self) -> Session:
        """Return this process's and thread's connection."""
        session: Session | None = getattr(self._local, "session", None)
        if session is not None and session.pid == os.getpid():
            if session.inode == self._inode():
                return session
            session.close()  # the file was removed or replaced: going on would write to nowhere
        session = self._local.session = self._open()
        self._sessions.add(session)
        return session

    def _inode(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _open(self) -> Session:
        self._make_file()
        try:
            # Threads have sessions of their own; only `close` comes from another.
            connection = sqlite3.connect(self.path, timeout=_LOCK_WAIT, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._explained(error) from None
        try:
            self._check_format(connection)
            # Stays with the file, but not with every copy of it.
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -16000")
        except BaseException:
            connection.close()
            raise
        return Session(connection, self._inode() or (0, 0))

    def _make_file(self) -> None:
        """Make the file, for its owner only, and the folders it lies in, if they are not there."""
        try:
            _make_folders(self.path.parent)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except IsADirectoryError:
            raise ConfigurationError(f"{self.path} is a folder; the embedded database is a file.") from None
        except PermissionError:
            raise AccessDenied(
                f"There is no permission to read and write {self.path} and its folder.",
                hint="The embedded database needs both; give another file, or change its owner or mode.",
            ) from None
        except OSError as error:
            if error.errno == errno.EROFS:
                raise AccessDenied(
                    f"{self.path} is on a file system that is mounted read-only.",
                    hint="The embedded database needs to write there also to be read; copy the file to another place.",
                ) from None
            raise ConfigurationError(f"The file {self.path} cannot be made: {error.strerror}.") from None

    def _check_format(self, connection: sqlite3.Connection) -> None:
        application, version = _read_marks(connection)
        if application == 0:  # whatever the version: another process may have laid the file out between the two reads
            application, version = self._initialise(connection)
        if application != catalog.APPLICATION_ID:
            raise NotADatabase(
                f"{self.path} is the database of another program.", hint="Give another file, or one that is not there yet."
            )
        if version > catalog.FORMAT:
            raise NewerFormat(
                f"{self.path} has format {version}; this version reads formats up to {catalog.FORMAT}.",
                hint="Use the version that wrote it, or a newer one.",
            )

    def _initialise(self, connection: sqlite3.Connection) -> tuple[int, int]:
        """Lay out a new file, unless another process has just done so, or it holds something else."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            marks = _read_marks(connection)
            if marks == (0, 0) and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
                for statement in catalog.SCHEMA.split(";"):
                    connection.execute(statement)
                marks = _read_marks(connection)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        return marks

    def close(self) -> None:
        """Close the connections of all threads of this process."""
        for session in list(self._sessions):
            if session.pid == os.getpid():
                session.close()
        self._sessions = weakref.WeakSet()
        self._local = threading.local()

    # errors

    def _explained(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        if "not a database" in text:
            return NotADatabase(f"{self.path} is no embedded launchpad.", hint="Give another file, or one that is not there yet.")
        if "malformed" in text:
            return NotADatabase(f"{self.path} is damaged: SQLite cannot read it.", hint="Put back a copy of the file.")
        if "readonly" in text or "unable to open" in text or "authorization" in text or "access permission" in text:
            return AccessDenied(
                f"There is no permission to write {self.path} and beside it.",
                hint="The embedded database needs to write the file and its folder.",
            )
        if "full" in text:
            return StoreError(f"The disk that holds {self.path} is full; nothing was changed.")
        if "I/O" in text:
            return StoreError(f"The disk that holds {self.path} does not take what is written ({text}); nothing was changed.")
        return StoreError(f"The embedded database {self.path} failed: {text}.")


def _read_marks(connection: sqlite3.Connection) -> tuple[int, int]:
    return (
        connection.execute("PRAGMA application_id").fetchone()[0],
        connection.execute("PRAGMA user_version").fetchone()[0],
    )


def _make_folders(folder: Path) -> None:
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)


def _is_busy(error: sqlite3.Error) -> bool:
    text = str(error)
    return isinstance(error, sqlite3.OperationalError) and ("locked" in text or "busy" in text)
