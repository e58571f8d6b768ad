"""Whether a Firebase user's account is in order: a look-up that asks Identity Toolkit.

Source: Identity Toolkit API, ``accounts:lookup``; Firebase, "Manage user sessions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import quote

from callerid.asking import AskError
from callerid.callers import Caller, is_project
from callerid.errors import ConfigurationError
from callerid.issuers import IAP_ISSUER
from callerid.issuers._emulator import check_emulator
from callerid.keys import DocumentError, GoogleAccess, KeyResponse, KeySource, json_object, post, retry_after
from callerid.lookups._lookup import Lookup
from callerid.rules import ACTIVE

__all__ = ["account_status"]

IDENTITY_TOOLKIT: Final = "https://identitytoolkit.googleapis.com/v1"

_SCOPE: Final = "https://www.googleapis.com/auth/identitytoolkit"
_SECONDS: Final = re.compile("[0-9]{1,12}")

Send = Callable[[KeySource, bytes, Mapping[str, str]], KeyResponse]


@dataclass(frozen=True, slots=True)
class _Account:
    """What is known of an account: tokens of before ``valid_since`` (seconds since the epoch) are revoked."""

    is_enabled: bool = False
    valid_since: int = 0


_GONE: Final = _Account()
"""An account that was deleted, or that is none of the project's."""


@dataclass(frozen=True)
class _IdentityToolkit:
    """Asks about the accounts of one project. ``endpoint`` and ``project`` decide what it says, and nothing else."""

    project: str
    endpoint: str
    strict: bool
    token: Callable[[], str] = field(compare=False, repr=False)
    send: Send = field(compare=False, repr=False)
    timeout: float = field(compare=False, repr=False)

    def load(self, caller: Caller) -> _Account:
        """What is known of a caller's account. Raises `AskError`."""
        user = caller.firebase
        if user is None or user.project != self.project:
            return _GONE
        tenant = f"/tenants/{quote(user.tenant, safe='')}" if user.tenant else ""
        source = KeySource(
            f"{self.endpoint}/projects/{self.project}{tenant}/accounts:lookup", fetch_seconds=self.timeout
        )
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token()}"}
        answer = self.send(source, json.dumps({"localId": [user.uid]}).encode(), headers)
        if answer.status != 200:
            said = retry_after(answer.headers)
            raise AskError(f"HTTP status {answer.status}", retry_after=said, is_source=answer.status != 400)
        try:
            return _account(json_object(answer.body), user.uid, user.tenant)
        except DocumentError as error:
            raise AskError(f"Identity Toolkit answered something that is {error}") from None

    def facts(self, account: _Account, caller: Caller) -> frozenset[str]:
        """What that means for a caller, whose token may have been issued before the account's sessions were revoked."""
        signed_in = None if caller.firebase is None else caller.firebase.signed_in_at
        is_anew = caller.issuer == IAP_ISSUER  # each assertion is issued anew, however long ago they signed in
        since = signed_in if self.strict or is_anew else caller.issued_at
        is_active = account.is_enabled and since is not None and since >= account.valid_since
        return frozenset({ACTIVE} if is_active else ())


def _account(document: Mapping[str, Any], uid: str, tenant: str | None) -> _Account:
    users = document.get("users", [])
    is_list = isinstance(users, list)
    if not is_list:
        raise AskError("Identity Toolkit answered with users that are no list")
    found = cast("list[Any]", users)
    if not found:
        return _GONE
    is_one = len(found) == 1 and isinstance(found[0], dict)
    if not is_one:
        raise AskError("Identity Toolkit answered with something else than the one user who was asked about")
    user = cast("dict[str, Any]", found[0])
    disabled, since = user.get("disabled", False), user.get("validSince", "0")
    if user.get("localId") != uid or (user.get("tenantId") or None) != tenant:
        raise AskError("Identity Toolkit answered about somebody else")
    if type(disabled) is not bool or type(since) is not str or not _SECONDS.fullmatch(since):
        raise AskError("Identity Toolkit answered with an account whose state cannot be read")
    return _Account(not disabled, int(since))


def account_status(  # noqa: PLR0913 - plain settings, each with a default
    project: str,
    *,
    strict: bool = False,
    name: str = "account_status",
    token: Callable[[], str] | None = None,
    emulator: str | None = None,
    endpoint: str = IDENTITY_TOOLKIT,
    send: Send = post,
    timeout: float = 2,
    refresh_ahead: bool = False,
    **settings: Any,
) -> Lookup:
    """A look-up for `NotRevoked`: whether a user of a Firebase project is neither disabled, nor deleted, nor revoked.

    It asks Identity Toolkit, in each process at most once for each user and ``max_age``: a request waits for that call,
    unless ``refresh_ahead=True`` has it made behind one, somewhat sooner. A token is revoked if it was issued before
    the account's ``validSince`` (one of the same second counts); with ``strict=True``, and behind Identity-Aware Proxy,
    if its user signed in before. It says nothing of callers of other issuers and projects, whom `NotRevoked` refuses
    then.

    ``token`` returns the OAuth access token to ask with, in a thread; without one, application-default credentials do,
    of an account with the permission ``firebaseauth.users.get``. ``emulator`` is the Auth emulator's address, as for
    `callerid.firebase`. ``endpoint`` and ``send`` are for tests. ``settings`` are those of `Lookup`. Raises
    `ConfigurationError`.
    """
    if not is_project(project):
        raise ConfigurationError(
            f"account_status names a Firebase project by its id, not {project!r}", code="firebase-project"
        )
    if emulator is not None:
        check_emulator(emulator)
        endpoint, token = f"http://{emulator}/identitytoolkit.googleapis.com/v1", lambda: "owner"
    KeySource(endpoint)  # raises for what is no address that may be asked
    asked = _IdentityToolkit(project, endpoint, strict, token or GoogleAccess(scope=_SCOPE).token, send, timeout)
    return Lookup(name, asked.load, facts=asked.facts, timeout=timeout, refresh_ahead=refresh_ahead, **settings)
