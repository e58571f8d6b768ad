"""For whom an issuer vouches, and which client asked for their tokens."""

from __future__ import annotations

from callerid import AnyGoogleAccount, AuthorizedParty, ServiceAccount, google, service_account
from callerid.audit.algebra import No, Side, Yes, admits_nobody, new_access
from callerid.issuers import GCLOUD_CLIENT

URL = "https://orders.example.com"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"


def test_gclouds_tokens_were_asked_for_by_gcloud() -> None:
    issuers = (google(URL, gcloud=True),)
    ours, anybody = AuthorizedParty(GCLOUD_CLIENT), AnyGoogleAccount()
    for audiences, verdict in ((frozenset({GCLOUD_CLIENT}), No), (frozenset({URL}), Yes), (None, Yes)):
        found = new_access(Side(ours, audiences, issuers), Side(anybody, audiences, issuers))
        assert isinstance(found, verdict), audiences
    other = Side(AuthorizedParty("1-a.apps.googleusercontent.com"), frozenset({GCLOUD_CLIENT}), issuers)
    assert isinstance(new_access(Side(ServiceAccount("7"), issuers=issuers), other), No)


def test_nobody_asked_for_a_token_that_an_account_signed_itself() -> None:
    issuers = (service_account(ROBOT, URL),)
    assert admits_nobody(AuthorizedParty(ROBOT), issuers)
    assert not admits_nobody(ServiceAccount(ROBOT), issuers)
