"""Rules tied to the views of a Django project.

Settings name the guard, ``CALLERID_GUARD = "project.access.guard"``, and `CallerMiddleware` stands last in
``MIDDLEWARE``: where Django's resolver would be asked, behind all other middleware. It asks the resolver itself, once,
decides, and has Django's handler serve the match that was judged; where the view is called it checks again that nothing
has changed. So no middleware can change what serves between the two, and refusals go through all of it, that of CORS
headers too.

Each module imports only those before it::

    current             the decision about a request, and the claims that it was made
    decorator           allow() on views and parts of a URLconf
    views               what a view is made of, and its marks
    routes              the entries of a URLconf: templates, path parameters, places
    redirects           where Django's middleware redirects unknown paths
    policies            the policy at a place
    protection          the decision, and the response to a refusal
    startup_checks      all routes at once: what is checked before the first request
    sign_in             the form of Google's button in a request
    guard               allow and protect
    dispatch            the middleware
    authentication      the caller in Django REST framework
    apps                the checks of manage.py check

WebSockets (Django Channels) are not Django's, and not guarded by this.
"""

from callerid.django._dispatch import CallerMiddleware
from callerid.django._guard import Guard
from callerid.django._protection import OnRefusal
from callerid.django.authentication import CallerAuthentication, CallerUser

__all__ = ["CallerAuthentication", "CallerMiddleware", "CallerUser", "Guard", "OnRefusal"]
