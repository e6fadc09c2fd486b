"""Which fireworks or workflows a command is about: one grammar for every command.

Whatever is given must hold together (`-n relax -s FIZZLED`: named so *and* fizzled); several values of one kind are alternatives
(`-s FIZZLED,PAUSED`: either). Nothing given selects nothing; everything is asked for by its own word.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from launchpad.core.documents import read_time
from launchpad.core.durations import parse_moment
from launchpad.core.selectiontext import (
    check_expression,
    check_metadata,
    check_signature,
    check_text,
    check_time,
    name_pattern,
    parse_causes,
    parse_exit_codes,
    parse_states,
    shorten,
    shorten_ids,
)
from launchpad.core.states import FIZZLED
from launchpad.errors import BadIds, BadQuery, ConflictingOptions, EmptySelection

#: By what fireworks and workflows can be sorted.
SORT_FIELDS = ("created_on", "updated_on", "fw_id", "name", "state")


@dataclass(frozen=True)
class Selection:
    """What was chosen. Every field that is given must hold; a field with several values holds if one of them does.

    names: exact, or with the wild cards of file names (``* ? [abc]``); states: in capitals
    query: in MongoDB's language, as `querytext.read_query` returns it
    launches_mode: `query` and `states` speak of active launches, and only fireworks that have such a launch are meant
    qid: the id that a queue gave to the reservation of an active launch
    nothing: ids were asked for, and there were none: a list read from somewhere may be empty
    workflows: only what belongs to the workflows of these fireworks
    error: a regular expression, found in the stack trace of the last attempt: of the active launches the newest
    workers, hosts, folders: who ran the last attempt, and where; exact or with wild cards, of which ``*`` also matches ``/``
    signatures: beginnings of the signature of the last attempt's failure; causes: what it failed of, names of `CAUSES`, or "lost"
    exit_codes: those that it failed with, as ranges (first, last)
    any_attempt: the seven before speak of any one attempt, archived or active, that has all of it
    since, until: `updated_on` lies at or after, and before; aware
    metadata: values of the workflow's metadata by path, dots between nested keys; a list holds what is among its items
    families: only what belongs to the families of these fireworks' workflows: with which each began, and all reruns of it
    stale: what keeps a result made from an earlier one of something above it (of workflows: those that hold such a firework)
    limit, sort: only so many, the first in this order: (field, 1 or -1), one of SORT_FIELDS; 0 and None without

    >>> selection = Selection.of(name="relax*", state=["fizzled", "paused"])
    >>> selection.describe()
    '-n relax* -s FIZZLED,PAUSED'
    """

    fw_ids: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    query: Mapping[str, Any] | None = None
    launches_mode: bool = False
    everything: bool = False
    qid: str | None = None
    nothing: bool = False
    workflows: tuple[int, ...] = ()
    error: str = ""
    workers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    signatures: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    exit_codes: tuple[tuple[int, int], ...] = ()
    any_attempt: bool = False
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    metadata: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    stale: bool = False
    families: tuple[int, ...] = ()
    limit: int = 0
    sort: tuple[str, int] | None = None

    @classmethod
    def of(
        cls,
        *,
        fw_ids: int | Sequence[int] = (),
        name: str | Sequence[str] = (),
        state: str | Sequence[str] = (),
        query: Mapping[str, Any] | None = None,
        launches_mode: bool = False,
        everything: bool = False,
        qid: str | None = None,
        wf: int | Sequence[int] = (),
        error: str = "",
        worker: str | Sequence[str] = (),
        host: str | Sequence[str] = (),
        folder: str | Sequence[str] = (),
        signature: str | Sequence[str] = (),
        cause: str | Sequence[str] = (),
        exit_code: int | str | Sequence[int] = (),
        any_attempt: bool = False,
        since: dt.datetime | str | None = None,
        until: dt.datetime | str | None = None,
        now: dt.datetime | None = None,
        metadata: Mapping[str, Any] | None = None,
        failed: bool = False,
        stale: bool = False,
        family: int | Sequence[int] = (),
        limit: int = 0,
        sort: str | tuple[str, int] | None = None,
    ) -> Selection:
        """Return a selection from what is convenient in Python: one value or several, states in any case.

        since, until: a time (UTC where it does not say), its ISO 8601 text, or with `now` a text such as ``2h``, ``3d``.
        exit_code: one, several, or a text such as "1-5,137".
        metadata: one value for each path. failed: what is FIZZLED. sort: a field, ``-`` before it for the largest first.
        Raises UnknownState, BadQuery, ConflictingOptions, UsageError.
        """
        states = _several(state)
        chosen = cls(
            fw_ids=_ids(fw_ids),
            names=_several(name),
            states=parse_states(",".join(states)) if states else (),
            query=query,
            launches_mode=launches_mode,
            everything=everything,
            qid=qid,
            workflows=_ids(wf),
            error=error,
            workers=_several(worker),
            hosts=_several(host),
            folders=_several(folder),
            signatures=tuple(check_signature(one, "signature") for one in _several(signature)),
            causes=parse_causes(",".join(several), "cause") if (several := _several(cause)) else (),
            exit_codes=_exit_codes(exit_code),
            any_attempt=any_attempt,
            since=_moment(since, now, "since"),
            until=_moment(until, now, "until"),
            metadata={path: (value,) for path, value in (metadata or {}).items()},
            stale=stale,
            families=_ids(family),
            limit=limit,
            sort=_order(sort),
        )
        return (chosen.only_failed() if failed else chosen).checked()

    def only_failed(self) -> Selection:
        """Return what of it is FIZZLED. Raises ConflictingOptions where other states are asked for."""
        if self.states and FIZZLED not in self.states:
            raise ConflictingOptions(
                f"--failed chooses what is {FIZZLED}, -s what is {' or '.join(self.states)}: nothing is both.",
                hint="Leave one away.",
            )
        return replace(self, states=(FIZZLED,))

    def checked(self) -> Selection:
        """Return the selection itself. Raises BadQuery for what cannot be read or stored, ConflictingOptions."""
        for option, patterns in {"-n": self.names, "--worker": self.workers, "--host": self.hosts, "--dir": self.folders}.items():
            for pattern in patterns:
                check_text(pattern, option)
                name_pattern(pattern, option)
        check_text(self.qid or "", "--qid")
        if self.error:
            check_expression(check_text(self.error, "--error"), "--error")
        check_metadata(self.metadata, "--meta")
        for option, time in (("--since", self.since), ("--until", self.until)):
            check_time(time, option)
        if self.any_attempt and not self.speaks_of_attempts:
            raise ConflictingOptions(
                "--any-attempt has no effect without --error, --signature, --cause, --exit-code, --worker, --host or --dir.",
                hint="Give one of them, too.",
            )
        if self.since and self.until and self.since >= self.until:
            raise ConflictingOptions("--since is not before --until: nothing lies between.", hint="Exchange the two.")
        if self.limit < 0:
            raise BadQuery("--limit: a limit is 0 (no limit) or more.")
        return self

    @property
    def speaks_of_attempts(self) -> bool:
        """Whether something is said of the last attempt, or of any."""
        return bool(self.error or self.workers or self.hosts or self.folders or self.speaks_of_failures)

    @property
    def speaks_of_failures(self) -> bool:
        """Whether something is said of what was concluded about a failure: for runs of FireWorks nobody has stored that."""
        return bool(self.signatures or self.causes or self.exit_codes)

    @property
    def speaks_of_launches(self) -> bool:
        """Whether something is said of any active launch."""
        return bool(self.qid or (self.launches_mode and (self.query or self.states)))

    @property
    def speaks_of_workflows(self) -> bool:
        """Whether something is said of the workflow that a firework belongs to."""
        return bool(self.workflows or self.metadata or self.families)

    @property
    def may_change(self) -> bool:
        """Whether what is chosen may be another thing in a moment: more is said than ids."""
        by_itself = self.states or self.query or self.qid or self.names or self.since or self.until or self.launches_mode
        by_itself = by_itself or self.stale
        return bool(by_itself or self.speaks_of_attempts or self.speaks_of_workflows)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is chosen; an empty query, launches mode, a limit and an order by themselves choose nothing."""
        by_itself = self.names or self.states or self.query or self.qid or self.since or self.until
        given = self.fw_ids or self.nothing or self.everything or self.stale
        return not (by_itself or given or self.speaks_of_attempts or self.speaks_of_workflows)

    def require(self) -> Selection:
        """Return the selection itself. Raises EmptySelection."""
        if self.is_empty:
            raise EmptySelection()
        return self

    def describe(self) -> str:
        """Return the selection in the words of the command line, for messages."""
        return " ".join(self._words()) or "nothing"

    def _words(self) -> Iterator[str]:
        parts: tuple[tuple[str, Any], ...] = (
            ("-i", shorten_ids(self.fw_ids) or ("[]" if self.nothing else "")),
            ("--wf", shorten_ids(self.workflows)),
            *(("-n", name) for name in self.names),
            ("-s", ",".join(self.states)),
            ("-q", shorten(str(self.query), 120) if self.query else ""),
            ("-lm", self.launches_mode),
            ("--qid", self.qid),
            ("--error", shorten(self.error, 120)),
            *(("--worker", worker) for worker in self.workers),
            *(("--host", host) for host in self.hosts),
            *(("--dir", folder) for folder in self.folders),
            *(("--signature", signature) for signature in self.signatures),
            ("--cause", ",".join(self.causes)),
            ("--exit-code", ",".join(f"{a}-{b}" if a != b else str(a) for a, b in self.exit_codes)),
            ("--any-attempt", self.any_attempt),
            ("--since", self.since and self.since.isoformat()),
            ("--until", self.until and self.until.isoformat()),
            *(("--meta", f"{path}={shorten(str(value))}") for path, values in self.metadata.items() for value in values),
            ("--stale", self.stale),
            ("--root", shorten_ids(self.families)),
            ("--all", self.everything),
            ("--limit", self.limit),
            ("--sort" if self.sort and self.sort[1] > 0 else "--rsort", self.sort and self.sort[0]),
        )
        return (option if value is True else f"{option} {value}" for option, value in parts if value)


