"""The worker's side of the façade: a firework claimed, kept alive, completed; and what dead workers left behind."""

from __future__ import annotations

import datetime as dt
import logging
import os
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from launchpad.config import find_batch_job
from launchpad.core.causes import verdict_of
from launchpad.core.changes import LAUNCHES, Plan
from launchpad.core.documents import EMPTY_ACTION, action_of, iso
from launchpad.core.launches import ended_fields, failed_action, history_entry, new_launch
from launchpad.core.release import plan_release
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import COMPLETED, ENDED, FIZZLED, RESERVED, RUNNING
from launchpad.core.takeover import plan_takeover
from launchpad.ending import Ending
from launchpad.errors import BadDocument, Fenced, StoreError, UnknownLaunch
from launchpad.model import Firework, FWorker
from launchpad.model.task_registry import find_task_class
from launchpad.store import claiming, leases
from launchpad.store.changing import change_workflows
from launchpad.store.duplicates import EXACT, launches_of_duplicates

logger = logging.getLogger("launchpad")


class Checkout:
    """One firework that a worker holds. Every method that writes raises Fenced once it does not hold it any more."""

    def __init__(self, launchpad: Working, firework: dict[str, Any], launch: dict[str, Any]) -> None:
        self._launchpad, self._store = launchpad, launchpad.store
        self.firework, self.launch = firework, launch
        self.fw_id: int = firework["fw_id"]
        self.launch_id: int = launch["launch_id"]
        self.name: str = firework.get("name", "")
        self.spec: dict[str, Any] = firework["spec"] if isinstance(firework.get("spec"), dict) else {}
        self.launch_dir: str = launch["launch_dir"]
        self.token: str = launch["lease"]["token"]
        self.heartbeat_seconds = launchpad.settings.heartbeat_seconds
        self.lease_seconds = launchpad.settings.lease_seconds
        self._ended: dict[str, Any] | None = None

    @property
    def recovery(self) -> dict[str, Any] | None:
        """What this run resumes from, None for a run from the start."""
        return self.spec.get("_recovery")

    def previous_attempt(self) -> dict[str, Any]:
        """Return which attempt this is, and of the one before it where it was and what it died of, as tasks find it.

        Shape: number, from 1; of a later one also previous_launch_id, previous_launch_dir, previous_cause ("" if it had not
        failed). Raises StoreUnreachable.
        """
        earlier = sorted({int(n) for n in self.firework.get("archived_launches") or ()} - {self.launch_id})
        facts: dict[str, Any] = {"number": len(earlier) + 1}
        before = self._store.launches(earlier[-1:]) if earlier else {}
        for launch_id, launch in before.items():
            failed = launch.get("state") == FIZZLED
            facts |= {
                "previous_launch_id": launch_id,
                "previous_launch_dir": str(launch.get("launch_dir") or ""),
                "previous_cause": verdict_of(self._store.resolve_action(launch)).cause if failed else "",
            }
        return facts

    def heartbeat(self, trackers: list[dict[str, Any]] | None = None) -> None:
        """Say that the run is alive, and keep it ours for another `lease_seconds`. Raises Fenced, StoreUnreachable."""
        self._update(self._sign_of_life() | ({"trackers": trackers} if trackers is not None else {}))

    def save_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Store where a later attempt may resume. Raises Fenced, StoreUnreachable."""
        self._update(self._sign_of_life() | {f"{self._running_entry}.checkpoint": dict(checkpoint)})
        self.launch["state_history"][-1]["checkpoint"] = dict(checkpoint)

    def change_launch_dir(self, path: str) -> None:
        """Note that the task runs in another folder than was said when it was claimed."""
        self._update({"launch_dir": path})
        self.launch_dir = self.launch["launch_dir"] = path

    def complete(
        self,
        state: str,
        action: Mapping[str, Any] | None,
        *,
        cause: Mapping[str, Any] | None = None,
        trackers: list[dict[str, Any]] | None = None,
        usage: Mapping[str, Any] | None = None,
    ) -> None:
        """End the run and let its workflow follow: children, spec updates, additions.

        state: COMPLETED or FIZZLED; action: as FWAction.to_dict() gives it; usage: peak_memory, cpu_seconds. May be
        repeated with the same arguments after StoreUnreachable: it takes effect once. Raises Fenced; then the result
        stands in the archived launch.
        """
        if self._ended is None:
            self._ended = ended_fields(self.launch, state, action_of(action or {}), self._store.now(), cause)
            if usage:
                self._ended["usage"] = dict(usage)
            if trackers is not None:
                self._ended["trackers"] = trackers
        try:
            self._launchpad.end_launch(self.launch_id, self.token, self._ended)
        except BadDocument:  # nothing of it was stored: the run may still be ended in another way
            self._ended = None
            raise

    def release(self, reason: str) -> None:
        """Give the firework back as if it had never been claimed; nothing of it may have been started."""
        logger.info("Firework %d is given back: %s", self.fw_id, reason)

        def planner(snapshot: Snapshot) -> Plan:
            return plan_release(snapshot, self.fw_id, self.launch_id)

        change_workflows(self._store, planner, fw_ids=[self.fw_id], operation="release")
        claiming.forget_launch(self._store, self.launch_id)

    @property
    def _running_entry(self) -> str:
        return f"state_history.{len(self.launch['state_history']) - 1}"

    def _sign_of_life(self) -> dict[str, Any]:
        now = self._store.now()
        return {
            f"{self._running_entry}.updated_on": iso(now),
            "lease.expires": now + dt.timedelta(seconds=self.lease_seconds),
        }

    def _update(self, fields: Mapping[str, Any]) -> None:
        if not leases.update_held(self._store, self.launch_id, self.token, fields):
            raise Fenced(launch_id=self.launch_id)


class Working(Ending):
    """What workers call. A part of `LaunchPad`."""

    #: The launch with which a firework is being taken; still there when the database went away in the middle of that.
    _taking: dict[str, Any] | None = None

    def claim(
        self,
        fworker: FWorker,
        launch_dir: str | os.PathLike[str],
        *,
        fw_id: int | None = None,
        host: str | None = None,
        ip: str | None = None,
        without: Iterable[int] = (),
    ) -> Checkout | None:
        """Take the next firework this worker may run (or this one, if it can be started), or return None.

        without: ids that it does not want.
        Never gives one firework to two workers. Raises StoreUnreachable; called again, it finds out what it has taken already.
        """
        while taken := self._take(fworker, launch_dir, fw_id, host, ip, RUNNING, without):
            checkout = Checkout(self, *taken)
            problem = self._unfit(taken[0].get("spec"))
            if problem is None:
                return checkout
            logger.warning("Firework %d cannot be started: %s", checkout.fw_id, problem)
            checkout.complete(FIZZLED, failed_action("the firework cannot be started", problem), cause={"kind": "document"})
            if fw_id is not None:
                break
        return None

    def _unfit(self, spec: Any) -> str | None:
        """Return why a firework with such a spec cannot be started, None if it can. One bad document must stop no worker."""
        if not isinstance(spec, Mapping):
            return f"Its spec is {type(spec).__name__}, not a mapping."
        if not isinstance(spec.get("_recovery") or {}, Mapping):
            return "Its _recovery is not a mapping; `lpad rerun_fws --clear-recovery` takes it away."
        finder = spec.get("_dupefinder") or {}
        if not isinstance(finder, Mapping):
            return "Its _dupefinder is not a mapping with _fw_name."
        try:
            finder_class(finder, tuple(self.settings.user_packages))
        except Exception as error:
            return f"Its _dupefinder cannot be loaded: {error}"
        return None

    def _take(
        self,
        fworker: FWorker,
        launch_dir: str | os.PathLike[str],
        fw_id: int | None,
        host: str | None,
        ip: str | None,
        state: str,
        without: Iterable[int] = (),
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        store = self.store
        if self._taking and (begun := self._go_on_taking(fw_id, state)):
            return begun
        query = claiming.worker_query(fworker.name, fworker.category, fworker.query, host or socket.gethostname())
        launch: dict[str, Any] | None = None
        passed_over = list(without)
        while found := self._candidates(query, fw_id, passed_over):
            for candidate in found:
                passed_over.append(candidate["fw_id"])
                if (candidate.get("spec") or {}).get("_dupefinder") and self._take_over(candidate["fw_id"]):
                    continue
                if candidate["state"] == RESERVED:
                    used = self._start_reserved(candidate, launch_dir)
                    if used is None:  # somebody is just starting it
                        continue
                elif launch is None:
                    used = launch = self._new_launch(candidate["fw_id"], fworker, launch_dir, host, ip, state)
                    self._taking = used
                    claiming.insert_launch(store, launch)
                else:
                    used = launch = {**launch, "fw_id": candidate["fw_id"]}
                    self._taking = used
                    claiming.move_launch(store, launch["launch_id"], candidate["fw_id"])
                firework = claiming.take(store, candidate, used["launch_id"], state)
                mine = firework is not None and claiming.mirror(store, candidate["fw_id"], used["launch_id"], state)
                self._taking = None
                if firework is not None and mine:
                    return firework, used
                if firework is not None:
                    launch = None  # taken away again, with the launch
            if fw_id is not None:
                break
        if launch is not None:
            claiming.forget_launch(store, launch["launch_id"])
        return None

    def _go_on_taking(self, fw_id: int | None, state: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return what was being taken when the database went away, if it is ours; otherwise forget that launch."""
        launch, store = self._taking, self.store
        assert launch is not None
        launch_id, candidate = launch["launch_id"], claiming.taken_with(store, launch["launch_id"])
        if candidate is None:
            claiming.forget_launch(store, launch_id)
        wanted = candidate is not None and state == RUNNING and fw_id in (None, candidate["fw_id"])
        if candidate is None or not wanted or not launch.get("lease"):
            self._taking = None
            return None
        lease = {**launch["lease"], "expires": self._lease()["expires"]}
        held = leases.update_held(store, launch_id, lease["token"], {"lease": lease})
        firework = claiming.take(store, candidate, launch_id, state) if held else None
        mine = firework is not None and claiming.mirror(store, candidate["fw_id"], launch_id, state)
        self._taking = None
        return (firework, {**launch, "lease": lease}) if firework is not None and mine else None

    def _candidates(self, query: Mapping[str, Any], fw_id: int | None, passed_over: list[int]) -> list[dict[str, Any]]:
        if fw_id is None:
            return claiming.candidates(self.store, query, order=self.settings.sort_fws, passed_over=passed_over)
        one = claiming.candidate_by_id(self.store, fw_id)
        return [one] if one else []

    def _new_launch(
        self, fw_id: int, fworker: FWorker, launch_dir: str | os.PathLike[str], host: str | None, ip: str | None, state: str
    ) -> dict[str, Any]:
        host = host or socket.gethostname()
        return new_launch(
            self.store.next_ids("launch_id", 1)[0],
            fw_id,
            state=state,
            fworker=fworker.to_dict(),
            launch_dir=os.path.abspath(launch_dir),
            host=host,
            ip=ip or _address(host),
            now=self.store.now(),
            lease=self._lease() if state == RUNNING else None,
        )

    def _lease(self) -> dict[str, Any]:
        expires = self.store.now() + dt.timedelta(seconds=self.settings.lease_seconds)
        job = find_batch_job()
        lease = {"token": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid(), "expires": expires}
        return lease | ({"job": job.id} if job else {})

    def _start_reserved(self, candidate: Mapping[str, Any], launch_dir: str | os.PathLike[str]) -> dict[str, Any] | None:
        """Let the reservation of a firework become its run: the launch keeps its id and the queue's."""
        for launch in self.store.launches(candidate.get("launches") or ()).values():
            if launch["state"] == RESERVED:
                now = self.store.now()
                fields = {
                    "state": RUNNING,
                    "lease": self._lease(),
                    "launch_dir": os.path.abspath(launch_dir),
                    "time_start": iso(now),
                    "state_history": [*launch["state_history"], history_entry(RUNNING, now)],
                }
                self._taking = {**launch, **fields}
                if leases.start_reserved(self.store, launch["launch_id"], fields):
                    return self._taking
                self._taking = None
        return None

    def _take_over(self, fw_id: int) -> bool:
        """Let a firework that looks for duplicates share their launches instead of running; False when there are none."""
        packages = tuple(self.settings.user_packages)
        try:
            launch_ids = launches_of_duplicates(self.store, fw_id, lambda finder: finder_class(finder, packages))
        except StoreError:
            raise
        except Exception as error:  # of somebody's own finder; a firework whose finder cannot even be loaded is not started
            logger.warning("Firework %d runs without a look for duplicates: %s", fw_id, error)
            return False
        if not launch_ids:
            return False

        def planner(snapshot: Snapshot) -> Plan:
            return plan_takeover(snapshot, fw_id, launch_ids)

        changed = change_workflows(self.store, planner, fw_ids=[fw_id], operation="take over")
        if not any(plan.changes for plan in changed.plans):
            return False
        # A run that ended while it was taken over has told its workflow, but not this one.
        ended = [launch["launch_id"] for launch in self.store.launches(launch_ids).values() if launch["state"] in ENDED]
        self.follow_up(ended)
        return True

    # FireWorks' methods of the same concept

    def checkout_fw(
        self,
        fworker: FWorker,
        launch_dir: str | os.PathLike[str],
        fw_id: int | None = None,
        host: str | None = None,
        ip: str | None = None,
        state: str = RUNNING,
    ) -> tuple[Firework, int] | tuple[None, None]:
        """Claim a firework and return it with its launch id, or (None, None). `state`: RUNNING, or RESERVED for a queue."""
        if state not in (RUNNING, RESERVED):
            raise BadDocument(f"A firework is checked out as RUNNING or RESERVED, not {state}.")
        taken = self._take(fworker, launch_dir, fw_id, host, ip, state)
        if taken is None:
            return None, None
        firework, launch = taken
        shown = {**firework, "launches": [launch], "archived_launches": []}
        return Firework.from_document(shown), launch["launch_id"]

    def complete_launch(self, launch_id: int, action: Any = None, state: str = COMPLETED) -> dict[str, Any]:
        """End a launch and let its workflow follow; return its document. Raises Fenced, UnknownLaunch."""
        launch = self.store.launches([launch_id]).get(launch_id)
        if launch is None:
            raise UnknownLaunch(launch_id=launch_id)
        document = action.to_dict() if hasattr(action, "to_dict") else action or EMPTY_ACTION
        fields = ended_fields(launch, state, action_of(document), self.store.now())
        self.end_launch(launch_id, None, fields, also=(RESERVED, FIZZLED))
        return self.store.launches([launch_id])[launch_id]

    def ping_launch(self, launch_id: int, ptime: dt.datetime | None = None, checkpoint: Mapping[str, Any] | None = None) -> None:
        """Say that a run is alive, and store its checkpoint. Raises Fenced when it is not RUNNING any more."""
        launch = self.store.backend.find_one(LAUNCHES, leases.ours(launch_id, None))
        if launch is None:
            raise Fenced(launch_id=launch_id)
        entry = f"state_history.{len(launch['state_history']) - 1}"
        fields: dict[str, Any] = {f"{entry}.updated_on": iso(ptime or self.store.now())}
        if "lease" in launch:
            fields["lease.expires"] = (ptime or self.store.now()) + dt.timedelta(seconds=self.settings.lease_seconds)
        if checkpoint is not None:
            fields[f"{entry}.checkpoint"] = dict(checkpoint)
        if not leases.update_held(self.store, launch_id, None, fields):
            raise Fenced(launch_id=launch_id)

    def change_launch_dir(self, launch_id: int, launch_dir: str) -> None:
        """Note another folder for a launch. Raises UnknownLaunch."""
        if not leases.update_held(self.store, launch_id, None, {"launch_dir": launch_dir}):
            raise UnknownLaunch(f"Launch {launch_id} is not running.", launch_id=launch_id)

    def run_exists(self, fworker: FWorker | None = None, *, without: Iterable[int] = (), host: str | None = None) -> bool:
        """Tell whether anything is READY for this worker, other than the ids in `without`. host: by default, this one."""
        here = host or socket.gethostname()
        query = claiming.worker_query(fworker.name, fworker.category, fworker.query, here) if fworker else {}
        return claiming.anything_ready(self.store, query, passed_over=without)

    def future_run_exists(self, fworker: FWorker | None = None, *, without: Iterable[int] = ()) -> bool:
        """Tell whether anything is READY for this worker, or may become so when what runs now is done."""
        return self.run_exists(fworker, without=without) or claiming.something_will_follow(self.store)


def finder_class(finder: Mapping[str, Any], user_packages: Sequence[str]) -> Any:
    """Return the class of a duplicate finder, None for FireWorks' exact one. Raises BadTask."""
    name = str(finder.get("_fw_name") or EXACT)
    return None if name.endswith(EXACT) else find_task_class(name, tuple(user_packages))


def _address(host: str) -> str:
    try:
        return socket.gethostbyname(host)
    except OSError:
        return "127.0.0.1"
