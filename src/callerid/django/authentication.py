"""The caller in Django REST framework: an authentication class, and the user that it makes of a caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from callerid.callers import Caller
from callerid.django._current import undecided
from callerid.django._dispatch import configured
from callerid.errors import Reason, Unauthenticated

__all__ = ["CallerAuthentication", "CallerUser"]


@dataclass(frozen=True, slots=True)
class CallerUser:
    """A caller as ``request.user``: authenticated, and without any of Django's own permissions.

    ``pk`` is the caller's issuer and subject, which nobody else has.
    """

    caller: Caller
    is_authenticated = True
    is_active = True
    is_anonymous = False
    is_staff = False
    is_superuser = False

    @property
    def pk(self) -> str:
        """What tells this caller from all others, for throttling and caches."""
        return f"{self.caller.issuer}#{quote(self.caller.subject, safe='')}"

    id = pk

    @property
    def username(self) -> str:
        """The caller as IAM or Firebase writes them."""
        return str(self.caller)

    def get_username(self) -> str:
        """The same."""
        return self.username

    def has_perm(self, *_: Any) -> bool:
        """``False``: rules are the permissions."""
        return False

    has_perms = has_module_perms = has_perm

    def __str__(self) -> str:
        return self.username


class CallerAuthentication:
    """Authentication class of Django REST framework: ``request.user`` and ``request.auth`` are the caller's.

    The guard verified the credential before the view began, so this reads none. ``request.user`` is a `CallerUser`,
    ``request.auth`` the `callerid.Caller`; for nobody both are the framework's own. Where one of the framework's
    permissions refuses nobody, the answer is a 401 with the guard's challenge.
    """

    def authenticate(self, request: Any) -> tuple[CallerUser, Caller] | None:
        """See ``BaseAuthentication``. Raises `UnguardedEndpointError` where no guard decided about the request."""
        if not hasattr(request, "caller"):
            raise undecided(
                "CallerAuthentication reads what the guard verified, and no guard decided about this request: put "
                "'callerid.django.CallerMiddleware' last in MIDDLEWARE"
            )
        caller: Caller | None = request.caller
        return None if caller is None else (CallerUser(caller), caller)

    def authenticate_header(self, request: Any) -> str | None:
        """The challenge of a 401."""
        return configured().challenge.header(Unauthenticated(Reason.NO_CREDENTIAL, lambda: "no caller"))
