"""The command `lpad`: parse, run, and turn every error into a sentence and an exit status."""

from __future__ import annotations

import atexit
import contextlib
import sys
from collections.abc import Callable, Sequence

from launchpad.errors import LaunchpadError
from lpad import output, parser

INTERRUPTED = 130
PIPE_CLOSED = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded("lpad", lambda: _run(given), debug="--debug" in given)


def _run(arguments: list[str]) -> int:
    args = parser.parse(arguments)
    output.be_silent(args.silencer)
    if args.run is None:
        output.show_text(parser.build_parser().format_help().rstrip())
        return 0
    return int(args.run(args) or 0)


def guarded(program: str, run: Callable[[], int], *, debug: bool) -> int:
    """Call `run` and return its exit status, or that of the error it ended with. The one place that catches everything."""
    parser.Parser.show = staticmethod(output.show_text)
    try:
        try:
            status = run()
        except SystemExit as end:  # --help and --version
            status = end.code if isinstance(end.code, int) else 0
        output.flush()
    except LaunchpadError as error:
        output.show_error(program, error)
        status = error.exit_code
        if debug:
            output.show_unexpected(program, error, debug=True)
    except KeyboardInterrupt as stop:
        output.show_status("")  # what stands on this line of the terminal
        output.show_problem(program, str(stop) or "Interrupted.")
        status = INTERRUPTED
    except BrokenPipeError:
        output.forget_output(sys.stdout)
        status = PIPE_CLOSED
    except Exception as error:
        output.show_unexpected(program, error, debug=debug)
        status = 1
    _do_not_wait_for_the_driver()
    return status


def _do_not_wait_for_the_driver() -> None:
    """Take away the driver's hook that holds every process half a second at its end, joining threads that only sleep."""
    monitor = sys.modules.get("pymongo.synchronous.monitor")
    with contextlib.suppress(Exception):  # a private name: without it the end is slow, nothing else
        atexit.unregister(monitor._shutdown_resources)  # type: ignore[union-attr]


if __name__ == "__main__":
    sys.exit(main())
