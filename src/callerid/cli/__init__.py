"""The ``callerid`` command.

Modules, each importing only those before it: ``trouble ← places ← stages · scenes ← table ← demo``, ``trouble ←
issuer``, ``trouble · table · parsing ← routes ← check``, ``trouble · table · parsing ← why``, ``output``, and
``command`` on top, which reads the arguments.

Exit codes: 0 done, and nothing is wrong; 1 something is not as it should be; 2 wrong usage, or something is missing,
cannot be read or fails; 130 interrupted; 141 the reader of the output closed it. ``callerid --help`` says what 1 means
for each command.
"""

from callerid.cli.command import main, run

__all__ = ["main", "run"]
