"""The façade's part that moves workflows, or a whole database, into a file and from there into another database."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.selection import Selection
from launchpad.core.selectiontext import shorten_ids
from launchpad.errors import DuplicateKey, LaunchpadError, UnknownFirework, UsageError
from launchpad.store import exporting, importing, records
from launchpad.store.exportfile import ExportReader, ExportWriter, writing
from launchpad.store.names import COUNTERS, RERUNS
from launchpad.store.selecting import missing_ids, select_workflow_ids

if TYPE_CHECKING:
    from launchpad.model import Workflow
    from launchpad.settings import Settings
    from launchpad.store.store import Store

Progress = Callable[[int], Any] | None


@dataclass
class Moved:
    """What was exported or imported. `present`: workflows that were there already; `fw_ids`: new ids by old, if they changed."""

    file: str
    workflows: int = 0
    fireworks: int = 0
    launches: int = 0
    present: int = 0
    rerun_id: str | None = None
    fw_ids: dict[int, int] = field(default_factory=dict)

    def count(self, documents: Counter[str]) -> None:
        self.workflows, self.fireworks = documents[WORKFLOWS], documents[FIREWORKS]
        self.launches = documents[LAUNCHES] + documents[ARCHIVED_LAUNCHES]


class Moving:
    """What moves workflows between databases. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    if TYPE_CHECKING:  # of the other parts, beside which this class always stands

        def open_record(self, command: str, selection: str, reason: str, **more: Any) -> str: ...
        def tuneup(self) -> None: ...

        def get_wf_by_fw_id(self, fw_id: int) -> Workflow: ...

    def set_up(self) -> None:
        """Make id counters and indexes where they are missing, as in a new database; nothing else is changed."""
        importing.raise_counters(self.store, 1, 1)
        self.tuneup()

    def dump_workflow(self, fw_id: int, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the workflow of a firework, with its launches, as a workflow's file. Raises UnknownFirework, UsageError."""
        if Path(path).exists() and not overwrite:
            raise UsageError(f"{path} exists already.", hint="Add --force to replace it.")
        self.get_wf_by_fw_id(fw_id).to_file(path)

    def export_workflows(
        self,
        selection: Selection,
        path: str | os.PathLike[str],
        *,
        running: bool = False,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Moved:
        """Write the workflows selected, with launches and history, into a file; `everything`: the whole database.

        The file is compressed if its name ends in .gz, and there only when it is complete. running: also where fireworks run or
        wait in a queue. Raises EmptySelection, UnknownFirework, LaunchpadError for such fireworks, WorkflowLocked.
        """
        selection.require()
        self._check_held(selection.fw_ids)
        chosen = [i for batch in select_workflow_ids(self.store.backend, selection) for i in batch]
        whole = selection == Selection(everything=True)
        if not running:
            self._refuse_running(None if whole else chosen)
        moved = Moved(str(path))
        if not chosen and not whole:
            return moved
        with writing(Path(path), overwrite=overwrite) as writer:
            writer.begin(self._header(selection, whole))
            self._write_all(writer, chosen, whole, running, progress)
            writer.end()
        moved.count(writer.written)
        return moved

    def _header(self, selection: Selection, whole: bool) -> dict[str, Any]:
        return {
            "id": os.urandom(16).hex(),
            "from": self.settings.where,
            "on": self.store.now().isoformat(),
            "selection": selection.describe(),
            "whole": whole,
        }

    def _write_all(self, writer: ExportWriter, chosen: Sequence[Any], whole: bool, running: bool, progress: Progress) -> None:
        for count, documents in exporting.workflows_with_all(self.store, chosen):
            going = [d["fw_id"] for name, d in documents if name == FIREWORKS and d.get("state") in exporting.GOING]
            if going and not running:  # begun since it was looked at
                raise _is_running(going)
            for collection, document in documents:
                writer.add(collection, document)
            if progress:
                progress(count)
        for collection, document in exporting.rest_of_database(self.store) if whole else ():
            writer.add(collection, document)

    def _check_held(self, fw_ids: Sequence[int]) -> None:
        missing = missing_ids(self.store.backend, fw_ids)
        if missing:
            raise UnknownFirework(fw_ids=missing, hint="Nothing was exported.")

    def _refuse_running(self, workflow_ids: Sequence[Any] | None) -> None:
        if going := exporting.going_on(self.store, workflow_ids):
            raise _is_running(going)

    def import_workflows(
        self,
        path: str | os.PathLike[str],
        *,
        new_ids: bool = False,
        dry_run: bool = False,
        reason: str = "",
        progress: Progress = None,
    ) -> Moved:
        """Take in what `export_workflows` has written; what is there already, and equal, is passed over.

        The file is looked over as a whole before anything is written. An import that was broken off goes on when it is called
        again. new_ids: give fireworks and launches ids of this database; else they keep theirs. Raises BadDocument for a file
        that is none of ours or damaged, DuplicateKey where other fireworks have the ids: then nothing was changed.
        """
        reader = ExportReader(Path(path))
        begun = self._begun(reader.header["id"], new_ids)
        numbers = self._numbers(reader, begun, reserve=not dry_run) if new_ids else None

        def pieces() -> Iterator[importing.Piece]:
            lines = reader.lines()
            return importing.pieces(importing.renumber(lines, numbers.renumbering) if numbers else lines)

        found = importing.Findings()
        for piece in pieces():
            found.look_at(self.store, piece, resumed=begun is not None)
        self._refuse_taken(found)
        moved = Moved(str(path), present=found.present, fw_ids=numbers.fw_ids if numbers else {})
        moved.count(found.documents)
        if not dry_run:
            moved.rerun_id = str(begun["_id"]) if begun else self._open_import(reader, numbers, moved, reason)
            self._carry_in(pieces(), found, begun is not None, progress)
            if moved.rerun_id:
                done = {"state": "done", "counts": {"changed": moved.workflows - moved.present}, "ended_on": self.store.now()}
                records.update_record(self.store, moved.rerun_id, done)
        return moved

    def _begun(self, export_id: str, new_ids: bool) -> dict[str, Any] | None:
        """Return the record of an import of this export that was broken off."""
        query = {
            "command": "import",
            "imports": export_id,
            "new_ids": new_ids,
            "state": {"$in": [records.OPEN, records.BROKEN_OFF]},
        }
        return self.store.backend.find_one(RERUNS, query)

    def _numbers(self, reader: ExportReader, begun: dict[str, Any] | None, *, reserve: bool) -> _Numbers:
        """Return the new ids of an import: those it began with, or else fresh ones."""
        ids = importing.Ids()
        for _ in importing.renumber(reader.lines(), ids.collecting()):
            pass
        if begun:
            return _Numbers(ids, begun["first_fw_id"], begun["first_launch_id"], begun["seed"])
        if reserve:
            self.set_up()
            first_fw_id = self.store.next_ids("fw_id", max(1, len(ids.fireworks)))[0]
            first_launch_id = self.store.next_ids("launch_id", max(1, len(ids.launches)))[0]
        else:
            counters = self.store.backend.find_one(COUNTERS, {}) or {}
            first_fw_id, first_launch_id = (int(counters.get(field, 1)) for field in ("next_fw_id", "next_launch_id"))
        return _Numbers(ids, first_fw_id, first_launch_id, os.urandom(8).hex())

    def _open_import(self, reader: ExportReader, numbers: _Numbers | None, moved: Moved, reason: str) -> str | None:
        """Write into the journal what begins, so that it can go on if it is broken off; not where there is nothing new."""
        if moved.present == moved.workflows:
            return None
        more = {"imports": reader.header["id"], "new_ids": numbers is not None, "final": "imported workflows"}
        if numbers:
            more |= {"first_fw_id": numbers.first_fw_id, "first_launch_id": numbers.first_launch_id, "seed": numbers.seed}
        return self.open_record("import", f"{reader.header.get('selection')} from {reader.header.get('from')}", reason, **more)

    def _refuse_taken(self, found: importing.Findings) -> None:
        where = self.settings.where
        hint = "Nothing was imported. With --new-ids what is imported gets ids of its own."
        if found.differing:
            raise DuplicateKey(
                f"The workflows of {_named('firework', found.differing)} are in {where} already, and are not the same.", hint=hint
            )
        if found.fireworks_taken or found.launches_taken:
            taken = [_named(noun, ids) for noun, ids in found.taken() if ids]
            raise DuplicateKey(f"{where} has {' and '.join(taken)} already, and they are others.", hint=hint)

    def _carry_in(self, pieces: Iterator[importing.Piece], found: importing.Findings, resumed: bool, progress: Progress) -> None:
        self.set_up()
        importing.raise_counters(self.store, found.next_fw_id, found.next_launch_id)
        for piece in pieces:
            importing.write_piece(self.store, piece, resumed=resumed)
            if progress:
                progress(len(piece.workflows))


class _Numbers:
    """The new ids of one import."""

    def __init__(self, ids: importing.Ids, first_fw_id: int, first_launch_id: int, seed: str) -> None:
        self.first_fw_id, self.first_launch_id, self.seed = first_fw_id, first_launch_id, seed
        self.renumbering = ids.renumbered(first_fw_id, first_launch_id, seed)
        self.fw_ids = {old: self.renumbering.firework(old) for old in sorted(ids.fireworks)}


def _named(noun: str, ids: Sequence[int]) -> str:
    return f"{noun}{'s' if len(ids) > 1 else ''} {shorten_ids(sorted(set(ids)))}"


def _is_running(fw_ids: Sequence[int]) -> LaunchpadError:
    return LaunchpadError(
        f"{_named('Firework', fw_ids)} {'are' if len(fw_ids) > 1 else 'is'} running or waiting in a queue: what they come to is"
        " told to this database, not to the other. Nothing was exported.",
        hint="Wait for them, or export them as they are with --running: in the other database they are then lost runs.",
    )
