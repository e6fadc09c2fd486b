"""The façade's part that takes workflows in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from launchpad.core.actions import append_workflow
from launchpad.core.additions import APPEND
from launchpad.core.changes import Plan
from launchpad.core.documents import iso
from launchpad.core.draft import Draft
from launchpad.core.refresh import refresh
from launchpad.core.selection import given_ids
from launchpad.core.selectiontext import shorten_ids
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import HELD, READY, WAITING, workflow_state
from launchpad.errors import BadIds, BadWorkflow, DocumentTooLarge, UnknownFirework, WorkflowLocked
from launchpad.model import Firework, Workflow
from launchpad.model.checks import check_policy, check_settings
from launchpad.pipelining import in_turn
from launchpad.recording import Recording
from launchpad.store.changing import change_workflows
from launchpad.store.encoding import encode
from launchpad.store.inserting import insert_workflows
from launchpad.store.selecting import missing_ids
from launchpad.store.snapshots import Planner

#: How many workflows go in at once.
BATCH = 500

#: How many of them the history names.
MOST_NAMED = 3


class Adding(Recording):
    """What takes workflows in. A part of `LaunchPad`."""

    def add_wf(
        self, wf: Workflow | Firework, reassign_all: bool = True, *, command: str = "add_wf", reason: str = ""
    ) -> dict[int, int]:
        """Add a workflow, or a firework as a workflow of its own, and return the new id by old id.

        reassign_all: give every firework a new id; else only those whose id is negative. The objects get their new ids too.
        command, reason: for the history, by which it can be undone until something of it has run.
        Raises BadWorkflow, BadDocument; NeedsReset on a server's database without id counters.
        """
        (new,) = self._add([[wf]], reassign_all, command, reason)
        return new

    def bulk_add_wfs(
        self, wfs: Iterable[Workflow | Firework], *, command: str = "add_wf", reason: str = ""
    ) -> list[dict[int, int]]:
        """Add many workflows, each whole or not at all, some hundreds at a time; return new id by old id for each.

        command, reason: for the history, where all of them are one command.
        """
        waiting = iter(wfs)
        return list(self._add(iter(lambda: list(islice(waiting, BATCH)), []), True, command, reason))

    def append_wf(
        self,
        new_wf: Workflow | Firework,
        fw_ids: Sequence[int],
        detour: bool = False,
        pull_spec_mods: bool = True,
        *,
        dry_run: bool = False,
        command: str = "append_wf",
        reason: str = "",
    ) -> dict[int, int]:
        """Put a workflow below fireworks of one that is stored.

        detour: what follows these fireworks now comes after the new ones; nothing of it may have started. pull_spec_mods:
        the new roots get the spec updates of those of `fw_ids` that have completed. dry_run: only see whether it can be done.
        command, reason: for the history, by which it can be undone until something of it has run.
        Returns the new id by old id. Raises UnknownFirework, BadWorkflow, WorkflowLocked: then nothing was changed.
        """
        document = _as_workflow(new_wf).to_dict()
        for firework in document["fws"]:
            check_settings(firework["spec"], f"Firework {firework['fw_id']} ({firework['name']})")
        parents = list(given_ids(fw_ids))
        if not parents:
            raise BadIds("No firework is given below which it is to be put.")
        if missing := missing_ids(self.store.backend, parents):
            raise UnknownFirework(fw_ids=missing)

        numbers: dict[int, int] = {}

        def planner(snapshot: Snapshot) -> Plan:
            elsewhere = [fw_id for fw_id in parents if fw_id not in snapshot.graph.children]
            if elsewhere:
                raise BadWorkflow(f"Fireworks {parents[0]} and {elsewhere[0]} are in different workflows; append to one.")
            draft = Draft(snapshot)
            new = append_workflow(draft, document, parents, detour=detour, pull_spec_mods=pull_spec_mods)
            numbers.update(zip(sorted(fw["fw_id"] for fw in document["fws"]), new, strict=True))
            refresh(draft, new)
            return draft.plan()

        if dry_run:
            self._append(planner, parents, None)
        else:
            with self._adding(command, f"-i {shorten_ids(parents)}", reason) as added:
                self._append(planner, parents, added.rerun_id)
                added.fireworks = len(numbers)
        return numbers

    def _append(self, planner: Planner, parents: Sequence[int], rerun_id: str | None) -> None:
        dry_run = rerun_id is None
        changed = change_workflows(
            self.store,
            planner,
            fw_ids=parents,
            operation=APPEND,
            rerun_id=rerun_id,
            dry_run=dry_run,
            reserve_ids=not dry_run,
        )
        for snapshot in changed.unavailable:
            lock = snapshot.workflow.get("locked")
            raise WorkflowLocked(fw_id=parents[0], owner="FireWorks" if lock is True else "others", since="some time")

    def _add(
        self, batches: Iterable[Sequence[Workflow | Firework]], reassign_all: bool, command: str, reason: str
    ) -> Iterator[dict[int, int]]:
        """Add batches of workflows, each prepared while the one before is on its way; yield new id by old id of each."""
        prepared = (self._prepare([_as_workflow(wf) for wf in batch], reassign_all) for batch in batches)
        first = next(prepared, None)
        if first is None:
            return
        with self._adding(command, _named(first), reason) as added:

            def insert(batch: Sequence[_Prepared]) -> None:
                insert_workflows(self.store, [one.documents for one in batch], added.rerun_id)

            at_once = self.store.backend.commands_at_once
            for batch, _ in in_turn(insert, chain([first], prepared), at_once, lambda batch: frozenset()):
                for one in batch:
                    added.fireworks += len(one.workflow.fws)
                    self._done_so_far = added.fireworks
                    one.workflow._reassign_ids(one.new_ids)
                    yield one.new_ids

    def _prepare(self, workflows: Sequence[Workflow], reassign_all: bool) -> list[_Prepared]:
        checked = [checked_documents(workflow) for workflow in workflows]  # before an id is used
        renumbered = [[fw_id for fw_id in sorted(workflow.id_fw) if reassign_all or fw_id < 0] for workflow in workflows]
        total = sum(len(ids) for ids in renumbered)
        free = iter(self.store.next_ids("fw_id", total)) if total else iter(())
        stamp = iso(self.store.now())
        batch = []
        for workflow, old_ids, stored in zip(workflows, renumbered, checked, strict=True):
            new_ids = {old: next(free) for old in old_ids}
            ids = {fw_id: new_ids.get(fw_id, fw_id) for fw_id in workflow.id_fw}
            batch.append(_Prepared(workflow, new_ids, _documents(stamp, workflow, ids, *stored)))
        return batch


class _Prepared(NamedTuple):
    """A workflow about to be added: its new id by old id, its document and its fireworks'."""

    workflow: Workflow
    new_ids: dict[int, int]
    documents: tuple[dict[str, Any], list[dict[str, Any]]]


