"""Everything that can go wrong, one class per HTTP outcome, one reason per cause.

The tree::

    CalleridError
    ├── ConfigurationError          the developer's mistake: raised at construction or start-up
    ├── UnguardedEndpointError      a marked endpoint was reached that no guard decided: 500
    └── Refusal                     a request that is not let in
        ├── BadRequest              400  two credentials in one slot, or no credential's shape
        ├── Unauthenticated         401  no credential, or none that can be believed
        ├── StepUpRequired          401  a fresher or stronger sign-in would do (RFC 9470)
        ├── Forbidden               403  we know who is calling, and they may not
        ├── CrossSite               403  a browser sent a cookie without being asked by the site's own pages
        └── Unavailable             503  keys, or an issuer's word, cannot be had: not the caller's fault

A refusal never holds the token or any part of its signature.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias

__all__ = [
    "BadRequest",
    "CalleridError",
    "ConfigurationError",
    "CrossSite",
    "Forbidden",
    "FrontDoorOpen",
    "Reason",
    "Refusal",
    "StepUpRequired",
    "Unauthenticated",
    "Unavailable",
    "UnguardedEndpointError",
    "one_line",
    "pointed",
]


class Reason(StrEnum):
    """Why a request was refused: stable, machine-readable, in every refusal's body and log record."""

    SEVERAL_CREDENTIALS = "several_credentials"
    MALFORMED_HEADER = "malformed_header"
    MALFORMED_FORM = "malformed_form"
    AMBIGUOUS_PATH = "ambiguous_path"
    NO_CREDENTIAL = "no_credential"
    NO_APP_CHECK = "no_app_check"
    MALFORMED_TOKEN = "malformed_token"  # noqa: S105 - a reason, not a password
    SIGNATURE_REMOVED = "signature_removed"
    UNSIGNED = "unsigned"
    UNKNOWN_ISSUER = "unknown_issuer"
    UNKNOWN_KEY = "unknown_key"
    UNKNOWN_CREDENTIAL = "unknown_credential"
    WRONG_ALGORITHM = "wrong_algorithm"
    BAD_SIGNATURE = "bad_signature"
    BAD_CLAIMS = "bad_claims"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_TENANT = "wrong_tenant"
    ALREADY_CONSUMED = "already_consumed"
    ALREADY_USED = "already_used"
    REVOKED = "revoked"
    STEP_UP = "step_up"
    NOT_ALLOWED = "not_allowed"
    CROSS_SITE = "cross_site"
    WRONG_CSRF_TOKEN = "wrong_csrf_token"  # noqa: S105 - as above
    KEYS_UNAVAILABLE = "keys_unavailable"
    VERIFICATION_UNAVAILABLE = "verification_unavailable"
    LOOKUP_UNAVAILABLE = "lookup_unavailable"
    SINGLE_USE_UNAVAILABLE = "single_use_unavailable"
    FRONT_DOOR_OPEN = "front_door_open"


Told: TypeAlias = str | Callable[[], str]
"""A text, or what makes it when it is asked for."""


