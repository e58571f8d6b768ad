"""Rules tied to the routes of a Starlette application.

Each module imports only those before it::

    scope               the caller in a request's scope
    handover            what the framework does between the match and ``route.handle``
    redirects           the targets of slash redirects
    route_middleware    middleware of one route, which runs after the decision
    fastapis            rules that only FastAPI's guard reads
    decorator           allow()
    endpoints · mounted · templates     methods of an endpoint class; the router behind a mount; paths
    routes              what a route declares: its marks, parameters and endpoint
    protection          a guard installed in an application, and its settings there
    route_chain         what leads to a place: routers, mounts and route, shared by all requests
    policies            the policy at the end of a chain
    route_context       one request's progress through the routers
    deciding            the decision about a request, and the response to a refusal
    dispatch            the guard in place of ``Router.app``
    checked_route       one route as the start-up check and the access map see it
    startup_checks      all routes at once: what is checked before the first request
    sign_in             the form of Google's button
    guard               protect
"""

from callerid.starlette._guard import Guard
from callerid.starlette._protection import OnRefusal

__all__ = ["Guard", "OnRefusal"]
