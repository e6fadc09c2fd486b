"""What an update makes of a document: MongoDB's update operators, compiled to one function per update.

The positional operators (`$`, `$[]`) and update pipelines are refused; nothing in this project needs them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bson import Int64, ObjectId, Regex, Timestamp

from launchpad.errors import BadQuery
from launchpad.store.embedded.matching import compile_query, compile_value_query, is_operators
from launchpad.store.embedded.ordering import equal, order_key, sort_key
from launchpad.store.embedded.paths import MISSING, split, values_to_sort_by
from launchpad.store.encoding import check_depth

Document = dict[str, Any]
#: From the value that is there (or MISSING) to the value that shall be there; MISSING for none.
Transform = Callable[[Any], Any]

#: MongoDB fills a list with nulls up to a position that is set, but not without end.
_LONGEST_PADDING = 1_500_000


@dataclass(frozen=True)
class Step:
    """One operator on one path."""

    parts: tuple[str, ...]
    operator: str
    transform: Transform
    #: Whether the parents of the field are made if they are not there.
    makes_parents: bool = True
    only_on_insert: bool = False
    #: Whether a value on the way that can hold no fields is an error.
    needs_way: bool = True
    #: `$rename`: where the value comes from.
    source: tuple[str, ...] = ()


@dataclass(frozen=True)
class Update:
    """A compiled update: `apply` changes a document in place."""

    steps: tuple[Step, ...]

    @property
    def fields(self) -> set[str]:
        """The fields of the document that may change, or parts of which may."""
        return {parts[0] for step in self.steps for parts in (step.parts, step.source) if parts}

    def apply(self, document: Document, inserting: bool = False) -> None:
        """Raises BadQuery where the update does not fit the document."""
        for step in self.steps:
            if step.only_on_insert and not inserting:
                continue
            if step.source:
                _rename(document, step)
            else:
                _apply_step(document, step)


def compile_update(update: Mapping[str, Any]) -> Update:
    """Compile an update. `update` is as stored (`encoding.as_stored`). Raises BadQuery."""
    steps: list[Step] = []
    for operator, fields in update.items():
        if operator not in _OPERATORS and operator != "$rename":
            raise BadQuery(f"{operator} is no update operator that the embedded database knows.")
        if not isinstance(fields, dict):
            raise BadQuery(f"{operator} needs a document of fields and values.")
        steps += [_compile_step(operator, path, operand) for path, operand in fields.items()]
    if not update:
        raise BadQuery("An update needs operators ($set …); it is empty.")
    _check_conflicts([parts for step in steps for parts in (step.parts, step.source) if parts])
    # The server applies changes in the order of their paths, whatever the order they are given in.
    return Update(tuple(sorted(steps, key=lambda step: [_part_order(part) for part in step.parts])))


def _part_order(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


def _compile_step(operator: str, path: str, operand: Any) -> Step:
    parts = _checked(path)
    if operator == "$rename":
        if not isinstance(operand, str):
            raise BadQuery("$rename needs the new name as a string.")
        return Step(_checked(operand), operator, lambda value: value, source=parts)
    if type(operand) in (dict, list):
        check_depth(operand, above=len(parts))
    make, makes_parents = _OPERATORS[operator]
    transform = make(path, operand)
    return Step(parts, operator, transform, makes_parents, operator == "$setOnInsert", needs_way=operator != "$unset")


def _checked(path: str) -> tuple[str, ...]:
    parts = split(path)
    if "" in parts:
        raise BadQuery(f"The path {path!r} of an update has an empty part.")
    if any(part.startswith("$") for part in parts):
        raise BadQuery(f"The path {path!r} of an update has a part with $ before it; the embedded database knows none.")
    return parts


def _check_conflicts(paths: list[tuple[str, ...]]) -> None:
    if len(paths) < 2:
        return
    seen = set()
    for parts in sorted(paths):
        if any(parts[:length] in seen for length in range(1, len(parts) + 1)):
            raise BadQuery(f"An update changes {'.'.join(parts)!r} twice, or together with a part of it.")
        seen.add(parts)


# walking


def _apply_step(document: Document, step: Step) -> None:
    container = _container(document, step)
    if container is None:
        return
    name = step.parts[-1]
    if type(container) is dict:
        before = container.get(name, MISSING)
        after = step.transform(before)
        if after is not MISSING:
            container[name] = after
        elif before is not MISSING:
            del container[name]
        return
    position = _position(container, name, step)
    if position is not None:
        before = container[position] if position < len(container) else MISSING
        after = step.transform(before)
        if after is not MISSING:
            _put(container, position, after)
        elif before is not MISSING:
            container[position] = None


def _container(document: Document, step: Step) -> Any:
    """Return the dict or list that holds the last part of the path; None if it is not there and must not be made."""
    here: Any = document
    for depth, part in enumerate(step.parts[:-1]):
        if type(here) is dict:
            inner = here.get(part, MISSING)
            if inner is MISSING and step.makes_parents:
                inner = here[part] = {}
        else:
            position = _position(here, part, step)
            if position is None:
                return None
            inner = here[position] if position < len(here) else MISSING
            if inner is MISSING and step.makes_parents:
                inner = {}
                _put(here, position, inner)
        if inner is MISSING:
            return None
        if type(inner) not in (dict, list):
            if step.needs_way:
                raise _no_room(step, depth + 1)
            return None
        here = inner
    return here


def _position(items: list[Any], part: str, step: Step) -> int | None:
    if part.isdecimal():
        return int(part)
    if step.needs_way:
        raise _no_room(step, step.parts.index(part))
    return None


def _no_room(step: Step, depth: int) -> BadQuery:
    inside = ".".join(step.parts[:depth])
    return BadQuery(f"{step.operator} cannot reach the field {'.'.join(step.parts)!r}: {inside!r} is no document to hold it.")


def _put(items: list[Any], position: int, value: Any) -> None:
    missing = position - len(items)
    if missing > _LONGEST_PADDING:
        raise BadQuery(f"A list of {len(items)} cannot be filled up to position {position}.")
    if missing >= 0:
        items.extend([None] * missing + [value])
    else:
        items[position] = value


def _rename(document: Document, step: Step) -> None:
    found: list[Any] = []

    def take(value: Any) -> Any:
        found.append(value)
        return MISSING

    def look(value: Any) -> Any:
        found.append(value)
        return value

    # An item of a list cannot be renamed; one that is not there need not be.
    in_list = _leads_through_list(document, step.source)
    _apply_step(document, Step(step.source, "$rename", look if in_list else take, makes_parents=False))
    if not found or found[0] is MISSING:
        return
    if in_list or _leads_through_list(document, step.parts):
        raise BadQuery(f"$rename reaches only into documents; {'.'.join(step.source)!r} or its new name leads through a list.")
    _apply_step(document, Step(step.parts, "$rename", lambda value: found[0]))


def _leads_through_list(document: Document, parts: tuple[str, ...]) -> bool:
    here: Any = document
    for part in parts[:-1]:
        here = here.get(part) if type(here) is dict else None
        if type(here) is list:
            return True
    return False


# operators: each makes, from a path and its operand, the function from the old value to the new


def _set(path: str, operand: Any) -> Transform:
    return lambda value: _fresh(operand)


def _fresh(value: Any) -> Any:
    """Return a copy, so that one update of many documents gives each lists of its own."""
    if type(value) is dict:
        return {key: _fresh(item) for key, item in value.items()}
    if type(value) is list:
        return [_fresh(item) for item in value]
    return value


def _unset(path: str, operand: Any) -> Transform:
    return lambda value: MISSING


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _computing(operator: str, compute: Callable[[Any, Any], Any]) -> Callable[[str, Any], Transform]:
    def make(path: str, operand: Any) -> Transform:
        if not _is_number(operand):
            raise BadQuery(f"{operator} of {path!r} needs a number.")

        def transform(value: Any) -> Any:
            if value is MISSING:
                return compute(0, operand)
            if not _is_number(value):
                raise BadQuery(f"{operator} needs a number at {path!r}, and there is a value of kind {type(value).__name__}.")
            result = compute(value, operand)
            if isinstance(result, int) and not -(2**63) <= result < 2**63:
                raise BadQuery(f"{operator} of {path!r} gives a number of more than 64 bits.")
            return Int64(result) if Int64 in (type(value), type(operand)) and isinstance(result, int) else result

        return transform

    return make


def _list_at(operator: str, path: str, value: Any) -> list[Any]:
    if type(value) is not list:
        raise BadQuery(f"{operator} needs a list at {path!r}, and there is a value of kind {type(value).__name__}.")
    return value


def _push(path: str, operand: Any) -> Transform:
    modifiers: dict[str, Any] = operand if isinstance(operand, dict) and "$each" in operand else {"$each": [operand]}
    unknown = set(modifiers) - {"$each", "$position", "$slice", "$sort"}
    if unknown or type(modifiers["$each"]) is not list:
        raise BadQuery(f"$push of {path!r} takes a list for $each, with $position, $slice and $sort beside it, and nothing else.")
    if any(type(modifiers.get(name, 0)) is not int for name in ("$position", "$slice")):
        raise BadQuery(f"$push of {path!r} needs whole numbers for $position and $slice.")

    def transform(value: Any) -> Any:
        items: list[Any] = [] if value is MISSING else list(_list_at("$push", path, value))
        position: int = modifiers.get("$position", len(items))
        items[position:position] = _fresh(modifiers["$each"])
        if "$sort" in modifiers:
            _sort_items(items, modifiers["$sort"])
        return _sliced(items, modifiers["$slice"]) if "$slice" in modifiers else items

    return transform


def _sort_items(items: list[Any], order: Any) -> None:
    if not isinstance(order, dict):
        items.sort(key=order_key, reverse=order == -1)
        return
    for path, direction in reversed(order.items()):
        parts = split(path)
        items.sort(key=lambda item: sort_key(values_to_sort_by(item, parts), direction == -1), reverse=direction == -1)


def _sliced(items: list[Any], count: int) -> list[Any]:
    if count == 0:
        return []
    return items[count:] if count < 0 else items[:count]


def _add_to_set(path: str, operand: Any) -> Transform:
    each = operand["$each"] if isinstance(operand, dict) and "$each" in operand else [operand]
    if type(each) is not list or (isinstance(operand, dict) and "$each" in operand and len(operand) > 1):
        raise BadQuery(f"$addToSet of {path!r} takes a list for $each, and nothing beside it.")

    def transform(value: Any) -> Any:
        items = [] if value is MISSING else list(_list_at("$addToSet", path, value))
        seen = set(map(order_key, items))
        for item in each:
            if order_key(item) not in seen:
                seen.add(order_key(item))
                items.append(_fresh(item))
        return items

    return transform


def _pull(path: str, operand: Any) -> Transform:
    goes = _pull_test(operand)

    def transform(value: Any) -> Any:
        return value if value is MISSING else [item for item in _list_at("$pull", path, value) if not goes(item)]

    return transform


def _pull_test(operand: Any) -> Callable[[Any], bool]:
    if is_operators(operand):
        return compile_value_query(operand)
    if isinstance(operand, Regex):
        return compile_value_query({"$in": [operand]})
    if isinstance(operand, dict):
        query = compile_query(operand)
        return lambda item: type(item) is dict and query(item)
    return lambda item: equal(item, operand)


def _pull_all(path: str, operand: Any) -> Transform:
    if type(operand) is not list:
        raise BadQuery(f"$pullAll of {path!r} needs a list.")
    gone = set(map(order_key, operand))

    def transform(value: Any) -> Any:
        return value if value is MISSING else [item for item in _list_at("$pullAll", path, value) if order_key(item) not in gone]

    return transform


def _pop(path: str, operand: Any) -> Transform:
    if not _is_number(operand) or operand not in (1, -1):
        raise BadQuery(f"$pop of {path!r} takes 1 (the last) or -1 (the first).")

    def transform(value: Any) -> Any:
        if value is MISSING:
            return value
        items = _list_at("$pop", path, value)
        return items[:-1] if operand == 1 else items[1:]

    return transform


def _extreme(largest: bool) -> Callable[[str, Any], Transform]:
    def make(path: str, operand: Any) -> Transform:
        wanted = order_key(operand)

        def transform(value: Any) -> Any:
            if value is MISSING:
                return _fresh(operand)
            there = order_key(value)
            return _fresh(operand) if (there < wanted if largest else wanted < there) else value

        return transform

    return make


def _current_date(path: str, operand: Any) -> Transform:
    now = dt.datetime.now(dt.timezone.utc)
    if operand is True or operand is False or operand == {"$type": "date"}:
        moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return lambda value: moment
    if operand == {"$type": "timestamp"}:
        return lambda value: Timestamp(now, 1)
    raise BadQuery(f"$currentDate of {path!r} takes true, or $type with date or timestamp.")


_OPERATORS: dict[str, tuple[Callable[[str, Any], Transform], bool]] = {
    "$set": (_set, True),
    "$setOnInsert": (_set, True),
    "$unset": (_unset, False),
    "$inc": (_computing("$inc", lambda one, other: one + other), True),
    "$mul": (_computing("$mul", lambda one, other: one * other), True),
    "$push": (_push, True),
    "$addToSet": (_add_to_set, True),
    "$pull": (_pull, False),
    "$pullAll": (_pull_all, False),
    "$pop": (_pop, False),
    "$min": (_extreme(largest=False), True),
    "$max": (_extreme(largest=True), True),
    "$currentDate": (_current_date, True),
}


# upserts


def document_for_upsert(query: Mapping[str, Any]) -> Document:
    """Return the document that an upsert starts from: what the query says a field equals. Raises BadQuery."""
    fields: dict[tuple[str, ...], Any] = {}
    _collect_equalities(query, fields)
    _check_equalities(list(fields))
    document: Document = {}
    for parts, value in sorted(fields.items(), key=lambda entry: entry[0]):
        _apply_step(document, Step(parts, "the query of an upsert", _set("", value)))
    return document


def _collect_equalities(query: Mapping[str, Any], fields: dict[tuple[str, ...], Any]) -> None:
    for key, condition in query.items():
        if key == "$and" or (key == "$or" and len(condition) == 1):
            for inner in condition:
                _collect_equalities(inner, fields)
        elif not key.startswith("$"):
            value = _equal_value(condition)
            if value is not MISSING:
                if split(key) in fields:
                    raise BadQuery(f"An upsert cannot tell what {key!r} shall be: the query names it twice.")
                fields[split(key)] = value


def _equal_value(condition: Any) -> Any:
    if isinstance(condition, Regex):
        return MISSING
    if not is_operators(condition):
        return condition
    if "$eq" in condition:
        return condition["$eq"]
    for name in ("$in", "$all"):
        if len(condition.get(name, ())) == 1:
            (value,) = condition[name]
            return MISSING if isinstance(value, Regex) or is_operators(value) else value
    return MISSING


def _check_equalities(paths: list[tuple[str, ...]]) -> None:
    for parts in paths:
        if any(parts[:length] in paths for length in range(1, len(parts))):
            raise BadQuery(f"An upsert cannot tell what {'.'.join(parts)!r} shall be: the query names a part of it, too.")


def new_id() -> ObjectId:
    return ObjectId()
