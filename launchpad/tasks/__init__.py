"""Firetasks that come with the library: scripts, Python functions, files, templates, and data on its way."""

from launchpad.tasks.command_line_task import CommandLineTask
from launchpad.tasks.compress_tasks import ArchiveDirTask, CompressDirTask, DecompressDirTask
from launchpad.tasks.dataflow_tasks import ForeachTask, ImportDataTask, JoinDictTask, JoinListTask
from launchpad.tasks.file_tasks import FileDeleteTask, FileWriteTask
from launchpad.tasks.py_task import PyTask
from launchpad.tasks.script_task import ScriptFailed, ScriptTask
from launchpad.tasks.template_task import TemplateWriterTask
from launchpad.tasks.transfer_task import FileTransferTask

__all__ = [
    "ArchiveDirTask",
    "CommandLineTask",
    "CompressDirTask",
    "DecompressDirTask",
    "FileDeleteTask",
    "FileTransferTask",
    "FileWriteTask",
    "ForeachTask",
    "ImportDataTask",
    "JoinDictTask",
    "JoinListTask",
    "PyTask",
    "ScriptFailed",
    "ScriptTask",
    "TemplateWriterTask",
]