def one_line(text: str) -> str:
    """The text on one line, whatever a caller put into it: nobody writes lines into a log but us."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else ascii(letter)[1:-1]


class CalleridError(Exception):
    """The root of every error this library raises."""


class ConfigurationError(CalleridError, ValueError):
    """A mistake in how the guard, a rule or an issuer is written.

    ``message`` ends with the remedy, ``code`` is the stable name of the kind of mistake. `str` has both: it says where
    more is found, in ``docs/errors.md`` under the code, which ``callerid explain CODE`` prints.
    """

    def __init__(self, message: str = "", *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return pointed(self.message, self.code)


def pointed(message: str, code: str) -> str:
    """The message, and where more is said of this code or reason; one that already says such a thing stays as it is."""
    return message if not code or _MORE in message else f"{message} ({_MORE}{code})"


_MORE: Final = "more: callerid explain "


class UnguardedEndpointError(CalleridError, RuntimeError):
    """An endpoint marked with ``guard.allow`` was reached although no guard decided about it.

    The application answers 500: a rule is never silently unenforced.
    """


class Refusal(CalleridError):
    """A request that is not let in.

    ``status`` is the HTTP status, ``error`` the code of RFC 6750 section 3.1 or RFC 9470 section 3 (``None``: no code
    is sent), ``reason`` the stable cause. For the log alone, and never seen by the client: ``detail``, ``why``,
    ``remedy``, ``judged`` (the rule that refused, with the facts about the request) and ``also`` (the
    refusals of other rules that must hold there, too). ``instance`` finds the decision in the log, once it is logged.
    """

    status: int = 500
    error: str | None = None
    title: str = "Refused"
    judged: object = None
    also: tuple[Refusal, ...] = ()
    instance: str = ""

    def __init__(self, reason: Reason, detail: Told = "", *, why: Told = "", remedy: str = "", mend: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy or mend
        self._detail = detail
        self._why = why

    @property
    def mend(self) -> str:
        """Deprecated name of ``remedy``, as the argument is."""
        return self.remedy

    # Long rules make long texts, and most refusals are never read: so they are put into words when somebody asks.
    @property
    def detail(self) -> str:
        """What was expected and what came, on one line."""
        self._detail = one_line(self._detail if isinstance(self._detail, str) else self._detail())
        return self._detail

    @property
    def why(self) -> str:
        """The rule explained, as a tree of + and -; empty where no rule was asked."""
        self._why = self._why if isinstance(self._why, str) else self._why()
        return self._why

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class BadRequest(Refusal):
    """400: what was sent has not the form of one credential (RFC 6750 section 3.1, ``invalid_request``)."""

    status = 400
    error = "invalid_request"
    title = "Bad Request"


class Unauthenticated(Refusal):
    """401: nothing was sent, or nothing that can be believed.

    ``error`` is absent when nothing was sent (RFC 6750 section 3.1: a request that lacks any authentication
    information gets no error code).
    """

    status = 401
    title = "Unauthorized"

    @property
    def error(self) -> str | None:  # type: ignore[override]
        return None if self.reason in (Reason.NO_CREDENTIAL, Reason.NO_APP_CHECK) else "invalid_token"


class StepUpRequired(Refusal):
    """401: only the age or the strength of the sign-in stands between this caller and a yes (RFC 9470 section 3).

    ``max_age`` is the age in seconds that would do, or ``None`` where age is not what is missing.
    """

    status = 401
    error = "insufficient_user_authentication"
    title = "Unauthorized"

    def __init__(
        self, detail: Told = "", *, max_age: int | None = None, why: Told = "", remedy: str = "", mend: str = ""
    ) -> None:
        super().__init__(Reason.STEP_UP, detail, why=why, remedy=remedy, mend=mend)
        self.max_age = max_age


class Forbidden(Refusal):
    """403: the caller is known, and no rule lets them in (RFC 6750 section 3.1, ``insufficient_scope``)."""

    status = 403
    error = "insufficient_scope"
    title = "Forbidden"

    def __init__(self, detail: Told = "", *, why: Told = "", remedy: str = "", mend: str = "") -> None:
        super().__init__(Reason.NOT_ALLOWED, detail, why=why, remedy=remedy, mend=mend)


class CrossSite(Refusal):
    """403 without a challenge: a browser sent an ambient credential, or a sign-in, from another site's page."""

    status = 403
    title = "Forbidden"

    def __init__(
        self, detail: str = "", *, reason: Reason = Reason.CROSS_SITE, remedy: str = "", mend: str = ""
    ) -> None:
        super().__init__(reason, detail, remedy=remedy, mend=mend)


class Unavailable(Refusal):
    """503: what is needed to judge the request cannot be had, and nothing usable is cached.

    That is keys, the word of whoever issued a credential, what only a look-up knows of the caller, or whether a token
    was used before. ``retry_after`` is in whole seconds, at least 1.
    """

    status = 503
    title = "Service Unavailable"

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after: float = 1.0,
        remedy: str = "",
        mend: str = "",
        reason: Reason = Reason.KEYS_UNAVAILABLE,
    ) -> None:
        super().__init__(reason, detail, remedy=remedy, mend=mend)
        self.retry_after = max(1, int(-(-retry_after // 1)))


class FrontDoorOpen(Unavailable):
    """503: Cloud Run's front door was seen to stand open, so no token without a signature is believed any more."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, retry_after=60, remedy=_CLOSE, reason=Reason.FRONT_DOOR_OPEN)


_CLOSE: Final = "close the front door, then deploy a new revision"
