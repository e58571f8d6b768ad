"""Whom and what tokens are minted for where nothing is named, and accounts that Google itself has."""

from __future__ import annotations

__all__ = [
    "CHAT_ACCOUNT",
    "FIREBASE_ACCOUNT",
    "FIREBASE_PROJECT",
    "GCLOUD_CLIENT",
    "IAP_AUDIENCE",
    "OIDC_AUDIENCE",
    "PERSON_AUDIENCE",
    "PROJECT_NUMBER",
    "SERVICE_AUDIENCE",
    "SOME_GATEWAY",
]

PERSON_AUDIENCE = "1234-abc.apps.googleusercontent.com"
"""The OAuth client id for which `Mint.person` mints when none is named."""

SERVICE_AUDIENCE = "https://orders.example.com"
"""The URL for which `Mint.service_account` mints when none is named."""

FIREBASE_PROJECT = "shop-prod"
"""The project of which `Mint.firebase_user` makes users when none is named."""

PROJECT_NUMBER = 123_456_789_012
"""The number of the project whose Chat app `Mint.chat` calls when none is named."""

IAP_AUDIENCE = f"/projects/{PROJECT_NUMBER}/global/backendServices/1234567890123456789"
"""The backend for which `Mint.iap_assertion` asserts when none is named."""

OIDC_AUDIENCE = "orders"
"""The client id for which `Mint.oidc_caller` mints when none is named."""

GCLOUD_CLIENT = "32555940559.apps.googleusercontent.com"
"""The OAuth client id of gcloud."""

CHAT_ACCOUNT = "chat@system.gserviceaccount.com"
"""The account that Google Chat calls as."""

FIREBASE_ACCOUNT = "securetoken@system.gserviceaccount.com"
"""The account whose published keys sign Firebase's ID tokens."""

SOME_GATEWAY = "gateway@shop-prod.iam.gserviceaccount.com"
"""The account of the gateway of which no address is named."""
