"""One firework on a page: its state, why, its relatives, and its attempts with the last lines of what went wrong."""

from __future__ import annotations

import datetime as dt
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from launchpad.core.documents import read_time
from launchpad.core.selectiontext import shorten
from launchpad.core.stale import made_from
from launchpad.core.states import STATES
from launchpad.core.visible import visible
from lpad.forms import Paint, plainly

if TYPE_CHECKING:
    from launchpad.core.attempts import Attempt, Failure
    from launchpad.core.explanation import Explanation, Relative
    from launchpad.explaining import Description

#: How many attempts are told of, the newest; how many lines of the last error, and of those before; how many relatives by name.
MOST_ATTEMPTS = 8
LAST_LINES = 12
EARLIER_LINES = 3
MOST_RELATIVES = 6

#: A message may hold a whole file; a line of it is cut in the middle.
LONGEST_LINE = 500

#: The command that lets go what a person holds.
WAY_OUT = {"PAUSED": "resume_fws", "DEFUSED": "reignite_fws", "ARCHIVED": "unarchive_wflows"}

#: Why a launch ended whose cause is no exception and no exit status.
CAUSES = {
    "preparation": "before its first task",
    "database": "because the database was away for too long",
    "refused": "because what its tasks returned could not be stored",
    "lost": "because nothing was heard of its worker any more",
    "told": "as was reported from outside",
    "document": "because something in the firework keeps it from being started",
}


def firework_page(description: Description, paint: Paint = plainly) -> Iterator[str]:
    """Yield the lines of the page. Times are shown as clocks show them here."""
    firework, why, now = description.firework, description.explanation, description.now
    state = str(firework.get("state"))
    shown = f"{paint(state)}, stale" if why.stale else paint(state)
    yield f"Firework {firework['fw_id']}  {visible(str(firework.get('name') or ''))}  {shown}"
    yield from (f"  {line}" for line in why_lines(firework, why, now, paint))
    yield ""
    yield from _facts(description, now, paint)
    attempts = description.attempts
    if not attempts:
        yield "attempts   none so far"
        return
    hidden = len(attempts) - MOST_ATTEMPTS
    told = f", the last {MOST_ATTEMPTS}; all: lpad get_fws -i {firework['fw_id']} -d all" if hidden > 0 else ""
    yield f"attempts   {len(attempts)}{told}"
    for attempt in attempts[-MOST_ATTEMPTS:]:
        yield ""
        yield from _attempt_lines(attempt, firework, now, paint, last=attempt is attempts[-1])


def why_lines(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint = plainly) -> Iterator[str]:
    """Yield the sentences that say why a firework is in its state, and what lets it go on."""
    fw_id, state = firework["fw_id"], str(firework.get("state"))
    yield from _WORDS[why.kind](firework, why, now, paint)
    if why.recovery and why.kind in ("ready", "failed"):
        task, launch = why.recovery
        yield f"It will resume at {_task_words(firework, task)}, from launch {launch}."
    if why.stale:
        yield f"It is stale since {when(read_time(why.stale.get('since')), now)}: {made_from(why.stale.get('because') or ())}."
        yield f"To renew it: lpad rerun_fws -i {fw_id}; if it is good as it is: lpad accept -i {fw_id}"
    if why.kind == "held":
        yield f"To let it go on: lpad {WAY_OUT.get(state, 'resume_fws')} -i {fw_id}"
    elif why.kind == "failed":
        failure = why.attempt.failure if why.attempt else None
        if failure is not None and failure.signature:
            yield f"Whatever else failed so: lpad get_fws --signature {failure.signature}"
        further = ", or from the task that failed: --task-level" if why.attempt and why.attempt.resumable else ""
        yield f"To run it again: lpad rerun_fws -i {fw_id}{further}"
    elif why.kind in ("silent", "missing"):
        yield "To bring lost runs back: lpad recover, or lpad detect_lostruns --rerun"
    elif why.kind == "overdue":
        yield "What is wrong with the database: lpad admin check"


def _waiting_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    undone = len(why.parents)
    parents = "its only parent" if why.parent_count == 1 else f"{undone} of {why.parent_count} parents"
    yield f"It is waiting for {parents}: {relatives(why.parents, paint)}."
    beyond = [one for one in why.blockers if one not in why.parents]
    if why.kind == "stuck":
        held = why.blockers[0] if len(why.blockers) == 1 else None
        what = f"firework {held.fw_id}" if held else f"{len(why.blockers)} fireworks that do not go on by themselves"
        yield f"It will not run before something is done about {what}" + (
            f": {relatives(why.blockers, paint)}." if beyond or not held else "."
        )
    elif beyond:
        yield f"These wait, in turn, for {relatives(why.blockers, paint)}."


