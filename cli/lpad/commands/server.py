"""Run a MongoDB server of your own on this machine, without an administrator: start it, stop it, see how it does.

It is reached by a socket that only you can open; with --port on the loopback, with a password; never from other machines. Its
data, log and settings lie in one folder. `start` writes a my_launchpad.yaml that names it, and goes on with what is there.

Examples:
  lpad server start
  lpad server start --folder ~/projects/oxides/server --name oxides
  lpad server start --port 27017 --replset
  lpad server status
  lpad server stop
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpad import options, output

if TYPE_CHECKING:
    from launchpad.runner.server import LocalServer


def configure(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="server_command", required=True)

    def add(name: str, text: str, run: object) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--folder", metavar="DIR", help="the server's folder (default: server in your data folder)")
        options.add_common(command, after_command=True)
        command.set_defaults(server=run)
        return command

    start = add("start", "Start the server, wait until it answers, and write a my_launchpad.yaml for it.", run_start)
    start.add_argument(
        "--port", type=_port, metavar="N", help="also on 127.0.0.1, with a password, for programs that need a port"
    )
    start.add_argument("--replset", action="store_true", help="as a replica set of one, which other programs may ask for")
    start.add_argument("--name", metavar="NAME", help="the name of the database (default: launchpad)")
    start.add_argument("--mongod", metavar="PATH", help="the program; else the one on PATH, or one from pip")
    start.add_argument(
        "--config-file", default="my_launchpad.yaml", metavar="FILE", help="the file to write (default: my_launchpad.yaml)"
    )
    start.add_argument("--force", action="store_true", help="replace that file if it is there already")
    add("stop", "Stop the server; what it holds is written first.", run_stop)
    add("status", "Tell address, process, version and size. Exit status 1 if it does not run.", run_status)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    return int(args.server(args))


def _server(args: argparse.Namespace) -> LocalServer:
    from launchpad.config import default_server_folder
    from launchpad.runner.server import LocalServer

    return LocalServer(args.folder or default_server_folder())


def run_start(args: argparse.Namespace) -> int:
    from launchpad.config import mongod_named, write_launchpad_file

    server = _server(args)
    wanted: dict[str, Any] = {"port": args.port, "name": args.name, "mongod": args.mongod or mongod_named()}
    wanted = {key: value for key, value in wanted.items() if value is not None} | ({"replset": True} if args.replset else {})
    begun = server.start(wanted)
    own = server.folder / "my_launchpad.yaml"
    write_launchpad_file(own, server.launchpad_values(), overwrite=True)
    _set_up(own)
    facts = server.facts()
    output.show_text(f"The server {'runs' if begun else 'runs already'}: {_told(facts)}")
    _write_beside(args, server, own)
    return 0


def _set_up(file: Path) -> None:
    """Make the id counters and indexes of a database that is new."""
    from launchpad.launchpad import LaunchPad

    with LaunchPad.from_file(file) as launchpad:
        launchpad.set_up()


def _write_beside(args: argparse.Namespace, server: LocalServer, own: Path) -> None:
    from launchpad.config import write_launchpad_file

    file = Path(args.config_file)
    if file.exists() and not args.force and file.read_bytes() != own.read_bytes():
        output.note(f"{file} is there already and stays. For this server: `-l {own}`, or --force.")
    elif not file.exists() or args.force:
        write_launchpad_file(file, server.launchpad_values(), overwrite=args.force)
        output.note(f"Wrote {file}. It is used in this folder, or with `-l {file}` anywhere.")


def run_stop(args: argparse.Namespace) -> int:
    server = _server(args)
    output.show_text("The server is stopped." if server.stop() else f"No server runs in {server.folder}.")
    return 0


def run_status(args: argparse.Namespace) -> int:
    facts = _server(args).facts()
    if args.output:
        output.show(facts, args.output)
    elif facts["running"]:
        output.show_text(f"The server runs: {_told(facts)}")
        output.show_text(f"{facts['documents']} documents in the database {facts['name']}, {_size(facts['size'])}")
    else:
        output.show_text(f"No server runs in {facts['folder']}.")
    return 0 if facts["running"] else 1


def _told(facts: dict[str, Any]) -> str:
    kind = ", a replica set" if facts["replset"] else ""
    return f"MongoDB {facts['version']}{kind}, process {facts['pid']}, at {facts['address']}, in {facts['folder']}"


def _size(size: int) -> str:
    return f"{size / 1024**2:.1f} MB" if size >= 100_000 else f"{size / 1024:.0f} kB"
