"""``python -m callerid`` is ``callerid``."""

from callerid.cli._command import run

run()
