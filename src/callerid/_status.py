"""How a guard fares, for probes: its keys, its look-ups and its fleet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from callerid.asking import SourceStatus
from callerid.authentication import FleetStatus
from callerid.keys import KeyStatus

__all__ = ["GuardStatus"]


class GuardStatus(list[KeyStatus]):
    """One entry for each key source of a guard's issuers, and beside them how its look-ups and its fleet fare."""

    def __init__(
        self, keys: Iterable[KeyStatus], lookups: Mapping[str, SourceStatus], fleet: FleetStatus | None
    ) -> None:
        super().__init__(keys)
        self.lookups = MappingProxyType(lookups)
        """By the names of the look-ups."""
        self.fleet = fleet
        """``None`` without a fleet."""
