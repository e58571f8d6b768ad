"""Rules by path, for what has no routes to ask: the path table, and the decision by it. Pure.

The staircase inside: ``ambiguity`` (what two parsers could read differently) ← ``pattern`` (one entry's method and
segments) ← ``table`` (the most specific entry for a path) ← ``lookup`` (the same, for readers that ignore case) and
``readings`` (which paths an application may take a request's for) ← ``gate`` (table, default and floor as one
decision). ``bound`` is the table of an application that has routes: each of its keys names one of them.
"""

from callerid.paths.ambiguity import ambiguous
from callerid.paths.bound import BoundTable, NamedPlace, Serves, normalized
from callerid.paths.gate import Admitted, Gate, Refused, first_expiry
from callerid.paths.lookup import Found, PathLookup
from callerid.paths.pattern import METHODS, WEBSOCKET
from callerid.paths.readings import Readings, checked_root, prefix_of, readings_of
from callerid.paths.table import Entry, PathTable, required

__all__ = [
    "METHODS",
    "WEBSOCKET",
    "Admitted",
    "BoundTable",
    "Entry",
    "Found",
    "Gate",
    "NamedPlace",
    "PathLookup",
    "PathTable",
    "Readings",
    "Refused",
    "Serves",
    "ambiguous",
    "checked_root",
    "first_expiry",
    "normalized",
    "prefix_of",
    "readings_of",
    "required",
]
