"""The form that the button of Sign in with Google posts: what has to be so before its token is looked at. Pure.

Source: Google Identity, "Verify the Google ID token on your server side": the ``credential`` is believed only beside a
``g_csrf_token`` that is the same in the form and in a cookie. Another site's page can post a form, but it can neither
set that cookie nor read it: else it could sign a user in to the attacker's account (login CSRF).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final
from urllib.parse import parse_qsl

from callerid.authentication._bare import bare_credential
from callerid.errors import BadRequest, CrossSite, Reason, Unauthenticated
from callerid.issuers import CredentialLocation

__all__ = ["SignInForm"]

_CSRF_TOKEN: Final = "g_csrf_token"  # noqa: S105 - a name
_COOKIE: Final = CredentialLocation("cookie", is_bare=True, cookie=_CSRF_TOKEN)
_FORM: Final = "application/x-www-form-urlencoded"
_MOST_DIGITS: Final = 10
_BESIDE: Final = 4_096
"""How many bytes a form may have beside its token: ``g_csrf_token``, ``select_by``, ``state``."""


@dataclass(frozen=True, slots=True)
class SignInForm:
    """A form that Google's button posted to ``login_uri``, as it came: nothing of it is checked yet.

    ``method`` is the request's method, ``content_type`` the header's value, ``length`` the number of bytes that
    ``Content-Length`` says (``None``: there is none), ``cookies`` the values of all ``Cookie`` headers. ``fields`` are
    the names and values of the form in order, each as often as it came.
    """

    method: str
    content_type: str
    length: int | None
    cookies: tuple[str, ...] = field(repr=False)
    fields: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @staticmethod
    def length_in(headers: Mapping[str, str]) -> int | None:
        """The number that ``Content-Length`` says, for ``length``; ``None`` where it says none, or an absurd one.

        Beside ``Transfer-Encoding`` it says nothing: the body ends where its chunks do (RFC 9112 section 6.3).
        """
        text = "" if "Transfer-Encoding" in headers else headers.get("Content-Length", "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else None

    @staticmethod
    def fields_of(body: bytes) -> tuple[tuple[str, str], ...]:
        """The fields in a body, for ``fields`` (WHATWG URL Standard, section 5.1)."""
        return tuple(parse_qsl(body.decode("ascii", "replace"), keep_blank_values=True))

    def trouble(self, longest_token: int) -> BadRequest | None:
        """Why its body is not to be read, if there is a reason: no form was posted, or it is too long."""
        longest = longest_token + _BESIDE
        if self.method != "POST":
            what = f"POST, got {self.method[:20]!a}"
        elif self.content_type.partition(";")[0].strip().lower() != _FORM:
            what = f"{_FORM}, got {self.content_type[:80]!a}"
        elif self.length is None or self.length > longest:
            what = f"a Content-Length of at most {longest} bytes, got {self.length or 'none'}"
        else:
            return None
        return BadRequest(Reason.MALFORMED_FORM, f"expected {what}")

    def credential(self, longest_token: int) -> str:
        """The ID token in a form that a page of the application's own began to post.

        Raises `BadRequest` for what is no such form, `CrossSite` where the two ``g_csrf_token`` are not there and the
        same, and `Unauthenticated` for a form without a ``credential``.
        """
        trouble = self.trouble(longest_token)
        if trouble is not None:
            raise trouble
        tokens = self._one(_CSRF_TOKEN) or "", bare_credential(_COOKIE, self.cookies) or ""
        came, kept = (each.encode("utf-8", "surrogatepass") for each in tokens)
        if not came or not kept or not compare_digest(came, kept):
            where = "another than in the cookie" if came and kept else f"none in the {'cookie' if came else 'form'}"
            raise CrossSite(
                f"expected the {_CSRF_TOKEN} of this browser's cookie in the form, got {where}",
                reason=Reason.WRONG_CSRF_TOKEN,
                remedy="post the form from a page of this site that has Google's script; a token that came to a "
                "JavaScript callback is for guard.verify(token, nonce=...)",
            )
        token = self._one("credential")
        if not token:
            raise Unauthenticated(Reason.NO_CREDENTIAL, "expected an ID token in the field credential, got none")
        return token

    def _one(self, name: str) -> str | None:
        found = [value for own, value in self.fields if own == name]
        if len(found) > 1:
            raise BadRequest(Reason.SEVERAL_CREDENTIALS, f"expected one field {name}, got several")
        return found[0] if found else None
