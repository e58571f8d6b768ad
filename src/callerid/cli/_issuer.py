"""``callerid issuer``: the local issuer as a server, and what to set so that an application and its callers use it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, TextIO
from urllib.parse import quote

import click

from callerid.cli._frame import MISSING, PORT, cli_command, json_option
from callerid.cli._staying import until_interrupted
from callerid.cli._trouble import CommandError
from callerid.testing import LocalIssuer
from callerid.testing._defaults import PERSON_AUDIENCE

__all__ = ["command"]


@cli_command("issuer", codes={0: "it was interrupted", 2: MISSING})
@click.option("--port", type=PORT, metavar="PORT", default=0, help="The port to listen on (default: a free one).")
@click.option(
    "--audience", metavar="URL", default="https://orders.example.com", help="What your guard takes from services."
)
@click.option("--client-id", metavar="ID", help="The OAuth client id your guard accepts from people.")
@click.option("--project", metavar="ID", default="shop-prod", help="Your guard's Firebase project.")
@click.option("--service-account", metavar="EMAIL", help="Whose machine the metadata server is on.")
@click.option("--person", "people", metavar="EMAIL", multiple=True, help="Mint a token of a person.")
@click.option(
    "--workspace-person",
    "workspace_people",
    metavar="EMAIL",
    multiple=True,
    help="Mint a token of a person of the address's Google Workspace.",
)
@click.option("--firebase-user", "firebase_users", metavar="UID", multiple=True, help="Mint one of a Firebase user.")
@json_option
def command(out: TextIO, *, as_json: bool, **given: Any) -> int:
    """Run a local issuer to develop against.

    Serves keys and tokens in Google's formats on the loopback interface until it is interrupted, and prints what to
    set. Its keys are made at start and never stored; no guard that trusts Google believes them. With --json that is
    one line, a JSON document.
    """
    wanted = _Wanted(**given)
    google = LocalIssuer()
    try:
        if wanted.service_account is not None:
            google.metadata_account = wanted.service_account
        minted = list(_minted(google, wanted))
        google.serve(wanted.port)
    except ValueError as error:
        advice_for_tests = " To test how"
        raise CommandError(str(error).partition(advice_for_tests)[0]) from None
    except OSError as error:
        raise CommandError(f"cannot listen on port {wanted.port}: {error.strerror}") from None
    with google, suppress(KeyboardInterrupt):
        out.write(_document(google, minted) if as_json else "\n".join(_instructions(google, wanted, minted)))
        out.flush()
        until_interrupted()
    return 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the issuer is to serve, and whose tokens it is to mint at once."""

    port: int
    audience: str
    client_id: str | None
    project: str
    service_account: str | None
    people: tuple[str, ...]
    workspace_people: tuple[str, ...]
    firebase_users: tuple[str, ...]


def _keys_urls(google: LocalIssuer) -> dict[str, str]:
    """What to set so that guards find its keys."""
    return {
        "GOOGLE_KEYS_URL": google.jwks_url("google"),
        "FIREBASE_KEYS_URL": google.pem_url("firebase"),
        "FIREBASE_SESSION_KEYS_URL": google.pem_url("firebase_session"),
        "IAP_KEYS_URL": google.pem_url("iap"),
    }


def _document(google: LocalIssuer, minted: Sequence[_MintedToken]) -> str:
    """One line: who reads it need not wait for the end."""
    host = google.url.removeprefix("http://")
    members = {
        "version": 1,
        "url": google.url,
        "environment": {**_keys_urls(google), "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host},
        "service_account": google.metadata_account,
        "tokens": [asdict(each) for each in minted],
    }
    return json.dumps(members) + "\n"


def _instructions(google: LocalIssuer, wanted: _Wanted, minted: Sequence[_MintedToken]) -> list[str]:
    host = google.url.removeprefix("http://")
    query = f"audience={quote(wanted.audience, safe=':/')}&format=full"
    account = "computeMetadata/v1/instance/service-accounts/default"
    return [
        f"A local issuer is at {google.url}. What it signs is worth nothing to a guard that trusts Google.",
        "",
        "Your guard finds its keys here: google(..., keys=...), and so on",
        *(f"  {name}={url}" for name, url in _keys_urls(google).items()),
        "",
        f"Google's client libraries get tokens of {google.metadata_account} with",
        f"  GCE_METADATA_HOST={host} GCE_METADATA_IP={host}",
        "and so does curl:",
        f"  curl -H 'Metadata-Flavor: Google' '{google.url}/{account}/identity?{query}'",
        "",
        "Tokens of anybody, such as",
        f"  callerid token person ada@gmail.com --issuer {google.url}",
        *(line for each in minted for line in ("", f"A token of {each}, good for an hour:", f"  {each.token}")),
        "",
        "Ctrl-C ends it.",
        "",
    ]


@dataclass(frozen=True, slots=True, repr=False)
class _MintedToken:
    """A token that was minted at the start, and whose it is."""

    who: str
    audience: str
    token: str

    def __str__(self) -> str:
        return f"{self.who}, for {self.audience}"


def _minted(google: LocalIssuer, wanted: _Wanted) -> Iterator[_MintedToken]:
    client_id = PERSON_AUDIENCE if wanted.client_id is None else wanted.client_id
    for email in wanted.people:
        yield _MintedToken(email, client_id, google.person(email, audience=client_id))
    for email in wanted.workspace_people:
        yield _MintedToken(email, client_id, google.workspace_person(email, audience=client_id))
    for uid in wanted.firebase_users:
        token = google.firebase_user(uid, project=wanted.project)
        yield _MintedToken(f"Firebase user {uid}", wanted.project, token)
