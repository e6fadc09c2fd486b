"""See a workflow fail and be rerun: every line after a `$` is run as it stands, on the embedded store, in a folder of its own.

python examples/demo/demo.py [FOLDER]
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: What is told, and what is typed.
STORY = [
    ("A workflow is a file: four fireworks, each with tasks. Two clean readings, one combines them in three tasks.", None),
    ("No server is needed: a launchpad may live in one file.", "export LPAD_URI=sqlite:///$PWD/launchpad.db"),
    ("Add the workflow ...", "lpad add workflow.yaml"),
    ("... and run what is ready, until nothing is. One firework will fail in the middle of its tasks.", "rlaunch -s rapidfire"),
    ("What failed, and why?", "lpad -o table get_fws -s FIZZLED"),
    ("A file was missing. Let us put it there.", """echo '{"north": 0.40, "south": -0.25}' > calibration.json"""),
    (
        "Merging is done and need not be done again. What would a rerun from the failed task on do, with the files it had?",
        "lpad rerun_fws -s FIZZLED --task-level --copy-data --dry-run",
    ),
    ("Exactly that, please.", "lpad rerun_fws -s FIZZLED --task-level --copy-data"),
    ("The worker takes it up at task 1; the report waits for it.", "rlaunch -s rapidfire"),
    ("Merged once, although the firework ran twice:", "lpad -o table get_fws"),
    ("The result:", "cat report.txt"),
]


def tell(text):
    print(f"\n# {text}" if text else "", flush=True)


def type_in(command, folder, environment):
    """Show a command and run it; `export` lasts, as in a shell."""
    print(f"$ {command}", flush=True)
    if command.startswith("export "):
        name, value = command.removeprefix("export ").split("=", 1)
        environment[name] = value.replace("$PWD", str(folder))
        return 0
    return subprocess.run(command, shell=True, cwd=folder, env=environment, check=False).returncode


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="lpad-demo-")).resolve()
    shutil.copytree(HERE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("demo.py", "__pycache__"))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LPAD_", "FW_", "LAUNCHPAD_"))}
    environment["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), environment.get("PATH", os.defpath)])
    print(f"$ cd {folder}")
    expected = {"rlaunch -s rapidfire": [2, 0]}
    for text, command in STORY:
        tell(text)
        if command is None:
            continue
        status = type_in(command, folder, environment)
        wanted = expected.get(command, [0]).pop(0) if command in expected else 0
        if status != wanted:
            print(f"\nThe demo did not go as it should: exit status {status}, not {wanted}.", file=sys.stderr)
            return 1
    tell(f"That was it. Everything is still in {folder}: remove it, or look around.")
    lpad = shutil.which("lpad", path=environment["PATH"]) or "lpad"
    address = shlex.quote(f"sqlite:///{folder}/launchpad.db")
    print(f"# Type: export LPAD_URI={address}; {shlex.quote(lpad)} -o table get_wflows", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
