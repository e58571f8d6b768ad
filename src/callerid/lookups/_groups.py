"""Who is in a Google group: a look-up that asks Cloud Identity.

Source: Cloud Identity API, ``groups:lookup``, ``memberships:checkTransitiveMembership`` and ``memberships:lookup``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from cachetools import TTLCache

from callerid.asking import AskError
from callerid.callers import GOOGLE, Caller
from callerid.keys import DocumentError, GoogleAccess, KeyResponse, KeySource, get, json_object, retry_after
from callerid.lookups._lookup import Lookup

__all__ = ["groups"]

CLOUD_IDENTITY: Final = "https://cloudidentity.googleapis.com/v1"

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-identity.groups.readonly"
_GROUP: Final = re.compile("groups/[A-Za-z0-9_-]+")
_REMEMBERED: Final = 600.0
"""Seconds for which a group's id is remembered, and that an edition has no transitive memberships."""

Get = Callable[[KeySource, Mapping[str, str]], KeyResponse]


@dataclass(frozen=True)
class _CloudIdentity:
    """Asks about members of groups. ``endpoint`` decides what it says, and nothing else."""

    endpoint: str
    token: Callable[[], str] = field(compare=False, repr=False)
    get: Get = field(compare=False, repr=False)
    timeout: float = field(compare=False, repr=False)
    ids: TTLCache[str, str] = field(compare=False, repr=False)
    """Groups' ids by their addresses; and an entry for the editions that refuse to look into groups of groups."""
    lock: threading.Lock = field(compare=False, repr=False)

    def load(self, caller: Caller, group: str) -> bool:
        """Whether a caller is a member of a group, directly or by another group. Raises `AskError`."""
        if caller.kind is not GOOGLE or caller.email is None:
            return False
        name = self._known(group) or self._group(group)
        if name is None:
            return False
        if self._known(_DIRECT) is None:
            answer = self._asked(f"{name}/memberships:checkTransitiveMembership?query={_query(caller.email)}")
            if answer.status == 200:
                return _has(_read(answer), "hasMembership", bool) is True
            if answer.status != 403:
                raise _outage(answer)
        # Editions without transitive memberships answer 403, as they do where nothing may be asked at all.
        answer = self._asked(f"{name}/memberships:lookup?memberKey.id={quote(caller.email, safe='')}")
        if answer.status not in (200, 404):
            raise _outage(answer)
        self._remember(_DIRECT, _DIRECT)
        return answer.status == 200 and _has(_read(answer), "name", str).startswith(f"{name}/memberships/")

    def _group(self, address: str) -> str | None:
        answer = self._asked(f"groups:lookup?groupKey.id={quote(address, safe='')}")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise _outage(answer)
        name = str(_has(_read(answer), "name", str))
        if not _GROUP.fullmatch(name):
            raise AskError("Cloud Identity answered with a group whose name cannot be read")
        self._remember(address, name)
        return name

    def _asked(self, path: str) -> KeyResponse:
        source = KeySource(f"{self.endpoint}/{path}", fetch_seconds=self.timeout)
        return self.get(source, {"Authorization": f"Bearer {self.token()}"})

    def _known(self, key: str) -> str | None:
        with self.lock:
            return self.ids.get(key)

    def _remember(self, key: str, value: str) -> None:
        with self.lock:
            self.ids[key] = value


_DIRECT: Final = "direct members alone"


def _query(email: str) -> str:
    """The condition in CEL, whose text has quotation marks and backslashes escaped, as part of a URL."""
    text = email.replace("\\", "\\\\").replace("'", "\\'")
    return quote(f"member_key_id == '{text}'", safe="")


def _read(answer: KeyResponse) -> Mapping[str, Any]:
    try:
        return json_object(answer.body)
    except DocumentError as error:
        raise AskError(f"Cloud Identity answered something that is {error}") from None


def _has(document: Mapping[str, Any], name: str, kind: type) -> Any:
    """A member of the answer. No ``hasMembership`` is none: JSON leaves ``false`` out there."""
    value = document.get(name, False if kind is bool else None)
    if type(value) is not kind:
        raise AskError(f"Cloud Identity answered with no {name} that can be read")
    return value


def _outage(answer: KeyResponse) -> AskError:
    return AskError(f"HTTP status {answer.status}", retry_after=retry_after(answer.headers))


def groups(
    *,
    name: str = "groups",
    token: Callable[[], str] | None = None,
    endpoint: str = CLOUD_IDENTITY,
    get: Get = get,
    timeout: float = 2,
    **settings: Any,
) -> Lookup:
    """A look-up for `Group`: whether a Google account is a member of a group, directly or by groups in it.

    It asks Cloud Identity, once for each caller, group and ``max_age``. Where the edition refuses to look into groups
    of groups (it takes Workspace Enterprise or Education, or Cloud Identity Premium), direct members count alone.
    Callers without a verified address, and those of other families than Google's, are in no group. A group's members
    need not be of the domain it is of.

    ``token`` returns the OAuth access token to ask with, in a thread; without one, application-default credentials do,
    of an account that may view the memberships. ``endpoint`` and ``get`` are for tests. ``settings`` are those of
    `Lookup`. Raises `ConfigurationError`.
    """
    KeySource(endpoint)  # raises for what is no address that may be asked
    ids: Any = TTLCache(1000, _REMEMBERED)
    asked = _CloudIdentity(endpoint, token or GoogleAccess(scope=_SCOPE).token, get, timeout, ids, threading.Lock())
    return Lookup(name, asked.load, one_by_one=True, timeout=timeout, **settings)
