"""Selections in MongoDB's language: one query for each of the collections they speak about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId

from launchpad.core.causekinds import LOST
from launchpad.core.lineage import LINEAGE
from launchpad.core.querytext import check_query
from launchpad.core.queryvalues import ObjectIdText
from launchpad.core.selection import Selection
from launchpad.core.selectiontext import name_pattern
from launchpad.core.stale import STALE
from launchpad.core.states import FIZZLED
from launchpad.store.query_times import in_both_formats, time_range

Query = dict[str, Any]

#: Where a firework says since when its result is stale.
SINCE_STALE = f"{STALE}.since"

#: Where a launch says what it died of.
STACK_TRACE = "action.stored_data._exception._stacktrace"


def firework_query(selection: Selection) -> Query:
    """Return the query on `fireworks` for all of a selection that is said of the firework itself."""
    conditions = _ids_conditions("fw_id", selection)
    conditions += _text_conditions("name", selection.names) + _time_conditions(selection)
    conditions += [{SINCE_STALE: {"$exists": True}}] if selection.stale else []
    if not selection.launches_mode:
        conditions += _state_conditions(selection) + _query_conditions(selection)
    elif not selection.speaks_of_launches:
        conditions.append({"launches.0": {"$exists": True}})
    return all_of(conditions)


def workflow_query(selection: Selection) -> Query:
    """Return the query on `workflows` for what is said of the workflow: name, state, query and times are its own.

    Ids are those of any of its fireworks; those after --wf, too.
    """
    conditions = _ids_conditions("nodes", selection)
    conditions += _text_conditions("name", selection.names) + _time_conditions(selection)
    if not selection.launches_mode:
        conditions += _state_conditions(selection) + _query_conditions(selection)
    return all_of([*conditions, of_workflows(selection)])


def of_workflows(selection: Selection) -> Query:
    """Return the query on `workflows` for what a selection of fireworks says of their workflows; {} if nothing."""
    conditions = [id_condition("nodes", selection.workflows)] if selection.workflows else []
    if selection.families:
        roots = _one_of(selection.families)
        conditions.append({"$or": [{f"metadata.{LINEAGE}.root": roots}, {"nodes": roots}]})
    for path, values in selection.metadata.items():
        alternatives: list[Query] = [{f"metadata.{path}": {"$eq": value}} for value in values]
        conditions.append(alternatives[0] if len(alternatives) == 1 else {"$or": alternatives})
    return all_of(conditions)


def launch_query(selection: Selection) -> Query:
    """Return the query on `launches` for what is said of any active launch; {} if nothing."""
    conditions: list[Query] = [{"state_history.reservation_id": selection.qid}] if selection.qid else []
    if selection.launches_mode:
        conditions += _state_conditions(selection) + _query_conditions(selection)
    return all_of(conditions)


def attempt_query(selection: Selection) -> Query:
    """Return the query on launches for what is said of the last attempt, or of any; {} if nothing."""
    conditions: list[Query] = [{"state": FIZZLED}, {STACK_TRACE: {"$regex": selection.error}}] if selection.error else []
    conditions += _failure_conditions(selection)
    conditions += _text_conditions("fworker.name", selection.workers)
    conditions += _text_conditions("host", selection.hosts) + _text_conditions("launch_dir", selection.folders)
    return all_of(conditions)


def _failure_conditions(selection: Selection) -> list[Query]:
    """Return the conditions for what was concluded about a failure. Launches that keep no conclusion match: look at them."""
    conditions: list[Query] = []
    if selection.signatures:
        # As ranges an index serves them.
        begins: list[Query] = [{"failure.signature": {"$gte": one, "$lt": f"{one}\uffff"}} for one in selection.signatures]
        conditions.append(begins[0] if len(begins) == 1 else {"$or": begins})
    if selection.causes:
        kinds: list[Query] = [{"failure.cause": _one_of([cause for cause in selection.causes if cause != LOST] or [LOST])}]
        kinds += [{"cause.kind": LOST}] if LOST in selection.causes else []
        conditions.append({"$or": kinds})
    if selection.exit_codes:
        ranges: list[Query] = [{"failure.exit_code": {"$gte": first, "$lte": last}} for first, last in selection.exit_codes]
        conditions.append({"$or": ranges})
    if not conditions:
        return []
    return [{"state": FIZZLED}, {"$or": [all_of(conditions), {"failure.cause": {"$exists": False}}]}]


def all_of(conditions: Sequence[Query]) -> Query:
    """Return one query for all of these."""
    present = [condition for condition in conditions if condition]
    return present[0] if len(present) == 1 else {"$and": present} if present else {}


def id_condition(field: str, ids: Sequence[Any]) -> Query:
    """Return the query for a field that holds one of these."""
    return {field: _one_of(ids)}


def resolved(query: Mapping[str, Any]) -> Query:
    """Return somebody's query as the database reads it: checked, object ids made, times in both formats. Raises BadQuery."""
    check_query(query)
    return in_both_formats({key: resolved_value(value) for key, value in query.items()})


def resolved_value(value: Any) -> Any:
    """Return a value in which object ids are the driver's."""
    if isinstance(value, ObjectIdText):
        return ObjectId(value.text)
    if isinstance(value, Mapping):
        return {key: resolved_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolved_value(inner) for inner in value]
    return value


def _ids_conditions(field: str, selection: Selection) -> list[Query]:
    if selection.nothing and not selection.fw_ids:
        return [{field: {"$in": []}}]
    return [id_condition(field, selection.fw_ids)] if selection.fw_ids else []


def _text_conditions(field: str, texts: Sequence[str]) -> list[Query]:
    """Return the condition of a field that is one of these texts, which may have wild cards."""
    if not texts:
        return []
    patterns = {text: name_pattern(text) for text in texts}
    # A text with a bracket in it may be meant as it stands; a pattern with none matches itself.
    exact = [text for text, pattern in patterns.items() if not pattern or "[" in text]
    conditions: list[Query] = [{field: _one_of(exact)}] if exact else []
    conditions += [{field: {"$regex": pattern}} for pattern in patterns.values() if pattern]
    return conditions if len(conditions) == 1 else [{"$or": conditions}]


def _time_conditions(selection: Selection) -> list[Query]:
    if not (selection.since or selection.until):
        return []
    return [time_range("updated_on", selection.since, selection.until)]


def _state_conditions(selection: Selection) -> list[Query]:
    return [{"state": _one_of(selection.states)}] if selection.states else []


def _query_conditions(selection: Selection) -> list[Query]:
    return [resolved(selection.query)] if selection.query else []


def _one_of(values: Sequence[Any]) -> Any:
    return values[0] if len(values) == 1 else {"$in": list(values)}
