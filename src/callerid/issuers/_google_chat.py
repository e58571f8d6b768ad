"""Calls of Google Chat, known by project number. Source: Google Workspace, "Verify requests from Google Chat"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from callerid.callers import GOOGLE, Caller, Kind
from callerid.issuers._issuer import Issuer
from callerid.issuers._issuer import project_number as number_of
from callerid.issuers._service_account import account_caller
from callerid.keys import AnySource, key_source

__all__ = ["CHAT_ACCOUNT", "CHAT_KEYS", "GoogleChatIssuer", "google_chat"]

CHAT_ACCOUNT: Final = "chat@system.gserviceaccount.com"

CHAT_KEYS: Final = f"https://www.googleapis.com/service_accounts/v1/metadata/x509/{CHAT_ACCOUNT}"


@dataclass(frozen=True, slots=True)
class GoogleChatIssuer(Issuer):
    """Google Chat, calling the Chat app of one project."""

    credential: ClassVar[str] = "Google Chat token"
    kind: ClassVar[Kind] = GOOGLE
    requires_subject: ClassVar[bool] = False

    @property
    def account(self) -> str:
        """Google Chat's own account."""
        return CHAT_ACCOUNT

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """Google Chat's account: who wrote in the chat stands in the request's body, and is no caller."""
        return account_caller(self, CHAT_ACCOUNT, claims)


def google_chat(project_number: int | str, *, keys: str | AnySource = CHAT_KEYS) -> GoogleChatIssuer:
    """Calls of Google Chat to the Chat app of this project, whose authentication audience is "Project number".

    RS256, ``iss`` chat@system.gserviceaccount.com, ``aud`` the number of the project that the Chat app was made in.
    Rules know the caller as ``GoogleChat()``. ``audience=`` beside a rule admits these calls only if it names the
    project's number. For an app whose authentication audience is "HTTP endpoint URL", write ``google(URL)``.

    ``keys`` is a URL or a key source. Raises `ConfigurationError` for what is no project's number. Source: Google
    Workspace, "Verify requests from Google Chat".
    """
    number = number_of(project_number, "google_chat(...)", "the Chat app's project")
    return GoogleChatIssuer(
        name=CHAT_ACCOUNT,
        accepted_iss=frozenset({CHAT_ACCOUNT}),
        audiences=frozenset({number}),
        keys=key_source(keys),
    )
