"""Rules tied to the routes of a Starlette application.

The staircase inside::

    scope                       what a request's scope says of its caller
    fastapis ← marking ← reading    what stands at a route
    passage ← protection        one request's state; the decision and the answer
    seam                        where the guard sits
    survey ← guard              all routes at once; allow and protect
"""

from callerid.starlette.guard import Guard
from callerid.starlette.protection import OnRefusal

__all__ = ["Guard", "OnRefusal"]