def _named(batch: Sequence[_Prepared]) -> str:
    names = [str(one.workflow.name) for one in batch[:MOST_NAMED]]
    return ", ".join(names) + (", …" if len(batch) > MOST_NAMED else "")


def _documents(
    stamp: str,
    workflow: Workflow,
    ids: Mapping[int, int],
    stored: dict[str, Any],
    stored_fireworks: Mapping[int, dict[str, Any]],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a workflow's document and its fireworks' as they are stored, roots READY, none of them ever run."""
    roots = set(workflow.root_fw_ids)
    fireworks = []
    for old, firework in workflow.id_fw.items():
        fresh = READY if old in roots else WAITING
        fireworks.append(
            {
                **stored_fireworks[old],
                "fw_id": ids[old],
                "launches": [],
                "archived_launches": [],
                "state": firework.state if firework.state in HELD else fresh,
                "updated_on": stamp,
            }
        )
    children = {ids[parent]: [ids[child] for child in below] for parent, below in workflow.links.items()}
    links = {str(parent): below for parent, below in children.items()}
    parent_links: dict[str, list[int]] = {}
    for parent, below in links.items():
        for child in below:
            parent_links.setdefault(str(child), []).append(int(parent))
    states = {int(firework["fw_id"]): str(firework["state"]) for firework in fireworks}
    tolerant = {firework["fw_id"] for firework in fireworks if firework["spec"].get("_allow_fizzled_parents")}
    document = {
        **stored,
        "state": workflow_state(states, children, tolerant.__contains__),
        "nodes": sorted(ids.values()),
        "links": {str(fw_id): links.get(str(fw_id), []) for fw_id in sorted(ids.values())},
        "parent_links": parent_links,
        "fw_states": {str(fw_id): state for fw_id, state in states.items()},
    }
    return document, sorted(fireworks, key=lambda firework: int(firework["fw_id"]))


def checked_documents(workflow: Workflow) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
    """Return a new workflow's document and its fireworks' by id. Raises BadDocument, saying where, for what cannot be stored."""
    fireworks = {}
    for fw_id, firework in workflow.id_fw.items():
        place = f"Firework {fw_id} ({firework.name})"
        fireworks[fw_id] = firework.to_db_dict()
        check_settings(fireworks[fw_id]["spec"], place)
        _check_size(fireworks[fw_id], place)
    document = workflow.to_db_dict()
    check_policy((document.get("metadata") or {}).get("_retry"), f"Workflow {workflow.name}: the _retry in its metadata")
    _check_size(document, f"Workflow {workflow.name}")
    return document, fireworks


def _check_size(document: Mapping[str, Any], place: str) -> None:
    try:
        encode(document)
    except DocumentTooLarge as problem:
        raise DocumentTooLarge(f"{place}: {problem}") from None


def _as_workflow(wf: Workflow | Firework) -> Workflow:
    if isinstance(wf, Firework):
        return Workflow.from_firework(wf)
    if not isinstance(wf, Workflow):
        raise BadWorkflow(
            f"A {type(wf).__name__} cannot be added: it takes a Workflow or a Firework, as Workflow.from_dict makes them."
        )
    return wf
