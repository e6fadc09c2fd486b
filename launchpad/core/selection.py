"""Which fireworks or workflows a command is about: one grammar for every command.

Whatever is given must hold together (`-n relax -s FIZZLED`: named so *and* fizzled); several values of one kind are alternatives
(`-s FIZZLED,PAUSED`: either). Nothing given selects nothing; everything is asked for by its own word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.core.states import STATES
from launchpad.errors import BadIds, BadQuery, EmptySelection, UnknownState

#: More ids than this in one range are a slip of the finger.
LONGEST_RANGE = 1_000_000

#: Ids are stored as 64-bit numbers.
LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Selection:
    """What was chosen. Every field that is given must hold; a field with several values holds if one of them does.

    names: exact, or with the wild cards of file names (``* ? [abc]``); states: in capitals
    query: in MongoDB's language, as `querytext.read_query` returns it
    launches_mode: `query` and `states` speak of active launches, and only fireworks that have such a launch are meant
    qid: the id that a queue gave to the reservation of an active launch
    """

    fw_ids: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    query: Mapping[str, Any] | None = None
    launches_mode: bool = False
    everything: bool = False
    qid: str | None = None

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
    ) -> Selection:
        """Return a selection from what is convenient in Python: one value or several, states in any case."""
        states = (state,) if isinstance(state, str) else state
        return cls(
            fw_ids=(fw_ids,) if isinstance(fw_ids, int) else tuple(dict.fromkeys(fw_ids)),
            names=(name,) if isinstance(name, str) else tuple(dict.fromkeys(name)),
            states=parse_states(",".join(states)) if states else (),
            query=query,
            launches_mode=launches_mode,
            everything=everything,
            qid=qid,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is chosen; an empty query and launches mode by itself choose nothing."""
        return not (self.fw_ids or self.names or self.states or self.query or self.everything or self.qid)

    def require(self) -> Selection:
        """Return the selection itself. Raises EmptySelection."""
        if self.is_empty:
            raise EmptySelection()
        return self

    def describe(self) -> str:
        """Return the selection in the words of the command line, for messages."""
        parts = [f"-i {shorten_ids(self.fw_ids)}"] if self.fw_ids else []
        parts += [f"-n {name}" for name in self.names]
        parts += [f"-s {','.join(self.states)}"] if self.states else []
        parts += [f"-q {shorten(str(self.query), 120)}"] if self.query else []
        parts += ["-lm"] if self.launches_mode else []
        parts += [f"--qid {self.qid}"] if self.qid else []
        return " ".join(parts + (["--all"] if self.everything else [])) or "nothing"


def parse_ids(text: str) -> tuple[int, ...]:
    """Return the ids of a text such as ``1,4-9 12``, each once, in the order given. Raises BadIds."""
    ids: dict[int, None] = {}
    for part in re.split(r"[,\s]+", text.strip()):
        if part:
            ids.update(dict.fromkeys(_id_or_range(part, text)))
    if not ids:
        raise BadIds("No id is given.", hint=_IDS_HINT)
    return tuple(ids)


_IDS_HINT = "Write ids as 7, as a list 1,4,9 or as a range 4-9."


def _id_or_range(part: str, text: str) -> range:
    match = re.fullmatch(r"([0-9]{1,20})(?:-([0-9]{1,20}))?", part)
    where = "" if part == text.strip() else f" (in {shorten(text)!r})"
    if not match:
        raise BadIds(f"{shorten(part)!r}{where} is no id and no range of ids.", hint=_IDS_HINT)
    first = int(match[1])
    last = int(match[2] or first)
    if first < 1 or last > LARGEST_ID:
        raise BadIds(f"{part!r}{where} cannot be an id: ids are whole numbers from 1 on.", hint=_IDS_HINT)
    if last < first:
        raise BadIds(f"The range {part!r}{where} ends before it begins.", hint=f"Perhaps {last}-{first}?")
    if last - first >= LONGEST_RANGE:
        raise BadIds(f"The range {part!r}{where} names more than {LONGEST_RANGE} ids.", hint="Choose with -n, -s or -q instead.")
    return range(first, last + 1)


