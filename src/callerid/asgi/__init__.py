"""Any ASGI application, guarded by path; and what every ASGI adapter needs.

Each module imports only those before it: ``exchange`` (what an application is called with) ← ``answering`` (how a
refusal is sent) · ``websockets`` (a token among the subprotocols; a socket's end) · ``prefixes`` (what a wrapped
application cuts off paths) · ``mcp`` (whose a session is) ← ``middleware``.
"""

from callerid.asgi._mcp import McpSessions
from callerid.asgi._middleware import CallerMiddleware, OnRefusal
from callerid.asgi._websockets import WebSockets

__all__ = ["CallerMiddleware", "McpSessions", "OnRefusal", "WebSockets"]
