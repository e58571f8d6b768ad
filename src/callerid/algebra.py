"""Deprecated: the old name of `callerid.audit.algebra`."""

from callerid.audit.algebra import *  # noqa: F403 - an alias of all of it
from callerid.audit.algebra import __all__
