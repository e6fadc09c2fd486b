"""Changes of specs as people write them, in MongoDB's update language, made by us on one spec after the other.

They are not sent to the database as they are: each changed spec becomes a plan of its own, so that it is journaled, guarded and
can be undone like any other change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from launchpad.core.querytext import check_query
from launchpad.errors import BadQuery, DocumentTooLarge
from launchpad.store.embedded.updating import compile_update
from launchpad.store.encoding import LARGEST_DOCUMENT, as_stored, encode
from launchpad.store.selection_queries import resolved_value

#: What may be done to a field of a spec.
OPERATORS = (
    *("$set", "$unset", "$inc", "$mul", "$min", "$max", "$rename"),
    *("$push", "$addToSet", "$pull", "$pullAll", "$pop"),
)

#: Room for the other fields of a firework's document, in bytes.
RESERVE = 64 * 1024

Modify = Callable[[dict[str, Any]], None]


def setting_fields(fields: Mapping[str, Any]) -> Modify:
    """Return what sets fields of a spec, by dotted path. Raises BadQuery."""
    for path in fields:
        if not path or path.startswith("$"):
            raise BadQuery(
                f"{path!r} is no field of a spec.",
                hint='Give fields and values, such as {"p": 1}; an update with operators needs --mongo.',
            )
        if path.split(".")[0] == "spec":
            raise BadQuery(
                f"The field {path!r} is looked for inside the spec, where it would be spec.{path}.",
                hint=f"Write {path.removeprefix('spec.')!r}.",
            )
    return modifier({"$set": {f"spec.{path}": value for path, value in fields.items()}})


def modifier(update: Mapping[str, Any]) -> Modify:
    """Return what an update with operators does to a spec: a function that changes one in place. Raises BadQuery.

    The function raises BadQuery where the update does not fit a spec, DocumentTooLarge.
    """
    check_query(update, option="-u")
    _check(update)
    compiled = compile_update(as_stored(resolved_value(update), "update"))

    def modify(spec: dict[str, Any]) -> None:
        document = {"spec": spec}
        compiled.apply(document)
        if len(encode(document)) > LARGEST_DOCUMENT - RESERVE:
            raise DocumentTooLarge("its spec would be over MongoDB's limit of 16 MB")

    return modify


def _check(update: Mapping[str, Any]) -> None:
    if not update:
        raise BadQuery("An update needs fields and values.")
    for operator, fields in update.items():
        if operator not in OPERATORS:
            raise BadQuery(f"{operator!r} is no operator for a spec.", hint=f"There are {', '.join(OPERATORS)}.")
        if not isinstance(fields, Mapping) or not fields:
            raise BadQuery(f"{operator} needs fields and values, such as {{'spec.p': 1}}.")
        for path, operand in fields.items():
            for named in (path, operand) if operator == "$rename" else (path,):
                if not isinstance(named, str) or not named.startswith("spec.") or named == "spec.":
                    raise BadQuery(
                        f"{named!r} is not in the spec: only fields of the spec are updated.",
                        hint="Write 'spec.p' for the field p. States change by commands of their own.",
                    )
