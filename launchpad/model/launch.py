"""One attempt to run a firework: where, by whom, when, and what became of it."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Mapping
from typing import Any

from launchpad.core.states import COMPLETED, FIZZLED, RANK, RESERVED, RUNNING
from launchpad.errors import BadDocument
from launchpad.model.action import FWAction
from launchpad.model.fworker import FWorker
from launchpad.model.serialization import Serializable, to_storable
from launchpad.model.times import now, to_stored, to_time
from launchpad.model.tracker import Tracker

_TIMES = ("created_on", "updated_on")


class Launch(Serializable):
    """One attempt.

    state (str)             RESERVED, RUNNING, COMPLETED, FIZZLED; READY after a cancelled reservation
    launch_dir (str)        the folder it runs in
    fworker (FWorker)       who runs it
    host, ip (str)          on which machine; this one if not given
    trackers ([Tracker])    files whose ends are kept
    action (FWAction)       its outcome; as long as it is in a file of its own, the dictionary that names the file
    state_history ([dict])  one entry for each state, with times, reservation id and checkpoint
    launch_id, fw_id (int)  its id, and that of the firework it ran
    """

    def __init__(
        self,
        state: str,
        launch_dir: str | None,
        fworker: FWorker | None = None,
        host: str | None = None,
        ip: str | None = None,
        trackers: list[Tracker] | None = None,
        action: Any = None,
        state_history: list[dict[str, Any]] | None = None,
        launch_id: int | None = None,
        fw_id: int | None = None,
    ) -> None:
        if state not in RANK:
            raise BadDocument(f"A launch cannot have the state {state!r}; there are {', '.join(RANK)}.")
        self.launch_dir = launch_dir
        self.fworker = fworker or FWorker()
        self.host = host or socket.gethostname()
        self.ip = ip or _own_address()
        self.trackers = trackers or []
        self.action = action or None
        self.state_history = state_history or []
        self.state = state
        self.launch_id = launch_id
        self.fw_id = fw_id

    @property
    def state(self) -> str:
        return self._state

    @state.setter
    def state(self, state: str) -> None:
        """Change the state and write it into the history, with the checkpoint so far unless the launch is COMPLETED."""
        self._state = state
        last = self.state_history[-1] if self.state_history else {}
        if state == last.get("state"):
            return
        entry: dict[str, Any] = {"state": state, "created_on": now()}
        if state in (RUNNING, RESERVED):
            entry["updated_on"] = entry["created_on"]
        if state != COMPLETED and last.get("checkpoint"):
            entry["checkpoint"] = last["checkpoint"]
        self.state_history.append(entry)

    def touch_history(self, update_time: dt.datetime | None = None, checkpoint: dict[str, Any] | None = None) -> None:
        """Note that the launch is alive, and how far it has come."""
        if checkpoint:
            self.state_history[-1]["checkpoint"] = checkpoint
        self.state_history[-1]["updated_on"] = update_time or now()

    def set_reservation_id(self, reservation_id: int | str) -> None:
        """Note the queue's id in the first reservation that has none."""
        for entry in self.state_history:
            if entry["state"] == RESERVED and "reservation_id" not in entry:
                entry["reservation_id"] = str(reservation_id)
                return

    @property
    def time_start(self) -> dt.datetime | None:
        """When it began to run: its first RUNNING entry."""
        return self._time_of("created_on", RUNNING)

    @property
    def time_end(self) -> dt.datetime | None:
        """When it ended: its first COMPLETED or FIZZLED entry."""
        return self._time_of("created_on", COMPLETED, FIZZLED)

    @property
    def time_reserved(self) -> dt.datetime | None:
        """When it was put into a queue."""
        return self._time_of("created_on", RESERVED)

    @property
    def last_pinged(self) -> dt.datetime | None:
        """When it last said that it is alive."""
        return self._time_of("updated_on", RUNNING)

    @property
    def runtime_secs(self) -> float | None:
        """Seconds from its start to its end; None before it has ended."""
        start, end = self.time_start, self.time_end
        return (end - start).total_seconds() if start and end else None

    @property
    def reservedtime_secs(self) -> float | None:
        """Seconds it waited, or has been waiting, in a queue; None if it never was in one."""
        reserved = self.time_reserved
        return ((self.time_start or now()) - reserved).total_seconds() if reserved else None

    def _time_of(self, key: str, *states: str) -> dt.datetime | None:
        for entry in self.state_history:
            if entry.get("state") in states:
                moment = to_time(entry.get(key))
                return moment if isinstance(moment, dt.datetime) else None
        return None

    def to_dict(self) -> dict[str, Any]:
        history = [{**entry, **{key: to_stored(entry[key]) for key in _TIMES if key in entry}} for entry in self.state_history]
        return {
            "fworker": self.fworker.to_dict(),
            "fw_id": self.fw_id,
            "launch_dir": self.launch_dir,
            "host": self.host,
            "ip": self.ip,
            "trackers": [tracker.to_dict() for tracker in self.trackers],
            "action": to_storable(self.action, f"launch {self.launch_id}: action"),
            "state": self.state,
            "state_history": to_storable(history, f"launch {self.launch_id}: state_history"),
            "launch_id": self.launch_id,
        }

    def to_db_dict(self) -> dict[str, Any]:
        document = self.to_dict()
        document["time_start"] = to_stored(self.time_start)
        document["time_end"] = to_stored(self.time_end)
        document["runtime_secs"] = self.runtime_secs
        if self.reservedtime_secs:
            document["reservedtime_secs"] = self.reservedtime_secs
        return document

    @classmethod
    def from_dict(cls, m_dict: Mapping[str, Any]) -> Launch:
        if "state" not in m_dict:
            raise BadDocument(f"Launch {m_dict.get('launch_id')} has no state.")
        history = [
            {**entry, **{key: to_time(entry[key]) for key in _TIMES if key in entry}}
            for entry in m_dict.get("state_history") or []
        ]
        return cls(
            m_dict["state"],
            m_dict.get("launch_dir"),
            FWorker.from_dict(m_dict["fworker"]) if m_dict.get("fworker") else None,
            m_dict.get("host") or "unknown",
            m_dict.get("ip") or "unknown",
            [Tracker.from_dict(tracker) for tracker in m_dict.get("trackers") or []],
            _action(m_dict.get("action")),
            history,
            m_dict.get("launch_id"),
            m_dict.get("fw_id"),
        )

    def __str__(self) -> str:
        return f"Launch {self.launch_id} of firework {self.fw_id} ({self.state}) in {self.launch_dir}"


def _action(stored: Any) -> Any:
    if isinstance(stored, Mapping) and "gridfs_id" in stored:
        return dict(stored)
    return FWAction.from_dict(stored) if stored else None


def _own_address() -> str:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"
