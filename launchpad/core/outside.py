"""What is told from outside of how runs ended: by a batch system's scripts, or by a webhook. Which runs it is about, and what
follows from it.

What is told is kept with the launch, under `told`, beside what the worker saw; the cause is then found anew from all of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.core.causes import RULES, judge, verdict_of
from launchpad.core.documents import iso, read_time
from launchpad.core.evidence import told_of
from launchpad.core.launches import UNDECIDED, ended_fields, failed_action
from launchpad.core.liveness import last_heartbeat
from launchpad.core.states import FIZZLED, RUNNING
from launchpad.errors import BadDocument

#: The causes that can be told: what a worker cannot see, or not for sure.
CAUSES = ("oom", "walltime", "cancelled", "node", "disk", "network")

#: How Slurm calls ends that it has brought about, or seen; the longer ones may come cut short, as sacct prints them.
KILLS = ("OUT_OF_MEMORY", "TIMEOUT", "DEADLINE", "NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "CANCELLED", "REVOKED")
#: And states that say nothing of a kill.
NO_KILLS = (
    *("COMPLETED", "COMPLETING", "FAILED", "RUNNING", "PENDING", "CONFIGURING", "SUSPENDED", "STOPPED", "REQUEUED", "RESIZING"),
    *("REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT"),
)
_SHORTEST = 7

#: What failed longer before or after that moment, an event about a host or a job is not about.
NEAR = dt.timedelta(minutes=10)

#: Kinds of ends of which a worker sees only that they came: for these, what is told is better.
_WEAK = frozenset(rule.name for rule in RULES if rule.weak) | {""}

SELECTORS = ("fw_id", "launch_id", "qid", "host")
_KEYS = (*SELECTORS, "cause", "state", "message", "id", "at")
_LONGEST = 1000


@dataclass(frozen=True)
class Event:
    """What is told. One of fw_id, launch_id, qid and host says of which runs; cause, or the state that Slurm gave to a job, what.

    at: when it happened, None for now; id: what makes it this one and no other, so that it can be told again
    """

    fw_id: int | None = None
    launch_id: int | None = None
    qid: str = ""
    host: str = ""
    cause: str = ""
    state: str = ""
    message: str = ""
    id: str = ""
    at: dt.datetime | None = None

    @property
    def says_nothing(self) -> bool:
        """Whether its state is of no kill."""
        return bool(self.state) and self.state not in KILLS

    @property
    def about(self) -> str:
        name, value = next((name, value) for name in SELECTORS if (value := getattr(self, name)))
        return f"--{name} {value}"

    def evidence(self, now: dt.datetime) -> dict[str, Any]:
        """Return it as launches keep it."""
        said = {"cause": self.cause, "state": self.state, "message": self.message, "job": self.qid, "host": self.host}
        return {**{key: value for key, value in said.items() if value}, "at": iso(self.at or now)}


def read_event(data: Any) -> Event:
    """Return the event that plain data describes. Raises BadDocument."""
    if not isinstance(data, Mapping):
        raise BadDocument(f"An event is a mapping with one of {', '.join(SELECTORS)}, and a cause or a state.")
    if unknown := [key for key in data if key not in _KEYS]:
        raise BadDocument(f"An event has no {unknown[0]!r}; it has {', '.join(_KEYS)}.")
    given = {key: value for key, value in data.items() if value not in (None, "")}
    chosen = [name for name in SELECTORS if name in given]
    if len(chosen) != 1:
        named = f"not {' and '.join(chosen)}" if chosen else "this one has none of them"
        raise BadDocument(f"An event is about one of {', '.join(SELECTORS)}; {named}.")
    if ("cause" in given) == ("state" in given):
        raise BadDocument("An event says a cause or a state: one of them.")
    return Event(
        fw_id=_number(given, "fw_id"),
        launch_id=_number(given, "launch_id"),
        qid=_text(given, "qid"),
        host=_text(given, "host"),
        cause=_cause(given),
        state=_state(given),
        message=_text(given, "message"),
        id=_text(given, "id"),
        at=_moment(given.get("at")),
    )


def _number(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**63:
        raise BadDocument(f"{name} must be an id, a number from 1, not {value!r}.")
    return value


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name, "")
    if isinstance(value, int) and not isinstance(value, bool) and name in ("qid", "id"):
        value = str(value)
    if not isinstance(value, str):
        raise BadDocument(f"{name} must be a text, not {value!r}.")
    return value[:_LONGEST]


def _cause(given: Mapping[str, Any]) -> str:
    cause = given.get("cause", "")
    if cause and cause not in CAUSES:
        raise BadDocument(f"{cause!r} is no cause that can be told; these are {', '.join(CAUSES)}.")
    return str(cause)


def _state(given: Mapping[str, Any]) -> str:
    """Return a state of Slurm in its full form, of "CANCELLED by 1000" the first word."""
    said = str(given.get("state", "")).upper().split(" ")[0].rstrip("+")
    if not said or said in KILLS + NO_KILLS:
        return said
    whole = [state for state in KILLS + NO_KILLS if len(said) >= _SHORTEST and state.startswith(said)]
    if len(whole) != 1:
        raise BadDocument(f"Slurm has no state {given['state']!r}; ends that it brings about are {', '.join(KILLS)}.")
    return whole[0]


def _moment(value: Any) -> dt.datetime | None:
    moment = read_time(value) if not isinstance(value, int | float) or isinstance(value, bool) else _since_1970(value)
    if value is not None and moment is None:
        raise BadDocument(f"at must be a time like 2026-01-31T08:00:00Z, or seconds since 1970, not {value!r}.")
    return moment


def _since_1970(seconds: float) -> dt.datetime | None:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


# what follows from it


@dataclass(frozen=True)
class Consequence:
    """What an event does to a launch: fields to set; why: in words for people, also if there is nothing to set."""

    fields: Mapping[str, Any]
    why: str

    @property
    def ends_it(self) -> bool:
        return "state" in self.fields


def consequence(event: Event, launch: Mapping[str, Any], now: dt.datetime) -> Consequence:
    """Return what follows for a launch, whole, its action in place: RUNNING, it ends; FIZZLED, it may be seen more clearly."""
    state = launch.get("state")
    entry = event.evidence(now)
    moment = event.at or now
    called = f"launch {launch['launch_id']}"
    if state == RUNNING:
        started = read_time(launch.get("time_start"))
        if "archived" in launch:
            return Consequence({}, f"{called} was set aside by a rerun")
        if started is not None and started > moment:
            return Consequence({}, f"{called} began after that")
        return Consequence(_end(launch, entry, now), f"{called} has ended: {_said(entry)}")
    if state != FIZZLED:
        return Consequence({}, f"{called} is {state}")
    told = told_of(launch)
    if any(_same(entry, other) for other in told):
        return Consequence({}, f"{called}: that is known already")
    before = verdict_of(launch)
    if before.rule not in _WEAK:
        return Consequence({}, f"{called} failed by {before.cause}: that is clear already ({before.rule})")
    ended = read_time(launch.get("time_end"))
    if (event.qid or event.host) and ended is not None and abs(ended - moment) > NEAR:
        return Consequence({}, f"{called} ended at another time")
    found = with_evidence(launch, {**entry, "before": before.to_dict()})
    return Consequence(found, f"{called} failed by {found['failure']['cause']}, and not by {before.cause}: {_said(entry)}")


def with_evidence(launch: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a failed launch with one thing more that is known: what was known stays, the cause is found anew."""
    told = [*told_of(launch), dict(entry)]
    return {"told": told, "failure": judge({**launch, "told": told}).to_dict()}


