"""Issuers of credentials, one module for each kind: where it sits, its keys, and the caller that its claims name.

    claims          typed access to the claims of a token
    issuer          what every issuer is, and the places of a request that are read
    emulator        where the Firebase Auth emulator may be believed
    google · firebase · cloud_run
    service_account · google_chat
    firebase_session · iap
    oidc · gateway
    asked ← google_access_token · custom_credential
    consuming ← app_check

`docs/architecture.md` says how to add a kind.
"""

from callerid.issuers._app_check import APP_CHECK_KEYS, AppCheckIssuer, app_check
from callerid.issuers._asked import AskedIssuer, Denied, check_apart, check_credential
from callerid.issuers._cloud_run import CloudRunIssuer, FrontDoor, cloud_run
from callerid.issuers._consuming import KEPT_FOR, USED, Consumer
from callerid.issuers._custom_credential import CustomCredentialIssuer, CustomIdentity, custom_credential
from callerid.issuers._emulator import check_not_deployed
from callerid.issuers._firebase import FIREBASE_KEYS, FirebaseIssuer, emulator_warning, firebase, is_emulated
from callerid.issuers._firebase_session import FIREBASE_SESSION_KEYS, FirebaseSessionIssuer, firebase_session
from callerid.issuers._gateway import (
    GATEWAY_AUTHORIZATION,
    GatewayIssuer,
    forwarded_authorization,
    gateway,
    parts_of,
)
from callerid.issuers._google import GOOGLE_KEYS, GoogleIssuer, google
from callerid.issuers._google_access_token import (
    ACCESS_TOKEN_PREFIX,
    ACCESS_TOKENS,
    GoogleAccessTokenIssuer,
    google_access_token,
)
from callerid.issuers._google_chat import CHAT_ACCOUNT, CHAT_KEYS, GoogleChatIssuer, google_chat
from callerid.issuers._iap import IAP_ISSUER, IAP_KEYS, IapExternalIssuer, IapIssuer, iap
from callerid.issuers._issuer import (
    APP_CHECK,
    AUTHORIZATION,
    GCLOUD_CLIENT,
    IAP_ASSERTION,
    SERVERLESS_AUTHORIZATION,
    CredentialLocation,
    Issuer,
    SpeaksFor,
    audience_set,
    cookie_location,
)
from callerid.issuers._oidc import OidcIssuer, oidc
from callerid.issuers._service_account import ServiceAccountIssuer, service_account

__all__ = [
    "ACCESS_TOKENS",
    "ACCESS_TOKEN_PREFIX",
    "APP_CHECK",
    "APP_CHECK_KEYS",
    "AUTHORIZATION",
    "CHAT_ACCOUNT",
    "CHAT_KEYS",
    "FIREBASE_KEYS",
    "FIREBASE_SESSION_KEYS",
    "GATEWAY_AUTHORIZATION",
    "GCLOUD_CLIENT",
    "GOOGLE_KEYS",
    "IAP_ASSERTION",
    "IAP_ISSUER",
    "IAP_KEYS",
    "KEPT_FOR",
    "SERVERLESS_AUTHORIZATION",
    "USED",
    "AppCheckIssuer",
    "AskedIssuer",
    "CloudRunIssuer",
    "Consumer",
    "CredentialLocation",
    "CustomCredentialIssuer",
    "CustomIdentity",
    "Denied",
    "FirebaseIssuer",
    "FirebaseSessionIssuer",
    "FrontDoor",
    "GatewayIssuer",
    "GoogleAccessTokenIssuer",
    "GoogleChatIssuer",
    "GoogleIssuer",
    "IapExternalIssuer",
    "IapIssuer",
    "Issuer",
    "OidcIssuer",
    "ServiceAccountIssuer",
    "SpeaksFor",
    "app_check",
    "audience_set",
    "check_apart",
    "check_credential",
    "check_not_deployed",
    "cloud_run",
    "cookie_location",
    "custom_credential",
    "emulator_warning",
    "firebase",
    "firebase_session",
    "forwarded_authorization",
    "gateway",
    "google",
    "google_access_token",
    "google_chat",
    "iap",
    "is_emulated",
    "oidc",
    "parts_of",
    "service_account",
]
