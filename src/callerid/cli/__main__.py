"""``python -m callerid.cli`` is ``callerid``."""

from callerid.cli._command import run

run()