def _end(launch: Mapping[str, Any], entry: Mapping[str, Any], now: dt.datetime) -> dict[str, Any]:
    """Return the fields with which a launch ends that runs no more. What was lost with its node comes back as any lost run."""
    told = [dict(entry)]
    lease = launch.get("lease") or {}
    said = _said(entry)
    heard = last_heartbeat(launch)
    cause: dict[str, Any] = {"kind": "told", "host": launch.get("host"), "pid": lease.get("pid"), "reported": said}
    text = f"The end of the run was reported: {said}."
    whole = {**launch, "told": told}
    fields = ended_fields(whole, FIZZLED, failed_action("the end of the run was reported", text), now, cause)
    if fields["failure"]["cause"] == "node":
        cause |= {"kind": "lost", "last_heard": iso(heard) if heard else None}
        fields = ended_fields(whole, FIZZLED, failed_action("the run was lost", text), now, cause) | {"pending": UNDECIDED}
    return {**fields, "told": told}


def _said(entry: Mapping[str, Any]) -> str:
    where = f" of job {entry['job']}" if "job" in entry else f" on {entry['host']}" if "host" in entry else ""
    message = f" ({entry['message'].rstrip('.')})" if "message" in entry else ""
    return f"{entry.get('state') or entry.get('cause')}{where}{message}"


def _same(entry: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two tell the same: the moment of telling does not count."""
    ignored = ("at", "before")
    return {key: value for key, value in entry.items() if key not in ignored} == {
        key: value for key, value in other.items() if key not in ignored
    }
