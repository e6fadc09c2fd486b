"""Retry policies in files: read with the line of everything that is wrong, and written as they would be in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from launchpad.core.defaultpolicy import DEFAULT_POLICY
from launchpad.core.policy import Policy
from launchpad.core.policytext import DEFAULT, parse_policy, place_of
from launchpad.errors import BadDocument, BadPolicy, ConfigurationError
from launchpad.model.yaml_text import read_yaml

#: Nobody writes this much by hand.
LARGEST_FILE = 1_000_000

#: The key of my_launchpad.yaml under which a policy, or the name of its file, stands.
KEY = "retry_policy"


def settings_policy(value: Any, origin: str) -> Policy:
    """Return the policy that a setting names: a Path, what a policy is written as, or None for the default.

    Raises BadPolicy, ConfigurationError.
    """
    if value is None or value == DEFAULT:
        return DEFAULT_POLICY
    return read_policy_file(value) if isinstance(value, Path) else parse_policy(value, origin, default=DEFAULT_POLICY)


def read_policy_file(path: Path) -> Policy:
    """Return the policy of a file; it may be a my_launchpad.yaml that holds one. Raises BadPolicy, ConfigurationError."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
        text = raw.decode("utf-8")
    except OSError as problem:
        raise ConfigurationError(f"Cannot read the policy {path}: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"The policy {path} is not a text file.") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigurationError(f"{path} is too big for a policy.")
    return read_policy_text(text, str(path))


def read_policy_text(text: str, where: str) -> Policy:
    """Return the policy that a YAML text describes. Raises BadPolicy: a sentence for each fault, with its line."""
    try:
        data = read_yaml(text, where)
    except BadDocument as problem:
        raise BadPolicy(str(problem), faults=[((), str(problem))]) from None
    inside: tuple[str, ...] = (KEY,) if isinstance(data, Mapping) and KEY in data else ()
    if inside:
        data = data[KEY]
    if data is None:
        raise BadPolicy(f"{where} holds no policy.", faults=[((), f"{where} holds no policy.")])
    try:
        return parse_policy(data, where, default=DEFAULT_POLICY)
    except BadPolicy as problem:
        faults = problem.facts["faults"]
        root = yaml.compose(text.removeprefix("\ufeff"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        said = [f"{where}, line {_line(root, (*inside, *path))}: {place_of(path)}{fault}." for path, fault in faults]
        raise BadPolicy("\n".join(said), faults=list(zip((path for path, _ in faults), said, strict=True))) from None


def _line(node: Any, path: Sequence[Any]) -> int:
    """Return the line, counted from 1, of what stands at a path: of its key, in a mapping."""
    line = node.start_mark.line + 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return int(line)
