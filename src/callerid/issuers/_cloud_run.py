"""Google ID tokens behind Cloud Run's front door, which removes the signatures that it has checked.

Source: Cloud Run, "Authenticating service-to-service" and "Troubleshooting" (``SIGNATURE_REMOVED_BY_GOOGLE``).
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from callerid.errors import ConfigurationError
from callerid.issuers._google import GOOGLE_ISS, GOOGLE_ISSUER, GOOGLE_KEYS, GoogleIssuer, google_audiences
from callerid.issuers._issuer import AUTHORIZATION, SERVERLESS_AUTHORIZATION
from callerid.keys import AnySource, key_source

__all__ = ["CloudRunIssuer", "FrontDoor", "cloud_run"]

log = logging.getLogger("callerid")

_REMEDY = (
    "Close it, then deploy a new revision: gcloud run services remove-iam-policy-binding SERVICE --member=allUsers "
    "--role=roles/run.invoker, and gcloud run services update SERVICE --invoker-iam-check. Name the paths of health "
    "checks in probes=(...)"
)


class FrontDoor:
    """Whether Cloud Run's front door was seen to stand open. One for each process: it does not close by itself."""

    def __init__(self) -> None:
        self.is_open = False
        self._lock = threading.Lock()

    def found_open(self, seen: str) -> None:
        """Believe no token without a signature from now on, and log why, once."""
        with self._lock:
            if self.is_open:
                return
            self.is_open = True
        log.critical(
            "Cloud Run's front door stands open: a request came with %s, and the front door of a private service lets "
            "in nobody with that. Until this process ends, tokens without a signature are answered 503. %s",
            seen,
            _REMEDY,
            extra={"callerid": {"outcome": "front door open", "seen": seen}},
        )


_OF_THIS_PROCESS = FrontDoor()


@dataclass(frozen=True, slots=True)
class CloudRunIssuer(GoogleIssuer):
    """Google Accounts, as a private Cloud Run service gets their tokens: with a signature, or without.

    ``probes`` are the paths of start-up and health checks, which carry no credential.
    """

    probes: frozenset[str] = frozenset()
    front_door: FrontDoor = field(default=_OF_THIS_PROCESS, repr=False, compare=False)

    credential: ClassVar[str] = "Google ID token through Cloud Run"
    believes_stripped: ClassVar[bool] = True

    def with_keys(self, keys: AnySource) -> Self:
        """The same issuer with other keys, behind a front door of its own: for tests."""
        return replace(self, keys=keys, front_door=FrontDoor())


def cloud_run(
    *audiences: str,
    probes: Iterable[str] = (),
    gcloud: bool = False,
    insist: bool = False,
    keys: str | AnySource = GOOGLE_KEYS,
) -> CloudRunIssuer:
    """Google ID tokens on a *private* Cloud Run service, whose front door may have removed their signature.

    The front door checks the token in ``X-Serverless-Authorization``, or else the one in ``Authorization``, and puts
    ``SIGNATURE_REMOVED_BY_GOOGLE`` in place of its signature. Such a token is believed where the front door checked it:
    a service in ``X-Serverless-Authorization`` carried the call (``caller.via``), and the one in ``Authorization`` is
    the caller, if no ``X-Serverless-Authorization`` came. Tokens that arrive intact are verified as by `google`.

    **This is proof only while the front door is closed**: the service must require authentication (no ``allUsers``, no
    ``--no-invoker-iam-check``). A request that a closed front door would never have let in (no credential, or one that
    is not Google's, forged, or expired for over ten minutes) shows that it is open: then this process believes no
    token without a signature any more (503), and says so once, as a CRITICAL log record. Name the paths of start-up and
    health checks, which carry no credential, in ``probes``.

    ``audiences`` are the service's URLs and custom audiences; ``gcloud=True`` is as for `google`. Outside of Cloud Run
    (``K_SERVICE`` is not set) it raises `ConfigurationError`, unless you ``insist``: nothing checks tokens there.
    """
    if not insist and not os.environ.get("K_SERVICE"):
        raise ConfigurationError(
            "cloud_run(...) believes tokens whose signature Cloud Run removed, and this is not Cloud Run (K_SERVICE is "
            "not set): use google(...) here, or write insist=True if a front door that checks tokens "
            "stands before this",
            code="cloud-run",
        )
    return CloudRunIssuer(
        name=GOOGLE_ISSUER,
        accepted_iss=GOOGLE_ISS,
        audiences=google_audiences(audiences, "cloud_run(...) accepts tokens minted for your own service only", gcloud),
        keys=key_source(keys),
        locations=(AUTHORIZATION, SERVERLESS_AUTHORIZATION),
        probes=_paths(probes),
    )


def _paths(probes: Any) -> frozenset[str]:
    paths: tuple[Any, ...] = (probes,) if isinstance(probes, str) else tuple(probes)
    for path in paths:
        if not isinstance(path, str) or not path.startswith("/"):
            raise ConfigurationError(f"probes=(...) are paths, such as '/health', not {path!r}", code="cloud-run")
    return frozenset(paths)
