"""Which routes ``audit=`` names: those of whose decisions the log has all, and not the refusals alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, cast

from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement
from callerid.paths._bound import BoundTable
from callerid.paths._pattern import ANY_METHOD, METHODS
from callerid.paths._table import PathTable, TableEntry
from callerid.rules import Public

__all__ = ["AuditedRoutes", "audited_paths", "audited_routes"]

_NAME: Final = "audit"
_EVERYTHING: Final = "/*"
_NAMED: Final = Requirement(Public())
"""The keys are all that counts: no entry asks anything."""


class AuditedRoutes(BoundTable):
    """The routes of an application that are audited, by keys of a path table; ``/*`` names all of its routes.

    Raises `ConfigurationError` for what is no key.
    """

    def __init__(self, keys: Collection[str], guard: GuardCore) -> None:
        self._is_everything = _EVERYTHING in keys
        super().__init__({key: _NAMED for key in keys if key != _EVERYTHING}, guard, _NAME)

    def find(self, method: str, template: str, prefixes: Iterable[str] = ()) -> TableEntry | None:
        """The key that names a place, or ``None``; as for every path table."""
        found = super().find(method, template, prefixes)
        return TableEntry(_EVERYTHING, _NAMED) if found is None and self._is_everything else found

    def names(self, method: str, template: str, prefixes: Iterable[str] = ()) -> bool:
        """Whether a key names this place, for this method."""
        return self.find(method, template, prefixes) is not None

    def may_name(self, template: str, prefixes: Iterable[str], *, is_mount: bool) -> bool:
        """Whether a key may name this place for any method, or a part of the paths that a mount there serves."""
        within = tuple(prefixes)
        if is_mount and self.patterns(template) is not None:
            return True
        return any(self.names(each, "" if is_mount else template, within) for each in (*METHODS.values(), ANY_METHOD))


def audited_routes(audit: Any, guard: GuardCore) -> AuditedRoutes | None:
    """What an adapter's ``audit=`` names; ``None`` for nothing. Raises `ConfigurationError`."""
    keys = _keys(audit)
    return AuditedRoutes(keys, guard) if keys else None


def audited_paths(audit: Any, guard: GuardCore) -> PathTable | None:
    """The same where rules go by the path alone."""
    keys = _keys(audit)
    return PathTable(dict.fromkeys(keys, _NAMED), guard, _NAME) if keys else None


def _keys(audit: Any) -> list[str]:
    if isinstance(audit, str | bytes) or not isinstance(audit, Iterable):
        raise ConfigurationError(
            f"audit= names routes, such as ['POST /refunds', '/admin/*'], not {audit!r}", code="audit-keys"
        )
    keys = list(cast("Iterable[object]", audit))
    texts = [key for key in keys if isinstance(key, str)]
    if len(texts) < len(keys):
        raise ConfigurationError(
            f"audit= names routes as text, such as 'POST /refunds', not {keys!r}", code="audit-keys"
        )
    return texts
