"""Rules by path, for applications whose routes cannot be read: the path table, and the decision by it.

The modules, each importing only those before it: ``ambiguity`` (paths that parsers read differently) ← ``pattern`` (the
method and segments of one entry) ← ``table`` (the most specific entry for a path) ← ``lookup`` (the same where case
is ignored), ``readings`` (the paths an application may read a request's path as) and ``uncovered`` (paths that entries
leave to weaker rules) ← ``gate`` (the decision by table, default and floor). ``bound`` is the table of an application
whose routes are known: each of its keys names a route. ``audited`` says which routes ``audit=`` names, by keys of
either table.
"""

from callerid.paths._ambiguity import ambiguous
from callerid.paths._audited import AuditedRoutes, audited_paths, audited_routes
from callerid.paths._bound import BoundTable, NamedPlace, Serves, normalized
from callerid.paths._gate import Admitted, Gate, Refused, first_expiry
from callerid.paths._lookup import PathLookup, PathMatch
from callerid.paths._pattern import METHODS, WEBSOCKET
from callerid.paths._readings import Readings, checked_root, prefix_of, readings_of
from callerid.paths._table import PathTable, TableEntry, required
from callerid.paths._uncovered import uncovered

__all__ = [
    "METHODS",
    "WEBSOCKET",
    "Admitted",
    "AuditedRoutes",
    "BoundTable",
    "Gate",
    "NamedPlace",
    "PathLookup",
    "PathMatch",
    "PathTable",
    "Readings",
    "Refused",
    "Serves",
    "TableEntry",
    "ambiguous",
    "audited_paths",
    "audited_routes",
    "checked_root",
    "first_expiry",
    "normalized",
    "prefix_of",
    "readings_of",
    "required",
    "uncovered",
]
