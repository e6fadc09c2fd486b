"""Records the traces beside this file: `python record.py PYTHON …` runs every case of failing.py under each of these.

Each run has its own folder, as launches have; three runs a case, so that what changes from run to run is there to be seen.
"""

import datetime as dt
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FOLDERS = ("scratch/alice/launcher_{time}", "proj/run_{n:04d}/block_{time}/launcher_{time}", "tmp{n:x}a/w{n}")
RUNS_EACH = 2


def main(pythons: list[str]) -> None:
    for case in re.findall(r"^def ([a-z]\w*)\(\w*(?:=0)?\):", (HERE / "failing.py").read_text(), re.MULTILINE):
        if case == "run_task":
            continue
        traces = [trace for python in pythons for _ in range(RUNS_EACH) if (trace := record(python, case))]
        (HERE / f"{case}.txt").write_text("\n".join(traces))


def record(python: str, case: str) -> str:
    number, now = random.randint(20, 9000), dt.datetime.now(tz=dt.timezone.utc)
    with tempfile.TemporaryDirectory() as root:
        stamp = f"{now:%Y-%m-%d-%H-%M-%S}-{now.microsecond:06d}"
        folder = Path(root, random.choice(FOLDERS).format(time=stamp, n=number))
        folder.mkdir(parents=True)
        shutil.copy(HERE / "failing.py", folder / "failing.py")
        said = subprocess.run([python, folder / "failing.py", case], cwd=folder, capture_output=True, text=True, check=False)
        version = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if case == "several_at_once" and "NameError" in said.stdout:  # before Python 3.11
        return ""
    return f"#### Python {version}\n{said.stdout}"


if __name__ == "__main__":
    main(sys.argv[1:])
