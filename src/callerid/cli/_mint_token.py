"""``callerid token``: a token of anybody, minted by a local issuer that runs, or by one that lives for this call."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

import click

from callerid.audit._suite import KINDS, check_options
from callerid.cli._frame import FILE, MISSING, cli_command, json_option, json_text, write_text
from callerid.cli._trouble import CommandError
from callerid.errors import one_line
from callerid.testing import LocalIssuer
from callerid.testing._by_kind import LOOPBACK_NAMES, MINT_HEADER, MINT_PATH, MINTED_KINDS, minted
from callerid.testing._compact import header_and_claims

__all__ = ["command"]

_SECONDS: Final = 5.0
_OPAQUE: Final = "access_token"
"""The kind whose tokens are no JWTs: only the issuer that minted one knows it."""

_KEYS_ARE_GONE: Final = (
    "callerid: nobody can verify this token, whose keys are gone: --issuer asks an issuer that stays, --write-keys "
    "writes the keys down\n"
)


@cli_command("token", codes={0: "the token was printed", 2: MISSING})
@click.argument("kind", metavar="KIND", type=click.Choice(MINTED_KINDS))
@click.argument("who", metavar="WHO")
@click.option("--with", "settings", metavar="NAME=VALUE", multiple=True, help="Something else that the token says.")
@click.option("--issuer", metavar="URL", help="The local issuer that mints it: what 'callerid issuer' runs.")
@click.option("--write-keys", "file", type=FILE, metavar="FILE", help="Write its public keys, without one.")
@json_option
def command(  # noqa: PLR0913 - one parameter an option
    out: TextIO,
    kind: str,
    who: str,
    settings: tuple[str, ...],
    issuer: str | None,
    *,
    file: Path | None,
    as_json: bool,
) -> int:
    """Mint a token of anybody, for local work.

    KIND and WHO are as in access.toml: person, workspace_person, service_account, self_signed or access_token with an
    address, chat with a project's number, firebase_user with a uid, oidc_caller with a subject. --with says the rest,
    what is no text as JSON. No guard that trusts Google believes the token.

    \b
    callerid token person ada@gmail.com --issuer http://127.0.0.1:8085
    callerid token firebase_user ada --with 'claims={"role": "admin"}'
    """  # noqa: D301 - click reads the character that is meant
    options = _options(kind, settings)
    if issuer is not None and file is not None:
        raise CommandError("--write-keys is for tokens that are minted here: leave out --issuer, or --write-keys")
    if issuer is None and kind == _OPAQUE:
        raise CommandError("an access token is known to the issuer that minted it alone: give --issuer")
    token = _asked(issuer, kind, who, options) if issuer is not None else _minted_here(kind, who, options, file)
    if as_json:
        claims = None if kind == _OPAQUE else header_and_claims(token)[1]
        out.write(
            json_text({"version": 1, "kind": kind, "who": who, "issuer": issuer, "token": token, "claims": claims})
        )
    else:
        out.write(f"{token}\n")
    return 0


def _options(kind: str, settings: tuple[str, ...]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for each in settings:
        name, equals, value = each.partition("=")
        if not equals:
            raise CommandError(f"--with takes NAME=VALUE, not {each!r}")
        options[name] = value if KINDS[kind].get(name, str) is str else _read(each, value)
    check_options("--with", kind, options)
    return options


def _read(given: str, value: str) -> object:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise CommandError(f"--with {one_line(given)}: what is no text is written as JSON") from None


def _minted_here(kind: str, who: str, options: Mapping[str, Any], file: Path | None) -> str:
    local = LocalIssuer()
    try:
        token = minted(local, kind, who, options)
    except ValueError as error:
        raise CommandError(one_line(str(error))) from None
    if file is None:
        sys.stderr.write(_KEYS_ARE_GONE)
        return token
    write_text(file, local.jwks_document(_signer(local, kind, token)))
    return token


def _signer(local: LocalIssuer, kind: str, token: str) -> str:
    """Whose keys signed a token: a service account, a provider, or Google."""
    issuer = header_and_claims(token)[1]["iss"]
    return issuer if issuer in local.signers else "firebase" if kind == "firebase_user" else "google"


def _asked(url: str, kind: str, who: str, options: Mapping[str, Any]) -> str:
    """The token that a running issuer mints. Raises `CommandError`."""
    import urllib3  # noqa: PLC0415 - a token that is minted here needs no HTTP client

    endpoint = _endpoint(url)
    try:
        with urllib3.PoolManager() as client:
            answer = client.request(
                "POST",
                endpoint,
                json={"kind": kind, "who": who, "options": options},
                headers={MINT_HEADER: "1"},
                timeout=_SECONDS,
                retries=False,
                redirect=False,
            )
            said: Any = answer.json()
            token, error = said.get("token"), said.get("error")
    except (urllib3.exceptions.HTTPError, ValueError, AttributeError) as failure:
        raise CommandError(f"no local issuer answers at {url}: {type(failure).__name__}") from None
    if answer.status != 200 or not isinstance(token, str):
        raise CommandError(f"the issuer at {url} minted no token: {one_line(str(error))}")
    return token


def _endpoint(url: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES:
            return f"http://{parts.netloc}{MINT_PATH}"
    raise CommandError(f"--issuer takes the address of a local issuer, such as http://127.0.0.1:8085, not {url!r}")
