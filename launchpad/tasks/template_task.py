"""Files filled in from templates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from launchpad.errors import BadTask
from launchpad.model import FiretaskBase


class TemplateWriterTask(FiretaskBase):
    """Write a file from a Jinja template.

    template_file (str)     the template, looked for in the template folder
    context (dict)          what its variables mean
    output_file (str)       the file to write
    append (bool)           add to the file instead of replacing it
    template_dir (str)      the template folder; else TEMPLATE_DIR of the worker's env, else the folder the firework runs in
    use_global_spec (bool)  take all of these from the firework's spec

    As in FireWorks, &, <, > and quotes in values are escaped for HTML; write ``{{ value | safe }}`` to have them as they are.
    """

    _fw_name = "TemplateWriterTask"

    def run_task(self, fw_spec: dict[str, Any]) -> None:
        given = fw_spec if self.get("use_global_spec") else self
        for name in ("template_file", "context", "output_file"):
            if name not in given:
                raise BadTask(f"TemplateWriterTask needs the parameter {name!r}, which is not given.")
        folder = _template_folder(given, fw_spec)
        path = os.path.join(folder, given["template_file"])
        if not os.path.exists(path):
            raise BadTask(f"TemplateWriterTask: the template {path} does not exist.", hint="Set template_dir.")
        rendered = _render(path, folder, given["context"])
        with open(given["output_file"], "a" if given.get("append") else "w", encoding="utf-8") as stream:
            stream.write(rendered)


def _template_folder(given: Mapping[str, Any], fw_spec: Mapping[str, Any]) -> str:
    worker = fw_spec.get("_fw_env") or {}
    return os.path.expanduser(str(given.get("template_dir") or worker.get("TEMPLATE_DIR") or os.getcwd()))


def _render(path: str, folder: str, context: Mapping[str, Any]) -> str:
    try:
        import jinja2  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        hint = "Install it where the worker runs: pip install Jinja2"
        raise BadTask("TemplateWriterTask needs Jinja2, which is not installed.", hint=hint) from None
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), autoescape=True)
    with open(path, encoding="utf-8") as stream:
        source = stream.read()
    try:
        return str(environment.from_string(source).render(context))
    except jinja2.TemplateError as error:
        line = getattr(error, "lineno", None)
        raise BadTask(f"The template {path}{f', line {line}' if line else ''}: {error}.") from error
