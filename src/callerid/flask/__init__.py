"""Rules tied to the views of a Flask application.

Flask chooses the rule of its URL map before any function of the application runs, and serves the view of that rule: so
a decision made between the two is bound to what serves. The guard sits where ``Flask.preprocess_request`` begins, ahead
of every ``url_value_preprocessor`` and every ``before_request``, whenever they were registered, and looks again where
``Flask.dispatch_request`` begins. What runs before it: the converters of the URL map, the opening of the session, and
receivers of the ``request_started`` signal. ``after_request`` functions run for refusals, too, so that they carry CORS
headers as any other answer.

Each module imports only those before it::

    current             what was decided about the request that runs now; the caller
    cors                the headers of flask-cors
    routing             which place serves a request, or a redirect leads to
    decorator           allow() on views, classes and blueprints
    routes              what stands at a view
    policies            what must hold there
    protection          the decision, and what a refused client gets
    startup_checks      all rules of the URL map at once: what is checked before the first request
    dispatch            where the guard sits
    guard               allow and protect
"""

from callerid.flask.current import NoCallerError, caller, current_caller
from callerid.flask.guard import Guard
from callerid.flask.protection import OnRefusal

__all__ = ["Guard", "NoCallerError", "OnRefusal", "caller", "current_caller"]
