"""What users write: fireworks, workflows, tasks and their outcomes, workers."""

from launchpad.model.action import FWAction
from launchpad.model.dupefinder import DupeFinderExact
from launchpad.model.firework import Firework
from launchpad.model.fworker import FWorker
from launchpad.model.launch import Launch
from launchpad.model.links import Links
from launchpad.model.task import FireTaskBase, FiretaskBase, explicit_serialize
from launchpad.model.tracker import Tracker
from launchpad.model.workflow import Workflow

__all__ = [
    "DupeFinderExact",
    "FWAction",
    "FWorker",
    "FireTaskBase",
    "FiretaskBase",
    "Firework",
    "Launch",
    "Links",
    "Tracker",
    "Workflow",
    "explicit_serialize",
]
