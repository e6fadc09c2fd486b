"""What an action did to its workflow, noted where it happened: so a rerun can take back exactly that, and nothing else.

Two fields of fireworks hold it; FireWorks passes over them, and may drop them when it writes a firework anew.

    effects    of the firework whose action it was: launch_id, on, and where there are any: added, the ids of new fireworks;
               followed, the ids of those that came to stand behind a detour; defused, by id the state before
    received   of a firework whose spec was changed: by the id of the one that did so, launch_id, on, and before, the values
               that were overwritten; `more`: there were too many to note all
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.core.dictmods import ARROW
from launchpad.core.documents import ABSENT

EFFECTS = "effects"
RECEIVED = "received"

#: What becomes of what attempts did to their workflow when they are set aside: it stays; what their workers noted is taken back;
#: also what others did, as far as it can be concluded from their actions.
KEEP, NOTED, REVERT = "keep", "noted", "revert"

#: In `received`: some that changed the spec are not noted.
MORE = "more"

#: How much may be noted: a document must never become too large for it.
MOST_NOTED = 100
LARGEST_NOTED = 10_000

#: Where a value lies in a spec.
At = tuple[str, ...]

#: In the place of a value that was too large to be noted.
UNKNOWN = object()

#: Words after which what was there before cannot be told from what is there now.
_REPLACING = ("_set", "_unset", "_rename", "_pull", "_pull_all", "_pop")


def does_anything(action: Mapping[str, Any]) -> bool:
    """Tell whether an action, whole or without the bulk of it, does anything to its workflow."""
    parts = ("update_spec", "mod_spec", "additions", "detours", "append_wfs", "defuse_children", "defuse_workflow")
    return any(action.get(part) for part in parts)


def settings_of(action: Mapping[str, Any]) -> Iterator[tuple[str, At, Any]]:
    """Yield what an action says about specs, in order: the word (`_set` for update_spec), where, and the value."""
    for key, value in action["update_spec"].items():
        yield "_set", (str(key),), value
    for modification in action["mod_spec"]:
        for word, settings in modification.items() if isinstance(modification, Mapping) else ():
            if isinstance(settings, (list, tuple)):
                settings = dict.fromkeys(settings)
            if isinstance(settings, Mapping):
                for path, value in settings.items():
                    # Names to change lie at the top only.
                    yield word, ((str(path),) if word == "_rename" else tuple(str(path).split(ARROW))), value


def value_at(spec: Any, at: At) -> Any:
    """Return what lies there, or ABSENT."""
    for part in at:
        if not isinstance(spec, dict) or part not in spec:
            return ABSENT
        spec = spec[part]
    return spec


def received_entry(spec: Mapping[str, Any], action: Mapping[str, Any], launch_id: Any, on: str) -> dict[str, Any]:
    """Return what is noted of a spec, as it is before an action changes it."""
    before = []
    for at, value in _overwritten(spec, action).items():
        noted = {"value": value} if _size(value, LARGEST_NOTED) <= LARGEST_NOTED else {"unknown": True}
        before.append({"at": list(at), **noted})
    if sum(_size(one, LARGEST_NOTED) for one in before) > LARGEST_NOTED:
        before = [{"at": one["at"], "unknown": True} for one in before]
    return {"launch_id": launch_id, "on": on, "before": before}


def with_new_ids(firework: Mapping[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """Return what is noted in a firework, for a copy of it in a workflow where others have its neighbours' places.

    numbers: the new ids by the old ones; what is noted of others is left out.
    """
    effects, received = firework.get(EFFECTS), firework.get(RECEIVED)
    noted: dict[str, Any] = {}
    if isinstance(effects, Mapping):
        listed = {name: [numbers[n] for n in effects[name] if n in numbers] for name in ("added", "followed") if name in effects}
        defused = {str(numbers[int(n)]): state for n, state in effects.get("defused", {}).items() if int(n) in numbers}
        noted[EFFECTS] = {**effects, **listed, **({"defused": defused} if defused else {})}
    if isinstance(received, Mapping):
        known = {str(numbers[int(key)]): one for key, one in received.items() if key.isdigit() and int(key) in numbers}
        noted[RECEIVED] = known | {key: one for key, one in received.items() if not key.isdigit()}
    return noted


def memory_of(entry: Mapping[str, Any] | None) -> dict[At, Any]:
    """Return the values that were overwritten, as noted, by where they lay."""
    listed = (entry or {}).get("before") or ()
    return {tuple(one["at"]): one.get("value", UNKNOWN) for one in listed}


def _overwritten(spec: Mapping[str, Any], action: Mapping[str, Any]) -> dict[At, Any]:
    """Return what the action's opposite could not tell by itself."""
    found: dict[At, Any] = {}
    for word, at, value in settings_of(action):
        for length in range(1, len(at)):
            if value_at(spec, at[:length]) == {}:
                found.setdefault(at[:length], {})
        for place in [at, (value,)] if word == "_rename" and isinstance(value, str) else [at]:
            there = value_at(spec, place)
            if there is not ABSENT and _must_be_noted(word, there, value):
                found.setdefault(place, there)
    return found


def _must_be_noted(word: str, there: Any, value: Any) -> bool:
    if word in _REPLACING:
        return True
    if word == "_inc":
        return there == 0 or isinstance(there, float) or isinstance(value, float)
    return there == [] or (word == "_add_to_set" and isinstance(there, list) and value in there)


def _size(value: Any, enough: int) -> int:
    """Return about how many bytes a value takes; it is not counted beyond `enough`."""
    total, left = 0, [value]
    while left and total <= enough:
        one = left.pop()
        if isinstance(one, Mapping):
            total += 8 + sum(8 + len(str(key)) for key in one)
            left += one.values()
        elif isinstance(one, (list, tuple)):
            total += 8 + 8 * len(one)
            left += one
        else:
            total += 8 + (len(one) if isinstance(one, (str, bytes)) else 8)
    return total
