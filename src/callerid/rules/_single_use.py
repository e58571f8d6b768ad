"""The rule that a token opens one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callerid.rules._base import Rule, leaves
from callerid.rules._facts import Facts
from callerid.rules._judging import the_caller

__all__ = ["FIRST", "USES", "SingleUse", "needs_use"]

USES: Final = "\0single use"
"""How the algebra names what counts the uses of tokens, among the look-ups: no look-up can have this name."""

FIRST: Final = "first"
"""What that says of a token that was not used before."""


@dataclass(frozen=True, slots=True, repr=False)
class SingleUse(Rule):
    """Callers whose token was not used before: each token opens one request, in all processes of a fleet.

    A token is known by its issuer and its ``jti``, or where it has none by a digest of what is signed. It is used up
    only where everything else that is required of the request holds, and where the answer depends on it; then, before
    the handler runs. A second use is refused with 401, ``already_used``. Credentials without a signature
    (`google_access_token`, `custom_credential`) are refused: nothing says when they were issued.

    Without a ``fleet=`` each process accepts a token once: with several workers, each of them.
    """

    def admits(self, facts: Facts) -> bool:
        return facts.caller is not None and facts.first_use

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return the_caller(facts) + ("" if holds or facts.caller is None else ", the use of whose token is not counted")

    def __str__(self) -> str:
        return "singleUse"

    def __repr__(self) -> str:
        return "SingleUse()"


def needs_use(rule: Rule) -> bool:
    """Whether a rule may depend on whether the token was used before."""
    return any(isinstance(leaf, SingleUse) for leaf in leaves(rule))
