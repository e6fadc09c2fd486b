"""Fireworks of a workflow chosen by name and by what lies above and below them: ``relax*``, ``++7``, ``state:FIZZLED+``.

A selection is a list of parts, apart by commas; chosen is what any of them names. A part is a *base* with marks around it:

- ``relax*``  relax and all its descendants; ``*relax``  and all its ancestors; ``*relax*``  both, as in Dagster
- ``relax+``, ``relax++``  and one, two generations below; ``+relax``, ``++relax``  above
- ``relax+2``, ``2+relax``  as many generations as the number says; ``relax+*``, ``*+relax``  all of them, after any base

The base is the name of fireworks, an id, a range of ids (``4-9``), a state (``state:FIZZLED``), or a name with wild cards.
A ``*`` at an end is Dagster's mark wherever the rest has no wild card (``* ? [``) of its own; with one, the whole base is a name
with wild cards: ``relax?_*`` names fireworks, ``relax*`` reaches below one. ``glob:relax_*`` says that it is such a name, and
``name:``, ``id:`` and ``state:`` what else a base is; between double quotes no sign is a mark or a comma: ``"C+O"*``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from launchpad.core.explanation import Family
from launchpad.core.selectiontext import check_text, name_pattern, parse_ids, parse_states, shorten, shorten_ids
from launchpad.errors import BadSteps, UnknownSteps

NAME, GLOB, ID, STATE = "name", "glob", "id", "state"
KINDS = (NAME, GLOB, ID, STATE)

SELECT = "--select"
EXCLUDE = "--exclude"

#: All generations.
ALL_THE_WAY = -1

_ABOVE = re.compile(r"\*\+|([0-9]+)\+(?=[^+*])|\++|\*")
_BELOW = re.compile(r"\+\*$|\+([0-9]+)$|\++$|\*$")
_PIECE = re.compile(r'"[^"]*"?|[^",]+|,')
_HINT = (
    "Write a name, NAME* (and all below), *NAME (and all above), NAME+ or NAME+2 (so many generations below), +NAME or 2+NAME."
)


@dataclass(frozen=True)
class Part:
    """One part of a selection. kind: NAME, GLOB, ID or STATE; above, below: generations, ALL_THE_WAY without an end."""

    kind: str
    base: str
    above: int = 0
    below: int = 0
    text: str = ""
    option: str = SELECT
    place: str = ""

    def named(self, family: Family) -> list[int]:
        """Return the fireworks that the base names."""
        if self.kind == ID:
            wanted = parse_ids(self.base)
            return [fw_id for fw_id in wanted if fw_id in family.graph.children]
        if self.kind == STATE:
            states = parse_states(self.base)
            return [fw_id for fw_id in family.graph.nodes if family.states.get(fw_id) in states]
        if self.kind == NAME:
            return [fw_id for fw_id in family.graph.nodes if family.names.get(fw_id) == self.base]
        expression = re.compile(name_pattern(self.base) or re.escape(self.base) + r"$(?!\n)")
        return [fw_id for fw_id in family.graph.nodes if fw_id in family.names and expression.match(family.names[fw_id])]

    def chosen(self, family: Family) -> set[int]:
        """Return these, and what the marks add."""
        named = self.named(family)
        found = set(named)
        for generations, links in ((self.above, family.graph.parents), (self.below, family.graph.children)):
            found |= _generations(named, links, generations)
        return found


@dataclass(frozen=True)
class StepSelection:
    """What --select names without what --exclude names. Without any part of the first, everything but the second.

    >>> steps = StepSelection.parse(["unreliable*"])
    >>> steps.describe()
    "--select 'unreliable*'"
    """

    select: tuple[Part, ...] = ()
    exclude: tuple[Part, ...] = ()

    @classmethod
    def parse(
        cls, select: str | Iterable[str] = (), exclude: str | Iterable[str] = (), *, options: tuple[str, str] = (SELECT, EXCLUDE)
    ) -> StepSelection:
        """Return the selection that texts say, each a list of parts. options: how errors name the two. Raises BadSteps."""
        return cls(_parts(select, options[0]), _parts(exclude, options[1]))

    def __bool__(self) -> bool:
        return bool(self.select or self.exclude)

    def chosen(self, family: Family) -> list[int]:
        """Return the fireworks chosen in one workflow, in its order; none if nothing is there to choose."""
        found = {fw_id for part in self.select for fw_id in part.chosen(family)} if self.select else set(family.graph.nodes)
        for part in self.exclude:
            found -= part.chosen(family)
        return [fw_id for fw_id in family.graph.nodes if fw_id in found]

    def check(self, families: Sequence[Family]) -> None:
        """Raise UnknownSteps for a part that names nothing in any of these workflows; a state may have no fireworks."""
        for part in (*self.select, *self.exclude):
            missing = _missing(part, families)
            if missing:
                raise UnknownSteps(missing, hint=_suggestion(part, families))

    def resolve(self, family: Family) -> list[int]:
        """Return the fireworks chosen in one workflow. Raises UnknownSteps for what names nothing there."""
        self.check([family])
        return self.chosen(family)

    def describe(self) -> str:
        """Return the selection in the words of the command line."""
        words = [f"{option} '{','.join(part.text for part in parts)}'" for option, parts in self._given() if parts]
        return " ".join(words)

    def _given(self) -> tuple[tuple[str, tuple[Part, ...]], ...]:
        return (SELECT, self.select), (EXCLUDE, self.exclude)


def _generations(start: Iterable[int], links: Mapping[int, Sequence[int]], generations: int) -> set[int]:
    found = set(start)
    edge = found
    while edge and generations:
        edge = {neighbour for fw_id in edge for neighbour in links[fw_id]} - found
        found = found | edge
        generations -= 1
    return found


# reading


def _parts(texts: str | Iterable[str], option: str) -> tuple[Part, ...]:
    given = [texts] if isinstance(texts, str) else list(texts)
    return tuple(part for text in given for part in _parts_of(check_text(text, option), option))


def _parts_of(text: str, option: str) -> list[Part]:
    pieces = [""]
    for piece in _PIECE.findall(text):
        if piece == ",":
            pieces.append("")
        else:
            pieces[-1] += piece
    several = len(pieces) > 1
    return [
        _part(piece.strip(), option, f" (part {number} of {shorten(text)!r})" if several else "")
        for number, piece in enumerate(pieces, start=1)
    ]


def _part(text: str, option: str, place: str) -> Part:
    def refuse(problem: str, hint: str = _HINT) -> BadSteps:
        return BadSteps(f"{option}: {problem}{place}.", hint=hint)

    if not text:
        raise refuse("a firework is missing" if place else "no firework is named")
    if text.count('"') % 2:
        raise refuse(f"a quotation mark is not closed in {shorten(text)!r}", 'A name with signs of its own is written "C+O".')
    if re.fullmatch(r"[0-9]+\+[0-9]+", text):
        up, down = text.split("+")
        raise refuse(f"{text!r} can be read in two ways", f"Write id:{up}+{down} for what is below, {up}+id:{down} for above.")
    above, rest = _above(text)
    below, rest = _below(rest)
    if _is_pattern(text):  # the stars at its ends are its own, too
        above, below, rest = _of_pattern(text)
    kind, base = _kind(rest)
    if not base:
        raise refuse(f"{shorten(text)!r} names no firework")
    if kind == GLOB:
        name_pattern(base, option)
    elif kind == STATE:
        parse_states(base, option)
    elif kind == ID and not re.fullmatch(r"[0-9]{1,20}(-[0-9]{1,20})?", base):
        raise refuse(f"{shorten(base)!r} is no id and no range of ids", "Write id:7 or id:4-9.")
    elif kind == ID:
        parse_ids(base, option)
    return Part(kind, base, above, below, text, option, place)


def _above(text: str) -> tuple[int, str]:
    mark = _ABOVE.match(text)
    return (0, text) if mark is None else (_count(mark), text[mark.end() :])


def _below(text: str) -> tuple[int, str]:
    mark = _BELOW.search(text)
    return (0, text) if mark is None else (_count(mark), text[: mark.start()])


def _count(mark: re.Match[str]) -> int:
    if "*" in mark[0]:
        return ALL_THE_WAY
    return int(mark[1]) if mark[1] else len(mark[0])


def _is_pattern(text: str) -> bool:
    """Whether the base is a name with wild cards: by its prefix, or for there is one besides a star at either end."""
    bare = re.sub(r'"[^"]*"', "", _below(_above(text)[1])[1]) if text.strip("*") else text
    return bare.startswith(f"{GLOB}:") or (bool(re.search(r"[*?]|\[[^]]", bare)) and not _prefix(bare))


def _of_pattern(text: str) -> tuple[int, int, str]:
    """Return above, below and base of a name with wild cards: of its marks only those with a plus are none of its own."""
    above, rest = _above(text) if _has_plus(_ABOVE.match(text)) else (0, text)
    below, base = _below(rest) if _has_plus(_BELOW.search(rest)) else (0, rest)
    return above, below, base


def _has_plus(mark: re.Match[str] | None) -> bool:
    return mark is not None and "+" in mark[0]


def _prefix(text: str) -> str:
    """Return what the base says that it is, or ""."""
    return next((kind for kind in KINDS if text.startswith(f"{kind}:")), "")


def _kind(text: str) -> tuple[str, str]:
    kind = _prefix(text)
    base = text.removeprefix(f"{kind}:") if kind else text
    quoted = base.startswith('"')
    bare = base.replace('"', "")
    if kind:
        return kind, bare
    if not quoted and re.fullmatch(r"[0-9]{1,20}(-[0-9]{1,20})?", bare):
        return ID, bare
    return (NAME if quoted or name_pattern(bare) is None else GLOB), bare


# what is not there


def _missing(part: Part, families: Sequence[Family]) -> str:
    """Return a sentence about what a part names and nobody has; "" if there is nothing to say."""
    where = "the workflow" if len(families) == 1 else f"these {len(families)} workflows"
    if part.kind == ID:
        known = {fw_id for family in families for fw_id in part.named(family)}
        lost = [fw_id for fw_id in parse_ids(part.base) if fw_id not in known]
        is_range = "-" in part.base
        if (is_range and known) or not lost:  # a range may have gaps
            return ""
        return f"{part.option}: {shorten_ids(lost)}{part.place} is not in {where}."
    if part.kind == STATE or any(part.named(family) for family in families):
        return ""
    verb = "is named" if part.kind == NAME else "has a name like"
    return f"{part.option}: no firework of {where} {verb} {shorten(part.base)!r}{part.place}."


def _suggestion(part: Part, families: Sequence[Family]) -> str:
    names = list(dict.fromkeys(name for family in families for name in family.names.values()))
    if part.kind == ID:
        ids = sorted(fw_id for family in families for fw_id in family.graph.nodes)
        return f"It has the fireworks {shorten_ids(ids)}."
    if part.text in names:
        return f'Fireworks are named so with the marks: write "{part.text}" in double quotes.'
    if part.below or part.above:
        pattern = part.base if part.kind == GLOB else _as_pattern(part)
        like = [name for name in names if re.match(name_pattern(pattern) or r"(?!)", name)]
        if like:
            return f"Did you mean glob:{pattern}, as {like[0]} is named?"
    near = difflib.get_close_matches(part.base, names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]}?"
    shown = ", ".join(shorten(name) for name in names[:8])
    return f"There are {shown}{' and others' if len(names) > 8 else ''}." if names else ""


def _as_pattern(part: Part) -> str:
    """Return what the part would be if the stars at its ends were wild cards."""
    star = {ALL_THE_WAY: "*"}
    return star.get(part.above, "") + part.base + star.get(part.below, "")
