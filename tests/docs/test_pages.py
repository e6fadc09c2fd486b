"""The pages hang together: each is in the navigation, links lead somewhere, every command and option has its place."""

from __future__ import annotations

import argparse
import re

import pytest
import yaml

from lpad.parser import COMMANDS, build_parser, build_rlaunch_parser
from tests.docs.pages import DOCS, README, ROOT, anchors, commands, page, prose, written_pages
from tests.oracle import ask_fireworks, needs_fireworks

#: Options of every command, that configuration.md and cli.md are about.
COMMON = {
    "--help",
    "--output",
    "--json",
    "--launchpad_file",
    "--config_dir",
    "--uri",
    "--logdir",
    "--loglvl",
    "--silencer",
    "--debug",
}


def test_every_page_is_in_the_navigation_once() -> None:
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = [entry if isinstance(entry, str) else next(iter(entry.values())) for entry in nav]
    assert sorted(listed) == sorted(path.name for path in DOCS.glob("*.md"))


def test_the_first_page_leads_to_every_other() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", prose("index.md")))
    assert linked == {path.name for path in DOCS.glob("*.md")} - {"index.md"}


@pytest.mark.parametrize("name", written_pages())
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", prose(name))
    for link in links:
        if not re.match(r"https?://", link):
            file, _, anchor = link.partition("#")
            target = (page(name).parent / file).resolve() if file else page(name)
            assert target.is_file(), f"{name} links to {link}"
            assert not anchor or anchor in anchors(target), f"{name} links to {link}"


@pytest.mark.parametrize("name", [name for name in written_pages() if name != README.name])
def test_a_page_has_one_title_and_no_code_that_is_not_fenced(name: str) -> None:
    text = prose(name)
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert text.startswith("# ")
    assert not re.findall(r"^(?: {4}|\t).*", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_lpad_has_a_place_where_it_is_typed_and_run(command: str) -> None:
    typed = "\n".join(line for name in written_pages() for line in commands(name))
    assert re.search(rf"\blpad\b[^|;&\n]*\b{command}\b", typed)


@pytest.mark.parametrize("command", ["singleshot", "rapidfire", "multi"])
def test_every_command_of_rlaunch_has_a_place(command: str) -> None:
    assert f"rlaunch {command}" in page("workers.md").read_text()


def _options(parser: argparse.ArgumentParser, command: str) -> list[tuple[str, ...]]:
    action = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return [tuple(option.option_strings) for option in action.choices[command]._actions if option.option_strings]


@pytest.mark.parametrize("option", [o for o in _options(build_parser(), "rerun_fws") if not COMMON & set(o)], ids="/".join)
def test_every_option_of_rerun_fws_is_in_an_example_that_is_run(option: tuple[str, ...]) -> None:
    words = [word for command in commands("rerunning.md") if "rerun_fws" in command for word in command.split()]
    assert set(option) & set(words)


@pytest.mark.parametrize("command", ["singleshot", "rapidfire", "multi"])
def test_every_option_of_rlaunch_is_told_of(command: str) -> None:
    told = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", page("workers.md").read_text()))
    untold = [option for option in _options(build_rlaunch_parser(), command) if not (COMMON | told) & set(option)]
    assert set(untold) <= {("--offline",)}  # it says itself that it is not possible yet


def test_the_readme_has_two_commands_of_make_and_these_exist() -> None:
    text = README.read_text()
    assert set(re.findall(r"\bmake \w[\w-]*", text.replace("and make:", ""))) == {"make demo", "make test"}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= targets


def _here_by_command() -> dict[str, str]:
    """Return what from-fireworks.md says of each of FireWorks' commands."""
    section = page("from-fireworks.md").read_text().partition("## Command by command")[2]
    return dict(re.findall(r"^\| `([\w ]+)` \| (.+) \|$", section, re.MULTILINE))


def test_what_is_said_not_to_be_here_is_not_here_and_the_rest_is() -> None:
    said = _here_by_command()
    missing = {name for name, here in said.items() if here.startswith("not ")}
    assert missing
    assert not missing & set(COMMANDS)
    assert {name.partition(" ")[0] for name in said} - missing - {"version"} <= set(COMMANDS)


@needs_fireworks
def test_every_command_of_fireworks_is_spoken_of() -> None:
    helped = ask_fireworks(_HELP_OF_FIREWORKS)
    commands = {
        command for help_text in helped for command in re.findall(r"\{([\w,]+)\}\s*\n?\s*\.\.\.", help_text)[0].split(",")
    }
    wanted = {f"admin {name}" if name in ADMIN else name for name in commands} - {"admin"}
    assert len(wanted) > 35
    assert {name for name in wanted if not name.endswith("_wfs")} == set(_here_by_command()) - {"version"}


ADMIN = {"maintain", "orphaned", "tuneup", "refresh", "unlock"}

_HELP_OF_FIREWORKS = """
import subprocess, sys
lpad = os.path.join(os.path.dirname(sys.executable), "lpad")
answer = [subprocess.run([lpad, *words, "-h"], capture_output=True, text=True).stdout for words in ([], ["admin"])]
"""
