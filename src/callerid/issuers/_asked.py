"""Credentials without a signature: whoever issued one is asked whose it is.

Such a credential is looked up by its digest, and asked about by one call at a time (`callerid.asking`).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ClassVar, Final, NamedTuple, TypeAlias

from callerid.asking import AskPolicy, Source, SourceAnswer
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.issuers._issuer import CredentialLocation, Issuer

__all__ = ["AskedIssuer", "Denied", "Question", "check_apart", "check_credential"]


class Denied(NamedTuple):
    """The answer that a credential is not believed, and why: see `callerid.errors.Unauthenticated`."""

    reason: Reason
    detail: str
    remedy: str = ""

    def refusal(self) -> Unauthenticated:
        """The refusal of the request that brought it."""
        return Unauthenticated(self.reason, self.detail, remedy=self.remedy)


Verdict: TypeAlias = SourceAnswer[Caller | Denied]
Question: TypeAlias = Callable[[], Verdict] | Callable[[], Awaitable[Verdict]]
"""Asks about one credential; the async ones are awaited."""


@dataclass(frozen=True, slots=True)
class AskedIssuer(Issuer):
    """An issuer of credentials that only it can tell the meaning of.

    ``prefix`` is what each of its credentials begins with; empty, where it reads all in its location.
    """

    prefix: str = ""

    is_final: ClassVar[bool] = False
    """Whether its credentials end when an answer does, so that there is no other answer to be had then."""

    source: Source = field(init=False, compare=False, repr=False)
    """Who is asked: of each issuer its own, so that no two share an answer."""

    @property
    @abstractmethod
    def policy(self) -> AskPolicy:
        """How it is asked, and how long it is left alone after it failed."""

    @abstractmethod
    def question(self, text: str, clock: Callable[[], float]) -> Question:
        """What asks about a credential. ``clock`` gives seconds since the epoch.

        It returns a `SourceAnswer` that says who it is, or `Denied`. Whatever it raises means: no answer now.
        """

    def reads(self, text: str) -> bool:
        """Whether a credential in one of its locations is one of its own."""
        return text.startswith(self.prefix)


def check_credential(text: str, longest: int) -> None:
    """Raise `Unauthenticated` for what is no credential that may be asked about: too long, or not printable ASCII."""
    if len(text) > longest:
        raise Unauthenticated(
            Reason.MALFORMED_TOKEN, f"expected a credential of at most {longest} bytes, got {len(text)} characters"
        )
    if not _PRINTABLE.fullmatch(text):
        raise Unauthenticated(Reason.MALFORMED_TOKEN, "expected a credential in printable ASCII, got other characters")


_PRINTABLE: Final = re.compile("[!-~]+")


def check_apart(location: CredentialLocation, asked: tuple[AskedIssuer, ...], *, beside_tokens: bool) -> None:
    """Raise `ConfigurationError` where two issuers could claim one credential in a location.

    ``beside_tokens``: whether signed tokens are read there, too. Those begin with ``e``: the first byte of their header
    is that of a JSON object (RFC 7515 section 3.1).
    """
    for one in asked:
        if beside_tokens and (not one.prefix or one.prefix.startswith("e")):
            raise ConfigurationError(
                f"signed tokens are read from {location.name}, too, so that two issuers could claim one credential: "
                f"say what those of {one.name!r} begin with, such as matches='sk_', and no signed token does",
                code="issuers-overlap",
            )
        for other in asked:
            if other is not one and other.prefix.startswith(one.prefix):
                raise ConfigurationError(
                    f"{one.name!r} and {other.name!r} could claim one credential in {location.name}: say what the "
                    "credentials of each begin with, by matches=, so that neither begins as the other",
                    code="issuers-overlap",
                )
