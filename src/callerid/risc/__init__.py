"""Google's security events (Cross-Account Protection, RISC): what happened to an account, told to the application.

    events          a security event token read as strictly as any other, and the events in it: pure
    receiver        the endpoint that Google posts them to, as an ASGI and as a WSGI application

Each module imports only those before it. Sources: RFC 8417 (security event tokens), RFC 8935 (their delivery by POST),
Google Identity, "Protect user accounts with Cross-Account Protection".
"""

from callerid.risc._events import EventType, SecurityEvent
from callerid.risc._receiver import EventReceiver

__all__ = ["EventReceiver", "EventType", "SecurityEvent"]
