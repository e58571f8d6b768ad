"""``callerid verify``: a token verified by the issuers that are named, and a rule asked about its caller."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TextIO

import click

import callerid
from callerid.callers import Caller
from callerid.cli.frame import MISSING, cli_command, json_option, json_text
from callerid.cli.rule_text import rule_from
from callerid.cli.table import Style
from callerid.cli.token_input import token_from
from callerid.cli.trouble import CommandError
from callerid.errors import ConfigurationError, Refusal, Unavailable, one_line
from callerid.keys import KeyDocument
from callerid.rules import Rule

__all__ = ["Verification", "command", "verify"]

_LARGEST_KEY_FILE: Final = 256 * 1024


@cli_command(
    "verify",
    codes={
        0: "the token is good, and the rule says yes where one was given",
        1: "the token or its caller is refused; the reason is printed",
        2: "it cannot be told: wrong usage, or the keys cannot be had",
    },
)
@click.argument("token", required=False)
@click.option("--google", metavar="AUDIENCE", multiple=True, help="Believe Google ID tokens for this URL or client id.")
@click.option("--cloud-run", metavar="URL", multiple=True, help="The same, as a private Cloud Run service does.")
@click.option("--firebase", metavar="PROJECT", multiple=True, help="Believe ID tokens of this Firebase project.")
@click.option("--iap", metavar="AUDIENCE", multiple=True, help="Believe IAP's assertions for this backend.")
@click.option("--oidc", metavar="ISSUER AUDIENCE", nargs=2, multiple=True, help="Believe this OpenID provider.")
@click.option(
    "--keys", metavar="FILE", type=click.Path(path_type=Path), help="Public keys: a JWK set, or a map of certificates."
)
@click.option("--rule", "rule_text", metavar="TEXT", help="Ask this rule, such as 'Domain(\"example.com\")'.")
@click.option("--path-param", "parameters", metavar="NAME=VALUE", multiple=True, help="What a PathParam stands for.")
@json_option
def command(  # noqa: PLR0913 - one parameter an option
    out: TextIO,
    token: str | None,
    keys: Path | None,
    rule_text: str | None,
    parameters: tuple[str, ...],
    *,
    as_json: bool,
    **named: Iterable[Any],
) -> int:
    """Verify a token, and ask a rule about its caller.

    The token is read from standard input, or on a terminal by a prompt that does not show it; it is not printed.
    Keys are fetched from Google, or from the provider, unless --keys names a file. A rule is one of callerid's by
    name, joined with & and |, or an IAM member; it is parsed and never run.

    \b
    callerid verify --google https://orders.example.com < token.txt
    """
    issuers = list(_issuers(named, _key_document(keys)))
    if not issuers:
        raise CommandError("whom is the token to be believed from? give --google, --firebase, --iap, ...")
    if keys is not None and len({each.kind for each in issuers} | {each.signer for each in issuers}) > 2:
        raise CommandError("--keys are the keys of one issuer: name one kind of issuer")
    rule = None if rule_text is None else rule_from(rule_text)
    path = dict(map(_parameter, parameters))
    found = verify(token_from(token), issuers, rule, path)
    out.write(json_text(found.members()) if as_json else "".join(f"{line}\n" for line in found.lines(Style.of(out))))
    out.flush()
    return found.code
