"""Trackers: the last lines of files that a firework wants followed, read with each heartbeat."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launchpad.model.tracker import Tracker
from launchpad.runner.compressed import READ_ERRORS, find_any, is_compressed

logger = logging.getLogger(__name__)

#: A compressed file has to be read from its beginning; beyond this size that is done once only, when the job has ended.
MAX_COMPRESSED_BYTES = 16 * 1024 * 1024


class Trackers:
    """Reads in a thread, for a file system that hangs must not stop the heartbeat."""

    def __init__(self, spec: Mapping[str, Any], folder: Path, default_lines: int) -> None:
        self._folder = folder
        wanted = spec.get("_trackers")
        read = [_read_tracker(item, default_lines) for item in (wanted if isinstance(wanted, list) else [])]
        self._trackers = [tracker for tracker in read if tracker is not None]
        self._reading: threading.Thread | None = None
        self._latest = [tracker.to_dict() for tracker in self._trackers]

    def latest(self) -> list[dict[str, Any]] | None:
        """Return what was last read, and see that it is read anew; None when nothing is tracked."""
        if not self._trackers:
            return None
        if self._reading is None or not self._reading.is_alive():
            self._reading = self._start(at_end=False)
            self._reading.join(0.2)  # nearly always enough, and then what is told is what is there now
        return self._latest

    def final(self, patience: float = 5.0) -> list[dict[str, Any]] | None:
        """Return what the files hold at the end; what was read before, if that takes longer than `patience` seconds."""
        if not self._trackers:
            return None
        self._start(at_end=True).join(patience)
        return self._latest

    def _start(self, at_end: bool) -> threading.Thread:
        reading = threading.Thread(target=self._read, args=(at_end,), name="trackers", daemon=True)
        reading.start()
        return reading

    def _read(self, at_end: bool) -> None:
        for tracker in self._trackers:
            path = find_any(self._folder / tracker.filename) if tracker.allow_zipped else None
            try:
                if at_end or path is None or not is_compressed(path) or os.path.getsize(path) <= MAX_COMPRESSED_BYTES:
                    tracker.track_file(str(self._folder))
            except READ_ERRORS:  # compressed in part, or not to be read: what was read before stands
                continue
        self._latest = [tracker.to_dict() for tracker in self._trackers]


def _read_tracker(tracker: Any, default_lines: int) -> Tracker | None:
    """Return a tracker that asks for what can be; a wrong one must not stop the work it only watches."""
    if not isinstance(tracker, Mapping) or not isinstance(tracker.get("filename"), str):
        logger.warning("Passed over in _trackers, for it names no file: %r", tracker)
        return None
    lines = tracker.get("nlines", default_lines)
    if not isinstance(lines, int) or not 0 < lines <= Tracker.MAX_TRACKER_LINES:
        logger.warning("The tracker of %s asks for %r lines; it gets %d.", tracker["filename"], lines, Tracker.MAX_TRACKER_LINES)
        lines = Tracker.MAX_TRACKER_LINES
    return Tracker(tracker["filename"], lines, allow_zipped=bool(tracker.get("allow_zipped")))
