"""What a rerun does to one workflow: who is set back, to what, with which recovery, and who is refused and why.

The reach of a rerun is FireWorks': the chosen fireworks, and everything below them that is past WAITING. Where this project
decided otherwise (fireworks that are running or held, recoveries that outlive their use), the rule says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.core import recovery, scopes, stale, states
from launchpad.core.changes import FIREWORKS, ArchivedLaunch, Change, Outcome, Plan
from launchpad.core.documents import ABSENT, get_path, iso, tolerates_failed_parents
from launchpad.core.effects import NOTED
from launchpad.core.explanation import Family
from launchpad.core.liveness import RUN_EXPIRATION_SECONDS, is_live, last_heartbeat, whereabouts
from launchpad.core.selection import Selection
from launchpad.core.snapshot import Snapshot
from launchpad.core.states import ARCHIVED, COMPLETED, DEFUSED, FIZZLED, HELD, READY, RESERVED, RUNNING, WAITING
from launchpad.core.stepselection import StepSelection
from launchpad.errors import NoCheckpoint, UnknownLaunch

EXCEPTION_DETAILS = "spec._exception_details"
MISSING = "does not exist; see `lpad admin check`"


@dataclass(frozen=True)
class RerunOptions:
    """How to rerun. The same for all fireworks of one command, but for `launch_ids`."""

    #: How far it reaches: one of `scopes.SCOPES`.
    scope: str = scopes.DOWNSTREAM
    #: Chooses among the fireworks of the workflow, in place of the targets.
    steps: StepSelection | None = None
    task_level: bool = False
    #: Which attempt to resume, by fw_id; others take the newest that has a checkpoint, or without `task_level` start over.
    launch_ids: Mapping[int, int] = field(default_factory=dict)
    #: None: an empty new folder; "cp": a new folder with the old one's files; "prev_dir": the old folder.
    recover_mode: str | None = None
    #: Without `recover_mode`: a copy of the old one's files all the same, where that folder is seen from here.
    copy_what_is_seen: bool = False
    clear_recovery: bool = False
    #: Also fireworks whose run is alive; its late result will not be accepted.
    running: bool = False
    #: Also fireworks below that a person paused, defused or archived.
    revive_held: bool = False
    #: Keep the details of the exception in the spec of what is set back (FireWorks' EXCEPT_DETAILS_ON_RERUN).
    keep_exception_details: bool = False
    run_expiration_seconds: float = RUN_EXPIRATION_SECONDS
    #: By fw_id, further fields that are set in the spec of what is set back ("spec.…"); the snapshot must hold them.
    spec_fields: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    #: What starts from scratch, as with `clear_recovery`; and what resumes in an empty folder, whatever is seen from here.
    start_over: Collection[int] = ()
    without_copy: Collection[int] = ()
    #: What becomes of what the attempts that are set aside had done to their workflow: a word of `launchpad.core.effects`.
    dynamic: str = NOTED
    #: By fw_id, why it is rerun, for the report.
    reasons: Mapping[int, str] = field(default_factory=dict)
    #: What is done to targets, for messages.
    doing: str = "reruns"
    #: Whether a folder can be seen from here; only for warnings, for it may lie on the worker's disk.
    folder_exists: Callable[[str], bool] = lambda folder: True


@dataclass(frozen=True)
class _Wish:
    """What a target gets besides being set back."""

    spec: Mapping[str, Any]
    text: str
    warnings: tuple[str, ...] = ()


def plan_rerun(snapshot: Snapshot, targets: Mapping[int, str], options: RerunOptions) -> Plan:
    """Return the plan that reruns `targets` ({fw_id: role}) of one workflow.

    Raises Incomplete for what must be read first; UnknownLaunch and NoCheckpoint for a launch id that cannot be meant.
    """
    return _Rerun(snapshot, targets, options).plan()


def begin(snapshot: Snapshot, targets: Mapping[int, str], options: RerunOptions) -> Mapping[int, str]:
    """Return the fireworks, with their roles, that scope and steps make of those chosen in one workflow. Raises Incomplete."""
    snapshot.require(targets)
    graph, state_of, scope = snapshot.graph, snapshot.firework_state, options.scope
    chosen = [fw_id for fw_id, role in targets.items() if role != "duplicate"]
    if not chosen:  # of another workflow: only what shares launches with targets there
        return targets
    if options.steps:
        snapshot.require(graph.nodes)
        names = {fw_id: str(firework.get("name", "")) for fw_id, firework in snapshot.fireworks.items()}
        chosen = options.steps.chosen(Family(graph, {fw_id: state_of(fw_id) for fw_id in graph.nodes}, names))
    elif scope in (scopes.ALL, scopes.FAILED):
        chosen = graph.nodes
    begun = scopes.beginning(graph, state_of, chosen, scope, {ARCHIVED} if options.revive_held else HELD)
    above = set(begun).difference(chosen) if scope == scopes.UPSTREAM else ()
    roles = {fw_id: "ancestor" if fw_id in above else targets.get(fw_id, "target") for fw_id in begun}
    return {**{fw_id: role for fw_id, role in targets.items() if role == "duplicate"}, **roles}


def describe_reach(selection: Selection, options: RerunOptions) -> str:
    """Return a selection with how far a rerun of it reaches, in the words of the command line."""
    scope, steps = options.scope, options.steps
    usual = scope == (scopes.ONLY if steps else scopes.DOWNSTREAM)
    return " ".join([selection.describe(), *([] if usual else [f"--scope {scope}"]), *([steps.describe()] if steps else [])])


class _Rerun:
    def __init__(self, snapshot: Snapshot, targets: Mapping[int, str], options: RerunOptions) -> None:
        self.snapshot, self.targets, self.options, self.scope = snapshot, targets, options, options.scope
        self.graph = snapshot.graph
        self.keeps = self.scope in scopes.KEEPING
        self.refused: dict[int, str] = {}
        self.skipped: dict[int, str] = {}
        self.wishes: dict[int, _Wish] = {}

    def plan(self) -> Plan:
        snapshot = self.snapshot
        snapshot.forget_consulted()
        snapshot.require(self.targets)
        self.targets = begin(snapshot, self.targets, self.options)
        snapshot.require(self.targets)
        reached = self._below(self.targets)
        # The children where the reach ends are judged by their own documents too: the workflow's copy may lag behind.
        snapshot.require(self._children(reached), active_launches_of=reached)
        snapshot.require(attempts=self._attempts_needed())
        for fw_id in self.targets:
            self._judge(fw_id)
        self._refuse_above_live()
        accepted = [fw_id for fw_id in self.wishes if self._state(fw_id) != WAITING]
        # What waits already needs nothing, but a result may have been kept below it.
        waiting = [] if self.keeps else [fw_id for fw_id in self.skipped if self._state(fw_id) == WAITING]
        begun = [*accepted, *waiting]
        reset = self._reset(accepted, begun)
        for fw_id in reset:
            self.refused.pop(fw_id, None)  # an action defused it, and that action is undone
            self.skipped.pop(fw_id, None)
        held = [fw_id for fw_id in self._below(begun) if fw_id not in reset and self._begun_state(fw_id) != WAITING]
        fresh = {fw_id: self._fresh_state(fw_id, reset) for fw_id in reset}
        self._skip_untouched_ready(accepted, reset, fresh)
        outdated = [fw_id for fw_id in scopes.outdated(self.graph, self._state, reset, self.scope) if not self._is_missing(fw_id)]
        snapshot.require(outdated)
        for child in self._children([*reset, *held]):
            if child not in reset:  # left as it is because of its state: in another it would have to be set back
                snapshot.consult(child)
        return self._assemble(accepted, reset, held, fresh, outdated)

    # reading the snapshot

    def _state(self, fw_id: int) -> str:
        return self.snapshot.firework_state(fw_id)

    def _is_missing(self, fw_id: int) -> bool:
        """Whether the workflow names a firework that has no document: what stands in for it counts as ARCHIVED."""
        return self._state(fw_id) == ARCHIVED and "updated_on" not in self.snapshot.fireworks.get(fw_id, {"updated_on": None})

    def _below(self, start: Iterable[int]) -> list[int]:
        return scopes.reach(self.graph, self._begun_state, start, self.scope)

    def _begun_state(self, fw_id: int) -> str:
        """Return the state, but for what FireWorks set to WAITING and left a result with: it would come back unrenewed."""
        state = self._state(fw_id)
        return RESERVED if state == WAITING and not self.keeps and self.snapshot.active_launches(fw_id) else state

    def _children(self, fw_ids: Iterable[int]) -> set[int]:
        return {child for fw_id in fw_ids for child in self.graph.children[fw_id]}

    def _active(self, fw_id: int) -> list[Mapping[str, Any]]:
        launches = self.snapshot.launches
        return [launches[launch_id] for launch_id in self.snapshot.active_launches(fw_id) if launch_id in launches]

    def _live_launch(self, fw_id: int) -> Mapping[str, Any] | None:
        for launch in self._active(fw_id):
            if is_live(launch, self.snapshot.now, self.options.run_expiration_seconds):
                return launch
        return None

    def _attempts_needed(self) -> list[int]:
        if self.options.task_level or self.options.launch_ids:
            return list(self.targets)
        if self.options.keep_exception_details:
            return [fw_id for fw_id in self._below(self.targets) if self._state(fw_id) == FIZZLED]
        return []

    # judging the targets

    def _judge(self, fw_id: int) -> None:
        state = self._state(fw_id)
        if self.targets[fw_id] == "ancestor" and (state == WAITING or (state in HELD and not self.options.revive_held)):
            if state in HELD:
                self.skipped[fw_id] = MISSING if self._is_missing(fw_id) else self._stays_held(state)
        elif self._is_missing(fw_id):
            self.refused[fw_id] = MISSING
        elif state == ARCHIVED or (state == DEFUSED and not self.options.revive_held):
            self.refused[fw_id] = f"is {state}" + ("; reignite it first" if state == DEFUSED else "")
        elif state in (RUNNING, RESERVED) and not self.options.running and (live := self._live_launch(fw_id)):
            self.refused[fw_id] = f"is {state} {whereabouts(live)}; --running {self.options.doing} it all the same"
        elif (self.options.task_level and self.targets[fw_id] != "ancestor") or fw_id in self.options.launch_ids:
            self._judge_task_level(fw_id, state)
        elif state == WAITING and not (self.options.clear_recovery and self._recovery(fw_id) is not ABSENT):
            self.skipped[fw_id] = "is WAITING already"
        else:
            self.wishes[fw_id] = self._plain_wish(fw_id, state)

    def _judge_task_level(self, fw_id: int, state: str) -> None:
        attempts = self.snapshot.attempts[fw_id]
        launch_id = self.options.launch_ids.get(fw_id) or self._named_for_its_like(fw_id, attempts)
        if launch_id is not None:
            chosen = next((launch for launch in attempts if launch["launch_id"] == launch_id), None)
            if chosen is None:
                raise UnknownLaunch(f"Launch {launch_id} is no attempt of firework {fw_id}.", launch_id=launch_id)
            if recovery.checkpoint_of(chosen) is None:
                raise NoCheckpoint(fw_id=fw_id, launch_id=launch_id)
            self.wishes[fw_id] = self._recovery_wish(fw_id, chosen)
        elif state == WAITING:
            self.skipped[fw_id] = "is WAITING already"
        elif state not in (FIZZLED, RUNNING) and not any(launch["state"] == FIZZLED for launch in self._active(fw_id)):
            self.refused[fw_id] = f"is {state}: it has not failed, so there is no task to resume"
        elif chosen := recovery.newest_with_checkpoint(attempts):
            self.wishes[fw_id] = self._recovery_wish(fw_id, chosen)
        elif self._recovery(fw_id) is not ABSENT:
            self.wishes[fw_id] = self._plain_wish(fw_id, state)
        else:
            self.wishes[fw_id] = _Wish({}, "starts over: no attempt of it has a checkpoint")

    def _named_for_its_like(self, fw_id: int, attempts: Iterable[Mapping[str, Any]]) -> int | None:
        """Return the launch that was named for the target whose duplicate this is: they share it."""
        named = set(self.options.launch_ids.values()) if self.targets[fw_id] == "duplicate" else ()
        return next((launch["launch_id"] for launch in attempts if launch["launch_id"] in named), None)

    def _recovery(self, fw_id: int) -> Any:
        return get_path(self.snapshot.fireworks[fw_id], recovery.RECOVERY)

    def _recovery_wish(self, fw_id: int, launch: Mapping[str, Any]) -> _Wish:
        mode, folder = self.options.recover_mode, str(launch.get("launch_dir"))
        copies = self.options.copy_what_is_seen and fw_id not in self.options.without_copy
        if copies and mode is None and self.options.folder_exists(folder):
            mode = recovery.COPY
        text = f"resumes at {recovery.describe(recovery.recovery_from(launch, mode))}"
        text += {recovery.COPY: f", with a copy of {folder}", recovery.PREVIOUS_DIR: f", in {folder}"}.get(mode or "", "")
        unseen = mode is not None and not self.options.folder_exists(folder)
        warnings = (f"{folder} is not seen from this machine; the worker that runs it must see it",) if unseen else ()
        return _Wish(recovery.set_recovery(self.snapshot.fireworks[fw_id], launch, mode), text, warnings)

    def _plain_wish(self, fw_id: int, state: str) -> _Wish:
        firework, carried = self.snapshot.fireworks[fw_id], self._recovery(fw_id)
        if carried is ABSENT:
            return _Wish({}, "set back")
        if self.options.clear_recovery or fw_id in self.options.start_over:
            return _Wish(recovery.drop_recovery(firework), "set back; its recovery is cleared, it starts over")
        if state == COMPLETED:
            return _Wish(recovery.drop_recovery(firework), "set back; its recovery has served, it starts over")
        return _Wish({}, f"set back; keeps its recovery: resumes at {recovery.describe(carried)}")

    # who is reached

    def _refuse_above_live(self) -> None:
        """A live run below a target must not be cut off unasked: refuse the targets that would."""
        if self.options.running:
            return
        reached = set(self._below(self.wishes))
        # What an action defused while it ran may run on, and a reservation may be starting just now.
        may_run = {RUNNING, RESERVED, *states.HELD}
        live = [fw_id for fw_id in reached if self._state(fw_id) in may_run and self._live_launch(fw_id)]
        for fw_id in live:
            where = whereabouts(self._live_launch(fw_id) or {})
            cut = f"has firework {fw_id} below it, which runs {where}; --running {self.options.doing} it all the same"
            for above in self._above(fw_id, reached):
                if self.wishes.pop(above, None):
                    self.refused[above] = cut

    def _above(self, fw_id: int, within: set[int]) -> list[int]:
        seen, queue = {fw_id}, deque([fw_id])
        while queue:
            for parent in self.graph.parents[queue.popleft()]:
                if parent in within and parent not in seen:
                    seen.add(parent)
                    queue.append(parent)
        return list(seen)

    def _reset(self, accepted: list[int], begun: list[int]) -> set[int]:
        below = self._below(begun)
        among = self.graph.reach(accepted) if self.keeps else below
        undone = {child for fw_id in below for child in self._defused_by_action(fw_id, among)}
        self.snapshot.require(undone, active_launches_of=undone)
        held = {
            fw_id for fw_id in below if self._state(fw_id) in states.HELD and fw_id not in undone and not self.options.revive_held
        }
        held |= {fw_id for fw_id in below if self._is_missing(fw_id)}
        return {fw_id for fw_id in below if fw_id not in held and self._begun_state(fw_id) != WAITING} | undone | set(accepted)

    def _defused_by_action(self, fw_id: int, below: list[int]) -> list[int]:
        """Return the fireworks that a launch which is archived now had defused: no person holds them."""
        actions = [launch.get("action") or {} for launch in self._active(fw_id) if launch["state"] == COMPLETED]
        if any(action.get("defuse_workflow") for action in actions):
            return [other for other in below if self._state(other) == DEFUSED]
        if any(action.get("defuse_children") for action in actions):
            return [child for child in self.graph.children[fw_id] if self._state(child) == DEFUSED]
        return []

    def _fresh_state(self, fw_id: int, reset: set[int]) -> str:
        parents = self.graph.parents[fw_id]
        if any(parent in reset for parent in parents):
            return WAITING
        done = states.done_states(tolerates_failed_parents(self.snapshot.fireworks[fw_id]))
        return READY if all(self.snapshot.consult(parent) in done for parent in parents) else WAITING

    def _skip_untouched_ready(self, accepted: list[int], reset: set[int], fresh: dict[int, str]) -> None:
        for fw_id in accepted:
            untouched = self._state(fw_id) == fresh[fw_id] == READY and not self.snapshot.active_launches(fw_id)
            alone = not any(child in reset for child in self.graph.children[fw_id])
            if untouched and alone and not self.wishes[fw_id].spec:
                self.skipped[fw_id] = "is READY already" + self.wishes[fw_id].text.removeprefix("set back")
                del self.wishes[fw_id], fresh[fw_id]
                reset.discard(fw_id)

    # the plan

    def _assemble(
        self, accepted: list[int], reset: set[int], held: list[int], fresh: dict[int, str], outdated: list[int]
    ) -> Plan:
        heads = [fw_id for fw_id in accepted if fw_id in reset]
        below = set(
            self._below(child for fw_id in heads for child in self.graph.children[fw_id] if child in reset or not self.keeps)
        )
        because = stale.causes(self.graph, reset, outdated)
        depth = self.graph.depths([*reset, *held, *outdated])
        changes, archived, outcomes = [], [], self._remarks()
        for fw_id in sorted(depth, key=lambda fw_id: (-depth[fw_id], fw_id)):
            if fw_id in because:
                changes.append(self._stale_change(fw_id, because[fw_id]))
                outcomes.append(self._stale_outcome(fw_id, because[fw_id]))
                continue
            launches = self.snapshot.active_launches(fw_id)
            archived += [ArchivedLaunch(launch_id, (fw_id,)) for launch_id in launches]
            if fw_id in reset:
                changes.append(self._change(fw_id, fresh[fw_id], self._spec_fields(fw_id, fw_id in below)))
                outcomes.append(self._outcome(fw_id, fresh[fw_id], fw_id in below))
                continue
            # Held, but what it did or began to do was with inputs that are renewed: let go, it must start over.
            spec = recovery.drop_recovery(self.snapshot.fireworks[fw_id])
            if launches or spec:
                changes.append(self._change(fw_id, self._state(fw_id), spec))
            if fw_id not in self.refused:
                outcomes.append(self._held_outcome(fw_id))
        for fw_id, wish in self.wishes.items():
            if fw_id not in reset:  # WAITING already, and only its spec changes
                changes.append(self._change(fw_id, WAITING, dict(wish.spec)))
                outcomes.append(
                    Outcome(fw_id, "changed", wish.text.removeprefix("set back; "), **self._facts(fw_id), after=WAITING)
                )
        outcomes.sort(key=lambda outcome: (outcome.role in ("descendant", "stale"), outcome.fw_id))
        return Plan(
            self.snapshot.workflow_id,
            changes=tuple(changes),
            archived=tuple(archived),
            guard=self.snapshot.guard(),
            outcomes=tuple(outcomes),
        )

    def _spec_fields(self, fw_id: int, is_below: bool) -> dict[str, Any]:
        firework = self.snapshot.fireworks[fw_id]
        # What lies below a rerun starts over: its inputs may have changed.
        fields = recovery.drop_recovery(firework) if is_below or fw_id not in self.wishes else dict(self.wishes[fw_id].spec)
        if self._state(fw_id) == FIZZLED:
            details = self._exception_details(fw_id)
            if details is not ABSENT or get_path(firework, EXCEPTION_DETAILS) is not ABSENT:
                fields[EXCEPTION_DETAILS] = details
        return {**fields, **self.options.spec_fields.get(fw_id, {})}

    def _exception_details(self, fw_id: int) -> Any:
        active = set(self.snapshot.active_launches(fw_id))
        for launch in self.snapshot.attempts.get(fw_id, []) if self.options.keep_exception_details else []:
            if launch["launch_id"] in active:
                details = get_path(launch, "action.stored_data._exception._details")
                return details or ABSENT
        return ABSENT

    def _change(self, fw_id: int, state: str, spec: Mapping[str, Any]) -> Change:
        firework, launches = self.snapshot.fireworks[fw_id], self.snapshot.active_launches(fw_id)
        after: dict[str, Any] = {"state": state, "updated_on": iso(self.snapshot.now), **spec}
        if launches:
            already = list(firework.get("archived_launches") or [])
            after["launches"] = []
            after["archived_launches"] = list(dict.fromkeys(already + launches))
            after |= stale.cleared(firework)
        return self._changed(fw_id, after)

    def _stale_change(self, fw_id: int, because: list[int]) -> Change:
        firework, now = self.snapshot.fireworks[fw_id], self.snapshot.now
        return self._changed(fw_id, {"state": self._state(fw_id), "updated_on": iso(now), **stale.marked(firework, because, now)})

    def _changed(self, fw_id: int, after: dict[str, Any]) -> Change:
        firework = self.snapshot.fireworks[fw_id]
        return Change(FIREWORKS, fw_id, {path: get_path(firework, path) for path in after}, after)

    # the report

    def _facts(self, fw_id: int) -> dict[str, Any]:
        role = self.targets.get(fw_id, "descendant")
        return {"role": role, "name": str(self.snapshot.fireworks[fw_id].get("name", "")), "before": self._state(fw_id)}

    def _remarks(self) -> list[Outcome]:
        said = []
        for kind, texts in (("refused", self.refused), ("skipped", self.skipped)):
            for fw_id, text in texts.items():
                said.append(Outcome(fw_id, kind, text, **self._facts(fw_id), after=self._state(fw_id)))
        return said

    def _outcome(self, fw_id: int, fresh: str, is_below: bool) -> Outcome:
        wish = self.wishes.get(fw_id)
        if wish and is_below and wish.spec.get(recovery.RECOVERY, ABSENT) is not ABSENT:
            wish = _Wish({}, "starts over: a firework above it is rerun too, so its inputs may change")
        warnings = (wish.warnings if wish else ()) + self._interruptions(fw_id)
        text = wish.text if wish else "set back"
        if reason := self.options.reasons.get(fw_id):
            text += f"; {reason}"
        return Outcome(fw_id, "changed", text, **self._facts(fw_id), after=fresh, warnings=warnings)

    def _held_outcome(self, fw_id: int) -> Outcome:
        state = self._state(fw_id)
        text = MISSING if self._is_missing(fw_id) else self._stays_held(state)
        return Outcome(fw_id, "skipped", text, **self._facts(fw_id), after=state)

    @staticmethod
    def _stays_held(state: str) -> str:
        return f"stays {state}, for it is held; --revive-held sets it back too"

    def _stale_outcome(self, fw_id: int, because: list[int]) -> Outcome:
        state = self._state(fw_id)
        text = f"stays {state}, and becomes stale: {stale.made_from(because)}"
        return Outcome(fw_id, "changed", text, **self._facts(fw_id) | {"role": "stale"}, after=state)

    def _interruptions(self, fw_id: int) -> tuple[str, ...]:
        state = self._state(fw_id)
        if state == RESERVED:
            if not self._active(fw_id):
                return ("it was reserved without a launch: a reservation that was broken off",)
            return ("its reservation is archived; its queue job is not cancelled",)
        if state != RUNNING:
            return ()
        if live := self._live_launch(fw_id):
            return (f"it was running {whereabouts(live)}; the late result of that run will not be used",)
        heard = [moment for launch in self._active(fw_id) if (moment := last_heartbeat(launch))]
        return (
            f"its run was lost: last heard of at {iso(max(heard))}"
            if heard
            else "its run was lost: nothing was ever heard of it",
        )
