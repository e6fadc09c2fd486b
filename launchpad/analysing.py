"""The façade's part that counts, and looks for what failures have in common."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from launchpad.core.changes import ARCHIVED_LAUNCHES, FIREWORKS, LAUNCHES, WORKFLOWS
from launchpad.core.comparison import Group, alike, differences, features_of
from launchpad.core.documents import read_time
from launchpad.core.evidence import EVIDENCE_FIELDS
from launchpad.core.failures import Failures
from launchpad.core.selection import Selection
from launchpad.core.states import COMPLETED, FIZZLED
from launchpad.core.summary import FAILURE_FIELDS, failure
from launchpad.core.tallies import Period, count_into, last_periods
from launchpad.errors import UsageError
from launchpad.store import reading_queries, statistics
from launchpad.store.selecting import count_fireworks

if TYPE_CHECKING:
    from launchpad.store.store import Store

#: What can be counted, by the names that FireWorks gives it, and by its own.
COLLECTIONS = {"fws": FIREWORKS, "wflows": WORKFLOWS, "launches": LAUNCHES, "fireworks": FIREWORKS, "workflows": WORKFLOWS}

#: How many fireworks are named as examples of one cause.
EXAMPLES = 5

_RUN_FIELDS = ("fw_id", "host", "fworker.name", "fworker.category", "cause.kind")


class Analysing:
    """What one can learn from many fireworks at once. A part of `LaunchPad`."""

    store: Store

    def report(
        self,
        collection: str = "fws",
        interval: str = "days",
        num_intervals: int = 5,
        query: Mapping[str, Any] | None = None,
        selection: Selection | None = None,
    ) -> list[Period]:
        """Count by state what came into its state in each of the last periods; the oldest first, the present one last.

        collection: "fws", "wflows" or "launches". A firework or workflow counts where its state changed last; a launch where it
        ended, or began if it still runs; launches that reruns archived count, too. interval: "minutes", "hours", "days",
        "weeks", "months" or "years", as the calendar has them, in UTC. query: only what it matches. selection: only these
        fireworks or workflows; of launches, its query speaks of them, all else of their fireworks. Raises UsageError, BadQuery.

        >>> period = launchpad.report(num_intervals=1)[0]
        >>> period.count, period.success
        (0, None)
        """
        if collection not in COLLECTIONS:
            raise UsageError(f"{collection!r} cannot be reported on.", hint="Report on fws, wflows or launches.")
        chosen = selection or Selection()
        if query:
            chosen = replace(chosen, query={"$and": [query, chosen.query]} if chosen.query else query)
        periods = last_periods(self.store.now(), interval, num_intervals)
        count_into(periods, statistics.states_since(self.store, COLLECTIONS[collection], periods[0].start, chosen))
        return periods

    def introspect(self, selection: Selection | None = None, *, limit: int = 100, threshold: float = 10.0) -> dict[str, Any]:
        """Compare the fireworks that failed last with those that completed last.

        limit: how many of either. threshold: by how many percent points a feature must be more frequent among those that failed.
        Returns plain data: `fizzled` and `completed` (how many were looked at), `all_fizzled` and `all_completed` (of how many:
        where these are more, it is a sample), `spec` and `runs` (lists of feature, fizzled,
        completed, difference: of specs, and of workers and hosts; the clearest first) and `causes` (lists of cause, count, and
        some fw_ids; the most frequent first). Raises UsageError, BadQuery.
        """
        if limit < 1:
            raise UsageError(f"{limit} is no number of fireworks to look at.", hint="Give 1 or more.")
        if not 0 <= threshold <= 100:
            raise UsageError(f"{threshold} are no percent points.", hint="Give 0 to 100.")
        chosen = selection or Selection(everything=True)
        specs, runs = (Group(), Group()), (Group(), Group())
        causes: dict[str, list[int]] = defaultdict(list)
        counts: Counter[str] = Counter()
        for state, spec_group, run_group in zip((FIZZLED, COMPLETED), specs, runs, strict=True):
            launches: dict[int, int] = {}
            for firework in statistics.newest(self.store, replace(chosen, states=(state,)), limit, ("spec",)):
                spec = firework.get("spec")
                spec_group.add(features_of(spec if isinstance(spec, Mapping) else {}))
                run_group.size += 1
                if firework.get("launches"):
                    launches[max(firework["launches"])] = firework["fw_id"]
            fields = (*_RUN_FIELDS, *(FAILURE_FIELDS if state == FIZZLED else ()))
            for launch in statistics.last_launches(self.store, list(launches), fields):
                run_group.add_more(features_of({key: launch.get(key) for key in ("host", "fworker") if launch.get(key)}))
                if state == FIZZLED:
                    cause = _cause(launch)
                    counts[cause] += 1
                    causes[cause] = sorted([*causes[cause], launches[launch["launch_id"]]])[:EXAMPLES]
        return {
            "fizzled": specs[0].size,
            "completed": specs[1].size,
            "all_fizzled": self._all(chosen, FIZZLED, specs[0].size, limit),
            "all_completed": self._all(chosen, COMPLETED, specs[1].size, limit),
            "spec": [one.to_dict() for one in differences(*specs, threshold)],
            "runs": [one.to_dict() for one in differences(*runs, threshold)],
            "causes": [{"cause": cause, "count": counts[cause], "fw_ids": causes[cause]} for cause in _by_count(counts)],
        }

    def _all(self, selection: Selection, state: str, looked_at: int, limit: int) -> int:
        """Return how many fireworks are selected in a state, of which so many were looked at, `limit` at most."""
        if looked_at < limit:
            return looked_at
        return count_fireworks(self.store.backend, replace(selection, states=(state,)))

    def failures(self, selection: Selection | None = None, *, attempts: str = "last") -> dict[str, Any]:
        """Bring together what failed by signature, as `core.failures.Failures.to_dict` tells it.

        attempts: "last" for the fireworks that are FIZZLED, each by its last attempt; "all" for every failed attempt of the
        fireworks selected, archived ones too; "unaddressed" for those of these that no later attempt has superseded. Then
        `since` and `until` say when the attempt failed. Some hundred fireworks at a time, whatever their number.
        Raises UsageError, BadQuery, ConflictingOptions.
        """
        if attempts not in ("last", "all", "unaddressed"):
            raise UsageError(f"{attempts!r} are no attempts to look at.", hint="Look at last, all or unaddressed.")
        chosen = Selection(everything=True) if selection is None else selection
        since, until = (None, None) if attempts == "last" else (chosen.since, chosen.until)
        wanted = chosen.only_failed() if attempts == "last" else replace(chosen, until=None)
        found = Failures()
        fields = ("fw_id", "launches", "archived_launches", "updated_on")
        for fireworks in reading_queries.find_fireworks(self.store, wanted, fields):
            for firework, launch in _failed(self.store, fireworks, attempts):
                when = read_time(launch.get("time_end")) or read_time(firework.get("updated_on"))
                if when and ((since and when < since) or (until and when >= until)):
                    continue
                found.add(firework["fw_id"], launch, when)
        return found.to_dict()


def _failed(
    store: Store, fireworks: Sequence[Mapping[str, Any]], attempts: str
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the failed attempts of some fireworks, each with its firework."""
    fields = ("archived.fw_ids", *EVIDENCE_FIELDS)
    if attempts == "last":
        last = {max(firework["launches"]): firework for firework in fireworks if firework.get("launches")}
        for launch in statistics.last_launches(store, list(last), fields):
            if launch.get("state") == FIZZLED:
                yield last[launch["launch_id"]], launch
        return
    listed = {
        firework["fw_id"]: {*(firework.get("launches") or ()), *(firework.get("archived_launches") or ())}
        for firework in fireworks
    }
    # FireWorks' tools may drop archived ones from the firework.
    for launch in store.by_ids(ARCHIVED_LAUNCHES, "archived.fw_ids", listed, fields={"launch_id": 1, "archived.fw_ids": 1}):
        for fw_id in launch["archived"]["fw_ids"]:
            listed.get(fw_id, set()).add(launch["launch_id"])
    of = {launch_id: firework for firework in fireworks for launch_id in listed[firework["fw_id"]]}
    for launch in statistics.last_launches(store, sorted(of), fields):
        firework = of[launch["launch_id"]]
        superseded = max(listed[firework["fw_id"]]) > launch["launch_id"]
        if launch.get("state") == FIZZLED and not (superseded and attempts == "unaddressed"):
            yield firework, launch


def _cause(launch: Mapping[str, Any]) -> str:
    kind = (launch.get("cause") or {}).get("kind")
    reason = alike(failure(launch)) or "unknown"
    return reason if kind in (None, "exception") else f"{kind}: {reason}"


def _by_count(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda cause: (-counts[cause], cause))
