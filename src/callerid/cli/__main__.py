"""``python -m callerid.cli`` is ``callerid``."""

import sys

from callerid.cli.command import main

sys.exit(main())
