"""Rules tied to the routes of a FastAPI application; it builds on Starlette's room.

The staircase inside: ``allow ← parameters, comparing ← reading``, ``openapi ← guard``.
"""

from callerid.fastapi.guard import Guard

__all__ = ["Guard"]
