"""The façade's part that finishes what crashed commands and dead workers left behind."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.batches import Batching, Operation, Targets
from launchpad.core.changes import Outcome, Plan
from launchpad.core.documents import iso
from launchpad.core.launches import UNDECIDED, ended_fields, failed_action
from launchpad.core.losses import plan_return
from launchpad.core.neighbours import struck
from launchpad.core.outside import with_evidence
from launchpad.core.rerun import RerunOptions
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import FIZZLED, HELD
from launchpad.errors import StoreUnreachable
from launchpad.store import claiming, leases, witnesses
from launchpad.store.changing import Changed
from launchpad.store.duplicates import fireworks_listing, fireworks_with_launches
from launchpad.store.journal import help_entries
from launchpad.store.leftovers import tidy
from launchpad.store.locks import locked_entries
from launchpad.store.records import close_broken_off

if TYPE_CHECKING:
    from launchpad.settings import Settings
    from launchpad.store.store import Store

logger = logging.getLogger("launchpad")

#: A launch that no firework lists, and whose lease ran out this long ago, belongs to a check-out that never came to be.
FORGOTTEN_AFTER = dt.timedelta(hours=1)

#: With a lost run are compared those on its host that ended since then: a run may be found lost minutes after it was.
LATELY = dt.timedelta(hours=1)

#: How many lost runs are brought back by one command of the history.
LOST_AT_ONCE = 500


class Recovering(Batching):
    """What any worker does between its jobs, and `lpad recover`. A part of `LaunchPad`."""

    store: Store
    settings: Settings

    if TYPE_CHECKING:  # of `Ending`, beside which this class always stands

        def follow_up(self, launch_ids: Iterable[int], *, patience: float = 5.0) -> bool: ...
        def retry_recent_failures(self) -> list[str]: ...

    def recover(self) -> list[str]:
        """Finish what crashed commands and workers left behind, and return a sentence for each thing done.

        Entries in locks are carried out, launches that ended are followed, lost runs are brought back, copies of states are
        mended. With the setting `retry_automatically`, failures are tried again as their policies say. Safe at any time, and by
        several at once.
        """
        said = []
        if entries := locked_entries(self.store):
            help_entries(self.store, entries)
            said.append(f"{len(entries)} interrupted change{'s' if len(entries) > 1 else ''} of workflows finished.")
        if removed := tidy(self.store):
            said.append(f"{removed} workflow{'s' if removed > 1 else ''} removed whose adding was broken off.")
        said += [_broken_off(record) for record in close_broken_off(self.store)]
        said += self.recover_lost_runs()
        unseen, over = claiming.oddly_running(self.store)
        waiting = {launch["launch_id"] for launch in leases.undecided(self.store)}
        self._follow_ended(said, [launch_id for launch_id in over if launch_id not in waiting])
        if unseen:
            claiming.mirror_again(self.store, unseen)
        if self.settings.retry_automatically:
            said += self.retry_recent_failures()
        return said

    def _follow_ended(self, said: list[str], over: Iterable[int]) -> None:
        pending = list(leases.unfollowed(self.store))
        known = {launch["launch_id"] for launch in pending}
        for launch in [*pending, *({"launch_id": launch_id} for launch_id in over if launch_id not in known)]:
            try:
                said += self._recover_unfollowed(launch)
            except StoreUnreachable:
                raise
            except Exception as error:  # one bad document must not stop the others
                logger.warning("What launch %d did cannot be taken in: %s", launch["launch_id"], error)

    def _recover_unfollowed(self, launch: Mapping[str, Any]) -> list[str]:
        launch_id = launch["launch_id"]
        if not fireworks_with_launches(self.store, [launch_id]):
            if launch.get("lease") and launch["lease"]["expires"] + FORGOTTEN_AFTER < self.store.now():
                claiming.forget_launch(self.store, launch_id)
            return []
        return [f"The end of launch {launch_id} was taken in by its workflow."] if self.follow_up([launch_id]) else []

    # lost runs

    def recover_lost_runs(self) -> list[str]:
        """Find the runs whose lease ran out, and bring their fireworks back; return a sentence for each.

        They are rerun, from their checkpoint if they had one, as a command of its own in the history. What was lost more than
        `lost_reruns` times in a row becomes FIZZLED and stays so. Runs of FireWorks' workers have no lease and are left alone.
        """
        self._declare_lost()
        said: list[str] = []
        undecided = leases.undecided(self.store)
        for start in range(0, len(undecided), LOST_AT_ONCE):
            part = undecided[start : start + LOST_AT_ONCE]
            try:
                said += self._bring_back(part)
            except StoreUnreachable:
                raise
            except Exception:  # one that cannot be brought back must not stop the others
                for launch in part:
                    said += self._bring_back_alone(launch)
        return said

    def _declare_lost(self) -> None:
        now = self.store.now()
        ends = [(launch, _lost_fields(launch, now)) for launch in leases.expired(self.store, now)]
        leases.end_expired(self.store, ends)
        self.note_struck_hosts({str(launch.get("host")) for launch, _ in ends if launch.get("host")})

    def note_struck_hosts(self, hosts: Collection[str]) -> None:
        """Note with runs that came to their ends at once, of several jobs on one of these hosts, that it was the host."""
        ended = witnesses.ended_on(self.store, hosts, self.store.now() - LATELY) if hosts else {}
        for launch_id, entry in struck(launch for launch, _ in ended.values()).items():
            launch, collection = ended[launch_id]
            evidence = {**entry, "at": iso(self.store.now())}
            witnesses.add_evidence(self.store, collection, launch, with_evidence(launch, evidence))

    def _bring_back_alone(self, launch: Mapping[str, Any]) -> list[str]:
        try:
            return self._bring_back([launch])
        except StoreUnreachable:
            raise
        except Exception as error:
            logger.warning("The lost launch %d cannot be brought back: %s", launch["launch_id"], error)
            text = f"{_lost_text(launch['cause'])} It could not be brought back: {error}"
            leases.decide_against(self.store, launch["launch_id"], text)
            return []

    def _bring_back(self, lost: Sequence[Mapping[str, Any]]) -> list[str]:
        """Rerun the fireworks of lost launches, and let those be followed that are not brought back."""
        launch_of = {launch["launch_id"]: launch for launch in lost}
        listed = fireworks_listing(self.store, launch_of)
        operation, outcomes = Return(self.settings), dict[int, Outcome]()
        if listed:
            chosen = Selection(fw_ids=tuple(listed))
            report = self.carry_out(operation, chosen, dry_run=True)
            if report.changed:  # else a record in the history would be about nothing
                operation = Return(self.settings)
                reason = " ".join(_lost_text(launch["cause"]) for launch in lost[:1]) + (" And others." if lost[1:] else "")
                report = self.carry_out(operation, chosen, reason=reason)
            outcomes = {outcome.fw_id: outcome for outcome in report.outcomes}
        said = []
        there = {launch["launch_id"] for launch in leases.undecided(self.store)} if operation.decided or not listed else set()
        for launch_id, launch in launch_of.items():
            fw_ids = [fw_id for fw_id, launch_ids in listed.items() if launch_id in launch_ids]
            told = [outcomes[fw_id] for fw_id in fw_ids if fw_id in outcomes]
            said += [_told(launch, outcome) for outcome in told if outcome.kind != "skipped" or outcome.before in HELD]
            if launch_id in there and all(fw_id in operation.decided for fw_id in fw_ids):
                self._let_go(launch, told)
        return said

    def _let_go(self, launch: Mapping[str, Any], outcomes: Iterable[Outcome]) -> None:
        """Let a launch be followed by the fireworks that still list it: nothing more is to be decided about it."""
        held = " ".join(f"Firework {outcome.fw_id} {outcome.text}." for outcome in outcomes if outcome.kind == "refused")
        leases.decide_against(self.store, launch["launch_id"], f"{_lost_text(launch['cause'])} {held}".rstrip())
        if fireworks_with_launches(self.store, [launch["launch_id"]]):
            self.follow_up([launch["launch_id"]])


class Return(Operation):
    """Fireworks whose run was lost, rerun by themselves; unless that happened too often."""

    command = "recover"
    word = "bring back"

    def __init__(self, settings: Settings) -> None:
        self._most = settings.lost_reruns
        self._options = RerunOptions(
            keep_exception_details=settings.except_details_on_rerun,
            run_expiration_seconds=settings.run_expiration_secs,
            folder_exists=os.path.isdir,
        )
        #: Fireworks about which there is a plan: the others are in workflows that could not be had.
        self.decided: set[int] = set()

    def plan(self, snapshot: Snapshot, targets: Targets) -> Plan:
        return plan_return(snapshot, targets, self._most, self._options)

    def applied(self, changed: Changed, *, dry_run: bool) -> list[Outcome]:
        self.decided |= {outcome.fw_id for outcome in changed.outcomes}
        return changed.outcomes


def _broken_off(record: Mapping[str, Any]) -> str:
    count = record["counts"]["changed"]
    fireworks = f"{count} firework{'' if count == 1 else 's'}"
    what = f"The command {record['command']} ({record['_id']}) was broken off; it had"
    if record.get("adds") and not count:
        return f"{what} added nothing."
    if record.get("adds"):  # once more, it would add what is there again
        return f"{what} added {fireworks}. `lpad undo {record['_id']}` takes out what has not run."
    if record.get("final") or not count:  # there is no undo of it, or nothing to undo
        return f"{what} changed {fireworks}. Typed again, it goes on."
    return f"{what} changed {fireworks}. Typed again, it goes on; `lpad undo {record['_id']}` takes it back."


def _lost_fields(launch: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    lease = launch["lease"]
    heard = launch["state_history"][-1].get("updated_on")
    cause = {"kind": "lost", "host": lease.get("host"), "pid": lease.get("pid"), "last_heard": heard}
    fields = ended_fields(launch, FIZZLED, failed_action("the run was lost", _lost_text(cause)), now, cause)
    return {**fields, "pending": UNDECIDED}


def _lost_text(cause: Mapping[str, Any]) -> str:
    if cause.get("reported"):
        return f"The run was lost: {cause['reported']}."
    where, heard = f"{cause.get('host')} (process {cause.get('pid')})", cause.get("last_heard")
    return f"The run was lost: nothing was heard of {where} since {heard}."


def _told(launch: Mapping[str, Any], outcome: Outcome) -> str:
    run = f"Firework {outcome.fw_id}, launch {launch['launch_id']}: {_lost_text(launch['cause'])}"
    if outcome.kind != "changed":
        return f"{run} It {outcome.text}."
    return f"{run} It is {outcome.after} again: {outcome.text}."
