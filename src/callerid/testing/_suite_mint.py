"""What a persona of ``access.toml`` sends to an application: its credentials, minted for the guards that read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from callerid.audit._suite import SuitePersona
from callerid.callers import Kind
from callerid.errors import ConfigurationError
from callerid.issuers import CustomCredentialIssuer, GoogleAccessTokenIssuer, Issuer, SpeaksFor
from callerid.testing._by_kind import minted
from callerid.testing._claims import OIDC_ISSUER, is_client_id
from callerid.testing._defaults import FIREBASE_PROJECT, OIDC_AUDIENCE, PERSON_AUDIENCE
from callerid.testing._presenting import presented

if TYPE_CHECKING:
    from callerid.guard import GuardCore
    from callerid.testing._issuer import LocalIssuer

__all__ = ["SuiteMint"]


class SuiteMint:
    """Mints for personas by what the guards accept: their audiences, projects, providers and locations."""

    def __init__(self, issuer: LocalIssuer, guards: Sequence[GuardCore]) -> None:
        self._issuer, self._guards = issuer, guards

    def headers(self, persona: SuitePersona) -> dict[str, str]:
        """The request headers of a persona, signed now; none for a stranger.

        Raises `ConfigurationError` for a persona of whom Google would mint no token.
        """
        try:
            headers = self._presented(persona) if persona.kind else {}
            if persona.via is not None:
                carrier = self._token(SuitePersona(persona.name, "service_account", persona.via))
                headers["X-Serverless-Authorization"] = f"Bearer {carrier}"
            if persona.app is not None:
                headers |= self._issuer.app_check_header(self._issuer.app_check_token(persona.app))
        except ValueError as error:
            raise ConfigurationError(f"{persona.name}: {error}", code="access-tests") from None
        return headers

    def _presented(self, persona: SuitePersona) -> dict[str, str]:
        if persona.kind == "own_credential":
            options = dict(persona.options)
            return self._issuer.own_credential(self._own(options.pop("issuer", None)), persona.who, **options)
        token = self._token(persona)
        opaque = persona.kind == "access_token"
        return self._issuer.bearer(token) if opaque else presented(token, self._issuers(), self._issuer)

    def _own(self, name: str | None) -> CustomCredentialIssuer:
        """The issuer of the application's own credentials that is meant."""
        ours = {each.name: each for each in self._issuers() if isinstance(each, CustomCredentialIssuer)}
        if name is None and len(ours) == 1:
            return next(iter(ours.values()))
        if name not in ours:
            raise ValueError(f"write whose credential it is, issuer = one of {sorted(ours)}")
        return ours[name]

    def _token(self, persona: SuitePersona) -> str:
        options = dict(persona.options)
        if persona.kind == "firebase_user":
            options["project"] = options.get("project") or self._project()
        elif persona.kind == "self_signed":
            options.setdefault("audience", self._audience_of(persona.who))
        elif persona.kind == "oidc_caller":
            options["issuer"] = options.get("issuer") or self._provider()
            options.setdefault("audience", self._audience_for(options["issuer"]))
        elif persona.kind == "access_token":
            options.setdefault("audience", self._client())
        elif persona.kind in ("person", "workspace_person", "service_account"):
            options.setdefault("audience", self._audience(is_service=persona.kind == "service_account"))
        return minted(self._issuer, persona.kind, persona.who, options)

    def _project(self) -> str:
        projects = self._audiences(Kind.FIREBASE)
        if len(projects) > 1:
            raise ValueError(
                f"several Firebase projects are trusted, {', '.join(projects)}: write whose user it is, "
                f'project = "{projects[0]}"'
            )
        return next(iter(projects), FIREBASE_PROJECT)

    def _provider(self) -> str:
        providers = sorted({issuer.name for issuer in self._issuers() if issuer.kind is Kind.OIDC})
        if len(providers) > 1:
            raise ValueError(
                f"several OpenID Connect providers are trusted, {', '.join(providers)}: write whose caller it is, "
                f'issuer = "{providers[0]}"'
            )
        return next(iter(providers), OIDC_ISSUER)

    def _audience_for(self, provider: str) -> str:
        """The first audience of a provider's tokens."""
        theirs = (issuer.audiences for issuer in self._issuers() if issuer.name == provider)
        return min(frozenset[str]().union(*theirs), default=OIDC_AUDIENCE)

    def _audience(self, *, is_service: bool) -> str:
        """People get tokens for an OAuth client id, or for gcloud's where no other is accepted; services for a URL."""
        fitting = [each for each in self._audiences(Kind.GOOGLE) if is_client_id(each) is not is_service]
        if not is_service:
            fitting += sorted(each for issuer in self._issuers() for each in issuer.people_only)
        return next(iter(fitting), _NO_AUDIENCE if is_service else PERSON_AUDIENCE)

    def _client(self) -> str:
        """The first client id for which access tokens are believed."""
        theirs = (each.audiences for each in self._issuers() if isinstance(each, GoogleAccessTokenIssuer))
        return min(frozenset[str]().union(*theirs), default=PERSON_AUDIENCE)

    def _audience_of(self, account: str) -> str:
        """The first audience that an account may sign for."""
        return next(iter(self._audiences(Kind.GOOGLE, account)), _NO_AUDIENCE)

    def _audiences(self, kind: Kind, account: str | None = None) -> list[str]:
        """What tokens in ``Authorization`` may be for; of Firebase users, their projects."""
        known = (issuer for issuer in self._issuers() if SpeaksFor.CALLER in issuer.roles)
        those = [issuer for issuer in known if issuer.kind is kind and issuer.account == account]
        if kind is Kind.FIREBASE:
            return sorted({str(issuer.project) for issuer in those})
        named = (issuer.audiences - issuer.people_only for issuer in those if not issuer.ignores_named_audience)
        return sorted(frozenset[str]().union(*named))

    def _issuers(self) -> list[Issuer]:
        return [issuer for guard in self._guards for issuer in guard.issuers]


_NO_AUDIENCE: Final = "https://no-audience.example.com"
"""Of a service account's token, where no guard accepts any."""
