"""The façade's part that finds what got lost: runs nobody hears of any more, reservations nobody took up."""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from launchpad.batches import Targets
from launchpad.core.changes import Outcome, Plan
from launchpad.core.documents import iso, read_time
from launchpad.core.launches import ended_fields, failed_action
from launchpad.core.liveness import is_live, last_heartbeat, run_seconds
from launchpad.core.losses import as_if_ended, losses_in_a_row
from launchpad.core.refresh import plan_refresh
from launchpad.core.report import Report
from launchpad.core.rerun import RerunOptions
from launchpad.core.selection import Selection
from launchpad.core.selectiontext import shorten_ids
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import FIZZLED, RESERVED, RUNNING
from launchpad.errors import ConflictingOptions, UnknownLaunch
from launchpad.operating import Operating, Rerun
from launchpad.store import leases, losing, reading_queries
from launchpad.store.changing import change_workflows
from launchpad.store.duplicates import fireworks_with_launches
from launchpad.store.locks import locked_entries
from launchpad.store.snapshots import attempts_of

if TYPE_CHECKING:
    from launchpad.model import Firework, FWorker

logger = logging.getLogger("launchpad")


@dataclass(frozen=True)
class LostRun:
    """A run that nobody hears of any more. last_heard: None if nothing was ever heard; runtime_secs: from start to then."""

    fw_id: int
    name: str
    state: str
    launch_id: int
    host: str
    launch_dir: str
    last_heard: dt.datetime | None
    runtime_secs: float | None


@dataclass(frozen=True)
class Reservation:
    """A firework that is RESERVED. launch_id: None where the reservation was broken off half-way."""

    fw_id: int
    name: str
    launch_id: int | None
    reservation_id: str | None
    since: dt.datetime | None


class RerunOfLost(Rerun):
    """A rerun of fireworks whose runs are still to be declared lost, planned as if they were. ends: fields by launch id."""

    def __init__(self, options: RerunOptions, ends: Mapping[int, Mapping[str, Any]]) -> None:
        super().__init__(options, duplicates=True)
        self._ends = ends

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        return super().plan(as_if_ended(snapshot, targets, self._ends), targets)


