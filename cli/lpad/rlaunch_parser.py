"""The grammar of `rlaunch`. Nothing heavy is imported, so that help is instant."""

from __future__ import annotations

import argparse

from launchpad.core.version import VERSION
from lpad.options import LEVELS
from lpad.parser import Parser

DESCRIPTION = """Be a worker: take fireworks that are READY from the launchpad, and run them.

Each firework's tasks run in a process and a folder of their own; what they print is kept there in FW_job.out and FW_job.error.
Which fireworks this worker takes says its file, my_fworker.yaml: name, category, query, env."""

EPILOG = """A command's own help: rlaunch COMMAND --help. Options of every command may stand before or after the command.

SIGTERM and SIGINT (Ctrl-C) end the task that runs, store its firework as FIZZLED with its checkpoint, and stop the worker.
A second one kills the task at once.

Examples:
  rlaunch singleshot               run one firework, in this folder
  rlaunch singleshot -f 12         run firework 12
  rlaunch rapidfire                run one after the other, each in a folder of its own, until nothing is left to run
  rlaunch rapidfire --nlaunches infinite --sleep 10
                                   go on for ever, looking for work every 10 s
  rlaunch multi 4 --timeout 3600   four workers at once, none of which begins anything after an hour

Exit status: 0 all that was run is COMPLETED, or there was nothing to run; 1 error; 2 some are FIZZLED; 64 wrong usage;
129, 130, 143 stopped by a signal (hangup, Ctrl-C, SIGTERM) while nothing was running."""

SINGLESHOT = "Run one firework, in the current folder."
RAPIDFIRE = "Run fireworks one after the other, each in a new folder below the current one."
MULTI = "Run several workers at once, each as `rapidfire`."


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `rlaunch`. Without a command, the parsed `command` is None."""
    parser = Parser(prog="rlaunch", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("-v", "--version", action="version", version=f"rlaunch {VERSION}")
    _add_common(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", prog="rlaunch")
    for name, text, configure in (
        ("singleshot", SINGLESHOT, _configure_singleshot),
        ("rapidfire", RAPIDFIRE, _configure_rapidfire),
        ("multi", MULTI, _configure_multi),
    ):
        command = commands.add_parser(name, help=text, description=text)
        configure(command)
        _add_patience(command)
        _add_common(command, after_command=True)
    return parser


def _configure_singleshot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f", "--fw_id", type=int, metavar="ID", help="run this firework, whatever the worker's query and category say"
    )
    parser.add_argument("--offline", action="store_true", help="run what lies in this folder, without the database (not yet)")
    parser.add_argument("--pdb", action="store_true", help="start the debugger when a task fails")


def _configure_rapidfire(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nlaunches",
        type=_count,
        default=0,
        metavar="N",
        help="how many to run; 0, the default: until nothing is left and nothing that runs could make more; 'infinite': for ever",
    )
    parser.add_argument("--timeout", type=_seconds, metavar="SECS", help="begin nothing any more after so many seconds")
    parser.add_argument(
        "--max_loops", type=int, default=-1, metavar="N", help="stop after waiting so many times for more; -1, the default: never"
    )
    parser.add_argument("--sleep", type=_seconds, metavar="SECS", help="how long to wait each time (default: 60)")
    parser.add_argument(
        "--local_redirect",
        action="store_true",
        help="keep what tasks print in their launch folders only, out of rlaunch's output",
    )


def _configure_multi(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("num_jobs", type=_workers, metavar="N", help="how many workers")
    _configure_rapidfire(parser)


def _add_patience(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--grace", type=_seconds, default=5.0, metavar="SECS", help="how long a task that is asked to end may take (default: 5)"
    )
    parser.add_argument(
        "--outage",
        type=_seconds,
        default=600.0,
        metavar="SECS",
        help="how long to do without a database that went away (default: 600); then results are kept in files",
    )


def _add_common(parser: argparse.ArgumentParser, *, after_command: bool = False) -> None:
    group = parser.add_argument_group("options of every command")
    kept = argparse.SUPPRESS if after_command else None  # what stands before the command is not undone by what follows
    switch = argparse.SUPPRESS if after_command else False
    group.add_argument(
        "-l", "--launchpad_file", metavar="FILE", default=kept, help="the my_launchpad.yaml that names the database"
    )
    group.add_argument(
        "-w", "--fworker_file", metavar="FILE", default=kept, help="the my_fworker.yaml that describes this worker"
    )
    group.add_argument("-c", "--config_dir", metavar="DIR", default=kept, help="a folder with these two files")
    group.add_argument(
        "--uri", metavar="ADDRESS", default=kept, help="the database: mongodb://HOST:PORT/NAME, or a path ending in .db"
    )
    group.add_argument("--logdir", metavar="DIR", default=kept, help="write a log into this folder, too")
    group.add_argument("--loglvl", metavar="LEVEL", type=_level, default=kept, help=f"what is logged: {', '.join(LEVELS)}")
    group.add_argument(
        "-s",
        "--silencer",
        action="store_true",
        default=switch,
        help="log nothing, and keep what tasks write to their standard error in FW_job.error only",
    )
    group.add_argument("--debug", action="store_true", default=switch, help="show a traceback when something unexpected happens")


def _count(text: str) -> int:
    if text == "infinite":
        return -1
    if not text.lstrip("-").isdigit() or int(text) < -1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of launches; write 0, a number, or infinite")
    return int(text)


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of workers, 1 to 1000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _level(text: str) -> str:
    if text.upper() not in LEVELS:
        raise argparse.ArgumentTypeError(f"there is no level {text!r}; there are {', '.join(LEVELS)}")
    return text.upper()
