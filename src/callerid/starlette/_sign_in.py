"""What came with the form of Google's button, from a request of Starlette's."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request

from callerid.authentication import SignInForm

__all__ = ["sign_in_form"]


async def sign_in_form(request: Request, longest_token: int) -> SignInForm:
    """The form in a request; its body is read only if it has the type and the length of one."""
    headers = request.headers
    form = SignInForm(
        request.method,
        headers.get("content-type", ""),
        SignInForm.length_in(headers),
        tuple(headers.getlist("cookie")),
    )
    if form.trouble(longest_token) is not None:
        return form
    try:
        fields = SignInForm.fields_of(await request.body())
    except RuntimeError:
        # Read as a form before, by a parameter of FastAPI's: that is kept, and the body is not.
        fields = tuple((name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str))
    return replace(form, fields=fields)
