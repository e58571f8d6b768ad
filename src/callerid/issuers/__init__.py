"""Issuers of credentials, one module for each kind: where it sits, its keys, and the caller that its claims name.

    claims          typed access to the claims of a token
    issuer          what every issuer is, and the places of a request that are read
    google · firebase · cloud_run
    service_account · google_chat

`docs/architecture.md` says how to add a kind.
"""

from callerid.issuers.cloud_run import CloudRunIssuer, FrontDoor, cloud_run
from callerid.issuers.firebase import FIREBASE_KEYS, FirebaseIssuer, firebase
from callerid.issuers.google import GOOGLE_KEYS, GoogleIssuer, google
from callerid.issuers.google_chat import CHAT_ACCOUNT, CHAT_KEYS, GoogleChatIssuer, google_chat
from callerid.issuers.issuer import (
    AUTHORIZATION,
    SERVERLESS_AUTHORIZATION,
    CredentialLocation,
    Issuer,
    audience_set,
)
from callerid.issuers.service_account import ServiceAccountIssuer, service_account

__all__ = [
    "AUTHORIZATION",
    "CHAT_ACCOUNT",
    "CHAT_KEYS",
    "FIREBASE_KEYS",
    "GOOGLE_KEYS",
    "SERVERLESS_AUTHORIZATION",
    "CloudRunIssuer",
    "CredentialLocation",
    "FirebaseIssuer",
    "FrontDoor",
    "GoogleChatIssuer",
    "GoogleIssuer",
    "Issuer",
    "ServiceAccountIssuer",
    "audience_set",
    "cloud_run",
    "firebase",
    "google",
    "google_chat",
    "service_account",
]
