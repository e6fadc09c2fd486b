"""Running fireworks: workers, launch folders, task processes."""

from launchpad.runner.launcher import launch_rocket, rapidfire

__all__ = ["launch_rocket", "rapidfire"]
