"""Say in one sentence whether a MongoDB server starts here, and if not, why; exit 1 then."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from servers import Mongod, NoServer, find_mongod


def why_not(mongod: str) -> str:
    """Return what the program itself says when it cannot even be loaded; "" if it can."""
    ran = subprocess.run([mongod, "--version"], capture_output=True, text=True, check=False)
    missing = re.search(r"loading shared libraries: (\S+?):", ran.stderr)
    if missing:
        return f"the library {missing[1]} is missing (Debian, Ubuntu: apt install libcurl4 brings libcurl.so.4)"
    if ran.returncode < 0:
        return f"signal {-ran.returncode} ended it (it needs a processor with AVX)"
    return ran.stderr.strip() if ran.returncode else ""


def main() -> int:
    try:
        mongod = find_mongod()
        problem = why_not(mongod)
        if not problem:
            with Mongod() as server:
                print(f"MongoDB starts: {mongod}, on {server.uri}")
            return 0
        print(f"MongoDB does not start ({mongod}): {problem}.", file=sys.stderr)
    except (NoServer, OSError) as error:
        print(f"MongoDB does not start: {error}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
