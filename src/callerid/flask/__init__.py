"""Rules tied to the views of a Flask application.

Flask chooses the rule of its URL map before any function of the application runs, and serves the view of that rule: so
a decision made between the two is bound to what serves. The guard sits where ``Flask.preprocess_request`` begins, ahead
of every ``url_value_preprocessor`` and every ``before_request``, whenever they were registered, and looks again where
``Flask.dispatch_request`` begins. What runs before it: the converters of the URL map, the opening of the session, and
receivers of the ``request_started`` signal. ``after_request`` functions run for refusals, too, so that they carry CORS
headers as any other answer.

The staircase inside::

    current             what was decided about the request that runs now; the caller
    cors · routing      the headers of flask-cors; which place serves a request, or a redirect leads to
    marking ← reading   allow() on views, classes and blueprints; what stands at a view
    ruling ← protection what must hold there; the decision and the answer
    survey              all rules of the URL map at once: what is checked before the first request
    seam ← guard        where the guard sits; allow and protect
"""

from callerid.flask.current import NoCallerError, caller, current_caller
from callerid.flask.guard import Guard
from callerid.flask.protection import OnRefusal

__all__ = ["Guard", "NoCallerError", "OnRefusal", "caller", "current_caller"]
