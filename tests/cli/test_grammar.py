"""What all commands have in common can be typed at all of them, and what FireWorks' users type."""

from __future__ import annotations

import argparse

import pytest

from lpad import options, parser

SELECTION = "-i --fw_id -n --name -s --state -q --query"
FIREWORKS = f"{SELECTION} -lm --launches_mode"
SHOWN = "-d --display_format -m --max --sort --rsort"

#: The options of FireWorks' commands; those of the web page and of offline runs have no meaning here.
OF_FIREWORKS = {
    "": "-v --version -o --output -l --launchpad_file -c --config_dir --logdir --loglvl -s --silencer",
    "init": "-u --uri_mode --config-file",
    "reset": "--password",
    "add": "-d --dir -c --check",
    "check_wflow": "-i --fw_id",
    "get_launchdir": "--launch_idx",
    "append_wflow": "-i --fw_id -f --wf_file -d --detour --no_pull_spec_mods",
    "dump_wflow": "-i --fw_id -f --wf_file",
    "add_scripts": "-n --names -w --wf_name -d --delimiter",
    "get_fws": f"{FIREWORKS} --qid {SHOWN}",
    "get_fws_in_wflows": "-wfi --wf_fw_id -wfn --wf_name -wfs --wf_state -wfq --wf_query -fwi --fw_fw_id -fwn --fw_name -fws"
    f" --fw_state -fwq --fw_query -lm --launches_mode --qid {SHOWN}",
    "get_fws_in_wfs": "-wfi -fwi",
    "track_fws": f"{FIREWORKS} -c --include -x --exclude -m --max",
    "rerun_fws": f"{FIREWORKS} --password --task-level -lid --launch_id -cp --copy-data -pd --previous-dir",
    "defuse_fws": f"{FIREWORKS} --password",
    "pause_fws": f"{FIREWORKS} --password",
    "reignite_fws": f"{FIREWORKS} --password",
    "resume_fws": f"{FIREWORKS} --password",
    "update_fws": f"{FIREWORKS} -u --update --mongo --password",
    "get_wflows": f"{SELECTION} {SHOWN} -t --table",
    "get_wfs": "-t",
    "defuse_wflows": f"--defuse_all_states {SELECTION} --password",
    "pause_wflows": f"{SELECTION} --password",
    "pause_wfs": "--password",
    "reignite_wflows": f"{SELECTION} --password",
    "reignite_wfs": "--password",
    "archive_wflows": f"{SELECTION} --password",
    "archive_wfs": "--password",
    "delete_wflows": f"{SELECTION} --password --ldirs",
    "delete_wfs": "--password",
    "get_qids": "-i --fw_id",
    "cancel_qid": "--qid",
    "detect_unreserved": "--time --rerun -d --display_format",
    "detect_lostruns": "--time --fizzle --rerun --refresh --max_runtime --min_runtime -q --query -lq --launch_query -d",
    "set_priority": f"{FIREWORKS} --password -wf",
    "admin maintain": "--infinite --maintain_interval",
    "admin orphaned": f"{FIREWORKS} --qid {SHOWN} --remove --ldirs",
    "admin tuneup": "--full",
    "admin refresh": f"{SELECTION} --password",
    "admin unlock": f"{SELECTION} --password",
    "report": "-c --collection -i --interval -n --num_intervals -q --query",
    "introspect": "-m --max -t --threshold",
}

#: Commands that choose fireworks or workflows.
SELECTING = """get_fws get_wflows get_fws_in_wflows track_fws report introspect failures rerun_fws rerun_wflows pause_fws
resume_fws defuse_fws reignite_fws pause_wflows resume_wflows defuse_wflows reignite_wflows archive_wflows unarchive_wflows
delete_wflows set_priority update_fws detect_lostruns detect_unreserved get_qids cancel_qid check_wflow export
supervise""".split()


@pytest.fixture(scope="module")
def grammar() -> dict[str, set[str]]:
    """The options of every command, by its name."""
    found: dict[str, set[str]] = {}

    def look(one: argparse.ArgumentParser, name: str) -> None:
        found[name] = {option for action in one._actions for option in action.option_strings}
        for action in one._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command, inner in action.choices.items():
                    look(inner, f"{name} {command}".strip())

    look(parser.build_parser(), "")
    return found


@pytest.mark.parametrize("command", OF_FIREWORKS)
def test_every_option_of_fireworks_is_there(grammar, command):
    assert set(OF_FIREWORKS[command].split()) <= grammar[command]
    assert grammar[command] == grammar[command.replace("_", "-")]


@pytest.mark.parametrize("command", SELECTING)
def test_every_command_that_chooses_does_so_by_all_options(grammar, command):
    everything = argparse.ArgumentParser(add_help=False)
    options.add_selection(everything)
    longest = {max(action.option_strings, key=len) for action in everything._actions}
    assert longest <= grammar[command]
