"""The façade's part that deletes workflows, with their launches and, if asked for, the folders of these."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from launchpad import launchdirs
from launchpad.batches import Batching, Operation, Targets
from launchpad.core.changes import Outcome, Plan
from launchpad.core.deletion import plan_delete
from launchpad.core.documents import read_time
from launchpad.core.liveness import is_live, last_heartbeat
from launchpad.core.report import Report
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.errors import BadWorkflow
from launchpad.holding import log_refused, one
from launchpad.store.backend import DeleteMany, Replace
from launchpad.store.changing import Changed
from launchpad.store.names import FOLDERS
from launchpad.store.removing import launches_to_remove, remove_fireworks

#: What is read of a launch to judge its folder.
FOLDER_FIELDS = dict.fromkeys(
    (
        *("launch_dir", "state", "time_start", "time_end", "lease", "host"),
        *("state_history.state", "state_history.created_on", "state_history.updated_on"),
    ),
    1,
)

#: How long a deletion may take between noting its folders and removing the launches.
BROKEN_OFF = dt.timedelta(hours=1)

Launch = Mapping[str, Any]

logger = logging.getLogger("launchpad")


class Delete(Operation):
    """Workflows gone for good, with everything that belongs to them."""

    independent = False
    command, word, whole_workflows = "delete_wflows", "delete", True

    def __init__(self, launchpad: Batching, *, running: bool, launch_dirs: bool, force: bool, dry_run: bool = False) -> None:
        self.store, self.settings = launchpad.store, launchpad.settings
        self.running, self.launch_dirs, self.force, self.dry_run = running, launch_dirs, force, dry_run
        #: The launches that name each folder, by workflow; read before they go.
        self._folders: dict[Any, dict[str, list[Launch]]] = {}

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        return plan_delete(snapshot, running=self.running, run_expiration_seconds=self.settings.run_expiration_secs)

    def planned(self, plans: Sequence[tuple[Snapshot, Plan]]) -> None:
        if not self.launch_dirs:
            return
        workflow_of = {fw_id: plan.workflow_id for _, plan in plans for fw_id in plan.removed}
        self._folders |= {plan.workflow_id: {} for _, plan in plans}
        for launch in launches_to_remove(self.store, workflow_of, FOLDER_FIELDS):
            named = self._folders[workflow_of[launch["listed_by"]]]
            named.setdefault(str(launch.get("launch_dir") or ""), []).append(launch)
        if not self.dry_run:
            self.note([item for plan in plans for item in self._folders[plan[1].workflow_id].items()])

    def note(self, folders: Sequence[tuple[str, Sequence[Launch]]]) -> None:
        """Write down which folders are to go, before the launches that name them do."""
        on = self.store.now()
        notes = [{"_id": folder, "launches": list(launches), "force": self.force, "on": on} for folder, launches in folders]
        self.store.write(FOLDERS, [Replace({"_id": note["_id"]}, note) for note in notes])

    def forget(self, folders: Iterable[str]) -> None:
        """Forget folders that were seen to: deleted, or kept for good reason."""
        listed = list(folders)
        self.store.write(FOLDERS, [DeleteMany({"_id": {"$in": listed}})] if listed else [])

    @staticmethod
    def folders_of(launches: Sequence[Launch]) -> dict[str, list[Launch]]:
        """Return launches by the folder they name."""
        named: dict[str, list[Launch]] = {}
        for launch in launches:
            named.setdefault(str(launch.get("launch_dir") or ""), []).append(launch)
        return named

    def applied(self, changed: Changed, *, dry_run: bool) -> list[Outcome]:
        if not self.launch_dirs:
            return changed.outcomes
        outcomes = []
        for plan in changed.plans:
            told = tuple(self.clear(folder, launches, dry_run) for folder, launches in self._folders[plan.workflow_id].items())
            outcomes += [replace(outcome, warnings=(*outcome.warnings, *told)) for outcome in plan.outcomes]
        if not dry_run:
            self.forget(folder for plan in changed.plans for folder in self._folders[plan.workflow_id])
        return outcomes

    def clear(self, folder: str, launches: Sequence[Launch], dry_run: bool) -> str:
        """Delete a folder if it is ours to delete, and say what became of it."""
        ends = [moment for launch in launches if (moment := read_time(launch.get("time_end")) or last_heartbeat(launch))]
        ended: dt.datetime | None = max(ends, default=None)
        begins = [moment for launch in launches if (moment := read_time(launch.get("time_start")))]
        alive = any(is_live(launch, self.store.now(), self.settings.run_expiration_secs) for launch in launches)
        launch_ids = {launch["launch_id"] for launch in launches}
        keep = [self.settings.path] if self.settings.path else []  # the embedded database itself
        began: dt.datetime | None = min(begins, default=None)
        kept: str | None = "a run is alive in it"
        if not alive:
            where = self.settings.where
            kept = launchdirs.why_kept(folder, launch_ids, where, ended, began=began, force=self.force, keep=keep)
        if not kept and dry_run:
            return f"the folder {folder} would go too"
        kept = kept or launchdirs.remove(folder)
        return f"the folder {folder} stays: {kept}" if kept else f"the folder {folder} is deleted too"


class Deleting(Batching):
    """What an operator deletes. A part of `LaunchPad`."""

    def delete(
        self,
        selection: Selection,
        *,
        running: bool = False,
        launch_dirs: bool = False,
        force: bool = False,
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
    ) -> Report:
        """Delete workflows with their fireworks and launches, for good, and report on each.

        running: also those in which something runs; its result is then not used. launch_dirs: also the folders of their
        launches, as far as a worker made them for these; those with files that somebody else put there only with `force`.
        Raises EmptySelection, UnknownFirework, BadQuery: then nothing was changed.
        """
        if launch_dirs and not dry_run:
            for sentence in self.finish_folders():
                logger.info("%s", sentence)
        operation = Delete(self, running=running, launch_dirs=launch_dirs, force=force, dry_run=dry_run)
        return self.carry_out(operation, selection, dry_run=dry_run, reason=reason, progress=progress, final="deleted workflows")

    def finish_folders(self) -> list[str]:
        """Go on with folders that a deletion left when it was broken off, and return a sentence for each.

        The same rules hold as for any folder. One whose launches are still there is not deleted; one that is not seen from this
        machine is left for another.
        """
        said = []
        for noted in list(self.store.backend.find(FOLDERS, {})):
            operation = Delete(self, running=False, launch_dirs=True, force=bool(noted.get("force")))
            launch_ids = [launch["launch_id"] for launch in noted["launches"]]
            if self.store.launches(launch_ids, fields={"launch_id": 1}):
                if noted["on"] + BROKEN_OFF < self.store.now():  # the deletion did not come to be
                    operation.forget([noted["_id"]])
            elif os.path.isdir(noted["_id"]):
                said.append(f"Of a deletion that was broken off: {operation.clear(noted['_id'], noted['launches'], False)}.")
                operation.forget([noted["_id"]])
        return said

    def delete_wf(self, fw_id: int, delete_launch_dirs: bool = False) -> None:
        """Delete the workflow of a firework; if something in it runs, it stays and the log says so. Raises UnknownFirework."""
        log_refused(self.delete(one(fw_id), launch_dirs=delete_launch_dirs))

    def delete_fws(self, fw_ids: Sequence[int], delete_launch_dirs: bool = False) -> None:
        """Delete fireworks that are in no workflow, and workflows all of whose fireworks are named.

        Raises BadWorkflow for a part of a workflow, UnknownFirework; then nothing was changed.
        """
        self._check_ids(fw_ids)
        named = set(fw_ids)
        workflows = self.store.workflows_of(fw_ids, fields={"nodes": 1})
        for workflow in workflows:
            if rest := set(workflow["nodes"]) - named:
                here = min(named.intersection(workflow["nodes"]))
                raise BadWorkflow(
                    f"Firework {here} is in a workflow with {min(rest)}, which is not to be deleted.",
                    hint="Delete the whole workflow.",
                )
        if workflows:
            whole = tuple(min(workflow["nodes"]) for workflow in workflows)
            log_refused(self.delete(Selection(fw_ids=whole), launch_dirs=delete_launch_dirs))
        alone = named.difference(*(workflow["nodes"] for workflow in workflows))
        remove_fireworks(self.store, sorted(alone))
