"""The embedded database: one SQLite file that speaks MongoDB's query and update language.

`backend` is the way in. `file` holds connections and transactions; `catalog`, `keys` and `candidates` let SQLite's indexes find
the documents that may match; `matching`, `expressions`, `updating`, `projection` and `ordering` decide as MongoDB does.
"""

from launchpad.store.embedded.backend import EmbeddedBackend

__all__ = ["EmbeddedBackend"]
