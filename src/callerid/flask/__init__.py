"""Rules tied to the views of a Flask application.

Flask matches a request against its URL map before any function of the application runs, and calls the view of the rule
that matched: a decision made between the two is a decision about that view. The guard runs at the beginning of
``Flask.preprocess_request``, before every ``url_value_preprocessor`` and ``before_request`` function, and checks again
at the beginning of ``Flask.dispatch_request`` that nothing has changed. Only the URL map's converters, the opening of
the session and receivers of the ``request_started`` signal run before it. ``after_request`` functions run for refusals,
too, so refusals carry CORS headers like any other response.

Each module imports only those before it::

    current             the decision about the current request, and its caller
    cors                the headers of flask-cors
    routing             which rule of the URL map serves a request, redirects followed
    decorator           allow() on views, classes and blueprints
    routes              a rule of the URL map: its marks, template and path parameters
    policies            the policy at a place
    protection          the decision, and the response to a refusal
    startup_checks      all rules of the URL map at once: what is checked before the first request
    dispatch            installs the guard in an application
    guard               allow and protect
"""

from callerid.flask._current import NoCallerError, caller, current_caller
from callerid.flask._guard import Guard
from callerid.flask._protection import OnRefusal

__all__ = ["Guard", "NoCallerError", "OnRefusal", "caller", "current_caller"]
