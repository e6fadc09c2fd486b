"""FireWorks' LaunchPad, method by method: each is here, with what it takes and returns, or is listed as missing."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from launchpad import LaunchPad
from tests.docs.pages import page
from tests.oracle import ask_fireworks, needs_fireworks
from tests.runner.working import environment

#: The methods that are not here, and why; docs/from-fireworks.md shows the same.
MISSING = {
    "add_offline_run": "offline mode is not here",
    "recover_offline": "offline mode is not here",
    "forget_offline": "offline mode is not here",
    "restore_backup_data": "nothing is overwritten that would have to be restored from a copy in memory",
}

SCRIPT = Path(__file__).with_name("every_method.py")

SIGNATURES = """
import inspect
from fireworks import LaunchPad
def parameters(method):
    return [[p.name, p.kind.name, p.default is not p.empty] for p in inspect.signature(method).parameters.values()]
public = {name: getattr(LaunchPad, name) for name in dir(LaunchPad) if not name.startswith("_")}
answer = {name: parameters(member) if callable(member) else None for name, member in public.items()}
answer["__init__"] = parameters(LaunchPad.__init__)
"""


@pytest.fixture(scope="module")
def theirs() -> dict[str, list[list[Any]] | None]:
    """The parameters of each of FireWorks' methods: name, kind, whether it may be left out; None for a property."""
    found: dict[str, list[list[Any]] | None] = ask_fireworks(SIGNATURES)
    assert len(found) > 50
    return found


@needs_fireworks
def test_every_method_is_here_or_in_the_list_of_those_that_are_not(theirs: dict[str, Any]) -> None:
    assert {name for name in theirs if not hasattr(LaunchPad, name)} == set(MISSING)


@needs_fireworks
def test_what_could_be_given_to_a_method_can_be_given_to_ours(theirs: dict[str, Any]) -> None:
    """The same names in the same order; what could be left out still can, and what is new can."""
    for name in sorted(set(theirs) - set(MISSING)):
        wanted, ours = theirs[name], getattr(LaunchPad, name)
        if wanted is None:
            assert isinstance(inspect.getattr_static(LaunchPad, name), property), name
            continue
        parameters = list(inspect.signature(ours).parameters.values())
        assert [(p.name, p.kind.name) for p in parameters[: len(wanted)]] == [(p[0], p[1]) for p in wanted], name
        for parameter, (_, _, optional) in zip(parameters, wanted, strict=False):
            assert parameter.default is not parameter.empty or not optional, f"{name}: {parameter.name} could be left out"
        for parameter in parameters[len(wanted) :]:
            new = parameter.default is not parameter.empty or parameter.kind is parameter.VAR_KEYWORD
            assert new, f"{name}: {parameter.name} is new and must be given"


def test_the_page_lists_the_missing_methods_with_the_reasons() -> None:
    section = page("from-fireworks.md").read_text().partition("### Methods that are not here")[2].partition("\n#")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", section, re.MULTILINE)) == MISSING


def call_every_method(library: str, arguments: dict[str, Any], folder: Path) -> dict[str, Any]:
    if library == "fireworks":
        script = f"{SCRIPT.read_text()}\nanswer = call_every_method('fireworks', *question)"
        found: dict[str, Any] = ask_fireworks(script, [arguments, str(folder)], cwd=folder)
        return found
    program = f"import json, sys\n{SCRIPT.read_text()}\nprint(json.dumps(call_every_method('launchpad', *json.load(sys.stdin))))"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps([arguments, str(folder)]),
        capture_output=True,
        text=True,
        cwd=folder,
        env={**environment(), "HOME": str(folder), "LPAD_DATA_DIR": str(folder)},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def arguments_for(uri: str) -> dict[str, Any]:
    """Return the arguments of LaunchPad as FireWorks' users write them."""
    if uri.startswith("sqlite:"):
        return {"host": uri}
    server, _, name = uri.rpartition("/")
    return {"host": f"{server}/{name}", "name": name, "uri_mode": True}


def test_a_script_calls_each_method(store_uri: str, tmp_path: Path) -> None:
    called = {name.partition(",")[0] for name in call_every_method("launchpad", arguments_for(store_uri), tmp_path)}
    assert set(MISSING).isdisjoint(called)
    assert len(called) > 55


@needs_fireworks
@pytest.mark.mongod
def test_the_same_script_gets_the_same_from_fireworks(mongo_uri: str, theirs: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "ours").mkdir()
    expected = call_every_method("fireworks", arguments_for(mongo_uri), tmp_path / "theirs")
    found = call_every_method("launchpad", arguments_for(mongo_uri), tmp_path / "ours")
    assert {name.partition(",")[0] for name in expected} - {"at the end"} == set(theirs) - set(MISSING) - {"__init__"}
    different = {
        name: (returned, found[name])
        for name, returned in expected.items()
        if returned != "NoneType" and not is_at_least(found[name], returned)
    }
    assert different == {}


def is_at_least(found: Any, wanted: Any) -> bool:
    """Tell whether a form is another, but for further keys of documents."""
    if isinstance(wanted, dict) and isinstance(found, dict) and wanted.keys() == found.keys():
        ((kind, inside),) = wanted.items()
        if kind == "keys":
            return set(inside) <= set(found[kind])
        return len(inside) == len(found[kind]) and all(map(is_at_least, found[kind], inside))
    return bool(found == wanted)
