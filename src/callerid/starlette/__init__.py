"""Rules tied to the routes of a Starlette application.

Each module imports only those before it::

    scope               what a request's scope says of its caller
    handover            what the framework does between the match and ``route.handle``
    redirects           where slash redirects lead
    route_middleware    middleware of one route, which runs after the decision
    fastapis            what only FastAPI's guard reads
    decorator           allow()
    routes              what stands at a route: its marks, parameters and what it serves
    route_context       one request's progress through the routers, and the policy at its place
    protection          the decision, and what a refused client gets
    dispatch            the guard in place of ``Router.app``
    startup_checks      all routes at once: what is checked before the first request
    guard               protect
"""

from callerid.starlette.guard import Guard
from callerid.starlette.protection import OnRefusal

__all__ = ["Guard", "OnRefusal"]