def required(selection: Any) -> Selection:
    """Return the selection itself. Raises BadIds where a script gave ids, a query or something else; EmptySelection."""
    if not isinstance(selection, Selection):
        raise BadIds(
            f"What is chosen must be a Selection, not a {type(selection).__name__}.",
            hint="For example Selection(fw_ids=(2, 3)) or Selection.of(state='FIZZLED').",
        )
    return selection.require()


def given_ids(fw_ids: Any) -> tuple[int, ...]:
    """Return the ids that a script gave, as some iterable. Raises BadIds for anything else."""
    if isinstance(fw_ids, (str, bytes)) or not isinstance(fw_ids, Iterable):
        raise BadIds(f"The ids of fireworks must be a list of them, not {fw_ids!r}.", hint="For one firework: [5].")
    return tuple(fw_ids)


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(dict.fromkeys(value))


def _exit_codes(value: int | str | Sequence[int]) -> tuple[tuple[int, int], ...]:
    if isinstance(value, str):
        return parse_exit_codes(value, "exit_code")
    return tuple((code, code) for code in _ids(value))


def _ids(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(dict.fromkeys(value))


def _moment(value: dt.datetime | str | None, now: dt.datetime | None, name: str) -> dt.datetime | None:
    if isinstance(value, str) and (now or not read_time(value.strip())):
        if now is None:
            raise BadQuery(
                f"{name}={value!r} is not a time.", hint="Write it in ISO 8601; a duration such as 2h needs `now`, too."
            )
        return parse_moment(value, now)
    return None if value is None else read_time(value)


def _order(sort: str | tuple[str, int] | None) -> tuple[str, int] | None:
    order = (sort.removeprefix("-"), -1 if sort.startswith("-") else 1) if isinstance(sort, str) else sort
    if order and (order[0] not in SORT_FIELDS or order[1] not in (1, -1)):
        raise BadQuery(
            f"Nothing is sorted by {order!r}.", hint=f"The fields are {', '.join(SORT_FIELDS)}, 1 or -1 the direction."
        )
    return order


#: The fields that documents have at their top level, by collection.
_FIELDS = {
    "fireworks": "fw_id name state spec created_on updated_on launches archived_launches stale _id",
    "workflows": "name state nodes links parent_links fw_states metadata created_on updated_on locked _id",
    "launches": """launch_id fw_id state action state_history launch_dir host ip fworker trackers time_start time_end runtime_secs
        reservedtime_secs lease cause failure usage pending _id""",
}


def fields_of(collection: str) -> list[str]:
    """Return the fields that the documents of a collection have at their top level."""
    return _FIELDS[collection].split()


def doubtful_field(query: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Return a sentence about the first field of a query that such documents do not have by themselves, or ""."""
    for key, value in query.items():
        if key in ("$and", "$or", "$nor") and isinstance(value, list | tuple):
            for part in value:
                if isinstance(part, Mapping) and (doubt := doubtful_field(part, fields)):
                    return doubt
        first = key.split(".")[0]
        if not key.startswith("$") and first not in fields:
            near = difflib.get_close_matches(first, fields, n=1, cutoff=0.6)
            suggestion = f"did you mean {near[0]!r}?" if near else _place(key, fields)
            return f"No such field: {first!r}; {suggestion}"
    return ""


def _place(key: str, fields: Sequence[str]) -> str:
    """Return where else a field may be that fireworks, workflows or launches do not have at their top level."""
    for whole, what in (("spec", "the spec"), ("metadata", "the metadata"), ("action", "what a launch stored")):
        if whole in fields:
            path = f"{whole}.{key}" if whole != "action" else f"action.stored_data.{key}"
            return f"inside {what} it is '{path}'."
    return f"there are {', '.join(fields)}."
