"""The DictMods language, in which an action's `mod_spec` changes the specs of the fireworks below it.

A modification is ``{word: {path: value}}``; a path names nested keys as ``outer->inner``. Words and effects are FireWorks', with
all their corners (a missing list is made by `_push`, left alone by `_pull`; `_rename` knows keys at the top only), for both
programs may finish fireworks of one workflow. Where FireWorks would fail, this raises BadDocument.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from launchpad.errors import BadDocument

Spec = dict[str, Any]
ARROW = "->"


def apply_mod(modification: Mapping[str, Any], document: Spec) -> None:
    """Change `document` in place as `modification` says; its values are copied, so that two documents never share one.

    Raises BadDocument for an unknown word or one that does not fit the document, which may by then be changed in part.
    """
    if not isinstance(modification, Mapping):
        raise BadDocument(f"A mod_spec must be a mapping such as {{'_set': {{'key': 1}}}}, not {modification!r}.")
    for word, settings in modification.items():
        if word not in WORDS:
            raise BadDocument(f"mod_spec: {word!r} is not one of its words, which are {', '.join(WORDS)}.")
        for path, value in _settings(word, settings).items():
            if not isinstance(path, str):
                raise BadDocument(f"mod_spec {word}: the key {path!r} must be a string.")
            WORDS[word](document, path, copy.deepcopy(value))


def _settings(word: str, settings: Any) -> Mapping[Any, Any]:
    if word == "_unset" and isinstance(settings, (list, tuple)):
        return dict.fromkeys(settings)
    if not isinstance(settings, Mapping):
        raise BadDocument(f"mod_spec {word}: give keys and values, such as {{'{word}': {{'key': 1}}}}, not {settings!r}.")
    return settings


def _holder(document: Spec, path: str) -> tuple[Spec, str]:
    """Return the dictionary a path leads into, made if need be, and the last key."""
    *above, key = path.split(ARROW)
    holder = document
    for position, part in enumerate(above):
        below = holder.setdefault(part, {})
        if not isinstance(below, dict):
            reached = ARROW.join(above[: position + 1])
            raise BadDocument(f"mod_spec: {path!r} leads nowhere, for {reached!r} is {_kind(below)}, not a dictionary.")
        holder = below
    return holder, key


def _kind(value: Any) -> str:
    return "null" if value is None else f"of type {type(value).__name__}"


def _check_list(word: str, path: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)):
        raise BadDocument(f"mod_spec {word}: {path!r} must be a list, but is {_kind(value)}.")


def _set(document: Spec, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    holder[key] = value


def _unset(document: Spec, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    if key not in holder:
        raise BadDocument(f"mod_spec _unset: there is no {path!r} to remove.")
    del holder[key]


def _push(document: Spec, path: str, value: Any) -> None:
    _extend("_push", document, path, [value])


def _push_all(document: Spec, path: str, value: Any) -> None:
    _extend("_push_all", document, path, value)


def _extend(word: str, document: Spec, path: str, values: Any) -> None:
    holder, key = _holder(document, path)
    if key not in holder:
        holder[key] = values
        return
    if not isinstance(holder[key], list):
        raise BadDocument(f"mod_spec {word}: {path!r} must be a list, but is {_kind(holder[key])}.")
    try:
        holder[key].extend(values)
    except TypeError:
        raise BadDocument(f"mod_spec {word}: {path!r} wants a list of values, not one {_kind(values)}.") from None


def _inc(document: Spec, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    if key not in holder:
        holder[key] = value
        return
    try:
        holder[key] += value
    except TypeError:
        raise BadDocument(f"mod_spec _inc: {path!r} is {_kind(holder[key])}; {value!r} cannot be added to it.") from None


def _rename(document: Spec, path: str, value: Any) -> None:
    if not isinstance(value, str):
        raise BadDocument(f"mod_spec _rename: the new name of {path!r} must be a string, not {value!r}.")
    if path in document:
        document[value] = document.pop(path)


def _add_to_set(document: Spec, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    if key not in holder:
        holder[key] = value  # the value itself, not a list of it: FireWorks' way
        return
    _check_list("_add_to_set", path, holder[key])
    if value not in holder[key]:
        holder[key] = [*holder[key], value]


def _pull(document: Spec, path: str, value: Any) -> None:
    _remove("_pull", document, path, value)


def _pull_all(document: Spec, path: str, value: Any) -> None:
    if not isinstance(value, (list, tuple)):
        raise BadDocument(f"mod_spec _pull_all: {path!r} wants a list of values, not one {_kind(value)}.")
    if path in document:
        _check_list("_pull_all", path, document[path])
    for item in value:
        _remove("_pull_all", document, path, item)


def _remove(word: str, document: Spec, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    if key in holder:
        _check_list(word, path, holder[key])
        holder[key] = [item for item in holder[key] if item != value]


def _pop(document: Spec, path: str, value: Any) -> None:
    holder, key = _holder(document, path)
    if key in holder:
        _check_list("_pop", path, holder[key])
    if value not in (1, -1):
        return
    if not holder.get(key):
        raise BadDocument(f"mod_spec _pop: {path!r} is no list with something in it.")
    holder[key] = list(holder[key][:-1] if value == 1 else holder[key][1:])


#: Every word of the language and what it does to (document, path, value).
WORDS: dict[str, Callable[[Spec, str, Any], None]] = {
    "_set": _set,
    "_unset": _unset,
    "_push": _push,
    "_push_all": _push_all,
    "_inc": _inc,
    "_rename": _rename,
    "_add_to_set": _add_to_set,
    "_pull": _pull,
    "_pull_all": _pull_all,
    "_pop": _pop,
}
