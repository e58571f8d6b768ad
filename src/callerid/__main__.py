"""``python -m callerid`` is ``callerid``."""

from callerid.cli.command import run

run()
