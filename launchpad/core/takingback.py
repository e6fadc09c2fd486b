"""What actions changed in a spec, taken back: what was there before comes again, wherever nobody has changed it since."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

from launchpad.core.dictmods import ARROW, apply_mod
from launchpad.core.documents import ABSENT
from launchpad.core.effects import MORE, UNKNOWN, At, memory_of, settings_of, value_at
from launchpad.errors import BadDocument

Action = Mapping[str, Any]
Spec = dict[str, Any]

#: What belongs to the receiver itself, whatever an action may have set.
_OWN = frozenset({"_tasks", "_recovery"})

#: What cannot be turned round from what is there now: only a note of what was there before helps.
_ONE_WAY = frozenset({"_unset", "_rename", "_pull", "_pull_all", "_pop"})


class TakingBack:
    """One spec, and what was noted of those who changed it. Actions are to be taken back newest first."""

    def __init__(self, spec: Mapping[str, Any], received: Mapping[str, Any], staying: Sequence[Action] = ()) -> None:
        """staying: the actions of others whose values stay; where there is no note, what they set is left alone."""
        self.spec: Spec = copy.deepcopy(dict(spec))
        self.received: dict[str, Any] = copy.deepcopy(dict(received))
        self.staying = staying
        #: Sentences about what could not be taken back.
        self.kept: list[str] = []

    def take_back(self, fw_id: int, launch_id: Any, action: Action, *, noted: bool) -> None:
        """Take back what a firework's action did. noted: whether it is known to whom that was done."""
        entry = self.received.get(str(fw_id))
        if entry is not None and entry.get("launch_id") != launch_id:
            entry = None
        if noted and entry is None and MORE not in self.received:
            return  # it was not told
        if entry is not None:
            del self.received[str(fw_id)]
        _One(self, fw_id, entry, action, unsure=noted and entry is None).take_back()

    def others_who_set(self, at: At) -> bool:
        return any(one[:2] == ("_set", at) for action in self.staying for one in settings_of(action))

    def others_who_add(self, at: At, value: Any) -> bool:
        return any(one == ("_add_to_set", at, value) for action in self.staying for one in settings_of(action))


