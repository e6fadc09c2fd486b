"""Everything is said in setup.cfg; the build needs the parsers, from which it makes the man pages, on its path."""

import sys

from setuptools import setup

sys.path[:0] = [".", "cli"]
setup()
