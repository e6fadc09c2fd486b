"""`python -m lpad`."""

import sys

from lpad.main import main

sys.exit(main())
