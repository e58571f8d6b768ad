"""The table: requests, and the answer that each must get from every adapter."""

from __future__ import annotations

from . import ambient, apps, asked, callers, credentials, gateways, looked_up, places
from .row import Row

__all__ = ["ROWS", "Row"]

ROWS = (
    *ambient.ROWS,
    *apps.ROWS,
    *asked.ROWS,
    *callers.ROWS,
    *credentials.ROWS,
    *gateways.ROWS,
    *looked_up.ROWS,
    *places.ROWS,
)
