"""The ``callerid`` command: a demo that runs, and a local issuer to develop against.

The staircase inside: ``trouble ← places ← stages · scenes ← table ← demo``, ``trouble ← issuer``, ``trouble · table ←
routes ← check`` (who may call what), ``trouble · table ← why``, and ``command`` on top, which reads the arguments.

It exits with 0 when all went well, 1 when something is not as it should be, 2 when the command was written
wrongly or something it needs is missing, 130 when it was interrupted.
"""

from callerid.cli.command import main

__all__ = ["main"]