class Detecting(Operating):
    """What finds lost runs and forgotten reservations, and brings them back. A part of `LaunchPad`."""

    if TYPE_CHECKING:  # of `Working` and `Recovering`, beside which this class always stands

        def checkout_fw(
            self,
            fworker: FWorker,
            launch_dir: str | os.PathLike[str],
            fw_id: int | None = None,
            host: str | None = None,
            ip: str | None = None,
            state: str = RUNNING,
        ) -> tuple[Firework, int] | tuple[None, None]: ...
        def recover(self) -> list[str]: ...
        def note_struck_hosts(self, hosts: Collection[str]) -> None: ...

    def find_lost_runs(
        self,
        *,
        expiration_secs: float | None = None,
        max_runtime: float | None = None,
        min_runtime: float | None = None,
        query: Mapping[str, Any] | None = None,
        launch_query: Mapping[str, Any] | None = None,
    ) -> Iterator[list[LostRun]]:
        """Yield the runs that are lost, some hundred at a time: those whose lease ran out, by the database's clock.

        expiration_secs: for runs of FireWorks' workers, which have no lease: how long after the last sign of life they count
        as lost (RUN_EXPIRATION_SECS). max_runtime, min_runtime: only those that ran at most, or at least, so many seconds.
        query: on the fireworks. launch_query: on the launches. Raises BadQuery.
        """
        expiration = self.settings.run_expiration_secs if expiration_secs is None else expiration_secs
        since = self.store.now() - dt.timedelta(seconds=expiration)
        for batch in losing.silent_runs(self.store, since, query=query, launch_query=launch_query):
            now = self.store.now()
            found = [_lost_run(firework, launch) for firework, launch in batch if not is_live(launch, now, expiration)]
            if wanted := [run for run in found if _in_bounds(run.runtime_secs, min_runtime, max_runtime)]:
                yield wanted

    def find_inconsistent(self, *, query: Mapping[str, Any] | None = None) -> Iterator[list[int]]:
        """Yield fireworks that are RUNNING though all their runs have ended, or they have none."""
        return (fw_ids for fw_ids in losing.running_in_vain(self.store, query) if fw_ids)

    def fizzle_lost_runs(self, runs: Sequence[LostRun], *, dry_run: bool = False, reason: str = "") -> Report:
        """Declare runs lost: their launches, and fireworks that have no other, become FIZZLED with the cause "lost".

        A run that is heard of again in this moment is left alone. If the worker of another turns out to be alive later, its
        result is still taken in, unless the firework was rerun.
        """
        report = Report("detect_lostruns", dry_run=dry_run)
        if dry_run:
            report.outcomes = [_told(run, True, FIZZLED if run.state in (RUNNING, RESERVED) else run.state) for run in runs]
            return report
        for start in range(0, len(runs), losing.BATCH):
            if report.rerun_id is None:
                record = {"final": "declared runs lost"}
                report.rerun_id = self.open_record("detect_lostruns", f"{len(runs)} lost runs", reason, **record)
            report.outcomes += self._fizzle_batch(runs[start : start + losing.BATCH])
        self.close_record(report)
        return report

    def rerun_lost_runs(
        self,
        runs: Sequence[LostRun],
        *,
        task_level: bool = False,
        recover_mode: str | None = None,
        dry_run: bool = False,
        reason: str = "",
    ) -> Report:
        """Declare runs lost, and rerun the fireworks that ran, as `rerun` does; report on each.

        What was lost so often in a row that workers no longer bring it back by themselves is rerun too, and that is said.
        dry_run: plan what the rerun would do to fireworks that are FIZZLED then.
        """
        fw_ids = tuple(dict.fromkeys(run.fw_id for run in runs if run.state in (RUNNING, RESERVED)))
        warnings = self._often_lost(runs, fw_ids)
        declared = self.fizzle_lost_runs(runs, dry_run=dry_run, reason=reason)
        report = Report("rerun_fws", [] if dry_run else declared.skipped, dry_run=dry_run, rerun_id=declared.rerun_id)
        if not fw_ids:
            return report
        chosen = Selection(fw_ids=fw_ids)
        if dry_run:
            launches = losing.whole_launches(self.store, [run.launch_id for run in runs])
            ends = {launch["launch_id"]: _lost_fields(launch, self.store.now()) for launch in launches}
            how = self._rerun_options(task_level=task_level, recover_mode=recover_mode)
            rerun = self.carry_out(RerunOfLost(how, ends), chosen, dry_run=True)
        else:
            rerun = self.rerun(chosen, task_level=task_level, recover_mode=recover_mode, reason=reason or "lost runs")
        report.rerun_id = rerun.rerun_id
        told = [(one, warnings.get(one.fw_id, ()) if one.role == "target" else ()) for one in rerun.outcomes]
        report.outcomes += [replace(one, warnings=(*one.warnings, *more)) for one, more in told]
        return report

    def _often_lost(self, runs: Sequence[LostRun], fw_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
        """Return a warning for each of these fireworks that was lost too often to be brought back by itself."""
        going = {run.launch_id for run in runs}
        said: dict[int, tuple[str, ...]] = {}
        for fw_id, attempts in attempts_of(self.store, fw_ids).items():
            losses = 1 + losses_in_a_row(one for one in attempts if one["launch_id"] not in going)
            if losses > max(self.settings.lost_reruns, 1):
                said[fw_id] = (f"it was lost {losses} times in a row; workers do not bring it back by themselves any more",)
        return said

    def _fizzle_batch(self, runs: Sequence[LostRun]) -> list[Outcome]:
        run_of = {run.launch_id: run for run in runs}
        now = self.store.now()
        ends = [
            (launch, _lost_fields(launch, now))
            for launch in losing.whole_launches(self.store, list(run_of))
            if launch["state"] == RUNNING and _heard(launch) == run_of[launch["launch_id"]].last_heard
        ]
        ended = losing.end_unheard(self.store, ends) if ends else set()
        self.note_struck_hosts({run.host for run in runs if run.launch_id in ended and run.host})
        states, locked = self._follow_lost(ended)
        losing.followed(self.store, [launch_id for launch_id in ended if run_of[launch_id].fw_id not in locked])
        return [_told(run, run.launch_id in ended, states.get(run.fw_id, run.state)) for run in runs]

    def _follow_lost(self, launch_ids: Collection[int]) -> tuple[dict[int, str], set[int]]:
        """Let workflows follow, and return the states that fireworks now have, and those whose workflow is locked."""
        fw_ids = set(fireworks_with_launches(self.store, launch_ids))

        def planner(snapshot: Snapshot) -> Plan:
            return plan_refresh(snapshot, [fw_id for fw_id in snapshot.graph.children if fw_id in fw_ids])

        changed = change_workflows(self.store, planner, fw_ids=fw_ids, operation="follow")
        states = {change.key: str(change.after["state"]) for plan in changed.plans for change in plan.changes}
        return states, {fw_id for snapshot in changed.unavailable for fw_id in snapshot.graph.children}

    def refresh_fireworks(self, fw_ids: Sequence[int], *, dry_run: bool = False) -> Report:
        """Let workflows follow the runs of these fireworks that have ended; report on each that changed, or would."""
        wanted = set(fw_ids)

        def planner(snapshot: Snapshot) -> Plan:
            return plan_refresh(snapshot, [fw_id for fw_id in snapshot.graph.children if fw_id in wanted])

        report = Report("refresh", dry_run=dry_run)
        for start in range(0, len(fw_ids), losing.BATCH):
            part = fw_ids[start : start + losing.BATCH]
            changed = change_workflows(self.store, planner, fw_ids=part, operation="refresh", dry_run=dry_run)
            for plan in changed.plans:
                for change in plan.changes:
                    role = "target" if change.key in wanted else "descendant"
                    before, after = str(change.before["state"]), str(change.after["state"])
                    report.outcomes.append(Outcome(change.key, "changed", "follows", role, before=before, after=after))
        return report

    # reservations

    def find_unreserved(self, expiration_secs: float | None = None) -> Iterator[list[Reservation]]:
        """Yield reservations that nobody took up for so long (RESERVATION_EXPIRATION_SECS), some hundred at a time."""
        expiration = self.settings.reservation_expiration_secs if expiration_secs is None else expiration_secs
        for batch in losing.fireworks_with_launches(self.store, (RESERVED,)):
            latest = self.store.now() - dt.timedelta(seconds=expiration)
            found = [
                _reservation(firework, launches)
                for firework, launches in batch
                if not any(launch["state"] == RUNNING for launch in launches)
            ]
            if old := [reservation for reservation in found if reservation.since and reservation.since <= latest]:
                yield old

    def read_reservations(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Yield of each firework selected its fw_id, name, state, and the id that a queue gave to it, None without one."""
        fields = ("fw_id", "name", "state", "launches")
        for fireworks in reading_queries.find_fireworks(self.store, selection, fields):
            launches = reading_queries.launches_of(self.store, fireworks, ("launch_id", "state_history.reservation_id"))
            for firework in fireworks:
                ids = (_reservation_id(launches[n]) for n in firework.get("launches") or () if n in launches)
                qid = next((found for found in ids if found), None)
                yield {"fw_id": firework["fw_id"], "name": firework.get("name"), "state": firework["state"], "qid": qid}

    def cancel_reservations(
        self,
        selection: Selection,
        *,
        dry_run: bool = False,
        reason: str = "",
        progress: Callable[[int], Any] | None = None,
        keep_plan: bool = False,
    ) -> Report:
        """Set RESERVED fireworks back to READY; their jobs in the queue are not cancelled. Others that are selected are left.

        The arguments are those of `rerun`. Raises EmptySelection, ConflictingOptions for other states that are asked for.
        """
        if selection.states and RESERVED not in selection.states:
            asked = " or ".join(selection.states)
            raise ConflictingOptions(f"Only what is {RESERVED} can be cancelled, not what is {asked}.", hint="Leave -s out.")
        reserved = replace(selection.require(), states=(RESERVED,))
        return self.rerun(
            reserved, rerun_duplicates=False, dry_run=dry_run, reason=reason, progress=progress, keep_plan=keep_plan
        )

    # FireWorks' methods of the same concepts

    def detect_lostruns(
        self,
        expiration_secs: float | None = None,
        fizzle: bool = False,
        rerun: bool = False,
        max_runtime: float | None = None,
        min_runtime: float | None = None,
        refresh: bool = False,
        query: Mapping[str, Any] | None = None,
        launch_query: Mapping[str, Any] | None = None,
    ) -> tuple[list[int], list[int], list[int]]:
        """Find lost runs, and do with them what is asked for: see `find_lost_runs`, `fizzle_lost_runs`.

        Returns the ids of the lost launches, of their fireworks, and of the fireworks that are RUNNING though their runs have
        ended. rerun: declare them lost and rerun the fireworks. refresh: let the inconsistent ones follow.
        """
        found = self.find_lost_runs(
            expiration_secs=expiration_secs,
            max_runtime=max_runtime,
            min_runtime=min_runtime,
            query=query,
            launch_query=launch_query,
        )
        runs = [run for batch in found for run in batch]
        fw_ids = list(dict.fromkeys(run.fw_id for run in runs))
        inconsistent = [fw_id for batch in self.find_inconsistent(query=query) for fw_id in batch]
        if rerun:
            self.rerun_lost_runs(runs)
        elif fizzle:
            self.fizzle_lost_runs(runs)
        if refresh:
            self.refresh_fireworks(inconsistent)
        return [run.launch_id for run in runs], fw_ids, inconsistent

    def detect_unreserved(self, expiration_secs: float | None = None, rerun: bool = False) -> list[int]:
        """Return the launches of reservations that nobody took up for so long; with `rerun` set their fireworks back."""
        found = [reservation for batch in self.find_unreserved(expiration_secs) for reservation in batch]
        if rerun and found:
            self.cancel_reservations(Selection(fw_ids=tuple(reservation.fw_id for reservation in found)))
        return [reservation.launch_id for reservation in found if reservation.launch_id is not None]

    def maintain(self, infinite: bool = True, maintain_interval: float | None = None) -> None:
        """Look after what others left behind: interrupted changes, lost runs, reservations that nobody took up.

        infinite: again and again, until it is interrupted; maintain_interval: how many seconds apart (MAINTAIN_INTERVAL).
        Workers do the same between their jobs, but for the reservations.
        """
        interval = self.settings.maintain_interval if maintain_interval is None else maintain_interval
        pause = threading.Event()
        while True:
            for sentence in self.recover():
                logger.info("%s", sentence)
            lost, fw_ids, _ = self.detect_lostruns(fizzle=True)
            unreserved = self.detect_unreserved(rerun=True)
            whose = f" (fireworks {shorten_ids(fw_ids)})" if fw_ids else ""
            logger.info("%d lost runs%s, %d old reservations.", len(lost), whose, len(unreserved))
            if not infinite:
                return
            pause.wait(interval)

    def overdue(self) -> list[str]:
        """Return a sentence for each kind of thing that `maintain` would see to: locks, ends, lost runs, reservations."""
        lost = [run.fw_id for batch in self.find_lost_runs() for run in batch]
        lost += [launch["fw_id"] for launch in leases.undecided(self.store)]
        old = [reservation.fw_id for batch in self.find_unreserved() for reservation in batch]
        ended = [launch["launch_id"] for launch in leases.unfollowed(self.store)]
        found = {
            "Interrupted changes that would be finished": len(locked_entries(self.store)),
            "Ends of runs that would be followed, of launches": shorten_ids(ended) if ended else 0,
            "Lost runs that would be ended or brought back, of fireworks": shorten_ids(sorted(set(lost))) if lost else 0,
            "Reservations that would be set back, of fireworks": shorten_ids(sorted(old)) if old else 0,
        }
        return [f"{what}: {which}." for what, which in found.items() if which]

    def reserve_fw(
        self,
        fworker: FWorker,
        launch_dir: str | os.PathLike[str],
        host: str | None = None,
        ip: str | None = None,
        fw_id: int | None = None,
    ) -> tuple[Firework, int] | tuple[None, None]:
        """Reserve a firework for a queue's job and return it with its launch id, or (None, None)."""
        return self.checkout_fw(fworker, launch_dir, fw_id=fw_id, host=host, ip=ip, state=RESERVED)

    def set_reservation_id(self, launch_id: int, reservation_id: str | int) -> None:
        """Note which id a queue gave to a reservation; one that has an id keeps it, which is logged. Raises UnknownLaunch."""
        if not losing.whole_launches(self.store, [launch_id]):
            raise UnknownLaunch(launch_id=launch_id)
        if not leases.name_reservation(self.store, launch_id, str(reservation_id)):
            logger.error("Launch %d is no reservation without an id; %s is not noted.", launch_id, reservation_id)

    def cancel_reservation(self, launch_id: int) -> None:
        """Set the firework of a reservation back to READY. Raises UnknownLaunch."""
        fw_ids = fireworks_with_launches(self.store, [launch_id])
        if not fw_ids:
            raise UnknownLaunch(f"No firework has launch {launch_id}.", launch_id=launch_id)
        self.cancel_reservations(Selection(fw_ids=tuple(fw_ids)))

    def cancel_reservation_by_reservation_id(self, reservation_id: str | int) -> None:
        """Set the firework of a queue's job back to READY; an id that no reservation has is logged."""
        report = self.cancel_reservations(Selection(qid=str(reservation_id)))
        if not report.outcomes:
            logger.info("No reservation has the id %s.", reservation_id)

    def mark_fizzled(self, launch_id: int) -> None:
        """Declare one run lost, whether it seems alive or not. Raises UnknownLaunch."""
        launch = next(iter(losing.whole_launches(self.store, [launch_id])), None)
        if launch is None:
            raise UnknownLaunch(launch_id=launch_id)
        firework = {"fw_id": launch["fw_id"], "state": launch["state"]}
        self.fizzle_lost_runs([_lost_run(firework, launch)])


def _lost_run(firework: Mapping[str, Any], launch: Mapping[str, Any]) -> LostRun:
    return LostRun(
        fw_id=firework["fw_id"],
        name=str(firework.get("name", "")),
        state=str(firework["state"]),
        launch_id=launch["launch_id"],
        host=str(launch.get("host") or ""),
        launch_dir=str(launch.get("launch_dir") or ""),
        last_heard=_heard(launch),
        runtime_secs=run_seconds(launch),
    )


def _heard(launch: Mapping[str, Any]) -> dt.datetime | None:
    return last_heartbeat(launch)


def _in_bounds(seconds: float | None, least: float | None, most: float | None) -> bool:
    known = seconds or 0.0
    return (least is None or known >= least) and (most is None or known <= most)


def _lost_fields(launch: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    heard = _heard(launch)
    since = f"since {iso(heard)}" if heard else "at any time"
    host = launch.get("host")
    text = f"The run was lost: nothing was heard of {host or 'its worker'} {since}."
    cause = {
        "kind": "lost",
        "host": host,
        "pid": (launch.get("lease") or {}).get("pid"),
        "last_heard": iso(heard) if heard else None,
    }
    return ended_fields(launch, FIZZLED, failed_action("the run was lost", text), now, cause)


def _told(run: LostRun, ended: bool, after: str) -> Outcome:
    if not ended:
        text = "was heard of again, or has ended"
        return Outcome(run.fw_id, "skipped", text, name=run.name, before=run.state, after=run.state)
    heard = f"last heard of at {iso(run.last_heard)}" if run.last_heard else "never heard of"
    text = f"launch {run.launch_id} on {run.host or 'an unknown host'} is lost, {heard}"
    return Outcome(run.fw_id, "changed", text, name=run.name, before=run.state, after=after)


def _reservation(firework: Mapping[str, Any], launches: Sequence[Mapping[str, Any]]) -> Reservation:
    name = str(firework.get("name", ""))
    for launch in launches:
        if launch["state"] == RESERVED:
            entries = [entry for entry in launch.get("state_history") or () if entry.get("state") == RESERVED]
            since = read_time(entries[-1].get("updated_on") or entries[-1].get("created_on")) if entries else None
            return Reservation(firework["fw_id"], name, launch["launch_id"], _reservation_id(launch), since)
    return Reservation(firework["fw_id"], name, None, None, read_time(firework.get("updated_on")))


def _reservation_id(launch: Mapping[str, Any]) -> str | None:
    for entry in launch.get("state_history") or ():
        if "reservation_id" in entry:
            return str(entry["reservation_id"])
    return None
