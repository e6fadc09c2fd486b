"""How a firework says that it need not run where its like has run."""

from __future__ import annotations

from typing import Any


class DupeFinderExact:
    """Fireworks with equal specs share one run: ``spec["_dupefinder"] = DupeFinderExact()``.

    The look for duplicates happens at check-out; a class of one's own is named ``{{module.Class}}`` and has `query(spec)`, which
    returns a query in MongoDB's language, and if need be `verify(spec, other_spec)`.
    """

    _fw_name = "DupeFinderExact"

    def to_dict(self) -> dict[str, Any]:
        """Return what is stored in the spec."""
        return {"_fw_name": self._fw_name}
