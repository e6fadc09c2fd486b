"""What can be typed at all."""

from __future__ import annotations

import pytest

from launchpad.core.version import VERSION
from launchpad.errors import UsageError
from lpad import options, parser


def test_without_a_command_there_is_help_and_all_is_well(lpad_here):
    result = lpad_here()
    assert result.status == 0
    assert "rerun_fws" in result.out
    assert result.err == ""


def test_the_version_is_told(lpad_here):
    result = lpad_here("--version")
    assert (result.status, result.out) == (0, f"lpad {VERSION}\n")


@pytest.mark.parametrize("command", parser.COMMANDS)
def test_every_command_has_help_with_examples_that_can_be_typed(lpad_here, command):
    result = lpad_here(command, "--help")
    assert result.status == 0
    description, examples = result.out.split("Examples:\n")
    assert len(description.split("\n\n")[1]) > 20
    assert command in examples
    for line in examples.strip().splitlines():
        typed = line.strip().removeprefix('cd "$(').removesuffix(')"')
        assert typed.startswith("lpad ")
        parser.parse(__import__("shlex").split(typed)[1:])


@pytest.mark.parametrize(
    "arguments",
    [
        ["rerun-fws", "-i", "1"],
        ["get-fws"],
        ["get_wfs"],
        ["get-wfs"],
        ["recover-results", "."],
        ["rerun_fws", "-i", "1", "--task-level", "--copy"],
    ],
)
def test_dashes_fireworks_names_and_abbreviations_are_understood(arguments):
    assert parser.parse(arguments).run is not None


def test_names_that_help_does_not_list_are_not_listed(lpad_here):
    text = lpad_here("--help").out
    assert "rerun-fws" not in text
    assert "get_wfs" not in text


def test_help_is_a_command_too(lpad_here):
    assert lpad_here("help").out == lpad_here("--help").out
    assert lpad_here("help", "rerun-fws").out == lpad_here("rerun_fws", "--help").out
    assert lpad_here("help", "admin", "unlock").out == lpad_here("admin", "unlock", "--help").out
    unknown = lpad_here("help", "rerunfws")
    assert (unknown.status, "Did you mean rerun" in unknown.err) == (64, True)


def test_options_of_every_command_stand_before_or_after_it():
    before = parser.parse(["-o", "yaml", "-l", "f.yaml", "--loglvl", "debug", "-s", "--debug", "get_fws", "-s", "READY"])
    after = parser.parse(["get_fws", "-s", "READY", "-o", "yaml", "-l", "f.yaml", "--loglvl", "DEBUG", "--silencer", "--debug"])
    assert before == after
    assert (before.output, before.launchpad_file, before.loglvl, before.silencer) == ("yaml", "f.yaml", "DEBUG", True)
    assert parser.parse(["-o", "yaml", "get_fws", "-o", "table"]).output == "table"


def test_letters_before_and_after_a_command_are_not_mixed_up():
    args = parser.parse(["-c", "dir", "add", "-c", "-d", "folder"])
    assert (args.config_dir, args.check, args.dir, args.silencer) == ("dir", True, True, False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rerun_fw"], "There is no command 'rerun_fw'."),
        (["nonsense"], "There is no command 'nonsense'."),
        (["version"], "There is no command 'version'.\nType `lpad --version`."),
        (["recover-offline"], "`lpad recover_results` takes in what a worker could not deliver."),
        (["get_fws", "--nonsense"], "Unrecognized arguments: --nonsense.\nSee `lpad get_fws --help`."),
        (["rerun-fws", "-i", "1", "--dryrun"], "Did you mean --dry-run?"),
        (["admin", "unlock", "--forse=yes"], "Did you mean --force?"),
        (["get_wfs", "-z"], "See `lpad get_wflows --help`."),
        (["get_fws", "1", "2"], "Unrecognized arguments: 1 2."),
        (["get_fws", "--cause", "error"], "The causes are oom"),
        (["get_fws", "-d", "most"], "Argument -d/--display_format: invalid choice"),
        (["get_fws", "-m", "-1"], "is not a whole number"),
        (["get_fws", "-m", "many"], "is not a whole number"),
        (["get_fws", "--sort", "name", "--rsort", "name"], "not allowed with argument"),
        (["get_fws", "-o", "xml"], "invalid choice: 'xml'"),
        (["get_fws", "--loglvl", "LOUD"], "there is no level 'LOUD'"),
        (["get_fws", "-i"], "expected at least one argument"),
        (["add"], "the following arguments are required"),
        (["get_launchdir", "x"], "invalid int value: 'x'"),
        (["rerun_fws", "-i", "1", "-cp", "-pd", "--task-level"], "not allowed with argument"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error_in_one_sentence(lpad_here, arguments, sentence):
    result = lpad_here(*arguments)
    assert result.status == 64
    assert result.out == ""
    assert sentence.lower() in result.err.lower()
    assert len(result.err.splitlines()) == 2
    assert result.err.startswith("lpad: ")


def test_a_mistyped_command_gets_a_suggestion(lpad_here):
    assert "Did you mean rerun_fws?" in lpad_here("rerun_fw").err
    assert "See `lpad --help`." in lpad_here("xyz").err


def test_a_man_page_gets_the_parser_of_one_command_under_its_own_name():
    page = parser.parser_rerun_fws()
    assert page.prog == "lpad-rerun_fws"
    assert "--copy-data" in page.format_help()
    with pytest.raises(AttributeError):
        _ = parser.parser_nonsense


def selection(*arguments):
    return options.read_selection(parser.parse(["rerun_fws", *arguments]))


def test_a_selection_is_read_from_all_its_options():
    chosen = selection(
        *("-i", "1,2", "5-7", "-i", "9", "-n", "a*", "-n", "b", "-s", "fizzled,READY", "-s", "paused"),
        *("-q", "{'spec.p': True}", "-lm", "--qid", "42", "--all"),
    )
    assert chosen.fw_ids == (1, 2, 5, 6, 7, 9)
    assert chosen.names == ("a*", "b")
    assert chosen.states == ("FIZZLED", "READY", "PAUSED")
    assert chosen.query == {"spec.p": True}
    assert (chosen.launches_mode, chosen.qid, chosen.everything) == (True, "42", True)
    assert selection().is_empty


def test_two_queries_are_refused_rather_than_one_forgotten():
    with pytest.raises(UsageError, match="-q is given twice"):
        selection("-q", "{a: 1}", "-q", "{b: 1}")
