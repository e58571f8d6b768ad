"""The ``callerid`` command.

Each command is a module with an object ``command``, named in one line of `callerid.cli._command`, which imports it when
it is called. What they share: ``trouble`` (what is told in one line), ``output`` (the command's own output), ``frame``
(what a command is made of), ``table`` (colours and tables), ``staying``, ``token_input`` (where a token comes from),
and of the demo ``places ← stages · scenes``. ``check`` and ``play`` import ``routes``, which imports ``comparing``;
``demo`` imports ``play``; ``show`` imports ``unverified`` and ``claim_notes``; ``verify`` imports ``rule_text``.

Exit codes: 0 done, and nothing is wrong; 1 something is not as it should be; 2 wrong usage, or something is missing,
cannot be read or fails; 130 interrupted; 141 the reader of the output closed it. ``callerid --help`` says what 1 means
for each command.
"""

from callerid.cli._command import main, run

__all__ = ["main", "run"]
