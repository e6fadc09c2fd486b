"""The page about Python says what the library does: it is made from the docstrings, whose examples are run."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import launchpad as library
from launchpad import LaunchPad, errors
from tests.docs.pages import DOCS, page


def test_the_page_is_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, DOCS / "generate_api.py", "--check"], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_everything_that_can_be_imported_is_on_the_page() -> None:
    headings = {line.lstrip("# ") for line in page("api.md").read_text().splitlines() if line.startswith("#")}
    assert set(library.__all__) - {"__version__"} <= headings
    parts = [part for part in LaunchPad.__mro__ if part.__name__ not in ("Batching", "Serializable", "object")]
    public = {name for part in parts for name, member in vars(part).items() if not name.startswith("_") and member.__doc__}
    assert len(public) > 80
    assert public <= headings
    said = page("api.md").read_text()
    assert all(f"| `{name}` |" in said for name, member in vars(errors).items() if getattr(member, "hint", None) is not None)


def documented() -> Iterator[tuple[str, Any]]:
    """Yield what has examples, by name: classes and functions of the library, and the methods of their own and their parts."""
    for name in library.__all__:
        member = getattr(library, name)
        homes = member.__mro__ if inspect.isclass(member) else (member,)
        for home in homes:
            if ">>>" in (home.__doc__ or ""):
                yield home.__name__, home
            if inspect.isclass(home) and home.__module__.startswith("launchpad."):
                yield from ((f"{home.__name__}.{key}", part) for key, part in vars(home).items() if ">>>" in (part.__doc__ or ""))


EXAMPLES = dict(documented())


def test_there_are_examples_of_all_that_one_begins_with() -> None:
    assert {"LaunchPad", "Firework", "Workflow", "FWAction", "FiretaskBase", "Selection", "Operating.rerun"} <= set(EXAMPLES)


WITH_DATABASE = [name for name, member in EXAMPLES.items() if "launchpad." in member.__doc__]


def run_examples(name: str, **more: Any) -> None:
    known = {each: getattr(library, each) for each in library.__all__} | more
    example = doctest.DocTestParser().get_doctest(inspect.cleandoc(EXAMPLES[name].__doc__), known, name, None, 0)
    said: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(example, out=said.append)
    assert outcome.attempted > 0
    assert outcome.failed == 0, "".join(said)


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - set(WITH_DATABASE)))
def test_examples_show_what_they_say(name: str) -> None:
    run_examples(name)


@pytest.mark.parametrize("name", WITH_DATABASE)
def test_examples_with_a_database_show_what_they_say(name: str, store_uri: str) -> None:
    with LaunchPad.open(store_uri) as launchpad:
        launchpad.reset(require_password=False)
        run_examples(name, launchpad=launchpad)