class _One:
    """One action on its way out of a spec."""

    def __init__(self, whole: TakingBack, fw_id: int, entry: Mapping[str, Any] | None, action: Action, *, unsure: bool) -> None:
        self.whole, self.spec, self.fw_id, self.entry, self.unsure = whole, whole.spec, fw_id, entry, unsure
        self.memory = memory_of(entry)
        self.settings = [one for one in settings_of(action) if one[1][0] not in _OWN]
        self.updated = {at[0] for _, at, _ in self.settings if at[0] in action["update_spec"]}
        self.action = action
        self.done: set[At] = set()
        self.counted: set[At] = set()

    def take_back(self) -> None:
        final = self._final()
        for word, at, value in reversed(self.settings):
            if at[0] in self.updated:
                if (at[0],) not in self.done:
                    self._replace_back((at[0],), final.get(at[0], ABSENT))
            elif word in ("_push", "_push_all", "_add_to_set"):
                self._take_out(word, at, value)
            elif word == "_inc":
                self._count_back(at)
            elif at not in self.done:
                self._one_way_back(word, at, value)
        for holder in {at[:length] for _, at, _ in self.settings for length in range(1, len(at))}:
            self._forget_if_empty(holder)

    def _final(self) -> Spec:
        """Return what the action made of the keys that it set as a whole."""
        made: Spec = copy.deepcopy({key: self.action["update_spec"][key] for key in self.updated})
        for word, at, value in self.settings:
            if at[0] in made and not (word == "_set" and len(at) == 1 and value == self.action["update_spec"].get(at[0])):
                try:
                    apply_mod({word: {ARROW.join(at): value}}, made)
                except BadDocument:
                    return {}
        return made

    def _replace_back(self, at: At, left: Any) -> None:
        """Put back what a value took the place of. left: the value as the action left it, ABSENT for one that it took away."""
        self.done.add(at)
        before, now = self.memory.get(at, ABSENT), value_at(self.spec, at)
        if later := self._set_later(at, left):
            later["before"] = [one for one in later["before"] if tuple(one["at"]) != at] + self._noted(at)
        elif (now == left and type(now) is type(left)) or (now is left is ABSENT):
            if before is UNKNOWN or self.unsure:
                self._keep(at, "what was there before was not noted")
            elif self.entry is not None or not self.whole.others_who_set(at):
                self._put(at, before)
        elif now is not ABSENT and not self.whole.others_who_set(at):
            self._keep(at, "it was changed since")

    def _set_later(self, at: At, left: Any) -> dict[str, Any] | None:
        """Return the note of whoever overwrote the value that the action left: what was before that is his now."""
        since = str((self.entry or {}).get("on", ""))
        others = [one for key, one in self.whole.received.items() if key != MORE and str(one.get("on", "")) >= since]
        found = [one for one in others if left is not ABSENT and memory_of(one).get(at, ABSENT) == left]
        return min(found, key=lambda one: str(one.get("on", "")), default=None)

    def _noted(self, at: At) -> list[dict[str, Any]]:
        return [one for one in (self.entry or {}).get("before", ()) if tuple(one["at"]) == at]

    def _one_way_back(self, word: str, at: At, value: Any) -> None:
        if word == "_set":
            self._replace_back(at, value)
        elif word == "_rename" and isinstance(value, str):
            if at in self.memory and at not in self.done:
                self._replace_back((value,), self.memory[at])
                self._put(at, self.memory[at])
                self.done.add(at)
        elif word in _ONE_WAY and at in self.memory:
            self._replace_back(at, self._made_of(word, at, value))
        elif self.entry is None and value_at(self.spec, at) is not ABSENT:
            self._keep(at, "what was there before was not noted")

    def _made_of(self, word: str, at: At, value: Any) -> Any:
        """Return what the word made of the value that was there before."""
        if word == "_unset" or self.memory[at] is UNKNOWN:
            return ABSENT
        holder = {"it": copy.deepcopy(self.memory[at])}
        try:
            apply_mod({word: {"it": value}}, holder)
        except BadDocument:
            return ABSENT
        return holder["it"]

    def _take_out(self, word: str, at: At, value: Any) -> None:
        there = value_at(self.spec, at)
        if word == "_add_to_set" and self.whole.others_who_add(at, value):
            return
        if not isinstance(there, list):
            if there is not ABSENT and there == value and word == "_add_to_set" and at not in self.memory:
                self._put(at, ABSENT)  # the first of a set is stored without a list
            return
        before = self.memory.get(at, ABSENT)
        if isinstance(before, list) and before and word == "_add_to_set":
            return  # it was there already
        left = list(there)
        for item in value if word == "_push_all" and isinstance(value, list) else [value]:
            if item in left:  # the last one: those before it may be another's
                del left[len(left) - 1 - left[::-1].index(item)]
        if left != there:
            self._put(at, ABSENT if not left and self._was_not_there(at) else left)

    def _count_back(self, at: At) -> None:
        """Take back all that the action counted there."""
        counts = [value for word, where, value in self.settings if word == "_inc" and where == at]
        there, before = value_at(self.spec, at), self.memory.get(at, ABSENT)
        if at in self.counted or not all(isinstance(value, (int, float)) for value in (there, *counts)):
            return
        self.counted.add(at)
        known = [before] if isinstance(before, (int, float)) else []
        if (known or self._was_not_there(at)) and there == functools.reduce(operator.add, [*known, *counts]):
            self._put(at, before)  # exactly, which a difference of fractions may not be
        else:
            self._put(at, functools.reduce(operator.sub, counts, there))

    def _was_not_there(self, at: At) -> bool:
        return self.entry is not None and at not in self.memory

    def _forget_if_empty(self, at: At) -> None:
        for length in range(len(at), 0, -1):
            part = at[:length]
            if value_at(self.spec, part) == {} and self._was_not_there(part):
                self._put(part, ABSENT)

    def _put(self, at: At, value: Any) -> None:
        holder = value_at(self.spec, at[:-1]) if len(at) > 1 else self.spec
        if isinstance(holder, dict):
            if value is ABSENT:
                holder.pop(at[-1], None)
            else:
                holder[at[-1]] = copy.deepcopy(value)

    def _keep(self, at: At, why: str) -> None:
        self.whole.kept.append(f"keeps {ARROW.join(at)} as it is: firework {self.fw_id} had set it, but {why}")