def _overdue_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    yield "No parent holds it up, so it should be READY." if why.parent_count else "It has no parents, so it should be READY."


def _ready_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    meant = why.for_worker or {}
    words = [f"the worker {visible(meant['fworker'])}"] if "fworker" in meant else []
    words += [f"workers of the category {visible(meant['category'])}"] if "category" in meant else []
    yield f"It is ready since {when(read_time(firework.get('updated_on')), now)}, for {' and '.join(words) or 'any worker'}."


def _reserved_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    assert why.attempt is not None
    job = f" as job {visible(why.attempt.queue_id)}" if why.attempt.queue_id else ""
    yield f"It waits in a queue{job}, since {when(why.attempt.reserved, now)}."


def _running_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    one = why.attempt
    assert one is not None
    where = f"on {visible(one.host or 'an unknown host')}" + (f", worker {visible(one.worker)}" if one.worker else "")
    task = "" if one.at_task is None else f", in {_task_words(firework, one.at_task)}"
    yield f"It has been running since {when(one.started, now)} {where}{task}."
    heard = f"It was last heard of {when(one.heard, now)}" if one.heard else "It was never heard of"
    yield f"{heard}." if why.kind == "running" else f"{heard}: its worker may be dead."


def _missing_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    yield f"It is {firework.get('state')}, but has no launch of that state: whoever took it was cut off."


def _completed_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    one = why.attempt
    if one is None or one.ended is None:
        yield "It is done."
        return
    took = f" after {duration(one.seconds)}" if one.seconds is not None else ""
    yield f"It was completed {when(one.ended, now)}{took}."


def _failed_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    one = why.attempt
    if one is None or one.failure is None:
        yield "It failed; no launch says why."
        return
    yield f"It failed {failure_words(one.failure, firework)}{_at(one.ended, now)}."
    if one.failure.line:
        yield shorten(visible(one.failure.line), LONGEST_LINE)


def _held_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    state = str(firework.get("state")).lower()
    if why.hold is not None:
        by = f" by {visible(why.hold.user)}" if why.hold.user else ""
        reason = f": {visible(why.hold.reason)}" if why.hold.reason else " (no reason given)"
        record = f", command {why.hold.record}" if why.hold.record else ""
        yield f"It was {state}{by} {when(why.hold.on, now)} with {visible(why.hold.command)}{record}{reason}."
    elif why.by_action is not None:
        yield f"It was {state} by the action of firework {why.by_action}."
    else:
        yield f"It was {state} {when(read_time(firework.get('updated_on')), now)} or before; the history does not say by whom."


def _unknown_words(firework: Mapping[str, Any], why: Explanation, now: dt.datetime, paint: Paint) -> Iterator[str]:
    yield f"There is no such state; there are {', '.join(STATES)}."


_WORDS = {
    "waiting": _waiting_words,
    "stuck": _waiting_words,
    "overdue": _overdue_words,
    "ready": _ready_words,
    "reserved": _reserved_words,
    "running": _running_words,
    "silent": _running_words,
    "missing": _missing_words,
    "completed": _completed_words,
    "failed": _failed_words,
    "held": _held_words,
    "unknown": _unknown_words,
}


def failure_words(failure: Failure, firework: Mapping[str, Any]) -> str:
    """Return where and how an attempt failed, to follow "It failed"."""
    task = f" ({visible(failure.task)})" if failure.task else ""
    where = f"in {_task_words(firework, failure.task_n)}{task}" if failure.task_n is not None else ""
    how = CAUSES.get(failure.kind, "")
    if failure.kind == "signal" and failure.to_worker:
        how = f"because its worker was ended by {_signal_name(failure.signal)}"
    elif failure.kind == "signal":
        how = f"because it was ended by {_signal_name(failure.signal)}"
    elif failure.exit_code is not None and failure.exit_code < 0:  # Python's way to say so
        how = f"because its command was ended by {_signal_name(failure.signal)}"
    elif failure.exit_code is not None:
        how = f"with exit status {failure.exit_code}"
        how += f", ended by {_signal_name(failure.signal)}" if failure.signal is not None else ""
    memory = {"said": ", for lack of memory", "perhaps": ", perhaps for lack of memory"}
    return (" ".join(part for part in (where, how) if part) or "for a reason that is not known") + memory.get(failure.memory, "")


