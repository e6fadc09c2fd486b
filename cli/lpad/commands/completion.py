"""Print a script that lets a shell complete commands, options, states and files.

In ~/.bashrc: eval "$(lpad completion bash)"; the same with zsh in ~/.zshrc, after compinit. fish reads the script from the file
~/.config/fish/completions/lpad.fish.

Examples:
  lpad completion bash
  lpad completion zsh rlaunch
  lpad completion fish
"""

from __future__ import annotations

import argparse

from lpad import output

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")
    parser.add_argument("program", nargs="?", choices=("lpad", "rlaunch"), default="lpad", help="lpad (the default) or rlaunch")


def run(args: argparse.Namespace) -> int:
    from lpad.completing import script

    output.show_text(script(args.shell, args.program))
    return 0
