"""Deprecated: the old name of `callerid.audit.algebra`."""

from callerid.audit import algebra as _algebra
from callerid.audit.algebra import *  # noqa: F403 - an alias of all of it

__all__ = _algebra.__all__  # pyright: ignore[reportUnsupportedDunderAll] - the same list, not another
