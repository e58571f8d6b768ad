"""``callerid issuer``: the local issuer as a server, and what to set so that an application and its callers use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO
from urllib.parse import quote

import click

from callerid.cli.frame import MISSING, PORT, cli_command
from callerid.cli.staying import until_interrupted
from callerid.cli.trouble import CommandError
from callerid.testing import LocalIssuer
from callerid.testing.defaults import PERSON_AUDIENCE

__all__ = ["Wanted", "command", "issuer"]


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
def command(out: TextIO, **given: Any) -> int:
    """Run a local issuer to develop against.

    Serves keys and tokens in Google's formats on the loopback interface until it is interrupted, and prints what to
    set. Its keys are made at start and never stored; no guard that trusts Google believes them.
    """
    return issuer(out, Wanted(**given), stay=until_interrupted)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the issuer is to serve, and whose tokens it is to mint at once."""

    port: int = 0
    audience: str = "https://orders.example.com"
    client_id: str | None = None
    project: str = "shop-prod"
    service_account: str | None = None
    people: tuple[str, ...] = ()
    workspace_people: tuple[str, ...] = ()
    firebase_users: tuple[str, ...] = ()


def issuer(out: TextIO, wanted: Wanted, *, stay: Callable[[], None]) -> int:
    """Serve until ``stay`` returns or is interrupted; returns the exit code.

    Raises `CommandError` for what it cannot serve or mint.
    """
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
        out.write("\n".join([*_instructions(google, wanted), *minted, "", "Ctrl-C ends it.", ""]))
        out.flush()
        stay()
    return 0


def _instructions(google: LocalIssuer, wanted: Wanted) -> list[str]:
    host = google.url.removeprefix("http://")
    query = f"audience={quote(wanted.audience, safe=':/')}&format=full"
    account = "computeMetadata/v1/instance/service-accounts/default"
    return [
        f"A local issuer is at {google.url}. What it signs is worth nothing to a guard that trusts Google.",
        "",
        "Your guard finds its keys here: google(..., keys=...), and so on",
        f"  GOOGLE_KEYS_URL={google.jwks_url('google')}",
        f"  FIREBASE_KEYS_URL={google.pem_url('firebase')}",
        f"  FIREBASE_SESSION_KEYS_URL={google.pem_url('firebase_session')}",
        f"  IAP_KEYS_URL={google.pem_url('iap')}",
        "",
        f"Google's client libraries get tokens of {google.metadata_account} with",
        f"  GCE_METADATA_HOST={host} GCE_METADATA_IP={host}",
        "and so does curl:",
        f"  curl -H 'Metadata-Flavor: Google' '{google.url}/{account}/identity?{query}'",
        "",
        "Tokens of anybody, such as",
        f"  callerid token person ada@gmail.com --issuer {google.url}",
    ]


def _minted(google: LocalIssuer, wanted: Wanted) -> Iterator[str]:
    client_id = PERSON_AUDIENCE if wanted.client_id is None else wanted.client_id
    for email in wanted.people:
        yield from _shown(f"{email}, for {client_id}", google.person(email, audience=client_id))
    for email in wanted.workspace_people:
        yield from _shown(f"{email}, for {client_id}", google.workspace_person(email, audience=client_id))
    for uid in wanted.firebase_users:
        yield from _shown(f"Firebase user {uid} of {wanted.project}", google.firebase_user(uid, project=wanted.project))


def _shown(of_whom: str, token: str) -> tuple[str, ...]:
    return ("", f"A token of {of_whom}, good for an hour:", f"  {token}")
