"""Write docs/api.md from the library's docstrings and signatures; with --check only see whether it is up to date."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PAGE = HERE / "api.md"

sys.path[:0] = [str(HERE.parent), str(HERE.parent / "cli"), str(HERE)]

from generate_cli import escaped, write_or_check  # noqa: E402 (not found before)

import launchpad as library  # noqa: E402
from launchpad import errors  # noqa: E402
from launchpad.checkout import Checkout  # noqa: E402
from launchpad.core.changes import Outcome  # noqa: E402
from launchpad.core.report import Report  # noqa: E402
from launchpad.core.tallies import Period  # noqa: E402

INTRODUCTION = """<!-- Made by docs/generate_api.py; edit the docstrings instead. -->

# Python

What `from launchpad import …` gives. Ids are whole numbers, times aware and in UTC, durations in seconds, paths text or `Path`.
What cannot be done raises one of the [errors](#errors), a sentence that says what is wrong; its `hint` says what to do. Examples
begin with

```python
from launchpad import *

launchpad = LaunchPad.auto_load()
```"""

#: Further headings, for what is needed to describe the rest: what methods return.
RETURNED = (Report, Outcome, Period, Checkout)

#: The parts of LaunchPad in the order of the page, by what their methods are for.
PARTS = {
    "LaunchPad": "Opening and closing",
    "Reading": "Reading",
    "Explaining": "Explaining",
    "Analysing": "Counting",
    "Adding": "Adding",
    "Moving": "Moving between databases",
    "Operating": "Rerunning",
    "Supervising": "Supervising",
    "Holding": "Holding and changing",
    "Deleting": "Deleting",
    "Recording": "History and undo",
    "Detecting": "Lost runs and reservations",
    "Upkeep": "Upkeep",
    "Tending": "Tending",
    "Recovering": "Recovering",
    "Working": "Working",
    "Describing": "Settings and log",
}


def page() -> str:
    """Return the page."""
    names = [name for name in library.__all__ if name not in ("__version__", "LaunchPad")]
    members = {name: getattr(library, name) for name in names}
    tasks = {name: member for name, member in members.items() if member.__module__.startswith("launchpad.tasks")}
    functions = {name: member for name, member in members.items() if not inspect.isclass(member)}
    classes = {name: member for name, member in members.items() if name not in {*tasks, *functions}}
    parts = [INTRODUCTION, *_launchpad()]
    for title, some in (("Classes", classes), ("Tasks", tasks)):
        parts.append(f"## {title}")
        for name, member in some.items():
            parts += _class(name, member, with_methods=title == "Classes")
    parts.append("## Functions")
    for name, member in functions.items():
        parts += [f"### {name}", _code(signature(name, member)), *described(member)]
    parts.append("## What methods return")
    for member in RETURNED:
        parts += _class(member.__name__, member, with_methods=True)
    return "\n\n".join([*parts, *_errors()]) + "\n"


def _launchpad() -> Iterator[str]:
    pad = library.LaunchPad
    yield "## LaunchPad"
    yield _code(signature("LaunchPad", pad.__init__))
    yield from described(pad)
    found = {part.__name__: part for part in pad.__mro__ if part.__name__ in PARTS or part.__module__.startswith("launchpad.")}
    for name, part in sorted(found.items(), key=lambda item: list(PARTS).index(item[0]) if item[0] in PARTS else len(PARTS)):
        if name in ("Batching", "Serializable"):
            continue
        yield f"### {PARTS.get(name, name)}"
        yield from _methods(part, "launchpad")


def _class(name: str, member: type, *, with_methods: bool) -> Iterator[str]:
    yield f"### {name}"
    if "__init__" in vars(member) and name not in ("Checkout",):
        yield _code(signature(name, member.__init__))  # type: ignore[misc]
    yield from described(member)
    if with_methods:
        yield from _methods(member, name[:1].lower() + name[1:] if name != "FWAction" else "action")


def _methods(part: type, instance: str) -> Iterator[str]:
    """Yield the public methods and properties that a class itself defines, in their order."""
    for name, member in vars(part).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property) and (member.__doc__ or "").strip():
            yield f"#### {name}"
            yield _code(f"{instance}.{name}")
            yield from described(member)
        elif isinstance(member, classmethod):
            yield f"#### {name}"
            yield _code(signature(f"{part.__name__ if part.__name__ not in PARTS else 'LaunchPad'}.{name}", member.__func__))
            yield from described(member.__func__)
        elif inspect.isfunction(member) and member.__doc__:
            yield f"#### {name}"
            yield _code(signature(f"{instance}.{name}", member))
            yield from described(member)


def _errors() -> Iterator[str]:
    yield "## Errors"
    text, _, after = inspect.cleandoc(errors.__doc__ or "").partition("\n\n")[2].partition("\n\n")
    yield "From `launchpad.errors`; the number is the exit status of `lpad`."
    yield _code(inspect.cleandoc(text), "text")
    yield escaped(_flowing(after.partition(" Only ")[0]))
    known = {name: member for name, member in vars(errors).items() if getattr(member, "__module__", "") == errors.__name__}
    rows = [f"| `{name}` | {escaped(_flowing(member.__doc__ or ''))} |" for name, member in known.items()]
    yield "| | |\n|---|---|\n" + "\n".join(rows)


def signature(name: str, function: Callable[..., Any]) -> str:
    """Return how a function is called, the same in every version of Python; over several lines if it is long."""
    found = inspect.signature(function)
    parts, star = [], False
    for parameter in found.parameters.values():
        if parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parts.append("*")
        star = star or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        parts.append(_parameter(parameter))
    result = "" if found.return_annotation in (found.empty, None, "None") else f" -> {_type(found.return_annotation)}"
    line = f"{name}({', '.join(parts)}){result}"
    return line if len(line) <= 120 else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){result}"


def _parameter(parameter: inspect.Parameter) -> str:
    star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")  # type: ignore[call-overload]
    text = star + parameter.name
    if parameter.annotation is not parameter.empty:
        text += f": {_type(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {_default(parameter.default)}"
    return text


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def _default(value: Any) -> str:
    text = repr(value)
    return text if "0x" not in text and " at " not in text else "…"


def described(member: Any) -> Iterator[str]:
    """Yield a docstring as Markdown: prose, examples, and columns as they stand."""
    for paragraph in inspect.cleandoc(member.__doc__ or "").split("\n\n"):
        if paragraph.startswith(">>>"):
            yield _code(paragraph)
        elif re.search(r"^\S.*\S {2,}\S", paragraph, re.MULTILINE) or paragraph.startswith("    "):
            yield _code(inspect.cleandoc(paragraph), "text")
        elif paragraph:
            yield "\n".join(_items(paragraph))


_ITEM = re.compile(r"^(?=[a-z_][\w, ]*: )", re.MULTILINE)


def _items(paragraph: str) -> list[str]:
    """Return the lines of a list, if that is what a paragraph is: each begins with names and a colon; else one line."""
    items = [part for part in _ITEM.split(paragraph) if part]
    if len(items) < 2 or not _ITEM.match(paragraph):
        return [escaped(_flowing(paragraph))]
    return ["- " + escaped(f"`{name}`: {_flowing(text)}") for name, _, text in (item.partition(": ") for item in items)]


def _flowing(paragraph: str) -> str:
    return " ".join(paragraph.replace("``", "`").split())


def _code(text: str, language: str = "python") -> str:
    return f"```{language}\n{text}\n```"


if __name__ == "__main__":
    sys.exit(write_or_check(PAGE, page, "generate_api.py"))