def parse_states(text: str) -> tuple[str, ...]:
    """Return the states of a text such as ``fizzled,Running``, in capitals, each once. Raises UnknownState."""
    states: dict[str, None] = {}
    for part in re.split(r"[,\s]+", text.strip()):
        state = part.upper()
        if state and state not in STATES:
            near = difflib.get_close_matches(state, STATES, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"The states are {', '.join(STATES)}."
            raise UnknownState(f"There is no state {shorten(part)!r}.", hint=hint)
        if state:
            states[state] = None
    if not states:
        raise UnknownState("No state is given.", hint=f"The states are {', '.join(STATES)}.")
    return tuple(states)


def name_pattern(name: str) -> str | None:
    """Return a regular expression for a name with wild cards, None for a plain name. Raises BadQuery.

    It begins with ``^`` and the plain beginning of the name, so that an index on names helps, and means the same to Python and to
    MongoDB.
    """
    if not re.search(r"[*?]|\[[^]]", name):
        return None
    pattern = "^" + "".join(_wild_card(part) for part in re.findall(r"\[!?\]?[^]]*\]|.", name, re.DOTALL))
    pattern = pattern.removesuffix(_ANYTHING) if pattern.endswith(_ANYTHING) else pattern + r"$(?!\n)"
    try:
        re.compile(pattern)
    except re.error:
        raise BadQuery(f"The name pattern {name!r} cannot be read.", hint="A set is written [abc], [a-z] or [!abc].") from None
    return pattern


_ANYTHING = r"[\s\S]*"


def _wild_card(part: str) -> str:
    if part == "*":
        return _ANYTHING
    if part == "?":
        return r"[\s\S]"
    if len(part) == 1:
        return re.escape(part)
    negated = part[1] == "!"
    inside = part[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", r"\[").replace("]", r"\]").replace("^", r"\^")
    return f"[{'^' if negated else ''}{inside}]"


#: The fields that documents have at their top level, by collection.
_FIELDS = {
    "fireworks": "fw_id name state spec created_on updated_on launches archived_launches _id",
    "workflows": "name state nodes links parent_links fw_states metadata created_on updated_on locked _id",
    "launches": """launch_id fw_id state action state_history launch_dir host ip fworker trackers time_start time_end runtime_secs
        reservedtime_secs lease cause pending _id""",
}


def fields_of(collection: str) -> list[str]:
    """Return the fields that the documents of a collection have at their top level."""
    return _FIELDS[collection].split()


def doubtful_field(query: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Return a sentence about the first field of a query that such documents do not have by themselves, or ""."""
    for key in query:
        first = key.split(".")[0]
        if not key.startswith("$") and first not in fields:
            near = difflib.get_close_matches(first, fields, n=1, cutoff=0.6)
            suggestion = f"did you mean {near[0]!r}?" if near else f"inside the spec it is 'spec.{key}'."
            return f"No such field: {first!r}; {suggestion}"
    return ""


def shorten(text: str, length: int = 60) -> str:
    """Return the text, its middle left out if it is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 12]}…{text[-11:]}"


def shorten_ids(fw_ids: Sequence[int], most: int = 10) -> str:
    """Return ids as one types them, neighbours joined to ranges, cut off after `most` parts."""
    parts: list[list[int]] = []
    for fw_id in fw_ids:
        if parts and fw_id == parts[-1][-1] + 1:
            parts[-1][1:] = [fw_id]
        else:
            parts.append([fw_id])
    shown = [str(ends[0]) if len(ends) == 1 else f"{ends[0]}-{ends[-1]}" for ends in parts[:most]]
    return ",".join(shown + (["…"] if len(parts) > most else []))
