"""``python -m callerid.cli`` is ``callerid``."""

from callerid.cli.command import run

run()
