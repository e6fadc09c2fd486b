"""What attempts that a rerun sets aside had done to their workflow, taken back with them.

A firework that completes may change the specs below it, hold others up, and add fireworks. Run again it does so again: what it
appended would be there twice, and so would be what it added. So the plan of a rerun gets this besides. What others have changed
since stays as it is, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from launchpad.core import stale, states
from launchpad.core.addedfireworks import without, workflow_of
from launchpad.core.changes import FIREWORKS, WORKFLOWS, ArchivedLaunch, Change, Insert, Outcome, Plan
from launchpad.core.documents import ABSENT, action_of, get_path, iso, put_path, tolerates_failed_parents
from launchpad.core.draft import changed_fields
from launchpad.core.effects import EFFECTS, KEEP, RECEIVED
from launchpad.core.rerun import RerunOptions, plan_rerun
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED, COMPLETED, DEFUSED, READY, RESERVED, RUNNING, WAITING
from launchpad.core.superseded import Attempt, Superseded, superseded_by
from launchpad.core.takingback import TakingBack

#: What every firework hands on to the next, and nobody need be told of.
_HANDED_ON = frozenset({"_files_prev", "_job_info"})


def with_effects_reverted(snapshot: Snapshot, plan: Plan, options: RerunOptions) -> Plan:
    """Return a rerun's plan with this besides: what the attempts that it archives had done to the workflow is taken back.

    Unless the options keep it. Raises Incomplete for what must be read first. For a plan that archives nothing of the kind
    nothing is read.
    """
    if not plan.archived or options.dynamic == KEEP:
        return plan
    found = superseded_by(snapshot, plan, options)
    return _Reverting(snapshot, plan, found).plan() if found.attempts or found.kept else plan


def plan_rerun_reverting(snapshot: Snapshot, targets: Mapping[int, str], options: RerunOptions) -> Plan:
    """Return the plan that reruns `targets`, with what the attempts that it sets aside had done taken back.

    Raises Incomplete; UnknownLaunch and NoCheckpoint as `plan_rerun` does.
    """
    return with_effects_reverted(snapshot, plan_rerun(snapshot, targets, options), options)


class _Reverting:
    def __init__(self, snapshot: Snapshot, plan: Plan, found: Superseded) -> None:
        self.snapshot, self.graph, self.before, self.found = snapshot, snapshot.graph, plan, found
        self.changes: dict[int, Change] = {change.key: change for change in plan.changes if change.collection == FIREWORKS}
        self.archived = list(plan.archived)
        self.texts: dict[int, tuple[str, str]] = {}
        self.effects: dict[int, list[str]] = {}
        self.warnings: dict[int, list[str]] = {fw_id: list(told) for fw_id, told in found.kept.items()}

    def plan(self) -> Plan:
        never = [n for n in self.found.going if not self._has_run(n)]
        self.snapshot.require(full=never)
        dropped = tuple(Insert(FIREWORKS, dict(self.snapshot.fireworks[n])) for n in never)
        self._take_specs_back()
        self._let_go_what_was_defused()
        for fw_id in self.found.going:
            self._take_out(fw_id)
        self._forget_effects()
        inserts, structure = self.before.inserts, self.before.structure
        if self.found.going:
            structure = without(self.snapshot, self.found.going)
            if history := [n for n in self.found.going if n not in never]:
                heads = {by for by in self.found.going.values() if by not in self.found.going}
                inserts = (*inserts, Insert(WORKFLOWS, workflow_of(self.snapshot, history, heads)))
        depth = self.graph.depths(self.changes)
        return replace(
            self.before,
            changes=tuple(sorted(self.changes.values(), key=lambda change: (-depth[change.key], change.key))),
            archived=tuple(self.archived),
            inserts=inserts,
            taken=(*self.before.taken, *dropped),
            structure=structure,
            guard=self.snapshot.guard(),
            outcomes=self._outcomes(),
        )

    def _firework(self, fw_id: int) -> Mapping[str, Any]:
        return self.snapshot.fireworks[fw_id]

    def _change(self, fw_id: int, fields: Mapping[str, Any]) -> None:
        """Add fields, as they will be, to the change of a firework."""
        firework, there = self._firework(fw_id), self.changes.get(fw_id)
        after = dict(there.after) if there else {"state": firework["state"], "updated_on": iso(self.snapshot.now)}
        if "spec" in fields:  # taken whole: what the plan itself changes in it must be in there
            whole = {**fields["spec"]}
            for path in [path for path in after if path.startswith("spec.")]:
                put_path(whole, path.removeprefix("spec."), after.pop(path))
            fields = {**fields, "spec": whole}
        after = {**fields, **after} | ({"state": fields["state"]} if "state" in fields else {})
        self.changes[fw_id] = Change(FIREWORKS, fw_id, {path: get_path(firework, path) for path in after}, after)

    # specs

    def _take_specs_back(self) -> None:
        told = {n: self._receivers(attempt) for n, attempt in enumerate(self.found.attempts)}
        everybody = {fw_id for listed in told.values() for fw_id in listed}
        self.snapshot.require(everybody, full=everybody)
        for receiver in sorted(everybody):
            if "updated_on" in self._firework(receiver):
                self._take_spec_back(receiver, [self.found.attempts[n] for n, listed in told.items() if receiver in listed])

    def _receivers(self, attempt: Attempt) -> set[int]:
        if not (attempt.action["update_spec"] or attempt.action["mod_spec"]):
            return set()
        children = self.graph.children[attempt.fw_id]
        return set(self.graph.reach(children) if attempt.action["propagate"] else children) - set(self.found.going)

    def _take_spec_back(self, receiver: int, attempts: list[Attempt]) -> None:
        firework = self._firework(receiver)
        spec, received = dict(firework.get("spec") or {}), dict(firework.get(RECEIVED) or {})
        taking = TakingBack(spec, received, self._staying(receiver, attempts))
        by = sorted({attempt.fw_id for attempt in attempts if str(attempt.fw_id) in received or not attempt.noted})
        for attempt in attempts:
            taking.take_back(attempt.fw_id, attempt.launch_id, attempt.action, noted=attempt.noted)
        _, fields = changed_fields(spec, taking.spec, "spec")
        keys = sorted({path.split(".")[1] for path in fields if path != "spec"} | ({"the spec"} if "spec" in fields else set()))
        if received and not taking.received:
            fields[RECEIVED] = ABSENT
        else:  # its keys are ids, which changed_fields takes for no keys
            now = {key: taking.received.get(key, ABSENT) for key in received}
            fields |= {f"{RECEIVED}.{key}": one for key, one in now.items() if one != received[key]}
        if fields:
            self._change(receiver, fields)
        keys = [key for key in keys if key not in _HANDED_ON]
        if keys:
            self.effects.setdefault(receiver, []).append(f"takes back {', '.join(keys)}, from {_named(by)}")
        if taking.kept:
            self.warnings.setdefault(receiver, []).extend(taking.kept)

    def _staying(self, receiver: int, attempts: Iterable[Attempt]) -> list[Mapping[str, Any]]:
        """Return the actions of parents that stay COMPLETED, where notes alone do not tell what is theirs."""
        sets = any("_add_to_set" in one for attempt in attempts for one in attempt.action["mod_spec"])
        if not sets and all(attempt.noted for attempt in attempts):
            return []
        gone = {attempt.fw_id for attempt in self.found.attempts}
        parents = [fw_id for fw_id in self.graph.parents[receiver] if fw_id not in gone]
        self.snapshot.require(parents, active_launches_of=parents)
        launches = self.snapshot.launches
        ids = [n for parent in parents for n in self.snapshot.active_launches(parent) if launches[n].get("state") == COMPLETED]
        self.snapshot.require(full_launches=ids)
        return [action_of(self.snapshot.full_launches[n].get("action")) for n in ids]

    # what was defused

    def _let_go_what_was_defused(self) -> None:
        for attempt in self.found.attempts:
            if not (attempt.action["defuse_children"] or attempt.action["defuse_workflow"]):
                continue
            effects = self._firework(attempt.fw_id).get(EFFECTS) or {}
            listed = [int(n) for n in effects.get("defused", ())] if attempt.noted else []
            self.snapshot.require(self.graph.nodes if attempt.action["defuse_workflow"] else self.graph.children[attempt.fw_id])
            for fw_id in self.graph.order():
                state = self.snapshot.firework_state(fw_id)
                if state != DEFUSED or self._state_then(fw_id) != DEFUSED or fw_id in self.found.going:
                    continue
                if fw_id in listed:
                    self._let_go(fw_id, attempt, str(effects.get("on", "")))
                elif not attempt.noted and attempt.action["defuse_workflow"]:
                    self._keep(fw_id, f"stays DEFUSED: whether firework {attempt.fw_id} did that is not noted")

    def _let_go(self, fw_id: int, attempt: Attempt, on: str) -> None:
        self.snapshot.require(active_launches_of=[fw_id])
        ran = {str(self.snapshot.launches[n].get("state")) for n in self.snapshot.active_launches(fw_id)}
        if self._firework(fw_id).get("updated_on") != on:
            self._keep(fw_id, f"stays DEFUSED: firework {attempt.fw_id} had defused it, but it was changed since")
        elif ran - {RUNNING, RESERVED}:
            self._keep(fw_id, f"stays DEFUSED, for it has ended meanwhile: lpad reignite_fws -i {fw_id}")
        else:
            state = (RUNNING if RUNNING in ran else RESERVED) if ran else self._fresh_state(fw_id)
            self._change(fw_id, {"state": state})
            self.texts[fw_id] = ("let go", state)
            self.effects.setdefault(fw_id, []).append(f"firework {attempt.fw_id} had defused it")

    def _keep(self, fw_id: int, why: str) -> None:
        self.warnings.setdefault(fw_id, []).append(why)

    def _state_then(self, fw_id: int) -> str:
        return str(self.changes[fw_id].after["state"]) if fw_id in self.changes else self.snapshot.firework_state(fw_id)

    def _fresh_state(self, fw_id: int) -> str:
        done = states.done_states(tolerates_failed_parents(self._firework(fw_id)))
        parents = self.graph.parents[fw_id]
        ready = all((self._state_then(n) if n in self.changes else self.snapshot.consult(n)) in done for n in parents)
        return READY if ready else WAITING

    # what was added

    def _has_run(self, fw_id: int) -> bool:
        firework = self._firework(fw_id)
        return bool(firework.get("launches") or firework.get("archived_launches"))

    def _take_out(self, fw_id: int) -> None:
        firework = self._firework(fw_id)
        fields: dict[str, Any] = {"state": ARCHIVED}
        listed = {launch.launch_id for launch in self.archived if fw_id in launch.fw_ids}
        active = self.snapshot.active_launches(fw_id)
        if active and "launches" not in (self.changes[fw_id].after if fw_id in self.changes else ()):
            already = list(firework.get("archived_launches") or [])
            fields |= {"launches": [], "archived_launches": list(dict.fromkeys(already + active))}
        self.archived += [ArchivedLaunch(launch_id, (fw_id,)) for launch_id in active if launch_id not in listed]
        self._change(fw_id, fields)
        self._unmark(fw_id)
        by = f"firework {self.found.going[fw_id]} had added it"
        self.texts[fw_id] = ("archived", ARCHIVED) if self._has_run(fw_id) else ("removed", "removed")
        self.effects.setdefault(fw_id, []).append(by)
        if (state := str(firework["state"])) in (states.PAUSED, DEFUSED):
            self._keep(fw_id, f"it was {state}; what is added in its place will not be")

    def _unmark(self, fw_id: int) -> None:
        """What is taken out is nobody's stale result."""
        firework, after = self._firework(fw_id), dict(self.changes[fw_id].after)
        if after.pop(stale.STALE, None) is not None or stale.is_stale(firework):
            after |= stale.cleared(firework)
            self.changes[fw_id] = Change(FIREWORKS, fw_id, {path: get_path(firework, path) for path in after}, after)

    def _forget_effects(self) -> None:
        for fw_id in {attempt.fw_id for attempt in self.found.attempts if attempt.noted} - set(self.found.going):
            self._change(fw_id, {EFFECTS: ABSENT})

    # the report

    def _outcomes(self) -> tuple[Outcome, ...]:
        spoken_of = {outcome.fw_id for outcome in self.before.outcomes}
        about = [fw_id for fw_id in {**self.texts, **self.effects, **self.warnings} if fw_id not in spoken_of]
        return tuple(self._told(outcome) for outcome in (*self.before.outcomes, *map(self._line, sorted(about))))

    def _line(self, fw_id: int) -> Outcome:
        state, name = self.snapshot.firework_state(fw_id), str(self._firework(fw_id).get("name", ""))
        kind, text = ("changed", "its spec changes") if fw_id in self.changes else ("skipped", f"is {state}")
        return Outcome(fw_id, kind, text, "descendant", name, state, state)

    def _told(self, outcome: Outcome) -> Outcome:
        fw_id = outcome.fw_id
        if fw_id in self.texts and outcome.role != "duplicate":
            text, after = self.texts[fw_id]
            role = "descendant" if outcome.role == "stale" and fw_id in self.found.going else outcome.role
            outcome = replace(outcome, kind="changed", text=text, after=after, role=role)
        return replace(
            outcome,
            effects=(*outcome.effects, *self.effects.get(fw_id, ())),
            warnings=(*outcome.warnings, *self.warnings.get(fw_id, ())),
        )


def _named(fw_ids: list[int]) -> str:
    return f"firework{'s' if len(fw_ids) > 1 else ''} {', '.join(map(str, fw_ids))}"
