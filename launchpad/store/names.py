"""The collections that are the store's own affair; those that planners speak of are named in `core.changes`."""

from __future__ import annotations

COUNTERS = "fw_id_assigner"
RERUNS = "reruns"
ENTRIES = "rerun_entries"
PLANS = "rerun_plans"
#: Folders of launches that are deleted with their workflows: noted before, forgotten when that is done.
FOLDERS = "launch_folders"
#: What supervisors are busy with, each batch under a lease.
SUPERVISIONS = "supervisions"
#: What is to be told to webhooks, and what has been.
NOTIFICATIONS = "notifications"
