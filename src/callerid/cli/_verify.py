"""``callerid verify``: a token verified by the issuers that are named, and a rule asked about its caller."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO, cast

import click

import callerid
from callerid.cli._frame import MISSING, cli_command, json_option, json_text, text_of, waiting
from callerid.cli._rule_text import rule_from
from callerid.cli._table import Style
from callerid.cli._token_input import token_from
from callerid.cli._trouble import CommandError
from callerid.errors import one_line
from callerid.issuers._issuer import AUTHORIZATION

__all__ = ["Verification", "command", "verify"]

_ISSUERS: Final[Mapping[str, Callable[..., callerid.Issuer]]] = {
    "google": callerid.google,
    "firebase": callerid.firebase,
    "firebase_session": callerid.firebase_session,
    "iap": callerid.iap,
    "service_account": callerid.service_account,
    "oidc": callerid.oidc,
}
"""Who may be believed, by the name of the option."""

_TIMES: Final = ("issued_at", "expires_at", "signed_in_at")


@cli_command(
    "verify",
    codes={
        0: "the token is good, and the rule lets its caller in, where one was given",
        1: "the token is refused, or the rule does not let its caller in",
        2: f"{MISSING}, such as the keys",
    },
)
@click.argument("token", required=False)
@click.option("--google", metavar="AUDIENCE", multiple=True, help="Believe Google's ID tokens for this audience.")
@click.option("--firebase", metavar="PROJECT", multiple=True, help="Believe ID tokens of this Firebase project.")
@click.option("--firebase-session", metavar="PROJECT", multiple=True, help="Believe session cookies of this project.")
@click.option("--iap", metavar="AUDIENCE", multiple=True, help="Believe IAP's assertions for this backend.")
@click.option(
    "--service-account", metavar="EMAIL AUDIENCE", nargs=2, multiple=True, help="Believe what this account signs."
)
@click.option("--oidc", metavar="ISSUER AUDIENCE", nargs=2, multiple=True, help="Believe this OpenID provider.")
@click.option("--keys", metavar="FILE|URL", help="Its keys (default: fetched from where the issuer publishes them).")
@click.option("--rule", "rule_text", metavar="RULE", help="Ask this rule, such as 'Domain(\"example.com\")'.")
@click.option("--path-param", "path", metavar="NAME=VALUE", multiple=True, help="What a PathParam in the rule is.")
@json_option
def command(  # noqa: PLR0913 - one parameter an option
    out: TextIO,
    token: str | None,
    keys: str | None,
    rule_text: str | None,
    path: tuple[str, ...],
    *,
    as_json: bool,
    **believed: tuple[Any, ...],
) -> int:
    """Verify a token, and ask a rule about its caller.

    The token is read from standard input, or on a terminal by a prompt that does not show it, and is never printed.
    One that is given as an argument stays in the shell's history. At least one issuer has to be named. RULE is one of
    callerid's rules, or several joined with & and |, or an IAM member such as domain:example.com. It is parsed and
    never run.

    \b
    callerid verify --google https://orders.example.com < token.txt
    """  # noqa: D301 - click reads the character that is meant
    rule = None if rule_text is None else rule_from(rule_text)
    parameters = dict(map(_parameter, path))
    guard = callerid.Guard(*_issuers(believed, keys))
    found = verify(guard, token_from(token), rule, parameters)
    out.write(json_text(found.members()) if as_json else "".join(f"{line}\n" for line in found.lines(Style.of(out))))
    return found.code


def _issuers(believed: Mapping[str, tuple[Any, ...]], keys: str | None) -> Iterator[callerid.Issuer]:
    named = {name: given for name, given in believed.items() if given}
    if not named:
        raise CommandError("whom is the token to be believed from? Give --google AUDIENCE, or another issuer")
    if keys is not None and len(named) > 1:
        raise CommandError("--keys are the keys of one issuer: name one kind of issuer beside them")
    source: dict[str, Any] = (
        {} if keys is None else {"keys": keys if "://" in keys else callerid.KeyDocument(text_of(Path(keys)))}
    )
    for name, given in named.items():
        for each in given:
            issuer = _ISSUERS[name](*([each] if isinstance(each, str) else each), **source)
            # However a request would carry it: the token is here, in no header and no cookie.
            yield replace(issuer, locations=(AUTHORIZATION,))


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise CommandError(f"--path-param takes NAME=VALUE, not {text!r}")
    return name, value


@dataclass(frozen=True, slots=True)
class Verification:
    """What came of it: the ``caller`` of a good token, and the ``refusal``, of the token or by the rule, if any."""

    caller: callerid.Caller | None
    rule: callerid.Rule | None
    refusal: callerid.Refusal | None

    @property
    def code(self) -> int:
        """The exit code."""
        return 0 if self.refusal is None else 1

    def members(self) -> dict[str, Any]:
        """The same as JSON has it. ``allowed`` is null where no rule was asked."""
        refusal = self.refusal
        return {
            "version": 1,
            "verified": self.caller is not None,
            "allowed": None if self.caller is None or self.rule is None else refusal is None,
            "rule": None if self.rule is None else repr(self.rule),
            "caller": None if self.caller is None else {"name": str(self.caller), **_facts(self.caller)},
            "status": None if refusal is None else refusal.status,
            "reason": None if refusal is None else str(refusal.reason),
            "detail": None if refusal is None else refusal.detail,
            "why": [] if refusal is None else refusal.why.splitlines(),
            "remedy": None if refusal is None else refusal.remedy or None,
        }

    def lines(self, style: Style) -> Iterator[str]:
        """The same for a terminal."""
        if self.caller is not None:
            yield style.paint(f"verified: {self.caller}", "in")
            yield from (f"  {name:<18} {_shown(name, value)}" for name, value in _facts(self.caller).items())
        if self.refusal is not None:
            yield style.paint(f"refused: {self.refusal.status} {self.refusal.reason}", "never")
            yield from (f"  {one_line(line)}" for line in self._reasons(self.refusal))
        elif self.rule is not None:
            yield style.paint(f"let in: {one_line(str(self.rule))}", "in")

    def _reasons(self, refusal: callerid.Refusal) -> Iterator[str]:
        yield from filter(None, (refusal.detail, *refusal.why.splitlines()))
        if refusal.remedy:
            yield f"remedy: {refusal.remedy}"


def verify(
    guard: callerid.Guard, token: str, rule: callerid.Rule | None = None, path: Mapping[str, str] | None = None
) -> Verification:
    """Verify a token, and ask the rule about its caller; ``path`` are the values of its `PathParam`.

    Raises `CommandError` where it cannot be told (keys cannot be had), and `ConfigurationError` for a rule that the
    guard cannot judge.
    """
    caller = None
    try:
        with waiting("keys"):
            caller = guard.verify(token)
        if rule is not None:
            guard.verify(token, rule, path=path or {})
    except callerid.Unavailable as refusal:
        raise CommandError(f"it cannot be told: {one_line(str(refusal))}") from None
    except callerid.Refusal as refusal:
        return Verification(caller, rule, refusal)
    return Verification(caller, rule, None)


def _facts(caller: callerid.Caller) -> dict[str, Any]:
    """What the issuer vouches for, as JSON has it; what is empty or false is left out, and so is the profile."""
    return {name: value for name, value in _plain(caller).items() if name != "profile"}


def _plain(value: object) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(inner) for each in fields(value) if (inner := getattr(value, each.name))}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in cast("Mapping[str, object]", value).items()}
    if isinstance(value, tuple | frozenset):
        members = cast("tuple[object, ...] | frozenset[str]", value)
        return sorted(members) if isinstance(members, frozenset) else [_plain(each) for each in members]
    return value


def _shown(name: str, value: object) -> str:
    if name in _TIMES:
        return datetime.fromtimestamp(cast("float", value), UTC).isoformat(" ", "seconds")
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
