"""Rules tied to the routes of a FastAPI application; it builds on `callerid.starlette`.

Each module imports only those before it::

    decorator           allow() as a parameter's type, a dependency or a decorator
    parameters          what FastAPI reads for an endpoint, and from where
    comparing           the request is compared again right before the endpoint
    included            which route of an included router, or which frontend, serves
    routes              what stands at a route, included routers and frontends among them
    openapi             the security scheme and the answers 401 and 403 in the documentation
    guard               allow and protect
"""

from callerid.fastapi._guard import Guard

__all__ = ["Guard"]
