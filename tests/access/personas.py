"""Callers to call as: each with the token that they would send, and with what the library would know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from callerid import Caller, Kind
from callerid.access import Row
from callerid.rules import Facts, LookedUp
from callerid.testing import LocalIssuer, firebase_user, google_person, service_account

SERVICE = "https://orders.example.com"
TASKS = f"{SERVICE}/tasks"
ACCEPTED = frozenset({SERVICE, "1234-abc.apps.googleusercontent.com"})


@dataclass(frozen=True)
class Roles(LookedUp):
    """What the look-up "roles" says of somebody."""

    names: frozenset[str]

    def says(self, of: str, fact: str) -> bool:
        return of == "roles" and fact in self.names

    def was_asked(self, of: str, fact: str) -> bool:
        return of == "roles"


@dataclass(frozen=True)
class Persona:
    caller: Caller | None
    mint: Callable[[LocalIssuer], str] | None
    roles: Roles = Roles(frozenset())

    def headers(self, issuer: LocalIssuer) -> dict[str, str]:
        return {} if self.mint is None else issuer.bearer(self.mint(issuer))

    def may(self, row: Row, path: Mapping[str, str], now: float) -> bool:
        """What the map says, by its rule alone."""
        if row.rule.admits(Facts()):
            # Open to strangers, but not to a token that is meant for another place.
            return row.words() == "everybody" or self._fits(row)
        return self._fits(row) and row.rule.admits(Facts(self.caller, None, path, now, looked_up=self.roles))

    def _fits(self, row: Row) -> bool:
        if self.caller is None or self.caller.kind is not Kind.GOOGLE:
            return True
        return self.caller.audience in (row.audiences or ACCEPTED)


PERSONAS = {
    "stranger": Persona(None, None),
    "sam": Persona(
        google_person("sam@example.com", domain="example.com"),
        lambda issuer: issuer.workspace_person("sam@example.com"),
    ),
    "grace": Persona(
        google_person("grace@example.com", domain="example.com"),
        lambda issuer: issuer.workspace_person("grace@example.com"),
        Roles(frozenset({"catalogue"})),  # as the example's own database says
    ),
    "eve": Persona(google_person("eve@gmail.com"), lambda issuer: issuer.person("eve@gmail.com")),
    "robot": Persona(
        service_account("robot@anybody.iam.gserviceaccount.com", audience=SERVICE),
        lambda issuer: issuer.service_account("robot@anybody.iam.gserviceaccount.com", audience=SERVICE),
    ),
    "scheduler": Persona(
        service_account("scheduler@shop-prod.iam.gserviceaccount.com", audience=TASKS),
        lambda issuer: issuer.service_account("scheduler@shop-prod.iam.gserviceaccount.com", audience=TASKS),
    ),
    "scheduler astray": Persona(
        service_account("scheduler@shop-prod.iam.gserviceaccount.com", audience=SERVICE),
        lambda issuer: issuer.service_account("scheduler@shop-prod.iam.gserviceaccount.com", audience=SERVICE),
    ),
    "ada": Persona(firebase_user("ada"), lambda issuer: issuer.firebase_user("ada")),
    "ben": Persona(firebase_user("ben"), lambda issuer: issuer.firebase_user("ben")),
    "guest": Persona(
        firebase_user("guest", provider="anonymous"),
        lambda issuer: issuer.firebase_user("guest", provider="anonymous"),
    ),
}
