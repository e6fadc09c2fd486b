"""The façade's part that hears from outside how runs ended: ends those that still count as running, and explains others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.core.changes import FIREWORKS, Outcome
from launchpad.core.launches import UNDECIDED
from launchpad.core.outside import NEAR, Consequence, Event, consequence
from launchpad.core.report import Report
from launchpad.operating import Operating
from launchpad.store import leases, records, witnesses

COMMAND = "event"


class Hearing(Operating):
    """What hears of ends that no worker could see. A part of `LaunchPad`."""

    if TYPE_CHECKING:  # of `Ending` and `Recovering`, beside which this class always stands

        def follow_up(self, launch_ids: Iterable[int], *, patience: float = 5.0) -> bool: ...
        def recover_lost_runs(self) -> list[str]: ...

    def take_event(self, event: Event, *, reason: str = "", dry_run: bool = False) -> Report:
        """Take in what is told of how runs ended, and report on each run that it is about.

        A run that still counts as RUNNING ends at once, FIZZLED with this cause; its worker's result is no longer accepted.
        With the cause "node" it comes back as any lost run does. A run that FIZZLED for a cause that is not clear keeps what was
        known, and what is told beside it; its cause is found anew. The same event a second time changes nothing.

        Raises UnknownFirework, UnknownLaunch.
        """
        report = Report(COMMAND, dry_run=dry_run)
        if event.says_nothing:
            return report
        now = self.store.now()
        found = witnesses.launches_meant(self.store, event, NEAR)
        told_before = self._knows_event(event)
        planned = {
            launch_id: Consequence({}, f"launch {launch_id}: this event was told before")
            if told_before
            else consequence(event, launch, now)
            for launch_id, (launch, _) in found.items()
        }
        changing = any(one.fields for one in planned.values())
        if not dry_run and not told_before and (changing or event.id):
            more = {"_id": _record_id(event)} if event.id else {}
            report.rerun_id = self._open_event(event, reason, more)
        done = {
            launch_id: dry_run or self._carry_out_event(*found[launch_id], one.fields)
            for launch_id, one in sorted(planned.items())
            if one.fields
        }
        if not dry_run:
            self._follow_told(planned, done)
        report.outcomes = self._told_outcomes(found, planned, done)
        self.close_record(report)
        return report

    def _knows_event(self, event: Event) -> bool:
        record = records.find_record(self.store, _record_id(event)) if event.id else None
        return record is not None and record["_id"] == _record_id(event) and record["state"] == "done"

    def _open_event(self, event: Event, reason: str, more: Mapping[str, Any]) -> str:
        if more and (there := records.find_record(self.store, more["_id"])):  # broken off half-way: it goes on
            return str(there["_id"])
        said = f"{event.about} {event.cause or event.state}"
        return self.open_record(COMMAND, said, reason or event.message, final="told how runs had ended", **more)

    def _carry_out_event(self, launch: Mapping[str, Any], collection: str, fields: Mapping[str, Any]) -> bool:
        if "state" not in fields:
            return witnesses.add_evidence(self.store, collection, launch, fields)
        token = (launch.get("lease") or {}).get("token")
        return leases.end(self.store, launch["launch_id"], token, dict(fields))

    def _follow_told(self, planned: Mapping[int, Consequence], done: Mapping[int, bool]) -> None:
        ended = [launch_id for launch_id, is_done in done.items() if is_done and planned[launch_id].ends_it]
        lost = [launch_id for launch_id in ended if planned[launch_id].fields.get("pending") == UNDECIDED]
        self.follow_up([launch_id for launch_id in ended if launch_id not in lost])
        if lost:
            self.recover_lost_runs()

    def _told_outcomes(
        self, found: witnesses.Found, planned: Mapping[int, Consequence], done: Mapping[int, bool]
    ) -> list[Outcome]:
        ids = {int(launch["fw_id"]) for launch, _ in found.values()}
        fields = {"fw_id": 1, "name": 1, "state": 1}
        fireworks = {firework["fw_id"]: firework for firework in self.store.by_ids(FIREWORKS, "fw_id", ids, fields=fields)}
        outcomes = []
        for launch_id, one in sorted(planned.items()):
            firework = fireworks.get(found[launch_id][0]["fw_id"], {})
            why = one.why if done.get(launch_id, True) else f"launch {launch_id} has ended, or was told of, in this moment"
            outcomes.append(
                Outcome(
                    int(found[launch_id][0]["fw_id"]),
                    "changed" if done.get(launch_id) else "skipped",
                    why,
                    name=str(firework.get("name") or ""),
                    before="RUNNING" if one.ends_it else str(firework.get("state") or ""),
                    after=str(firework.get("state") or ""),
                )
            )
        return outcomes


def _record_id(event: Event) -> str:
    return hashlib.sha256(f"event {event.id}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
