"""Times of fireworks, workflows and launches: datetimes in Python, ISO strings when stored."""

from __future__ import annotations

import datetime as dt
from typing import Any

from launchpad.core.documents import iso, read_time


def now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def to_time(value: Any) -> Any:
    """Return a stored time as an aware datetime; what is no time stays as it is."""
    return read_time(value) or value


def to_stored(value: Any) -> Any:
    """Return a time as FireWorks writes it in fireworks and launches."""
    return iso(value) if isinstance(value, dt.datetime) and value.tzinfo else value
