"""What came with the form of Google's button, from a request of Django's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from callerid.asgi._exchange import values_of
from callerid.authentication import SignInForm
from callerid.wsgi import sent

__all__ = ["sign_in_form"]


def sign_in_form(request: Any, longest_token: int) -> SignInForm:
    """The form in a request; its body is read only if it has the type and the length of one."""
    environ, scope = request.META, getattr(request, "scope", None)
    cookies = sent(environ, ("cookie",)) if scope is None else values_of(scope, {b"cookie": "cookie"})
    length = SignInForm.length_in(request.headers)
    form = SignInForm(request.method, environ.get("CONTENT_TYPE", ""), length, tuple(cookies.get("cookie", ())))
    if form.trouble(longest_token) is not None:
        return form
    fields = tuple((name, value) for name, values in request.POST.lists() for value in values)
    return replace(form, fields=fields)
