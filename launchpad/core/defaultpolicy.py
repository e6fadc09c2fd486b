"""The policy that holds where none is given: what would fail again is left alone, what was nobody's fault is run again."""

from __future__ import annotations

from typing import Any

from launchpad.core.policytext import parse_policy

#: As it would be written in a file; sites raise the caps, and add rules before these with `extends: default`.
DEFAULT_RULES: dict[str, Any] = {
    "limit": 5,
    "otherwise": "never",
    "rules": [
        {"name": "cancelled", "cause": "cancelled", "action": "never"},
        {"name": "deterministic", "cause": ["code", "missing_input"], "action": "never"},
        {"name": "usage", "cause": "exit_code", "exit_codes": [2, 64, 126, 127], "action": "never"},
        {
            "name": "out of memory",
            "cause": "oom",
            "action": "rerun",
            "limit": 3,
            "set": {
                "spec._queueadapter.mem": "x1.5",
                "spec._queueadapter.mem_per_cpu": "x1.5",
                "spec._queueadapter.memory": "x1.5",
                "max": "256G",
            },
        },
        {
            "name": "out of time",
            "cause": "walltime",
            "action": "rerun",
            "limit": 2,
            "set": {"spec._queueadapter.walltime": "x2", "spec._queueadapter.time": "x2", "max": "48:00:00"},
        },
        # Who ended it cannot be seen: perhaps an administrator, perhaps the kernel for want of memory. Once is worth a try.
        {"name": "ended from outside", "cause": "signal", "signal": ["SIGKILL", "SIGTERM"], "action": "rerun", "limit": 1},
        {"name": "disk", "cause": "disk", "action": "rerun", "limit": 2, "delay": ["10m", "1h"]},
        {
            "name": "infrastructure",
            "cause": ["node", "network"],
            "action": "ignore",
            "limit": 10,
            "delay": {"first": "30s", "factor": 2, "max": "30m", "jitter": 0.2},
        },
    ],
}

DEFAULT_POLICY = parse_policy(DEFAULT_RULES, "the default policy")


def check_policy(written: Any, place: str) -> None:
    """Raise BadPolicy if what a spec or a workflow's metadata has as `_retry` is no policy; None is the absence of one."""
    if written is not None:
        parse_policy(written, place, default=DEFAULT_POLICY)
