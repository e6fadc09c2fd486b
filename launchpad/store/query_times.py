"""Times in people's queries: matched in both formats, text and BSON date.

FireWorks writes the times of fireworks and launches as ISO texts and those of workflows as BSON dates, and mixes them in
`updated_on`. MongoDB compares a value only with its own kind, so a query by the other kind finds nothing and does not say so.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any

from launchpad.core.documents import iso
from launchpad.core.queryvalues import moment

TIME_FIELDS = frozenset(
    {"created_on", "updated_on", "time_start", "time_end", "state_history.created_on", "state_history.updated_on"}
)  # fmt: skip

_COMPARISONS = frozenset({"$gt", "$gte", "$lt", "$lte"})


def in_both_formats(query: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the query with each condition on a time field matching texts and dates alike. `prefix`: the path it speaks about."""
    conditions: list[dict[str, Any]] = []
    for key, value in query.items():
        if key in ("$and", "$or", "$nor") and isinstance(value, list | tuple):
            conditions.append({key: [in_both_formats(part, prefix) if isinstance(part, Mapping) else part for part in value]})
        elif isinstance(value, Mapping) and isinstance(value.get("$elemMatch"), Mapping):
            inner = in_both_formats(value["$elemMatch"], f"{prefix}{key}.")
            conditions.append({key: {**value, "$elemMatch": inner}})
        elif re.sub(r"\.\d+(?=\.|$)", "", prefix + key) in TIME_FIELDS:
            conditions.append(_time_condition(key, value))
        else:
            conditions.append({key: value})
    return joined(conditions)


def joined(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    """Return one query for all of these."""
    keys = [key for condition in conditions for key in condition]
    if len(keys) == len(set(keys)):
        return {key: value for condition in conditions for key, value in condition.items()}
    return {"$and": conditions}


def time_range(field: str, since: dt.datetime | None, until: dt.datetime | None) -> dict[str, Any]:
    """Return the query for times at or after `since` and before `until`, texts and dates alike. The times are aware."""
    bounds = {operator: time for operator, time in (("$gte", since), ("$lt", until)) if time is not None}
    # Without its offset a text compares right with those that old versions wrote without one, too: it comes before both.
    texts = {operator: iso(time).removesuffix("+00:00") for operator, time in bounds.items()}
    return {"$or": [{field: texts}, {field: bounds}]}


def _time_condition(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        formats = _formats(value)
        return {field: value if formats is None else {"$in": list(formats)}}
    texts, dates, others = {}, {}, {}
    conditions: list[dict[str, Any]] = []
    for operator, operand in value.items():
        formats = _formats(operand)
        if operator in _COMPARISONS and formats is not None:
            texts[operator], dates[operator] = formats
        elif operator in ("$eq", "$ne") and formats is not None:
            conditions.append({field: {"$in" if operator == "$eq" else "$nin": list(formats)}})
        elif operator in ("$in", "$nin") and isinstance(operand, list | tuple):
            conditions.append({field: {operator: [one for item in operand for one in (_formats(item) or (item,))]}})
        elif operator == "$not" and isinstance(operand, Mapping):
            conditions.append({"$nor": [_time_condition(field, operand)]})
        else:
            others[operator] = operand
    conditions += [{field: others}] if others or not value else []
    conditions += [{"$or": [{field: texts}, {field: dates}]}] if texts else []
    return joined(conditions)


def _formats(value: Any) -> tuple[str, dt.datetime] | None:
    """Return a time as text and as date, None for what is no time."""
    if not isinstance(value, str | dt.datetime):
        return None
    try:
        time = moment(value)
    except ValueError:
        return None
    aware = time if time.tzinfo else time.replace(tzinfo=dt.timezone.utc)
    return iso(aware), aware
