"""What there is to tell of fireworks and batches: found in what they have become, so that it is found whoever died meanwhile."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from launchpad.core.addresses import redact
from launchpad.core.documents import iso
from launchpad.core.hooks import DONE, FAILED, GAVE_UP, RECOVERED, RETRIED, News
from launchpad.core.states import COMPLETED
from launchpad.core.trials import POLICY, RECOVERY, SUPERVISOR, Trial
from launchpad.core.visible import visible

#: Whose reruns are told: a person knows his own.
BY_THEMSELVES = (POLICY, SUPERVISOR, RECOVERY)


def news_of(firework: Mapping[str, Any], workflow: str, trials: Sequence[Trial], since: dt.datetime) -> Iterator[News]:
    """Yield what happened to a firework since a moment: its attempts that failed, were tried again, and recovered.

    firework: with fw_id and name; trials: all its attempts, oldest first
    """
    failed = 0
    for trial in trials:
        about = {**_about(firework, workflow), **_attempt(trial)}
        called = _called(firework)
        if trial.failed:
            failed += 1
            if _is_new(trial.ended, since):
                yield _news(FAILED, trial, trial.ended, about, f"{called} failed: {_what(trial)}.")
            aside = trial.set_aside
            if aside is not None and aside.by in BY_THEMSELVES and _is_new(aside.on, since):
                why = f": {aside.why.rstrip('.')}" if aside.why else ""
                more = {"by": aside.by, "why": aside.why, "command": aside.record}
                yield _news(RETRIED, trial, aside.on, {**about, **more}, f"{called} is tried again by {_actor(aside.by)}{why}.")
        elif trial.state == COMPLETED:
            if failed and _is_new(trial.ended, since):
                text = f"{called} has completed, after {failed} failed attempt{'s' if failed > 1 else ''}."
                yield _news(RECOVERED, trial, trial.ended, {**about, "failed_attempts": failed}, text)
            failed = 0


def given_up(
    firework: Mapping[str, Any], workflow: str, trials: Sequence[Trial], why: str, now: dt.datetime, since: dt.datetime
) -> News | None:
    """Return the news that a failure is left as it is; None where there is none, or it failed before a moment."""
    last = trials[-1] if trials else None
    if last is None or not last.failed or last.set_aside is not None or not _is_new(last.ended, since):
        return None
    about = {**_about(firework, workflow), **_attempt(last), "why": why}
    return _news(GAVE_UP, last, now, about, f"{_called(firework)} stays failed: {why.rstrip('.')}.")


def batch_ended(document: Mapping[str, Any], facts: Mapping[str, Any]) -> News:
    """Return the news that a supervised batch ended. document: the supervision's; facts: its last event."""
    workflows = len(document.get("workflows") or ())
    started = document.get("started")
    batch = {
        "id": document.get("_id"),
        "selection": document.get("selection"),
        "workflows": workflows,
        "started": iso(started) if isinstance(started, dt.datetime) else None,
    }
    told = {key: facts[key] for key in ("outcome", "exit_code", "why", "summary")}
    text = f"The batch {document.get('selection')} ended: {facts['outcome']}. {facts['why']}".rstrip()
    identity = f"{document.get('_id')}:{document.get('run')}:{batch['started']}"
    return News(DONE, identity, {"event": DONE, "at": facts["at"], "text": _said(text), "batch": batch, **told})


def _news(event: str, trial: Trial, at: dt.datetime | None, about: Mapping[str, Any], text: str) -> News:
    # The time, too: a database that was reset counts its launches anew.
    identity = f"{trial.launch_id}:{iso(trial.ended) if trial.ended else ''}:{about['firework']['fw_id']}"
    return News(event, identity, {"event": event, "at": iso(at) if at else None, "text": _said(text), **about})


def _is_new(moment: dt.datetime | None, since: dt.datetime) -> bool:
    return moment is not None and moment >= since


def _about(firework: Mapping[str, Any], workflow: str) -> dict[str, Any]:
    return {"firework": {"fw_id": firework["fw_id"], "name": str(firework.get("name") or ""), "workflow": workflow}}


def _attempt(trial: Trial) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "number": trial.number,
        "launch_id": trial.launch_id,
        "state": trial.state,
        "host": trial.host,
        "ended": iso(trial.ended) if trial.ended else None,
        "seconds": trial.seconds,
    }
    if trial.failed:
        facts |= {"cause": trial.cause, "signature": trial.signature, "exit_code": trial.exit_code, "signal": trial.signal}
        facts |= {"exception": trial.exception, "message": redact(trial.message)}
    return {"attempt": facts}


def _called(firework: Mapping[str, Any]) -> str:
    name = str(firework.get("name") or "")
    return f"Firework {firework['fw_id']}" + (f" ({name})" if name else "")


def _what(trial: Trial) -> str:
    where = f" on {trial.host}" if trial.host else ""
    said = f": {redact(trial.message)}" if trial.message else ""
    return f"{trial.cause}{where}{said}".rstrip(".")


def _actor(by: str) -> str:
    return {POLICY: "its policy", SUPERVISOR: "a supervisor", RECOVERY: "a worker that found it lost"}[by]


def _said(text: str) -> str:
    return visible(" ".join(text.split()))
