"""API Gateway and Cloud Endpoints (ESPv2), which call a backend with an ID token of their own.

Sources: Cloud Endpoints, "Migrate to Extensible Service Proxy V2" ("Handle JWTs in the backend service"); API Gateway,
"Passing data to and from a backend service".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from callerid.callers import GOOGLE, Caller, Kind
from callerid.errors import ConfigurationError
from callerid.issuers._claims import bad_claim
from callerid.issuers._firebase import is_emulated
from callerid.issuers._google import GOOGLE_ISS, GOOGLE_ISSUER, GOOGLE_KEYS, google_caller
from callerid.issuers._issuer import AUTHORIZATION, CredentialLocation, Issuer, asking, audience_set
from callerid.issuers._service_account import SERVICE_ADDRESS
from callerid.keys import AnySource, key_source

__all__ = ["GATEWAY_AUTHORIZATION", "GatewayIssuer", "forwarded_authorization", "gateway", "parts_of"]

GATEWAY_AUTHORIZATION: Final = CredentialLocation("authorization", is_intermediary=True)
"""A gateway's own token, in place of the caller's."""


def forwarded_authorization(account: str) -> CredentialLocation:
    """Where the gateway that calls as this account puts the caller's ``Authorization``."""
    return CredentialLocation("x-forwarded-authorization", behind=account)


@dataclass(frozen=True, slots=True)
class GatewayIssuer(Issuer):
    """One gateway, by the ID tokens of its service account: it carries calls, and is no caller.

    ``gateway`` is the account, ``inner`` are the issuers of the tokens that it forwards. A guard takes it as several:
    see `parts_of`.
    """

    gateway: str = ""
    inner: tuple[Issuer, ...] = ()

    kind: ClassVar[Kind] = GOOGLE
    ignores_named_audience: ClassVar[bool] = True
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (GATEWAY_AUTHORIZATION,)
    credential: ClassVar[str] = "Google ID token of a gateway"
    signer: ClassVar[str] = "google"

    @property
    def forwarded(self) -> CredentialLocation:
        """Where it puts the caller's ``Authorization``."""
        return forwarded_authorization(self.gateway)

    def is_named_in(self, claims: Mapping[str, Any]) -> bool:
        """Whether a token that is not verified yet says that it is the gateway's."""
        return self.gateway in (claims.get("sub"), str(claims.get("email")).lower())

    def is_it(self, caller: Caller) -> bool:
        """Whether a verified caller is the gateway, by verified address or by id."""
        address = (caller.email or "").lower() if (caller.email or "").isascii() else ""
        return caller.is_service_account and self.gateway in (address, caller.subject)

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """The gateway's own account."""
        caller = google_caller(self, claims)
        if not self.is_it(caller):
            raise bad_claim("the account", f"that of the gateway, {self.gateway}", str(caller))
        return caller


def gateway(
    service_account: str,
    *inner: Issuer,
    audience: str | Iterable[str],
    keys: str | AnySource = GOOGLE_KEYS,
) -> GatewayIssuer:
    """Calls through API Gateway or Cloud Endpoints (ESPv2), which puts a token of its own in ``Authorization``.

    That is a Google ID token of the gateway's ``service_account`` (an e-mail address, or the unique id), for an
    ``audience`` of yours: the backend's address, unless ``jwt_audience`` names another. The caller's own
    ``Authorization`` comes in ``X-Forwarded-Authorization``: it is read only beside a verified token of this very
    gateway, and verified by the ``inner`` issuers, such as ``firebase("shop-prod")``. The gateway is ``caller.via``
    then, of which ``Via(ServiceAccount(...))`` speaks; without a forwarded token there is no caller.

    The ``inner`` issuers believe nothing that comes another way: give those to the guard, too, whose tokens may come
    directly. The gateway's account is never a caller. What it says of callers in ``X-Apigateway-Api-Userinfo`` and
    ``X-Endpoint-API-UserInfo`` is not signed, and never read. On a private Cloud Run service whose front door removes
    the gateway's signature, `cloud_run` with the same audience stands beside it.

    Raises `ConfigurationError` for what is no service account, and for issuers whose tokens no gateway forwards.
    """
    account = _account(service_account)
    if not inner:
        raise ConfigurationError(
            "gateway(...) takes the issuers of the tokens that it forwards, such as "
            "gateway(ACCOUNT, firebase(PROJECT))",
            code="gateway",
        )
    for each in inner:
        is_issuer = isinstance(each, Issuer) and AUTHORIZATION in each.locations
        if not is_issuer or each.believes_stripped or is_emulated(each):
            raise ConfigurationError(
                f"gateway(...) takes issuers of signed tokens in Authorization, such as firebase(...) or google(...), "
                f"not {each!r}",
                code="gateway",
            )
    several = isinstance(audience, Iterable) and not isinstance(audience, str)
    named = tuple(audience) if several else (audience,)
    return GatewayIssuer(
        name=GOOGLE_ISSUER,
        accepted_iss=GOOGLE_ISS,
        audiences=audience_set(named, "gateway(..., audience=...) names what the gateway's token is minted for"),
        keys=key_source(keys),
        locations=(GATEWAY_AUTHORIZATION,),
        gateway=account,
        inner=inner,
    )


def parts_of(issuer: Issuer) -> tuple[Issuer, ...]:
    """The issuers that one is for a guard: a gateway, and those whose tokens it forwards, at their own location."""
    if not isinstance(issuer, GatewayIssuer) or not issuer.inner:
        return (issuer,)
    inner = (replace(each, locations=(issuer.forwarded,)) for each in issuer.inner)
    return (replace(issuer, inner=()), *inner)


def _account(service_account: object) -> str:
    account = service_account.lower() if isinstance(service_account, str) and service_account.isascii() else ""
    if not (SERVICE_ADDRESS.fullmatch(account) or account.isdecimal()):
        raise ConfigurationError(
            f"gateway(...) takes the service account that the gateway calls as, by address or unique id, such as "
            f"'gateway@shop-prod.iam.gserviceaccount.com', not {service_account!r}{asking(service_account)}",
            code="gateway",
        )
    return account