def _task_words(firework: Mapping[str, Any], task_n: int | None) -> str:
    """Name a task as everywhere: counted from 0. Of several, the range shows that."""
    tasks = (firework.get("spec") or {}).get("_tasks")
    if task_n is None:
        return "an unknown task"
    return f"task {task_n} of 0-{len(tasks) - 1}" if isinstance(tasks, list) and len(tasks) > 1 else f"task {task_n}"


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def _facts(description: Description, now: dt.datetime, paint: Paint) -> Iterator[str]:
    firework, workflow = description.firework, description.workflow
    if workflow is None:
        yield "workflow   none: it belongs to no workflow, so nothing will run it; see lpad admin check"
    else:
        nodes = workflow.get("nodes") or []
        name = visible(str(workflow.get("name") or ""))
        fireworks = f"{len(nodes)} firework" + ("" if len(nodes) == 1 else "s")
        yield f"workflow   {name}--{nodes[0] if nodes else ''}  {paint(str(workflow.get('state')))}, {fireworks}"
    for word, field in (("added", "created_on"), ("changed", "updated_on")):
        if moment := read_time(firework.get(field)):
            yield f"{word:<10} {when(moment, now)}"
    for word, ids in (("parents", description.parents), ("children", description.children)):
        if ids:
            yield f"{word:<10} {relatives([description.family.relative(fw_id) for fw_id in ids], paint)}"


def relatives(several: Sequence[Relative], paint: Paint = plainly) -> str:
    """Name a few fireworks with their states; count many by state, and name the first."""
    if len(several) <= MOST_RELATIVES:
        return ", ".join(
            f"{one.fw_id} {visible(one.name)} {paint(one.state)}{', stale' if one.stale else ''}".replace("  ", " ")
            for one in several
        )
    counts = Counter(one.state for one in several)
    told = ", ".join(f"{count} {paint(state)}" for state, count in counts.most_common())
    return f"{told} ({', '.join(str(one.fw_id) for one in several[:MOST_RELATIVES])}, …)"


def _attempt_lines(one: Attempt, firework: Mapping[str, Any], now: dt.datetime, paint: Paint, *, last: bool) -> Iterator[str]:
    took = f" after {duration(one.seconds)}" if one.seconds is not None and one.ended else ""
    yield f"launch {one.launch_id}  {paint(one.state)}{took}" + ("" if one.active else "  (archived)")
    for word, moment in (("reserved", one.reserved), ("began", one.started), ("ended", one.ended)):
        if moment is not None:
            yield f"  {word:<8} {when(moment, now)}"
    if one.host or one.worker:
        pid = f", process {one.pid}" if one.pid else ""
        yield (
            f"  where    {visible(one.host or 'an unknown host')}"
            + (f", worker {visible(one.worker)}" if one.worker else "")
            + pid
        )
    if one.queue_id:
        yield f"  job      {visible(one.queue_id)}"
    if one.folder:
        yield f"  folder   {visible(one.folder)}"
    if one.failure is not None:
        yield f"  failed   {failure_words(one.failure, firework)}"
        if one.failure.signature:
            yield f"  cause    {one.failure.cause}, signature {one.failure.signature}"
        shown = one.failure.error[-(LAST_LINES if last else EARLIER_LINES) :]
        yield from (f"  | {shorten(visible(line), LONGEST_LINE)}" for line in shown)


def _at(moment: dt.datetime | None, now: dt.datetime) -> str:
    return f", {when(moment, now)}" if moment else ""


def when(moment: dt.datetime | None, now: dt.datetime) -> str:
    """Return a moment by the clocks here, and how long ago that was."""
    if moment is None:
        return "an unknown time"
    here = moment.astimezone()
    seconds = (now - moment).total_seconds()
    ago = f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
    return f"{here:%Y-%m-%d %H:%M:%S} ({ago})"


def duration(seconds: float | None) -> str:
    """Return a span of time in its two largest units."""
    if seconds is None:
        return "an unknown time"
    if seconds < 10:
        return f"{seconds:.1f} s"
    parts: list[str] = []
    left = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)
